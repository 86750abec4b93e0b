import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import make_cells, make_crystals
from skpr.files import friedel_center
from skpr.files._center import beam_center, cut_around, window_shape


def counts_of(objects, photons, grid=96, seed=0):
    """Poisson counts of patterns of so many photons."""
    intensities = (
        FourierMagnitude(fourier_shape=(grid,) * (objects.ndim - 1))
        .fit_transform(objects)
        .astype(float)
        ** 2
    )
    intensities *= photons / intensities.sum(axis=tuple(range(1, objects.ndim)), keepdims=True)
    return np.random.default_rng(seed).poisson(intensities).astype(float)


@pytest.fixture(scope="module")
def cell():
    return make_cells(1, shape=(36, 36), random_state=0).data


def behind_stop(counts, radius, place):
    """Counts with a disc and the arm that holds it unmeasured, on a part of the detector."""
    row, column = np.ogrid[: counts.shape[1], : counts.shape[2]]
    counts = counts.copy()
    counts[:, (row - place[0]) ** 2 + (column - place[1]) ** 2 <= radius**2] = np.nan
    counts[:, : place[0], place[1] - 1 : place[1] + 2] = np.nan
    return counts


@pytest.mark.parametrize("photons", [1e3, 1e5, 1e7])
def test_the_center_of_symmetry_is_found_from_a_thousand_photons(cell, photons):
    counts = counts_of(cell, photons)[:, 7:, :-9]
    center, confidence = friedel_center(counts)
    np.testing.assert_allclose(center, (41, 48), atol=0.5)
    assert confidence > 0.3 + 0.4 * (photons > 1e4)


def test_stops_gaps_streaks_and_hot_pixels_do_not_move_it(cell):
    counts = behind_stop(counts_of(cell, 1e6)[:, 7:, :-9], 5, (43, 47))
    counts[:, 60:64] = np.nan
    counts[:, 20, 50:] += 0.01 * np.nanmax(counts)
    counts[:, 10::17, 12::19] = 1e6
    center, confidence = friedel_center(counts)
    np.testing.assert_allclose(center, (41, 48), atol=0.5)
    assert confidence > 0.5


def test_a_center_between_pixels_is_found_to_half_a_pixel():
    row, column = np.ogrid[:40, :50]
    speckles = np.cos(0.9 * (row - 17.5)) ** 2 * np.cos(0.7 * (column - 26)) ** 2
    counts = 1e4 * speckles * np.exp(-((row - 17.5) ** 2 + (column - 26) ** 2) / 60)
    assert friedel_center(counts[None])[0] == (17.5, 26.0)
    assert beam_center(counts[None], "friedel").subpixel == (-0.5, 0.0) or beam_center(
        counts[None], "friedel"
    ).subpixel == (0.5, 0.0)


def test_a_volume_and_a_large_detector_are_looked_at_coarsely_first(cell):
    crystal = make_crystals(1, shape=(12, 12, 12), random_state=0).data
    center, confidence = friedel_center(counts_of(crystal, 1e6, grid=32)[:, 3:, :, :-4])
    np.testing.assert_allclose(center, (13, 16, 16), atol=0.5)
    assert confidence > 0.7
    large = np.zeros((1, 1500, 1200))
    large[:, 400:496, 700:796] = counts_of(cell, 1e6)
    center, confidence = friedel_center(large)
    np.testing.assert_allclose(center, (448, 748), atol=0.5)
    assert confidence > 0.7


def test_several_patterns_share_a_center_each_with_its_own_mask(cell):
    counts = np.concatenate([counts_of(cell, 1e4, seed=seed) for seed in range(4)])
    counts[0, 40:60, 40:60] = np.nan
    counts[1:, 10:14] = np.nan
    np.testing.assert_allclose(friedel_center(counts)[0], (48, 48), atol=0.5)


def test_a_strained_crystal_is_symmetric_about_no_center():
    """The brightest pixel is taken instead, and said."""
    crystal = make_crystals(3, shape=(36, 36), random_state=0).data[2:]
    row, column = np.ogrid[-1:1:36j, -1:1:36j]
    strained = crystal * np.exp(4j * (np.sin(5 * row) + np.cos(4 * column) + row * column**2))
    counts = counts_of(strained, 1e6)
    with pytest.warns(
        UserWarning, match="not clearly symmetric about any centre .* the brightest spot; give its"
    ):
        found = beam_center(counts, "friedel")
    assert found.confidence < 0.7
    with np.errstate(all="ignore"):
        assert found.pixel == beam_center(counts, "max").pixel


def test_a_pattern_behind_a_beam_stop_is_centered_by_symmetry_not_by_its_maximum():
    x = np.random.Generator(np.random.PCG64(0)).random((1, 20, 20))
    pattern = np.full((1, 90, 90), np.nan)
    pattern[:, 10:74, 5:69] = 1e3 * FourierMagnitude(fourier_shape=(64, 64)).fit_transform(x) ** 2
    pattern[:, 38:47, 30:42] = np.nan
    pattern[:, 42:, 34:38] = np.nan
    found = beam_center(pattern, "friedel")
    assert found.pixel == (42, 37)
    assert found.confidence > 0.7
    with pytest.warns(UserWarning, match="touches unmeasured pixels.*center='friedel' finds it"):
        assert beam_center(pattern, "max").pixel != (42, 37)
    with pytest.warns(UserWarning, match="lies among unmeasured pixels.*center='friedel'"):
        beam_center(pattern, "mass")


def test_a_saturated_maximum_is_doubted_and_a_plain_one_is_not(cell):
    counts = counts_of(cell, 1e6)
    assert beam_center(counts, "max").pixel == (48, 48)
    with pytest.warns(UserWarning, match="touches saturated pixels"):
        beam_center(counts.clip(max=np.sort(counts.ravel())[-9]), "max")


@pytest.mark.parametrize("center", ["friedel", "mass"])
def test_nothing_counted_has_no_center(center):
    with pytest.raises(ValueError, match=f"center='{center}' is not defined: every count is zero"):
        beam_center(np.zeros((1, 20, 20)), center)


@pytest.mark.parametrize(
    "pattern", [np.eye(20), np.ones((3, 3)), np.ones((1, 40)), np.eye(1, 300).reshape(15, 20)]
)
def test_what_has_no_symmetry_to_speak_of_is_never_sure(pattern):
    with pytest.warns(UserWarning, match="not clearly symmetric about any centre"):
        assert beam_center(100 * pattern[None], "friedel").confidence < 0.7


def test_indices_may_lie_between_pixels():
    found = beam_center(np.ones((1, 8, 9)), (3.25, 5))
    assert (found.pixel, found.subpixel, found.confidence) == ((3, 5), (0.25, 0.0), None)
    with pytest.raises(
        ValueError, match=r"center='stop' is not valid; choose 'friedel', 'max', 'mass' or None"
    ):
        beam_center(np.ones((1, 8, 9)), "stop")
    with pytest.raises(ValueError, match=r"center=\(3, 9\) is not valid"):
        beam_center(np.ones((1, 8, 9)), (3, 9))


def test_a_window_never_wraps_around():
    patterns = np.arange(20.0).reshape(1, 4, 5)
    window = cut_around(patterns, (0, 4), (4, 3))
    np.testing.assert_array_equal(window[0, 2], [3, 4, np.nan])
    assert np.isnan(window[0, :2]).all()
    assert window_shape((40, 50), (17, 26), "fast") == (32, 48)


def test_an_array_of_two_axes_is_one_pattern(cell):
    counts = counts_of(cell, 1e5)[0, 7:, :-9]
    assert friedel_center(counts) == friedel_center(counts[None])
    spoiled = counts.copy()
    spoiled[5, 6] = np.inf
    masked = np.ma.MaskedArray(np.where(np.isinf(spoiled), 1e9, spoiled), mask=np.isinf(spoiled))
    for one in (spoiled, np.stack([spoiled, counts]), masked):
        np.testing.assert_allclose(friedel_center(one)[0], (41, 48), atol=0.5)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (
            np.ones((20, 20)) * 1j,
            "patterns holds values of type complex128; counts are real numbers",
        ),
        (
            np.ones(20),
            r"patterns has shape \(20,\); give \(n_patterns, height, width\), one pattern as",
        ),
        (np.full((20, 20), np.inf), "every count is zero"),
    ],
)
def test_what_is_no_pattern_has_no_center(patterns, message):
    with pytest.raises(ValueError, match=message):
        friedel_center(patterns)


def test_sizes_and_indices_may_be_arrays_and_are_never_flags():
    assert window_shape((40, 50), (17, 26), np.array([4, 6])) == (4, 6)
    assert beam_center(np.ones((1, 8, 9)), np.array([3, 5])).pixel == (3, 5)
    for crop in (True, (True, 4), np.array([4.0, 6.0])):
        with pytest.raises(ValueError, match="crop=.* is not valid; give an integer >= 1"):
            window_shape((40, 50), (17, 26), crop)
