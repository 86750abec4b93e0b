"""Check of the frame against the extent of the autocorrelation."""

import numpy as np

from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._counting import counting_units

LOOKED_AT = 8  # patterns, evenly spaced
LEAST_PIXELS = 32  # pixels of a pattern; fewer prove nothing
FEWEST = 50  # photons of a pattern; fewer prove nothing
# Share of an autocorrelation's power along an axis, in lags that no object of the frame has; more
# is a larger object.
BEYOND = 0.08
NONE = 0.01  # share of the power that noise and cut spectra leave beyond the object
CHANCE = 4.0  # standard deviations of noise
ROUNDING = 1e-10  # power relative to that at lag 0
OUTER = 8  # the farthest eighth of the lags shows the level of noise


def check_extent(magnitudes, object_shape, whom):
    """Warn where objects are plainly larger than their frame.

    The inverse transform of the intensities is the autocorrelation of the object, which reaches as
    far along each axis as the object is long. Noise spreads evenly over all lags and is subtracted.
    Patterns with missing pixels are not judged, because these spread the autocorrelation.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape)
    object_shape : tuple of int, shape of the frame
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> magnitudes = np.abs(np.fft.fft(np.random.default_rng(0).random((4, 40)), n=80))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     [check_extent(magnitudes, (size,), "iterations") for size in (40, 20)]
    [False, True]
    """
    shape = tuple(magnitudes.shape[1:])
    if np.prod(shape) < LEAST_PIXELS or all(
        2 * n >= m - 1 for n, m in zip(object_shape, shape, strict=True)
    ):
        # lags reach half the grid at most: beyond, they are negative lags of the opposite side
        return False
    with usual_device():
        values = picked(magnitudes, even_rows(len(magnitudes), LOOKED_AT)).double().cpu().numpy()
    space = tuple(range(1, values.ndim))
    peaks = values.max(axis=space, keepdims=True)
    if not np.isfinite(values).all() or not (peaks > 0).all():
        return False
    intensities = np.square(values / peaks)
    # the layout changes only the sign of some lags, and not their power
    powers = np.abs(np.fft.ifftn(intensities, axes=space)) ** 2
    flat = intensities.reshape(len(values), -1)
    units, totals = counting_units(flat), flat.sum(axis=1)
    n_photons = totals / np.where(units > 0, units, totals / FEWEST)
    if np.median(n_photons) < FEWEST:
        return False
    noise = units * totals / flat.shape[1] ** 2  # power of Poisson noise at each lag
    tails = [
        _tails(powers.sum(axis=tuple({*space} - {axis})), noise, flat.shape[1] // shape[axis - 1])
        for axis in space
    ]
    beyond = [
        tail[n] if n < len(tail) else 0.0 for tail, n in zip(tails, object_shape, strict=True)
    ]
    if max(beyond) <= BEYOND:
        return False
    least = tuple(
        max(n, int((tail > NONE).sum())) for tail, n in zip(tails, object_shape, strict=True)
    )
    warn_user(
        f"the objects of the patterns passed to {whom} are larger than "
        f"object_shape={tuple(object_shape)}: their autocorrelation, the inverse transform of "
        f"X**2, extends as far as that of objects of at least {least} pixels; give object_shape "
        "at least that large"
    )
    return True


def _tails(profiles, noise, n_summed):
    """Share of an autocorrelation's power at each lag and beyond.

    Lag 0 is left out, and the median over the patterns is taken.

    Parameters
    ----------
    profiles : ndarray of shape (n_samples, n_lags)
        Powers along one axis.
    noise : ndarray of shape (n_samples,)
        Mean power that counting leaves at each lag.
    n_summed : int
        Number of powers in each sum, half of which are independent.
    """
    length = profiles.shape[1] // 2 + 1
    profiles = profiles[:, :length]
    level = np.median(profiles[:, -max(2, 2 * length // OUTER) :], axis=1, keepdims=True)
    # the power of noise is as large as its standard deviation (it is exponentially distributed), so
    # a sum of few powers is far from the level by chance
    n_free = max(1.0, n_summed / 2)
    chance = noise[:, None] * n_summed * (CHANCE / np.sqrt(n_free) + CHANCE**2 / (2 * n_free))
    above = profiles - level - chance
    above = np.where(above > ROUNDING * profiles[:, :1], above, 0.0)
    above[:, 0] = 0
    totals = np.maximum(above.sum(axis=1, keepdims=True), 1e-300)
    return np.median(above[:, ::-1].cumsum(axis=1)[:, ::-1] / totals, axis=0)
