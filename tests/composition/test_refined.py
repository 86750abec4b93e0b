import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    make_phase_retriever,
)
from skpr.composition._refined import learned_unit, times
from skpr.detector import BeamStop, PhotonNoise
from skpr.metrics import neg_relative_error_scorer, orbit_mean_squared_error, relative_error
from tests.composition.conftest import SMALL
from tests.conftest import random_objects


def retriever(**parameters):
    return make_phase_retriever(
        **SMALL | {"module__hidden_width": 64, "max_epochs": 3} | parameters
    )


def iterations(**parameters):
    return IterativePhaseRetrieval(
        **{"n_iter": 60, "random_state": 0, "device": "cpu"} | parameters
    )


class Nearest(RegressorMixin, BaseEstimator):
    """The nearest neighbour's object."""

    def __init__(self, centered=True):
        self.centered = centered

    def fit(self, X, y):
        self.search_ = KNeighborsRegressor(1).fit(X.reshape(len(X), -1), np.zeros(len(X)))
        self.y_ = y
        return self

    def predict(self, X):
        return self.y_[self.search_.kneighbors(X.reshape(len(X), -1), return_distance=False)[:, 0]]


class Untrainable(Nearest):
    """Fails a test that lets it train."""

    def fit(self, X, y):
        raise AssertionError("was trained")


# --- refinement -----------------------------------------------------------------------------------


def test_refinement_lowers_the_error_and_none_leaves_predictions_alone(digits):
    train, test = digits[:200], digits[200:]
    plain, refined = retriever(max_epochs=10), retriever(max_epochs=10, refiner="auto")
    network = plain.fit(train, train).predict(test)
    assert refined.fit(train, train).predict(test).shape == network.shape
    assert relative_error(test, refined.predict(test)) < 0.5 * relative_error(test, network)
    unrefined = clone(refined).set_params(retrieve__refiner=None).fit(train, train)
    np.testing.assert_array_equal(unrefined.predict(test), network)


def test_the_refiner_is_a_grid_value(digits):
    model = retriever(refiner="auto", max_epochs=5)
    refiners = [
        None,
        IterativePhaseRetrieval("apg", 20),
        IterativePhaseRetrieval(n_iter=150, random_state=0),
    ]
    search = GridSearchCV(
        model, {"retrieve__refiner": refiners}, scoring=neg_relative_error_scorer, cv=2
    )
    search.fit(digits[:120], digits[:120])
    none, polished, refined = search.cv_results_["mean_test_score"]
    assert none < polished < refined


def test_any_regressor_can_be_refined(digits):
    train, test = digits[:200], digits[200:]
    model = make_pipeline(FourierMagnitude(), RefinedRegressor(Nearest(), "auto")).fit(train, train)
    nearest = make_pipeline(FourierMagnitude(), Nearest()).fit(train, train)
    assert relative_error(test, model.predict(test)) < 0.5 * relative_error(
        test, nearest.predict(test)
    )


def test_what_cannot_refine_is_refused_before_the_training(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    with pytest.raises(
        ValueError,
        match="refiner='hio' is not valid; give an estimator with retrieve, 'auto' or None",
    ):
        RefinedRegressor(Untrainable(), "hio").fit(magnitudes, digits)
    with pytest.raises(TypeError, match=r"refiner=Ridge\(\) has no method retrieve"):
        RefinedRegressor(Untrainable(), Ridge()).fit(magnitudes, digits)
    with pytest.raises(
        TypeError, match="refiner=IterativePhaseRetrieval is a class; give an instance"
    ):
        RefinedRegressor(Untrainable(), IterativePhaseRetrieval).fit(magnitudes, digits)
    with pytest.raises(ValueError, match="n_iter=-1 is not valid"):
        RefinedRegressor(Untrainable(), IterativePhaseRetrieval(n_iter=-1)).fit(magnitudes, digits)
    with pytest.raises(
        ValueError, match=r"object_shape=\(14, 14\) does not fit magnitudes of shape \(9, 28\)"
    ):
        RefinedRegressor(Untrainable()).fit(magnitudes[:, :9], digits)


# --- layout and device ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around", [lambda r: r, SymmetryBreakingRegressor, lambda r: make_pipeline(r)]
)
def test_the_automatic_refiner_has_the_layout_of_the_regressor(digits, around):
    magnitudes = FourierMagnitude(centered=False).fit_transform(digits)
    network = PhaseRetrievalRegressor(
        centered=False, **SMALL | {"module__hidden_width": 64, "max_epochs": 3}
    )
    model = RefinedRegressor(around(network)).fit(magnitudes, digits)
    assert (model.refiner_.centered, model.refiner_.device) == (False, "cpu")
    assert relative_error(digits[:60], model.predict(magnitudes[:60])) < 0.15


def test_a_refiner_of_another_layout_is_refused(digits):
    magnitudes = FourierMagnitude(centered=False).fit_transform(digits)
    with pytest.raises(
        ValueError, match="the refiner has centered=True, but the regressor has centered=False"
    ):
        RefinedRegressor(Untrainable(centered=False), iterations()).fit(magnitudes, digits)
    model = RefinedRegressor(Nearest(centered=False), iterations(centered=False)).fit(
        magnitudes, digits
    )
    assert model.refiner_.centered is False
    turned = make_pipeline(
        FunctionTransformer(np.fft.fftshift, kw_args={"axes": (1, 2)}), Nearest()
    )
    assert (
        RefinedRegressor(turned, iterations(centered=False))
        .fit(magnitudes, digits)
        .score(magnitudes, digits)
        > 0.9
    )


def test_the_layout_that_a_search_finds_is_that_of_the_refiner():
    objects = random_objects(
        (8,), "float64", n_samples=10
    )  # too few to be warned of the layout that is searched from
    search = GridSearchCV(Nearest(), {"centered": [False]}, scoring=neg_relative_error_scorer, cv=2)
    model = RefinedRegressor(search).fit(
        FourierMagnitude(centered=False).fit_transform(objects), objects
    )
    assert model.refiner_.centered is False


def test_a_refiner_without_a_device_takes_that_of_the_regressor(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    given = IterativePhaseRetrieval(n_iter=5, random_state=0)
    model = RefinedRegressor(PhaseRetrievalRegressor(**SMALL), given).fit(magnitudes, digits)
    assert (model.refiner_.device, given.device) == ("cpu", "auto")
    assert not hasattr(given, "object_shape_")


# --- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1 / 28, 1000.0, 1e-12, 1e12])
def test_predictions_are_in_the_unit_of_the_objects_whatever_that_of_the_magnitudes_is(
    digits, factor
):
    magnitudes = FourierMagnitude().fit_transform(digits)
    plain = RefinedRegressor(Nearest(), iterations()).fit(magnitudes, digits)
    scaled = RefinedRegressor(Nearest(), iterations()).fit(magnitudes * np.float32(factor), digits)
    assert (plain.unit_, scaled.unit_) == (1, pytest.approx(1 / factor, rel=1e-5))
    refined = scaled.predict(magnitudes * np.float32(factor))
    assert refined.dtype == np.float32
    assert orbit_mean_squared_error(digits, refined) < 2e-3


@pytest.mark.parametrize(
    ("of_magnitudes", "of_objects"), [(1e-30, 1.0), (1e30, 1.0), (1.0, 1e-30), (1e15, 1e-15)]
)
def test_units_may_be_far_apart(of_magnitudes, of_objects):
    objects = random_objects((12,), "float64", n_samples=30)
    magnitudes = FourierMagnitude().fit_transform(objects) * of_magnitudes
    model = RefinedRegressor(Nearest(), iterations()).fit(magnitudes, objects * of_objects)
    ratio = np.linalg.norm(model.predict(magnitudes)) / np.linalg.norm(objects * of_objects)
    assert ratio == pytest.approx(1, abs=0.02)


def test_bounds_are_in_the_unit_of_the_objects(digits):
    magnitudes = FourierMagnitude().fit_transform(digits) / 28
    given = iterations(constraints=(0.0, 0.5))
    model = RefinedRegressor(Nearest(), given).fit(magnitudes, digits)
    assert model.predict(magnitudes[:20]).max() == pytest.approx(0.5)
    assert given.constraints == (0.0, 0.5)


@pytest.mark.parametrize("is_complex", [False, True])
def test_the_unit_is_learned_from_measured_pixels_and_withstands_noise(digits, is_complex):
    objects = digits * np.exp(1j * digits) if is_complex else digits
    magnitudes = FourierMagnitude().fit_transform(objects)
    stopped = BeamStop(3).fit_transform(magnitudes)
    assert learned_unit(stopped / 7, objects, True) == pytest.approx(7, rel=1e-4)
    counted = PhotonNoise(1e4, random_state=0).fit_transform(magnitudes)
    exact = np.median(np.sqrt((magnitudes**2).sum(axis=(1, 2)) / (counted**2).sum(axis=(1, 2))))
    assert learned_unit(counted, objects, True) == pytest.approx(exact, rel=0.02)
    outlier = magnitudes.copy()
    outlier[:20] *= 1e3
    assert learned_unit(outlier, objects, True) == 1


def test_the_unit_of_the_dark_and_of_shapes_that_do_not_fit_is_one():
    assert learned_unit(np.zeros((3, 8)), np.zeros((3, 4)), True) == 1
    assert learned_unit(np.ones((3, 4)), np.ones((3, 8)), True) == 1


def test_a_change_of_unit_neither_overflows_nor_loses_integers():
    small = np.full((1, 2), 1e-30, np.float32)
    np.testing.assert_allclose(times(small, 1e60), 1e30, rtol=1e-5)
    np.testing.assert_array_equal(times(np.ones((1, 2), int), 0.5), 0.5)


# --- further training -----------------------------------------------------------------------------


def test_objects_of_another_kind_than_the_refiner_knows_are_refused(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    network = PhaseRetrievalRegressor(**SMALL)
    model = RefinedRegressor(network, iterations()).partial_fit(magnitudes, digits)
    with pytest.raises(
        ValueError, match="y has real objects, but the refiner was fitted on non_negative ones"
    ):
        model.partial_fit(magnitudes, -digits)
    assert model.refiner_.constraints_ == "non_negative"
