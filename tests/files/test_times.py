"""Exposure times of the planes of a volume."""

import numpy as np
import pytest

from skpr.files import read_diffraction

h5py = pytest.importorskip("h5py")
fabio = pytest.importorskip("fabio")

STACK = np.random.default_rng(0).poisson(40.0, (4, 12, 14)).astype(np.uint16)
CHANGED = [1.0, 1.0, 0.5, 1.0]
MESSAGE = "exposed for 0.5 to 1 according to '.*', but are joined as if for the same time"


def written(path, times, name="count_time"):
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry/instrument/detector")
        detector.attrs["NX_class"] = "NXdetector"
        detector["data"] = STACK
        detector[name] = times
    return path


@pytest.mark.parametrize("name", ["count_time", "exposure_time"])
def test_planes_exposed_for_different_times_are_warned_of(tmp_path, name):
    path = written(tmp_path / "scan.h5", np.reshape(CHANGED, (4, 1)), name)
    with pytest.warns(UserWarning, match=MESSAGE):
        read_diffraction(path, frames="volume")


def test_times_given_as_monitor_are_divided_out(tmp_path):
    path = written(tmp_path / "scan.h5", CHANGED)
    found = read_diffraction(
        path, frames="volume", monitor="entry/instrument/detector/count_time", hot_pixels=None
    )
    expected = STACK / np.reshape(CHANGED, (4, 1, 1)) * np.mean(CHANGED)
    np.testing.assert_allclose(found.data[0] ** 2, expected, rtol=1e-5)


@pytest.mark.parametrize("times", [0.5, [1.0, 1.001, 1.0, 1.0], [1.0, 0.5]])
def test_equal_times_and_times_of_something_else_are_no_matter(tmp_path, times):
    read_diffraction(written(tmp_path / "scan.h5", times), frames="volume")


def test_patterns_and_selected_planes_of_one_time_are_no_matter(tmp_path):
    path = written(tmp_path / "scan.h5", CHANGED)
    read_diffraction(path)
    read_diffraction(path, frames="sum")
    read_diffraction(path, frames="volume", select=[0, 1, 3])


def test_headers_of_files_tell_times_too(tmp_path):
    for number, (frame, time) in enumerate(zip(STACK, CHANGED, strict=True)):
        header = {"exposure_time": f"{time} s"}
        fabio.edfimage.EdfImage(frame, header).write(str(tmp_path / f"scan_{number}.edf"))
    with pytest.warns(UserWarning, match=MESSAGE):
        read_diffraction(f"{tmp_path}/*.edf", frames="volume")
