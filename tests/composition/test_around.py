import pickle

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.tree import DecisionTreeRegressor

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.detector import BeamStop
from skpr.metrics import relative_error
from tests.composition.conftest import SMALL
from tests.conftest import random_objects

QUICK = IterativePhaseRetrieval(n_iter=5, random_state=0, device="cpu")
AROUND = [
    lambda regressor: SymmetryBreakingRegressor(regressor, SymmetryCanonicalizer("box", "moment")),
    lambda regressor: RefinedRegressor(regressor, QUICK),
    lambda regressor: RefinedRegressor(SymmetryBreakingRegressor(regressor, "passthrough"), None),
]
every_composition = pytest.mark.parametrize("around", AROUND, ids=["breaking", "refined", "nested"])


def network(**parameters):
    return PhaseRetrievalRegressor(**SMALL | parameters)


def pairs(n_samples=24, shape=(8,), dtype="float32"):
    objects = random_objects(shape, dtype, n_samples=n_samples)
    return FourierMagnitude().fit_transform(objects), objects


def inner(model):
    """The network at the heart of a composition."""
    while hasattr(model, "regressor_"):
        model = model.regressor_
    return model


class Memory(RegressorMixin, BaseEstimator):
    """Predicts its training targets in the order of the training set, whatever it is given."""

    def __init__(self, returns=None):
        self.returns = returns

    def fit(self, X, y, sample_weight=None):
        self.y_, self.X_, self.weights_ = y, X, sample_weight
        return self

    def predict(self, X):
        return self.y_ if self.returns is None else self.returns(self.y_)


def flipped(y):
    return y[:, ::-1].copy()


def rolled(y):
    return np.roll(y, 3, axis=1)


def flattened(y):
    return y.reshape(len(y), -1)


def cut(y):
    return flattened(y)[:, 1:]


# --- what scikit-learn does with estimators -------------------------------------------------------


@every_composition
def test_compositions_are_cloned_pickled_searched_and_cross_validated(around):
    X, y = pairs()
    model = around(network())
    predicted = clone(model).fit(X, y).predict(X)
    kept = pickle.loads(pickle.dumps(model.fit(X, y)))
    np.testing.assert_array_equal(kept.predict(X), predicted)
    assert cross_val_predict(model, X, y, cv=2).shape == y.shape
    name = next(name for name in model.get_params() if name.endswith("lr"))
    search = GridSearchCV(model, {name: [1e-12, 3e-3]}, cv=2, error_score="raise").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 2


@pytest.mark.slow
def test_whole_pipelines_are_searched_in_two_processes():
    _, y = pairs(32)
    model = make_phase_retriever(**SMALL, refiner=QUICK)
    grid = {
        "retrieve__regressor__transformer__canonicalize": [
            "passthrough",
            SymmetryCanonicalizer("box", "moment"),
        ],
        "retrieve__refiner": [None, QUICK],
    }
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(y, y)
    scores = dict(
        zip(
            map(str, search.cv_results_["params"]),
            search.cv_results_["mean_test_score"],
            strict=True,
        )
    )
    assert len(set(scores.values())) == 4
    assert search.best_params_["retrieve__refiner"] is not None


@pytest.mark.parametrize("around", AROUND[:2], ids=["breaking", "refined"])
def test_metadata_routing_reaches_the_regressor_and_the_score(around):
    X, y = pairs(40)
    weights = np.arange(40.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = around(Memory().set_fit_request(sample_weight=True)).fit(
            X, y, sample_weight=weights
        )
        np.testing.assert_array_equal(model.regressor_.weights_, weights)
        unweighted = around(Memory().set_fit_request(sample_weight=False))
        plain = cross_validate(unweighted, X, y, cv=2, error_score="raise")["test_score"]
        unweighted.set_score_request(sample_weight=True)
        metadata = {"params": {"sample_weight": weights}, "error_score": "raise"}
        weighted = cross_validate(unweighted, X, y, cv=2, **metadata)["test_score"]
    assert not np.isclose(weighted, plain, rtol=1e-6).any()


def test_pipelines_score_with_metadata_routing_enabled():
    _, y = pairs()
    model = make_phase_retriever(**SMALL)
    expected = model.fit(y, y).score(y, y)
    with sklearn.config_context(enable_metadata_routing=True):
        assert clone(model).fit(y, y).score(y, y) == expected


def test_weights_of_samples_are_forwarded_and_weigh_the_score():
    X, y = pairs()
    weights = np.arange(24.0)
    model = SymmetryBreakingRegressor(Memory(rolled), "passthrough").fit(
        X, y, sample_weight=weights
    )
    assert model.regressor_.weights_ is weights
    one = [model.score(X, y, sample_weight=np.eye(24)[i]) for i in (0, 1)]
    both = model.score(X, y, sample_weight=np.r_[3, 1, np.zeros(22)])
    assert both == pytest.approx((3 * one[0] + one[1]) / 4)
    assert one[0] != one[1]


# --- further training -----------------------------------------------------------------------------


@every_composition
def test_partial_fit_trains_the_present_network_further(around):
    X, y = pairs()
    model = around(network())
    for n_epochs in (1, 2, 3):
        model.partial_fit(X, y)
        assert len(inner(model).history) == n_epochs
    alone = network()
    targets = SymmetryCanonicalizer("box", "moment").fit_transform(y) if around is AROUND[0] else y
    for _ in range(3):
        alone.partial_fit(X, targets)
    np.testing.assert_array_equal(inner(model).predict(X), alone.predict(X))


def test_partial_fit_keeps_the_transformer_of_the_first_call():
    X, y = pairs()
    model = SymmetryBreakingRegressor(network()).partial_fit(X, y)
    template = model.transformer_.template_.copy()
    model.partial_fit(X[:5], y[:5])
    np.testing.assert_array_equal(model.transformer_.template_, template)


@every_composition
def test_partial_fit_is_offered_where_the_regressor_has_it(around):
    assert hasattr(around(MLPRegressor()), "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
        around(Ridge()).partial_fit(*pairs())


@every_composition
def test_a_warm_start_continues_and_takes_over_changed_parameters(around):
    X, y = pairs()
    model = around(network(warm_start=True)).fit(X, y)
    name = next(name for name in model.get_params() if name.endswith("max_epochs"))
    trained = inner(model)
    model.set_params(**{name: 2}).fit(X, y)
    assert inner(model) is trained
    assert len(trained.history) == 3
    cold = around(network()).fit(X, y).fit(X, y)
    assert len(inner(cold).history) == 1


def test_a_warm_start_goes_through_the_whole_pipeline():
    _, y = pairs()
    model = make_phase_retriever(**SMALL, warm_start=True, refiner=QUICK)
    model.fit(y, y).fit(y, y)
    assert len(inner(model[-1]).history) == 2


def test_further_training_needs_the_same_objects_and_the_same_parts():
    X, y = pairs()
    model = SymmetryBreakingRegressor(network(), "passthrough").partial_fit(X, y)
    with pytest.raises(
        ValueError, match=r"y has objects of shape \(3,\), but .* fitted on objects of shape \(8,\)"
    ):
        model.partial_fit(X, y[:, :3])
    with pytest.raises(ValueError, match="transformer was changed since the first fit"):
        model.set_params(transformer=None).partial_fit(X, y)
    with pytest.raises(
        ValueError, match="regressor is a MLPRegressor of another structure than the fitted one"
    ):
        model.set_params(transformer="passthrough", regressor=MLPRegressor()).partial_fit(X, y)


@every_composition
def test_a_fit_that_fails_leaves_the_fitted_estimator_as_it_was(around):
    X, y = pairs()
    model = around(Memory(np.asarray)).fit(X, y)
    before = dict(vars(model))
    name = next(name for name in model.get_params() if name.endswith("regressor"))
    with pytest.raises(AssertionError, match="was trained"):
        model.set_params(**{name: Untrainable()}).fit(X[:10], y[:10, ::-1])
    kept = {name: value for name, value in vars(model).items() if name.endswith("_")}
    assert kept == {name: value for name, value in before.items() if name.endswith("_")}


@every_composition
def test_a_fitted_estimator_that_is_handed_over_stays_as_it_is(around):
    X, y = pairs()
    given = network().fit(X, y)
    before = given.predict(X)
    around(given).fit(X[:10], y[:10])
    around(given).partial_fit(X[:10], y[:10])
    np.testing.assert_array_equal(given.predict(X), before)
    assert len(given.history) == 1


@every_composition
def test_a_frozen_regressor_is_used_without_training(around):
    X, y = pairs()
    given = network().fit(X, y)
    for method in ("fit", "partial_fit"):
        model = getattr(around(FrozenEstimator(given)), method)(X[:10], y[:10])
        assert inner(model).estimator is given
        assert len(given.history) == 1


# --- what goes wrong first ------------------------------------------------------------------------


class Untrainable(Memory):
    """Fails a test that lets it train."""

    def fit(self, X, y):
        raise AssertionError("was trained")


@every_composition
def test_unusable_regressors_are_refused(around):
    X, y = pairs()
    with pytest.raises(TypeError, match=r"is a class; give an instance, regressor=Memory\(...\)"):
        around(Memory).fit(X, y)
    with pytest.raises(
        TypeError, match="regressor='mlp' has no method get_params, fit, predict; give a regressor"
    ):
        around("mlp").fit(X, y)
    with pytest.raises(
        TypeError,
        match=r"regressor=SymmetryCanonicalizer\(\) has no method predict; give a regressor",
    ):
        around(SymmetryCanonicalizer()).fit(X, y)


@every_composition
def test_unusable_pairs_are_refused_before_the_training(around):
    X, y = pairs()
    model = around(Untrainable())
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        model.fit(X, None)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[24, 3\]"):
        model.fit(X, y[:3])
    with pytest.raises(ValueError, match="Complex data not supported: X is complex128"):
        model.fit(X.astype(complex), y)
    with pytest.raises(ValueError, match="y contains NaN"):
        model.fit(X, np.full_like(y, np.nan))
    with pytest.raises(
        ValueError, match="symmetries='all' is not valid; choose 'auto', 'fourier' or 'phase'"
    ):
        model.set_params(symmetries="all").fit(X, y)


@every_composition
def test_a_detector_of_another_layout_than_the_network_is_refused(around):
    with pytest.raises(ValueError, match="detector__centered=True and .*centered=False contradict"):
        around(network(centered=False, detector=BeamStop(3))).fit(*pairs())


@every_composition
def test_lists_and_integers_are_magnitudes(around):
    X, y = (np.rint(10 * batch).astype(float) for batch in pairs())
    expected = around(Memory(np.asarray)).fit(X, y)
    model = around(Memory(np.asarray)).fit(X.astype(int).tolist(), y.astype(int).tolist())
    np.testing.assert_array_equal(model.regressor_.predict(X), expected.regressor_.predict(X))
    np.testing.assert_allclose(model.predict(X.tolist()), expected.predict(X))


@pytest.mark.parametrize(
    "regressor", [KNeighborsRegressor(), Ridge(), DecisionTreeRegressor(), DummyRegressor()]
)
def test_regressors_of_vectors_name_the_way_out(regressor):
    X, y = pairs(shape=(4, 4))
    with pytest.raises(
        ValueError, match=f"{type(regressor).__name__} takes samples with one axis only: flatten X"
    ):
        SymmetryBreakingRegressor(regressor).fit(X, y)


def test_regressors_of_real_targets_name_the_way_out():
    X, y = pairs(dtype="complex128")
    with pytest.raises(
        ValueError,
        match="Ridge takes real targets only .*: split them into real and imaginary parts",
    ):
        SymmetryBreakingRegressor(Ridge()).fit(X, y)


@every_composition
def test_flat_predictions_get_the_shape_of_the_targets_and_others_are_refused(around):
    X, y = pairs(shape=(4, 5))
    assert around(Memory(flattened)).fit(X, y).predict(X).shape == y.shape
    with pytest.raises(
        ValueError,
        match=r"Memory predicts samples of shape \(19,\), but was trained on .* \(4, 5\)",
    ):
        around(Memory(cut)).fit(X, y).predict(X)


def test_predictions_have_the_type_that_the_regressor_returns():
    X, y = pairs()
    model = SymmetryBreakingRegressor(
        Memory(torch.as_tensor), SymmetryCanonicalizer("box", "moment")
    ).fit(X, y)
    assert isinstance(model.predict(X), torch.Tensor)
    assert isinstance(RefinedRegressor(Memory(np.asarray), None).fit(X, y).predict(X), np.ndarray)
    assert isinstance(
        RefinedRegressor(Memory(torch.as_tensor), None).fit(X, y).predict(X), torch.Tensor
    )
    refined = RefinedRegressor(Memory(np.asarray), QUICK).fit(X, y)
    assert isinstance(refined.predict(X), np.ndarray)
    assert isinstance(refined.predict(torch.as_tensor(X)), torch.Tensor)


def test_tensors_that_require_gradients_are_data():
    X, y = (torch.as_tensor(batch).requires_grad_() for batch in pairs())
    model = SymmetryBreakingRegressor(network()).fit(X, y)
    assert model.predict(X).shape == y.shape


# --- scores ---------------------------------------------------------------------------------------


def test_random_measurements_are_scored_modulo_the_phase_alone(digits):
    y = digits[:80, 4:10, 4:10].reshape(80, -1)
    X = GaussianMagnitude(random_state=0).fit_transform(y)
    expected = 1 - relative_error(y, flipped(y), shift=False, flip=False)
    model = SymmetryBreakingRegressor(Memory(flipped), "passthrough").fit(X, y)
    assert (model.symmetries_, model.boundary_) == ("phase", ("zero",))
    assert model.score(X, y) == pytest.approx(expected)
    assert model.score(X, y) < 0.6
    told_otherwise = SymmetryBreakingRegressor(
        Memory(flipped), "passthrough", symmetries="fourier"
    ).fit(X, y)
    assert told_otherwise.score(X, y) == pytest.approx(1)


@every_composition
def test_shifts_are_circular_along_axes_without_oversampling(digits, around):
    y = digits[:40]
    X = FourierMagnitude(fourier_shape=(14, 28)).fit_transform(y)
    model = around(Memory(np.asarray)).fit(X, y)
    assert model.boundary_ == ("circular", "zero")
    wrapped = FourierMagnitude(oversampling=1).fit(y)
    model = SymmetryBreakingRegressor(Memory(rolled), "passthrough").fit(wrapped.transform(y), y)
    assert model.score(wrapped.transform(y), y) == pytest.approx(1)
