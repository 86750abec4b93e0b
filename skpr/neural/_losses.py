"""Training losses between predicted and target objects."""

import copy
import inspect
import math
from functools import partial

import torch

from .._tensors import energy, unit_scale
from ..symmetry.core import orbit_distances

LEAST_SQUARE = 1e-12  # squared relative distance that counts as 0


class MeanSquaredError(torch.nn.Module):
    """Mean of `|prediction - target|^2` over samples and pixels.

    Examples
    --------
    >>> import torch
    >>> MeanSquaredError()(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
    tensor(1.)
    """

    def forward(self, prediction, target, sample_weight=None):
        """Compute the loss of objects of shape (n_samples, *object_shape).

        Optional weights have shape (n_samples,).
        """
        _check_pair(self, prediction, target)
        return _averaged(_square(prediction - target), sample_weight)


class RelativeSquaredError(torch.nn.Module):
    """Mean over samples of `|prediction - target|^2 / |target|^2`.

    Every object counts alike, however bright. For an empty target, the squared prediction is
    divided by the number of pixels.

    Examples
    --------
    >>> import torch
    >>> RelativeSquaredError()(torch.ones(1, 2, 2), 2 * torch.ones(1, 2, 2))
    tensor(0.2500)
    """

    def forward(self, prediction, target, sample_weight=None):
        """Compute the loss of objects of shape (n_samples, *object_shape).

        Optional weights have shape (n_samples,).
        """
        _check_pair(self, prediction, target)
        scale = unit_scale(target)  # squares must not overflow, whatever the unit
        squares = _square((prediction - target) * scale).flatten(1).sum(dim=1)
        return _averaged(squares / _norms(target * scale), sample_weight)


class RelativeDistance(torch.nn.Module):
    """Mean over samples of `|prediction - target| / |target|`.

    In contrast to its square, few samples with large errors do not dominate. For an empty target,
    the norm of the prediction is divided by the root of the number of pixels.

    Examples
    --------
    >>> import torch
    >>> RelativeDistance()(torch.ones(1, 2, 2), 2 * torch.ones(1, 2, 2))
    tensor(0.5000)
    """

    def forward(self, prediction, target, sample_weight=None):
        """Compute the loss of objects of shape (n_samples, *object_shape).

        Optional weights have shape (n_samples,).
        """
        _check_pair(self, prediction, target)
        scale = unit_scale(target)
        squares = _square((prediction - target) * scale).flatten(1).sum(dim=1)
        # the root has no gradient at 0
        distances = (squares / _norms(target * scale)).clamp_min(LEAST_SQUARE).sqrt()
        return _averaged(distances, sample_weight)


class OrbitLoss(torch.nn.Module):
    """Relative squared error, minimised over the symmetries.

    Mean over samples of `min_g |prediction - g target|^2 / |target|^2`.

    The loss does not depend on which member of its orbit is given as the target, so targets need
    not be canonical: the network is left to find a representative of its own. The loss is
    differentiable wherever the best group element is unique.

    Parameters
    ----------
    shift, flip : bool, default=True
        Symmetries to minimise over.
    phase : bool, optional
        Whether to minimise over the phase, which is the sign for real objects; by default, for
        complex objects only.
    boundary : {"zero", "circular"} or sequence of these, one for each axis, default="zero"
        Boundary of the shifts: zeros beyond the frame, or wrap-around.

    Notes
    -----
    A regressor that is given this class as its criterion sets those arguments that are not given by
    what its `fit` finds: the boundary from the shapes of magnitudes and objects, the symmetries of
    the measurement, and the sign as one of them if real objects have negative values.

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
        """Compute the loss of objects of shape (n_samples, *object_shape).

        Optional weights have shape (n_samples,).
        """
        _check_pair(self, prediction, target)
        scale = unit_scale(target)
        target, prediction = target * scale, prediction * scale
        # the targets are moved, not the predictions: the gradient is then that of a plain squared
        # error
        squares = orbit_distances(target, prediction, squared=True, **self.symmetries)
        return _averaged(squares / _norms(target), sample_weight).to(prediction.real.dtype)


def arguments_from_data(criterion, net):
    """Return the arguments of an orbit loss that follow from the data.

    Parameters
    ----------
    criterion : torch.nn.Module class or instance, or a partial of a class
    net : estimator
        Regressor that has learned the kind and the symmetries of its objects.

    Returns
    -------
    dict
        Arguments that a partial does not hold; empty for other criteria, and for instances.
    """
    known = criterion.keywords if isinstance(criterion, partial) else {}
    made = criterion.func if isinstance(criterion, partial) else criterion
    if not (isinstance(made, type) and issubclass(made, OrbitLoss)):
        return {}
    found = {} if net.is_non_negative_ else {"phase": True}
    if net.symmetries_ == "phase":
        found |= {"shift": False, "flip": False}
    else:
        found["boundary"] = net.boundary_
    named = inspect.signature(made).parameters
    return {name: value for name, value in found.items() if name in named and name not in known}


CRITERIA = {"mse": MeanSquaredError, "relative": RelativeSquaredError, "orbit": OrbitLoss}


def loss_of(criterion, prediction, target, sample_weight=None):
    """Compute the loss of a batch, with optional sample weights.

    Parameters
    ----------
    criterion : torch.nn.Module
        Loss; with weights, one that :func:`takes_weights` accepts.
    prediction, target : torch.Tensor of shape (n_samples, *object_shape)
        Predicted and true objects.
    sample_weight : torch.Tensor of shape (n_samples,), optional
        Weights of the samples, 1 on average.
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
    """Return whether a criterion can weight samples.

    Its `forward` must name `sample_weight`, or it must average as torch's losses do.
    """
    return _names_weights(criterion) or getattr(criterion, "reduction", None) == "mean"


def _names_weights(criterion):
    return "sample_weight" in inspect.signature(criterion.forward).parameters


def _averaged(values, sample_weight):
    """Average over samples, with weights that are 1 on average."""
    if sample_weight is None:
        return values.mean()
    return (values.reshape(len(values), -1).mean(dim=1) * sample_weight).mean()


def _check_pair(loss, prediction, target):
    """Refuse anything but two tensors of one shape.

    Tensors of different shapes would be broadcast silently.
    """
    if not (isinstance(prediction, torch.Tensor) and isinstance(target, torch.Tensor)):
        given = " and ".join(type(batch).__name__ for batch in (prediction, target))
        raise TypeError(
            f"{type(loss).__name__} compares tensors, but was given {given}; pass "
            "torch.as_tensor(...)"
        )
    if prediction.shape != target.shape:
        raise ValueError(
            f"{type(loss).__name__} compares batches of one shape, but the prediction has shape "
            f"{tuple(prediction.shape)} and the target {tuple(target.shape)}"
        )


def _square(x):
    return x.real.square() + x.imag.square() if x.is_complex() else x.square()


def _norms(target):
    norms = energy(target)
    return torch.where(norms > 0, norms, float(math.prod(target.shape[1:]))).to(target.real.dtype)
