"""Assembly of patterns from frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._memory import check_fits
from .._validation import warn_user
from ._center import SURE, BeamCenter, beam_center, cut_around, window_shape
from ._corrections import judged, summed
from ._hot import hot_pixels, without_beam
from ._resample import middle_of_blocks, onto_pixel

MANY_HOT = 0.001  # fraction of pixels; more hot pixels than this cause a warning


class Recipe(NamedTuple):
    """Parameters of :func:`read_diffraction` that shape the patterns."""

    frames: str = "patterns"
    center: Any = None
    crop: Any = None
    threshold: float | None = None
    hot_pixels: str | None = None
    keep: bool = False  # whether negative values stay until pixels are summed
    resample: bool | None = None
    binning: tuple = (1, 1)
    equal: bool = False  # whether the exposures are known to be equal
    name: Any = ""


class Assembled(NamedTuple):
    """Intensities of the patterns, their centre and their hot pixels."""

    intensities: np.ndarray
    center: BeamCenter
    hot: np.ndarray | None
    region: tuple  # part of the frames inside the window
    remainder: tuple  # from the middle of the binned pattern to zero frequency, in binned pixels


class Window(NamedTuple):
    """Window about a centre, with the part of the frames in it."""

    center: BeamCenter
    sizes: tuple
    # sizes of the window that is moved: the whole pattern, because a periodic shift of the cropped
    # window would bring its rim in on the other side
    reach: tuple
    target: tuple  # offset of zero frequency from pixel m // 2 after moving
    moves: bool
    region: tuple  # part of the frames inside the window that is moved


def assembled(readings, recipe):
    """Assemble the patterns in their window, reading frame by frame.

    Parameters
    ----------
    readings : Readings
        Corrected frames.
    recipe : Recipe
        Parameters of the assembly.

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
        # the centre is not known yet; this only refuses an invalid crop before anything is read
        window_shape(shape, tuple(n // 2 for n in shape), recipe.crop)
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
    """Warn about pixels that are saturated in some exposures of a sum."""
    if over is None:
        return
    over = over if over.shape == total.shape else over[region]
    n_partly = int(np.count_nonzero(over & ~np.isnan(total)))
    if n_partly:
        warn_user(
            f"{n_partly} pixels of {recipe.name} are saturated in some exposures but not in "
            "others: their sums lack the brightest exposures and are too low. To leave these "
            "pixels out, read the exposures by frames='patterns', where saturated readings are "
            "NaN, and pass mask=np.isnan(patterns).any(axis=0)"
        )


def _patterns(readings, recipe, shape, window):
    hot = None
    # a first pass finds the centre, and the hot pixels that a shift would smear over neighbours
    if window is None or (window.moves and recipe.hot_pixels is not None):
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
    """Return the part of a pattern inside a window of given sizes."""
    firsts = [c - n // 2 for c, n in zip(place.pixel, sizes, strict=True)]
    return tuple(
        slice(max(a, 0), min(a + m, n)) for a, m, n in zip(firsts, sizes, shape, strict=True)
    )


def _stack(readings, positions, window, recipe, hot=None):
    """Read the frames of a region or window into memory.

    If the window is a :class:`Window` that moves, each frame is moved as it is read.
    """
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
    """Move zero frequency of patterns onto a pixel, and cut the window."""
    inside = tuple(c - part.start for c, part in zip(window.center.pixel, region, strict=True))
    wide = cut_around(patterns, inside, window.reach)
    wide = onto_pixel(wide, window.center.subpixel, window.target, keep=recipe.keep)
    return cut_around(wide, tuple(n // 2 for n in window.reach), window.sizes)


def _total(frames):
    """Return the sum of frames, NaN where no frame measured."""
    return np.where(np.isnan(frames).all(axis=0), np.nan, np.nansum(frames, axis=0, dtype=float))


def _total_read(readings, recipe):
    """Return the sum of all frames, read one at a time.

    NaN where no frame measured. For the centre of symmetry, pixels that only some frames measured
    are scaled to the number of all frames.
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
    """Find the hot pixels of a sum of frames.

    Pixels of the beam at a known centre are never hot.
    """
    if recipe.hot_pixels is None:
        return None
    hot = hot_pixels(np.maximum(total, 0))  # negative values are read-out noise, not counts
    if place is not None:
        hot = without_beam(
            hot,
            tuple(c - part.start for c, part in zip(place.index[-2:], region[-2:], strict=True)),
        )
    n_hot = int(np.count_nonzero(hot))
    if n_hot > MANY_HOT * hot.size:
        warn_user(
            f"{n_hot} pixels of {recipe.name}, {n_hot / hot.size:.1%}, are considered hot and "
            "marked as unmeasured; hot_pixels=None keeps them"
        )
    return hot


def _without_beam(hot, place, region):
    """Remove the beam from hot pixels if symmetry found its centre."""
    if place.confidence is None or place.confidence < SURE:
        return hot
    return without_beam(
        hot, tuple(c - part.start for c, part in zip(place.index[-2:], region[-2:], strict=True))
    )


def _hot_and_window(total, recipe, shape, window, region=None):
    """Find the hot pixels and the window of a pattern.

    The centre of the window is found without the hot pixels.
    """
    region = region or (_whole(shape) if window is None else window.region)
    hot = _hot(total, recipe, window and window.center, region)
    if window is not None:
        return hot, window
    place = beam_center(
        total[None] if hot is None else np.where(hot, np.nan, total)[None], recipe.center
    )
    return hot if hot is None else _without_beam(hot, place, region), _window(recipe, shape, place)


def _cut(patterns, recipe, shape, window, region, hot):
    """Cut the window about the centre, NaN beyond the detector.

    The patterns are moved first if the window asks for it.
    """
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
        way = (
            "; pass mask_marks='measured' if mask= marks the good pixels, or mask=False to ignore "
            "the file's own mask"
        )
    raise ValueError(
        f"{recipe.name} has no measured pixel: every reading is masked, saturated, negative or "
        f"not finite{way}"
    )
