import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._numbered import gap_in, natural

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


def test_numbers_in_names_are_in_their_own_order():
    assert sorted(["f10", "f9", "f1_2", "e"], key=natural) == ["e", "f1_2", "f9", "f10"]


def test_numbers_with_signs_and_fractions_that_are_left_out_are_found():
    assert gap_in([f"th_{n}.tif" for n in (-2, -1, 1, 2)]) == "th_-1.tif and th_1.tif"
    assert gap_in([f"a_{n}.tif" for n in (1.0, 0.25, 0.5)]) == "a_0.5.tif and a_1.0.tif"
    assert gap_in([f"th_{n}.tif" for n in (5, 4, 3)]) == ""


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
        UserWarning,
        match="frames may be missing between entry/data/data_000002 and entry/data/data_000004",
    ):
        read_diffraction(tmp_path / "a.h5")
    names = ["entry/data/data_000001", "entry/data/data_000004"]
    assert read_diffraction(tmp_path / "a.h5", names).data.shape == (6, 8, 9)
