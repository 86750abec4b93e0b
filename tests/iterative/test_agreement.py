"""Evidence from the resolution of several reconstructions."""

from contextlib import nullcontext

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr._rings import ring_numbers
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import PhotonNoise
from skpr.iterative import combine_reconstructions
from tests.conftest import random_members, random_objects


def starts_of(pattern, n_starts=8, n_iter=80, **parameters):
    """Independent reconstructions of one pattern, and their errors."""
    settings = {"support": "frame", "random_state": 0, "device": "cpu", **parameters}
    retriever = IterativePhaseRetrieval(n_iter=n_iter, n_starts=n_starts, **settings).fit(
        pattern[None]
    )
    found = retriever.retrieve(pattern[None])
    return found.starts[0], found.start_errors[0]


def combined(pattern, **parameters):
    starts, errors = starts_of(pattern, **parameters)
    return combine_reconstructions(starts, pattern, errors=errors)


def noisy_copies(x, n_copies, seed=0, noise=0.02):
    copies = random_members(x[None].repeat(n_copies, axis=0), seed=seed)
    return copies + noise * np.random.default_rng(seed).normal(size=copies.shape) * (copies != 0)


@pytest.mark.parametrize("n_starts", [2, 10])
@pytest.mark.parametrize(
    "parameters", [{"support": "shrinkwrap"}, {"constraints": "complex"}], ids=str
)
@pytest.mark.parametrize("noise", ["flat", "uniform", "speckle"])
def test_reconstructions_of_noise_have_no_resolution(noise, parameters, n_starts):
    rng = np.random.default_rng(0)
    pattern = {
        "flat": lambda: rng.random((32, 32)) + 1,
        "uniform": lambda: rng.random((32, 32)),
        "speckle": lambda: np.sqrt(rng.exponential(size=(32, 32))),
    }[noise]()
    found = combined(pattern, n_starts=n_starts, **parameters)
    assert np.isnan(found.resolution) or found.resolution > 4
    assert np.isnan(found.resolution) == bool(found.reason)


@pytest.mark.filterwarnings(
    "ignore:the light of the patterns:UserWarning"
)  # as of some it is, by chance
@pytest.mark.parametrize("constraints", ["non_negative", "complex"])
@pytest.mark.parametrize("n_photons", [1e3, None])
def test_reconstructions_of_a_shuffled_pattern_do_not_explain_it(constraints, n_photons):
    magnitudes = FourierMagnitude().fit_transform(load_digit_objects().data[:1])
    if n_photons is not None:
        magnitudes = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    shuffled = np.random.default_rng(0).permutation(magnitudes.ravel()).reshape(32, 32)
    found = combined(shuffled, constraints=constraints)
    assert np.isnan(found.resolution)
    assert (
        "do not explain the pattern: their median Fourier error is 0." in found.reason
        or "counts" in found.reason
    )


def test_one_run_and_copies_of_one_run_are_no_evidence():
    x = random_objects((16, 16), "float32", 1)
    pattern = FourierMagnitude().fit_transform(x)[0]
    for runs, what in (
        (x, "one reconstruction was"),
        (random_members(x.repeat(5, axis=0)), "5 identical reconstr"),
    ):
        found = combine_reconstructions(runs, pattern)
        assert np.isnan(found.resolution)
        assert found.reason.startswith(f"{what}")
        assert (found.floor == 1).all()
    several = noisy_copies(x[0], 4)
    once, twice = (
        combine_reconstructions(runs, pattern)
        for runs in (several, np.concatenate([several, several]))
    )
    np.testing.assert_allclose(twice.floor, once.floor, atol=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_two_camps_are_no_agreement_and_one_run_astray_is(seed):
    first, second = load_digit_objects().data[[seed, seed + 5]].astype(float)
    pattern = FourierMagnitude().fit_transform(first[None])[0]
    camps = combine_reconstructions(
        np.concatenate([noisy_copies(first, 5), noisy_copies(second, 5)]), pattern
    )
    assert np.isnan(camps.resolution)
    astray = combine_reconstructions(
        np.concatenate([noisy_copies(first, 9), noisy_copies(second, 1)]), pattern
    )
    assert astray.resolution < 1.3
    assert astray.consistent.sum() == 9


@pytest.mark.parametrize("kind", ["hot", "wrong pattern", "wrong layout", "dark"])
def test_patterns_that_are_not_those_of_the_runs_have_no_resolution(kind):
    digits = load_digit_objects().data[:2].astype(float)
    patterns = FourierMagnitude().fit_transform(digits)
    pattern = {
        "hot": lambda: np.where(
            np.arange(1024).reshape(32, 32) == 467, 10 * patterns[0].max(), patterns[0]
        ),
        "wrong pattern": lambda: patterns[1],
        "wrong layout": lambda: np.fft.ifftshift(patterns[0]),
        "dark": lambda: 0 * patterns[0],
    }[kind]()
    warned = (
        pytest.warns(UserWarning, match="zero frequency at index 0")
        if kind == "wrong layout"
        else nullcontext()
    )
    with warned:
        found = combine_reconstructions(noisy_copies(digits[0], 6), pattern)
    assert np.isnan(found.resolution)
    assert (
        "no ring beyond zero frequency has enough counts" if kind == "dark" else "do not explain"
    ) in found.reason


def test_a_single_hot_pixel_has_no_resolution():
    pattern = np.zeros((32, 32))
    pattern[14, 19] = 100
    found = combined(pattern, n_starts=6, constraints="complex")
    assert np.isnan(found.resolution)
    assert np.isnan(found.transfer_function[1:]).all()


def test_the_resolution_of_a_crystal_is_worse_with_fewer_photons():
    crystal = make_crystals(1, shape=(32, 32), random_state=1).data
    magnitudes = FourierMagnitude().fit_transform(crystal)
    found = []
    for n_photons in (3e2, 1e4, 1e6, None):
        pattern = (
            magnitudes
            if n_photons is None
            else PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
        )
        found.append(
            combined(pattern[0], constraints="complex", support="shrinkwrap", n_iter=150).resolution
        )
    found[0] = np.nan_to_num(found[0], nan=np.inf)  # so few photons may leave nothing to say
    assert found[0] > 1.3 * found[1] > 1.3**2 * found[3]
    assert found[1] >= found[2] >= found[3]
    assert found[3] < 1.7
    assert found[0] > 2 * found[3]


def test_a_digit_is_resolved_to_the_pixel_by_many_photons_and_by_few_to_where_there_are_counts():
    magnitudes = FourierMagnitude().fit_transform(load_digit_objects().data[3:4].astype("float32"))
    many, few = (PhotonNoise(n, random_state=0).fit_transform(magnitudes)[0] for n in (1e7, 1e4))
    assert combined(many, n_iter=200).resolution < 1.2
    found = combined(few, n_iter=200)
    dark = np.isnan(found.transfer_function)
    assert dark[-1]
    assert not dark[:6].any()
    assert found.resolution == pytest.approx(0.5 / found.frequencies[dark][0])
    assert 1.1 < found.resolution < 2.5


def test_lit_rings_behind_dark_ones_do_not_extend_the_resolution_and_gaps_do_not_end_it():
    x = load_digit_objects().data[0].astype(float)
    rings, _ = ring_numbers((32, 32), centered=True)
    pattern = FourierMagnitude().fit_transform(x[None])[0]
    counted = np.rint(30 * pattern)
    runs = noisy_copies(x, 8)
    dark = np.where((rings > 6) & (rings < 15), 0.0, np.sqrt(counted))
    gap = np.where((rings > 6) & (rings < 9), np.nan, pattern)
    assert combine_reconstructions(runs, gap).resolution == 1.0
    found = combine_reconstructions(runs, dark)
    assert np.isnan(found.transfer_function[7:15]).all()
    assert not np.isnan(found.transfer_function[15])
    assert np.isnan(found.resolution) or found.resolution > 2


@pytest.mark.parametrize("scale", [1e-28, 1e28])
def test_resolutions_do_not_depend_on_the_unit(scale):
    x = load_digit_objects().data[0]
    runs = noisy_copies(x, 6).astype("float32")
    pattern = FourierMagnitude().fit_transform(x[None])[0].astype("float32")
    expected = combine_reconstructions(runs, pattern)
    found = combine_reconstructions(runs * np.float32(scale), pattern * np.float32(scale / 10))
    assert found.resolution == pytest.approx(expected.resolution)
    np.testing.assert_allclose(found.correlations, expected.correlations, rtol=1e-4)
    np.testing.assert_allclose(found.transfer_function, expected.transfer_function, rtol=1e-3)
    np.testing.assert_allclose(
        found.object, expected.object * np.float32(scale), rtol=1e-4, atol=1e-6 * scale
    )


@pytest.mark.parametrize("shape", [(40,), (10, 11), (11, 12, 13)], ids=str)
@pytest.mark.parametrize("boundary", ["zero", "circular"])
def test_agreement_is_judged_in_any_dimension(shape, boundary):
    x = random_objects(shape, "float64", 1, boundary=boundary)[0]
    pattern = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit_transform(x[None])[
        0
    ]
    runs = random_members(x[None].repeat(8, axis=0), boundary) * (
        1 + 0.01 * np.random.default_rng(0).normal(size=(8, *shape))
    )
    assert combine_reconstructions(runs, pattern).resolution < 1.2


def test_one_run_among_strangers_is_the_reference_and_no_evidence():
    digits = load_digit_objects().data[:6].astype("float32")
    magnitudes = FourierMagnitude().fit_transform(digits)
    found = combine_reconstructions(digits[[3, 1, 2, 0, 4, 5]], magnitudes[0])
    assert found.correlations.argmax() == 3
    assert np.isnan(found.resolution)
    assert "do not explain the pattern" in found.reason
