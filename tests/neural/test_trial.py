"""Trial runs of a user's module and loss."""

import numpy as np
import pytest
import torch
from torch import nn

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from tests.conftest import random_objects

SMALL = {"max_epochs": 1, "device": "cpu", "random_state": 0}


class Net(nn.Module):
    """Network whose output is spoilt by a given function."""

    def __init__(
        self,
        fourier_shape,
        object_shape,
        n_channels,
        normalized=False,
        spoil=None,
        first_pixels=None,
    ):
        super().__init__()
        self.shape, self.spoil, self.first_pixels = (n_channels, *object_shape), spoil, first_pixels
        n_features = int(np.prod(fourier_shape))
        norm = nn.BatchNorm1d(6) if normalized else nn.Identity()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 6), norm, nn.Linear(6, int(np.prod(self.shape)))
        )
        self.n_steps = 0

    def forward(self, features):
        self.n_steps += 1
        images = self.layers(features.flatten(1)[:, : self.first_pixels]).unflatten(1, self.shape)
        return images if self.spoil is None else self.spoil(images)


def in_complex(images):
    return images.to(torch.complex64)


def channels_last(images):
    return images.movedim(1, -1)


def transposed(images):
    return images.transpose(-1, -2)


def cropped(images):
    return images[..., 1:]


def several(images):
    return [images]


class Several(nn.Module):
    def forward(self, prediction, target):
        return prediction.mean(), target.mean()


def several_losses():
    return Several()


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((7, 6), "float32", n_samples=17)
    return FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            channels_last,
            r"Net returned \(2, 7, 6, 1\) for a batch; it must return a tensor of shape",
        ),
        (transposed, r"Net returned \(2, 1, 6, 7\) for a batch"),
        (cropped, r"Net returned \(2, 1, 7, 5\) for a batch"),
        (several, "Net returned list for a batch"),
        (in_complex, "Net returned complex images for real objects"),
    ],
)
def test_images_of_another_shape_or_kind_are_refused(spoil, message, pairs):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(Net, module__spoil=spoil, **SMALL).fit(*pairs)


def test_a_module_that_fails_is_named_with_what_it_was_given(pairs):
    with pytest.raises(
        ValueError, match=r"Net fails on magnitudes of shape \(2, 14, 12\): mat1 and mat2 shapes"
    ):
        PhaseRetrievalRegressor(Net, module__first_pixels=5, **SMALL).fit(*pairs)


def test_a_last_batch_of_one_that_cannot_be_trained_on_is_named_with_the_way_out(pairs):
    net = PhaseRetrievalRegressor(Net, module__normalized=True, batch_size=8, **SMALL)
    with pytest.raises(
        ValueError,
        match="batch_size=8 leaves a batch of one of 17 samples.*; give batch_size=9, or",
    ):
        net.fit(*pairs)
    assert np.isfinite(net.set_params(batch_size=9).fit(*pairs).predict(pairs[0])).all()
    assert net.set_params(batch_size=8, iterator_train__drop_last=True).fit(*pairs)
    assert PhaseRetrievalRegressor(Net, batch_size=8, **SMALL).fit(*pairs)


@pytest.mark.parametrize(
    ("n_samples", "batch_size", "message"),
    [
        (1, 8, "the training set is a single sample, on which Net .*; give two or more$"),
        (13, 1, "batch_size=1 leaves a batch of one of 13 samples.*; give batch_size=5$"),
        (13, 2, "batch_size=2 leaves a batch of one of 13 samples.*; give batch_size=5, or"),
    ],
)
def test_the_way_out_of_a_batch_of_one_is_one(pairs, n_samples, batch_size, message):
    net = PhaseRetrievalRegressor(Net, module__normalized=True, batch_size=batch_size, **SMALL)
    with pytest.raises(ValueError, match=message):
        net.fit(*(part[:n_samples] for part in pairs))


@pytest.mark.parametrize(
    ("criterion", "parameters", "message"),
    [
        (
            nn.MSELoss,
            {"criterion__reduction": "none"},
            r"MSELoss returned a tensor of shape \(2, 7, 6\); it must return",
        ),
        (nn.CTCLoss, {}, r"criterion CTCLoss fails on objects of shape \(2, 7, 6\)"),
        (several_losses, {}, "criterion Several returned tuple; it must return one number"),
    ],
)
def test_a_criterion_that_does_not_return_one_number_is_refused(
    criterion, parameters, message, pairs
):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(Net, criterion=criterion, **parameters, **SMALL).fit(*pairs)


def test_training_without_a_batch_is_refused(pairs):
    net = PhaseRetrievalRegressor(Net, batch_size=18, iterator_train__drop_last=True, **SMALL)
    with pytest.raises(
        ValueError,
        match="drop_last=True leaves no batch of 18 of 17 samples; give a smaller batch_size",
    ):
        net.fit(*pairs)
    assert net.set_params(batch_size=17).fit(*pairs).history[-1, "train_batch_count"] == 1


def test_the_trial_leaves_the_network_and_the_generators_alone(pairs):
    class Counting(PhaseRetrievalRegressor):
        def train_step(self, batch, **fit_params):
            self.__dict__.setdefault("seen", []).append(
                (self.module_.network.n_steps, torch.rand(1).item())
            )
            return super().train_step(batch, **fit_params)

    net = Counting(Net, batch_size=9, **SMALL).fit(*pairs)
    assert [n_steps for n_steps, _ in net.seen] == [0, 1]
    untried = Counting(Net, module__spoil=copied, batch_size=9, **SMALL).fit(*pairs)
    assert untried.seen == net.seen


def copied(images):
    return images.clone()
