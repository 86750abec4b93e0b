import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._center import cut_around, window_shape


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    row, column = np.ogrid[:20, :24]
    values = rng.poisson(
        500 * np.exp(-((row - 8) ** 2 + (column - 13) ** 2) / 20), size=(5, 20, 24)
    ).astype(float)
    values[1, 3], values[:, :, 20] = np.nan, np.nan
    return values


@pytest.mark.parametrize("frames", ["patterns", "volume", "sum"])
@pytest.mark.parametrize("crop", [None, 6, 30, "fast"])
@pytest.mark.parametrize("center", [None, "max", (1, 22)])
def test_a_window_that_is_read_is_the_window_of_all_that_is(stack, frames, center, crop):
    if frames == "volume" and isinstance(center, tuple):
        center = (3, *center)
    found = read_diffraction(stack, frames=frames, center=center, crop=crop)
    whole = read_diffraction(stack, frames=frames).data ** 2
    sizes = window_shape(whole.shape[1:], found.center, crop)
    np.testing.assert_allclose(found.data**2, cut_around(whole, found.center, sizes), rtol=1e-12)
    assert found.center == (center if isinstance(center, tuple) else found.center)


def test_only_the_window_is_read(stack):
    seen = []

    class Watched(np.ndarray):
        def __getitem__(self, index):
            seen.append(index)
            return np.asarray(self)[index]

    read_diffraction(stack.view(Watched), frames="volume", center=(2, 8, 13), crop=4)
    assert seen == [(number, slice(6, 10), slice(11, 15)) for number in range(4)]


@pytest.mark.filterwarnings("ignore:no pixel with counts was measured in all frames")
def test_sums_of_many_noisy_frames_are_right_to_the_noise():
    rng = np.random.default_rng(1)
    dark, rate = 100.0, np.linspace(0, 0.5, 64).reshape(8, 8)
    readings = rng.poisson(rate, (4000, 8, 8)) + rng.normal(dark, 3.0, (4000, 8, 8))
    expected, noise = 4000 * rate, np.sqrt(4000 * (9 + rate))
    for options in ({"dark": np.full((8, 8), dark)}, {"negative": "keep"}):
        given = readings if "dark" in options else readings - dark
        total = read_diffraction(given, frames="sum", **options).data[0] ** 2
        assert (np.abs(total - expected) < 5 * noise).all()
        assert abs((total - expected)[expected > 3 * noise].mean()) < 4 * 190 / 7
    with pytest.warns(
        UserWarning, match="of the readings of the array are negative and treated as unmeasured"
    ):
        read_diffraction(readings - dark, frames="sum")


def test_noise_below_zero_counts_in_its_bin():
    noise = np.random.default_rng(2).normal(0.5, 1.0, (1, 64, 64))
    options = {"binning": 16, "resample": False}
    found = read_diffraction(noise, negative="keep", **options).data[0] ** 2
    np.testing.assert_allclose(found, noise[0].reshape(4, 16, 4, 16).sum(axis=(1, 3)), rtol=1e-6)
    assert (read_diffraction(noise, negative="zero", **options).data[0] ** 2 > found).all()


def test_the_threshold_is_that_of_the_sum():
    stack = np.zeros((10, 4, 4))
    stack[::2, 0, 0] = 1.0
    stack[0, 1, 1] = 1.0
    total = read_diffraction(stack, frames="sum", threshold=2).data[0] ** 2
    assert total[0, 0] == pytest.approx(5)
    assert total[1, 1] == 0


@pytest.mark.parametrize("frames", ["patterns", "volume", "sum"])
@pytest.mark.parametrize("center", [None, "max"])
def test_hot_pixels_are_found_left_out_and_reported(frames, center):
    row, column = np.ogrid[:40, :48]
    stack = np.random.default_rng(3).poisson(
        300 * np.exp(-((row - 20) ** 2 + (column - 24) ** 2) / 60), (6, 40, 48)
    )
    stack[:, 5, 7] += 4000
    found = read_diffraction(stack, frames=frames, center=center, hot_pixels="auto")
    assert np.argwhere(found.hot_pixels).tolist() == [[5, 7]]
    assert found.unmeasured == {"hot": 1}
    if center is None:
        assert np.isnan(found.data).sum() == (1 if frames == "sum" else 6)
    else:
        assert found.center[-2:] == pytest.approx((20, 24), abs=2)


def test_many_hot_pixels_are_warned_of():
    stack = np.random.default_rng(3).poisson(3, (1, 40, 48))
    stack[0, 3::12, 3::12] = 5000
    with pytest.warns(
        UserWarning,
        match="16 pixels of the array, 0.8%, are considered hot and marked as unmeasured; hot",
    ):
        read_diffraction(stack, hot_pixels="auto")


def test_a_centre_between_pixels_is_reported_with_its_remainder(stack):
    with pytest.warns(
        UserWarning,
        match=r"zero frequency lies \(0.25, 0.5\) pixels from pixel \(8, 12\): retrieved",
    ):
        found = read_diffraction(stack, center=(8.25, 12.5), crop=4)
    assert (found.center, found.subpixel, found.confidence) == ((8, 12), (0.25, 0.5), None)
    read_diffraction(stack, center=(8.25, 12.5), resample=False)


def test_a_pattern_is_moved_onto_a_pixel():
    row, column = np.ogrid[:32, :40]
    stack = 1e3 * np.exp(-((row - 15.5) ** 2 + (column - 20) ** 2) / 20)[None]
    found = read_diffraction(stack, center=(15.5, 20), resample=True, crop=16)
    assert found.subpixel == (0, 0)
    pattern = found.data[0]
    np.testing.assert_allclose(pattern[1:, 1:], pattern[:0:-1, :0:-1], atol=1e-3 * pattern.max())


def test_a_mask_for_each_frame_scales_the_sum_by_what_was_seen(stack):
    with np.errstate(invalid="ignore"):
        full = np.full((4, 6, 6), 10.0) * np.array([1, 2, 3, 4])[:, None, None]
    full[0, 0, 0] = np.nan
    assert read_diffraction(full, frames="sum").data[0, 0, 0] ** 2 == pytest.approx(100)


def test_frames_are_read_through_files_that_are_closed_after(tmp_path, stack):
    for number in range(5):
        with h5py.File(tmp_path / f"a_{number}.h5", "w") as file:
            file["data"] = stack[number]
    read_diffraction(str(tmp_path / "a_*.h5"), frames="sum", center="max")
    for number in range(5):
        h5py.File(tmp_path / f"a_{number}.h5", "r+").close()  # no longer open for reading


@pytest.mark.parametrize(
    "options",
    [{"binning": 3}, {"binning": 3, "frames": "sum"}, {"binning": (1, 3, 3), "frames": "volume"}],
)
@pytest.mark.parametrize("negative", ["unmeasured", "zero", "keep"])
def test_what_dark_frames_make_negative_counts_in_its_bin(options, negative):
    readings = np.random.default_rng(0).poisson(10.0, (3, 63, 63))
    found = (
        read_diffraction(readings, dark=np.full((63, 63), 10.0), negative=negative, **options).data
        ** 2
    )
    blocks = (readings - 10.0).reshape(3, 21, 3, 21, 3).sum(axis=(2, 4))
    blocks = blocks.sum(axis=0) if options.get("frames") == "sum" else blocks
    np.testing.assert_allclose(found.reshape(blocks.shape), blocks.clip(min=0), atol=1e-3)


def pattern_about(center, size=64):
    """Intensities of a real object with zero frequency at an index between pixels."""
    objects = np.random.default_rng(0).random((20, 20))
    row, column = (
        np.exp(-2j * np.pi * np.outer(np.arange(size) - c, np.arange(20)) / size) for c in center
    )
    return 1e3 * np.abs(row @ objects @ column.T) ** 2


@pytest.mark.parametrize("frames", ["patterns", "volume", "sum"])
def test_whole_patterns_are_moved_and_then_cropped(frames):
    pattern = pattern_about((32.3, 31.8))
    stack, center, crop = np.stack([pattern, 2 * pattern]), (32.3, 31.8), (40, 36)
    if frames == "volume":
        center, crop = (1, *center), (2, *crop)
    found = read_diffraction(stack, frames=frames, center=center, crop=crop, resample=True)
    expected = pattern_about((32, 32))[12:52, 14:50]
    counts = found.data[0] ** 2 if frames != "volume" else found.data[0, 0] ** 2
    np.testing.assert_allclose(
        counts, expected * (3 if frames == "sum" else 1), atol=1e-9 * expected.max()
    )
    assert not any(found.subpixel)


def test_a_center_found_by_symmetry_is_moved_to_before_cropping():
    counts = np.random.default_rng(0).poisson(pattern_about((32.5, 32)), (2, 64, 64)).astype(float)
    counts[:, 5, 7] += 1e7
    found = read_diffraction(counts, center="friedel", resample=True, crop=40)
    whole = read_diffraction(counts, center="friedel", resample=True)
    assert found.center == (32, 32)
    np.testing.assert_array_equal(found.data, whole.data[:, 12:52, 12:52])
    assert whole.unmeasured == {"hot": 1}


@pytest.mark.parametrize(("size", "factor"), [(256, 4), (256, 2), (255, 4), (252, 3), (250, 4)])
def test_zero_frequency_is_said_in_pixels_of_the_binned_pattern(size, factor):
    """About the remainder that is reported, the binned pattern is symmetric; moved, it is about a
    pixel.
    """
    pattern = pattern_about((size // 2, size // 2 + 0.4), size)[None]
    options = {"center": (size // 2, size // 2 + 0.4), "binning": factor, "hot_pixels": None}
    found = read_diffraction(pattern, resample=False, **options)
    n = found.data.shape[1]
    center = n // 2 + np.array(found.subpixel)
    assert found.subpixel[1] - found.subpixel[0] == pytest.approx(0.4 / factor)
    phases = np.exp(2j * np.pi * np.outer(np.arange(n) - center[0], np.arange(1, 4)) / n)
    profile = (found.data[0] ** 2).sum(axis=1) @ phases
    assert np.abs(np.angle(profile)).max() < 0.01
    moved = read_diffraction(pattern, resample=True, **options)
    assert moved.subpixel == (0, 0)
    inside = moved.data[0, n // 2 - 20 : n // 2 + 21, n // 2 - 20 : n // 2 + 21] ** 2
    np.testing.assert_allclose(inside, inside[::-1, ::-1], atol=1e-6 * inside.max())


def test_binning_that_puts_zero_frequency_between_pixels_is_warned_of():
    with pytest.warns(
        UserWarning, match=r"zero frequency lies \(-0.375, -0.375\) pixels from the middle"
    ):
        found = read_diffraction(np.ones((64, 64)), binning=4)
    assert found.subpixel == (-0.375, -0.375)
    read_diffraction(np.ones((63, 63)), binning=np.array([3, 3]))


@pytest.mark.parametrize("options", [{}, {"center": (40.3, 30)}, {"center": (40, 30), "crop": 32}])
@pytest.mark.parametrize("frames", ["patterns", "volume", "sum"])
def test_the_beam_is_not_hot(frames, options):
    row, column = (round(c) for c in options.get("center", (32, 32)))
    stack = np.random.default_rng(0).poisson(3.0, (2, 64, 64)).astype(float)
    stack[:, row, column] = stack[:, row + 8, column + 9] = 1e5
    if frames == "volume":
        options = {
            key: (1, *value) if key == "center" else (2, 32, 32) for key, value in options.items()
        }
    found = read_diffraction(stack, frames=frames, resample=False, **options)
    assert np.argwhere(found.hot_pixels).tolist() == [[row + 8, column + 9]]


def test_a_beam_found_by_symmetry_is_not_hot():
    counts = np.random.default_rng(0).poisson(pattern_about((30, 31)) / 1e3).astype(float)
    counts[29:32, 30:33], counts[30, 31] = 3, 1e6
    found = read_diffraction(counts, center="friedel")
    assert (found.center, found.unmeasured) == ((30, 31), {})
    assert found.data[0, 32, 32] == pytest.approx(1e3)


def test_exposures_that_cannot_be_compared_are_said():
    stack, mask = np.full((2, 16, 16), 100.0), np.zeros((2, 16, 16), bool)
    stack[1] *= 9
    mask[0, :, :8] = mask[1, :, 8:] = True
    with pytest.warns(
        UserWarning,
        match="exposures cannot be compared and are assumed to be equal; pass .* as monitor=",
    ):
        read_diffraction(stack, frames="sum", mask=mask)
    found = read_diffraction(stack, frames="sum", mask=mask, monitor=[1, 9])
    np.testing.assert_allclose(found.data**2, 1000)


def test_pixels_saturated_in_some_exposures_of_a_sum_are_said():
    stack = np.random.default_rng(0).poisson(100.0, (50, 16, 16))
    stack[:, 0, 0] = 1000
    saturated = (stack >= 130).any(axis=0)
    n_partly = saturated.sum() - 1
    message = (
        rf"{n_partly} pixels of the array are saturated in some exposures but not in others.*"
        r"mask=np\.isnan"
    )
    with pytest.warns(UserWarning, match=message):
        read_diffraction(stack, frames="sum", saturation=130)
    with pytest.warns(UserWarning, match="pixels of the array are saturated in some exposures"):
        read_diffraction(stack, frames="sum", saturation=130, crop=8)
    patterns = read_diffraction(stack, saturation=130).data
    assert read_diffraction(
        stack, frames="sum", saturation=130, mask=np.isnan(patterns).any(axis=0)
    ).data.any()


@pytest.mark.parametrize(
    ("crop", "kept"), [((2, 8, 8), [1, 2]), ((6, 8, 8), [0, 1, 2, 3]), (None, [0, 1, 2, 3])]
)
def test_frames_and_angles_of_a_volume_are_those_inside_its_window(tmp_path, crop, kept):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.ones((4, 16, 16))
        file["phi"] = np.arange(4.0)
        file["phi"].attrs["units"] = "deg"
    found = read_diffraction(tmp_path / "a.h5", "data", frames="volume", crop=crop, hot_pixels=None)
    assert found.frames.tolist() == kept
    np.testing.assert_allclose(found.geometry.angles["phi"], np.deg2rad(kept))
    shifted = read_diffraction(np.ones((4, 16, 16)), frames="volume", centered=False, crop=crop)
    assert shifted.frames.tolist() == np.fft.fftshift(np.arange(4))[kept].tolist()
