import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from tests.files.conftest import written

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


@pytest.mark.parametrize("space", ["real", None])
def test_an_image_in_real_space_is_a_reconstruction(tmp_path, space):
    path = written(
        tmp_path / "a.cxi",
        entry_1__image_1__data=STACK.astype(float),
        entry_1__image_1__magnitudes=STACK,
    )
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")
        if space:
            file["entry_1/image_1/data_space"] = space
    with pytest.raises(
        ValueError,
        match="holds reconstructions, not counts; read_reconstruction reads them",
    ):
        read_diffraction(path)


def test_images_of_diffraction_are_patterns_with_their_mask(tmp_path):
    path = written(
        tmp_path / "a.cxi", entry_1__image_1__data=STACK, entry_1__image_1__data_space="reciprocal"
    )
    with h5py.File(path, "a") as file:
        file["entry_1/image_1/mask"] = np.r_[np.ones((1, 9), "u1"), np.zeros((7, 9), "u1")]
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")
    for name in (None, "entry_1/image_1/data", "entry_1/data_1/data"):
        assert np.isnan(read_diffraction(path, name).data).sum() == 3 * 9


@pytest.mark.parametrize("default", [3, "gone", b"", ["entry", "gone"]])
def test_an_attribute_that_names_nothing_declares_nothing(tmp_path, default):
    path = written(tmp_path / "a.h5", entry__data__data=STACK)
    with h5py.File(path, "a") as file:
        file.attrs["default"] = default
    assert read_diffraction(path).data.shape == STACK.shape


def test_a_default_without_a_signal_declares_nothing(tmp_path):
    path = written(tmp_path / "a.h5", entry__data__data=STACK)
    with h5py.File(path, "a") as file:
        file.attrs["default"] = "entry"
        file["entry"].attrs.update(NX_class="NXentry", default="data")
        file["entry/data"].attrs["NX_class"] = "NXdata"
    assert read_diffraction(path).data.shape == STACK.shape


def test_a_signal_that_is_a_mask_is_not_taken(tmp_path):
    path = written(tmp_path / "a.h5", entry__data__mask=np.zeros((8, 9)), entry__data__counts=STACK)
    with h5py.File(path, "a") as file:
        file["entry/data"].attrs.update(NX_class="NXdata", signal="mask")
    assert read_diffraction(path).dataset == ["entry/data/counts"]


@pytest.mark.parametrize("target", ["entry/roi", "/entry/roi"])
def test_a_default_counts_although_its_axes_are_missing(tmp_path, target):
    path = written(tmp_path / "a.nxs", entry__data__data=STACK, entry__roi__counts=2 * STACK)
    with h5py.File(path, "a") as file:
        file.attrs["default"] = target
        for name, signal in (("data", "data"), ("roi", "counts")):
            file[f"entry/{name}"].attrs.update(NX_class="NXdata", signal=signal, axes=["y", "x"])
    found = read_diffraction(path)
    assert found.dataset == ["entry/roi/counts"]
    np.testing.assert_allclose(found.data**2, 2.0 * STACK, rtol=1e-5)


@pytest.mark.parametrize("target", ["entry", "entry/gone", "", "entry/data/data"])
def test_a_default_that_leads_nowhere_is_passed_over(tmp_path, target):
    path = written(tmp_path / "a.nxs", entry__data__data=STACK, entry__roi__counts=2 * STACK)
    with h5py.File(path, "a") as file:
        file.attrs["default"], file["entry"].attrs["default"] = target, "/"
    assert read_diffraction(path).dataset == ["entry/data/data"]
