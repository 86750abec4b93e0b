"""Planes of a detector: masks, dark frames, flat fields and gaps."""

from __future__ import annotations

import os
from contextlib import closing
from numbers import Integral
from pathlib import Path

import numpy as np

from .._validation import check_choice
from ._beside import EVERY_BIT, plane_is_bad
from ._candidates import MASKS
from ._frames import ArrayFrames
from ._sources import open_source

MARKS = "unmeasured", "measured"


def check_roi(roi):
    """Check the first row and column of the frames on the whole chip."""
    if roi is None:
        return None
    valid = isinstance(roi, list | tuple) and len(roi) == 2
    if not valid or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and n >= 0 for n in roi
    ):
        raise ValueError(
            f"roi={roi!r} is not valid; give the row and column of the frames' first pixel on the "
            f"chip, integers >= 0"
        )
    return tuple(int(n) for n in roi)


def is_named(given, source):
    """Return whether an argument is a name in the file of the data."""
    return isinstance(given, str | os.PathLike) and source.lookup(os.fspath(given)) is not None


def marks_of(given, marks, source):
    """Return the meaning of a mask's values, as options of :class:`Masks`.

    The own mask of a CXI file keeps the meaning of its bits if it is given by name.
    """
    is_own = (
        isinstance(given, str) and given.rpartition("/")[2] in MASKS and is_named(given, source)
    )
    if is_own and marks == "unmeasured" and source.beside.bad_bits != EVERY_BIT:
        return {"bad_bits": source.beside.bad_bits}
    return {"marks": marks}


def given_frames(name, given, source):
    """Return the frames of an argument.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    given : array-like, path-like, str, False or None
        Array, file, or name in the file of the data.
    source : Source
        File of the data.

    Returns
    -------
    Frames or None
        None if `given` is None or False.
    """
    if given is None or given is False:
        return None
    if isinstance(given, str | os.PathLike):
        found = source.lookup(os.fspath(given))
        if found is not None:
            return found
        if not Path(given).exists():
            raise ValueError(
                f"{name}={os.fspath(given)!r} is neither a file nor a name in {source.path}; give "
                "an array, a file or a name"
            )
        with closing(open_source(Path(given), plane=name)) as other:
            if other.lacking:
                raise OSError(other.lacking)
            frames = other.frames
            values = [frames.frame(number) for number in range(frames.shape[0])]
        return ArrayFrames(np.stack(values), name)
    values = as_array(name, given, "one number per pixel, in rows of equal length")
    if values.ndim not in (2, 3) or 0 in values.shape or values.dtype.kind not in "uifb":
        raise ValueError(
            f"{name} has shape {values.shape} and type {values.dtype}; give one real number per "
            f"pixel"
        )
    return _Plain(values, name)


def as_array(name, given, wanted):
    """Convert an argument to an array.

    Raises
    ------
    ValueError
        If it holds lists of different lengths.
    """
    try:
        return np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name} holds lists of different lengths; give {wanted}") from error


class _Plain:
    """Planes of an array with two or three axes, of any size."""

    def __init__(self, values, name):
        self.values, self.name = values if values.ndim == 3 else values[None], name
        self.shape, self.dtype = self.values.shape, values.dtype

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return one plane, or a window of it."""
        return self.values[number, rows, columns]

    def mean(self):
        """Return the mean of all planes."""
        return self.values.mean(axis=0, dtype=float) if len(self.values) > 1 else self.values[0]


def window_on_chip(frames, detector, roi, name):
    """Return the rows and columns of a plane that the frames cover."""
    shape = tuple(frames.shape[1:])
    if roi is not None and shape != tuple(detector):
        ends = [first + n for first, n in zip(roi, detector, strict=True)]
        if all(end <= size for end, size in zip(ends, shape, strict=True)):
            return tuple(slice(first, end) for first, end in zip(roi, ends, strict=True))
        raise ValueError(
            f"roi={roi!r} is not valid; frames of shape {tuple(detector)} from there exceed {name} "
            f"of shape {shape}"
        )
    if shape != tuple(detector):
        larger = all(a >= b for a, b in zip(shape, detector, strict=True))
        region = (
            "; if the frames show a region of the chip, give its first pixel as roi="
            if larger
            else ""
        )
        raise ValueError(
            f"{name} has shape {shape}; give one value per pixel of the frames, of shape "
            f"{tuple(detector)}{region}"
        )
    return slice(None), slice(None)


def mean_plane(frames, detector, roi, name):
    """Return the mean of planes, cropped to the frames; None for None."""
    if frames is None:
        return None
    rows, columns = window_on_chip(frames, detector, roi, name)
    plane = np.asarray(frames.mean())[rows, columns]
    if not np.isfinite(plane).any():
        raise ValueError(f"{name} holds no finite value")
    return plane


class Masks:
    """Bad pixels of every frame.

    There is one plane for all frames, or one for each.

    Parameters
    ----------
    frames : Frames
        Values of the masks, for one plane or for one plane per frame.
    detector : tuple of int
        Height and width of the frames.
    roi : tuple of int or None
        First pixel of the frames on the chip.
    counts : tuple of int
        Valid numbers of planes besides one: the number of all frames, and of the selected frames.
    marks : {"unmeasured", "measured"}, optional
        Meaning of nonzero values; if not given, `bad_bits` decides.
    bad_bits : int, optional
        Bits that make a pixel bad.
    name : str
        Name of the mask in messages.
    """

    def __init__(self, frames, detector, roi, counts, *, marks=None, bad_bits=None, name="mask"):
        self.frames, self.marks, self.bad_bits = frames, marks, bad_bits
        self.window = window_on_chip(frames, detector, roi, name)
        self.n_planes = frames.shape[0]
        if self.n_planes > 1 and self.n_planes not in counts:
            raise ValueError(
                f"{name} has shape {tuple(frames.shape)}; give one plane, or one for each of "
                f"{counts[0]} frames"
            )
        self.plane = self._bad(0) if self.n_planes == 1 else None

    def of(self, number, selected=None):
        """Return the bad pixels of a frame.

        `selected` is the index of its plane, if that is not the number of the frame.
        """
        if self.plane is not None:
            return self.plane
        return self._bad(number if selected is None else selected)

    def _bad(self, number):
        values = np.asarray(self.frames.frame(number, *self.window))
        if self.marks is None:
            return plane_is_bad(values, self.bad_bits)
        if values.dtype.kind == "f":
            marked = np.where(np.isfinite(values), values, self.marks == "unmeasured") != 0
        else:
            marked = values != 0
        return ~marked if self.marks == "measured" else marked


def detector_gaps(detector, shape, roi):
    """Return the insensitive pixels of a detector in pyFAI's list.

    Parameters
    ----------
    detector : str
        Name of the detector, for instance "Pilatus 1M".
    shape : tuple of int
        Height and width of the frames.
    roi : tuple of int or None
        First pixel of the frames on the chip.

    Returns
    -------
    ndarray of bool, shape (height, width)
    """
    if not isinstance(detector, str):
        raise ValueError(
            f"detector={detector!r} is not valid; give a name such as 'Pilatus 1M', or None"
        )
    try:
        from pyFAI.detectors import detector_factory
    except ImportError as error:
        raise ImportError("gaps of known detectors come from pyFAI: pip install pyFAI") from error
    try:
        known = detector_factory(detector)
    except Exception as error:
        raise ValueError(f"detector={detector!r} is not in pyFAI's list of detectors") from error
    gaps = known.mask
    if gaps is None:
        return np.zeros(shape, dtype=bool)
    frames = _Plain(np.asarray(gaps).astype(bool), f"detector {detector!r}")
    rows, columns = window_on_chip(frames, shape, roi, f"detector {detector!r}")
    return frames.frame(0, rows, columns)


def check_marks(marks, mask):
    """Refuse an invalid value of `mask_marks`, and one without a mask."""
    check_choice("mask_marks", marks, MARKS)
    if marks != MARKS[0] and (mask is None or mask is False):
        raise ValueError(
            f"mask_marks={marks!r} says what nonzero values of mask= are, but no mask is given; "
            "give a file or its name in the file of the data, or leave mask_marks out"
        )
