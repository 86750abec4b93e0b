import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
)
from skpr.neural import EstimateRegressor
from tests.composition.test_network_refiner import refiner, smooth


@pytest.mark.parametrize(
    "network",
    [
        PhaseRetrievalRegressor(),
        RefinedRegressor(),
        IterativePhaseRetrieval(),
        FrozenEstimator(IterativePhaseRetrieval()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_estimators_that_take_magnitudes_are_no_networks(network):
    X, y = smooth(4, (8, 8), 0)
    message = "reconstructs objects from magnitudes alone; give an EstimateRegressor or None"
    with pytest.raises(TypeError, match=message):
        refiner().set_params(network=network).fit(X, y)


def test_frozen_networks_that_do_not_fit_are_refused_before_any_start():
    X, y = smooth(4, (8, 8), 0)
    complex_X, complex_y = smooth(4, (8, 8), 0, is_complex=True)
    real, other = (
        refiner(n_rounds=0).fit(*pair).network_ for pair in ((X, y), (complex_X, complex_y))
    )

    def frozen(network):
        return refiner().set_params(network=FrozenEstimator(network))

    with pytest.raises(NotFittedError):
        frozen(EstimateRegressor()).fit(X, y)
    with pytest.raises(ValueError, match="trained on real objects, .* makes complex ones"):
        frozen(real).fit(complex_X, complex_y)
    with pytest.raises(ValueError, match="trained on complex objects, .* makes real ones"):
        frozen(other).fit(X, y)
    with pytest.raises(ValueError, match="objects of shape .8, 8., .* makes objects of shape .8,."):
        frozen(real).fit(X[:, 0], y[:, 0])


def drawn(n_samples=12):
    objects = np.random.default_rng(0).random((n_samples, 16, 16))
    return FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.fft.ifftshift(X, axes=(1, 2)), "zero frequency at index 0"),
        (np.square, "look like intensities"),
        (lambda X: X[::-1], "not pairs"),
    ],
)
def test_mistakes_in_patterns_are_warned_of_once(change, message):
    X, y = drawn()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = refiner(n_rounds=0, n_iter=3).fit(change(X), y)
    assert len(caught) == 1
    assert message in str(caught[0].message)
    assert "NetworkRefiner" in str(caught[0].message)
    if "index" in message:
        right = refiner(n_rounds=0, n_iter=3).fit(X, y)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            right.predict(change(X))
        assert len(caught) == 1
        assert "NetworkRefiner appear to have zero frequency at index 0" in str(caught[0].message)
    else:
        assert model.predict(X).shape == y.shape


def test_another_measurement_is_refused():
    y = np.random.default_rng(0).standard_normal((20, 8, 8))
    X = GaussianMagnitude(n_measurements=256, random_state=0).fit_transform(y).reshape(20, 16, 16)
    with pytest.raises(ValueError, match="another kind of measurement"):
        refiner().fit(X, y)


def test_tensors_that_require_gradients_are_accepted():
    X, y = (torch.from_numpy(batch).float().requires_grad_() for batch in smooth(4, (8, 8), 0))
    found = refiner(n_rounds=0).fit(X, y).predict(X)
    assert found.dtype == torch.float32
    assert found.shape == y.shape


@pytest.mark.parametrize(("name", "value"), [("n_starts", 7), ("centered", False)])
def test_parameters_that_only_fit_reads_are_refused_later(name, value):
    X, y = smooth(4, (8, 8), 0)
    model = refiner(n_rounds=0).fit(X, y).set_params(**{name: value})
    with pytest.raises(ValueError, match=f"{name}={value} was set after fit"):
        model.predict(X)
