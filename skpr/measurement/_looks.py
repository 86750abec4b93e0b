"""First look at patterns, for mistakes that spoil the result."""

import math
from functools import lru_cache

import numpy as np

from .._lazy import LazyBatch
from .._tensors import even_rows, picked, to_tensor, usual_device
from .._validation import warn_user
from ._centring import check_centring
from ._counting import counting_units
from ._forms import warned_of_form
from ._friedel import check_friedel_symmetry
from ._resemblance import is_no_pattern
from ._sampling import looked_at

LEAST_PIXELS = 64  # pixels of a pattern; fewer prove nothing
HOT = 10.0  # brightness of a hot pixel relative to every other pixel
LARGEST = 1 << 24  # values of a batch in memory that are all looked at
LEAST_LIT = 16  # other lit pixels of a pattern with a hot one
# Where objects may be waves: least ratio of the brightest other pixel to the median, and of the
# median to that pixel.
STRUCTURE = 10.0, 1e-6
# Ratio of the largest to the least intensity, an estimate of the photons expected at zero
# frequency; the same for a stop of several pixels.
STOPPED = 40.0, 10.0
LIT_RING = 0.5  # fraction of lit pixels around a stop
BRIGHTER = 1.5  # brightness around a stop relative to the mean of the pattern
LEAST_DARK = 0.2  # fraction of an object's pixels that are 0; noise-free patterns have no zeros
MOST = 0.5  # fraction of the patterns


def look_at(X, centered, whom, kind=None, *, objects=None, usual=None):
    """Warn of the likeliest mistake that patterns show, if any.

    Mistakes are searched for in this order: a hot pixel, a beam stop filled with zeros, zero
    frequency elsewhere, objects in place of magnitudes, intensities or logarithms, and objects of
    another kind.

    Parameters
    ----------
    X : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
        Checked magnitudes.
    centered : bool, whether zero frequency is in the middle
    whom : str, name of the estimator for the message
    kind : {"non_negative", "real", "complex"}, optional, kind of the objects if known
    objects : batch of shape (n_samples, *object_shape) or Pairs, optional
        Objects of the patterns, which decide whether these are intensities.
    usual : {"magnitudes", "counts", "intensities", "logarithms"}, optional
        Form of the patterns that the estimator was fitted on (:func:`skpr.measurement.form_of`),
        which is accepted.

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> X = np.random.default_rng(0).random((2, 32, 32))
    >>> X[1, 30, 12] = 65535
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = look_at(X, True, "a network", "non_negative")
    >>> told, "pixel (30, 12) of pattern 1" in str(caught[0].message)
    (True, True)
    """
    centered = bool(centered)
    with usual_device():
        sample = looked_at(X)
        if sample.is_complex() or not len(sample):
            return False
        values = sample.cpu().numpy()
        return (
            _warned_of_hot_pixels(X, whom, kind)
            or _warned_of_stops(values, centered, whom, kind)
            or check_centring(sample, centered, whom, kind=kind)
            or (kind == "non_negative" and _warned_of_objects(sample, values, centered, whom))
            or warned_of_form(X, whom, objects, usual)
            or (kind in ("non_negative", "real") and check_friedel_symmetry(X, centered, kind))
        )


# --- hot pixels -----------------------------------------------------------------------------------


def _warned_of_hot_pixels(X, whom, kind):
    shape = tuple(X.shape[1:])
    if math.prod(shape) < LEAST_PIXELS:
        return False
    whole = not isinstance(X, LazyBatch | np.memmap) and math.prod(X.shape) <= LARGEST
    rows = np.arange(len(X)) if whole else even_rows(len(X), 8)
    values = to_tensor(X).detach() if whole else picked(X, rows)
    values = values.cpu().numpy().reshape(len(rows), -1)
    measured = ~np.isnan(values).all(axis=1)  # patterns without a pixel are refused elsewhere
    rows, values = rows[measured], values[measured]
    if not len(rows):
        return False
    peaks = np.nanargmax(values, axis=1) if np.isnan(values).any() else values.argmax(axis=1)
    n_pixels = values.shape[1]
    # a cheap test first, against the next pixel in the row and the one before
    every = np.arange(len(values))
    beside = np.fmax(values[every, (peaks + 1) % n_pixels], values[every, peaks - 1])
    suspects = np.flatnonzero(~(HOT * beside >= values[every, peaks]))
    found = [row for row in suspects if _is_hot(values[row], int(peaks[row]), shape, kind)]
    if not found:
        return False
    first = found[0]
    place = tuple(int(index) for index in np.unravel_index(peaks[first], shape))
    others = f", and {len(found) - 1} other patterns have such a pixel" if len(found) > 1 else ""
    warn_user(
        f"pixel {place if len(place) > 1 else place[0]} of pattern {rows[first]} passed to {whom} "
        f"is {HOT:.0f} times brighter than all others, as hot pixels of a detector are{others}: "
        "set such pixels to NaN (unmeasured)"
    )
    return True


def _is_hot(pattern, peak, shape, kind):
    """Whether the brightest pixel of a pattern is a hot pixel.

    Zero frequency and the diffraction peaks of waves are bright, too, but not hot.
    """
    place = np.unravel_index(peak, shape)
    if all(index in (0, size // 2) for index, size in zip(place, shape, strict=True)):
        return False  # zero frequency in one of the layouts
    height, others = pattern[peak], np.delete(pattern, peak)
    others = others[~np.isnan(others)]
    if np.count_nonzero(others > 0) < LEAST_LIT or height < HOT * others.max():
        return False
    if kind == "non_negative":
        return True
    ratio, least = STRUCTURE
    brightest, median = others.max(), np.median(others)
    rest = np.where(np.arange(len(pattern)) == peak, -np.inf, np.nan_to_num(pattern, nan=-np.inf))
    second = np.unravel_index(int(rest.argmax()), shape)
    steps = [abs(int(a) - int(b)) for a, b in zip(place, second, strict=True)]
    distance = max(min(step, size - step) for step, size in zip(steps, shape, strict=True))
    return bool(brightest > ratio * median > ratio * least * brightest and distance > 2)


# --- beam stops of zeros --------------------------------------------------------------------------


def _warned_of_stops(values, centered, whom, kind):
    shape = values.shape[1:]
    zero = tuple(size // 2 if centered else 0 for size in shape)
    at_zero = values[(slice(None), *zero)]
    if at_zero.all() or math.prod(shape) < LEAST_PIXELS:  # NaN counts as true
        return False
    flat = values.reshape(len(values), -1)
    lit = np.flatnonzero(np.nan_to_num(flat, nan=0.0).max(axis=1) > 0)
    stopped = [
        row for row in lit if at_zero[row] == 0 and _is_stopped(flat[row], shape, centered, kind)
    ]
    if not stopped or len(stopped) <= MOST * len(lit):
        return False
    warn_user(
        f"patterns passed to {whom} are exactly 0 at zero frequency beside bright pixels, as if a "
        "beam stop had been filled with zeros, which count as measured values: set unmeasured "
        "pixels to NaN"
    )
    return True


def _is_stopped(pattern, shape, centered, kind):
    """Whether only a beam stop explains a dark zero frequency."""
    pattern = pattern.astype(np.float64)
    lit = pattern > 0
    distances = _distances(shape, centered)
    radius = float(distances[lit].min())
    brightness = float(min(pattern[lit].max() / pattern[lit].min(), 1e100)) ** 2
    photons, photons_of_block = STOPPED
    is_block = radius >= 2
    ring = pattern[(distances >= radius) & (distances < radius + 1.5)]
    ring = ring[~np.isnan(ring)]
    bright = np.count_nonzero(ring) > LIT_RING * len(ring) and ring.mean() > BRIGHTER * np.nanmean(
        pattern
    )
    # patterns of non-negative objects are brightest at zero frequency, where many photons are
    # expected and a 0 is not due to chance
    if kind == "non_negative" and bright and brightness > photons:
        return True
    return bool(is_block and bright and brightness > photons_of_block)


@lru_cache(maxsize=16)
def _distances(shape, centered):
    """Distance of each pixel from zero frequency, flat."""
    squares = 0
    for axis, size in enumerate(shape):
        steps = np.abs(np.arange(size) - (size // 2 if centered else 0))
        steps = np.minimum(steps, size - steps)
        squares = squares + np.square(steps).reshape(
            [-1 if other == axis else 1 for other in range(len(shape))]
        )
    return np.sqrt(squares).ravel()


# --- objects --------------------------------------------------------------------------------------


def _warned_of_objects(sample, values, centered, whom):
    flat = values.reshape(len(values), -1).astype(np.float64)
    if flat.shape[1] < LEAST_PIXELS or not is_no_pattern(sample, centered):
        return False
    if float((flat == 0).mean()) < LEAST_DARK:
        return False  # patterns of complex objects, or noise
    peaks = np.maximum(flat.max(axis=1, keepdims=True), 1e-100)
    units = np.where(peaks > 1e100, peaks, 1.0)  # larger squares would overflow
    if (counting_units(np.square(flat / units, dtype=np.float64)) == 1).any():
        return False
    warn_user(
        f"X passed to {whom} looks like objects, not like measured magnitudes: it is neither "
        "symmetric about zero frequency nor brightest there, as magnitudes of non-negative objects "
        "are. Give magnitudes, such as FourierMagnitude().fit_transform(objects), or "
        "constraints='complex' if the objects have a phase"
    )
    return True
