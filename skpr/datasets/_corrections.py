"""From the counts of detector frames to magnitudes: pure functions on arrays, NaN where nothing was measured."""

from numbers import Integral, Real

import numpy as np
from scipy import fft, ndimage

from .._validation import check_choice

CENTERS = "max", "mass"
DEAD = 0.05  # of the flat field's median: pixels less sensitive than that are dead


def corrected(frames, *, dark=None, flat=None, mask=None, saturation=None, threshold=None):
    """Intensities of counts: what is above saturation unmeasured, dark taken off, flat divided, background zeroed.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, height, width)
        Readings; NaN, infinite and negative ones are unmeasured.
    dark, flat, mask : ndarray of shape (height, width), optional
        Counts without beam; sensitivity, in any unit; True where unmeasured.
    saturation : float, optional
        Readings from here on are unmeasured.
    threshold : float, optional
        Corrected counts below are zero.
    """
    frames = np.asarray(frames)
    dtype = np.float64 if frames.dtype.itemsize > 4 else np.float32
    unmeasured = ~(np.isfinite(frames) & (frames >= 0))
    if saturation is not None:
        unmeasured |= frames >= saturation
    counts = frames.astype(dtype)
    if dark is not None:
        counts = (counts - dark.astype(dtype)).clip(min=0)
    if flat is not None:
        flat = np.asarray(flat, dtype=dtype)
        # in units of the median, so that counts stay counts
        sensitivity = flat / np.median(flat[flat > 0])
        unmeasured |= ~(sensitivity > DEAD)
        counts = counts / np.where(sensitivity > DEAD, sensitivity, 1)
    if threshold is not None:
        counts[counts < threshold] = 0
    if mask is not None:
        unmeasured |= mask
    counts[unmeasured] = np.nan
    return counts


def summed(frames):
    """One exposure of several: the sum, unmeasured only where no frame measured; others count for those that did not.

    A pixel seen by some of the frames is scaled by how much of the counts those frames hold.
    """
    known = ~np.isnan(frames)
    if known.any():  # a frame that measured nothing was no exposure
        lit = known.any(axis=(1, 2))
        frames, known = frames[lit], known[lit]
    exposure = frames[:, known.all(axis=0)].sum(axis=1, dtype=float)
    exposure = exposure if exposure.sum() > 0 else np.ones(len(frames))
    seen = np.tensordot(exposure / exposure.sum(), known.astype(float), axes=1)
    total = np.nansum(frames, axis=0, keepdims=True)
    return np.where(seen > 0, total / np.where(seen > 0, seen, 1), np.nan).astype(frames.dtype)


def beam_center(patterns, center):
    """Pixel of zero frequency, one index an axis.

    "max" is the brightest pixel after a median over 3 x 3 pixels, which a single hot one does not survive; "mass" the
    centre of mass. Several patterns have one centre, that of their sum.
    """
    shape = patterns.shape[1:]
    if center is None:
        return tuple(size // 2 for size in shape)
    if isinstance(center, str):
        check_choice("center", center, (*CENTERS, None))
        total = np.nansum(patterns, axis=0)
        if center == "mass":
            if not total.any():
                raise ValueError("center='mass' is not defined: every count is zero; choose None or an index")
            return tuple(int(round(place)) for place in ndimage.center_of_mass(total))
        window = (1,) * (total.ndim - 2) + (3, 3)[-total.ndim :]
        return tuple(int(i) for i in np.unravel_index(ndimage.median_filter(total, window).argmax(), shape))
    valid = isinstance(center, list | tuple) and len(center) == len(shape)
    if not valid or not all(
        isinstance(c, Real) and 0 <= c < size and round(c) < size for c, size in zip(center, shape, strict=True)
    ):
        raise ValueError(
            f"center={center!r} is not valid; choose 'max', 'mass', None or one index inside {shape} for each axis"
        )
    return tuple(int(round(c)) for c in center)


def window_shape(shape, center, crop):
    """Sizes of the window to cut: as given, all there is, or the largest that is quick to transform."""
    if crop is None:
        return tuple(shape)
    if isinstance(crop, str):
        check_choice("crop", crop, ("fast", None))
        return tuple(_largest_fast(c, size) for c, size in zip(center, shape, strict=True))
    sizes = tuple(crop) if isinstance(crop, list | tuple) else (crop,) * len(shape)
    if len(sizes) != len(shape) or not all(isinstance(n, Integral) and n >= 1 for n in sizes):
        raise ValueError(f"crop={crop!r} is not valid; give an integer >= 1, one for each of {shape}, 'fast' or None")
    return tuple(int(n) for n in sizes)


def cut_around(patterns, center, sizes):
    """The window with the centre at index `m // 2`; NaN where it reaches beyond the detector, never wrapped around."""
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
    """Largest window on the detector with `n // 2` pixels before the centre and only the factors 2, 3 and 5."""
    largest = min(2 * center + 1, 2 * (size - center), size)
    return next(n for n in range(largest, 0, -1) if fft.next_fast_len(n, real=True) == n)
