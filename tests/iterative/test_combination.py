"""Several reconstructions of one pattern."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.iterative import combine_reconstructions
from skpr.metrics import relative_error
from tests.conftest import random_members, random_objects


@pytest.fixture(params=["float32", "complex128"])
def runs(request):
    """Six noisy members of one orbit, and two strangers."""
    rng = np.random.default_rng(0)
    truth = random_objects((16, 17), request.param, 1)
    members = random_members(truth.repeat(6, axis=0))
    noisy = members * (1 + 0.05 * rng.normal(size=members.shape))
    strangers = random_objects((16, 17), request.param, 2, seed=9)
    return truth, np.concatenate([noisy, strangers]).astype(request.param)


def test_members_of_one_orbit_agree_after_registration_and_strangers_do_not(runs):
    truth, objects = runs
    found = combine_reconstructions(objects)
    assert found.consistent.tolist() == [True] * 6 + [False] * 2
    raw = [
        abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)
        for a in objects[:6]
        for b in objects[:6]
    ]
    assert np.median(raw) < found.correlations[:6].min()
    assert relative_error(truth, found.object[None]) < 0.5 * relative_error(
        truth.repeat(6, axis=0), objects[:6]
    )


def test_the_smallest_error_is_the_reference(runs):
    _, objects = runs
    errors = np.arange(8.0)[::-1]
    found = combine_reconstructions(objects, errors=errors)
    assert found.correlations[7] == pytest.approx(1)
    assert found.consistent[7]
    np.testing.assert_allclose(found.registered[7], objects[7], rtol=1e-6, atol=1e-7)


def test_transfer_function_and_resolution(runs):
    truth, objects = runs
    magnitudes = FourierMagnitude().fit_transform(truth)[0]
    found = combine_reconstructions(objects, magnitudes)
    assert len(found.frequencies) == 17
    assert (found.transfer_function <= 1).all()
    assert found.consistent_transfer_function[0] == pytest.approx(1, abs=0.1)
    assert found.resolution == 1.0
    assert found.reason == ""


def test_resolution_is_where_the_phases_become_random(runs):
    truth, _ = runs
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(17), np.fft.fftfreq(16)))
    spectrum = np.fft.fft2(truth) * np.exp(
        -20 * radius**2
    )  # smooth, so that what is known registers to the pixel
    noise = np.fft.fft2(np.random.default_rng(1).normal(size=(40, 16, 17)))
    unphased = np.where(radius > 0.25, np.abs(spectrum) * noise / np.abs(noise), spectrum)
    objects = (
        np.fft.ifft2(unphased).astype(truth.dtype)
        if truth.dtype.kind == "c"
        else np.fft.ifft2(unphased).real
    )
    magnitudes = np.fft.fftshift(np.abs(spectrum[0]))
    found = combine_reconstructions(objects, magnitudes, min_correlation=0, boundary="circular")
    inner, outer = found.frequencies < 0.22, found.frequencies > 0.3
    assert found.transfer_function[inner].min() > 0.95
    assert found.transfer_function[outer].max() < 0.37
    assert 0.5 / (0.25 + 1.5 / 16) < found.resolution <= 0.5 / 0.25


def test_input_that_does_not_fit_is_refused(runs):
    _, objects = runs
    with pytest.raises(ValueError, match="min_correlation=2 is not valid"):
        combine_reconstructions(objects, min_correlation=2)
    with pytest.raises(ValueError, match="do not fit 8 reconstructions"):
        combine_reconstructions(objects, errors=[1, 2])
    with pytest.raises(ValueError, match="do not fit 8 reconstructions"):
        combine_reconstructions(objects, errors=[np.nan] * 8)
    for errors in (
        np.ones((1, 8)),
        [-1.0] + [1.0] * 7,
        [1j] * 8,
        ["a"] * 8,
        [np.inf] * 8,
        [-np.inf] + [1.0] * 7,
    ):
        with pytest.raises(
            ValueError, match=r"one Fourier error for each, .* such as retrieval.start_errors\[0\]"
        ):
            combine_reconstructions(objects, errors=errors)
    with pytest.raises(ValueError, match="min_correlation='high' is not valid"):
        combine_reconstructions(objects, min_correlation="high")
    with pytest.raises(ValueError, match="subpixel='no' is not valid"):
        combine_reconstructions(objects, subpixel="no")
    with pytest.raises(ValueError, match="boundary='open' is not valid"):
        combine_reconstructions(objects, boundary="open")


def test_a_retrieval_has_a_combination_of_each_pattern():
    objects = random_objects((10, 10), "float64", 2)
    X = FourierMagnitude().fit_transform(objects)
    found = (
        IterativePhaseRetrieval(n_iter=60, n_starts=3, random_state=0, device="cpu")
        .fit(X, objects)
        .retrieve(X)
    )
    together = combine_reconstructions(found, X)
    for i, combination in enumerate(together):
        alone = combine_reconstructions(found.starts[i], X[i], errors=found.start_errors[i])
        np.testing.assert_array_equal(combination.object, alone.object)
        np.testing.assert_equal(combination.resolution, alone.resolution)  # NaN, too
    assert [one.resolution for one in combine_reconstructions(found)] == [None, None]
    with pytest.raises(
        ValueError, match=r"magnitudes have shape \(1, 20, 20\), but the Retrieval has 2 patterns"
    ):
        combine_reconstructions(found, X[:1])


def test_a_retrieval_knows_the_layout_of_its_patterns():
    objects = random_objects((10, 11), "float64", 2)
    X = FourierMagnitude(centered=False).fit_transform(objects)
    retriever = IterativePhaseRetrieval(
        n_iter=60, n_starts=3, centered=False, random_state=0, device="cpu"
    )
    found = retriever.fit(X, objects).retrieve(X)
    for told in (found, retriever.retrieve(torch.from_numpy(X))):
        assert told.centered is False
    expected = [
        combine_reconstructions(starts, x, centered=False, errors=errors)
        for starts, x, errors in zip(found.starts, X, found.start_errors, strict=True)
    ]
    former = found._replace(centered=None)  # of a version that did not keep it
    for together in (
        combine_reconstructions(found, X),
        combine_reconstructions(found, X, centered=False),
        combine_reconstructions(former, X, centered=False),
    ):
        for one, other in zip(together, expected, strict=True):
            np.testing.assert_array_equal(one.transfer_function, other.transfer_function)
    with pytest.raises(ValueError, match="centered=True is not that of the Retrieval"):
        combine_reconstructions(found, X, centered=True)
    with pytest.raises(ValueError, match="centered='no' is not valid"):
        combine_reconstructions(found, X, centered="no")


@pytest.mark.parametrize(
    "objects", [(3, 8, 8), (3, 5, 8, 8), (1, 5, 8, 8), (5, 8, 8), (8, 8)], ids=str
)
@pytest.mark.parametrize("magnitudes", [(3, 16, 16), (1, 16, 16), (16, 16)], ids=str)
def test_a_forgotten_index_is_refused(objects, magnitudes):
    if (objects, magnitudes) in {((3, 8, 8), (16, 16)), ((5, 8, 8), (16, 16))}:
        return
    with pytest.raises(
        ValueError,
        match=r"magnitudes\[0\] and retrieval.starts\[0\]|do not fit magnitudes of shape",
    ):
        combine_reconstructions(np.ones(objects), np.ones(magnitudes))


def test_patterns_and_their_starts_are_not_mistaken_for_volumes():
    x = random_objects((8, 8), "float64", 10)
    starts = x[:, None].repeat(5, axis=1)
    with pytest.raises(ValueError, match=r"magnitudes\[0\] and retrieval.starts\[0\]"):
        combine_reconstructions(starts, FourierMagnitude().fit_transform(x))
    volumes = random_objects((5, 8, 8), "float64", 1).repeat(10, axis=0)
    pattern = FourierMagnitude().fit_transform(volumes[:1])[0]
    assert combine_reconstructions(volumes, pattern).object.shape == (5, 8, 8)


def test_runs_that_did_not_finish_are_left_out():
    x = random_objects((16, 16), "float64", 1)
    pattern = FourierMagnitude().fit_transform(x)[0]
    runs = random_members(x.repeat(6, axis=0)) * (
        1 + 0.01 * np.random.default_rng(0).normal(size=(6, 16, 16))
    )
    unfinished = np.concatenate([runs, np.zeros((4, 16, 16))])
    expected = combine_reconstructions(runs, pattern, errors=np.arange(6))
    by_error = combine_reconstructions(unfinished, pattern, errors=[*range(6), *[np.nan] * 4])
    by_content = combine_reconstructions(unfinished, pattern)
    np.testing.assert_allclose(by_error.transfer_function, expected.transfer_function)
    np.testing.assert_allclose(by_content.transfer_function, expected.transfer_function, atol=1e-3)
    assert (
        by_error.consistent.tolist() == by_content.consistent.tolist() == [True] * 6 + [False] * 4
    )


def test_runs_that_are_zero_everywhere_have_no_resolution():
    found = combine_reconstructions(np.zeros((3, 8, 8)), np.ones((16, 16)), errors=[1.0, 1.0, 1.0])
    assert not found.object.any()
    assert np.isnan(found.resolution)
    assert found.reason


@pytest.mark.parametrize("subpixel", [False, True])
def test_each_axis_has_the_boundary_of_its_shapes(subpixel):
    x = random_objects((12, 13), "float64", 1, boundary="circular")
    pattern = FourierMagnitude(fourier_shape=(12, 26)).fit_transform(x)[0]
    runs = np.concatenate([x, np.roll(x, 5, axis=1), np.roll(x, 2, axis=1)])
    found = combine_reconstructions(runs, pattern, errors=[0, 1, 1], subpixel=subpixel)
    np.testing.assert_allclose(found.registered, np.broadcast_to(x, runs.shape), atol=1e-10)
    lost = combine_reconstructions(
        runs, pattern, errors=[0, 1, 1], boundary="zero", subpixel=subpixel
    )
    assert (lost.correlations[1:] < 0.99).all()


def test_whatever_holds_numbers_is_combined():
    x = random_objects((8, 8), "float32", 1).repeat(3, axis=0)
    pattern = FourierMagnitude().fit_transform(x)[0]
    expected = combine_reconstructions(x, pattern)
    for objects, magnitudes in (
        (torch.from_numpy(x).requires_grad_(), torch.from_numpy(pattern).requires_grad_()),
        (x.tolist(), pattern.tolist()),
    ):
        found = combine_reconstructions(objects, magnitudes, errors=torch.tensor([0.1, 0.2, 0.2]))
        np.testing.assert_allclose(found.object, expected.object, rtol=1e-6)
        np.testing.assert_allclose(found.transfer_function, expected.transfer_function, rtol=1e-4)


def test_the_sign_of_real_objects_is_registered():
    truth = random_objects((12, 12), "float64", 1) - 0.4
    runs = np.concatenate([truth, -truth, truth, -truth])
    found = combine_reconstructions(runs, errors=[0.1, 0.2, 0.3, 0.4])
    assert found.consistent.all()
    np.testing.assert_allclose(found.object, truth[0], atol=1e-10)
