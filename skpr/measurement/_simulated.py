"""Check that objects and targets of simulations agree."""

import math

import numpy as np
import torch

from .._arrays import as_batch
from .._tensors import space_axes, to_tensor, usual_device
from .._validation import warn_user

N_LOOKED_AT, LEAST_SAMPLES = 16, 4  # samples, evenly spaced; fewer prove nothing
LARGEST = 1 << 20  # pixels that a check may cost, or one sample
ROUNDING = 1e-5  # largest relative difference of equal values
OTHER_PART = 0.03  # relative difference of magnitudes of objects and of their moduli or real parts
# Relative difference of magnitudes of different objects. It is smaller for the same object with as
# much noise as signal, blurred, cut at a threshold or rescaled.
OTHER = 0.7


def check_simulated(X, y, symmetries="fourier"):
    """Warn if simulated patterns are not those of the targets.

    Magnitudes `|F X|` and `|F y|` are compared, which do not change under the symmetries; scale and
    background level are ignored. Objects that are the moduli, the phases or the real parts of their
    targets are recognised by their values, and even if they differ less.

    Parameters
    ----------
    X : batch of shape (n_samples, *object_shape), objects whose magnitudes are simulated
    y : object
        Targets; anything but a batch of the same shape is ignored.
    symmetries : {"fourier", "phase"}, default="fourier"
        Symmetries of the simulated measurement: shift, flip and phase, or the phase alone.

    Examples
    --------
    >>> import warnings
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random((8, 16)) * np.exp(6j * rng.random((8, 16)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_simulated(np.roll(y, 3, axis=1), y)
    ...     check_simulated(np.abs(y), y)
    >>> len(caught), "X holds the moduli of y" in str(caught[0].message)
    (1, True)
    """
    if X is y:
        return
    try:
        y = as_batch(y, name="y")
    except (TypeError, ValueError):  # no batch at all
        return
    if tuple(X.shape) != tuple(y.shape) or len(X) < LEAST_SAMPLES:
        return
    n_rows = min(N_LOOKED_AT, max(LEAST_SAMPLES, LARGEST // math.prod(X.shape[1:])))
    rows = np.unique(np.linspace(0, len(X) - 1, n_rows).astype(int))
    with usual_device():
        objects, targets = _some(X, rows), _some(y, rows)
        if torch.equal(objects, targets) or not (
            objects.isfinite().all() and targets.isfinite().all()
        ):
            return
        change = float(_changes(objects, targets, symmetries).median())
        if change > OTHER_PART:  # a constant background does not make another object
            level = [
                batch - batch.mean(dim=space_axes(batch), keepdim=True)
                for batch in (objects, targets)
            ]
            change = min(change, float(_changes(*level, symmetries).median()))
        of = next((f"{name} of {whole}" for name, whole in _parts(objects, targets)), None)
    if of is not None and change > OTHER_PART:
        what = f"{'X' if of.endswith('y') else 'y'} holds the {of}, which are other objects"
    elif change > OTHER:
        what = "X and y are plainly not the same objects"
    else:
        return
    warn_user(
        f"{what}: beyond the symmetries, they differ by {change:.0%}. Magnitudes are simulated "
        "from X, and y is learned as the objects they belong to: call fit(objects, objects), or "
        "give a transformer of targets to SymmetryBreakingRegressor"
    )


def _parts(objects, targets):
    """Yield names of the part of one batch that the other holds."""
    for part, whole, name in ((objects, targets, "y"), (targets, objects, "X")):
        if whole.is_complex():
            for meaning, made in (
                ("moduli", whole.abs()),
                ("phases", whole.angle()),
                ("real parts", whole.real),
            ):
                if (part - made).abs().max() <= ROUNDING * whole.abs().max():
                    yield meaning, name


def _changes(objects, targets, symmetries):
    """Relative differences, modulo symmetries and scale."""
    first, second = (batch / _peaks(batch) for batch in (objects, targets))
    if symmetries == "fourier":
        first, second = (
            torch.fft.fftn(batch, dim=space_axes(batch)).abs() for batch in (first, second)
        )
    first, second = first.flatten(1), second.flatten(1)
    powers = first.norm(dim=1), second.norm(dim=1)
    wide = torch.promote_types(first.dtype, second.dtype)
    likeness = (first.to(wide) * second.to(wide).conj()).sum(dim=1).abs()
    norms = powers[0] * powers[1]
    # min over scales s of |b - s a| / |b| is the sine of the angle between a and b
    cosines = likeness / torch.where(norms > 0, norms, 1.0)
    return (
        (1 - cosines.square()).clamp_min(0).sqrt()[norms > 0].cpu()
        if (norms > 0).any()
        else torch.zeros(1)
    )


def _peaks(batch):
    peaks = batch.abs().flatten(1).amax(dim=1)
    return torch.where(peaks > 0, peaks, 1.0).view([-1] + [1] * (batch.ndim - 1))


def _some(batch, rows):
    some = (
        to_tensor(batch[torch.from_numpy(rows)] if isinstance(batch, torch.Tensor) else batch[rows])
        .detach()
        .cpu()
    )
    return some.to(torch.complex128 if some.is_complex() else torch.float64)
