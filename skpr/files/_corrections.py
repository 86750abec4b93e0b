"""Corrections that turn readings into intensities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import warn_user

DEAD = 0.05  # fraction of the flat field's median; pixels less sensitive than this are dead
NEGATIVE = "unmeasured", "zero", "keep"
REASONS = "not finite", "flagged", "negative", "saturated", "insensitive", "masked"
FLAG_BYTES = 2  # minimum size of integers whose largest value marks a flag or an overflow
SURE_BYTES = 4  # minimum size of integers whose largest value no counter reaches
# values that detectors with 32 bits give to gaps and bad pixels, also if stored as another type
FLAGS_32 = (2**32 - 1, 2**32 - 2)


class Corrections(NamedTuple):
    """Planes and limits that apply to a frame.

    Attributes
    ----------
    dark, sensitivity : ndarray of shape (height, width) or None
        Counts without beam, and sensitivity divided by its median (:func:`relative_sensitivity`).
    mask : ndarray of bool, shape (height, width), or None
        True where unmeasured.
    saturation : float or None
        Threshold; readings of this value and above are unmeasured.
    highest : float or None
        Limit; readings above this value are unmeasured.
    negative : {"unmeasured", "zero", "keep"}
        Treatment of negative readings.
    content : {"counts", "magnitudes"}
        Kind of readings.
    """

    dark: np.ndarray | None = None
    sensitivity: np.ndarray | None = None
    mask: np.ndarray | None = None
    saturation: float | None = None
    highest: float | None = None
    negative: str = "unmeasured"
    content: str = "counts"

    def cut(self, rows, columns):
        """Return the corrections of a window of the frame."""
        planes = {name: getattr(self, name) for name in ("dark", "sensitivity", "mask")}
        return self._replace(
            **{name: p if p is None else p[rows, columns] for name, p in planes.items()}
        )


class Tally:
    """Statistics of the readings in a pass through frames.

    Attributes
    ----------
    reasons : dict
        Number of unmeasured pixels by reason; each pixel is counted for the first reason only.
    hidden, seen : float
        Counts under masks, and outside them.
    below, n_counted : int
        Number of pixels that are negative after the dark frame is subtracted, and number of all
        measured pixels in these frames.
    above : int
        Number of pixels that are positive after the dark frame is subtracted.
    net : float
        Sum of the counts after dark frames are subtracted.
    over : ndarray of bool or None
        Pixels of the last frame beyond the range of the detector.
    """

    def __init__(self):
        self.reasons, self.hidden, self.seen = {}, 0.0, 0.0
        self.below, self.above, self.net, self.n_counted = 0, 0, 0.0, 0
        self.over = None

    def add(self, reason, number):
        """Add a number of pixels to a reason."""
        if number:
            self.reasons[reason] = self.reasons.get(reason, 0) + int(number)


def working_type(dtype):
    """Return the floating-point type for intensities of readings."""
    return np.dtype(np.float64 if np.dtype(dtype).itemsize > 4 else np.float32)


def corrected(frame, corrections, dtype=None, tally=None):
    """Correct the readings of a frame; unmeasured pixels become NaN.

    Unmeasured are readings that are not finite, readings equal to the largest value of an integer
    type of two bytes or more (a flag or an overflow), negative readings if `negative` says so,
    saturated readings, and pixels that are masked or hardly sensitive. Values that become negative
    by noise stay negative.

    Parameters
    ----------
    frame : ndarray of shape (height, width)
        Readings of the detector.
    corrections : Corrections
        Planes and limits to apply.
    dtype : dtype, optional
        Type of the result; by default it follows from the type of the frame.
    tally : Tally, optional
        Statistics to update.

    Returns
    -------
    ndarray of shape (height, width)
    """
    frame = np.asarray(frame)
    dtype = dtype or working_type(frame.dtype)
    given = corrections
    bad = np.zeros(frame.shape, dtype=bool)
    if tally is not None:
        tally.over = None

    def leave_out(reason, where):
        if tally is not None:
            tally.add(reason, np.count_nonzero(where & ~bad))
            if reason == "saturated" or (reason == "flagged" and frame.dtype.itemsize < SURE_BYTES):
                tally.over = where if tally.over is None else tally.over | where
        np.logical_or(bad, where, out=bad)

    if frame.dtype.kind == "f":
        leave_out("not finite", ~np.isfinite(frame))
    if frame.dtype in (np.float32, np.float64) or (
        frame.dtype.kind in "ui" and np.iinfo(frame.dtype).max >= max(FLAGS_32)
    ):
        for flag in FLAGS_32:
            leave_out("flagged", frame == frame.dtype.type(flag))
    if frame.dtype.kind in "ui" and _ends_in_flag(frame.dtype, given.saturation):
        leave_out("flagged", frame == np.iinfo(frame.dtype).max)
    if given.negative == "unmeasured" and frame.dtype.kind in "if":
        leave_out("negative", frame < 0)
    if given.saturation is not None:
        leave_out("saturated", frame >= given.saturation)
    if given.highest is not None:
        leave_out("saturated", frame > given.highest)
    counts = frame.astype(dtype)
    if given.negative == "zero":
        np.maximum(counts, 0, out=counts, where=~bad)
    if given.content == "magnitudes":  # the sign stays, so that noise about zero is not rectified
        counts = np.sign(counts) * counts * counts
    if given.dark is not None:
        counts = counts - given.dark.astype(dtype)
        leave_out("masked", ~np.isfinite(given.dark))
    if given.sensitivity is not None:
        dead = ~((given.sensitivity > DEAD) & np.isfinite(given.sensitivity))
        leave_out("insensitive", dead)
        counts = counts / np.where(dead, 1, given.sensitivity).astype(dtype)
    if given.mask is not None:
        if tally is not None:
            tally.hidden += float(counts[given.mask & ~bad].sum(dtype=float))
        leave_out("masked", given.mask)
        if tally is not None:
            tally.seen += float(counts[~bad].sum(dtype=float))
    if given.dark is not None and tally is not None:
        left = counts[~bad]
        tally.below, tally.n_counted = (
            tally.below + int(np.count_nonzero(left < 0)),
            tally.n_counted + left.size,
        )
        tally.above += int(np.count_nonzero(left > 0))
        tally.net += float(left.sum(dtype=float))
    counts[bad] = np.nan
    return counts


def _ends_in_flag(dtype, saturation):
    """Return whether the largest value of an integer type is a flag."""
    if dtype.itemsize >= SURE_BYTES:
        return True
    return dtype.itemsize >= FLAG_BYTES and (
        saturation is None or saturation <= np.iinfo(dtype).max
    )


def relative_sensitivity(flat, dtype, name="flat"):
    """Return a flat field divided by its median.

    Counts divided by it stay counts.
    """
    flat = np.asarray(flat, dtype=dtype)
    sensitive = np.isfinite(flat) & (flat > 0)
    if not sensitive.any():
        raise ValueError(f"{name} has no positive value: no pixel is sensitive")
    return flat / np.median(flat[sensitive])


def judged(intensities, threshold=None, keep=False):
    """Set intensities below the threshold, or below zero, to zero.

    Parameters
    ----------
    intensities : ndarray
        Intensities, changed in place.
    threshold : float, optional
        Smallest intensity that is kept.
    keep : bool
        Whether negative values stay, so that later sums are not biased.
    """
    if threshold is not None:
        intensities[intensities < threshold] = 0
    elif not keep:
        np.maximum(intensities, 0, out=intensities)
    return intensities


def summed(frames, window=(), *, equal=False, name="the frames"):
    """Sum exposures of one pattern.

    A pixel is unmeasured only if no frame measured it. A pixel that only some of the frames
    measured is divided by the share of the counts that these frames hold. The share is computed
    over the pixels that every frame measured, inside or outside the window.

    Parameters
    ----------
    frames : callable
        Function of slices of rows and columns that returns an iterator over windows of frames, NaN
        where unmeasured; without slices, over whole frames. It is called once, or three times if
        pixels are measured in some frames and not in others.
    window : tuple of slice
        Rows and columns of the sum; everything if empty.
    equal : bool
        Whether exposures are known to be equal, for instance after division by a monitor.
    name : str
        Name of the frames in the warning.

    Returns
    -------
    ndarray of float64, shape (height, width)

    Warns
    -----
    UserWarning
        If exposures are unknown because no pixel with counts was measured in all frames.

    Examples
    --------
    >>> stack = np.array([[[1.0, 2.0]], [[3.0, np.nan]]])
    >>> summed(lambda *window: iter(stack))
    array([[4., 8.]])
    """
    total, known, n_lit, n_frames = 0.0, 0, 0, 0
    for frame in frames(*window):
        measured = ~np.isnan(frame)
        total = total + np.where(measured, frame, 0).astype(float)
        known = known + measured
        n_lit, n_frames = n_lit + bool(measured.any()), n_frames + 1
    in_some = ((known > 0) & (known < n_lit)).any() or (window and 0 < n_lit < n_frames)
    seen = _seen(frames, window, equal, name) if in_some else known > 0
    return np.where((known > 0) & (seen > 0), total / np.where(seen > 0, seen, 1), np.nan)


def _seen(frames, window, equal, name):
    """Return the share of the counts in frames that measured each pixel."""
    known, n_lit = 0, 0
    for frame in frames():
        measured = ~np.isnan(frame)
        # a frame without any measured pixel is not an exposure
        known, n_lit = known + measured, n_lit + bool(measured.any())
    everywhere = known == n_lit
    weighted, number, weight = 0.0, 0, 0.0
    for frame in frames():
        measured = ~np.isnan(frame)
        exposure = max(float(frame[everywhere].sum(dtype=float)), 0.0) if measured.any() else 0.0
        measured = measured[tuple(window)]
        weighted, number, weight = (
            weighted + exposure * measured,
            number + measured,
            weight + exposure,
        )
    if equal:
        return number / max(n_lit, 1)
    if weight > 0:
        return weighted / weight
    if ((number > 0) & (number < n_lit)).any():
        warn_user(
            f"no pixel with counts was measured in all frames of {name}: their exposures cannot be "
            "compared and are assumed to be equal; pass the beam intensity in each frame as "
            "monitor="
        )
    return number / max(n_lit, 1)
