import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline

from skpr import FourierMagnitude, GaussianMagnitude, LazyBatch
from skpr.metrics import (
    OrbitScorer,
    neg_orbit_mean_squared_error_scorer,
    neg_relative_error_scorer,
    orbit_mean_squared_error,
    orbit_psnr,
    orbit_psnr_scorer,
    orbit_ssim_scorer,
    relative_error,
    squared_correlation,
)
from tests.conftest import random_objects

SCORERS = [
    neg_relative_error_scorer,
    neg_orbit_mean_squared_error_scorer,
    orbit_psnr_scorer,
    orbit_ssim_scorer,
]


class Rolled(RegressorMixin, BaseEstimator):
    """Predicts the objects it was fitted on, rolled along some axes and scaled."""

    def __init__(self, axes=(1,), factor=1.0, boundary=None, symmetries=None, bias=0.0):
        self.axes = axes
        self.factor = factor
        self.boundary = boundary
        self.symmetries = symmetries
        self.bias = bias

    def fit(self, X, y):
        self.y_ = np.asarray(y)
        if self.boundary is not None:
            self.boundary_ = self.boundary
        if self.symmetries is not None:
            self.symmetries_ = self.symmetries
        return self

    def predict(self, X):
        found = self.factor * self.y_[: len(X)] + self.bias
        return np.roll(found, 3, axis=self.axes)


@pytest.fixture
def objects():
    return random_objects((8, 9), "float64", 6, boundary="circular")


def magnitudes_of(objects, fourier_shape):
    return FourierMagnitude(fourier_shape=fourier_shape).fit_transform(objects)


def test_worse_predictions_score_lower_with_every_scorer(objects):
    X = magnitudes_of(objects, (8, 9))
    for scorer in SCORERS:
        scores = [
            scorer(Rolled(factor=1.0, bias=bias).fit(X, objects), X, objects)
            for bias in (0.02, 0.2, 0.6)
        ]
        assert scores == sorted(scores, reverse=True)
        assert len(set(scores)) == 3


@pytest.mark.parametrize("fourier_shape", [(8, 9), (16, 18), (8, 18), (16, 9)], ids=str)
def test_a_boundary_that_was_not_fitted_follows_from_the_shapes(objects, fourier_shape):
    X = magnitudes_of(objects, fourier_shape)
    boundary = tuple(
        "circular" if n == m else "zero" for n, m in zip((8, 9), fourier_shape, strict=True)
    )
    model = Rolled().fit(X, objects)
    expected = relative_error(objects, model.predict(X), boundary=boundary)
    assert neg_relative_error_scorer(model, X, objects) == -expected
    assert squared_correlation(model, X, objects) == 1 - expected
    assert (expected < 1e-10) == (boundary[0] == "circular")


def test_symmetries_are_those_that_were_fitted(objects):
    X = GaussianMagnitude(random_state=0).fit_transform(objects.reshape(6, -1))
    moved = -objects[:, ::-1, ::-1]
    model = Rolled(axes=(), factor=-1.0, symmetries="phase").fit(X, objects)
    assert neg_relative_error_scorer(model, X, objects) == pytest.approx(0, abs=1e-12)
    assert neg_orbit_mean_squared_error_scorer(model, X, objects) == pytest.approx(0, abs=1e-12)
    model.y_ = moved
    assert neg_relative_error_scorer(model, X, objects) == -relative_error(
        objects, moved, shift=False, flip=False
    )
    assert neg_relative_error_scorer(model, X, objects) < -0.05
    everything = OrbitScorer(relative_error, symmetries="fourier")
    assert everything(model, X, objects) == pytest.approx(0, abs=1e-12)
    assert squared_correlation(model, X, objects, symmetries="phase") < 0.95


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_scorers_are_objects_that_travel(scorer, objects):
    copies = [
        pickle.loads(pickle.dumps(scorer)),
        clone(GridSearchCV(Rolled(), {}, scoring=scorer)).scoring,
    ]
    model = Rolled().fit(objects, objects)
    for copy in copies:
        assert repr(copy) == repr(scorer)
        assert copy(model, objects, objects) == scorer(model, objects, objects)
    assert (
        eval(repr(scorer), dict(vars(__import__("skpr.metrics").metrics)))(model, objects, objects)
        is not None
    )


def test_a_search_judges_by_all_of_them(objects):
    scoring = {scorer.__name__: scorer for scorer in SCORERS}
    assert list(scoring) == [
        "neg_relative_error",
        "neg_orbit_mean_squared_error",
        "orbit_psnr",
        "orbit_ssim",
    ]
    grid = {"retrieve__error": [0.5, 0.05]}
    search = GridSearchCV(
        Pipeline([("retrieve", Guess())]), grid, cv=2, scoring=scoring, refit="orbit_ssim"
    )
    search.fit(objects, objects)
    for name in scoring:
        assert list(search.cv_results_[f"rank_test_{name}"]) == [2, 1]


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_samples_are_weighted_by_scorers(scorer, objects):
    half = Rolled(bias=0.3).fit(objects, objects)
    half.y_ = np.concatenate([objects[:3], objects[3:] ** 2])
    parts = [scorer(half, objects, objects, sample_weight=np.eye(6)[i]) for i in range(6)]
    weights = np.arange(1.0, 7.0)
    assert scorer(half, objects, objects, sample_weight=weights) == pytest.approx(
        np.average(parts, weights=weights)
    )
    assert scorer(half, objects, objects) == pytest.approx(np.mean(parts))
    with pytest.raises(ValueError, match="sample_weight has shape"):
        scorer(half, objects, objects, sample_weight=[1.0])


def test_weights_are_routed_to_scorers(objects):
    weights = np.array([1.0, 0, 0, 1.0, 0, 0])
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = neg_relative_error_scorer.set_score_request(sample_weight=True)
        model = Rolled(bias=0.3)
        found = cross_validate(
            model, objects, objects, cv=2, scoring=scorer, params={"sample_weight": weights}
        )
        plain = cross_validate(model, objects, objects, cv=2, scoring=neg_relative_error_scorer)
    assert np.isfinite(found["test_score"]).all()
    assert not np.allclose(found["test_score"], plain["test_score"])


class Guess(RegressorMixin, BaseEstimator):
    """Predicts a constant where the truth is dark, and the truth plus an error elsewhere."""

    def __init__(self, dark=0.0, error=0.0):
        self.dark = dark
        self.error = error

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        lit = X.any(axis=(1, 2))[:, None, None]
        return np.where(lit, np.where(X > 0, X + self.error, X), self.dark)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_a_perfect_blank_does_not_win_a_search(scorer):
    objects = random_objects((8, 8), "float64", 8)
    objects[::4] = 0
    grid = [{"dark": [0.0], "error": [0.3]}, {"dark": [0.01], "error": [0.001]}]
    search = GridSearchCV(Guess(), grid, cv=2, scoring=scorer).fit(objects, objects)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    if scorer in (
        neg_orbit_mean_squared_error_scorer,
        orbit_psnr_scorer,
    ):  # to others a blank is one among many
        assert search.best_params_["error"] == 0.001


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_perfect_predictions_and_blank_data_have_finite_scores(scorer):
    objects = random_objects((8, 8), "float64", 4)
    assert np.isfinite(scorer(Guess(), objects, objects))
    assert scorer(Guess(), objects, objects) > scorer(Guess(error=1e-3), objects, objects)
    blank = np.zeros((4, 8, 8))
    assert np.isfinite(scorer(Guess(), blank, blank))
    assert scorer(Guess(), blank, blank) > scorer(Guess(dark=0.1), blank, blank)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_a_network_that_diverged_does_not_win_a_search(scorer):
    objects = random_objects((8, 8), "float64", 8)
    with pytest.raises(ValueError, match="Input y_pred contains NaN"):
        scorer(Guess(error=np.nan), objects, objects)
    search = GridSearchCV(Guess(), {"error": [np.nan, np.inf, 0.5]}, cv=2, scoring=scorer)
    with pytest.warns(UserWarning, match="Scoring failed|non-finite"):
        search.fit(objects, objects)
    assert search.best_params_ == {"error": 0.5}


def test_a_range_that_the_scorer_cannot_know_is_warned_about(objects):
    model = Guess(error=1.0)
    with pytest.warns(UserWarning, match=r"OrbitScorer\(orbit_psnr, data_range="):
        orbit_psnr_scorer(model, 255 * objects, 255 * objects)
    own = OrbitScorer(orbit_psnr, data_range=255.0)
    assert own(model, 255 * objects, 255 * objects) == pytest.approx(20 * np.log10(255), abs=1.0)


@pytest.mark.parametrize("scorer", SCORERS, ids=repr)
def test_batches_on_disk_are_scored_in_parts(scorer, tmp_path, monkeypatch):
    objects = random_objects((8, 8), "float64", 7)
    np.save(tmp_path / "x.npy", objects)
    expected = scorer(Guess(error=0.1), objects, objects)
    monkeypatch.setattr("skpr.metrics._scorers.SCORED", 3)

    class Counting(Guess):
        def predict(self, X):
            assert len(X) <= 3
            return super().predict(np.asarray(X))

    for batch in (
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        LazyBatch(np.load(tmp_path / "x.npy", mmap_mode="r")),
    ):
        assert scorer(Counting(error=0.1), batch, batch) == pytest.approx(expected)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            scorer(Counting(), batch, batch[:5])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: OrbitScorer("psnr"), TypeError, "metric='psnr' is not callable"),
        (
            lambda: OrbitScorer(orbit_psnr, boundary="open"),
            ValueError,
            "boundary='open' is not valid",
        ),
        (
            lambda: OrbitScorer(orbit_psnr, symmetries="shift"),
            ValueError,
            "symmetries='shift' is not valid",
        ),
        (
            lambda: neg_relative_error_scorer(Guess(), np.ones((2, 3)), None),
            ValueError,
            "requires y to be passed",
        ),
        (
            lambda: squared_correlation(Guess(), np.ones((2, 3)), np.ones((2, 3)), symmetries=1),
            ValueError,
            "symmetries=1",
        ),
    ],
)
def test_scorers_that_would_be_none_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_foreign_regressor_on_flat_features_is_scored(objects):
    flat = objects.reshape(6, -1)
    model = KNeighborsRegressor(1).fit(flat, flat)
    assert neg_relative_error_scorer(model, flat, flat) == 0
    assert (
        OrbitScorer(orbit_mean_squared_error, greater_is_better=False, boundary="zero")(
            model, flat, flat
        )
        == 0
    )
