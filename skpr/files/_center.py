"""Zero frequency of measured patterns: where it is, and windows about it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from .._validation import check_choice, warn_user
from ._hot import check_counts, hot_pixels
from ._inversion import center_of_symmetry

CENTERS = "friedel", "max", "mass"
SURE = 0.7  # confidence from which on the centre of symmetry is believed
SATURATED = (
    4,
    255,
)  # equal brightest pixels side by side, and their least value: the end of a detector's range


class BeamCenter(NamedTuple):
    """Zero frequency of patterns.

    Parameters
    ----------
    pixel : tuple of int
        Index of the nearest pixel along each axis.
    subpixel : tuple of float
        Zero frequency less that pixel, in pixels. Unless patterns are moved (:func:`onto_pixel`),
        the objects carry the phase ramp `2 pi subpixel r / m` over an axis of `m` pixels.
    confidence : float or None
        Confidence in a centre by symmetry, from 0 to 1; None for another rule.
    """

    pixel: tuple
    subpixel: tuple
    confidence: float | None = None

    @property
    def index(self):
        """Zero frequency in pixels, fractions included."""
        return tuple(p + s for p, s in zip(self.pixel, self.subpixel, strict=True))


def friedel_center(patterns):
    r"""Find zero frequency by the symmetry of a pattern under inversion.

    The intensity of a real object is symmetric (Friedel's law), `I(c + k) = I(c - k)`. For every
    centre `c` to half a pixel, the correlation of `log(1 + I)` with its own inversion is computed
    over the pairs of pixels both measured, a masked normalized correlation (Padfield, 2012, IEEE
    Trans. Image Process. 21, 2706, eq. 7) of a pattern with itself. The best centre is that of the
    highest correlation. The logarithm keeps a bright streak or the surroundings of a beam stop from
    outweighing all else. Hot pixels are left out.

    Parameters
    ----------
    patterns : array-like of shape (n_patterns, \*fourier_shape) or (height, width)
        Counts, NaN or infinite where unmeasured, 2 or 3 axes each; several patterns share one
        centre. An array of two axes is one pattern; a volume needs the axis of patterns, of length
        one.

    Returns
    -------
    center : tuple of float
        Index along each axis, a multiple of 1/2.
    confidence : float
        From 0 to 1: `(r - r') / (e - r')` for the correlation `r` about the centre, the highest
        about any centre two or more pixels away, `r'`, and `e`, that to be expected of a symmetric
        pattern with the noise of its counts; less where the difference `r - r'` is not significant.
        Of 2,400 simulated patterns of 1e3 to 1e6 photons, with beam stops and gaps or without, all
        those with 0.7 and more had the right center to half a pixel, and 97 % of those with 0.5 to
        0.7. Strained crystals, whose objects are complex, and patterns of few photons have low
        values. A phase that is linear over the object is a shift of the pattern, whose center of
        symmetry goes with it.

    Raises
    ------
    ValueError
        For patterns that are no real numbers, of another number of axes, or without a count.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((1, 20, 20))
    >>> counts = 1e3 * FourierMagnitude(fourier_shape=(64, 64)).fit_transform(objects) ** 2
    >>> counts[:, 28:36, 29:34] = np.nan
    >>> friedel_center(counts[:, 5:, 3:])[0]
    (27.0, 29.0)
    """
    patterns = check_counts(patterns, "patterns")
    patterns = patterns[None] if patterns.ndim == 2 else patterns
    if patterns.ndim not in (3, 4) or 0 in patterns.shape:
        raise ValueError(
            f"patterns has shape {patterns.shape}; give (n_patterns, height, width), one pattern "
            f"as (height, width), "
            "or volumes as (n_patterns, depth, height, width)"
        )
    counts = _mean(patterns).clip(min=0)
    counts = counts if counts.dtype.kind == "f" else counts.astype(float)
    measured = np.isfinite(counts)
    if not np.nanmax(counts, initial=0.0) > 0:
        raise ValueError(
            "center='friedel' is not defined: every count is zero; choose None or an index"
        )
    measured &= ~hot_pixels(counts)
    return center_of_symmetry(counts, measured)


def beam_center(patterns, center):
    r"""Find zero frequency by a rule, or check where it is said to be.

    Parameters
    ----------
    patterns : ndarray of shape (n_patterns, \*fourier_shape)
        Intensities, NaN where unmeasured; several patterns have one centre, that of their sum.
    center : {"friedel", "max", "mass"}, tuple of float or None
        "friedel" is the centre of symmetry (:func:`friedel_center`); where that is not sure, the
        brightest pixel. "max" is the brightest pixel after a median over 3 x 3 pixels, which a
        single hot one does not survive. "mass" is the centre of mass. A tuple holds one index for
        each axis, halves and other fractions allowed. None is the middle of the frame.

    Returns
    -------
    BeamCenter

    Raises
    ------
    ValueError
        For a rule or an index that is not valid, or patterns without a count.

    Warns
    -----
    UserWarning
        If unmeasured or saturated pixels touch the brightest one, or hide the centre of mass; if
        the centre of symmetry is not sure.
    """
    shape = patterns.shape[1:]
    if center is None:
        return BeamCenter(tuple(size // 2 for size in shape), (0.0,) * len(shape))
    if isinstance(center, str):
        check_choice("center", center, (*CENTERS, None))
        return {"friedel": _by_symmetry, "max": _by_maximum, "mass": _by_mass}[center](patterns)
    valid = isinstance(center, list | tuple | np.ndarray) and len(center) == len(shape)
    if not valid or not all(
        isinstance(c, Real) and not isinstance(c, bool) and 0 <= c < size and round(c) < size
        for c, size in zip(center, shape, strict=True)
    ):
        raise ValueError(
            f"center={center!r} is not valid; choose 'friedel', 'max', 'mass', None or one index "
            f"inside {shape} for "
            "each axis"
        )
    return _to_pixel(center)


def window_shape(shape, center, crop):
    """Sizes of the window to cut: as given, all there is, or the largest that is quick to
    transform.
    """
    if crop is None:
        return tuple(shape)
    if isinstance(crop, str):
        check_choice("crop", crop, ("fast", None))
        return tuple(_largest_fast(c, size) for c, size in zip(center, shape, strict=True))
    crop = crop.tolist() if isinstance(crop, np.ndarray) else crop
    sizes = tuple(crop) if isinstance(crop, list | tuple) else (crop,) * len(shape)
    if len(sizes) != len(shape) or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in sizes
    ):
        raise ValueError(
            f"crop={crop!r} is not valid; give an integer >= 1, one for each of {shape}, 'fast' "
            f"or None"
        )
    return tuple(int(n) for n in sizes)


def cut_around(patterns, center, sizes):
    """The window with the centre at index `m // 2`; NaN where it reaches beyond the detector, never
    wrapped around.
    """
    window = np.full((len(patterns), *sizes), np.nan, dtype=patterns.dtype)
    source, target = [slice(None)], [slice(None)]
    for c, n, size in zip(center, sizes, patterns.shape[1:], strict=True):
        first = c - n // 2
        begin, end = max(first, 0), min(first + n, size)
        source.append(slice(begin, end))
        target.append(slice(begin - first, end - first))
    window[tuple(target)] = patterns[tuple(source)]
    return window


def _largest_fast(center, size):
    """Largest window on the detector with `n // 2` pixels before the centre and only the factors 2,
    3 and 5.
    """
    largest = min(2 * center + 1, 2 * (size - center), size)
    return next(n for n in range(largest, 0, -1) if fft.next_fast_len(n, real=True) == n)


def _to_pixel(place, confidence=None):
    pixel = tuple(int(round(float(c))) for c in place)
    return BeamCenter(
        pixel, tuple(float(c) - p for c, p in zip(place, pixel, strict=True)), confidence
    )


def _mean(patterns):
    """Mean of the patterns where measured, NaN elsewhere; its counts are those of all, for the
    noise.
    """
    if len(patterns) == 1:
        return patterns[0]
    known = np.isfinite(patterns).sum(axis=0)
    total = np.nansum(patterns, axis=0, dtype=float)
    return np.where(known > 0, total * (len(patterns) / np.maximum(known, 1)), np.nan)


def _by_maximum(patterns):
    total, unmeasured = np.nansum(patterns, axis=0), np.isnan(patterns).all(axis=0)
    place, doubt = _brightest(total, unmeasured)
    if doubt:
        warn_user(
            f"the brightest pixel {place} touches {doubt} pixels, behind which zero frequency may "
            f"lie: "
            "center='friedel' finds it by the symmetry of the pattern, or give its index"
        )
    return _to_pixel(place)


def _brightest(total, unmeasured):
    """Brightest pixel of a pattern, and what makes it doubtful."""
    window = (1,) * (total.ndim - 2) + (3, 3)[-total.ndim :]
    place = np.unravel_index(ndimage.median_filter(total, window).argmax(), total.shape)
    place = tuple(int(i) for i in place)
    reach = tuple(
        slice(max(i - n // 2 - 1, 0), i + n // 2 + 2) for i, n in zip(place, window, strict=True)
    )
    if unmeasured[reach].any():
        return place, "unmeasured"
    n_equal, least = SATURATED
    top = total[reach].max()
    if top >= least and (total[reach] == top).sum() >= n_equal:
        return place, "saturated"
    return place, None


def _by_mass(patterns):
    total = np.maximum(np.nansum(patterns, axis=0), 0)  # noise below zero has no mass
    if not total.any():
        raise ValueError(
            "center='mass' is not defined: every count is zero; choose None or an index"
        )
    place = tuple(int(round(c)) for c in ndimage.center_of_mass(total))
    reach = tuple(slice(max(i - 1, 0), i + 2) for i in place)
    if np.isnan(patterns).all(axis=0)[reach].any():
        warn_user(
            f"the centre of mass {place} lies among unmeasured pixels, which have no mass: "
            f"center='friedel' finds zero "
            "frequency by the symmetry of the pattern, or give its index"
        )
    return _to_pixel(place)


def _by_symmetry(patterns):
    place, confidence = friedel_center(patterns)
    if confidence >= SURE:
        return _to_pixel(place, confidence)
    brightest, doubt = _brightest(np.nansum(patterns, axis=0), np.isnan(patterns).all(axis=0))
    found = _to_pixel(place if doubt else brightest, confidence)
    warn_user(
        f"the pattern is plainly symmetric about no centre (confidence {confidence:.2f}; {place} "
        f"is the best): photons "
        "are few, or the object is complex, as a strained crystal is. Zero frequency is taken to "
        "be at "
        f"{found.pixel}, {'that centre' if doubt else 'the brightest spot'}; give its index if it "
        f"is known"
    )
    return found
