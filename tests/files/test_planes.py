import sys
import types

import h5py
import numpy as np
import pytest
import tifffile

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")
CHIP = np.linspace(1, 2, 20 * 20).reshape(20, 20)


@pytest.mark.parametrize("marks", ["unmeasured", "measured"])
@pytest.mark.parametrize("dtype", [bool, "u1", float])
def test_masks_have_the_meaning_that_is_said(marks, dtype):
    bad = np.zeros((8, 9), bool)
    bad[2] = True
    mask = (bad if marks == "unmeasured" else ~bad).astype(dtype)
    found = read_diffraction(STACK, mask=mask, mask_marks=marks)
    np.testing.assert_array_equal(np.isnan(found.data), np.broadcast_to(bad, STACK.shape))


def test_a_mask_for_each_frame_goes_with_its_frame():
    mask = np.zeros(STACK.shape, bool)
    mask[2, 0] = True
    for select, given in ((None, mask), ([2, 0], mask), ([2, 0], mask[[2, 0]])):
        found = read_diffraction(STACK, mask=given, select=select)
        np.testing.assert_array_equal(
            np.isnan(found.data), mask if select is None else mask[select]
        )
    assert np.isnan(read_diffraction(STACK, mask=mask, frames="volume").data).sum() == 9


def test_a_mask_that_hides_what_was_measured_is_doubted():
    good = np.ones((8, 9), bool)
    good[0] = False
    with pytest.warns(UserWarning, match="masks hide 88% of the pixels .* mask_marks='measured'"):
        read_diffraction(STACK, mask=good)
    with pytest.raises(
        ValueError, match="has no measured pixel: .*pass mask_marks='measured' if mask="
    ):
        read_diffraction(STACK, mask=np.ones((8, 9)))


@pytest.mark.parametrize("frames", ["patterns", "sum"])
def test_planes_of_the_whole_chip_are_cut_to_the_region(frames):
    dark, mask = 10 * CHIP, CHIP > 1.5
    here = slice(5, 13), slice(7, 16)
    whole = read_diffraction(
        STACK, frames=frames, flat=CHIP, dark=dark, mask=mask, roi=(5, 7), crop=(4, 6)
    )
    cut = read_diffraction(
        STACK, frames=frames, flat=CHIP[here], dark=dark[here], mask=mask[here], crop=(4, 6)
    )
    np.testing.assert_array_equal(whole.data, cut.data)
    assert np.isnan(cut.data).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"flat": CHIP},
            r"flat has shape \(20, 20\); give .*, of shape \(8, 9\); if the frames show a region",
        ),
        (
            {"flat": CHIP, "roi": (15, 0)},
            r"roi=\(15, 0\) is not valid; frames of shape \(8, 9\) from there exceed flat",
        ),
        ({"roi": 3}, "roi=3 is not valid; give the row and column"),
        ({"roi": (-1, 0)}, r"roi=\(-1, 0\) is not valid"),
        (
            {"mask": np.zeros((2, 8, 9))},
            r"mask has shape \(2, 8, 9\); give one plane, or one for each of 3 frames",
        ),
        ({"dark": np.zeros(8)}, r"dark has shape \(8,\) and type float64; give one real number"),
        ({"dark": np.full((8, 9), np.nan)}, "dark holds no finite value"),
        ({"flat": np.zeros((8, 9))}, "flat has no positive value"),
        (
            {"flat": "gone.tif"},
            "flat='gone.tif' is neither a file nor a name in the array; give an array",
        ),
        (
            {"mask_marks": "good"},
            "mask_marks='good' is not valid; choose 'unmeasured' or 'measured'",
        ),
        (
            {"mask_marks": "measured"},
            "mask_marks='measured' says what nonzero values of mask= are, but no mask is given",
        ),
        ({"mask_marks": "measured", "mask": False}, "but no mask is given"),
        ({"detector": 3}, "detector=3 is not valid; give a name such as 'Pilatus 1M'"),
    ],
)
def test_planes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        read_diffraction(STACK, **options)


def test_planes_may_be_files_of_their_own(tmp_path):
    tifffile.imwrite(tmp_path / "dark.tif", np.stack([np.full((8, 9), 4.0), np.full((8, 9), 6.0)]))
    np.save(tmp_path / "mask.npy", np.eye(8, 9, dtype=bool))
    found = read_diffraction(STACK, dark=tmp_path / "dark.tif", mask=str(tmp_path / "mask.npy"))
    expected = np.where(np.eye(8, 9, dtype=bool), np.nan, STACK - 5.0)
    np.testing.assert_allclose(found.data**2, expected, rtol=1e-5)


def test_planes_may_be_names_in_the_file_of_the_data(tmp_path):
    np.savez(tmp_path / "a.npz", volume=STACK, mask=~np.eye(8, 9, dtype=bool))
    found = read_diffraction(tmp_path / "a.npz", "volume", mask="mask", mask_marks="measured")
    np.testing.assert_array_equal(np.isnan(found.data[1]), np.eye(8, 9, dtype=bool))


def test_gaps_of_a_known_detector_come_from_pyfai(monkeypatch):
    gaps = np.zeros((8, 9), np.int8)
    gaps[3] = 1

    def factory(name):
        if name != "Pilatus 1M":
            raise RuntimeError(f"Detector {name} is unknown")
        return types.SimpleNamespace(mask=gaps)

    monkeypatch.setitem(sys.modules, "pyFAI", types.ModuleType("pyFAI"))
    monkeypatch.setitem(
        sys.modules, "pyFAI.detectors", types.SimpleNamespace(detector_factory=factory)
    )
    found = read_diffraction(STACK, detector="Pilatus 1M")
    np.testing.assert_array_equal(np.isnan(found.data[0]), gaps.astype(bool))
    with pytest.raises(ValueError, match="detector='Pilates' is not in pyFAI's list of detectors"):
        read_diffraction(STACK, detector="Pilates")
    monkeypatch.setitem(sys.modules, "pyFAI.detectors", None)
    with pytest.raises(
        ImportError, match="gaps of known detectors come from pyFAI: pip install pyFAI"
    ):
        read_diffraction(STACK, detector="Pilatus 1M")


def test_gaps_of_real_detectors_fit_their_frames():
    pytest.importorskip("pyFAI")
    found = read_diffraction(np.ones((1043, 981), "i4"), detector="Pilatus 1M")
    assert 0.05 < np.isnan(found.data).mean() < 0.1


@pytest.mark.parametrize("name", ["mask", "dark", "flat", "monitor", "select"])
def test_lists_of_different_lengths_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} holds lists of different lengths; give "):
        read_diffraction(STACK, **{name: [[1, 2], [3]]})


def test_planes_are_taken_from_each_file_by_their_name(tmp_path):
    masks = np.zeros((2, 3, 8, 9), "u1")
    masks[0, 1, 0], masks[1, 2, 1] = 1, 1
    for number, mask in enumerate(masks):
        with h5py.File(tmp_path / f"s_{number}.h5", "w") as file:
            file["data"], file["bg"], file["bad"], file["all"] = (
                STACK,
                np.full((8, 9), 5.0 * number),
                mask,
                mask.max(0),
            )
            file["sensitivity"] = np.linspace(1, 1 + number, 9) * np.ones((8, 1))
    files, both = str(tmp_path / "s_*.h5"), np.concatenate([STACK, STACK])
    for select in (None, [0, 3, 1, 4, 2, 5], [5]):
        chosen = slice(None) if select is None else select
        found = read_diffraction(files, mask="bad", select=select).data
        np.testing.assert_array_equal(np.isnan(found), masks.reshape(both.shape)[chosen] > 0)
        found = read_diffraction(files, dark="bg", mask=False, select=select).data
        np.testing.assert_allclose(
            found**2, (both - np.repeat([0.0, 5.0], 3)[:, None, None])[chosen], rtol=1e-5
        )
    assert np.isnan(read_diffraction(files, mask="all").data).sum(axis=(1, 2)).tolist() == [9] * 6
    np.testing.assert_allclose(
        read_diffraction(files, flat="sensitivity", mask=False).data[3:, :, 4] ** 2,
        STACK[:, :, 4],
        rtol=1e-5,
    )


def test_a_plane_that_one_of_the_files_lacks_is_refused_before_anything_is_read(tmp_path):
    for number in range(2):
        with h5py.File(tmp_path / f"s_{number}.h5", "w") as file:
            file["data"] = STACK
            if number == 0:
                file["bg"] = np.ones((8, 9))
    with pytest.raises(ValueError, match=r"dark='bg' is neither a file nor a name in .*s_1\.h5"):
        read_diffraction(str(tmp_path / "s_*.h5"), dark="bg", select=[0])


def test_a_region_with_nothing_to_cut_is_said():
    with pytest.warns(
        UserWarning, match=r"roi=\(1000000000, 0\) changes nothing: there is no mask"
    ):
        read_diffraction(STACK, roi=(10**9, 0))
