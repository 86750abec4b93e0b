"""Data augmentation and detector model in training."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skpr import FourierMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr.augmentation import RandomDeformation, ShiftFlipAugmenter
from skpr.detector import BeamStop, PartialCoherence, PhotonNoise
from skpr.metrics import relative_error
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 16, "max_epochs": 3, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=48)
    return FourierMagnitude().fit_transform(objects), objects


class Doubling(TransformerMixin, BaseEstimator):
    """Augmenter whose objects are easy to recognise."""

    def __init__(self, factor=2, offset=1):
        self.factor = factor
        self.offset = offset

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.factor * X + self.offset


class Seen(PhaseRetrievalRegressor):
    """Regressor that records its training batches."""

    def train_step_single(self, batch, **fit_params):
        self.__dict__.setdefault("seen", []).append(batch)
        return super().train_step_single(batch, **fit_params)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_new_objects_come_with_their_magnitudes_in_the_same_units(centered, dtype):
    x = random_objects((6, 7), dtype, n_samples=12)
    magnitude = FourierMagnitude(fourier_shape=(12, 15), centered=centered).fit(x)
    exposures = np.linspace(0.5, 3, 12, dtype=np.float32)[:, None, None]
    b = exposures * magnitude.transform(x)
    net = Seen(augmenter=Doubling(), centered=centered, batch_size=-1, **SMALL).fit(b, x)
    for X, y in net.seen:
        made = y.numpy()
        order = [int(np.abs(2 * x + 1 - one).reshape(12, -1).max(1).argmin()) for one in made]
        np.testing.assert_allclose(made, 2 * x[order] + 1, rtol=1e-6)
        np.testing.assert_allclose(
            X.numpy(), exposures[order] * magnitude.transform(made), rtol=1e-4, atol=1e-4
        )


def test_every_batch_draws_anew_and_the_seed_repeats(pairs):
    nets = [
        Seen(augmenter=RandomDeformation(), batch_size=-1, **SMALL).fit(*pairs) for _ in range(2)
    ]
    sums = [sorted(y.sum().item() for y in y_batch) for _, y_batch in nets[0].seen]
    assert sums[0] != sums[1] != sums[2]
    np.testing.assert_array_equal(*(net.predict(pairs[0]) for net in nets))


def test_predictions_and_the_augmenter_given_stay_as_they_are(pairs):
    augmenter = RandomDeformation(rotation=2)
    net = PhaseRetrievalRegressor(augmenter=augmenter, **SMALL).fit(*pairs)
    assert not hasattr(augmenter, "object_shape_")
    assert clone(net).augmenter.rotation == 2
    np.testing.assert_array_equal(net.predict(pairs[0]), net.predict(pairs[0]))


def test_validation_objects_are_not_deformed(pairs):
    nets = [
        PhaseRetrievalRegressor(
            augmenter=augmenter, early_stopping=True, **SMALL | {"lr": 1e-30}
        ).fit(*pairs)
        for augmenter in (Doubling(1, 0), Doubling())
    ]
    losses = [net.history[:, "valid_loss"] for net in nets]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_detector_sees_the_new_objects(pairs):
    net = Seen(augmenter=RandomDeformation(), detector=BeamStop(3), **SMALL).fit(*pairs)
    assert all(X.isnan().any() for X, _ in net.seen)
    assert net.unmeasured_


def test_its_parameters_are_parameters_of_the_network(pairs):
    net = PhaseRetrievalRegressor(augmenter=RandomDeformation(), detector=PhotonNoise(1e6), **SMALL)
    with pytest.raises(
        ValueError, match="augmenter=None has no parameters, but augmenter__bend was given"
    ):
        clone(net).set_params(augmenter=None, augmenter__bend=0.1)
    search = GridSearchCV(
        net, {"augmenter__bend": [0.0, 0.2], "detector__n_photons": [1e5]}, cv=2
    ).fit(*pairs)
    assert len(set(search.cv_results_["mean_test_score"])) == 2  # the grid's values took effect
    assert search.best_estimator_.augmenter.bend == search.best_params_["augmenter__bend"]
    assert search.best_estimator_.detector_.n_photons == 1e5
    model = make_phase_retriever(augmenter=RandomDeformation(), augmenter__bend=0.5, **SMALL)
    assert (
        model[-1].regressor.augmenter.bend
        == model.get_params()["retrieve__regressor__augmenter__bend"]
        == 0.5
    )
    model.fit(pairs[1], pairs[1])
    assert model.predict(pairs[1]).shape == pairs[1].shape


def test_a_network_learns_rotations_it_was_shown_none_of():
    rows, columns = np.meshgrid(np.linspace(-1, 1, 16), np.linspace(-1, 1, 16), indexing="ij")

    def turned(angles):
        c, s = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
        u, v = c * rows + s * columns, c * columns - s * rows
        return (np.exp(-3 * u**2 - 40 * v**2) * (1 + 0.5 * u)).astype(np.float32)

    shown, others = turned(np.zeros(16)), turned(np.linspace(-0.35, 0.35, 41))
    b, b_others = FourierMagnitude().fit_transform(shown), FourierMagnitude().fit_transform(others)
    errors = []
    for augmenter in (
        None,
        RandomDeformation(rotation=20, scale=0, shear=0, bend=0, probability=1),
    ):
        net = PhaseRetrievalRegressor(
            augmenter=augmenter,
            max_epochs=100,
            batch_size=8,
            module__hidden_width=128,
            device="cpu",
            random_state=0,
        ).fit(b, shown)
        errors.append(relative_error(others, net.predict(b_others)))
    assert errors[1] < 0.3 * errors[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b, x: (b + 1, x), r"X differs from \|F y\| by a relative"),
        (
            lambda b, x: (np.where(np.arange(16) < 2, np.nan, b).astype("float32"), x),
            r"X differs from \|F y\|",
        ),
        (lambda b, x: (np.where(np.arange(len(b)) == 40, 2 * b.T + 1, b.T).T, x), "in sample 40"),
        (
            lambda b, x: (
                np.where((np.arange(len(b)) == 40) & (b[40, 3, 3] == b.T), np.nan, b.T).T,
                x,
            ),
            "in sample 40",
        ),
    ],
)
def test_magnitudes_of_other_objects_are_refused(change, message, pairs):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(augmenter=RandomDeformation(), **SMALL).fit(*change(*pairs))


def test_magnitudes_in_another_layout_are_refused(pairs):
    net = PhaseRetrievalRegressor(augmenter=RandomDeformation(), **SMALL)
    with (
        pytest.warns(UserWarning, match="pass centered=False"),
        pytest.raises(ValueError, match="check centered=True"),
    ):
        net.fit(np.fft.ifftshift(pairs[0], axes=(1, 2)), pairs[1])


def test_an_augmenter_that_changes_the_shape_is_refused(pairs):
    with pytest.raises(
        ValueError,
        match=r"turns objects of shape \(8, 8\) into \(12, 12\); crop or pad them before",
    ):
        PhaseRetrievalRegressor(augmenter=ShiftFlipAugmenter(frame_shape=12), **SMALL).fit(*pairs)


@pytest.mark.parametrize("augmenter", ["deform", RandomDeformation])
def test_what_is_no_transformer_is_refused(augmenter, pairs):
    with pytest.raises(TypeError, match="augmenter=.* is not a transformer"):
        PhaseRetrievalRegressor(augmenter=augmenter, **SMALL).fit(*pairs)


class InNumPy(Doubling):
    """Augmenter that accepts only arrays."""

    def transform(self, X):
        return np.asarray(super().transform(np.asarray(X, dtype=np.float64)))


def test_an_augmenter_may_return_arrays(pairs):
    net = Seen(augmenter=InNumPy(), **SMALL).fit(*pairs)
    assert all(y.min() >= 1 for _, y in net.seen)


def test_training_on_takes_the_augmenter_as_it_is_then(pairs):
    net = Seen(augmenter=Doubling(), **SMALL | {"max_epochs": 1}).partial_fit(*pairs)
    assert net.seen[-1][1].min() >= 1
    net.set_params(augmenter__offset=5).partial_fit(*pairs)
    assert net.seen[-1][1].min() >= 5
    net.set_params(augmenter=None).partial_fit(*pairs)
    assert net.seen[-1][1].min() == 0
    with pytest.raises(ValueError, match=r"X differs from \|F y\|"):
        net.set_params(augmenter=Doubling()).partial_fit(pairs[0][::-1].copy(), pairs[1])


def test_training_on_draws_on(pairs):
    net = Seen(
        augmenter=RandomDeformation(probability=1), batch_size=-1, **SMALL | {"max_epochs": 1}
    )
    net.partial_fit(*pairs).partial_fit(*pairs)
    first, second = (batch[1].sum(0) for batch in net.seen)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    "augmenter",
    [
        ShiftFlipAugmenter(),
        ShiftFlipAugmenter(flip_probability=0),
        ShiftFlipAugmenter(max_shift=0, flip_probability=0.9),
        ShiftFlipAugmenter(boundary="circular"),
        make_pipeline(RandomDeformation(probability=1), ShiftFlipAugmenter()),
        FunctionTransformer(lambda x: -x),
    ],
    ids=["any", "shifts", "flips", "circular", "deformed and moved", "signs"],
)
def test_an_augmenter_that_moves_objects_within_their_orbits_is_refused(augmenter, pairs):
    net = PhaseRetrievalRegressor(augmenter=augmenter, **SMALL)
    with pytest.raises(
        ValueError,
        match="moves objects within their orbits, .* move objects before they are made canon",
    ):
        net.fit(*pairs)


def test_phases_are_orbits_too():
    objects = random_objects((8, 8), "complex64", n_samples=24)
    augmenter = ShiftFlipAugmenter(max_shift=0, flip_probability=0, random_phase=True)
    with pytest.raises(ValueError, match="moves objects within their orbits"):
        PhaseRetrievalRegressor(augmenter=augmenter, **SMALL).fit(
            FourierMagnitude().fit_transform(objects), objects
        )


@pytest.mark.parametrize(
    "augmenter",
    [
        RandomDeformation(),
        RandomDeformation(probability=1, rotation=15, scale=0.15, shear=0.15, bend=0.05),
        FunctionTransformer(lambda x: x**2),
    ],
    ids=["little", "much", "contrast"],
)
def test_new_objects_are_not_taken_for_moved_ones(augmenter, pairs):
    net = PhaseRetrievalRegressor(augmenter=augmenter, **SMALL | {"max_epochs": 1}).fit(*pairs)
    assert len(net.history) == 1


class Saturated:
    """Detector without scikit-learn that accepts only arrays and counts fits."""

    n_fits = 0

    def fit(self, X):
        self.n_fits += 1
        return self

    def transform(self, X):
        return X.astype(np.float64).clip(0.0, 10.0)


@pytest.mark.parametrize(
    "detector",
    [
        Saturated(),
        FunctionTransformer(lambda m: np.asarray(m, dtype=np.float64)),
        FunctionTransformer(lambda m: m.astype("float64") + 1),
        FunctionTransformer(lambda m: np.sqrt(m.numpy())),
        FunctionTransformer(lambda m: m.numpy().tolist()),
    ],
    ids=["class", "doubles", "astype", "ufunc", "lists"],
)
def test_a_detector_may_know_arrays_only(detector, pairs):
    net = PhaseRetrievalRegressor(detector=detector, **SMALL).fit(*pairs)
    assert len(net.history) == 3
    assert np.isfinite(net.history[:, "train_loss"]).all()
    assert getattr(detector, "n_fits", 0) == 0  # a copy is fitted, not the user's own instance
    assert net.detector_ is not detector


def test_arrays_and_tensors_are_the_same_to_a_detector(pairs):
    detectors = (
        FunctionTransformer(lambda m: m + 1),
        FunctionTransformer(lambda m: m.astype("float32") + 1),
    )
    first, second = (
        PhaseRetrievalRegressor(detector=detector, **SMALL).fit(*pairs) for detector in detectors
    )
    np.testing.assert_allclose(
        first.history[:, "train_loss"], second.history[:, "train_loss"], rtol=1e-5
    )


@pytest.mark.parametrize(
    "function",
    [lambda m: m - 100, lambda m: m / torch.zeros(()), lambda m: m * 1j],
    ids=["negative", "infinite", "complex"],
)
def test_what_a_detector_makes_must_be_magnitudes(function, pairs):
    with pytest.raises(
        ValueError, match="detector=.* returns negative, infinite or complex values"
    ):
        PhaseRetrievalRegressor(detector=FunctionTransformer(function), **SMALL).fit(*pairs)


def test_errors_of_a_transformer_are_its_own(pairs):
    def failing(m):
        raise ValueError("the shutter is closed")

    with pytest.raises(ValueError, match="the shutter is closed"):
        PhaseRetrievalRegressor(detector=FunctionTransformer(failing), **SMALL).fit(*pairs)


def test_a_detector_that_blurs_counted_photons_is_warned_of(pairs):
    wrong = make_pipeline(PhotonNoise(1e4), PartialCoherence(0.3))
    with pytest.warns(UserWarning, match="counts photons before PartialCoherence.width=0.3."):
        PhaseRetrievalRegressor(detector=wrong, **SMALL).fit(*pairs)
    right = make_pipeline(PartialCoherence(0.3), PhotonNoise(1e4), BeamStop(1))
    PhaseRetrievalRegressor(detector=right, **SMALL).fit(*pairs)
