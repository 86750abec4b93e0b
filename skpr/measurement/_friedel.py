"""Friedel symmetry, which shows the kind of objects."""

import math
from functools import lru_cache

import numpy as np
import torch

from .._validation import warn_user
from ._centring import CHANCE, LEAST_PIXELS, neighbour_correlations
from ._counting import counting_units
from ._sampling import looked_at
from ._transform import mirrored

SINGLE_LOOKED_AT = 2**18, 512  # values, and patterns, among which single ones are searched for
# Correlation of neighbouring object pixels; with less, a pattern is noise or no detector's.
CORRELATION = 0.3
# Asymmetry of intensities in any unit. Noise of some hundred photons leaves less; a phase that
# varies by a radian often leaves more.
ASYMMETRY = 0.1
ASYMMETRY_OF_COUNTS = 0.02  # asymmetry of counts, whose noise is known and subtracted
# Asymmetry of a single pattern, to be exceeded by so many standard deviations of counting.
ASYMMETRY_OF_ONE = 0.25, 8.0
# Asymmetry of counts in standard deviations of counting, and asymmetry of exact patterns.
SIGNIFICANT, ROUNDING = 5.0, 1e-5


def friedel_asymmetry(magnitudes, centered):
    """Asymmetry of intensities under inversion, mean over patterns.

    The asymmetry of a pattern is `sum (I(k) - I(-k))^2 / sum (I(k) + I(-k))^2` over measured pairs.
    It is 0 for real objects about the right centre, except for noise, which counts little in bright
    pixels. Where the intensities are counts, their noise is subtracted: it adds `I(k) + I(-k)` to
    the mean of `(I(k) - I(-k))^2`.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    centered : bool
        Whether zero frequency is in the middle.

    Returns
    -------
    asymmetry, noise : float
        Asymmetry, and the noise that was subtracted: means over the patterns that are not dark, 0
        where all are.
    """
    found, noise, _ = friedel_asymmetries(magnitudes.cpu().numpy(), centered)
    return (float(found.mean()), float(noise.mean())) if len(found) else (0.0, 0.0)


def friedel_asymmetries(magnitudes, centered):
    """Asymmetry of each pattern that is not dark.

    See :func:`friedel_asymmetry`.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    centered : bool
        Whether zero frequency is in the middle.

    Returns
    -------
    asymmetry, noise, deviation : ndarray of shape (n_lit,)
        Asymmetry, the noise that was subtracted, and the standard deviation that counting leaves in
        the asymmetry.
    """
    values = magnitudes.reshape(len(magnitudes), -1).astype(np.float64)
    peaks = np.fmax.reduce(values, axis=1, initial=0.0)
    if len(peaks) and not 1e-100 < peaks.max() < 1e100:  # squares would overflow or vanish
        values /= peaks.max() or 1.0
        peaks /= peaks.max() or 1.0
    intensities = np.square(values, out=values)
    opposite, own = _mirror_index(magnitudes.shape[1:], bool(centered))
    # before the scaling to unit peak, while counts are still whole numbers
    photons = counting_units(intensities)
    intensities /= np.where(peaks > 0, np.square(peaks), 1.0)[:, None]
    photons /= np.where(peaks > 0, np.square(peaks), 1.0)
    intensities[:, own] = 0.0  # a pixel that is its own mirror image says nothing about symmetry
    turned = intensities[:, opposite]
    missing = np.isnan(intensities) if np.isnan(intensities.sum()) else None
    if missing is not None:
        # a pair with one missing pixel cannot be compared
        missing |= missing[:, opposite]
        intensities[missing] = turned[missing] = 0.0
    totals = intensities.sum(axis=1)
    lit = totals > 0
    squares, products = (
        np.einsum("ij,ij->i", intensities, other)[lit] for other in (intensities, turned)
    )
    # over all pixels, sum (I(k) +- I(-k))^2 = 2 (squares +- products)
    whole = 2 * (squares + products)
    noise = photons[lit] * 2 * totals[lit] / whole
    return (
        (squares - products) / (squares + products) - noise,
        noise,
        2 * photons[lit] / np.sqrt(whole),
    )


@lru_cache(maxsize=64)
def _mirror_index(shape, centered):
    """Flat indices of opposite pixels, and of self-mirrored pixels."""
    index = torch.arange(math.prod(shape)).view(1, *shape)
    opposite = mirrored(index, centered).flatten().numpy().copy()
    return opposite, np.flatnonzero(opposite == np.arange(len(opposite)))


def check_friedel_symmetry(magnitudes, centered, kind):
    """Warn where patterns plainly do not belong to real objects.

    A strained crystal is complex, but often has a *smaller* Fourier error when it is reconstructed
    as a non-negative object, so the error does not reveal the mistake.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    centered : bool
        Whether zero frequency is in the middle.
    kind : {"non_negative", "real"}
        Requested kind of objects, for the message.

    Returns
    -------
    bool
        Whether a warning was issued.

    Warns
    -----
    UserWarning
        If the intensities of bright pixels differ from those on the opposite side of the centre, on
        average or in single patterns. Patterns without a bright middle, and few pixels, are not
        judged.

    Examples
    --------
    >>> import warnings
    >>> from skpr import FourierMagnitude
    >>> from skpr.datasets import make_crystals
    >>> crystals = make_crystals(8, shape=(32, 32), max_phase=6.0, random_state=0).data
    >>> magnitudes = FourierMagnitude().fit_transform(crystals)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = check_friedel_symmetry(magnitudes, True, "non_negative")
    >>> "constraints='complex'" in str(caught[0].message)
    True
    """
    found = _asymmetry(magnitudes, centered)
    if found is None:
        return False
    some, largest = found
    warn_user(
        f"{some} patterns are not symmetric about their centre (relative difference "
        f"{largest:.2g}), as those of {kind.replace('_', '-')} objects are: pass "
        "constraints='complex' if the objects have a phase (networks and refiners: fit on complex "
        "objects), or check where zero frequency lies"
    )
    return True


def kinds_of(magnitudes, centered):
    """Kinds of objects that the symmetry of patterns allows.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    centered : bool
        Whether zero frequency is in the middle.

    Returns
    -------
    tuple of str
        Kinds, the likelier first: ("complex",) for patterns that are plainly not symmetric,
        ("non_negative", "complex") for differences that are small but above counting noise or
        rounding, else ("non_negative",).

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> kinds_of(np.abs(np.fft.fft2(x, (32, 32))), centered=False)
    ('non_negative',)
    """
    if math.prod(magnitudes.shape) < LEAST_PIXELS:
        return ("non_negative",)
    if _asymmetry(magnitudes, centered) is not None:
        return ("complex",)
    sample = looked_at(magnitudes, *SINGLE_LOOKED_AT)
    found, _, deviation = friedel_asymmetries(sample.cpu().numpy(), centered)
    differ = found > np.where(deviation > 0, SIGNIFICANT * deviation, ROUNDING)
    return ("non_negative", "complex") if 2 * differ.sum() > len(differ) else ("non_negative",)


def _asymmetry(magnitudes, centered):
    """Describe plainly asymmetric patterns, or return None.

    None is returned if there are no such patterns.
    """
    if math.prod(magnitudes.shape) < LEAST_PIXELS:
        return None
    sample = looked_at(magnitudes, *SINGLE_LOOKED_AT)
    found, noise, deviation = friedel_asymmetries(sample.cpu().numpy(), centered)
    if not len(found):
        return None
    usual = ASYMMETRY_OF_COUNTS + noise.mean() / 2 if noise.any() else ASYMMETRY
    # standard deviation of the mean over independent patterns
    usual += CHANCE * math.sqrt(np.square(deviation).sum()) / len(found)
    least, deviations = ASYMMETRY_OF_ONE
    odd = found > least + deviations * deviation
    if found.mean() <= usual and not odd.any():
        return None
    # noise is not symmetric either, but its pixels do not correlate
    if min(neighbour_correlations(looked_at(magnitudes), centered)) < CORRELATION:
        return None
    some = "the" if found.mean() > usual else f"{int(odd.sum())} of {len(found)}"
    return some, float(found.max())
