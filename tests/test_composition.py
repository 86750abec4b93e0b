import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (makes the next import possible)
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.datasets import load_digit_objects
from skpr.metrics import neg_relative_error_scorer, relative_error
from tests.conftest import random_members, random_objects

SMALL = {"module__hidden_width": 64, "max_epochs": 3, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    objects = load_digit_objects(image_size=10, return_X_y=True)[0][:240]
    return ShiftFlipAugmenter(frame_shape=14, random_state=0).fit_transform(objects)


def retriever(**parameters):
    return make_phase_retriever(**SMALL | parameters)


def test_breaking_the_symmetries_lowers_the_error(digits):
    train, test = digits[:200], digits[200:]
    errors = {}
    for name, step in [("raw", "passthrough"), ("canonical", SymmetryCanonicalizer())]:
        model = retriever(max_epochs=25, lr=3e-3)
        model.set_params(retrieve__transformer__canonicalize=step).fit(train, train)
        errors[name] = relative_error(test, model.predict(test))
    assert errors["canonical"] < 0.75 * errors["raw"]


def test_measured_magnitudes_skip_the_simulation(digits):
    model = retriever().fit(digits, digits)
    magnitudes = FourierMagnitude().fit_transform(digits)
    np.testing.assert_array_equal(model[1:].predict(magnitudes), model.predict(digits))
    assert model.score(digits, digits) == pytest.approx(1 - relative_error(digits, model.predict(digits)))


def test_augmentation_before_canonicalization_changes_nothing_that_is_learned(digits):
    model = retriever()
    augmented = clone(model).set_params(
        retrieve__transformer=Pipeline(
            [("augment", ShiftFlipAugmenter(random_state=1)), ("canonicalize", SymmetryCanonicalizer())]
        )
    )
    first, second = (m.fit(digits, digits).predict(digits) for m in (model, augmented))
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_grid_search_swaps_the_symmetry_breaking_step_in_two_processes(digits):
    grid = {"retrieve__transformer__canonicalize": ["passthrough", SymmetryCanonicalizer("centroid", "principal")]}
    search = GridSearchCV(retriever(), grid, scoring=neg_relative_error_scorer, cv=2, n_jobs=2, error_score="raise")
    search.fit(digits, digits)
    assert search.cv_results_["mean_test_score"].shape == (2,)
    assert (search.cv_results_["mean_test_score"] < 0).all()
    assert search.best_estimator_.predict(digits).shape == digits.shape


def test_halving_search_over_epochs(digits):
    search = HalvingGridSearchCV(
        retriever(),
        {"retrieve__transformer__canonicalize__flip": ["moment", "template"]},
        resource="retrieve__regressor__max_epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        scoring=neg_relative_error_scorer,
        cv=2,
        error_score="raise",
    ).fit(digits, digits)
    assert search.best_params_["retrieve__regressor__max_epochs"] == 2


def test_cross_validation_and_cloning_of_complex_objects():
    objects = random_objects((8, 9), "complex64", n_samples=60)
    scores = cross_validate(clone(retriever()), objects, objects, cv=2, error_score="raise")
    assert ((scores["test_score"] > 0) & (scores["test_score"] < 1)).all()


def test_fitted_pipelines_can_be_kept(digits, tmp_path):
    model = retriever().fit(digits, digits)
    joblib.dump(model, tmp_path / "model.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict(digits), model.predict(digits))


def test_transformers_chain_in_a_flat_pipeline(digits):
    simulate = make_pipeline(
        ShiftFlipAugmenter(frame_shape=20, random_state=0), SymmetryCanonicalizer(), FourierMagnitude()
    )
    expected = FourierMagnitude(fourier_shape=40).fit_transform(digits)
    np.testing.assert_allclose(simulate.fit_transform(digits), expected, atol=1e-3)


def test_transformers_work_inside_the_stock_class():
    objects = random_objects((12,), "float64", n_samples=60)
    magnitudes = FourierMagnitude().fit_transform(objects)
    stock = TransformedTargetRegressor(Ridge(), transformer=SymmetryCanonicalizer("box", "moment"), check_inverse=False)
    ours = SymmetryBreakingRegressor(Ridge(), SymmetryCanonicalizer("box", "moment"))
    np.testing.assert_allclose(
        stock.fit(magnitudes, objects).predict(magnitudes), ours.fit(magnitudes, objects).predict(magnitudes)
    )


def test_any_regressor_fits():
    objects = random_objects((12,), "float64", n_samples=60)
    magnitudes = FourierMagnitude().fit_transform(objects)
    model = SymmetryBreakingRegressor(KNeighborsRegressor(n_neighbors=1)).fit(magnitudes, objects)
    assert model.score(FourierMagnitude().fit_transform(random_members(objects)), objects) == pytest.approx(1)


def test_circular_shifts_without_oversampling():
    assert make_phase_retriever(oversampling=1).named_steps["retrieve"].transformer[0].boundary == "circular"
    assert make_phase_retriever().named_steps["retrieve"].transformer[0].boundary == "zero"
    with pytest.raises(ValueError, match="boundary='wrap' is not valid"):
        retriever(boundary="wrap").fit(np.ones((4, 8)), np.ones((4, 8)))


def test_defaults_are_our_own():
    objects = random_objects((6,), "float32", n_samples=8)
    model = SymmetryBreakingRegressor().fit(FourierMagnitude().fit_transform(objects), objects)
    assert isinstance(model.regressor_, PhaseRetrievalRegressor)
    assert isinstance(model.transformer_, SymmetryCanonicalizer)


def test_bad_transformers_and_targets_are_named():
    with pytest.raises(ValueError, match="transformer='none' is not valid; give a transformer or 'passthrough'"):
        SymmetryBreakingRegressor(transformer="none").fit(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="requires y to be passed"):
        SymmetryBreakingRegressor().fit(np.ones((2, 3)), None)


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
    refiners = [None, IterativePhaseRetrieval("apg", 20), IterativePhaseRetrieval(n_iter=150, random_state=0)]
    search = GridSearchCV(model, {"retrieve__refiner": refiners}, scoring=neg_relative_error_scorer, cv=2, n_jobs=2)
    search.fit(digits, digits)
    none, polished, refined = search.cv_results_["mean_test_score"]
    assert none < polished < refined


def test_any_regressor_can_be_refined(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    flat = make_pipeline(FourierMagnitude(), RefinedRegressor(_FlatNeighbors(), "auto")).fit(digits, digits)
    assert flat.predict(digits).shape == digits.shape
    assert flat.score(digits, digits) > 1 - relative_error(
        digits, _FlatNeighbors().fit(magnitudes, digits).predict(magnitudes)
    )


def test_what_cannot_refine_is_refused_before_the_training(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    with pytest.raises(ValueError, match="refiner='hio' is not valid; give an estimator with retrieve, 'auto' or None"):
        RefinedRegressor(_Untrainable(), "hio").fit(magnitudes, digits)
    with pytest.raises(TypeError, match="has no method retrieve"):
        RefinedRegressor(_Untrainable(), Ridge()).fit(magnitudes, digits)
    with pytest.raises(ValueError, match="n_iter=-1 is not valid"):
        RefinedRegressor(_Untrainable(), IterativePhaseRetrieval(n_iter=-1)).fit(magnitudes, digits)


class _FlatNeighbors(KNeighborsRegressor):
    """Nearest neighbours on images."""

    def fit(self, X, y):
        self.shape_ = y.shape[1:]
        return super().fit(X.reshape(len(X), -1), y.reshape(len(y), -1))

    def predict(self, X):
        return super().predict(X.reshape(len(X), -1)).reshape(-1, *self.shape_)


class _Untrainable(KNeighborsRegressor):
    """Fails a test that lets it train."""

    def fit(self, X, y):
        raise AssertionError("was trained")


def test_presets_are_defaults_that_every_parameter_overrides():
    regressor = make_phase_retriever(preset="accurate", max_epochs=3, module__width=8)[-1].regressor
    assert (regressor.module, regressor.max_epochs, regressor.get_params()["module__width"]) == ("unet", 3, 8)
    other = make_phase_retriever(preset="accurate")[-1].regressor
    assert other.augmenter is not regressor.augmenter
    regressor.augmenter.set_params(bend=0.5)
    assert make_phase_retriever(preset="accurate")[-1].regressor.augmenter.bend == other.augmenter.bend != 0.5
    perceptron = make_phase_retriever("mlp", preset="accurate", max_epochs=1, device="cpu", random_state=0)
    perceptron.fit(np.ones((4, 6)), np.ones((4, 6)))
    assert perceptron[-1].regressor_.max_epochs == 1
    assert make_phase_retriever()[-1].regressor.module == "mlp"
    with pytest.raises(ValueError, match="preset='best' is not valid; choose 'fast' or 'accurate'"):
        make_phase_retriever(preset="best")


def test_the_accurate_preset_trains():
    objects = random_objects((8, 8), "float32", n_samples=16)
    small = {"module__hidden_width": 8, "module__width": 8, "max_epochs": 1}
    model = make_phase_retriever(preset="accurate", random_state=0, device="cpu", **small).fit(objects, objects)
    assert model.predict(objects).shape == objects.shape
