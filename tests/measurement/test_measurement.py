"""One chunk of measurements: scaling, Friedel pairs, constraints."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.detector import PhotonNoise
from skpr.measurement import Measurement
from skpr.metrics import fourier_error
from tests.conftest import random_objects


def full_magnitudes_of(objects, grid):
    return np.abs(np.fft.fftn(objects, s=grid, axes=tuple(range(1, objects.ndim))))


@pytest.mark.parametrize("kind", ["non_negative", "complex"])
@pytest.mark.parametrize("grid", [(12, 13), (13, 12)], ids=str)
def test_error_is_the_fourier_error(kind, grid):
    objects = random_objects((6, 6), "complex128" if kind == "complex" else "float64", 5)
    others = torch.from_numpy(random_objects((6, 6), objects.dtype, 5, seed=3))
    magnitudes = full_magnitudes_of(objects, grid)
    magnitudes[:, 0, 0] = np.nan
    problem = Measurement(torch.from_numpy(magnitudes), (6, 6), kind)
    errors = problem.error(problem.to_normalized(others))
    expected = fourier_error(magnitudes, others, centered=False, multioutput="raw_values")
    np.testing.assert_allclose(errors.numpy(), expected, rtol=1e-10)


def test_friedel_pairs_are_averaged_and_fill_one_another():
    magnitudes = torch.tensor([[5.0, 3.0, 2.0, 4.0]], dtype=torch.float64)  # k = 0, 1, -2, -1
    problem = Measurement(magnitudes, (2,), "real")
    pair = (problem.magnitudes * problem.scale)[0, 1]
    assert pair == pytest.approx(np.sqrt((3**2 + 4**2) / 2))
    magnitudes[0, 1] = torch.nan
    problem = Measurement(magnitudes, (2,), "real")
    assert problem.unmeasured is None
    assert (problem.magnitudes * problem.scale)[0, 1] == pytest.approx(4.0)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_reconstruction_does_not_depend_on_exposure(factor):
    magnitudes = torch.from_numpy(
        full_magnitudes_of(random_objects((6, 6), "float64", 2), (12, 12))
    )
    one, other = (
        Measurement(magnitudes, (6, 6), "real"),
        Measurement(factor * magnitudes, (6, 6), "real"),
    )
    torch.testing.assert_close(one.magnitudes, other.magnitudes)
    torch.testing.assert_close(factor * one.scale, other.scale)


def test_admitted_values_are_those_a_projection_leaves_alone():
    values = torch.randn((3, 4, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    support = torch.rand((3, 4, 4), generator=torch.Generator().manual_seed(1)) > 0.4
    magnitudes = torch.from_numpy(full_magnitudes_of(random_objects((4, 4), "float64", 3), (8, 8)))
    for kind, bounds in (("non_negative", None), ("real", (-0.1, 0.3)), ("real", None)):
        problem = Measurement(magnitudes, (4, 4), kind, bounds, support)
        unmoved = torch.isclose(problem.to_admissible(values), values, rtol=1e-12, atol=0) & support
        assert torch.equal(problem.admits(values), unmoved)


def test_a_dark_pattern_has_the_dark_object():
    problem = Measurement(torch.zeros((1, 8)), (4,), "non_negative")
    assert problem.error(torch.zeros((1, 4))) == 0
    x = problem.to_magnitudes(problem.from_grid(torch.rand((1, 8))))
    assert not x.spectrum.any()
    assert not x.inside.any()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("n_photons", [1e3, 1e5, 1e7])
def test_noise_is_the_residual_that_photons_leave_to_the_truth(dtype, n_photons):
    objects = random_objects((12, 13), dtype, 40)
    magnitudes = FourierMagnitude(centered=False).fit_transform(objects)
    measured = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    measured[:, 1:4, 2:4] = np.nan
    exposed = objects * np.sqrt(n_photons / (magnitudes**2).sum(axis=(1, 2)))[:, None, None]
    kind = "complex" if np.iscomplexobj(objects) else "non_negative"
    measured = torch.from_numpy(measured)
    problem = Measurement(measured, (12, 13), kind)
    left = problem.residual(problem.to_normalized(torch.from_numpy(exposed)))
    assert float(problem.counting_noise(measured).mean()) == pytest.approx(
        float(left.mean()), rel=0.15
    )


@pytest.mark.parametrize("grid", [(24, 25), (25, 24)], ids=str)
@pytest.mark.parametrize("centered", [True, False])
def test_errors_of_noisy_half_measured_pairs_are_those_of_the_metric(grid, centered):
    objects = random_objects((12, 12), "float64", 6)
    magnitudes = FourierMagnitude(fourier_shape=grid, centered=centered).fit_transform(objects)
    measured = PhotonNoise(1e4, random_state=0).fit_transform(magnitudes)
    measured[:, 3:9, 2:20] = np.nan
    others = random_objects((12, 12), "float64", 6, seed=3) * 10
    problem = Measurement(torch.from_numpy(measured), (12, 12), "real", centered=centered)
    errors = problem.error(problem.to_normalized(torch.from_numpy(others)))
    expected = fourier_error(measured, others, centered=centered, multioutput="raw_values")
    np.testing.assert_allclose(errors.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("exponent", [-100, -30, 30, 100])
@pytest.mark.parametrize("kind", ["non_negative", "complex"])
def test_powers_of_two_change_nothing_but_the_scale(kind, exponent):
    objects = random_objects((6, 6), "complex64" if kind == "complex" else "float32", 3)
    magnitudes = torch.from_numpy(full_magnitudes_of(objects, (12, 12)).astype("float32"))
    one, other = (
        Measurement(magnitudes, (6, 6), kind),
        Measurement(2.0**exponent * magnitudes, (6, 6), kind),
    )
    assert torch.equal(one.magnitudes, other.magnitudes)
    assert torch.equal(2.0**exponent * one.scale, other.scale)


def test_arrays_and_kinds_that_are_none_are_refused():
    with pytest.raises(TypeError, match=r"give torch\.as_tensor\(magnitudes\)"):
        Measurement(np.ones((1, 4)), (2,), "real")
    with pytest.raises(ValueError, match="kind='reel'.*real"):
        Measurement(torch.ones(1, 4), (2,), "reel")
