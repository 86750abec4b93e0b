"""Checks of the brightest pixels of patterns."""

import math

import numpy as np

from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._centring import neighbour_correlations
from ._counting import counting_units
from ._friedel import ASYMMETRY, CORRELATION, friedel_asymmetries
from ._sampling import looked_at

LOOKED_AT = 16  # patterns, evenly spaced
LEAST_SIDE, LEAST_PIXELS = 8, 64  # shortest axis and pixels of a pattern; fewer prove nothing
LEAST_COUNTS = 100.0  # counts of the brightest pixel; smaller counts are equal by chance
WITHIN = 0.25  # fraction of the grid on either side of zero frequency
DARKER, OTHERS = 0.5, 3  # brightness at zero frequency relative to the third-brightest other pixel
MOST = 0.75  # fraction of the patterns


def check_plateaus(magnitudes, centered, whom):
    """Warn where the brightest pixels look saturated.

    A whole neighbourhood near zero frequency must have one value, and no other pixel may have it:
    patterns of narrow objects are constant along a whole axis, and small counts are equal by
    chance.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    centered : bool, whether zero frequency is in the middle
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> objects = np.add.outer(np.arange(1, 4), np.hanning(8) * np.hanning(8)[:, None])
    >>> magnitudes = np.abs(np.fft.fft2(objects, (24, 24)))
    >>> cut = np.minimum(magnitudes, 0.5 * magnitudes.min(axis=0).max())
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     [check_plateaus(X, False, "iterations") for X in (magnitudes, cut)]
    [False, True]
    """
    shape = tuple(magnitudes.shape[1:])
    if min(shape) < LEAST_SIDE or len(shape) < 2:
        return False
    values = _some(magnitudes)
    peaks = np.fmax.reduce(values, axis=1, initial=0.0)
    tied = (values == peaks[:, None]) & (peaks > 0)[:, None]
    numbers = tied.sum(axis=1)
    near = _is_near(shape, centered)
    found = [
        row
        for row in np.flatnonzero(numbers > 2 * len(shape))
        if not (tied[row] & ~near).any()
        and _is_thick(tied[row].reshape(shape))
        and not _are_few(values[row])
    ]
    if not found:
        return False
    warn_user(
        f"the {numbers[found[0]]} brightest pixels of a pattern passed to {whom} all have the "
        f"value {peaks[found[0]]:.6g}, as saturated pixels have: set these to NaN (unmeasured)"
    )
    return True


def check_centre(magnitudes, centered, whom):
    """Warn if patterns are implausibly dark at zero frequency.

    At zero frequency the light of all pixels of a non-negative object is in phase. Patterns of
    objects whose mean was subtracted are dark there. Only patterns that are symmetric, as those of
    real objects are, and not noise are judged.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
        Magnitudes of objects that are supposed to be non-negative.
    centered : bool, whether zero frequency is in the middle
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> objects = np.add.outer(np.arange(4), np.hanning(12) * np.hanning(12)[:, None])
    >>> less = objects - objects.mean(axis=(1, 2), keepdims=True) + 0.01
    >>> patterns = [np.abs(np.fft.fft2(batch, (24, 24))) for batch in (objects, less)]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     [check_centre(X, False, "iterations") for X in patterns]
    [False, True]
    """
    shape = tuple(magnitudes.shape[1:])
    if math.prod(shape) < LEAST_PIXELS:
        return False
    values = _some(magnitudes)
    zero = int(np.ravel_multi_index([m // 2 if centered else 0 for m in shape], shape))
    others = np.sort(np.nan_to_num(np.delete(values, zero, axis=1), nan=0.0), axis=1)[:, -OTHERS]
    known = ~np.isnan(values[:, zero]) & (others > 0)
    values, at_zero, others = values[known], values[known, zero], others[known]
    if (
        not len(values)
        or not (at_zero < DARKER * others).mean() > MOST
        or any(map(_are_few, values))
    ):
        return False
    if friedel_asymmetries(values.reshape(-1, *shape), centered)[0].mean() > ASYMMETRY:
        return False
    if min(neighbour_correlations(looked_at(magnitudes), centered)) < CORRELATION:
        return False
    warn_user(
        f"patterns passed to {whom} are darker at zero frequency than elsewhere (by a factor of "
        f"{float(np.median(at_zero / others)):.2g}), as those of non-negative objects are not: "
        "pass constraints='real' if the objects have negative values, for instance because their "
        "mean was subtracted, or set pixels that are too dark to NaN (unmeasured)"
    )
    return True


def _some(magnitudes):
    with usual_device():
        values = picked(magnitudes, even_rows(len(magnitudes), LOOKED_AT)).cpu().numpy()
    return values.reshape(len(values), -1)


def _are_few(pattern):
    """Whether the brightest pixels hold too few photons."""
    peak = float(np.nanmax(pattern))
    if not 1e-100 < peak < 1e100:
        return False
    unit = counting_units(np.square(pattern.astype(np.float64))[None])[0]
    return bool(unit > 0 and peak**2 < LEAST_COUNTS * unit)


def _is_near(shape, centered):
    near = np.ones(shape, dtype=bool)
    for axis, size in enumerate(shape):
        steps = np.abs(np.arange(size) - (size // 2 if centered else 0))
        inside = np.minimum(steps, size - steps) < WITHIN * size
        near &= inside.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return near.ravel()


def _is_thick(tied):
    """Whether some pixel equals all its neighbours."""
    inner = tied
    for axis in range(tied.ndim):
        inner = inner & np.roll(tied, 1, axis) & np.roll(tied, -1, axis)
    return bool(inner.any())
