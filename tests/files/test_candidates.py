import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._candidates import is_beside
from tests.files.conftest import written

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


@pytest.mark.parametrize(
    "name",
    [
        "pixel_mask",
        "entry/instrument/detector/flatfield",
        "data_dark",
        "data_white",
        "entry/dark/data",
        "sample/orientation_matrix",
        "countrate_correction_table",
        "sample/unit_cell",
        "scan/positions",
        "data_error",
        "background",
        "x_pixel_size",
    ],
)
def test_names_that_are_no_data(name):
    assert is_beside(name)


@pytest.mark.parametrize(
    "name", ["data", "entry/data/data_000001", "counts", "scan/eiger", "detector_1/data"]
)
def test_names_that_may_be_data(name):
    assert not is_beside(name)


@pytest.mark.parametrize("left", [np.ones((2, 3, 8, 9)), STACK * 1j], ids=["four axes", "complex"])
@pytest.mark.parametrize("beside", ["mask", "dark", "flat_field"])
def test_what_stands_beside_is_never_the_data(tmp_path, left, beside):
    path = written(tmp_path / "a.h5", **{"x__y": left, f"x__{beside}": np.ones((8, 9), "u1")})
    with pytest.raises(
        ValueError, match="'x/y' in .* holds (an array of shape|values of type complex)"
    ):
        read_diffraction(path)


def test_types_that_numpy_has_not_are_passed_over(tmp_path):
    path = written(tmp_path / "a.h5", data=STACK)
    with h5py.File(path, "a") as file:
        space = h5py.h5s.create_simple((30, 30))
        h5py.h5d.create(file.id, b"times", h5py.h5t.UNIX_D32LE, space)
        file["empty"] = h5py.Empty("f4")
    assert read_diffraction(path).data.shape == STACK.shape
