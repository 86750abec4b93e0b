import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
)
from skpr.composition import NetworkRefiner
from skpr.metrics import relative_error
from skpr.neural import EstimateRegressor


def smooth(n_samples, shape, seed, *, is_complex=False):
    """Smooth objects that fill their frame, and noisy magnitudes of them."""
    rng = np.random.default_rng(seed)
    axes = tuple(range(1, len(shape) + 1))

    def drawn():
        spectrum = np.fft.fftn(rng.standard_normal((n_samples, *shape)), axes=axes)
        grid = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij")
        values = np.fft.ifftn(spectrum * np.exp(-40 * sum(f**2 for f in grid)), axes=axes).real
        values -= values.min(axis=axes, keepdims=True)
        return values / values.max(axis=axes, keepdims=True)

    objects = drawn() * np.exp(2j * drawn()) if is_complex else drawn()
    clean = FourierMagnitude().fit_transform(objects)
    size = clean.mean(axis=axes, keepdims=True)
    return np.abs(clean + 0.1 * size * rng.standard_normal(clean.shape)), objects


def refiner(n_rounds=1, n_passes=1, *, epochs=2, n_starts=3, n_iter=15, **options):
    nested = {name: options.pop(name) for name in list(options) if "__" in name}
    model = NetworkRefiner(
        EstimateRegressor(
            max_epochs=epochs, lr=3e-3, module__width=8, module__n_stages=2, device="cpu"
        ),
        IterativePhaseRetrieval("raar", n_iter, n_starts=n_starts, device="cpu"),
        IterativePhaseRetrieval("raar", 8, beta=0.8, n_starts=n_starts, device="cpu"),
        n_rounds=n_rounds,
        n_passes=n_passes,
        **{"random_state": 0, "n_training_rounds": 0} | options,
    )
    return model.set_params(**nested)


def error(model, X, y):
    return relative_error(y, model.predict(X))


@pytest.mark.parametrize("is_complex", [False, True])
def test_the_network_improves_on_the_best_of_its_starts(is_complex):
    train, test = (
        smooth(n, (12, 12), seed, is_complex=is_complex) for n, seed in ((96, 0), (32, 1))
    )
    model = refiner(epochs=12, n_iter=40).fit(*train)
    best = clone(model.retriever).set_params(random_state=0).fit(*train)
    assert error(model, *test) < (0.95 if is_complex else 0.8) * error(best, *test)


@pytest.mark.parametrize("shape", [(12,), (8, 10), (6, 6, 6)])
@pytest.mark.parametrize("is_complex", [False, True])
def test_objects_of_any_dimension_and_kind(shape, is_complex):
    X, y = smooth(6, shape, 0, is_complex=is_complex)
    found = refiner(n_passes=2).fit(X, y).predict(X)
    assert found.shape == y.shape
    assert found.dtype == y.dtype
    if not is_complex:
        assert found.min() >= 0


def test_units_of_objects_and_of_magnitudes_may_differ():
    X, y = smooth(12, (8, 8), 0)
    model, other = refiner().fit(X, y), refiner().fit(X * 1e3, y * 7)
    assert other.unit_ == pytest.approx(7e-3 * model.unit_, rel=1e-3)
    np.testing.assert_allclose(other.predict(X * 1e3) / 7, model.predict(X), rtol=0.05, atol=0.02)


def test_targets_are_moved_onto_the_starts():
    X, objects = smooth(24, (12, 12), 0, is_complex=True)
    rng = np.random.default_rng(0)
    flipped = np.where(rng.random((24, 1, 1)) < 0.5, objects, objects[:, ::-1, ::-1].conj())
    turned = flipped * np.exp(2j * np.pi * rng.random((24, 1, 1)))
    losses = [
        refiner(epochs=3).fit(X, y).network_.history[-1, "train_loss"] for y in (objects, turned)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_rounds_passes_and_the_choice_of_starts_matter():
    X, y = smooth(16, (8, 8), 0)
    model = refiner(n_rounds=0).fit(X, y)
    once = model.predict(X)
    for name, value in (("n_rounds", 1), ("n_passes", 2), ("n_best", 1)):
        before = getattr(model, name)
        assert not np.array_equal(model.set_params(**{name: value}).predict(X), once)
        model.set_params(**{name: before})
    np.testing.assert_array_equal(model.predict(X), once)


def test_a_network_trained_on_later_rounds_improves_them_more():
    train, test = (smooth(n, (12, 12), seed) for n, seed in ((96, 0), (32, 1)))
    first, second = (
        refiner(n_rounds=2, epochs=8, n_iter=40, n_training_rounds=rounds).fit(*train)
        for rounds in (0, 1)
    )
    assert error(second, *test) < error(first, *test)
    assert len(second.network_.history) == 2 * len(first.network_.history)
    assert not second.network_.warm_start


def test_without_a_restarter_what_is_known_holds_in_all_rounds():
    X, y = smooth(8, (8, 8), 0)
    support = np.ones((8, 8), dtype=bool)
    support[0] = False
    model = refiner(retriever__support=support).set_params(restarter=None).fit(X, y)
    np.testing.assert_array_equal(model.restarter_.support, support)
    assert model.restarter_.n_starts == model.n_starts == 8


def test_seeds_repeat_a_fit_and_predictions_repeat_themselves():
    X, y = smooth(16, (8, 8), 0)
    first, second, other, free = (refiner(random_state=seed).fit(X, y) for seed in (0, 0, 1, None))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert not np.array_equal(first.predict(X), other.predict(X))
    np.testing.assert_array_equal(free.predict(X), free.predict(X))


def test_predictions_do_not_depend_on_the_batch():
    X, y = smooth(16, (8, 8), 0)
    model = refiner().fit(X, y)
    np.testing.assert_allclose(model.predict(X[5:6]), model.predict(X)[5:6], rtol=1e-3, atol=1e-4)


def test_tensors_come_back_as_tensors():
    X, y = smooth(8, (8, 8), 0)
    model = refiner().fit(torch.as_tensor(X), torch.as_tensor(y))
    found = model.retrieve(torch.as_tensor(X))
    assert isinstance(found.objects, torch.Tensor)
    assert isinstance(found.starts, torch.Tensor)
    np.testing.assert_allclose(found.objects.numpy(), model.retrieve(X).objects, atol=1e-6)


def test_a_start_near_the_object_serves_as_a_refiner():
    X, y = smooth(24, (8, 8), 0)
    near = y + 0.02 * np.random.default_rng(0).standard_normal(y.shape)
    model = refiner(n_rounds=0).fit(X, y)
    from_near, from_chance = model.retrieve(X, init=near), model.retrieve(X)
    assert from_near.starts.shape == (24, 3, 8, 8)
    assert relative_error(y, from_near.objects) < relative_error(y, from_chance.objects)


def test_it_refines_the_predictions_of_another_regressor():
    X, y = smooth(16, (8, 8), 0)
    network = PhaseRetrievalRegressor(
        max_epochs=2, module__hidden_width=16, random_state=0, device="cpu"
    )
    refined = RefinedRegressor(network, refiner()).fit(X, y)
    assert isinstance(refined.refiner_, NetworkRefiner)
    assert refined.predict(X).shape == y.shape
    assert error(refined, X, y) < error(refined.regressor_, X, y)


def test_a_frozen_network_serves_other_sizes_without_objects():
    X, y = smooth(16, (8, 8), 0)
    network = refiner().fit(X, y).network_
    others, truth = smooth(3, (10, 12), 1)
    retriever = IterativePhaseRetrieval(
        "raar", 15, n_starts=3, object_shape=(10, 12), constraints="non_negative", device="cpu"
    )
    model = NetworkRefiner(FrozenEstimator(network), retriever, random_state=0).fit(others)
    assert model.predict(others).shape == truth.shape
    weights = model.network_.estimator.module_.state_dict()
    assert all(torch.equal(weights[k], v) for k, v in network.module_.state_dict().items())
    with pytest.raises(ValueError, match="requires y to be passed"):
        refiner().fit(others)


def test_a_search_compares_it_with_other_numbers_of_starts():
    X, y = smooth(16, (8, 8), 0)
    grid = {"retriever__n_starts": [1, 3], "network__max_epochs": [1]}
    search = GridSearchCV(refiner(), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_clones_and_pickles():
    X, y = smooth(8, (8, 8), 0)
    model = refiner().fit(X, y)
    assert not hasattr(clone(model), "retriever_")
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(X), model.predict(X))


def test_missing_pixels_are_accepted():
    X, y = smooth(12, (8, 8), 0)
    X[:, 7:9, 7:9] = np.nan
    assert np.isfinite(refiner().fit(X, y).predict(X)).all()


def test_objects_that_a_network_makes_dark_are_replaced_by_the_best_start():
    X, y = smooth(8, (8, 8), 0)
    X[3] = 0  # a dark pattern
    model = refiner(n_rounds=0).fit(X, y)
    for stage in model.network_.module_.stages:
        torch.nn.init.constant_(stage.up.bias, -100.0)
    found = model.retrieve(X)
    best = found.starts[np.arange(8), found.start_errors.argmin(axis=1)]
    np.testing.assert_array_equal(found.objects, best)
    is_lit = model.set_params(n_rounds=2).predict(X).any(axis=(1, 2))
    np.testing.assert_array_equal(is_lit, np.arange(8) != 3)


def test_given_estimators_stay_as_they_are():
    X, y = smooth(8, (8, 8), 0)
    model = refiner()
    before = model.get_params(deep=False)
    model.fit(X, y)
    assert all(model.get_params(deep=False)[name] is value for name, value in before.items())
    assert not hasattr(model.network, "object_shape_")
    assert not hasattr(model.retriever, "object_shape_")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"n_rounds": -1}, ValueError, "n_rounds=-1"),
        ({"n_training_rounds": -1}, ValueError, "n_training_rounds=-1"),
        ({"n_passes": 0}, ValueError, "n_passes=0"),
        ({"n_best": 0}, ValueError, "n_best=0"),
        ({"centered": False}, ValueError, "the network has centered=True"),
        ({"restarter": IterativePhaseRetrieval(centered=False)}, ValueError, "the restarter has"),
        (
            {"restarter": IterativePhaseRetrieval(constraints="real")},
            ValueError,
            "the retriever has constraints=non_negative, but the restarter real",
        ),
        ({"network": EstimateRegressor}, TypeError, "network=EstimateRegressor is a class"),
        ({"retriever": DummyRegressor()}, TypeError, "has no method retrieve"),
    ],
)
def test_wrong_parameters_are_refused(options, kind, message):
    X, y = smooth(4, (8, 8), 0)
    with pytest.raises(kind, match=message):
        refiner().set_params(**options).fit(X, y)


def test_predictions_need_a_fit():
    X, _ = smooth(4, (8, 8), 0)
    with pytest.raises(NotFittedError):
        refiner().predict(X)
