"""Warnings about one mistake come from the outermost public function only."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, PhaseRetrievalRegressor, RefinedRegressor
from skpr.metrics import fourier_error


@pytest.fixture(scope="module")
def pairs():
    objects = np.random.default_rng(0).random((40, 16, 16))
    return FourierMagnitude().fit_transform(objects), objects


def test_a_metric_looks_at_the_layout_itself(pairs):
    X, y = pairs
    with pytest.warns(UserWarning, match="a Fourier metric appear to have zero frequency"):
        fourier_error(np.fft.ifftshift(X, axes=(1, 2)), y)


@pytest.mark.parametrize("method", ["predict", "score"])
def test_a_metric_inside_an_estimator_leaves_the_warning_to_it(pairs, method):
    X, y = pairs
    network = PhaseRetrievalRegressor(
        max_epochs=1, module__hidden_width=8, random_state=0, device="cpu"
    )
    model, wrong = RefinedRegressor(network).fit(X, y), np.fft.ifftshift(X, axes=(1, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(wrong) if method == "predict" else model.score(wrong, y)
    assert len(caught) == 1
    assert "zero frequency at index 0" in str(caught[0].message)
