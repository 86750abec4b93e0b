import numpy as np
import pytest
import scipy.io

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


@pytest.mark.parametrize("name", ["scan.cbf", "scan.h5", "scan", "scan.0001"])
def test_the_format_goes_by_the_content(tmp_path, name):
    with open(tmp_path / name, "wb") as file:
        np.save(file, STACK)
    np.testing.assert_allclose(read_diffraction(tmp_path / name).data ** 2, STACK, rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b'{"a": 1}', ".json"),
        (b'<?xml version="1.0"?><a/>', ".xml"),
        (b"Notes of the beam time", ".txt"),
        (b"plain", ""),
    ],
)
def test_what_no_detector_writes_is_not_called_damaged(tmp_path, content, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match="which is none of the formats that can be read: .cxi, .h5"
    ) as caught:
        read_diffraction(path)
    assert "damaged" not in str(caught.value)


def test_files_of_matlab_get_a_word_about_their_axes(tmp_path):
    h5py = pytest.importorskip("h5py")
    counts = np.random.default_rng(0).poisson(9.0, (12, 16))
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        file["counts"] = counts.T.astype(float)
    with open(tmp_path / "new.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    with pytest.warns(UserWarning, match="rows of the frames in .*new.mat are columns in MATLAB"):
        found = read_diffraction(tmp_path / "new.mat", center=None)
    np.testing.assert_allclose(found.data[0].T ** 2, counts, rtol=1e-5)
    scipy.io.savemat(tmp_path / "old.mat", {"counts": counts})
    with pytest.raises(ValueError, match=r"old.mat is a MATLAB file before .*scipy.io.loadmat"):
        read_diffraction(tmp_path / "old.mat")
