"""Order and mirror symmetry of the slices of a batch."""

import numpy as np
import torch

from ._lazy import LazyBatch

SYMMETRIC = 0.95  # smallest correlation of a symmetric pattern with its mirror image
WINDOW = 65  # number of pixels along each axis in a comparison with the mirror image
# Change from slice to slice, relative to that between any two slices: range for unrelated slices,
# largest value for related ones.
UNRELATED, RELATED = (0.7, 1.35), 0.5
# Patterns of a thin volume: range of the brightest slice beside zero frequency, relative to that at
# zero frequency, and largest relative difference of the two slices next to it. (Three equal slices
# of a volume leave all other slices of the pattern dark.)
AT_ZERO, OPPOSITE = (1e-4, 0.9), 0.05
LEAST_SLICES = 6  # smallest number of slices that allows a judgement
LIT = 0.1  # smallest energy of the first and the last slice relative to the median
N_NEAR = 24, 12  # number of pixels along each axis, in 3-D and 4-D arrays, to compare slices in


def is_in_no_order(batch, axis, others):
    """Return whether slices along an axis are unrelated, like samples.

    Neighbours along the other axes must be alike.
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
        return False  # patterns whose axes are in the right order
    window = tuple(
        slice(None) if a == axis else middle_of(n, side) for a, n in enumerate(batch.shape)
    )
    powers = np.abs(in_unit(on_host(batch[window]))) ** 2
    profile = powers.mean(axis=tuple(a for a in range(batch.ndim) if a != axis))
    return bool(min(profile[0], profile[-1]) > LIT * np.median(profile))


def _disorder(values, axis):
    """Compute the relative mean square change from slice to slice.

    It is relative to that between any two slices, and about 1 for slices in no order.
    """
    n = values.shape[axis]
    variance = (
        n / max(n - 1, 1) * (np.abs(values - values.mean(axis=axis, keepdims=True)) ** 2).mean()
    )
    steps = (np.abs(np.diff(values, axis=axis)) ** 2).mean() if n > 1 else 0.0
    return float(steps / (2 * variance)) if variance > 0 else 0.0


def are_patterns_of_slabs(batch, axis):
    """Return whether samples are patterns of thin volumes.

    Such patterns are symmetric, and brightest at zero frequency along the thin axis.
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
    # the slices on both sides of zero frequency
    is_alike = abs(slices[1] - slices[-1]) < OPPOSITE * slices[1]
    if (
        zero not in (0, len(slices) // 2)
        or not is_alike
        or not AT_ZERO[0] < slices[1:].max() < AT_ZERO[1]
    ):
        return False
    return mirror_correlation(values, (1, 2, 3)) > SYMMETRIC


def mirror_correlation(values, axes):
    """Compute the correlation of values with their mirror image.

    The image is mirrored through zero frequency along `axes`. Zero frequency may be at index 0 or
    in the middle; the layout with the larger correlation counts. The correlation is 1 for the
    pattern of a real object along all of its axes.

    Parameters
    ----------
    values : ndarray
        Real values; NaN at missing pixels.
    axes : tuple of int

    Returns
    -------
    float
        Correlation; 0 if the values are constant.
    """
    best = 0.0
    for middle in (0, 1):
        image = np.flip(values, axes)
        # even axes are mirrored in the same way in both layouts
        turns = [1 - middle * (values.shape[axis] % 2) for axis in axes]
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
    """Scale values to a maximum of 1, in double precision.

    The result is None if all values are zero, or if they are too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # moduli of complex values may overflow
        scale = np.nanmax(np.abs(values), initial=0)
    if not 0 < scale < np.inf:
        return None
    return values.astype(np.complex128 if np.iscomplexobj(values) else np.float64) / float(scale)


def on_host(batch):
    return batch.detach().cpu().numpy() if isinstance(batch, torch.Tensor) else batch
