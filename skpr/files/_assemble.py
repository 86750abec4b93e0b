"""Patterns assembled from frames, in a window around zero frequency."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._validation import warn_user
from ._center import SURE, BeamCenter, beam_center, cut_around, window_shape
from ._corrections import judged, summed
from ._hot import hot_pixels, without_beam
from ._memory import check_fits
from ._resample import middle_of_blocks, onto_pixel

MANY_HOT = 0.001  # of the pixels


class Recipe(NamedTuple):
    """Parameters of :func:`read_diffraction` that shape the patterns."""

    frames: str = "patterns"
    center: Any = None
    crop: Any = None
    threshold: float | None = None
    hot_pixels: str | None = None
    keep: bool = False  # negative values until pixels are added up
    resample: bool | None = None
    binning: tuple = (1, 1)
    equal: bool = False  # exposures
    name: Any = ""


class Assembled(NamedTuple):
    """Intensities of the patterns, their centre, and the hot pixels found."""

    intensities: np.ndarray
    center: BeamCenter
    hot: np.ndarray | None
    region: tuple  # of the frames inside the window
    remainder: tuple  # from the middle of the binned pattern to zero frequency, in its pixels


class Window(NamedTuple):
    """Window about a centre, and the part of the frames that it is made from."""

    center: BeamCenter
    sizes: tuple
    reach: tuple  # sizes of the window that is moved: the whole pattern, lest its rim enters on the other side
    target: tuple  # place of zero frequency after moving, less the middle
    moves: bool
    region: tuple  # of the frames inside the window that is moved


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
        raise ValueError(
            f"frames='volume' needs a stack of frames; select leaves one of {recipe.name}"
        )
    place = None
    if not isinstance(recipe.center, str):
        place = beam_center(np.broadcast_to(np.float32(0), (1, *shape)), recipe.center)
    elif recipe.crop is not None and not isinstance(recipe.crop, str):
        window_shape(
            shape, tuple(n // 2 for n in shape), recipe.crop
        )  # what is not valid, before anything is read
    build = {"patterns": _patterns, "volume": _volume, "sum": _sum}[recipe.frames]
    return build(readings, recipe, shape, place and _window(recipe, shape, place))


def _window(recipe, shape, place):
    sizes = window_shape(shape, place.pixel, recipe.crop)
    target = middle_of_blocks(sizes, recipe.binning)
    moves = bool(recipe.resample) and place.subpixel != target
    reach = tuple(max(pair) for pair in zip(sizes, shape, strict=True)) if moves else sizes
    return Window(place, sizes, reach, target, moves, _region(shape, place, reach))


def _sum(readings, recipe, shape, window):
    region = _whole(shape) if window is None else window.region
    check_fits(
        recipe.name,
        [part.stop - part.start for part in region],
        4 * 8,
        "choose a window by center= and crop=",
    )
    total = summed(readings.frames, region, equal=recipe.equal, name=recipe.name)
    _warn_of_saturated(readings.over, total, region, recipe)
    total = total.astype(readings.dtype)
    hot, window = _hot_and_window(total, recipe, shape, window)
    if hot is not None:
        total[hot] = np.nan
    patterns = judged(total, recipe.threshold, recipe.keep)[None]
    _check_measured(patterns, recipe, readings)
    return _cut(patterns, recipe, shape, window, region, hot)


def _warn_of_saturated(over, total, region, recipe):
    """Warn of pixels whose brightest exposures are left out of a sum."""
    if over is None:
        return
    over = over if over.shape == total.shape else over[region]
    n_partly = int(np.count_nonzero(over & ~np.isnan(total)))
    if n_partly:
        warn_user(
            f"{n_partly} pixels of {recipe.name} are saturated in some exposures and counted in "
            f"others, so that their "
            "sums miss the brightest and are too low; frames='patterns' reads those as NaN, and "
            "mask=np.isnan(patterns).any(axis=0) leaves the pixels out"
        )


def _patterns(readings, recipe, shape, window):
    hot = None
    if window is None or (
        window.moves and recipe.hot_pixels is not None
    ):  # before any pattern is kept
        check_fits(recipe.name, shape, 4 * 8, "choose a window by center= and crop=")
        total = _total_read(readings, recipe)
        _check_measured(total, recipe, readings)
        hot, window = _hot_and_window(total, recipe, shape, window, _whole(shape))
        hot = hot if hot is None else hot[window.region]
    patterns = _stack(readings, range(readings.shape[0]), window, recipe, hot)
    if hot is None and recipe.hot_pixels is not None:
        hot = _hot(_total(patterns), recipe, window.center, window.region)
        patterns[:, hot] = np.nan
    _check_measured(patterns, recipe, readings)
    if not window.moves:
        return _cut(patterns, recipe, shape, window, window.region, hot)
    return _assembled(patterns, recipe, shape, window, window.region, hot)


def _volume(readings, recipe, shape, window):
    region = _whole(shape) if window is None else window.region
    volume = _stack(readings, range(region[0].start, region[0].stop), region[1:], recipe)
    hot = None
    if recipe.hot_pixels is not None:
        hot = _hot(_total(volume), recipe, window and window.center, region)
        if window is None:
            hidden = volume[:, hot]
            volume[:, hot] = np.nan
            window = _window(recipe, shape, beam_center(volume[None], recipe.center))
            volume[:, hot] = hidden
            hot = _without_beam(hot, window.center, region)
        volume[:, hot] = np.nan
    _check_measured(volume, recipe, readings)
    window = window or _window(recipe, shape, beam_center(volume[None], recipe.center))
    return _cut(volume[None], recipe, shape, window, region, hot)


def _whole(shape):
    return tuple(slice(0, n) for n in shape)


def _region(shape, place, sizes):
    """Part of a pattern inside the window."""
    firsts = [c - n // 2 for c, n in zip(place.pixel, sizes, strict=True)]
    return tuple(
        slice(max(a, 0), min(a + m, n)) for a, m, n in zip(firsts, sizes, shape, strict=True)
    )


def _stack(readings, positions, window, recipe, hot=None):
    """Frames of a region or window, all in memory; moved one by one if the window says so."""
    moves = isinstance(window, Window) and window.moves
    region = window.region if isinstance(window, Window) else window
    sizes = window.sizes if moves else [part.stop - part.start for part in region]
    check_fits(recipe.name, (len(positions), *sizes), readings.dtype.itemsize)
    values = np.empty((len(positions), *sizes), dtype=readings.dtype)
    for number, frame in enumerate(readings.frames(*region, positions)):
        frame = judged(frame, recipe.threshold, recipe.keep)
        if hot is not None:
            frame[hot] = np.nan
        values[number] = _moved(frame[None], recipe, window, region)[0] if moves else frame
    return values


def _moved(patterns, recipe, window, region):
    """The window with zero frequency on a pixel, cut from the pattern after that was moved."""
    inside = tuple(c - part.start for c, part in zip(window.center.pixel, region, strict=True))
    wide = cut_around(patterns, inside, window.reach)
    wide = onto_pixel(wide, window.center.subpixel, window.target, keep=recipe.keep)
    return cut_around(wide, tuple(n // 2 for n in window.reach), window.sizes)


def _total(frames):
    """Sum of frames, NaN where none measured."""
    return np.where(np.isnan(frames).all(axis=0), np.nan, np.nansum(frames, axis=0, dtype=float))


def _total_read(readings, recipe):
    """Sum of all frames, read one at a time; NaN where none measured.

    For the centre of symmetry, pixels that some frames did not measure count as if all had.
    """
    total, known = 0.0, 0
    for frame in readings.frames():
        values = judged(frame, recipe.threshold, keep=True)
        measured = ~np.isnan(values)
        total, known = total + np.where(measured, values, 0).astype(float), known + measured
    if recipe.center == "friedel":
        total = total * (readings.shape[0] / np.maximum(known, 1))
    return np.where(known > 0, total, np.nan).astype(readings.dtype)


def _hot(total, recipe, place, region):
    """Hot pixels of a sum of frames, of which the beam at its known centre is none."""
    if recipe.hot_pixels is None:
        return None
    hot = hot_pixels(np.maximum(total, 0))  # noise about zero is no light
    if place is not None:
        hot = without_beam(
            hot,
            tuple(c - part.start for c, part in zip(place.index[-2:], region[-2:], strict=True)),
        )
    n_hot = int(np.count_nonzero(hot))
    if n_hot > MANY_HOT * hot.size:
        warn_user(
            f"{n_hot} pixels of {recipe.name}, {n_hot / hot.size:.1%}, are taken for hot and left "
            f"out; "
            "hot_pixels=None keeps them"
        )
    return hot


def _without_beam(hot, place, region):
    """Hot pixels but for the beam, where its centre was found by symmetry."""
    if place.confidence is None or place.confidence < SURE:
        return hot
    return without_beam(
        hot, tuple(c - part.start for c, part in zip(place.index[-2:], region[-2:], strict=True))
    )


def _hot_and_window(total, recipe, shape, window, region=None):
    """Hot pixels of a pattern, and the window about its centre, which hot pixels do not decide."""
    region = region or (_whole(shape) if window is None else window.region)
    hot = _hot(total, recipe, window and window.center, region)
    if window is not None:
        return hot, window
    place = beam_center(
        total[None] if hot is None else np.where(hot, np.nan, total)[None], recipe.center
    )
    return hot if hot is None else _without_beam(hot, place, region), _window(recipe, shape, place)


def _cut(patterns, recipe, shape, window, region, hot):
    """The window about the centre, with NaN beyond the detector, moved if that is wanted."""
    if window.moves:
        patterns = _moved(patterns, recipe, window, region)
    else:
        inside = tuple(c - part.start for c, part in zip(window.center.pixel, region, strict=True))
        if (
            region != _region(shape, window.center, window.sizes)
            or tuple(window.sizes) != patterns.shape[1:]
        ):
            patterns = cut_around(patterns, inside, window.sizes)
    return _assembled(patterns, recipe, shape, window, region, hot)


def _assembled(patterns, recipe, shape, window, region, hot):
    inside = _region(shape, window.center, window.sizes)
    if hot is not None:
        whole = np.zeros(shape[-2:], bool)
        whole[region[-2:]] = hot
        hot = whole[inside[-2:]]
    offsets = zip(window.center.subpixel, window.target, recipe.binning, strict=True)
    remainder = tuple(0.0 if window.moves else (s - t) / b for s, t, b in offsets)
    return Assembled(patterns, window.center, hot, inside, remainder)


def _check_measured(patterns, recipe, readings):
    if not np.isnan(patterns).all():
        return
    if len(readings.never) == len(set(readings.selected.tolist())):
        raise ValueError(
            f"{recipe.name} has no measured pixel: nothing was ever written to its frames"
        )
    way = ""
    if readings.tally.reasons.get("masked", 0) > 0.5 * readings.n_read:
        way = "; mask_marks='measured' says that mask= marks the good pixels, mask=False leaves the file's own aside"
    raise ValueError(
        f"{recipe.name} has no measured pixel: every reading is masked, saturated, negative or "
        f"not finite{way}"
    )
