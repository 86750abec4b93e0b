import h5py
import numpy as np
import pytest
import tifffile

from skpr.files import read_diffraction
from skpr.files._sources import file_names

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


@pytest.mark.parametrize("name", ["scan.cbf", "scan.h5", "scan", "scan.0001"])
def test_the_format_goes_by_the_content(tmp_path, name):
    with open(tmp_path / name, "wb") as file:
        np.save(file, STACK)
    np.testing.assert_allclose(read_diffraction(tmp_path / name).data ** 2, STACK, rtol=1e-5)


def test_readings_in_memory_are_taken():
    np.testing.assert_allclose(read_diffraction(STACK, frames="sum").data[0] ** 2, STACK.sum(axis=0), rtol=1e-5)
    masked = np.ma.masked_greater(STACK, 55)
    np.testing.assert_array_equal(np.isnan(read_diffraction(masked).data), STACK > 55)
    assert read_diffraction(STACK).files == []
    with pytest.raises(ValueError, match="dataset='a' names nothing in an array in memory"):
        read_diffraction(STACK, "a")


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
    with pytest.raises(ValueError, match="which is none of the formats that can be read: .cxi, .h5") as caught:
        read_diffraction(path)
    assert "damaged" not in str(caught.value)


def test_files_of_other_shapes_do_not_belong_together(tmp_path):
    for number, width in enumerate((9, 9, 8)):
        np.save(tmp_path / f"f{number}.npy", STACK[number, :, :width])
    with pytest.raises(ValueError, match=r"f2\.npy holds frames of shape \(8, 8\), .*f0\.npy of \(8, 9\): they do not"):
        read_diffraction(str(tmp_path / "f*.npy"))


def test_files_may_hold_frames_stacks_and_types_of_their_own(tmp_path):
    flagged = STACK[0].astype("u2")
    flagged[0, 0] = 65535
    tifffile.imwrite(tmp_path / "f_9.tif", flagged)
    np.save(tmp_path / "f_10.npy", STACK[1:])
    found = read_diffraction([tmp_path / "f_9.tif", tmp_path / "f_10.npy"])
    assert found.data.shape == STACK.shape
    assert np.argwhere(np.isnan(found.data)).tolist() == [[0, 0, 0]]
    assert found.DESCR == "3 diffraction patterns of shape (8, 9) from 2 files, f_9.tif and following"


def test_names_with_the_signs_of_patterns_are_files_first(tmp_path):
    np.save(tmp_path / "a[1].npy", STACK)
    assert file_names(tmp_path / "a[1].npy") == [tmp_path / "a[1].npy"]


def test_the_order_of_a_list_is_natural_and_matters_where_something_goes_with_it(tmp_path):
    names = [tmp_path / f"f_{number}.npy" for number in (9, 10, 11)]
    for name, frame in zip(names, STACK, strict=True):
        np.save(name, frame)
    shuffled = [names[2], names[0], names[1]]
    assert file_names(shuffled) == names
    read_diffraction(sorted(names), monitor=[1, 1, 1])
    with pytest.warns(UserWarning, match="read in the natural order of their names, which is not that of the list"):
        read_diffraction(shuffled, monitor=[1, 2, 3])


def test_a_number_that_is_left_out_is_warned_of(tmp_path):
    for number in (1, 2, 4):
        np.save(tmp_path / f"f_{number}.npy", STACK[0])
    with pytest.warns(UserWarning, match=r"frames may be missing between f_2\.npy and f_4\.npy"):
        read_diffraction(str(tmp_path / "f_*.npy"), frames="volume")
    read_diffraction(str(tmp_path / "f_*.npy"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in (1, 2, 4):
            file[f"entry/data/data_{number:06d}"] = STACK
    with pytest.warns(
        UserWarning, match="frames may be missing between entry/data/data_000002 and entry/data/data_000004"
    ):
        read_diffraction(tmp_path / "a.h5")
    names = ["entry/data/data_000001", "entry/data/data_000004"]
    assert read_diffraction(tmp_path / "a.h5", names).data.shape == (6, 8, 9)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ([], ValueError, r"path=\[\] is not valid; give a file, a pattern, a list of files or an array"),
        ([3], ValueError, r"path=\[3\] is not valid"),
        (3, TypeError, "path=int is not valid"),
        ("gone_*.tif", OSError, r"no file is called like 'gone_\*\.tif'"),
        ("gone.tif", OSError, "gone.tif does not exist"),
    ],
)
def test_paths_that_are_none_are_refused(path, error, message):
    with pytest.raises(error, match=message):
        read_diffraction(path)
