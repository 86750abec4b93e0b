"""Position of zero frequency, and windows about it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from .._validation import check_choice, warn_user
from ._hot import check_counts, hot_pixels
from ._inversion import center_of_symmetry

CENTERS = "friedel", "max", "mass"
SURE = 0.7  # minimum confidence at which the centre of symmetry is accepted
# number of equal brightest pixels close together, and their minimum value, that show saturation
SATURATED = 4, 255


class BeamCenter(NamedTuple):
    """Position of zero frequency in patterns.

    Parameters
    ----------
    pixel : tuple of int
        Index of the nearest pixel along each axis.
    subpixel : tuple of float
        Offset of zero frequency from that pixel, in pixels. Unless patterns are moved
        (:func:`onto_pixel`), the objects carry the phase ramp `2 pi subpixel r / m` over an axis of
        `m` pixels.
    confidence : float or None
        Confidence in a centre by symmetry, from 0 to 1; None for another rule.
    """

    pixel: tuple
    subpixel: tuple
    confidence: float | None = None

    @property
    def index(self):
        """Position of zero frequency in pixels, fractions included."""
        return tuple(p + s for p, s in zip(self.pixel, self.subpixel, strict=True))


def friedel_center(patterns):
    r"""Find zero frequency by the symmetry of a pattern under inversion.

    The intensity of a real object is symmetric (Friedel's law), `I(c + k) = I(c - k)`. For every
    centre `c` on a grid of half pixels, `log(1 + I)` is correlated with its own inversion over the
    pairs of which both pixels are measured. This is the masked normalized correlation (Padfield,
    2012, IEEE Trans. Image Process. 21, 2706, eq. 7) of a pattern with itself. The centre with the
    highest correlation is returned. The logarithm keeps a bright streak or the surroundings of a
    beam stop from dominating the correlation. Hot pixels are left out.

    Parameters
    ----------
    patterns : array-like of shape (n_patterns, \*fourier_shape) or (height, width)
        Counts, NaN or infinite where unmeasured, with 2 or 3 axes per pattern; several patterns
        share one centre. An array of two axes is one pattern; a single volume needs a first axis of
        length one.

    Returns
    -------
    center : tuple of float
        Index along each axis, a multiple of 1/2.
    confidence : float
        Confidence from 0 to 1, `(r - r') / (e - r')`, reduced if the difference `r - r'` is not
        significant. Here `r` is the correlation about the centre, `r'` the highest correlation
        about any centre two or more pixels away, and `e` the correlation expected of a symmetric
        pattern with the noise of its counts.

    Raises
    ------
    ValueError
        If the patterns are not real numbers, have another number of axes, or hold no count.

    Notes
    -----
    In 2,400 simulated patterns of 1e3 to 1e6 photons per pattern, with and without beam stops and
    gaps, the centre was right to half a pixel in all patterns with a confidence of at least 0.7,
    and in 97 % of those between 0.5 and 0.7. Strained crystals, whose objects are complex, and
    patterns of few photons have a low confidence. A phase that is linear over the object shifts the
    pattern, and its centre of symmetry with it.

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
            "as (height, width), or volumes as (n_patterns, depth, height, width)"
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
    r"""Find zero frequency by a rule, or check a given position.

    Parameters
    ----------
    patterns : ndarray of shape (n_patterns, \*fourier_shape)
        Intensities, NaN where unmeasured; several patterns share the centre of their sum.
    center : {"friedel", "max", "mass"}, tuple of float or None
        Rule or position. "friedel" is the centre of symmetry (:func:`friedel_center`), or the
        brightest pixel if the symmetry is not conclusive. "max" is the brightest pixel after a
        median over 3 x 3 pixels, which removes single hot pixels. "mass" is the centre of mass. A
        tuple holds one index for each axis, which may be a fraction. None is the middle of the
        frame.

    Returns
    -------
    BeamCenter

    Raises
    ------
    ValueError
        If the rule or index is not valid, or the patterns hold no count.

    Warns
    -----
    UserWarning
        If unmeasured or saturated pixels touch the brightest one or hide the centre of mass, or if
        the symmetry is not conclusive.
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
            f"inside {shape} for each axis"
        )
    return _to_pixel(center)


def window_shape(shape, center, crop):
    """Return the sizes of the window to cut.

    `crop` holds the sizes; None is the whole pattern, and "fast" is the largest window with a fast
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
            f"crop={crop!r} is not valid; give an integer >= 1, one for each axis of {shape}, "
            f"'fast' or None"
        )
    return tuple(int(n) for n in sizes)


def cut_around(patterns, center, sizes):
    """Cut a window with the centre at index `m // 2`.

    Pixels beyond the detector are NaN; the window never wraps around.
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
    """Return the largest size of a window with a fast transform.

    The window lies on the detector with `n // 2` pixels before the centre, and `n` has no prime
    factors but 2, 3 and 5.
    """
    largest = min(2 * center + 1, 2 * (size - center), size)
    return next(n for n in range(largest, 0, -1) if fft.next_fast_len(n, real=True) == n)


def _to_pixel(place, confidence=None):
    pixel = tuple(int(round(float(c))) for c in place)
    return BeamCenter(
        pixel, tuple(float(c) - p for c, p in zip(place, pixel, strict=True)), confidence
    )


def _mean(patterns):
    """Sum patterns, scaling pixels that only some of them measured.

    The mean over the patterns that measured a pixel is multiplied by the number of all patterns.
    The noise is then that of the counts. NaN where no pattern measured.
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
            f"the brightest pixel {place} touches {doubt} pixels, which may hide zero frequency: "
            "center='friedel' finds it by the symmetry of the pattern, or give its index"
        )
    return _to_pixel(place)


def _brightest(total, unmeasured):
    """Return the brightest pixel, and a reason to doubt it.

    The reason is "unmeasured" or "saturated", for pixels that touch it, or None.
    """
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
    total = np.maximum(np.nansum(patterns, axis=0), 0)  # negative noise must not count as mass
    if not total.any():
        raise ValueError(
            "center='mass' is not defined: every count is zero; choose None or an index"
        )
    place = tuple(int(round(c)) for c in ndimage.center_of_mass(total))
    reach = tuple(slice(max(i - 1, 0), i + 2) for i in place)
    if np.isnan(patterns).all(axis=0)[reach].any():
        warn_user(
            f"the centre of mass {place} lies among unmeasured pixels, which have no mass: "
            "center='friedel' finds zero frequency by the symmetry of the pattern, or give its "
            "index"
        )
    return _to_pixel(place)


def _by_symmetry(patterns):
    place, confidence = friedel_center(patterns)
    if confidence >= SURE:
        return _to_pixel(place, confidence)
    brightest, doubt = _brightest(np.nansum(patterns, axis=0), np.isnan(patterns).all(axis=0))
    found = _to_pixel(place if doubt else brightest, confidence)
    warn_user(
        f"the pattern is not clearly symmetric about any centre (confidence {confidence:.2f} for "
        f"the best one, {place}): it has few photons, or the object is complex, like a strained "
        f"crystal. Zero frequency is assumed to be at {found.pixel}, "
        f"{'that centre' if doubt else 'the brightest spot'}; give its index if it is known"
    )
    return found
