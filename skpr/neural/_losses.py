"""Training losses between predicted and target objects, real or complex."""

import copy
import inspect
import math

import torch

from .._tensors import energy, unit_scale
from ..symmetry.core import orbit_distances


class MeanSquaredError(torch.nn.Module):
    """Mean of `|prediction - target|^2` over samples and pixels.

    Examples
    --------
    >>> import torch
    >>> MeanSquaredError()(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
    tensor(1.)
    """

    def forward(self, prediction, target, sample_weight=None):
        """Loss of objects (n_samples, *object_shape), weights (n_samples,)."""
        _check_pair(self, prediction, target)
        return _averaged(_square(prediction - target), sample_weight)


class RelativeSquaredError(torch.nn.Module):
    """Mean over samples of `|prediction - target|^2 / |target|^2`.

    Every object counts alike, however bright; an empty one counts by its own square.

    Examples
    --------
    >>> import torch
    >>> RelativeSquaredError()(torch.ones(1, 2, 2), 2 * torch.ones(1, 2, 2))
    tensor(0.2500)
    """

    def forward(self, prediction, target, sample_weight=None):
        """Loss of objects (n_samples, *object_shape), weights (n_samples,)."""
        _check_pair(self, prediction, target)
        scale = unit_scale(target)  # squares of any unit
        squares = _square((prediction - target) * scale).flatten(1).sum(dim=1)
        return _averaged(squares / _norms(target * scale), sample_weight)


class OrbitLoss(torch.nn.Module):
    """Relative squared error, minimised over the symmetries of the target.

    Mean over samples of `min_g |prediction - g target|^2 / |target|^2`.

    Invariant to which member of the target's orbit is given, so it needs no canonical targets; it
    leaves the network to find a representative of its own. Differentiable wherever the best element
    is unique.

    Parameters
    ----------
    shift, flip : bool, default=True
        Symmetries to minimise over.
    phase : bool, optional
        Whether to minimise over the phase; by default for complex objects.
    boundary : {"zero", "circular"}, default="zero"

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[0.0, 1.0, 2.0, 0.0]])
    >>> OrbitLoss()(x.flip(1), x)
    tensor(0.)
    """

    def __init__(self, shift=True, flip=True, phase=None, boundary="zero"):
        super().__init__()
        self.symmetries = {"shift": shift, "flip": flip, "phase": phase, "boundary": boundary}

    def forward(self, prediction, target, sample_weight=None):
        """Loss of objects (n_samples, *object_shape), weights (n_samples,)."""
        _check_pair(self, prediction, target)
        scale = unit_scale(target)
        target, prediction = target * scale, prediction * scale
        # the targets move, not the predictions: the gradient then is that of a plain squared error
        squares = orbit_distances(target, prediction, squared=True, **self.symmetries)
        return _averaged(squares / _norms(target), sample_weight).to(prediction.real.dtype)


CRITERIA = {"mse": MeanSquaredError, "relative": RelativeSquaredError, "orbit": OrbitLoss}


def loss_of(criterion, prediction, target, sample_weight=None):
    """A criterion's loss of a batch, each sample with its weight.

    Parameters
    ----------
    criterion : torch.nn.Module
        One that :func:`takes_weights`, where there are weights.
    prediction, target : torch.Tensor of shape (n_samples, *object_shape)
    sample_weight : torch.Tensor of shape (n_samples,), optional
    """
    if sample_weight is None:
        return criterion(prediction, target)
    sample_weight = sample_weight.to(prediction.device, prediction.real.dtype)
    if _names_weights(criterion):
        return criterion(prediction, target, sample_weight=sample_weight)
    each = copy.copy(criterion)
    each.reduction = "none"
    return _averaged(each(prediction, target), sample_weight)


def takes_weights(criterion):
    """Whether a criterion can weight samples.

    Its `forward` names `sample_weight`, or it averages as torch's losses do.
    """
    return _names_weights(criterion) or getattr(criterion, "reduction", None) == "mean"


def _names_weights(criterion):
    return "sample_weight" in inspect.signature(criterion.forward).parameters


def _averaged(values, sample_weight):
    """Mean over samples, with weights that are 1 on average."""
    if sample_weight is None:
        return values.mean()
    return (values.reshape(len(values), -1).mean(dim=1) * sample_weight).mean()


def _check_pair(loss, prediction, target):
    """Refuse what is no pair of batches of tensors: shapes that differ would be broadcast."""
    if not (isinstance(prediction, torch.Tensor) and isinstance(target, torch.Tensor)):
        given = " and ".join(type(batch).__name__ for batch in (prediction, target))
        raise TypeError(
            f"{type(loss).__name__} compares tensors, but was given {given}; pass "
            f"torch.as_tensor(...)"
        )
    if prediction.shape != target.shape:
        raise ValueError(
            f"{type(loss).__name__} compares batches of one shape, but the prediction has "
            f"{tuple(prediction.shape)} "
            f"and the target {tuple(target.shape)}"
        )


def _square(x):
    return x.real.square() + x.imag.square() if x.is_complex() else x.square()


def _norms(target):
    norms = energy(target)
    return torch.where(norms > 0, norms, float(math.prod(target.shape[1:]))).to(target.real.dtype)
