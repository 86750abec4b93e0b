"""Check of the position of zero frequency in patterns."""

from functools import lru_cache

import numpy as np
import torch

from .._validation import warn_user
from ._sampling import looked_at
from ._tilt import scatter_of_counting, warned_of_tilt

LEAST_PIXELS = 256  # pixels of the whole sample; fewer prove nothing
ANTICORRELATION = -0.3  # correlation of neighbouring pixels; smooth objects and noise stay above
CHANCE = 4.0  # standard deviations of the scatter that counting few photons leaves


def neighbour_correlations(magnitudes, centered):
    """Correlation of neighbouring object pixels along each axis.

    By the Wiener-Khinchin theorem it is the first harmonic of the intensity,
    `sum I cos(2 pi k / m) / sum I`. Objects on a grid are smooth, so it is close to 1. Its sign is
    reversed where zero frequency is taken to be at the corner of a pattern that has it in the
    middle, or the other way round.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    centered : bool
        Whether zero frequency is taken to be in the middle.

    Returns
    -------
    list of float, one for each axis
        Means over the patterns, each at unit energy; 0 where all are dark.
    """
    # NumPy finishes a few small arrays before torch has started
    values = magnitudes.cpu().numpy().astype(np.float64)
    values[np.isnan(values)] = 0.0
    space = tuple(range(1, values.ndim))
    peaks = values.max(axis=space, keepdims=True)
    # at unit peak, the squares neither overflow nor vanish
    values /= np.maximum(peaks, 1e-300)
    values *= values
    totals = values.sum(axis=space)
    lit = totals > 0
    if not lit.any():
        return [0.0] * len(space)
    found = []
    for axis in space:
        profile = values.sum(axis=tuple(other for other in space if other != axis))
        harmonic = profile @ _first_harmonic(values.shape[axis], bool(centered))
        found.append(float((harmonic[lit] / totals[lit]).mean()))
    return found


def _with_light_behind_stops(magnitudes, centered):
    """Fill missing pixels near zero frequency with the peak.

    A beam stop hides the brightest pixels, and without their light the first harmonic of a
    correctly centred pattern may be negative.
    """
    space = range(1, magnitudes.ndim)
    peaks = magnitudes.nan_to_num(0.0).amax(dim=tuple(space), keepdim=True)
    hidden = magnitudes.isnan()
    for axis in space:
        size = magnitudes.shape[axis]
        near = torch.from_numpy(_first_harmonic(size, bool(centered)) > 0).to(magnitudes.device)
        hidden = hidden & near.view(
            [-1 if other == axis else 1 for other in range(magnitudes.ndim)]
        )
    return torch.where(hidden, peaks, magnitudes)


@lru_cache(maxsize=64)
def _first_harmonic(size, centered):
    return np.cos(2 * np.pi * (np.arange(size) - (size // 2 if centered else 0)) / size)


def check_centring(magnitudes, centered, whom, *, is_parameter=True, kind=None):
    """Warn if zero frequency is plainly not where `centered` says.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    centered : bool
        Whether zero frequency is said to be in the middle (else at index 0).
    whom : str
        Name of the estimator, for the message.
    is_parameter : bool
        Whether `centered` is a parameter that the user can change.
    kind : {"non_negative", "real", "complex"}, optional
        Kind of the objects, if known.

    Returns
    -------
    bool
        Whether a warning was issued.

    Warns
    -----
    UserWarning
        If neighbouring pixels of the objects would be anticorrelated along every axis. For objects
        known to be non-negative one axis is enough; signed and complex objects, such as gratings
        and tilted crystals, may be anticorrelated along one axis. Also if the light of
        non-negative objects lies off zero frequency in both layouts. Few or small patterns are not
        judged.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = check_centring(100.0 * np.eye(1, 400), True, "a network")
    >>> "zero frequency at index 0" in str(caught[0].message)
    True
    """
    sample = looked_at(magnitudes)
    if sample.numel() < LEAST_PIXELS:
        return False
    found = neighbour_correlations(sample, centered)
    if min(found) < ANTICORRELATION and bool(sample.isnan().any()):
        found = neighbour_correlations(_with_light_behind_stops(sample, centered), centered)
    if kind == "non_negative" and warned_of_tilt(sample, found, centered, whom):
        return True
    wrong = [
        axis
        for axis, value in enumerate(found)
        if sample.shape[axis + 1] > 2 and value < ANTICORRELATION
    ]
    if wrong:
        least = ANTICORRELATION - CHANCE * scatter_of_counting(sample)
        wrong = [axis for axis in wrong if found[axis] < least]
    if not wrong or (kind != "non_negative" and len(wrong) < sum(m > 2 for m in sample.shape[1:])):
        return False
    place, other = ("in the middle", "at index 0") if centered else ("at index 0", "in the middle")
    way = "numpy.fft.fftshift" if centered else "numpy.fft.ifftshift"
    said = f"centered={centered} says {place}" if is_parameter else f"{whom} expects it {place}"
    one = len(wrong) < sample.ndim - 1
    tilted = ", or constraints='complex' if the objects are tilted by half the grid" if one else ""
    instead = f"centered={not centered}, or " if is_parameter else ""
    warn_user(
        f"magnitudes passed to {whom} appear to have zero frequency {other} along axis "
        f"{', '.join(str(axis + 1) for axis in wrong)}, but {said}: pass "
        f"{instead}{way}(X, axes={tuple(range(1, sample.ndim))}){tilted}"
    )
    return True
