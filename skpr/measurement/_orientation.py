"""The check of the axes of training pairs: objects must lie as they did when their magnitudes were measured."""

import itertools
import math

import torch

from .._layout import is_nested
from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._grid import Grid, fits
from ._transform import to_fft_order

N_LOOKED_AT, LEAST_PAIRS = 16, 4  # pairs, at even distances; fewer prove nothing
LEAST_PIXELS = 32  # of a pattern
LEAST_VALUES = 256  # of all of them
LARGEST = 1 << 20  # Fourier pixels that a check may cost, or one pattern
LIKENESS = 0.7  # correlation of patterns with those of turned objects; less, and nothing can be said
LEFT = 0.7  # of what the correlation of objects as they lie lacks to 1, where they are plainly turned
LEAST_GAIN = 0.01
MOST = 0.8  # of the pairs
CERTAIN = 3.0  # standard errors of the gain


def check_orientation(magnitudes, objects, whom):
    """Warn where objects plainly lie otherwise than when their magnitudes were measured: transposed, or mirrored.

    The magnitudes of some pairs are compared with `|F y|` of the objects as they lie, and of those with axes swapped
    and mirrored. Axes of one length only can be swapped.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
        With two or three axes; for others nothing can be wrong.
    whom : str
        Name of the estimator, for the message.

    Warns
    -----
    UserWarning

    Examples
    --------
    >>> import warnings, numpy as np
    >>> y = np.random.default_rng(0).random((8, 16, 16))
    >>> X = np.abs(np.fft.fft2(y, (32, 32)))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_orientation(X, y, "a network")
    ...     check_orientation(X, y.transpose(0, 2, 1), "a network")
    >>> len(caught), "np.transpose(y, (0, 2, 1))" in str(caught[0].message)
    (1, True)
    """
    if is_nested(2):  # the estimator around this one has looked
        return
    object_shape, fourier_shape = tuple(objects.shape[1:]), tuple(magnitudes.shape[1:])
    n_pixels = math.prod(fourier_shape)
    if len(object_shape) < 2 or not fits(object_shape, fourier_shape) or n_pixels < LEAST_PIXELS:
        return
    n_rows = min(N_LOOKED_AT, max(LEAST_PAIRS, LARGEST // n_pixels))
    rows = even_rows(len(magnitudes), n_rows)
    if len(rows) < LEAST_PAIRS or len(rows) * n_pixels < LEAST_VALUES:
        return
    with usual_device():
        measured, made = picked(magnitudes, rows).double(), picked(objects, rows)
        if measured.isinf().any() or (measured < 0).any():
            return
        made = made.to(torch.complex128 if made.is_complex() else torch.float64)
        found = _correlations(*(_in_units(batch) for batch in (measured, made)), object_shape, fourier_shape)
    as_they_lie = found.pop(None)
    turned, best = max(found.items(), key=lambda item: float(item[1].mean()), default=(None, as_they_lie))
    if turned is None or not _is_plain(best, as_they_lie):
        return
    warn_user(
        f"X and y passed to {whom} plainly lie otherwise: |F y| resembles X more (correlation {float(best.mean()):.2f} "
        f"instead of {float(as_they_lie.mean()):.2f}) once the axes of the objects are turned; give "
        f"{_expression(*turned)} in place of y"
    )


def _is_plain(best, as_they_lie):
    gain = best - as_they_lie
    error = float(gain.std()) / math.sqrt(len(gain))
    return (
        float(best.mean()) > LIKENESS
        and float(1 - best.mean()) < LEFT * float(1 - as_they_lie.mean())
        and float(gain.mean()) > max(LEAST_GAIN, CERTAIN * error)
        and float((gain > 0).double().mean()) >= MOST
    )


def _correlations(measured, made, object_shape, fourier_shape):
    """Correlation of each pattern with that of its object, by what is done to the axes; None for nothing."""
    computed = Grid(object_shape, fourier_shape, centered=False).magnitudes(made).to(measured.device)
    n_axes = len(object_shape)
    # the better layout is that in which patterns are nearer to those of the objects however these lie
    layouts = [measured, to_fft_order(measured)]
    near = [float((layout.nan_to_num(0.0).mean(0) * computed.mean(0)).sum()) for layout in layouts]
    measured = layouts[int(near[1] > near[0])]
    known = ~measured.isnan()
    measured = measured.nan_to_num(0.0)
    sizes = list(zip(object_shape, fourier_shape, strict=True))
    # a real object and its mirror image along all axes have one pattern
    mirrors = itertools.product(*[(False, True)] * (n_axes if made.is_complex() else n_axes - 1))
    mirrors = [tuple(a + n_axes - len(mirror) for a, is_turned in enumerate(mirror) if is_turned) for mirror in mirrors]
    found = {}
    for order in itertools.permutations(range(n_axes)):
        if [sizes[axis] for axis in order] != sizes:
            continue
        swapped = computed.permute(0, *[1 + axis for axis in order])
        for axes in mirrors:
            turned = swapped
            for axis in axes:
                turned = turned.flip(1 + axis).roll(1, 1 + axis)
            plain = order == tuple(range(n_axes)) and not axes
            found[None if plain else (order, axes)] = _correlation(measured, turned, known)
    return found


def _correlation(first, second, known):
    first, second, known = (batch.flatten(1) for batch in (first, second, known.to(first.dtype)))
    count = known.sum(dim=1, keepdim=True).clamp_min(1)
    first, second = ((batch - (batch * known).sum(dim=1, keepdim=True) / count) * known for batch in (first, second))
    norms = first.norm(dim=1) * second.norm(dim=1)
    return ((first * second).sum(dim=1) / torch.where(norms > 0, norms, 1.0)).cpu()


def _expression(order, axes):
    plain = order == tuple(range(len(order)))
    text = "y" if plain else f"np.transpose(y, {(0, *[1 + axis for axis in order])})"
    return f"np.flip({text}, {tuple(1 + axis for axis in axes)})" if axes else text


def _in_units(batch):
    peaks = batch.abs().nan_to_num(0.0).flatten(1).amax(dim=1)
    return batch / torch.where(peaks > 0, peaks, 1.0).view([-1] + [1] * (batch.ndim - 1))
