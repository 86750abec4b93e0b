import os

import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from tests.files.conftest import virtual

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)


def test_raw_values_beside_the_file_are_found_from_any_folder(tmp_path, monkeypatch):
    STACK.tofile(tmp_path / "raw.bin")
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        for name, shape in (("entry/data", STACK.shape), ("bg", (8, 8))):
            file.create_dataset(
                name, shape, "u4", external=[("raw.bin", 0, int(np.prod(shape)) * 4)]
            )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (STACK + 7).tofile("raw.bin")
    np.testing.assert_allclose(
        read_diffraction(tmp_path / "a.h5", "entry/data").data ** 2, STACK, rtol=1e-5
    )
    found = read_diffraction(tmp_path / "a.h5", "entry/data", dark="bg", negative="keep")
    np.testing.assert_allclose(found.data**2, STACK - STACK[0].astype(float), rtol=1e-5)
    (tmp_path / "raw.bin").write_bytes(b"")
    np.testing.assert_allclose(
        read_diffraction(tmp_path / "a.h5", "entry/data").data ** 2, STACK + 7.0, rtol=1e-5
    )


def test_a_source_is_looked_for_where_hdf5_does(tmp_path, monkeypatch):
    """A source at a relative path is not looked for by its name alone.

    HDF5 would not find it there, and would fill in zeros.
    """
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK
    virtual(tmp_path / "v.h5", ["raw/a.h5"], 4)
    with pytest.raises(OSError, match=r"from data in raw/a\.h5, which does not exist"):
        read_diffraction(tmp_path / "v.h5")
    virtual(tmp_path / "moved.h5", ["/nowhere/raw/a.h5"], 4)
    np.testing.assert_allclose(read_diffraction(tmp_path / "moved.h5").data ** 2, STACK, rtol=1e-6)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.h5").symlink_to(tmp_path / "moved.h5")
    np.testing.assert_allclose(
        read_diffraction(tmp_path / "elsewhere" / "link.h5").data ** 2, STACK, rtol=1e-6
    )
    monkeypatch.setenv("HDF5_VDS_PREFIX", str(tmp_path / "elsewhere") + os.pathsep + str(tmp_path))
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_allclose(read_diffraction(tmp_path / "moved.h5").data ** 2, STACK, rtol=1e-6)


def test_raw_values_are_looked_for_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.raw").write_bytes(STACK.tobytes())
    (tmp_path / "a.raw").write_bytes(STACK.tobytes()[:100])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", STACK.shape, STACK.dtype, external=[("a.raw", 0, STACK.nbytes)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"a\.raw, which is truncated"):
        read_diffraction("a.h5")
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_allclose(read_diffraction("../a.h5").data ** 2, STACK, rtol=1e-6)
