"""Patterns assembled from frames, in a window around zero frequency."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import warn_user
from ._center import BeamCenter, beam_center, cut_around, window_shape
from ._corrections import judged, summed
from ._hot import hot_pixels
from ._memory import check_fits

MANY_HOT = 0.001  # of the pixels


class Recipe(NamedTuple):
    """Parameters of :func:`read_diffraction` that shape the patterns."""

    frames: str = "patterns"
    center: Any = None
    crop: Any = None
    threshold: float | None = None
    hot_pixels: str | None = None
    keep: bool = False
    name: Any = ""


class Assembled(NamedTuple):
    """Intensities of the patterns, their centre, and the hot pixels found."""

    intensities: np.ndarray
    center: BeamCenter
    hot: np.ndarray | None
    region: tuple


def assembled(readings, recipe):
    """Intensities of the patterns in their window, read frame by frame.

    Parameters
    ----------
    readings : Readings
    recipe : Recipe

    Returns
    -------
    Assembled
    """
    n_frames, *detector = readings.shape
    shape = readings.shape if recipe.frames == "volume" else tuple(detector)
    if recipe.frames == "volume" and n_frames < 2:
        raise ValueError(f"frames='volume' needs a stack of frames; select leaves one of {recipe.name}")
    place = None
    if not isinstance(recipe.center, str):
        place = beam_center(np.broadcast_to(np.float32(0), (1, *shape)), recipe.center)
    elif recipe.crop is not None and not isinstance(recipe.crop, str):
        window_shape(shape, tuple(n // 2 for n in shape), recipe.crop)  # what is not valid, before anything is read
    build = {"patterns": _patterns, "volume": _volume, "sum": _sum}[recipe.frames]
    return build(readings, recipe, shape, place)


def _sum(readings, recipe, shape, place):
    sizes = None if place is None else window_shape(shape, place.pixel, recipe.crop)
    region = _region(shape, place, sizes)
    check_fits(recipe.name, [part.stop - part.start for part in region], 4 * 8, "choose a window by center= and crop=")
    total = summed(readings.frames, region).astype(readings.dtype)
    hot = _hot(total, recipe)
    patterns = judged(total, recipe.threshold, recipe.keep)[None]
    _check_measured(patterns, recipe, readings)
    return _cut(patterns, recipe, shape, place, region, hot)


def _patterns(readings, recipe, shape, place):
    hot = None
    if place is None:  # from the sum of all, before any pattern is kept
        check_fits(recipe.name, shape, 4 * 8, "choose a window by center= and crop=")
        total = _total_read(readings, recipe)
        hot = _hot(total, recipe)
        _check_measured(total, recipe, readings)
        place = beam_center(total[None], recipe.center)
    sizes = window_shape(shape, place.pixel, recipe.crop)
    region = _region(shape, place, sizes)
    patterns = _stack(readings, range(readings.shape[0]), region, recipe)
    if hot is not None:
        hot = hot[region]
        patterns[:, hot] = np.nan
    elif recipe.hot_pixels is not None:
        hot = _hot(_total(patterns), recipe)
        patterns[:, hot] = np.nan
    _check_measured(patterns, recipe, readings)
    return _cut(patterns, recipe, shape, place, region, hot, sizes)


def _volume(readings, recipe, shape, place):
    sizes = None if place is None else window_shape(shape, place.pixel, recipe.crop)
    region = _region(shape, place, sizes)
    volume = _stack(readings, range(region[0].start, region[0].stop), region[1:], recipe)
    hot = None
    if recipe.hot_pixels is not None:
        hot = _hot(_total(volume), recipe)
        volume[:, hot] = np.nan
    _check_measured(volume, recipe, readings)
    return _cut(volume[None], recipe, shape, place, region, hot, sizes)


def _region(shape, place, sizes):
    """Part of a pattern inside the window, or all of it before that is known."""
    if place is None:
        return tuple(slice(0, n) for n in shape)
    firsts = [c - n // 2 for c, n in zip(place.pixel, sizes, strict=True)]
    return tuple(slice(max(a, 0), min(a + m, n)) for a, m, n in zip(firsts, sizes, shape, strict=True))


def _stack(readings, positions, region, recipe):
    """Frames of a window, all in memory."""
    sizes = [part.stop - part.start for part in region]
    check_fits(recipe.name, (len(positions), *sizes), readings.dtype.itemsize)
    values = np.empty((len(positions), *sizes), dtype=readings.dtype)
    for number, frame in enumerate(readings.frames(*region, positions)):
        values[number] = judged(frame, recipe.threshold, recipe.keep)
    return values


def _total(frames):
    """Sum of frames, NaN where none measured."""
    return np.where(np.isnan(frames).all(axis=0), np.nan, np.nansum(frames, axis=0, dtype=float))


def _total_read(readings, recipe):
    """Sum of all frames, read one at a time; NaN where none measured.

    For the centre of symmetry, pixels that some frames did not measure count as if all had.
    """
    total, known = 0.0, 0
    for frame in readings.frames():
        values = judged(frame, recipe.threshold, recipe.keep)
        measured = ~np.isnan(values)
        total, known = total + np.where(measured, values, 0).astype(float), known + measured
    if recipe.center == "friedel":
        total = total * (readings.shape[0] / np.maximum(known, 1))
    return np.where(known > 0, total, np.nan).astype(readings.dtype)


def _hot(total, recipe):
    """Find the hot pixels of a sum of frames and set them to NaN."""
    if recipe.hot_pixels is None:
        return None
    hot = hot_pixels(np.maximum(total, 0))  # noise about zero is no light
    n_hot = int(np.count_nonzero(hot))
    total[hot] = np.nan
    if n_hot > MANY_HOT * hot.size:
        warn_user(
            f"{n_hot} pixels of {recipe.name}, {n_hot / hot.size:.1%}, are taken for hot and left out; "
            "hot_pixels=None keeps them"
        )
    return hot


def _cut(patterns, recipe, shape, place, region, hot, sizes=None):
    """The window about the centre, with NaN beyond the detector."""
    if place is None:
        place = beam_center(patterns, recipe.center)
    sizes = sizes or window_shape(shape, place.pixel, recipe.crop)
    inside = tuple(c - part.start for c, part in zip(place.pixel, region, strict=True))
    if region != _region(shape, place, sizes) or tuple(sizes) != patterns.shape[1:]:
        patterns = cut_around(patterns, inside, sizes)
    return Assembled(patterns, place, hot, region[-2:])


def _check_measured(patterns, recipe, readings):
    if not np.isnan(patterns).all():
        return
    way = ""
    if readings.tally.reasons.get("masked", 0) > 0.5 * readings.n_read:
        way = "; mask_marks='measured' says that mask= marks the good pixels, mask=False leaves the file's own aside"
    raise ValueError(
        f"{recipe.name} has no measured pixel: every reading is masked, saturated, negative or not finite{way}"
    )
