"""One pattern: a frame, a rocking curve or exposures, in a window."""

from __future__ import annotations

import argparse
import math
import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.fft import next_fast_len

from .._counts import are_roots_of_counts
from .._tensors import even_rows
from ..files import Geometry, object_pixel_size, read_diffraction
from ._trouble import TroubleError, say

MOST_PIXELS = {2: 1024**2, 3: 80**3}  # of a window by axes; a search takes minutes
MIDDLE = 64  # pixels of the window in which frames are compared
FAINT = (
    0.5  # counts at the ends of a stack, relative to the most, below which it is a rocking curve
)
LEAST = 4  # pixels along an axis; fewer are not a pattern
FINEST = 0.25  # pixel of an object in wavelengths; none smaller can be resolved
NEARLY = 0.9  # of a frame's size; a window from there on is the whole, with an unmeasured rim
ALIKE = 0.9  # correlation of the roots of neighbouring frames that are exposures of one pattern
PASSED = (
    *("dataset", "format", "select", "content", "dark", "flat", "mask", "mask_marks", "roi"),
    *("detector", "saturation", "negative", "monitor"),
)
ZEROING = "dark", "mask", "saturation"  # corrections that may leave no count
LOOKED_AT = 3  # frames, evenly spaced, that are searched for square roots of counts
ROOTS = (
    "the values are square roots of whole numbers, and are taken for magnitudes; --content counts "
    "says that they are counts"
)
IN_FFT_ORDER = "FFT order"  # words of the error about the centre of such patterns


class Pattern(NamedTuple):
    """Magnitudes, and how they came about.

    Attributes
    ----------
    magnitudes : ndarray of shape (1, *fourier_shape)
    geometry : Geometry
    notes : list of str
        Sentences on what was read.
    """

    magnitudes: np.ndarray
    geometry: Geometry
    notes: list


def read_pattern(options: Any) -> Pattern:
    """Read one pattern from one file or several.

    A stack is read up to three times, one frame at a time: to find zero frequency in the sum of all
    frames, to compare the frames about it, and to read the window that is kept.

    Parameters
    ----------
    options : argparse.Namespace
        Options as the parser returns them.

    Returns
    -------
    Pattern

    Raises
    ------
    TroubleError
        If there is no count, frames are neither a rocking curve nor exposures of one pattern, or
        options contradict each other.
    ValueError, OSError, ImportError, MemoryError
        As :func:`skpr.files.read_diffraction` says.
    """
    path = options.files[0] if len(options.files) == 1 else _different(by_number(options.files))
    settings = _settings(options)
    with warnings.catch_warnings():  # the last reading tells what is still true then
        warnings.simplefilter("ignore")
        total, rule = _summed(path, options.center, settings)
        if _holds_roots(path, options, total.frames, settings):
            say(f"skpr: warning: {ROOTS}")
            return read_pattern(argparse.Namespace(**vars(options) | {"content": "magnitudes"}))
        kind, place = "sum", total.center
        if options.frames == "volume" or len(total.frames) > 1:
            kind, rule, place = _of_stack(path, options, total, rule, settings)
    if isinstance(rule, tuple) and len(rule) != len(place):
        raise TroubleError(
            f"--center names {len(rule)} indices, and the pattern has {len(place)} axes"
        )
    shape = total.data.shape[1:] if kind == "sum" else (len(total.frames), *total.data.shape[1:])
    crop = {"auto": fast_window(shape, place, options.binning), "whole": None}
    crop = crop[options.crop] if isinstance(options.crop, str) else options.crop
    window = {"crop": crop, "binning": options.binning, "threshold": options.threshold}
    found = read_diffraction(path, frames=kind, center=rule, **window, **settings)
    _check_window(found)
    geometry = _with_given(found.geometry, options)
    _doubt_lengths(geometry, found.data.shape[1:])
    return Pattern(found.data, geometry, _notes(options.files, found, total, kind))


def _different(names):
    """Return the names; refuse a file that is named twice."""
    seen = set()
    for name in names:
        if os.path.realpath(name) in seen:
            raise TroubleError(f"{name} is named twice; give each file once")
        seen.add(os.path.realpath(name))
    return names


def _check_window(found):
    """Refuse a window that holds no pattern."""
    shape = found.data.shape[1:]
    size = " x ".join(map(str, shape))
    if min(shape) < LEAST:
        raise TroubleError(
            f"a window of {size} pixels is not a pattern: at least {LEAST} are needed along each "
            "axis, after --crop and --binning"
        )
    if not np.nansum(found.data) > 0:
        raise TroubleError(
            f"no count is left in the window of {size} pixels about {found.center}; other values "
            "of --center, --crop, --threshold or --mask leave some"
        )


def _doubt_lengths(geometry, shape):
    """Warn of lengths that would resolve less than light can."""
    sizes = [size for size in object_pixel_size(geometry, shape) if size is not None]
    if sizes and geometry.wavelength and min(sizes) < FINEST * geometry.wavelength:
        say(
            f"skpr: warning: pixels of the object would be {min(sizes):.2g} m, far below "
            f"the wavelength of {geometry.wavelength:.3g} m: check the units of --distance, "
            "--pixel-size, and --energy or --wavelength"
        )


def _holds_roots(path, options, numbers, settings):
    """Return whether frames hold square roots of counts already."""
    if options.content != "auto" or options.dark or options.flat:
        return False
    some = [int(numbers[index]) for index in even_rows(len(numbers), LOOKED_AT)]
    frames = read_diffraction(path, **settings | {"select": some, "monitor": None}).data
    return any(are_roots_of_counts(frame**2) for frame in frames)


def by_number(names: list) -> list:
    """Order names by their numbers.

    Names in any other order than that of a shell, which is alphabetical, are left as they are.

    Examples
    --------
    >>> by_number(["a_1.tif", "a_10.tif", "a_9.tif"]), by_number(["b.tif", "a.tif"])
    (['a_1.tif', 'a_9.tif', 'a_10.tif'], ['b.tif', 'a.tif'])
    """
    if names != sorted(names):
        return names
    return sorted(names, key=lambda name: [part.zfill(20) for part in re.split(r"(\d+)", name)])


def _settings(options):
    """Return the parameters that every reading has."""
    settings = {name: getattr(options, name) for name in PASSED}
    settings["hot_pixels"] = None if options.hot_pixels == "none" else options.hot_pixels
    for name in ("centered", "resample"):
        value = getattr(options, name)
        settings[name] = {"yes": True, "no": False}.get(value, value)
    return settings | {"verbose": False if options.quiet else "auto"}


def _summed(path, center, settings):
    """Return the sum of all frames, and the rule for zero frequency."""
    rule = {"auto": "friedel", "middle": None}.get(center, center)
    in_plane = rule[-2:] if isinstance(rule, tuple) else rule
    try:
        total = read_diffraction(path, frames="sum", center=in_plane, **settings)
    except ValueError as error:
        total = read_diffraction(path, frames="sum", **settings)
        has_no_center = center == "auto" and IN_FFT_ORDER in str(error)
        if np.nansum(total.data) > 0 and not has_no_center:
            raise
        rule = None
    if not np.nansum(total.data) > 0:
        used = [f"--{name}" for name in ZEROING if settings[name] not in (None, False)]
        after = f" after {' and '.join(used)}" if used else ""
        raise TroubleError(f"{_listed(path)} holds no pattern: every count is zero{after}")
    return total, rule


def _of_stack(path, options, total, rule, settings):
    """Return the kind of a stack, and the rule and place of its centre."""
    n_frames = len(total.frames)
    if n_frames == 1:
        raise TroubleError(f"--frames volume needs several frames; {_listed(path)} holds one")
    if options.frames == "sum":
        return "sum", rule, total.center
    size = tuple(min(MIDDLE, n) for n in total.data.shape[1:])
    about = {} if rule is None else {"center": total.center}
    middle = read_diffraction(path, crop=size, **about, **settings).data
    if options.frames == "auto" and kind_of_stack(middle) == "sum":
        return "sum", rule, total.center
    if rule is None:
        return "volume", None, (n_frames // 2, *total.center)
    number, place, is_clear = brightest(middle)
    if isinstance(rule, tuple):  # the user may say where it is on the detector alone
        rule = rule if len(rule) == 3 else (number, *rule)
        return "volume", rule, tuple(int(round(c)) for c in rule)
    place = (i - n // 2 + c for i, n, c in zip(place, size, total.center, strict=True))
    place = number, *place
    return "volume", place if options.center == "auto" and is_clear else rule, place


def kind_of_stack(frames: np.ndarray) -> str:
    """Tell a rocking curve from exposures of one pattern.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, height, width)
        Magnitudes about zero frequency, NaN where unmeasured.

    Returns
    -------
    {"volume", "sum"}

    Raises
    ------
    TroubleError
        If they are neither.

    Examples
    --------
    >>> frame = np.random.default_rng(0).random((16, 16))
    >>> curve = np.exp(-((np.arange(9) - 4) ** 2))[:, None, None]
    >>> kind_of_stack(curve * frame), kind_of_stack(np.stack([frame, 1.1 * frame]))
    ('volume', 'sum')
    """
    flat = frames[:, ~np.isnan(frames).any(axis=0)]
    totals = (flat**2).sum(axis=1)
    if totals.any() and max(totals[0], totals[-1]) < FAINT * totals.max():
        return "volume"
    flat = flat - flat.mean(axis=1, keepdims=True) if flat.size else np.zeros((len(frames), 1))
    norms = np.linalg.norm(flat, axis=1)
    products = (flat[1:] * flat[:-1]).sum(axis=1)
    correlations = products / np.maximum(norms[1:] * norms[:-1], np.finfo(float).tiny)
    if np.median(correlations) >= ALIKE:
        return "sum"
    raise TroubleError(
        f"the {len(frames)} frames are clearly neither a rocking curve, whose ends are faint, nor "
        f"exposures of one pattern, which are alike: choose --frames volume or --frames sum, or "
        f"one frame by --select"
    )


def brightest(frames: np.ndarray) -> tuple:
    """Find the brightest pixel of a stack.

    A median over 3 x 3 pixels of each frame leaves single hot pixels out.

    Parameters
    ----------
    frames : ndarray of shape (n_frames, height, width)
        Magnitudes, NaN where unmeasured.

    Returns
    -------
    number : int
        Number of its frame.
    place : tuple of int
        Row and column.
    is_clear : bool
        Whether no unmeasured pixel is near, behind which a brighter one may be.

    Examples
    --------
    >>> rows, columns = np.ogrid[:8, :8]
    >>> frames = np.exp(-((rows - 4) ** 2) - (columns - 5) ** 2) * np.array([[[1]], [[3]], [[2]]])
    >>> frames[0, 0, 0] = 9
    >>> brightest(frames)
    (1, (4, 5), True)
    """
    counts = ndimage.median_filter(np.nan_to_num(frames), (1, 3, 3))
    number, *place = (int(i) for i in np.unravel_index(counts.argmax(), counts.shape))
    near = tuple(slice(max(i - 2, 0), i + 3) for i in place)
    return number, tuple(place), not np.isnan(frames[(number, *near)]).any()


def fast_window(shape: tuple, place: tuple, binning: Any = 1) -> tuple:
    """Return the sizes of a window that is reconstructed in minutes.

    It lies on the detector, unless that would leave less than half of it, or the rim beyond is
    narrow. Its transform is fast, and after binning it has no more than 1024^2 pixels, of a
    volume 80^3.

    Parameters
    ----------
    shape, place : tuple of int
        Size of the frames or the stack, and index of zero frequency.
    binning : int or tuple of int

    Examples
    --------
    >>> fast_window((201, 256, 256), (98, 126, 127)), fast_window((512, 514), (250, 160))
    ((80, 80, 80), (512, 320))
    """
    blocks = (binning,) * len(shape) if isinstance(binning, int) else binning
    if len(blocks) != len(shape) or min(blocks) < 1:
        return tuple(shape)  # which the reader refuses
    sizes = []
    for n, c, b in zip(shape, place, blocks, strict=True):
        inside = min(2 * c + 1, 2 * (n - c), n)
        sizes.append(_fast((inside if n / 2 <= inside < NEARLY * n else n) // b))
    while math.prod(sizes) > MOST_PIXELS[len(sizes)]:
        longest = sizes.index(max(sizes))
        sizes[longest] = _fast(sizes[longest] - 1)
    return tuple(max(n, 1) * b for n, b in zip(sizes, blocks, strict=True))


def _fast(most):
    """Return the largest size with a fast transform."""
    return next((n for n in range(most, 0, -1) if next_fast_len(n, real=True) == n), 1)


def _with_given(geometry, options):
    """Return the geometry of the file with the lengths that the user gave."""
    side = options.pixel_size
    given = {
        "wavelength": options.wavelength,
        "distance": options.distance,
        "pixel_size": None if side is None else (side, side),
    }
    given = {name: value for name, value in given.items() if value is not None}
    if "pixel_size" in given:
        blocks = (options.binning,) * 2 if isinstance(options.binning, int) else options.binning
        given["pixel_size"] = tuple(side * b for b in blocks[-2:])
    return replace(geometry, **given, sources=geometry.sources | dict.fromkeys(given, "given"))


def _notes(files, found, total, kind):
    """Return sentences on what was read."""
    n_frames, shape = len(total.frames), found.data.shape[1:]
    what = Path(files[0]).name if len(files) == 1 else f"{len(files)} files"
    how = {
        "volume": f"{n_frames} frames as planes of one volume",
        "sum": f"sum of {n_frames} frames",
    }
    counts, whole = float(np.nansum(found.data**2)), float(np.nansum(total.data**2))
    # the sum of all frames was read about its centre, and lacks what lies beyond such a window
    is_whole = total.center == tuple(n // 2 for n in total.data.shape[1:])
    of_what = "all" if is_whole else "those in a window of the frames' size"
    notes = [
        f"{what}: {'one frame' if n_frames == 1 else how[kind]}",
        f"window of {' x '.join(map(str, shape))} pixels about {found.center} with {counts:.3g} "
        f"counts, {min(counts / whole, 1):.1%} of {of_what}",
    ]
    planes = [f"{name}: {words}" for name, words in found.planes.items()]
    missing = [f"{n} {reason}" for reason, n in found.unmeasured.items()]
    if planes:
        notes.append(f"corrections from the file: {', '.join(planes)}")
    if missing:
        notes.append(f"unmeasured readings: {', '.join(missing)}")
    return notes


def _listed(path):
    return path if isinstance(path, str) else f"{path[0]} and {len(path) - 1} more"
