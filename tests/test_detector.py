import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.detector import (
    BeamStop,
    Binning,
    Cropping,
    MissingPixels,
    PartialCoherence,
    PhotonNoise,
    Quantization,
    ReadoutNoise,
    Saturation,
)
from skpr.detector._window import blocks_of
from tests.conftest import SHAPES, random_objects

STEPS = [
    PartialCoherence(0.3),
    PhotonNoise(1e4, random_state=0),
    PhotonNoise((1e3, 1e6), random_state=0),
    ReadoutNoise(0.5, random_state=0),
    Saturation(4.0),
    Quantization(0.5, n_bits=4),
    BeamStop(1, random_state=0),
    BeamStop((0, 2), shape="disk", offset=1, random_state=0),
    MissingPixels(fraction=0.2, random_state=0),
    Cropping(4),
    Binning(1),
]
every_step = pytest.mark.parametrize("step", STEPS, ids=str)
RANDOM = [
    step for step in STEPS if "random_state" in step.get_params() and str(step) != str(BeamStop(1, random_state=0))
]

PLACES = "a draw belongs to a place in the batch"
DRAWN = {"check_methods_sample_order_invariance": PLACES, "check_methods_subset_invariance": PLACES}


def expected_failures(step):
    """Of steps that draw; a stop of one size in one place does not."""
    return DRAWN if str(step) in map(str, RANDOM) else {}


@parametrize_with_checks(STEPS, expected_failed_checks=expected_failures)
def test_scikit_learns_suite(estimator, check):
    check(estimator)


def patterns(shape=(16, 17), dtype="float64", n_samples=6):
    return FourierMagnitude().fit_transform(random_objects(shape, dtype, n_samples))


@every_step
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_magnitudes_stay_magnitudes_of_their_precision(step, shape, dtype):
    seen = clone(step).fit_transform(patterns(shape, dtype))
    assert seen.dtype == dtype
    assert not (seen < 0).any()
    assert not np.isinf(seen).any()


@every_step
def test_tensors_see_what_arrays_see(step):
    b = patterns()
    as_tensor = clone(step).fit_transform(torch.from_numpy(b))
    assert isinstance(as_tensor, torch.Tensor)
    np.testing.assert_array_equal(as_tensor.numpy(), clone(step).fit_transform(b))


@every_step
def test_an_unmeasured_pixel_stays_unmeasured_and_alone(step):
    b = patterns()
    b[:, 16, 13] = np.nan
    if isinstance(step, PartialCoherence):
        with pytest.raises(ValueError, match="contains NaN: PartialCoherence mixes .* hide pixels in a later step"):
            clone(step).fit(b)
        return
    whole = patterns()
    if isinstance(step, Cropping):
        step = Cropping(10)
    with_gap, without = clone(step).fit_transform(b), clone(step).fit_transform(whole)
    assert (np.isnan(with_gap).sum() - np.isnan(without).sum()) in range(len(b) + 1)
    assert np.isnan(with_gap).any()


@pytest.mark.parametrize("step", RANDOM, ids=str)
def test_a_seed_draws_the_same_and_a_generator_anew(step):
    b = patterns((32, 32))
    fixed = clone(step).fit(b)
    np.testing.assert_array_equal(fixed.transform(b), fixed.transform(b))
    np.testing.assert_array_equal(fixed.transform(b), pickle.loads(pickle.dumps(fixed)).transform(b))
    fresh = clone(step).set_params(random_state=np.random.RandomState(0)).fit(b)
    assert not np.array_equal(fresh.transform(b), fresh.transform(b), equal_nan=True)


@every_step
def test_the_result_does_not_depend_on_how_a_batch_is_cut(step, object_shape, monkeypatch):
    b = patterns(object_shape)[..., :-1]
    whole = clone(step).fit_transform(b)
    monkeypatch.setattr("skpr._tensors.CHUNK_VALUES", 2 * b[0].size)
    np.testing.assert_array_equal(clone(step).fit_transform(b), whole)


@pytest.mark.parametrize("step", [PhotonNoise(), ReadoutNoise(), BeamStop(), MissingPixels()], ids=str)
def test_only_an_unseeded_draw_is_not_deterministic(step):
    assert get_tags(step).non_deterministic
    assert not get_tags(clone(step).set_params(random_state=0)).non_deterministic
    assert not get_tags(Quantization()).non_deterministic


def test_counts_have_poissons_mean_and_variance():
    b = np.repeat(np.array([[1.0, 2.0, 3.0, 0.0]]), 20000, axis=0)
    counts = PhotonNoise(140, random_state=0).fit_transform(b) ** 2
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    np.testing.assert_allclose(counts.mean(axis=0), [10, 40, 90, 0], rtol=0.01)
    np.testing.assert_allclose(counts.var(axis=0), [10, 40, 90, 0], rtol=0.05)


def test_exposures_are_of_the_measured_pixels_and_drawn_in_the_logarithm():
    b = np.repeat(patterns(n_samples=1), 2000, axis=0)
    b[:, 16, 17] = np.nan
    total = np.nansum(PhotonNoise((1e3, 1e7), random_state=0).fit_transform(b) ** 2, axis=(1, 2))
    assert 0.9e3 < total.min() < 2e3
    assert 5e6 < total.max() < 1.01e7
    assert abs(np.log10(total).mean() - 5) < 0.1


def test_photons_as_they_are_and_dark_patterns():
    counts = PhotonNoise(None, random_state=0).fit_transform(np.full((2000, 2), 3.0)) ** 2
    assert abs(counts.mean() - 9) < 0.2
    assert not PhotonNoise(1e6).fit_transform(np.zeros((2, 5))).any()


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
def test_the_unit_of_magnitudes_does_not_matter_to_an_exposure(unit):
    counts = PhotonNoise(1e6, random_state=0).fit_transform(np.full((2, 50), unit, "float32")) ** 2
    np.testing.assert_allclose(counts.sum(axis=1), 1e6, rtol=0.005)


def test_many_counts_of_float32_scatter_as_they_should():
    counts = PhotonNoise(None, random_state=0).fit_transform(np.full((1, 20000), 3e4, "float32")).astype(float) ** 2
    assert abs(counts.mean() - 9e8) < 1e3
    assert abs(counts.std() - 3e4) < 1e3


def test_read_out_noise_has_its_width():
    counts = ReadoutNoise(2.0, random_state=0).fit_transform(np.full((100, 100), 10.0)) ** 2
    assert abs(counts.mean() - 100) < 0.1
    assert abs(counts.std() - 2) < 0.1


def test_partial_coherence_is_a_periodic_gaussian_blur_of_intensities():
    intensities = np.random.default_rng(0).random((3, 20, 21))
    blurred = PartialCoherence((1.5, 1.2)).fit_transform(np.sqrt(intensities)) ** 2
    expected = gaussian_filter(intensities, (0, 1.5, 1.2), mode="wrap", truncate=8)
    np.testing.assert_allclose(blurred, expected, atol=1e-3)
    np.testing.assert_allclose(blurred.sum(axis=(1, 2)), intensities.sum(axis=(1, 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_wider_the_kernel_the_less_contrast(object_shape, dtype):
    b = patterns(object_shape, dtype)
    contrasts = [(PartialCoherence(width).fit_transform(b) ** 2).std() for width in (0.0, 0.3, 0.6, 1.2)]
    assert (np.diff(contrasts) < 0).all()


def test_full_coherence_blurs_nothing():
    b = patterns()
    np.testing.assert_allclose(PartialCoherence(0.0).fit_transform(b), b, atol=1e-6)


@pytest.mark.parametrize("grid", [(20, 21), (21, 20)])
@pytest.mark.parametrize("centered", [True, False])
def test_a_stop_of_5_covers_the_central_5_by_5(grid, centered):
    seen = BeamStop(5, centered=centered).fit_transform(np.ones((2, *grid)))
    hidden = np.isnan(seen if centered else np.fft.fftshift(seen, axes=(1, 2)))
    expected = np.zeros(grid, dtype=bool)
    expected[grid[0] // 2 - 2 : grid[0] // 2 + 3, grid[1] // 2 - 2 : grid[1] // 2 + 3] = True
    np.testing.assert_array_equal(hidden, np.broadcast_to(expected, hidden.shape))


def test_stops_are_drawn_for_each_pattern():
    hidden = np.isnan(BeamStop((0, 4), offset=2, random_state=0).fit_transform(np.ones((400, 15, 15))))
    assert set(hidden.sum(axis=(1, 2))) == {0, 1, 4, 9, 16}
    assert hidden[:, 7 - 4 : 7 + 4, 7 - 4 : 7 + 4].sum() == hidden.sum()
    assert hidden.any(axis=(1, 2)).sum() > 200


def test_a_disk_hides_what_is_near():
    hidden = np.isnan(BeamStop(6, shape="disk").fit_transform(np.ones((1, 15, 15))))[0]
    rows, columns = np.nonzero(hidden)
    assert ((rows - 7) ** 2 + (columns - 7) ** 2 < 9).all()
    assert hidden.sum() == 25


def test_given_and_random_pixels_are_missing():
    mask = np.zeros((20, 20), dtype=bool)
    mask[:, 9:11] = True
    hidden = np.isnan(MissingPixels(mask, fraction=0.1, random_state=0).fit_transform(np.ones((50, 20, 20))))
    assert hidden[:, mask].all()
    assert abs(hidden[:, ~mask].mean() - 0.1) < 0.01


def test_saturation_hides_or_clips():
    b = np.array([[1.0, 3.0]])
    np.testing.assert_array_equal(Saturation(4).fit_transform(b), [[1.0, np.nan]])
    np.testing.assert_array_equal(Saturation(4, unmeasured=False).fit_transform(b), [[1.0, 2.0]])


def test_quantised_counts_are_whole_steps_up_to_the_last():
    counts = Quantization(3.0, n_bits=3).fit_transform(patterns()) ** 2
    np.testing.assert_allclose(counts / 3, (counts / 3).round(), atol=1e-6)
    assert counts.max() == pytest.approx(21)


@pytest.mark.parametrize("shape", [(16, 17), (15, 12)])
@pytest.mark.parametrize("step", [Cropping(7), Cropping((6, 8)), Binning(2), Binning(3), Binning((1, 4))], ids=str)
def test_zero_frequency_stays_in_the_middle(step, shape):
    b = np.zeros((1, *shape))
    b[0, shape[0] // 2, shape[1] // 2] = 1
    seen = step.fit_transform(b)
    assert seen[(0, *(m // 2 for m in seen.shape[1:]))] == 1


def test_binning_adds_counts_and_cropping_cuts():
    b = patterns((8, 8))
    np.testing.assert_allclose((Binning(2).fit_transform(b) ** 2).sum(), (b**2).sum())
    np.testing.assert_array_equal(Cropping(6).fit_transform(b), b[:, 5:11, 5:11])


@pytest.mark.parametrize("factor", range(1, 7))
def test_the_middle_block_holds_zero_frequency_and_rims_are_kept_where_they_can(factor):
    for size in range(factor, 60):
        first, n_blocks = blocks_of(size, factor)
        place = size // 2 - first - n_blocks // 2 * factor
        assert first >= 0
        assert first + n_blocks * factor <= size
        if factor % 2:
            assert place == factor // 2
        else:
            assert place in (0, factor // 2)
            assert size % factor or n_blocks == size // factor


def test_a_block_with_an_unmeasured_pixel_is_unmeasured():
    b = np.ones((1, 8, 8))
    b[0, 0, 0] = np.nan
    seen = Binning(2).fit_transform(b)
    assert np.isnan(seen[0, 0, 0])
    assert np.isnan(seen).sum() == 1


def test_a_whole_detector_is_a_pipeline():
    objects = random_objects((12, 12), "float32", 3)
    detector = make_pipeline(
        FourierMagnitude(), PartialCoherence(0.2), PhotonNoise(1e5), ReadoutNoise(1), Quantization(), BeamStop(3)
    )
    measured = detector.fit_transform(objects)
    found = IterativePhaseRetrieval(n_iter=20, random_state=0).fit(measured, objects).predict(measured)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (PhotonNoise(-1), r"n_photons=-1 is not valid; give a number > 0, a pair \(lowest, highest\) or None"),
        (PhotonNoise((5, 2)), r"n_photons=\(5, 2\) is not valid"),
        (PhotonNoise("many"), "n_photons='many' is not valid"),
        (PhotonNoise(np.inf), "n_photons=inf is not valid"),
        (PhotonNoise((1, np.nan)), r"n_photons=\(1, nan\) is not valid"),
        (ReadoutNoise(np.inf), "sigma=inf is not valid"),
        (PartialCoherence(np.inf), "width=inf is not valid"),
        (Quantization(np.inf), "gain=inf is not valid"),
        (ReadoutNoise(-1.0), "sigma=-1.0 is not valid; give counts >= 0"),
        (Saturation(0), "limit=0 is not valid; give counts > 0"),
        (Saturation(1, unmeasured="no"), "unmeasured='no' is not valid; choose True or False"),
        (Quantization(0), "gain=0 is not valid"),
        (Quantization(1, n_bits=0), "n_bits=0 is not valid; give an integer >= 1 or None"),
        (BeamStop(-1), "size=-1 is not valid; give an integer >= 0 or a pair"),
        (BeamStop(2.5), "size=2.5 is not valid"),
        (BeamStop(3, shape="star"), "shape='star' is not valid; choose 'square' or 'disk'"),
        (BeamStop(3, offset=-1), "offset=-1 is not valid"),
        (MissingPixels(np.zeros((3, 3))), r"mask has shape \(3, 3\); give one bool a pixel, of shape \(32, 34\)"),
        (MissingPixels(fraction=1.0), "fraction=1.0 is not valid"),
        (PartialCoherence(-0.1), "width=-0.1 is not valid"),
        (PartialCoherence((0.1,)), r"width=\(0.1,\) is not valid"),
        (Cropping(0), "shape=0 is not valid"),
        (Binning(40), "factor=40 is not valid"),
        (Binning(2.0), "factor=2.0 is not valid"),
    ],
    ids=str,
)
def test_what_is_not_valid_is_said_with_what_is(step, message):
    with pytest.raises(ValueError, match=message):
        step.fit(patterns())
