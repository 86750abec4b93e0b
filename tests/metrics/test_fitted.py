import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skpr import FourierMagnitude
from skpr.metrics import fitted_symmetries, neg_relative_error_scorer, seen_by_regressor
from tests.conftest import random_objects


class Rolled(RegressorMixin, BaseEstimator):
    """Predicts the objects it was fitted on, rolled along the first axis and scaled."""

    def __init__(self, factor=1.0, boundary=None):
        self.factor = factor
        self.boundary = boundary

    def fit(self, X, y):
        self.y_ = np.asarray(y)
        if self.boundary is not None:
            self.boundary_ = self.boundary
        return self

    def predict(self, X):
        return np.roll(self.factor * self.y_[: len(X)], 3, axis=1)


class Around(RegressorMixin, BaseEstimator):
    """Meta-estimator without a boundary of its own."""

    def __init__(self, regressor):
        self.regressor = regressor

    def fit(self, X, y):
        self.regressor_ = clone(self.regressor).fit(X, y)
        return self

    def predict(self, X):
        return self.regressor_.predict(X)


@pytest.fixture
def objects():
    return random_objects((8, 9), "float64", 6, boundary="circular")


def test_the_boundary_is_found_inside_pipelines_searches_and_meta_estimators(objects):
    inner = Rolled(boundary=("circular", "zero"))
    pipeline = make_pipeline(FourierMagnitude(), inner)
    search = GridSearchCV(
        pipeline, {"rolled__factor": [1.0]}, cv=2, scoring=neg_relative_error_scorer
    )
    target = Around(inner)
    for model in (
        pipeline,
        search,
        make_pipeline("passthrough", search),
        make_pipeline(FourierMagnitude(), target),
    ):
        assert fitted_symmetries(model.fit(objects, objects), objects, objects) == (
            ("circular", "zero"),
            "fourier",
        )
        assert neg_relative_error_scorer(model, objects, objects) == pytest.approx(0, abs=1e-12)


def test_the_boundary_of_a_simulating_pipeline_is_that_of_its_magnitudes(objects):
    for shape, boundary in (
        ((8, 9), "circular"),
        ((16, 18), "zero"),
        ((8, 18), ("circular", "zero")),
    ):
        model = make_pipeline(FourierMagnitude(fourier_shape=shape), Rolled()).fit(objects, objects)
        expected = (boundary,) * 2 if isinstance(boundary, str) else boundary
        assert fitted_symmetries(model, objects, objects)[0] == expected
        assert seen_by_regressor(model, objects).shape == (6, *shape)


def test_a_boundary_of_flattened_targets_is_not_that_of_the_objects(objects):
    model = Rolled(boundary=("zero",)).fit(objects, objects)
    assert fitted_symmetries(model, objects, objects)[0] == ("circular", "circular")
