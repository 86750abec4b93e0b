import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import EarlyStopping, EpochScoring
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import SliceDict, predefined_split

from skpr import FourierMagnitude
from skpr.metrics import neg_relative_error_scorer
from skpr.neural import EstimateRegressor


def problem(n_samples=24, shape=(8, 8), *, is_complex=False, noise=0.3, seed=0):
    """Objects, and the parts of an input: magnitudes and statistics of noisy estimates."""
    rng = np.random.default_rng(seed)

    def drawn(*more):
        values = rng.random((*more, n_samples, *shape))
        return values + 1j * rng.random(values.shape) if is_complex else values

    objects = drawn().astype(np.complex64 if is_complex else np.float32)
    starts = objects + noise * (drawn(4) - (0.5 + 0.5j if is_complex else 0.5))
    X = {
        "magnitudes": FourierMagnitude().fit_transform(objects),
        "best": starts[0],
        "mean": starts.mean(axis=0),
        "spread": starts.std(axis=0),
    }
    return X, objects


def regressor(**options):
    given = {"max_epochs": 2, "module__width": 8, "module__n_stages": 2, "batch_size": 8}
    return EstimateRegressor(random_state=0, device="cpu", **given | options)


def distance(found, objects):
    return np.linalg.norm(found - objects) / np.linalg.norm(objects)


@pytest.mark.parametrize("is_complex", [False, True])
def test_training_improves_the_mean_of_other_objects(is_complex):
    X, objects = problem(64, is_complex=is_complex, noise=1.0)
    others, truth = problem(16, is_complex=is_complex, noise=1.0, seed=1)
    net = regressor(max_epochs=15, lr=1e-2).fit(X, objects)
    found = net.predict(others)
    assert found.shape == truth.shape
    assert found.dtype == truth.dtype
    assert distance(found, truth) < 0.95 * distance(others["mean"], truth)


@pytest.mark.parametrize("shape", [(8,), (6, 7), (4, 4, 4)])
def test_objects_of_any_dimension_are_improved(shape):
    X, objects = problem(8, shape)
    assert regressor().fit(X, objects).predict(X).shape == objects.shape


def test_the_same_seed_makes_the_same_network():
    X, objects = problem()
    first, second, other = (
        regressor().set_params(random_state=seed).fit(X, objects).predict(X) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_turned_copies_change_the_training():
    X, objects = problem()
    turned, plain = (
        regressor(copies=copies).fit(X, objects).predict(X) for copies in (True, False)
    )
    assert not np.array_equal(turned, plain)


def test_predictions_do_not_depend_on_the_batch():
    X, objects = problem()
    net = regressor().fit(X, objects)
    alone = net.predict({name: part[3:4] for name, part in X.items()})
    np.testing.assert_allclose(alone, net.predict(X)[3:4], rtol=1e-4, atol=1e-5)
    in_parts = net.set_params(batch_size=5).predict(X)
    np.testing.assert_allclose(in_parts[3:4], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [1e-40, 1e40])
def test_units_beyond_single_precision_do_not_matter(unit):
    X, objects = problem()
    X = {name: part.astype(np.float64) for name, part in X.items()}
    net = regressor().fit(X, objects)
    with np.errstate(under="ignore", over="ignore"):
        scaled = {name: part * unit for name, part in X.items()}
        found = regressor().fit(scaled, objects.astype(np.float64) * unit)
    # the estimates are scaled before the network sees them: only rounding differs
    unscaled = found.predict(X)
    np.testing.assert_allclose(unscaled, net.predict(X), rtol=1e-2, atol=1e-2)


def test_an_estimate_replaces_the_mean():
    X, objects = problem()
    net = regressor().fit(X, objects)
    again = net.predict(X | {"estimate": X["mean"]})
    np.testing.assert_allclose(again, net.predict(X), atol=1e-6)
    assert not np.allclose(net.predict(X | {"estimate": objects}), again, atol=1e-3)


def test_averages_over_copies_turn_with_the_input():
    X, objects = problem()
    net = regressor(average=True).fit(X, objects)
    turned = {name: part.swapaxes(1, 2) for name, part in X.items()}
    found = net.predict(turned)
    np.testing.assert_allclose(found, net.predict(X).swapaxes(1, 2), rtol=1e-4, atol=1e-5)
    net.set_params(average=False)
    assert not np.allclose(net.predict(turned), net.predict(X).swapaxes(1, 2), atol=1e-4)


def test_a_network_serves_objects_of_another_size():
    X, objects = problem()
    others, truth = problem(3, (12, 10))
    assert regressor().fit(X, objects).predict(others).shape == truth.shape


def test_tensors_come_back_as_tensors():
    X, objects = problem()
    net = regressor().fit(X, objects)
    tensors = {name: torch.as_tensor(part) for name, part in X.items()}
    found = net.predict(tensors)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), net.predict(X), atol=1e-6)


def test_clones_and_pickles_hold_what_they_should():
    X, objects = problem()
    net = regressor(lr=2e-3).fit(X, objects)
    assert not hasattr(clone(net), "object_shape_")
    assert clone(net).get_params()["module__width"] == 8
    restored = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(restored.predict(X), net.predict(X))


def test_a_warm_start_continues_and_a_cold_one_does_not():
    X, objects = problem()
    cold = regressor().fit(X, objects)
    first = cold.predict(X)
    np.testing.assert_array_equal(cold.fit(X, objects).predict(X), first)
    warm = cold.set_params(warm_start=True).fit(X, objects)
    assert not np.array_equal(warm.predict(X), first)


def test_partial_fits_continue_with_samples_of_the_same_kind():
    X, objects = problem()
    net = regressor().partial_fit(X, objects)
    first = net.predict(X)
    assert len(net.partial_fit(X, objects, epochs=1).history) == 3
    assert not np.array_equal(net.predict(X), first)
    with pytest.raises(ValueError, match="was fitted on .16, 16. and .8, 8."):
        net.partial_fit(*problem(4, (6, 6)))
    with pytest.raises(ValueError, match="complex values"):
        net.partial_fit(X, objects + 0j)
    with pytest.raises(TypeError, match="fit got verbose="):
        net.partial_fit(X, objects, verbose=True)


def test_scores_are_modulo_symmetries():
    X, objects = problem()
    net = regressor().fit(X, objects)
    expected = net.score(X, objects)
    assert 0.9 < expected < 1
    assert net.score(X, objects[:, ::-1, ::-1]) == pytest.approx(expected)


def test_a_finished_checkpoint_is_read_instead_of_training(tmp_path):
    X, objects = problem()
    path = tmp_path / "run.checkpoint"
    first = regressor(checkpoint=path).fit(X, objects)
    again = regressor(checkpoint=path).fit(X, objects)
    np.testing.assert_array_equal(first.predict(X), again.predict(X))
    others, truth = problem(seed=1)
    with pytest.raises(ValueError, match="a fit of other data"):
        regressor(checkpoint=path).fit(others, truth)


def test_missing_pixels_are_accepted():
    X, objects = problem()
    X["magnitudes"][:, 7:9, 7:9] = np.nan
    assert np.isfinite(regressor().fit(X, objects).predict(X)).all()


def without(X, name):
    return {other: part for other, part in X.items() if other != name}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: X["best"], TypeError, "give a dictionary with 'magnitudes', 'best', 'mean'"),
        (
            lambda X: without(X, "spread"),
            ValueError,
            "X has the parts 'magnitudes', 'best', 'mean'",
        ),
        (lambda X: X | {"worst": X["best"]}, ValueError, "'worst'; give a dictionary"),
        (lambda X: X | {"mean": X["mean"][:3]}, ValueError, "mean has shape .3, 8, 8., but best"),
        (lambda X: X | {"mean": X["mean"] * np.nan}, ValueError, "mean contains NaN"),
        (lambda X: X | {"estimate": X["mean"]}, ValueError, "'estimate'; give a dictionary"),
        (lambda X: X | {"spread": -X["spread"]}, ValueError, "spread .* has negative values"),
        (lambda X: X | {"magnitudes": -X["magnitudes"]}, ValueError, "magnitudes .* negative"),
        (lambda X: X | {"magnitudes": X["magnitudes"][:, :5]}, ValueError, "shape"),
    ],
)
def test_wrong_input_is_refused(change, error, message):
    X, objects = problem()
    with pytest.raises(error, match=message):
        regressor().fit(change(X), objects)


def test_predictions_need_a_fit_and_the_trained_kind_of_objects():
    X, objects = problem()
    with pytest.raises(NotFittedError):
        regressor().predict(X)
    net = regressor().fit(X, objects)
    with pytest.raises(ValueError, match="complex values, but EstimateRegressor was fitted"):
        net.predict(X | {"mean": X["mean"] + 0j})
    line, _ = problem(3, (8,))
    with pytest.raises(ValueError, match="1 axes, but EstimateRegressor was fitted on"):
        net.predict(line)
    with pytest.raises(ValueError, match="y has shape .3, 8, 8."):
        regressor().fit(X, objects[:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "worst"}, "criterion='worst'"),
        ({"module": "mlp"}, "module='mlp'"),
        ({"copies": 2}, "copies=2"),
        ({"lr": -1.0}, "lr=-1.0"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_wrong_parameters_are_refused(options, message):
    X, objects = problem()
    with pytest.raises(ValueError, match=message):
        regressor(**options).fit(X, objects)


def test_lists_are_scored_as_arrays():
    X, objects = problem(4)
    net = regressor().fit(X, objects)
    lists = {name: part.tolist() for name, part in X.items()}
    assert net.score(lists, objects.tolist()) == pytest.approx(net.score(X, objects), abs=1e-6)


def test_a_layout_set_after_fit_is_refused_until_the_next_fit():
    X, objects = problem()
    net = regressor().fit(X, objects).set_params(centered=False)
    for call in (lambda: net.predict(X), lambda: net.partial_fit(X, objects)):
        with pytest.raises(ValueError, match="centered=False was set after fit, which saw True"):
            call()
    X["magnitudes"] = np.fft.ifftshift(X["magnitudes"], axes=(1, 2))
    assert net.fit(X, objects).predict(X).shape == objects.shape


def test_predictions_beyond_single_precision_are_refused():
    X, objects = problem()
    net = regressor().fit(X, objects)
    for unit in (1e-60, 1e60):
        scaled = {name: part.astype(np.float64) * unit for name, part in X.items()}
        with pytest.raises(ValueError, match="magnitudes is .* out of the range of float32"):
            net.predict(scaled)


def test_a_network_for_non_negative_objects_is_not_trained_on_others():
    X, objects = problem()
    net = regressor().fit(X, objects)
    with pytest.raises(ValueError, match="y has negative values, .* non-negative objects"):
        net.partial_fit(X, objects - 0.5)


def test_the_default_weight_decay_does_not_reach_optimizers_without():
    X, objects = problem(4)
    net = regressor(optimizer=torch.optim.Rprop).fit(X, objects)
    assert "weight_decay" not in net.optimizer_.param_groups[0]
    assert regressor().fit(X, objects).optimizer_.param_groups[0]["weight_decay"] == 0.02


def test_validation_sets_of_the_users_hold_parts():
    X, objects = problem(8)
    others = Dataset(*problem(4, seed=1))
    net = regressor(train_split=predefined_split(others)).fit(X, objects)
    alone = regressor().fit(*problem(4, seed=1), epochs=1)
    assert np.isfinite(net.history[:, "valid_loss"]).all()
    assert net.history[0, "valid_loss"] < 3 * alone.history[0, "train_loss"]
    for wrong, error, message in (
        (Dataset(objects, objects), TypeError, "give a skorch Dataset.X, y., where X is a dict"),
        (Dataset(others.X, others.y[:, :5]), ValueError, "invalid validation set: y has shape"),
    ):
        with pytest.raises(error, match=message):
            regressor(train_split=predefined_split(wrong)).fit(X, objects)


def test_callbacks_score_by_metrics_of_this_package():
    X, objects = problem(12)
    score = EpochScoring(neg_relative_error_scorer, name="score")
    options = {"callbacks": [("score", score)], "train_split": ValidSplit(3)}
    net = regressor(**options).fit(X, objects)
    assert -0.5 < net.history[-1, "score"] < 0
    own = {**options, "callbacks": [("score", EpochScoring(None, name="score"))]}
    scored = regressor(**own).fit(X, objects).history[-1, "score"]  # by the method of this name
    assert scored == pytest.approx(1 + net.history[-1, "score"])
    assert neg_relative_error_scorer(net, X, objects) == pytest.approx(net.score(X, objects) - 1)
    for callback, message in (
        (EpochScoring("r2"), "scikit-learn computes only for real objects with one axis"),
        (EpochScoring(neg_relative_error_scorer, use_caching=False), "cannot score estimates"),
        (EarlyStopping(), "no validation set: set train_split=ValidSplit"),
    ):
        options["callbacks"] = [("one", callback)]
        if isinstance(callback, EarlyStopping):
            options["train_split"] = None
        with pytest.raises(ValueError, match=message):
            regressor(**options).fit(X, objects)


@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_dark_patterns_stay_dark(unit):
    X, objects = problem(8)
    net = regressor(lr=1e-2).fit(X, objects)
    X = {name: part * unit for name, part in X.items()}
    for part in X.values():
        part[3] = 0
    found = net.predict(X)
    assert not found[3].any()
    assert np.abs(found[2]).max() > 0.1 * unit


def test_searches_split_parts_in_a_dictionary_of_slices():
    X, objects = problem(8)
    net, parts = regressor(max_epochs=1), SliceDict(**X)
    scores = cross_val_score(net, parts, objects, cv=2, error_score="raise")
    assert scores[0] == regressor(max_epochs=1).fit(parts[4:], objects[4:]).score(
        parts[:4], objects[:4]
    )
    search = GridSearchCV(net, {"lr": [1e-2, 1e-9]}, cv=2).fit(parts, objects)
    assert search.predict(X).shape == objects.shape


def test_no_score_without_objects():
    X, objects = problem(8)
    net = regressor(max_epochs=1)
    with pytest.raises(NotFittedError):
        net.score(X)
    with pytest.raises(ValueError, match=r"EstimateRegressor.score requires y .*fourier_error\("):
        net.fit(X, objects).score(X)
