import os

import h5py
import hdf5plugin
import numpy as np
import pytest

from skpr.files import read_diffraction
from tests.files.conftest import virtual

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)


def test_a_numbered_family_of_sources_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (0, 1):
        with h5py.File(f"block-{number}.h5", "w") as file:
            file["data"] = STACK + number
    space = h5py.h5s.create_simple(STACK.shape, (h5py.h5s.UNLIMITED, 8, 8))
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (4, 1, 1), STACK.shape)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"block-%b.h5", b"data", h5py.h5s.create_simple(STACK.shape))
    with h5py.File("a.h5", "w") as file:
        whole = h5py.h5s.create_simple(STACK.shape, (h5py.h5s.UNLIMITED, 8, 8))
        h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT32, whole, properties)
    np.testing.assert_allclose(
        read_diffraction("a.h5").data ** 2, np.concatenate([STACK, STACK + 1.0]), rtol=1e-5
    )
    with h5py.File("block-0.h5", "w") as file:
        file["data"] = STACK[:1]
    with pytest.raises(OSError, match="data in block-%b.h5|data in block-0.h5, which holds only"):
        read_diffraction("a.h5")


def test_a_filter_that_is_not_installed_is_named(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("entry/data", data=STACK, **hdf5plugin.Bitshuffle())
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code != 32008)
    message = (
        r"'entry/data' compressed by filter 32008 \(Bitshuffle\), which is not installed; .*pip"
    )
    with pytest.raises(ImportError, match=message):
        read_diffraction(tmp_path / "a.h5")


def test_a_virtual_data_set_without_a_source_is_refused(tmp_path):
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = STACK[:1]
    virtual(tmp_path / "inner.h5", ["a.h5", "b.h5"])
    with h5py.File(tmp_path / "inner.h5", "a") as file:
        file["data"] = file["entry/data/data"]
    virtual(tmp_path / "v.h5", ["inner.h5"], 2)
    np.testing.assert_allclose(
        read_diffraction(tmp_path / "v.h5").data ** 2, STACK[[0, 0]], rtol=1e-6
    )
    os.remove(tmp_path / "b.h5")  # two levels down
    with pytest.raises(OSError, match=r"assembles 'data' from data in b\.h5, which does not exist"):
        read_diffraction(tmp_path / "v.h5")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"data": STACK[:1]}, r"which holds only \(1, 8, 8\) of it"),
        ({"other": STACK}, "which holds no such data set"),
        (None, "which is not readable"),
    ],
)
def test_a_virtual_data_set_with_less_than_announced_is_refused(tmp_path, content, reason):
    if content is None:
        (tmp_path / "a.h5").write_bytes(b"no HDF5")
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.update(content)
    virtual(tmp_path / "v.h5", ["a.h5"], 2)
    with pytest.raises(OSError, match=reason):
        read_diffraction(tmp_path / "v.h5")


@pytest.mark.parametrize("size", [None, 100])
def test_external_storage_must_be_whole(tmp_path, size):
    raw = tmp_path / "a.raw"
    raw.write_bytes(STACK.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "data", STACK.shape, STACK.dtype, external=[(str(raw), 0, STACK.nbytes)]
        )
    raw.unlink() if size is None else raw.write_bytes(raw.read_bytes()[:size])
    with pytest.raises(OSError, match=r"a\.raw, which (does not exist|is truncated)"):
        read_diffraction(tmp_path / "a.h5")
