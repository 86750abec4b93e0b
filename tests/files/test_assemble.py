import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._center import cut_around, window_shape


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    row, column = np.ogrid[:20, :24]
    values = rng.poisson(500 * np.exp(-((row - 8) ** 2 + (column - 13) ** 2) / 20), size=(5, 20, 24)).astype(float)
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
    with pytest.warns(UserWarning, match="of the readings of the array are negative and taken for unmeasured"):
        read_diffraction(readings - dark, frames="sum")


def test_noise_below_zero_counts_in_its_bin():
    noise = np.random.default_rng(2).normal(0.5, 1.0, (1, 64, 64))
    found = read_diffraction(noise, negative="keep", binning=16).data[0] ** 2
    np.testing.assert_allclose(found, noise[0].reshape(4, 16, 4, 16).sum(axis=(1, 3)), rtol=1e-6)
    assert (read_diffraction(noise, negative="zero", binning=16).data[0] ** 2 > found).all()


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
    stack = np.random.default_rng(3).poisson(300 * np.exp(-((row - 20) ** 2 + (column - 24) ** 2) / 60), (6, 40, 48))
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
        UserWarning, match="16 pixels of the array, 0.8%, are taken for hot and left out; hot_pixels=None"
    ):
        read_diffraction(stack, hot_pixels="auto")


def test_a_centre_between_pixels_is_reported_with_its_remainder(stack):
    with pytest.warns(UserWarning, match=r"zero frequency lies \(0.25, 0.5\) pixels from pixel \(8, 12\): retrieved"):
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
