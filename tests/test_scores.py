"""Every way to score the same predictions gives the same score."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EpochScoring
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ReconstructionDisplay,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    make_phase_retriever,
)
from skpr.composition import RetrievedTargetRegressor
from skpr.metrics import neg_relative_error_scorer, relative_error, squared_correlation
from skpr.neural import SymmetricError
from tests.conftest import random_objects

SHAPE = (8, 9)
NETWORK = {
    "module__hidden_width": 8,
    "max_epochs": 2,
    "device": "cpu",
    "random_state": 0,
    "verbose": False,
}
GRIDS = {"no oversampling": (8, 9), "twofold": (16, 18), "one axis": (8, 18)}


@pytest.fixture(params=GRIDS.values(), ids=GRIDS)
def fourier_shape(request):
    return request.param


@pytest.fixture
def pairs(fourier_shape):
    objects = random_objects(SHAPE, "float32", 24)
    return FourierMagnitude(fourier_shape=fourier_shape).fit_transform(objects), objects


def expected_score(objects, predictions, fourier_shape):
    boundary = tuple(
        "circular" if n == m else "zero" for n, m in zip(SHAPE, fourier_shape, strict=True)
    )
    return 1 - relative_error(objects, predictions, boundary=boundary)


ESTIMATORS = {
    "network": lambda: PhaseRetrievalRegressor(**NETWORK),
    "symmetry breaking": lambda: SymmetryBreakingRegressor(PhaseRetrievalRegressor(**NETWORK)),
    "iterations": lambda: IterativePhaseRetrieval(n_iter=5, random_state=0, device="cpu"),
    "retrieved targets": lambda: RetrievedTargetRegressor(
        PhaseRetrievalRegressor(**NETWORK), random_state=0
    ),
    "refined": lambda: RefinedRegressor(
        PhaseRetrievalRegressor(**NETWORK),
        IterativePhaseRetrieval(n_iter=3, random_state=0, device="cpu"),
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_all_routes_to_a_score_agree(name, pairs, fourier_shape):
    X, y = pairs
    split = PredefinedSplit([-1] * 16 + [0] * 8)
    train, test = slice(16), slice(16, None)
    model = ESTIMATORS[name]().fit(X[train], y[train])
    expected = expected_score(y[test], model.predict(X[test]), fourier_shape)
    if fourier_shape == SHAPE:  # objects that lie across the edge tell the boundaries apart
        across = np.roll(y[test], (4, 4), axis=(1, 2))
        assert model.score(X[test], across) == pytest.approx(expected, abs=1e-5)
        assert abs(expected - expected_score(across, model.predict(X[test]), (16, 18))) > 1e-3
    assert model.score(X[test], y[test]) == expected
    assert squared_correlation(model, X[test], y[test]) == expected
    assert 1 + neg_relative_error_scorer(model, X[test], y[test]) == pytest.approx(
        expected, abs=1e-12
    )
    shown = ReconstructionDisplay.from_estimator(model, X[test], y[test], n_rows=8).errors
    assert 1 - shown.mean() == pytest.approx(expected, abs=1e-12)
    assert cross_val_score(ESTIMATORS[name](), X, y, cv=split)[0] == pytest.approx(
        expected, abs=1e-4
    )
    scored = cross_val_score(ESTIMATORS[name](), X, y, cv=split, scoring=neg_relative_error_scorer)[
        0
    ]
    assert 1 + scored == pytest.approx(expected, abs=1e-4)


def test_pipelines_and_searches_score_as_what_is_inside(pairs, fourier_shape):
    X, y = pairs
    model = make_phase_retriever(fourier_shape=fourier_shape, **NETWORK).fit(y, y)
    expected = expected_score(y, model.predict(y), fourier_shape)
    assert model.score(y, y) == pytest.approx(expected, abs=1e-12)
    assert 1 + neg_relative_error_scorer(model, y, y) == pytest.approx(expected, abs=1e-12)
    iterations = make_pipeline(
        FourierMagnitude(fourier_shape=fourier_shape), ESTIMATORS["iterations"]()
    )
    search = GridSearchCV(
        iterations,
        {"iterativephaseretrieval__n_iter": [3]},
        cv=2,
        scoring=neg_relative_error_scorer,
    )
    search.fit(y, y)
    expected = expected_score(y, search.predict(y), fourier_shape)
    assert 1 + search.score(y, y) == pytest.approx(expected, abs=1e-12)
    assert search.best_estimator_.score(y, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["network", "symmetry breaking", "iterations"])
def test_weights_count_the_same_on_all_routes(name, pairs, fourier_shape):
    X, y = pairs
    model = ESTIMATORS[name]().fit(X, y)
    weights = np.arange(24.0)
    alone = [model.score(X[i : i + 1], y[i : i + 1]) for i in range(24)]
    expected = pytest.approx(np.average(alone, weights=weights), abs=1e-3)
    assert model.score(X, y, sample_weight=weights) == expected
    assert squared_correlation(model, X, y, sample_weight=weights) == expected
    assert 1 + neg_relative_error_scorer(model, X, y, sample_weight=weights) == expected


def test_what_is_recorded_in_training_is_that_score(pairs, fourier_shape):
    X, y = pairs
    scoring = EpochScoring(neg_relative_error_scorer, name="scored", lower_is_better=False)
    net = PhaseRetrievalRegressor(
        train_split=predefined_split(Dataset(X[16:], y[16:])),
        callbacks=[("scoring", scoring), ("error", SymmetricError())],
        mixed_precision=False,
        **NETWORK,
    ).fit(X[:16], y[:16])
    expected = expected_score(y[16:], net.predict(X[16:]), fourier_shape)
    assert 1 + net.history[-1, "scored"] == pytest.approx(expected, abs=1e-5)
    assert 1 - net.history[-1, "valid_error"] == pytest.approx(expected, abs=1e-5)


def test_without_shift_and_flip_all_routes_are_as_strict():
    y = random_objects(SHAPE, "float64", 40, boundary="circular").reshape(40, -1)
    X = GaussianMagnitude(random_state=0).fit_transform(y)

    class Reversed(IterativePhaseRetrieval):
        def predict(self, X):
            return y[:, ::-1]

    inner = Reversed(n_iter=1)
    model = SymmetryBreakingRegressor(inner, "passthrough").fit(X, y)
    strict = relative_error(y, y[:, ::-1], shift=False, flip=False)
    assert strict > 0.1
    assert model.score(X, y) == 1 - strict
    assert neg_relative_error_scorer(model, X, y) == -strict
    assert squared_correlation(model, X, y, symmetries="phase") == 1 - strict


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"retrieved targets"}))
def test_no_score_without_objects_but_advice(name):
    objects = random_objects(SHAPE, "float32", 8)
    X = FourierMagnitude().fit_transform(objects)
    model = ESTIMATORS[name]()
    with pytest.raises(NotFittedError):
        model.score(X)
    advice = r"\.score requires y to be passed.*fourier_error.*RetrievedTargetRegressor\.score\(X\)"
    with pytest.raises(ValueError, match=f"{type(model).__name__}{advice}"):
        model.fit(X, objects).score(X)


def test_cross_validation_without_objects_says_that_a_score_needs_them():
    X = FourierMagnitude().fit_transform(random_objects(SHAPE, "float32", 8))
    with pytest.raises(ValueError, match="score requires y to be passed"):
        cross_val_score(ESTIMATORS["iterations"](), X, cv=2, error_score="raise")
