import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (makes the next import possible)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import HalvingGridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.metrics import neg_relative_error_scorer, orbit_mean_squared_error, relative_error
from tests.composition.conftest import SMALL
from tests.conftest import random_members, random_objects


def retriever(**parameters):
    return make_phase_retriever(
        **SMALL | {"module__hidden_width": 64, "max_epochs": 3} | parameters
    )


# --- breaking symmetries --------------------------------------------------------------------------


def test_breaking_the_symmetries_lowers_the_error(digits):
    train, test = digits[:200], digits[200:]
    errors = {}
    for name, step in [("raw", "passthrough"), ("canonical", SymmetryCanonicalizer())]:
        model = retriever(max_epochs=25, lr=3e-3)
        model.set_params(retrieve__transformer__canonicalize=step).fit(train, train)
        errors[name] = relative_error(test, model.predict(test))
    assert errors["canonical"] < 0.75 * errors["raw"]


def test_augmentation_before_canonicalization_changes_nothing_that_is_learned(digits):
    model = retriever()
    augmented = clone(model).set_params(
        retrieve__transformer=Pipeline(
            [
                ("augment", ShiftFlipAugmenter(random_state=1)),
                ("canonicalize", SymmetryCanonicalizer()),
            ]
        )
    )
    first, second = (m.fit(digits, digits).predict(digits) for m in (model, augmented))
    np.testing.assert_allclose(first, second, atol=1e-3)


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
    first, second = search.cv_results_["n_resources"][:2], search.cv_results_["n_resources"][2:]
    assert (list(first), list(second)) == ([1, 1], [2])
    assert search.best_estimator_[-1].regressor_.max_epochs == 2


def test_complex_objects_are_cross_validated():
    objects = random_objects((8, 9), "complex64", n_samples=60)
    model = make_pipeline(FourierMagnitude(), SymmetryBreakingRegressor(Nearest()))
    raw = make_pipeline(
        FourierMagnitude(), SymmetryBreakingRegressor(Nearest(n_neighbors=30), "passthrough")
    )
    scores = [
        cross_validate(m, objects, objects, cv=2, error_score="raise")["test_score"].mean()
        for m in (model, raw)
    ]
    assert scores[0] > scores[1] + 0.05


class Nearest(RegressorMixin, BaseEstimator):
    """Mean of the nearest neighbours, for objects of any shape and type."""

    def __init__(self, n_neighbors=1):
        self.n_neighbors = n_neighbors

    def fit(self, X, y):
        self.search_ = KNeighborsRegressor(self.n_neighbors).fit(
            X.reshape(len(X), -1), np.zeros(len(X))
        )
        self.y_ = y
        return self

    def predict(self, X):
        return self.y_[self.search_.kneighbors(X.reshape(len(X), -1), return_distance=False)].mean(
            axis=1
        )


def test_transformers_chain_in_a_flat_pipeline(digits):
    simulate = make_pipeline(
        ShiftFlipAugmenter(frame_shape=20, random_state=0),
        SymmetryCanonicalizer(),
        FourierMagnitude(),
    )
    expected = FourierMagnitude(fourier_shape=40).fit_transform(digits)
    np.testing.assert_allclose(simulate.fit_transform(digits), expected, atol=1e-3)


def test_transformers_work_inside_the_stock_class():
    objects = random_objects((12,), "float64", n_samples=60)
    magnitudes = FourierMagnitude().fit_transform(objects)
    stock = TransformedTargetRegressor(
        Ridge(), transformer=SymmetryCanonicalizer("box", "moment"), check_inverse=False
    )
    ours = SymmetryBreakingRegressor(Ridge(), SymmetryCanonicalizer("box", "moment"))
    np.testing.assert_allclose(
        stock.fit(magnitudes, objects).predict(magnitudes),
        ours.fit(magnitudes, objects).predict(magnitudes),
    )


def test_any_regressor_fits():
    objects = random_objects((12,), "float64", n_samples=60)
    magnitudes = FourierMagnitude().fit_transform(objects)
    model = SymmetryBreakingRegressor(KNeighborsRegressor(n_neighbors=1)).fit(magnitudes, objects)
    assert model.score(
        FourierMagnitude().fit_transform(random_members(objects)), objects
    ) == pytest.approx(1)


def test_defaults_are_our_own():
    objects = random_objects((6,), "float32", n_samples=8)
    model = SymmetryBreakingRegressor().fit(FourierMagnitude().fit_transform(objects), objects)
    assert isinstance(model.regressor_, PhaseRetrievalRegressor)
    assert isinstance(model.transformer_, SymmetryCanonicalizer)


# --- boundary -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("oversampling", "boundary"), [(1, "circular"), (2, "zero")])
def test_an_automatic_boundary_follows_from_the_shapes(digits, oversampling, boundary):
    magnitudes = FourierMagnitude(oversampling=oversampling).fit_transform(digits)
    automatic = SymmetryCanonicalizer(boundary="auto")
    nested = Pipeline(
        [
            ("augment", ShiftFlipAugmenter(boundary="auto")),
            ("outer", Pipeline([("inner", automatic)])),
        ]
    )
    for transformer, name in (
        (None, "boundary"),
        (automatic, "boundary"),
        (nested, "outer__inner__boundary"),
    ):
        model = SymmetryBreakingRegressor(Nearest(), transformer).fit(magnitudes, digits)
        assert model.transformer_.get_params()[name] == boundary
    assert model.transformer_.get_params()["augment__boundary"] == boundary
    assert automatic.boundary == "auto"
    chosen = SymmetryCanonicalizer("box", boundary="circular")
    assert (
        SymmetryBreakingRegressor(Nearest(), chosen).fit(magnitudes, digits).transformer_.boundary
        == "circular"
    )


def test_circular_members_of_an_orbit_have_one_target_without_oversampling():
    objects = random_objects((12,), "float64", n_samples=40, boundary="circular")
    members = random_members(objects, boundary="circular")
    magnitude = FourierMagnitude(oversampling=1).fit(objects)
    model = SymmetryBreakingRegressor(KNeighborsRegressor(1)).fit(
        magnitude.transform(objects), objects
    )
    again = SymmetryBreakingRegressor(KNeighborsRegressor(1)).fit(
        magnitude.transform(members), members
    )
    predicted = [m.predict(magnitude.transform(objects)) for m in (model, again)]
    assert relative_error(*predicted, shift=False, flip=False) < 0.05


# --- steps that are undone ------------------------------------------------------------------------


def flat(batch):
    return batch.reshape(len(batch), -1)


def square(batch):
    return batch.reshape(-1, 14, 14)


def split(batch):
    return np.concatenate([batch.real, batch.imag], axis=-1)


def joined(batch):
    half = batch.shape[-1] // 2
    return batch[..., :half] + 1j * batch[..., half:]


def _doubled(batch):
    return 2 * batch


def _without_first(batch):
    return batch[1:]


FLATTEN = FunctionTransformer(flat, square)
ROOT = FunctionTransformer(
    np.sqrt, np.square, check_inverse=False
)  # which asks for more than float32 has


class Root(TransformerMixin, BaseEstimator):
    """A square root that cannot be undone."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.sqrt(X)


class Untrainable(Nearest):
    """Fails a test that lets it train."""

    def fit(self, X, y):
        raise AssertionError("was trained")


def test_stock_regressors_fit_flattened_targets(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    regressor = make_pipeline(FunctionTransformer(flat), KNeighborsRegressor(1))
    flattened = SymmetryBreakingRegressor(
        regressor, make_pipeline(SymmetryCanonicalizer(), FLATTEN)
    )
    plain = SymmetryBreakingRegressor(Nearest())
    predicted = [model.fit(magnitudes, digits).predict(magnitudes) for model in (flattened, plain)]
    np.testing.assert_allclose(*predicted)


@pytest.mark.parametrize(
    "steps",
    [
        (SymmetryCanonicalizer("box", "moment"), ROOT),
        (ROOT, ShiftFlipAugmenter(random_state=0), SymmetryCanonicalizer("box", "moment")),
        (SymmetryCanonicalizer("box", "moment"), make_pipeline(ROOT, "passthrough"), FLATTEN),
        (SymmetryCanonicalizer("box", "moment"), FLATTEN, PCA(0.999)),
    ],
    ids=["last", "first", "nested", "decomposition"],
)
def test_predictions_come_back_to_the_unit_and_the_shape_of_the_objects(digits, steps):
    magnitudes = FourierMagnitude().fit_transform(digits)
    model = SymmetryBreakingRegressor(Nearest(), make_pipeline(*steps)).fit(magnitudes, digits)
    assert orbit_mean_squared_error(digits, model.predict(magnitudes)) < 1e-3


def test_complex_targets_are_split_and_joined():
    objects = random_objects((10,), "complex128", n_samples=40)
    magnitudes = FourierMagnitude().fit_transform(objects)
    transformer = make_pipeline(
        SymmetryCanonicalizer(), FunctionTransformer(split, joined, check_inverse=False)
    )
    model = SymmetryBreakingRegressor(KNeighborsRegressor(1), transformer).fit(magnitudes, objects)
    assert model.predict(magnitudes).dtype == np.complex128
    assert model.score(magnitudes, objects) == pytest.approx(1)


@pytest.mark.parametrize(
    "step",
    [Root(), FunctionTransformer(np.sqrt), FunctionTransformer(_doubled)],
    ids=["no inverse", "root", "doubled"],
)
def test_a_change_of_unit_without_an_inverse_warns(digits, step):
    magnitudes = FourierMagnitude().fit_transform(digits)
    transformer = make_pipeline(SymmetryCanonicalizer("box", "moment"), step)
    with pytest.warns(
        UserWarning,
        match=r"differ from y by \d+% beyond shift, flip and phase, and so will predictions",
    ):
        SymmetryBreakingRegressor(Nearest(), transformer).fit(magnitudes, digits)
    SymmetryBreakingRegressor(Nearest(), transformer, check_inverse=False).fit(magnitudes, digits)


@pytest.mark.parametrize(
    "transformer",
    [FunctionTransformer(flat), ShiftFlipAugmenter(frame_shape=20, random_state=0)],
    ids=["flattened", "framed"],
)
def test_a_change_of_shape_without_an_inverse_is_refused_before_the_training(digits, transformer):
    magnitudes = FourierMagnitude().fit_transform(digits)
    with pytest.raises(
        ValueError,
        match=r"makes targets of shape .* of objects of shape \(14, 14\), .* inverse_transform",
    ):
        SymmetryBreakingRegressor(Untrainable(), make_pipeline(transformer)).fit(magnitudes, digits)


def test_a_change_of_the_number_of_samples_is_refused(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    with pytest.raises(
        ValueError, match="the transformer makes 239 targets of 240 objects, not one of each"
    ):
        SymmetryBreakingRegressor(Untrainable(), FunctionTransformer(_without_first)).fit(
            magnitudes, digits
        )


def test_shift_and_flip_of_random_measurements_warn(digits):
    objects = digits[:80, 3:9, 3:9].reshape(80, -1)
    magnitudes = GaussianMagnitude(random_state=0).fit_transform(objects)
    with pytest.warns(
        UserWarning,
        match=r"the only symmetry of magnitudes that do not correlate .* SymmetryCanonicalizer",
    ):
        SymmetryBreakingRegressor(KNeighborsRegressor(1)).fit(magnitudes, objects)
    phase_alone = SymmetryCanonicalizer(None, None)
    signed = objects * np.where(np.arange(80) % 2, 1, -1)[:, None]
    assert (
        SymmetryBreakingRegressor(KNeighborsRegressor(1), phase_alone)
        .fit(magnitudes, signed)
        .symmetries_
        == "phase"
    )


def test_iterations_are_not_trained_on_targets_of_another_kind(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    transformer = make_pipeline(SymmetryCanonicalizer("box", "moment"), ROOT)
    iterations = IterativePhaseRetrieval(n_iter=5, random_state=0)
    for regressor in (RefinedRegressor(Nearest(), iterations), iterations):
        with pytest.raises(
            ValueError, match="put RefinedRegressor around SymmetryBreakingRegressor instead"
        ):
            SymmetryBreakingRegressor(regressor, transformer).fit(magnitudes, digits)
    around = RefinedRegressor(SymmetryBreakingRegressor(Nearest(), transformer), iterations).fit(
        magnitudes, digits
    )
    assert around.unit_ == 1


# --- parts ----------------------------------------------------------------------------------------


def test_unusable_transformers_are_named():
    pair = np.ones((2, 3)), np.ones((2, 3))
    with pytest.raises(
        ValueError, match="transformer='none' is not valid; give a transformer or 'passthrough'"
    ):
        SymmetryBreakingRegressor(transformer="none").fit(*pair)
    with pytest.raises(
        TypeError, match="transformer=SymmetryCanonicalizer is a class; give an instance"
    ):
        SymmetryBreakingRegressor(transformer=SymmetryCanonicalizer).fit(*pair)
    with pytest.raises(
        TypeError, match=r"transformer=Ridge\(\) has no method transform; give a transformer"
    ):
        SymmetryBreakingRegressor(transformer=Ridge()).fit(*pair)


def test_a_frozen_transformer_is_used_as_fitted(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    fitted = SymmetryCanonicalizer().fit(digits[:50])
    template = fitted.template_.copy()
    model = SymmetryBreakingRegressor(Nearest(), FrozenEstimator(fitted)).fit(magnitudes, digits)
    np.testing.assert_array_equal(model.regressor_.y_, fitted.transform(digits))
    np.testing.assert_array_equal(fitted.template_, template)
    SymmetryBreakingRegressor(Nearest(), fitted).fit(magnitudes, digits)
    np.testing.assert_array_equal(fitted.template_, template)
