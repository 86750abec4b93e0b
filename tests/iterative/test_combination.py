"""Several reconstructions of one pattern."""

import numpy as np
import pytest

from skpr import FourierMagnitude
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
    raw = [abs(np.vdot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b) for a in objects[:6] for b in objects[:6]]
    assert np.median(raw) < found.correlations[:6].min()
    assert relative_error(truth, found.object[None]) < 0.5 * relative_error(truth.repeat(6, axis=0), objects[:6])


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
    assert found.transfer_function[0] == pytest.approx(1, abs=0.1)
    assert found.resolution == 1.0


def test_resolution_is_where_the_phases_become_random(runs):
    truth, _ = runs
    spectrum = np.fft.fft2(truth)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(17), np.fft.fftfreq(16)))
    noise = np.fft.fft2(np.random.default_rng(1).normal(size=(40, 16, 17)))
    unphased = np.where(radius > 0.25, np.abs(spectrum) * noise / np.abs(noise), spectrum)
    objects = np.fft.ifft2(unphased).astype(truth.dtype) if truth.dtype.kind == "c" else np.fft.ifft2(unphased).real
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


def test_the_sign_of_real_objects_is_registered():
    truth = random_objects((12, 12), "float64", 1) - 0.4
    runs = np.concatenate([truth, -truth, truth, -truth])
    found = combine_reconstructions(runs, errors=[0.1, 0.2, 0.3, 0.4])
    assert found.consistent.all()
    np.testing.assert_allclose(found.object, truth[0], atol=1e-10)


@pytest.mark.parametrize("shape", [(24,), (20, 22), (12, 13, 14)], ids=str)
@pytest.mark.parametrize("is_complex", [False, True])
def test_fractions_of_a_pixel_are_brought_together(shape, is_complex):
    centre = [(n - 1) / 2 for n in shape]
    coordinates = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")

    def blob(offset):
        distance = sum(((x - c - offset) / (n / 10)) ** 2 for x, c, n in zip(coordinates, centre, shape, strict=True))
        values = np.exp(-distance / 2) * (1 + 0.3 * np.sin(coordinates[0] - offset))
        return values * np.exp(1j * (offset + 0.2 * (coordinates[-1] - offset))) if is_complex else values

    runs = np.stack([blob(offset) for offset in (0.0, 0.3, -0.45, 1.25)])
    errors = [0.1, 0.2, 0.2, 0.2]
    whole = combine_reconstructions(runs, errors=errors, min_correlation=0.5)
    fine = combine_reconstructions(runs, errors=errors, min_correlation=0.5, subpixel=True)
    assert (whole.correlations[1:] < 0.995).any()
    assert (fine.correlations > 0.998).all()
    assert fine.registered.dtype == runs.dtype
    np.testing.assert_allclose(fine.registered[1:], np.broadcast_to(runs[0], fine.registered[1:].shape), atol=0.06)


def test_what_agrees_already_is_left_as_it_is():
    runs = np.repeat(np.random.default_rng(0).random((1, 8, 9)), 3, axis=0)
    np.testing.assert_array_equal(combine_reconstructions(runs, errors=[0, 1, 1], subpixel=True).registered, runs)
