"""Slices of batches along their axes: in an order or none, and mirror images."""

import numpy as np
import torch

from ._lazy import LazyBatch

SYMMETRIC = 0.95  # correlation with the mirror image
WINDOW = 65  # pixels along each axis that a comparison with the mirror image looks at
UNRELATED, RELATED = (0.7, 1.35), 0.5  # change from slice to slice relative to that of any two
AT_ZERO, OPPOSITE = (
    (1e-4, 0.9),
    0.05,
)  # other slices of a pattern along a thin axis; those of three equal ones are dark
LEAST_SLICES, LIT = (
    6,
    0.1,
)  # slices, and energy of the first and the last relative to the median one
N_NEAR = 24, 12  # pixels along each axis, of three and of four, in which slices are compared


def is_in_no_order(batch, axis, others):
    """Whether slices along an axis of space are unrelated, as samples are, and neighbours along
    other axes alike.
    """
    n_slices = batch.shape[axis]
    if n_slices < LEAST_SLICES:
        return False
    side = N_NEAR[batch.ndim - 3]
    values = in_unit(on_host(batch[tuple(middle_of(n, side) for n in batch.shape)]))
    if values is None or not np.isfinite(values).all():
        return False
    if not UNRELATED[0] < _disorder(values, axis) < UNRELATED[1]:
        return False
    if any(_disorder(values, other) > RELATED for other in others):
        return False
    if (
        not np.iscomplexobj(values)
        and mirror_correlation(values, tuple(range(1, batch.ndim))) > SYMMETRIC
    ):
        return False  # patterns, as they lie
    window = tuple(
        slice(None) if a == axis else middle_of(n, side) for a, n in enumerate(batch.shape)
    )
    powers = np.abs(in_unit(on_host(batch[window]))) ** 2
    profile = powers.mean(axis=tuple(a for a in range(batch.ndim) if a != axis))
    return bool(min(profile[0], profile[-1]) > LIT * np.median(profile))


def _disorder(values, axis):
    """Mean square change from slice to slice relative to that of any two: about 1 for slices in no
    order.
    """
    n = values.shape[axis]
    variance = (
        n / max(n - 1, 1) * (np.abs(values - values.mean(axis=axis, keepdims=True)) ** 2).mean()
    )
    steps = (np.abs(np.diff(values, axis=axis)) ** 2).mean() if n > 1 else 0.0
    return float(steps / (2 * variance)) if variance > 0 else 0.0


def are_patterns_of_slabs(batch, axis):
    """Whether samples are patterns of thin volumes: symmetric, and brightest at zero frequency
    along the thin axis.
    """
    if isinstance(batch, LazyBatch) or batch.shape[axis] == 1:
        return False
    values = on_host(batch[:4])
    if np.iscomplexobj(values) or np.nanmin(values, initial=0) < 0:
        return False
    values = in_unit(values)
    if values is None:
        return False
    slices = np.moveaxis(np.nan_to_num(values), axis, 0).reshape(values.shape[axis], -1)
    slices = np.linalg.norm(slices, axis=1)
    zero = int(slices.argmax())
    slices = np.roll(slices, -zero) / slices[zero]
    is_alike = abs(slices[1] - slices[-1]) < OPPOSITE * slices[1]  # on both sides of zero frequency
    if (
        zero not in (0, len(slices) // 2)
        or not is_alike
        or not AT_ZERO[0] < slices[1:].max() < AT_ZERO[1]
    ):
        return False
    return mirror_correlation(values, (1, 2, 3)) > SYMMETRIC


def mirror_correlation(values, axes):
    """Correlation of values with their mirror image through zero frequency along some axes, in the
    better layout.

    It is 1 for the pattern of real objects along all of its axes. Zero frequency is at index 0 or
    in the middle.

    Parameters
    ----------
    values : ndarray
        Real; NaN where unmeasured.
    axes : tuple of int

    Returns
    -------
    float
        0 where the values are constant.
    """
    best = 0.0
    for middle in (0, 1):
        image = np.flip(values, axes)
        turns = [
            1 - middle * (values.shape[axis] % 2) for axis in axes
        ]  # even axes are mirrored alike in both layouts
        image = np.roll(image, turns, axes)
        both = np.isfinite(values) & np.isfinite(image)
        first, second = values[both], image[both]
        if not len(first):
            continue
        first, second = first - first.mean(), second - second.mean()
        norm = np.linalg.norm(first) * np.linalg.norm(second)
        best = max(best, float(first @ second / norm)) if norm > 0 else best
    return best


def middle_of(n, length=WINDOW):
    return slice(None) if n <= length else slice(n // 2 - length // 2, n // 2 + (length + 1) // 2)


def in_unit(values):
    """Values in double precision, the largest of them 1; None for those that are all zero, or too
    large.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of complex values
        scale = np.nanmax(np.abs(values), initial=0)
    if not 0 < scale < np.inf:
        return None
    return values.astype(np.complex128 if np.iscomplexobj(values) else np.float64) / float(scale)


def on_host(batch):
    return batch.detach().cpu().numpy() if isinstance(batch, torch.Tensor) else batch
