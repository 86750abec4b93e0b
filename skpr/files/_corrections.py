"""Corrections from readings to intensities: pure functions on arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._validation import warn_user

DEAD = 0.05  # of the flat field's median: pixels less sensitive than that are dead
NEGATIVE = "unmeasured", "zero", "keep"
REASONS = "not finite", "flagged", "negative", "saturated", "insensitive", "masked"
FLAG_BYTES = 2  # integers as long as that or longer end in a flag, or in what ran over
SURE_BYTES = 4  # no counter reaches the end of these
FLAGS_32 = (
    2**32 - 1,
    2**32 - 2,
)  # gaps and bad pixels of detectors with 32 bits, whatever type they are stored in


class Corrections(NamedTuple):
    """Planes and limits that apply to a frame.

    Attributes
    ----------
    dark, sensitivity : ndarray of shape (height, width) or None
        Counts without beam; sensitivity over its median, by :func:`relative_sensitivity`.
    mask : ndarray of bool, shape (height, width), or None
        True where unmeasured.
    saturation : float or None
        Readings from here on are unmeasured.
    highest : float or None
        Readings above are unmeasured.
    negative : {"unmeasured", "zero", "keep"}
        Meaning of a reading below zero.
    content : {"counts", "magnitudes"}
    """

    dark: np.ndarray | None = None
    sensitivity: np.ndarray | None = None
    mask: np.ndarray | None = None
    saturation: float | None = None
    highest: float | None = None
    negative: str = "unmeasured"
    content: str = "counts"

    def cut(self, rows, columns):
        """The same for a window of the frame."""
        planes = {name: getattr(self, name) for name in ("dark", "sensitivity", "mask")}
        return self._replace(
            **{name: p if p is None else p[rows, columns] for name, p in planes.items()}
        )


class Tally:
    """Account of the readings in a pass through frames.

    Attributes
    ----------
    reasons : dict
        Number of unmeasured pixels by reason, each counted for the first.
    hidden, seen : float
        Counts under masks, and beside them.
    below, n_counted : int
        Pixels that a dark frame made negative, and all that it left measured.
    net : float
        Counts that dark frames left.
    over : ndarray of bool or None
        Pixels of the last frame beyond the range of the detector.
    """

    def __init__(self):
        self.reasons, self.hidden, self.seen = {}, 0.0, 0.0
        self.below, self.net, self.n_counted, self.over = 0, 0.0, 0, None

    def add(self, reason, number):
        """Count pixels."""
        if number:
            self.reasons[reason] = self.reasons.get(reason, 0) + int(number)


def working_type(dtype):
    """Floating-point type that intensities of readings are computed in."""
    return np.dtype(np.float64 if np.dtype(dtype).itemsize > 4 else np.float32)


def corrected(frame, corrections, dtype=None, tally=None):
    """Intensities of the readings in a frame, NaN where unmeasured.

    Unmeasured are readings that are not finite, the largest value of an integer type of two bytes
    or more (a flag or an overflow), negative readings if `negative` says so, saturated readings,
    and pixels that are masked or hardly sensitive. Values that noise makes negative stay negative.

    Parameters
    ----------
    frame : ndarray of shape (height, width)
    corrections : Corrections
    dtype : dtype, optional
        Type of the result; by the frame's own type if not given.
    tally : Tally, optional
        Account that is added to.

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
    if given.content == "magnitudes":
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
        tally.net += float(left.sum(dtype=float))
    counts[bad] = np.nan
    return counts


def _ends_in_flag(dtype, saturation):
    """Whether the largest value of an integer type is no count."""
    if dtype.itemsize >= SURE_BYTES:
        return True
    return dtype.itemsize >= FLAG_BYTES and (
        saturation is None or saturation <= np.iinfo(dtype).max
    )


def relative_sensitivity(flat, dtype, name="flat"):
    """Flat field in units of its median, so that counts stay counts."""
    flat = np.asarray(flat, dtype=dtype)
    sensitive = np.isfinite(flat) & (flat > 0)
    if not sensitive.any():
        raise ValueError(f"{name} is nowhere positive: no pixel is sensitive")
    return flat / np.median(flat[sensitive])


def judged(intensities, threshold=None, keep=False):
    """Set intensities below the threshold, or below zero, to zero.

    Parameters
    ----------
    intensities : ndarray
        Changed in place.
    threshold : float, optional
    keep : bool
        Whether negative values stay, for sums to come.
    """
    if threshold is not None:
        intensities[intensities < threshold] = 0
    elif not keep:
        np.maximum(intensities, 0, out=intensities)
    return intensities


def summed(frames, window=(), *, equal=False, name="the frames"):
    """Sum of exposures, unmeasured only where no frame measured.

    A pixel that some of the frames measured is scaled by the share of the counts that these frames
    hold. The share is taken over the pixels that every frame measured, in or outside the window.

    Parameters
    ----------
    frames : callable
        Returns an iterator over windows of frames, NaN where unmeasured, for slices of rows and
        columns; over the whole frames for none. It is called once, or three times where pixels are
        measured in some frames and not in others.
    window : tuple of slice
        Rows and columns of the sum; everything if empty.
    equal : bool
        Whether exposures are known to be equal, as of frames that were divided by a monitor.
    name : str
        Words for the frames in the warning.

    Returns
    -------
    ndarray of float64, shape (height, width)

    Warns
    -----
    UserWarning
        If exposures are not known because no pixel with counts was measured in all frames.

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
    """Share of the counts in the frames that measured each pixel of a window."""
    known, n_lit = 0, 0
    for frame in frames():
        measured = ~np.isnan(frame)
        known, n_lit = (
            known + measured,
            n_lit + bool(measured.any()),
        )  # one that measured nothing was no exposure
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
            f"no pixel with counts was measured in all frames of {name}, so that their exposures "
            f"cannot be compared "
            "and are taken to be equal; monitor= gives the beam's intensity in each"
        )
    return number / max(n_lit, 1)
