import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.composition import NetworkRefiner
from skpr.neural import EstimateRegressor
from skpr.symmetry import flip, register


def problem(n_samples=20, size=20, *, seed=0, is_complex=False, noise=0.1):
    """Smooth objects in a dark frame, and the parts of an input from noisy estimates."""
    rng = np.random.default_rng(seed)
    objects = np.zeros((n_samples, size, size))
    inner = slice(3, size - 3)
    for one in objects:
        one[inner, inner] = gaussian_filter(rng.random((size - 6, size - 6)) ** 6, 0.8)
    if is_complex:
        objects = objects * np.exp(1j * gaussian_filter(rng.random(objects.shape), (0, 3, 3)))
    starts = objects + noise * objects.std() * rng.standard_normal((4, *objects.shape))
    X = {
        "magnitudes": FourierMagnitude().fit_transform(objects),
        "best": starts[0],
        "mean": starts.mean(axis=0),
        "spread": starts.std(axis=0),
    }
    return X, objects


def regressor(**options):
    given = {"max_epochs": 1, "module__width": 8, "module__n_stages": 1} | options
    return EstimateRegressor(random_state=0, device="cpu", **given)


def caught(function, *arguments):
    """Return the warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(*arguments)
    return [str(one.message) for one in found]


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_right_parts_are_not_warned_of(is_complex, noise, unit):
    X, objects = problem(is_complex=is_complex, noise=noise)
    y, _ = register(objects, X["best"], phase=True)
    X = {name: part * unit for name, part in X.items()}
    net = regressor()
    assert caught(net.fit, X, y * unit) == []
    assert caught(net.predict, X) == []


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("cast", [np.asarray, torch.from_numpy])
def test_targets_elsewhere_on_their_orbit_are_warned_of(is_complex, cast):
    X, objects = problem(is_complex=is_complex)
    X = {name: cast(part) for name, part in X.items()}
    y = objects.copy()
    y[::2] = flip(objects[::2])
    (message,) = caught(regressor().fit, X, cast(y))
    assert "y passed to EstimateRegressor is not registered to the starts" in message
    if is_complex:
        (message,) = caught(regressor().fit, X, cast(objects * np.exp(1j)))
        assert "not registered" in message


@pytest.mark.parametrize("factor", [1e-3, 255.0])
def test_other_units_are_warned_of(factor):
    X, objects = problem()
    (message,) = caught(regressor().fit, X | {"best": X["best"] * factor}, objects)
    assert f"best passed to EstimateRegressor is in another unit .* {factor:.3g}"[:40] in message
    (message,) = caught(regressor().fit, X, objects * factor)
    assert message.startswith("y passed to EstimateRegressor is in another unit")
    net = regressor().fit(X, objects)
    X["magnitudes"] = X["magnitudes"] * factor
    (message,) = caught(net.predict, X)
    assert message.startswith("best passed to EstimateRegressor is in another unit")


def test_patterns_in_another_layout_or_order_are_warned_of():
    X, objects = problem()
    shifted = X | {"magnitudes": np.fft.ifftshift(X["magnitudes"], axes=(1, 2))}
    (message,) = caught(regressor().fit, shifted, objects)
    assert "zero frequency at index 0" in message
    (message,) = caught(regressor().fit(X, objects).predict, shifted)
    assert "zero frequency at index 0" in message
    (message,) = caught(regressor().fit, X | {"magnitudes": X["magnitudes"][::-1]}, objects)
    assert "not pairs" in message


def test_a_refiner_that_has_looked_is_not_followed_by_another_look():
    X, objects = problem(8)
    refiner = NetworkRefiner(
        regressor(),
        IterativePhaseRetrieval("raar", 5, n_starts=2, device="cpu"),
        random_state=0,
    )
    shifted = np.fft.ifftshift(X["magnitudes"], axes=(1, 2))
    (message,) = caught(refiner.fit, shifted, objects)
    assert "magnitudes passed to NetworkRefiner appear to have zero frequency" in message
