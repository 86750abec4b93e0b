import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skpr import FourierMagnitude, IterativePhaseRetrieval, LazyBatch
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
    step
    for step in STEPS
    if "random_state" in step.get_params() and str(step) != str(BeamStop(1, random_state=0))
]

PLACES = "a draw belongs to a place in the batch"
DRAWN = {"check_methods_sample_order_invariance": PLACES, "check_methods_subset_invariance": PLACES}


def expected_failures(step):
    """Checks that fail for steps that draw; a stop of fixed size and place draws nothing."""
    return DRAWN if str(step) in map(str, RANDOM) else {}


# the suite's patterns are smaller than a window of 4, of which the step warns
SUITE = [Cropping(1) if isinstance(step, Cropping) else step for step in STEPS]


@parametrize_with_checks(SUITE, expected_failed_checks=expected_failures)
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
        with pytest.raises(
            ValueError, match="contains NaN: PartialCoherence mixes .* hide pixels in a later step"
        ):
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
    np.testing.assert_array_equal(
        fixed.transform(b), pickle.loads(pickle.dumps(fixed)).transform(b)
    )
    fresh = clone(step).set_params(random_state=np.random.RandomState(0)).fit(b)
    assert not np.array_equal(fresh.transform(b), fresh.transform(b), equal_nan=True)


@every_step
def test_the_result_does_not_depend_on_how_a_batch_is_cut(step, object_shape, monkeypatch):
    b = patterns(object_shape)[..., :-1]
    whole = clone(step).fit_transform(b)
    monkeypatch.setattr("skpr._tensors.CHUNK_VALUES", 2 * b[0].size)
    np.testing.assert_array_equal(clone(step).fit_transform(b), whole)


@pytest.mark.parametrize(
    "step", [PhotonNoise(), ReadoutNoise(), BeamStop(), MissingPixels()], ids=str
)
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
    counts = (
        PhotonNoise(None, random_state=0)
        .fit_transform(np.full((1, 20000), 3e4, "float32"))
        .astype(float)
        ** 2
    )
    assert abs(counts.mean() - 9e8) < 1e3
    assert abs(counts.std() - 3e4) < 1e3


@pytest.mark.parametrize("power", [9.5, 12, 16, 19, 24, 60])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_number_of_photons_is_too_large_to_count(power, dtype):
    b = np.full((1, 20000), 10 ** (power / 2), dtype)
    seen = PhotonNoise(None, random_state=0).fit_transform(b)
    np.testing.assert_allclose(seen, b, rtol=1e-4)
    scatter = seen[0].astype(np.longdouble) ** 2 - np.longdouble(b[0, 0]) ** 2
    if dtype == "float64" and power < 20:
        assert float(scatter.std()) == pytest.approx(b[0, 0], rel=0.05)
        assert abs(float(scatter.mean())) < 0.05 * b[0, 0]


def test_bright_pixels_do_not_change_how_the_others_are_drawn_or_cut(monkeypatch):
    b = np.full((4, 30), 3.0)
    b[1, 4:6] = b[3, 7] = 1e8
    whole = PhotonNoise(None, random_state=0).fit_transform(b)
    monkeypatch.setattr("skpr._tensors.CHUNK_VALUES", b[0].size)
    np.testing.assert_array_equal(PhotonNoise(None, random_state=0).fit_transform(b), whole)
    assert (whole[b == 3] < 6).all()
    np.testing.assert_allclose(whole[b > 3], 1e8, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-38, 1e-30, 1e-20, 1e20, 1e30])
@pytest.mark.parametrize(
    "step",
    [
        PartialCoherence(0.7),
        Binning(2),
        Cropping(4),
        ReadoutNoise(0.0),
        MissingPixels(fraction=0.0),
    ],
    ids=str,
)
def test_steps_without_a_unit_of_their_own_know_no_unit(step, unit, dtype):
    b = np.random.default_rng(0).random((3, 8, 9)) + 0.1
    np.testing.assert_allclose(
        step.fit_transform((b * unit).astype(dtype)) / unit, step.fit_transform(b), rtol=1e-4
    )


@pytest.mark.parametrize("unit", [1e20, 1e30])
@pytest.mark.parametrize(
    "step", [ReadoutNoise(2.0, random_state=0), Quantization(3.0), Saturation(1e70)], ids=str
)
def test_magnitudes_far_above_noise_and_steps_come_out_as_they_are(step, unit):
    b = (np.random.default_rng(0).random((3, 50)) + 0.1).astype("float32") * np.float32(unit)
    np.testing.assert_allclose(step.fit_transform(b), b, rtol=1e-6)
    np.testing.assert_array_equal(Saturation(1e100, unmeasured=False).fit_transform(b), b)
    last = Quantization(3.0, n_bits=70).fit_transform(b)
    np.testing.assert_allclose(last, np.minimum(b, np.sqrt(3.0 * 2.0**70)), rtol=1e-6)


def test_weak_pixels_are_binned_beside_strong_ones():
    b = np.full((1, 6), 1e-25, "float32")
    b[0, 2:4] = 1.0
    np.testing.assert_allclose(Binning(2).fit_transform(b), np.sqrt(2) * b[:, ::2], rtol=1e-6)


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
    contrasts = [
        (PartialCoherence(width).fit_transform(b) ** 2).std() for width in (0.0, 0.3, 0.6, 1.2)
    ]
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
    hidden = np.isnan(
        BeamStop((0, 4), offset=2, random_state=0).fit_transform(np.ones((400, 15, 15)))
    )
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
    hidden = np.isnan(
        MissingPixels(mask, fraction=0.1, random_state=0).fit_transform(np.ones((50, 20, 20)))
    )
    assert hidden[:, mask].all()
    assert abs(hidden[:, ~mask].mean() - 0.1) < 0.01


def test_batches_on_disk_are_read_with_the_parameters_they_were_transformed_with(tmp_path):
    np.save(tmp_path / "b.npy", patterns())
    on_disk = LazyBatch(np.load(tmp_path / "b.npy", mmap_mode="r"))
    step = Saturation(4.0)
    seen = step.fit_transform(on_disk)
    step.set_params(limit=1.0)
    np.testing.assert_array_equal(np.asarray(seen), Saturation(4.0).fit_transform(patterns()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pixel_that_counts_the_limit_is_not_saturated(dtype):
    counts = np.arange(1, 3000)
    roots = np.sqrt(counts).astype(dtype)[:, None]
    for count, root in zip(counts[::7], roots[::7], strict=True):
        assert Saturation(int(count)).fit_transform(root[None]) == root


@pytest.mark.parametrize("kind", [list, np.uint8, np.float32, torch.from_numpy])
def test_masks_are_bool_or_made_of_ones_and_zeros(kind):
    mask = np.eye(5, dtype=bool)
    given = mask.tolist() if kind is list else kind(mask)
    np.testing.assert_array_equal(
        np.isnan(MissingPixels(given).fit_transform(np.ones((2, 5, 5))))[1], mask
    )


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full((4, 4), np.nan), "mask holds nan; give one bool per pixel, True where unmeasured"),
        (np.full((4, 4), 0.5), "mask holds 0.5; give one bool per pixel"),
        (np.full((4, 4), 2), "mask holds 2; give one bool per pixel"),
        (np.full((4, 4), "yes"), "mask is <U3; give one bool per pixel"),
        (
            np.ones((4, 4)),
            "mask is True everywhere, so no pixel is measured; True marks missing pixels: give "
            "~mask",
        ),
        ([[True] * 4, [False]], "mask is not a rectangular array"),
        (False, r"mask has shape \(\); give one bool per pixel, of shape \(4, 4\)"),
    ],
    ids=str,
)
def test_masks_that_cannot_be_meant_are_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        MissingPixels(mask).fit(np.ones((2, 4, 4)))


def test_a_stop_that_hides_everything_is_refused():
    b = np.ones((2, 8, 9))
    for stop in (BeamStop(10), BeamStop((2, 20)), BeamStop(40, shape="disk")):
        with pytest.raises(
            ValueError, match=r"is not valid; it hides every pixel of patterns of shape \(8, 9\)"
        ):
            stop.fit(b)
    assert not np.isnan(BeamStop(8).fit_transform(b)).all()


@pytest.mark.parametrize(
    ("step", "change"),
    [
        (PhotonNoise(), {"n_photons": -1}),
        (ReadoutNoise(), {"sigma": -1}),
        (Saturation(4), {"limit": -4}),
        (Quantization(), {"gain": 0}),
        (BeamStop(1), {"shape": "dsik"}),
        (MissingPixels(), {"fraction": 2}),
        (Binning(), {"factor": 99}),
    ],
    ids=str,
)
def test_parameters_set_after_fit_are_checked_too(step, change):
    b = patterns()
    with pytest.raises(ValueError, match=f"{next(iter(change))}=.* is not valid"):
        clone(step).fit(b).set_params(**change).transform(b)


@pytest.mark.parametrize(
    "step",
    [
        PartialCoherence(np.array([0.2, 0.3])),
        PartialCoherence([np.float32(0.2), 1]),
        PhotonNoise(np.array([1e3, 1e4])),
        PhotonNoise([np.int64(1000), 2000.5]),
        ReadoutNoise(np.float32(1)),
        Saturation(np.int64(9), unmeasured=np.False_),
        Saturation(np.inf),
        Quantization(np.float64(2), n_bits=np.int8(12)),
        BeamStop(np.array([1, 3]), offset=np.int64(1), centered=np.True_),
        MissingPixels(fraction=np.float32(0.1)),
        Cropping(np.array([8, 9])),
        Binning([np.int64(2), 2]),
    ],
    ids=str,
)
def test_numbers_of_numpy_and_sequences_are_parameters_too(step):
    assert step.fit_transform(patterns()).shape[0] == 6


def test_saturation_hides_or_clips():
    b = np.array([[1.0, 3.0]])
    np.testing.assert_array_equal(Saturation(4).fit_transform(b), [[1.0, np.nan]])
    np.testing.assert_array_equal(Saturation(4, unmeasured=False).fit_transform(b), [[1.0, 2.0]])


def test_quantised_counts_are_whole_steps_up_to_the_last():
    counts = Quantization(3.0, n_bits=3).fit_transform(patterns()) ** 2
    np.testing.assert_allclose(counts / 3, (counts / 3).round(), atol=1e-6)
    assert counts.max() == pytest.approx(21)


@pytest.mark.parametrize("shape", [(16, 17), (15, 12)])
@pytest.mark.parametrize(
    "step", [Cropping(7), Cropping((6, 8)), Binning(2), Binning(3), Binning((1, 4))], ids=str
)
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
        FourierMagnitude(),
        PartialCoherence(0.2),
        PhotonNoise(1e5),
        ReadoutNoise(1),
        Quantization(),
        BeamStop(3),
    )
    measured = detector.fit_transform(objects)
    found = (
        IterativePhaseRetrieval(n_iter=50, random_state=0).fit(measured, objects).retrieve(measured)
    )
    assert found.errors.max() < 0.25  # fits what is left of the pattern


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            PhotonNoise(-1),
            r"n_photons=-1 is not valid; give a number > 0, a pair \(lowest, highest\) or None",
        ),
        (PhotonNoise((5, 2)), r"n_photons=\(5, 2\) is not valid"),
        (PhotonNoise("many"), "n_photons='many' is not valid"),
        (PhotonNoise(np.inf), "n_photons=inf is not valid"),
        (PhotonNoise(1e80), r"n_photons=1e\+80 is not valid; .*at most 1e\+60"),
        (PhotonNoise(True), "n_photons=True is not valid"),
        (PhotonNoise((1, 2, 3)), r"n_photons=\(1, 2, 3\) is not valid"),
        (PhotonNoise(random_state="seed"), "'seed' cannot be used to seed"),
        (ReadoutNoise(True), "sigma=True is not valid"),
        (PartialCoherence(True), "width=True is not valid"),
        (PartialCoherence(np.array(["a", "b"])), r"width=array.* is not valid"),
        (Saturation(np.nan), "limit=nan is not valid; give counts > 0"),
        (Saturation(np.array([1.0, 2.0])), r"limit=array.* is not valid"),
        (Saturation(1, unmeasured=1), "unmeasured=1 is not valid; choose True or False"),
        (Quantization(1, n_bits=True), "n_bits=True is not valid"),
        (BeamStop(True), "size=True is not valid"),
        (BeamStop(3, centered="no"), "centered='no' is not valid; choose True or False"),
        (BeamStop(3, offset=1.5), "offset=1.5 is not valid"),
        (MissingPixels(fraction=np.nan), "fraction=nan is not valid"),
        (Cropping(True), "shape=True is not valid"),
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
        (
            MissingPixels(np.zeros((3, 3))),
            r"mask has shape \(3, 3\); give one bool per pixel, of shape \(32, 34\)",
        ),
        (MissingPixels(fraction=1.0), "fraction=1.0 is not valid"),
        (PartialCoherence(-0.1), "width=-0.1 is not valid"),
        (PartialCoherence((0.1,)), r"width=\(0.1,\) is not valid"),
        (Cropping(0), "shape=0 is not valid"),
        (
            Cropping((2.5, 2)),
            r"shape=\(2.5, 2\) is not valid; give an integer >= 1, or one for each of 2 axes",
        ),
        (Binning(40), "factor=40 is not valid"),
        (Binning(2.0), "factor=2.0 is not valid"),
    ],
    ids=str,
)
def test_what_is_not_valid_is_said_with_what_is(step, message):
    with pytest.raises(ValueError, match=message):
        step.fit(patterns())


def counted_patterns():
    expected = FourierMagnitude().fit_transform(random_objects((12, 12), "float64", 3))
    return expected, PhotonNoise(1e4, random_state=0).fit_transform(expected)


def test_coherence_behind_counted_photons_is_warned_of():
    expected, counted = counted_patterns()
    with pytest.warns(UserWarning, match="PartialCoherence is already counted: its squares are"):
        PartialCoherence(0.5).fit_transform(counted)
    with pytest.warns(UserWarning, match="PartialCoherence must act on the expected magnitudes"):
        make_pipeline(PhotonNoise(1e4), PartialCoherence(0.5)).fit_transform(expected)
    PartialCoherence(0.5).fit_transform(expected)  # warnings are errors


def test_photons_counted_twice_are_warned_of_unless_they_are_thinned():
    expected, counted = counted_patterns()
    for again in (1e4, (1e2, 1e5), None):
        with pytest.warns(UserWarning, match="counting them again doubles the noise"):
            PhotonNoise(again).fit_transform(counted)
    PhotonNoise(1e3).fit_transform(counted)
    PhotonNoise(None).fit_transform(np.rint(expected))  # whole magnitudes may be simulated


@pytest.mark.parametrize(
    ("shape", "message"), [(40, "they are left"), ((40, 8), "axis 0 is left"), ((8, 35), "axis 1")]
)
def test_a_window_larger_than_the_patterns_is_warned_of(shape, message):
    with pytest.warns(UserWarning, match=f"never enlarged: {message}"):
        Cropping(shape).fit(patterns())


def test_a_window_as_large_as_an_axis_leaves_it_unchanged():
    assert Cropping(33).fit_transform(patterns()).shape[1:] == (32, 33)
    assert Cropping((32, 34)).fit_transform(patterns()).shape[1:] == (32, 34)
