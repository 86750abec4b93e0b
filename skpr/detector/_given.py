"""Checks that a detector step is given magnitudes in its unit."""

import numpy as np

from .._counts import counts_of
from .._tensors import to_tensor
from .._validation import warn_user
from ..measurement import check_not_intensities, counting_units, is_no_pattern

LOOKED_AT = 16  # number of patterns that are checked
LEAST_SAMPLES = 4  # with fewer patterns, dark surroundings cannot be told from detector gaps
SURROUNDINGS = 0.1  # smallest fraction of pixels that are exactly dark with all their neighbours
MOVED = 0.05  # smallest fraction of pixels dark in some samples only, which excludes detector gaps
LEAST_PIXELS = 256  # smallest number of lit pixels before a step that allows a judgement
LEAST_LEFT = 0.01  # smallest fraction of them that a step should leave lit
LEAST_COUNTED = 32  # smallest number of lit pixels of counted patterns
MOST_COUNTED = 1e100  # largest magnitude whose square cannot overflow
ROUNDING = 1e-5  # largest relative difference of whole numbers and their transforms


def warn_of_given(X, whom):
    """Warn about intensities or objects in place of magnitudes.

    Parameters
    ----------
    X : ndarray or torch.Tensor of shape (n_samples, *fourier_shape)
    whom : str
        Name of the step, for the message.

    Warns
    -----
    UserWarning
        If :func:`skpr.measurement.check_not_intensities` finds intensities, and if samples have
        dark surroundings and are not brightest at zero frequency in either layout.
    """
    if are_objects(X):
        warn_user(
            f"X passed to {whom} looks like objects, not like magnitudes: it has dark "
            "surroundings, and is neither symmetric nor brightest at zero frequency; pass "
            "FourierMagnitude().fit_transform(objects)"
        )
        return
    sample = to_tensor(X[:LOOKED_AT]).detach().nan_to_num(0.0)
    if not bool((sample == sample.round()).all()):  # simulated magnitudes may be integers
        check_not_intensities(X, whom)


def are_counted(X):
    """Return whether a batch holds square roots of photon counts.

    Magnitudes that are whole numbers themselves may be simulated, and prove nothing.

    Parameters
    ----------
    X : ndarray or torch.Tensor of shape (n_samples, *fourier_shape)

    Returns
    -------
    bool

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (1, 16, 16))
    >>> are_counted(np.sqrt(counts)), are_counted(np.sqrt(counts + 0.5))
    (True, False)
    """
    sample = to_tensor(X[:LOOKED_AT]).detach().cpu().double().flatten(1).numpy()
    sample = sample[np.nan_to_num(sample, nan=0.0).any(axis=1)]
    if np.count_nonzero(sample > 0) < LEAST_COUNTED or np.nanmax(sample) > MOST_COUNTED:
        return False
    rounding = ROUNDING * np.maximum(sample, 1)
    whole = np.isnan(sample) | (np.abs(sample - np.rint(sample)) <= rounding)
    return bool((counting_units(np.square(sample)) == 1).all()) and not whole.all()


def are_objects(X):
    """Return whether a batch holds objects rather than magnitudes.

    The objects must be non-negative, with dark surroundings that differ from sample to sample.

    Parameters
    ----------
    X : ndarray or torch.Tensor of shape (n_samples, *sample_shape)

    Returns
    -------
    bool

    Examples
    --------
    >>> from skpr.datasets import load_digit_objects
    >>> objects = load_digit_objects().data[:8]
    >>> are_objects(objects), are_objects(np.abs(np.fft.fft2(objects)))
    (True, False)
    """
    sample = to_tensor(X[:LOOKED_AT]).detach().cpu().numpy()
    if len(sample) < LEAST_SAMPLES:
        return False
    dark = sample == 0
    inner = dark.copy()
    for axis in range(1, dark.ndim):
        inner = inner & np.roll(inner, 1, axis) & np.roll(inner, -1, axis)
    moved = dark.any(axis=0) & ~dark.all(axis=0)
    if inner.mean() < SURROUNDINGS or moved.mean() < MOVED:
        return False
    if not all(is_no_pattern(sample, centered) for centered in (True, False)):
        return False
    return all(counts_of(pattern) is None for pattern in sample)


def warn_of_little_left(given, made, whom):
    """Warn if a step leaves hardly any lit pixels.

    The magnitudes then most likely have another unit than the step expects.

    Parameters
    ----------
    given, made : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes before and after the step.
    whom : str
        Name of the step, for the message.

    Warns
    -----
    UserWarning
    """
    lit, left = given > 0, made > 0
    n_lit, n_left = int(lit.sum()), int((left & lit).sum())
    if n_lit >= LEAST_PIXELS and n_left < LEAST_LEFT * n_lit:
        warn_user(
            f"{whom} leaves {n_left} of {n_lit} lit pixels: the largest magnitude was "
            f"{float(given.nan_to_num(0.0).max()):.3g}, and the step reads squared magnitudes as "
            "counts; scale them to counts first, or give its parameters in the unit of X ** 2"
        )
