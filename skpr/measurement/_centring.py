"""The check of centring: where in a pattern zero frequency is, as far as the pattern tells."""

import math
from functools import lru_cache

import numpy as np
import torch

from .._arrays import as_batch
from .._lazy import LazyBatch
from .._tensors import along_samples, even_rows, picked, to_tensor
from .._validation import warn_user
from ._counting import counting_units
from ._tilt import scatter_of_counting, warned_of_tilt
from ._transform import mirrored, to_fft_order

MIN_LOOKED_AT, MAX_LOOKED_AT = 8, 64  # patterns, at even distances: enough to tell, and quick
VALUES_LOOKED_AT = 2**15  # in all of them, if these are more than the fewest
SINGLE_LOOKED_AT = 2**18, 512  # values, and patterns, among which single ones are looked for
LEAST_PIXELS = 256  # of all of them; fewer prove nothing
ANTICORRELATION = -0.3  # of neighbouring pixels: objects are smooth, and noise has none
DARK, BRIGHT = 1e-3, 0.5  # a pattern's median over its maximum lies between
CORRELATION = (
    0.3  # of neighbouring pixels: less, and a pattern is noise, or nothing a detector recorded
)
ASYMMETRY = 0.1  # of intensities in any unit: noise of some hundred photons leaves less, a radian of phase often more
MOST, AS_BRIGHT = 0.75, 0.95  # of the samples; of the value at zero frequency
LEAST_LIT = 0.1  # of the pixels: ten photons light fewer
EXACT = 1e-9  # asymmetry that rounding leaves to float32
LEAST_SAMPLES = 4  # that a user's objects are not all symmetric by chance
SPECKLES = 0.01  # of the pixels: local maxima of magnitudes; a smooth object has one in its middle
ASYMMETRY_OF_COUNTS = 0.02  # of whole numbers, whose noise is known and taken off
SIGNIFICANT, ROUNDING = (
    5.0,
    1e-5,
)  # asymmetry in standard deviations of what counting leaves; of exact patterns
ASYMMETRY_OF_ONE = (
    0.25,
    8.0,
)  # of a single pattern: beyond as many standard deviations of what counting leaves
CHANCE = 4.0  # standard deviations of what counting few photons leaves
NEGATIVE = (
    1e-3  # of its maximum: lags of an autocorrelation of a non-negative object do not fall below 0
)


def neighbour_correlations(magnitudes, centered):
    """Correlation of neighbouring pixels of the objects that would have these magnitudes, along
    each axis.

    By the theorem of Wiener and Khinchin it is the first harmonic of the intensity, `sum I cos(2 pi
    k / m) / sum I`. Objects on a grid are smooth, so it is close to 1; where zero frequency is
    looked for at the wrong end of the pattern, at the corner instead of in the middle or the other
    way round, its sign is reversed.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    centered : bool
        Whether zero frequency is taken to be in the middle.

    Returns
    -------
    list of float, one for each axis
        Means over the patterns, each at unit energy; 0 where all are dark.
    """
    values = (
        magnitudes.cpu().numpy().astype(np.float64)
    )  # of few small arrays NumPy is done before torch has begun
    values[np.isnan(values)] = 0.0
    space = tuple(range(1, values.ndim))
    peaks = values.max(axis=space, keepdims=True)
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
    """Patterns that are as bright as they get where they were not measured, near what is said to be
    zero frequency.
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
    """Warn where magnitudes plainly have zero frequency elsewhere than said.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    centered : bool
    whom : str
        Name of the estimator, for the message.
    is_parameter : bool
        Whether `centered` is a parameter that may be given another value.
    kind : {"non_negative", "real", "complex"}, optional
        Kind of the objects, where it is known.

    Returns
    -------
    bool
        Whether it warned.

    Warns
    -----
    UserWarning
        If neighbouring pixels of the objects would be anticorrelated along every axis, or along
        one, where objects are known to be non-negative. Along one axis signed and complex objects
        may be: gratings, and tilted crystals. If the light of patterns of non-negative objects lies
        off zero frequency in both layouts. Few or small patterns are not judged.

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
    said = f"centered={centered} says {place}" if is_parameter else f"{whom} takes it to be {place}"
    one = len(wrong) < sample.ndim - 1
    tilted = ", or constraints='complex' if the objects are tilted by half the grid" if one else ""
    instead = f"centered={not centered}, or " if is_parameter else ""
    warn_user(
        f"magnitudes passed to {whom} look as if they had zero frequency {other} along axis "
        f"{', '.join(str(axis + 1) for axis in wrong)}, but {said}: pass "
        f"{instead}{way}(X, axes={tuple(range(1, sample.ndim))}){tilted}"
    )
    return True


def friedel_asymmetry(magnitudes, centered):
    """Asymmetry of intensities under inversion, `sum (I(k) - I(-k))^2 / sum (I(k) + I(-k))^2` over
    measured pairs.

    It is 0 for real objects about the right centre, but for noise, which counts little in bright
    pixels. Where the intensities are counts, their noise is taken off: `(I(k) - I(-k))^2` has a
    mean of `I(k) + I(-k)` from it.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    centered : bool

    Returns
    -------
    asymmetry, noise : float
        Means over the patterns that are not dark, 0 where all are: the asymmetry, and what was
        taken off for noise.
    """
    found, noise, _ = friedel_asymmetries(magnitudes.cpu().numpy(), centered)
    return (float(found.mean()), float(noise.mean())) if len(found) else (0.0, 0.0)


def friedel_asymmetries(magnitudes, centered):
    """:func:`friedel_asymmetry` of each pattern of an array that is not dark.

    Returns
    -------
    asymmetry, noise, deviation : ndarray of shape (n_lit,)
        The asymmetry, what was taken off for noise, and the standard deviation that counting leaves
        in it.
    """
    values = magnitudes.reshape(len(magnitudes), -1).astype(np.float64)
    peaks = np.fmax.reduce(values, axis=1, initial=0.0)
    if len(peaks) and not 1e-100 < peaks.max() < 1e100:  # whose squares overflow
        values /= peaks.max() or 1.0
        peaks /= peaks.max() or 1.0
    intensities = np.square(values, out=values)
    opposite, own = _mirror_index(magnitudes.shape[1:], bool(centered))
    photons = counting_units(intensities)
    intensities /= np.where(peaks > 0, np.square(peaks), 1.0)[:, None]
    photons /= np.where(peaks > 0, np.square(peaks), 1.0)
    intensities[:, own] = 0.0  # a pixel that is its own mirror image says nothing of symmetry
    turned = intensities[:, opposite]
    missing = np.isnan(intensities) if np.isnan(intensities.sum()) else None
    if missing is not None:
        missing |= missing[:, opposite]
        intensities[missing] = turned[missing] = 0.0
    totals = intensities.sum(axis=1)
    lit = totals > 0
    squares, products = (
        np.einsum("ij,ij->i", intensities, other)[lit] for other in (intensities, turned)
    )
    # of sums and differences of both pixels of a pair
    whole = 2 * (squares + products)
    noise = photons[lit] * 2 * totals[lit] / whole
    return (
        (squares - products) / (squares + products) - noise,
        noise,
        2 * photons[lit] / np.sqrt(whole),
    )


@lru_cache(maxsize=64)
def _mirror_index(shape, centered):
    """Flat index of the pixel at `-k` for each pixel, and of those that are at `k` and `-k`."""
    index = torch.arange(math.prod(shape)).view(1, *shape)
    opposite = mirrored(index, centered).flatten().numpy().copy()
    return opposite, np.flatnonzero(opposite == np.arange(len(opposite)))


def check_friedel_symmetry(magnitudes, centered, kind):
    """Warn where patterns are plainly not those of real objects.

    A strained crystal is complex, and often has a *smaller* Fourier error as a non-negative object.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    centered : bool
    kind : {"non_negative", "real"}
        Kind of objects that is asked for, for the message.

    Returns
    -------
    bool
        Whether it warned.

    Warns
    -----
    UserWarning
        If the intensities of bright pixels differ from those on the other side of the centre, on
        average or in single patterns. Patterns without a bright middle, and few pixels, are not
        judged.

    Examples
    --------
    >>> import warnings
    >>> from skpr import FourierMagnitude
    >>> from skpr.datasets import make_crystals
    >>> crystals = make_crystals(8, shape=(32, 32), max_phase=6.0, random_state=0).data
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = check_friedel_symmetry(FourierMagnitude().fit_transform(crystals), True, "non_negative")
    >>> "constraints='complex'" in str(caught[0].message)
    True
    """
    found = _asymmetry(magnitudes, centered)
    if found is None:
        return False
    some, largest = found
    warn_user(
        f"{some} patterns are not symmetric about their centre (relative difference "
        f"{largest:.2g}), as those of "
        f"{kind.replace('_', '-')} objects are: pass constraints='complex' if the objects have a "
        f"phase (networks and "
        "refiners: fit on complex objects), or check where zero frequency lies"
    )
    return True


def kinds_of(magnitudes, centered):
    """Kinds of objects that the symmetry of patterns about their centre allows, the likelier first.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    centered : bool

    Returns
    -------
    tuple of str
        ("complex",) for patterns that are plainly not symmetric, ("non_negative", "complex") where
        they differ by more than counting noise, or rounding, yet by little, else ("non_negative",).

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
    """Which patterns are plainly not symmetric about the centre, in words, and by how much; None
    where none are.
    """
    if math.prod(magnitudes.shape) < LEAST_PIXELS:
        return None
    sample = looked_at(magnitudes, *SINGLE_LOOKED_AT)
    found, noise, deviation = friedel_asymmetries(sample.cpu().numpy(), centered)
    if not len(found):
        return None
    usual = ASYMMETRY_OF_COUNTS + noise.mean() / 2 if noise.any() else ASYMMETRY
    usual += CHANCE * math.sqrt(np.square(deviation).sum()) / len(found)
    least, deviations = ASYMMETRY_OF_ONE
    odd = found > least + deviations * deviation
    if found.mean() <= usual and not odd.any():
        return None
    if min(neighbour_correlations(looked_at(magnitudes), centered)) < CORRELATION:
        return None
    some = "the" if found.mean() > usual else f"{int(odd.sum())} of {len(found)}"
    return some, float(found.max())


def resemble_magnitudes(batch):
    """Whether a batch looks like magnitudes of real objects: not negative, brightest at zero
    frequency, symmetric.

    Smooth objects that all lie exactly in the middle, and are symmetric, look so, too.

    Parameters
    ----------
    batch : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)

    Returns
    -------
    bool
        True where all samples that are looked at do so, in one of the two layouts.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> resemble_magnitudes(np.abs(np.fft.fft2(x))), resemble_magnitudes(x)
    (True, False)
    """
    sample = looked_at(batch)
    if (
        sample.is_complex()
        or math.prod(sample.shape[1:]) < LEAST_PIXELS
        or not bool((sample >= 0).all())
    ):
        return False
    highest, typical = sample.flatten(1).amax(dim=1), sample.flatten(1).median(dim=1).values
    if not bool(((typical > DARK * highest) & (typical < BRIGHT * highest)).all()):
        return False  # flat, or dark but for its middle: a symmetric object, or none
    peaks = torch.stack(
        torch.unravel_index(sample.flatten(1).argmax(dim=1), sample.shape[1:]), dim=1
    )
    for centered in (True, False):
        zero = torch.tensor(
            [m // 2 if centered else 0 for m in sample.shape[1:]], device=peaks.device
        )
        if bool((peaks == zero).all()):
            return friedel_asymmetry(sample, centered)[0] < ASYMMETRY and _have_autocorrelations(
                sample, centered
            )
    return False


def _have_autocorrelations(sample, centered):
    """Whether squares are transforms of functions without negative values, but for noise.

    They are, of magnitudes of non-negative objects, and not of symmetric objects themselves, such
    as Airy discs."""
    axes = tuple(range(1, sample.ndim))
    intensities = sample.double()
    intensities = (
        intensities / along_samples(intensities.flatten(1).amax(dim=1).clamp_min(1e-300), sample)
    ).square()
    noise = ((intensities - mirrored(intensities, centered)).square().sum(dim=axes) / 2).sqrt()
    lags = torch.fft.rfftn(
        to_fft_order(intensities) if centered else intensities, dim=axes
    ).real.flatten(1)
    relative = lags.amin(dim=1) + 6 * noise
    return bool((relative > -NEGATIVE * lags.amax(dim=1)).double().mean() > MOST)


def is_no_pattern(batch, centered):
    """Whether a batch is plainly not one of magnitudes of non-negative objects.

    These are brightest at zero frequency, and symmetric about it. Most samples here are as bright
    elsewhere, and not symmetric.

    Parameters
    ----------
    batch : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)
        Batches with unmeasured pixels (NaN) are not judged.
    centered : bool
        Whether zero frequency is taken to be in the middle.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> is_no_pattern(np.abs(np.fft.fft2(x)), False), is_no_pattern(x, False)
    (False, True)
    """
    sample = looked_at(batch)
    if sample.is_complex() or math.prod(sample.shape) < LEAST_PIXELS:
        return False
    values = sample.cpu().numpy().reshape(len(sample), -1)
    zero = np.ravel_multi_index(
        [m // 2 if centered else 0 for m in sample.shape[1:]], sample.shape[1:]
    )
    if not (values >= 0).all() or (values > 0).mean() < LEAST_LIT:
        return False
    others = np.delete(values, zero, axis=1).max(axis=1)
    elsewhere = (AS_BRIGHT * values[:, zero] < others).mean()
    return float(elsewhere) > MOST and friedel_asymmetry(sample, centered)[0] > ASYMMETRY


def are_plainly_magnitudes(batch):
    """Whether a batch holds magnitudes of real objects beyond doubt: they resemble them, exactly,
    and have speckles.

    Magnitudes without noise are exactly symmetric. So are smooth objects in the middle of their
    frame, but these have no speckles.

    Parameters
    ----------
    batch : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> are_plainly_magnitudes(np.abs(np.fft.fft2(x))), are_plainly_magnitudes(x)
    (True, False)
    """
    if len(batch) < LEAST_SAMPLES or not resemble_magnitudes(batch):
        return False
    sample = looked_at(batch).double()
    brightest = torch.ones_like(sample, dtype=torch.bool)
    for axis in range(1, sample.ndim):
        for step in (-1, 1):
            brightest &= sample >= sample.roll(step, dims=axis)
    speckles = brightest & (sample > DARK * along_samples(sample.flatten(1).amax(dim=1), sample))
    asymmetry = min(friedel_asymmetry(sample, centered)[0] for centered in (True, False))
    return asymmetry < EXACT and float(speckles.double().mean()) > SPECKLES


def looked_at(magnitudes, n_values=VALUES_LOOKED_AT, most=MAX_LOOKED_AT):
    """Some of the patterns, as a tensor."""
    if not isinstance(magnitudes, np.ndarray | torch.Tensor | LazyBatch):
        magnitudes = as_batch(magnitudes, name="magnitudes")
    n_patterns = min(most, max(MIN_LOOKED_AT, n_values // math.prod(magnitudes.shape[1:])))
    if len(magnitudes) <= n_patterns and isinstance(magnitudes, np.ndarray | torch.Tensor):
        return to_tensor(magnitudes).detach()
    return picked(magnitudes, even_rows(len(magnitudes), n_patterns))
