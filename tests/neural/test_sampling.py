"""Data sets, validation sets and loaders of skorch and PyTorch."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GroupKFold, PredefinedSplit
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split
from torch.utils.data import TensorDataset

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=40)
    return FourierMagnitude().fit_transform(objects), objects


def tensors(X, y):
    return TensorDataset(torch.from_numpy(X), torch.from_numpy(y).double())


class Pairs(torch.utils.data.Dataset):
    """User's own data set."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        return self.X[index], self.y[index]


@pytest.mark.parametrize("kind", [Dataset, tensors, Pairs])
def test_a_validation_set_may_be_given(kind, pairs):
    split = predefined_split(kind(pairs[0][30:], pairs[1][30:]))
    net = PhaseRetrievalRegressor(train_split=split, **SMALL | {"lr": 1e-12}).fit(
        pairs[0][:30], pairs[1][:30]
    )
    alone = PhaseRetrievalRegressor(**SMALL | {"lr": 1e-12}).fit(pairs[0][:30], pairs[1][:30])
    misfit = np.square(alone.predict(pairs[0][30:]) - pairs[1][30:]).sum((1, 2))
    expected = (misfit / np.square(pairs[1][30:]).sum((1, 2))).mean()
    assert net.history[-1, "valid_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (
            np.ones((5, 3, 3)),
            np.ones((5, 8, 8)),
            "train_split returned an invalid validation set: X has",
        ),
        (
            np.ones((5, 16, 16)),
            np.ones((5, 8, 7)),
            "invalid validation set: y has real objects of shape",
        ),
        (
            np.full((5, 16, 16), np.nan),
            np.ones((5, 8, 8)),
            "invalid validation set: X contains NaN in every pixel",
        ),
    ],
)
def test_a_validation_set_is_checked_before_the_training(X, y, message, pairs):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(train_split=predefined_split(Dataset(X, y)), **SMALL).fit(*pairs)


def test_skorchs_own_data_set_trains_to_the_same_weights(pairs):
    expected = PhaseRetrievalRegressor(**SMALL).fit(*pairs).predict(pairs[0])
    net = PhaseRetrievalRegressor(dataset=Dataset, **SMALL).fit(
        *(part.astype(np.float64) for part in pairs)
    )
    np.testing.assert_allclose(net.predict(pairs[0]), expected, rtol=1e-3, atol=1e-5)


def reversed_batch(samples):
    return torch.utils.data.default_collate(samples[::-1])


@pytest.mark.parametrize("collate", [None, reversed_batch])
@pytest.mark.parametrize("loaders", [["train"], ["train", "valid"]])
def test_another_collate_function_is_given_single_samples(collate, loaders, pairs):
    expected = PhaseRetrievalRegressor(early_stopping=True, **SMALL).fit(*pairs)
    others = {f"iterator_{loader}__collate_fn": collate for loader in loaders}
    net = PhaseRetrievalRegressor(early_stopping=True, **SMALL | others).fit(*pairs)
    np.testing.assert_allclose(
        net.history[:, "train_loss"], expected.history[:, "train_loss"], rtol=1e-3
    )
    np.testing.assert_allclose(
        net.history[:, "valid_loss"], expected.history[:, "valid_loss"], rtol=1e-3
    )


def test_groups_are_those_of_the_split(pairs):
    net = PhaseRetrievalRegressor(train_split=ValidSplit(GroupKFold(2)), **SMALL)
    net.fit(*pairs, groups=np.repeat([0, 1, 1, 1], 10))
    assert net.history[-1, "batches", -1, "valid_batch_size"] == 30


@pytest.mark.parametrize("name", ["validation", "training"])
def test_a_part_without_any_weight_is_refused(name, pairs):
    split = PredefinedSplit(np.repeat([-1, 0], [10, 30]))  # the last 30 are held out
    weights = np.repeat([1.0, 0.0] if name == "validation" else [0.0, 1.0], [10, 30])
    net = PhaseRetrievalRegressor(train_split=ValidSplit(split), **SMALL)
    with pytest.raises(ValueError, match=f"samples of the {name} set have sample_weight 0"):
        net.fit(*pairs, sample_weight=weights)


@pytest.mark.parametrize("steps", [0, 2])
def test_predictions_and_scores_leave_pytorchs_generator_alone(steps, pairs):
    net = PhaseRetrievalRegressor(tuning_steps=steps, **SMALL).fit(*pairs)
    before = torch.random.get_rng_state()
    net.predict(pairs[0])
    net.score(*pairs)
    net.forward(pairs[0])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_loading_may_be_changed_after_a_fit(pairs):
    net = PhaseRetrievalRegressor(warm_start=True, **SMALL).fit(*pairs)
    net.set_params(iterator_train__batch_size=10, iterator_valid__batch_size=7).fit(*pairs)
    assert net.history[-1, "train_batch_count"] == 4
    assert [len(part) for part in net.forward_iter(pairs[0])] == [7] * 5 + [5]


def test_early_stopping_needs_samples():
    with pytest.raises(
        ValueError, match="early_stopping needs samples to hold out: validation_fraction=0.1 of 1"
    ):
        PhaseRetrievalRegressor(early_stopping=True, **SMALL).fit(np.ones((1, 4)), np.ones((1, 2)))


@pytest.mark.parametrize("steps", [0, 2])
def test_predictions_shrink_their_batches_where_memory_is_too_small(steps, pairs, monkeypatch):
    net = PhaseRetrievalRegressor(tuning_steps=steps, batch_size=5, **SMALL).fit(*pairs)
    expected, lengths, forward = net.predict(pairs[0]), [], type(net.module_).forward

    def small(module, magnitudes):
        lengths.append(len(magnitudes))
        if len(magnitudes) > 5:
            raise torch.OutOfMemoryError("too many")
        return forward(module, magnitudes)

    monkeypatch.setattr(PhaseRetrievalRegressor, "_least_to_predict", lambda self: 16)
    monkeypatch.setattr(type(net.module_), "forward", small)
    np.testing.assert_allclose(net.predict(pairs[0]), expected, rtol=1e-4, atol=1e-5)
    assert max(lengths) == 16
    monkeypatch.setattr(type(net.module_), "forward", forward)
    assert next(iter(net.batches_to_predict(pairs[0])))[0].shape[0] == 16
