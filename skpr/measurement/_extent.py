"""The check of the frame: the autocorrelation of a pattern shows how far its object extends at
least.
"""

import numpy as np

from .._tensors import even_rows, picked, usual_device
from .._validation import warn_user
from ._counting import counting_units

LOOKED_AT = 8  # patterns, at even distances
LEAST_PIXELS = 32  # of a pattern
FEWEST = 50  # photons of a pattern
BEYOND = 0.08  # of the power of an autocorrelation along an axis, in lags that no object of the frame has
NONE = 0.01  # of it, which noise and cut spectra leave beyond the object
CHANCE = 4.0  # standard deviations of noise
ROUNDING = 1e-10  # of the power at lag 0
OUTER = 8  # part of the grid, at its farthest lags, that tells the level of noise


def check_extent(magnitudes, object_shape, whom):
    """Warn where patterns are plainly those of objects larger than their frame.

    The inverse transform of the intensities is the autocorrelation of the object, which reaches as
    far along each axis as the object is long. Noise spreads over all lags alike and is taken off.
    Patterns with unmeasured pixels are not judged, as these spread the autocorrelation.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    object_shape : tuple of int
        Shape of the frame.
    whom : str
        Name of the estimator, for the message.

    Returns
    -------
    bool
        Whether it warned.

    Warns
    -----
    UserWarning

    Examples
    --------
    >>> import warnings
    >>> magnitudes = np.abs(np.fft.fft(np.random.default_rng(0).random((4, 40)), n=80))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     check_extent(magnitudes, (40,), "iterations"), check_extent(magnitudes, (20,), "iterations")
    (False, True)
    """
    shape = tuple(magnitudes.shape[1:])
    if np.prod(shape) < LEAST_PIXELS or all(
        2 * n >= m - 1 for n, m in zip(object_shape, shape, strict=True)
    ):
        return False  # the whole grid, or half of it, beyond which lags are those of the other side
    with usual_device():
        values = picked(magnitudes, even_rows(len(magnitudes), LOOKED_AT)).double().cpu().numpy()
    space = tuple(range(1, values.ndim))
    peaks = values.max(axis=space, keepdims=True)
    if not np.isfinite(values).all() or not (peaks > 0).all():
        return False
    intensities = np.square(values / peaks)
    powers = np.abs(np.fft.ifftn(intensities, axes=space)) ** 2  # the same for both layouts
    flat = intensities.reshape(len(values), -1)
    units, totals = counting_units(flat), flat.sum(axis=1)
    if np.median(totals / np.where(units > 0, units, totals / FEWEST)) < FEWEST:  # photons
        return False
    noise = units * totals / flat.shape[1] ** 2  # power of Poisson's noise at each lag
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
        f"object_shape={tuple(object_shape)}: the "
        f"autocorrelation, the inverse transform of X**2, reaches further, as that of objects of "
        f"at least {least} "
        "pixels; give object_shape at least that large"
    )
    return True


def _tails(profiles, noise, n_summed):
    """Share of the power of autocorrelations at each lag and beyond, without lag 0; the median of
    all.

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
    # powers of noise are as large as their standard deviation: of few, the sum is far from the
    # level by chance
    n_free = max(1.0, n_summed / 2)
    chance = noise[:, None] * n_summed * (CHANCE / np.sqrt(n_free) + CHANCE**2 / (2 * n_free))
    above = profiles - level - chance
    above = np.where(above > ROUNDING * profiles[:, :1], above, 0.0)
    above[:, 0] = 0
    totals = np.maximum(above.sum(axis=1, keepdims=True), 1e-300)
    return np.median(above[:, ::-1].cumsum(axis=1)[:, ::-1] / totals, axis=0)
