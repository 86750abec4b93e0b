import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._paths import file_names

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


def test_names_with_the_signs_of_patterns_are_files_first(tmp_path):
    np.save(tmp_path / "a[1].npy", STACK)
    assert file_names(tmp_path / "a[1].npy") == [tmp_path / "a[1].npy"]


def test_a_list_is_read_in_its_order(tmp_path):
    names = [tmp_path / f"f_{number}.npy" for number in (10, 11, 9)]
    for name, frame in zip(names, STACK, strict=True):
        np.save(name, frame)
    found = read_diffraction(names, monitor=[1, 1, 4])
    np.testing.assert_allclose(
        found.data**2, STACK / np.array([0.5, 0.5, 2])[:, None, None], rtol=1e-5
    )
    assert found.files == list(map(str, names))
    with pytest.warns(
        UserWarning, match=r"f_10.npy, f_11.npy and so on, which is not the order of the numbers"
    ):
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


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (
            [],
            ValueError,
            r"path=\[\] is not valid; give a file, a pattern, a list of files or an array",
        ),
        ([3], ValueError, "path=a list of int is not valid"),
        (3, TypeError, "path=int is not valid"),
        ("gone_*.tif", OSError, r"no file matches 'gone_\*\.tif'"),
        ("gone.tif", OSError, "gone.tif does not exist"),
    ],
)
def test_paths_that_are_none_are_refused(path, error, message):
    with pytest.raises(error, match=message):
        read_diffraction(path)


def test_a_list_of_arrays_is_refused_in_one_line():
    with pytest.raises(
        ValueError, match=r"^path is a list of 2 arrays; give one array, np\.stack\(path\)$"
    ):
        read_diffraction([STACK[0], STACK[1]])
