"""Training losses between predicted and target objects, real or complex."""

import math

import torch

from ..symmetry import energy, orbit_distance


class MeanSquaredError(torch.nn.Module):
    """Mean of `|prediction - target|^2` over samples and pixels.

    Examples
    --------
    >>> MeanSquaredError()(torch.zeros(1, 2, 2), torch.ones(1, 2, 2))
    tensor(1.)
    """

    def forward(self, prediction, target):
        """Loss of a batch of shape (n_samples, *object_shape)."""
        return _square(prediction - target).mean()


class RelativeSquaredError(torch.nn.Module):
    """Mean over samples of `|prediction - target|^2 / |target|^2`.

    Every object counts alike, however bright; an empty one counts by its own square.

    Examples
    --------
    >>> RelativeSquaredError()(torch.ones(1, 2, 2), 2 * torch.ones(1, 2, 2))
    tensor(0.2500)
    """

    def forward(self, prediction, target):
        """Loss of a batch of shape (n_samples, *object_shape)."""
        squares = _square(prediction - target).flatten(1).sum(dim=1)
        return (squares / _norms(target)).mean()


class OrbitLoss(torch.nn.Module):
    """Mean over samples of `min_g |prediction - g target|^2 / |target|^2` over the symmetries.

    Invariant to which member of the target's orbit is given, so it needs no canonical targets; it leaves the network
    to find a representative of its own. Differentiable wherever the best element is unique.

    Parameters
    ----------
    shift, flip : bool, default=True
        Symmetries to minimise over.
    phase : bool, optional
        Whether to minimise over the phase; by default for complex objects.
    boundary : {"zero", "circular"}, default="zero"

    Examples
    --------
    >>> x = torch.tensor([[0.0, 1.0, 2.0, 0.0]])
    >>> OrbitLoss()(x.flip(1), x)
    tensor(0.)
    """

    def __init__(self, shift=True, flip=True, phase=None, boundary="zero"):
        super().__init__()
        self.symmetries = {"shift": shift, "flip": flip, "phase": phase, "boundary": boundary}

    def forward(self, prediction, target):
        """Loss of a batch of shape (n_samples, *object_shape)."""
        # the targets move, not the predictions: the gradient then is that of a plain squared error
        squares = orbit_distance(target, prediction, squared=True, **self.symmetries)
        return (squares / _norms(target)).mean().to(prediction.real.dtype)


CRITERIA = {"mse": MeanSquaredError, "relative": RelativeSquaredError, "orbit": OrbitLoss}


def _square(x):
    return x.real.square() + x.imag.square() if x.is_complex() else x.square()


def _norms(target):
    norms = energy(target)
    return torch.where(norms > 0, norms, float(math.prod(target.shape[1:]))).to(target.real.dtype)
