import h5py
import numpy as np
import pytest
import tifffile

from skpr.files import read_diffraction
from skpr.files._sources import file_names, gap_in

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


def test_a_list_is_read_in_its_order(tmp_path):
    names = [tmp_path / f"f_{number}.npy" for number in (10, 11, 9)]
    for name, frame in zip(names, STACK, strict=True):
        np.save(name, frame)
    found = read_diffraction(names, monitor=[1, 1, 4])
    np.testing.assert_allclose(found.data**2, STACK / np.array([0.5, 0.5, 2])[:, None, None], rtol=1e-5)
    assert found.files == list(map(str, names))
    with pytest.warns(UserWarning, match=r"f_10.npy, f_11.npy and so on, which is not the order of the numbers"):
        volume = read_diffraction(names, frames="volume")
    np.testing.assert_allclose(volume.data[0] ** 2, STACK, rtol=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        ("th_-10", "th_-2", "th_-1", "th_0", "th_1"),
        ("th-2", "th-1", "th0", "th+1"),
        ("f-1", "f-2", "f-10"),
        ("2026-01-09", "2026-01-10", "2026-02-01"),
        ("a_0.25", "a_0.5", "a_1.0", "a_10.0"),
        ("a_-1.25", "a_-0.5", "a_2"),
        ("s1.8", "s1.9", "s1.10", "s2.1"),
        ("v1.2.9", "v1.2.11"),
        ("e_5e-05", "e_1e-04", "e_0.5"),
        ("a.0009", "a.0010"),
    ],
)
def test_files_of_a_pattern_are_in_the_order_of_their_numbers(tmp_path, names):
    for name in names:
        (tmp_path / f"{name}.npy").touch()
    assert [path.stem for path in file_names(tmp_path / "*.npy")] == list(names)


def test_numbers_with_signs_and_fractions_that_are_left_out_are_found():
    assert gap_in([f"th_{n}.tif" for n in (-2, -1, 1, 2)]) == "th_-1.tif and th_1.tif"
    assert gap_in([f"a_{n}.tif" for n in (1.0, 0.25, 0.5)]) == "a_0.5.tif and a_1.0.tif"
    assert gap_in([f"th_{n}.tif" for n in (5, 4, 3)]) == ""


def test_brackets_in_the_names_of_folders_stand_for_themselves(tmp_path):
    for folder, frame in (("d[1]", STACK[0]), ("d1", STACK[1])):
        (tmp_path / folder / "a").mkdir(parents=True)
        np.save(tmp_path / folder / "f_1.npy", frame)
        np.save(tmp_path / folder / "a" / "f_1.npy", frame)
    assert file_names(tmp_path / "d[1]" / "f_*.npy") == [tmp_path / "d[1]" / "f_1.npy"]
    assert file_names(tmp_path / "d[1]" / "*" / "f_?.npy") == [tmp_path / "d[1]" / "a" / "f_1.npy"]
    assert file_names(tmp_path / "d[12]" / "f_*.npy") == [tmp_path / "d1" / "f_1.npy"]
    np.save(tmp_path / "g[1]_2.npy", STACK)
    assert file_names(tmp_path / "g[1]_*.npy") == [tmp_path / "g[1]_2.npy"]


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
        ([3], ValueError, "path=a list of int is not valid"),
        (3, TypeError, "path=int is not valid"),
        ("gone_*.tif", OSError, r"no file is called like 'gone_\*\.tif'"),
        ("gone.tif", OSError, "gone.tif does not exist"),
    ],
)
def test_paths_that_are_none_are_refused(path, error, message):
    with pytest.raises(error, match=message):
        read_diffraction(path)


@pytest.mark.parametrize(
    ("name", "values", "option"),
    [("is_fft_shifted", (0, 1), {"centered": True}), ("data_type", ("intensity", "amplitude"), {"content": "counts"})],
)
def test_files_of_different_kinds_are_not_read_alike(tmp_path, name, values, option):
    for number, value in enumerate(values):
        with h5py.File(tmp_path / f"c_{number}.cxi", "w") as file:
            image = file.create_group("entry_1/image_1")
            image["data"], image["data_space"], image[name] = STACK[0], "diffraction", value
    files = str(tmp_path / "c_*.cxi")
    with pytest.raises(ValueError, match=rf"of different kinds: {[*option][0]} is .* by .*c_0\.cxi, .* by .*c_1\.cxi"):
        read_diffraction(files)
    assert len(read_diffraction(files, **option).data) == 2


def test_a_list_of_arrays_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"^path is a list of 2 arrays; give one array, np\.stack\(path\)$"):
        read_diffraction([STACK[0], STACK[1]])
