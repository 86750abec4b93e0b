"""Masks, dark frames and scales beside the frames that are not used."""

import math
import re

import numpy as np

from ._candidates import DARKS, FLATS, MASKS
from ._links import identity

# usual names, and words in other names, of planes
KINDS = {
    "mask": (MASKS, re.compile("mask|bad|hot|dead|valid|good|beam_?stop")),
    "dark": (DARKS, re.compile("dark|background|pedestal")),
}
WAYS = {
    "mask": "an array of the frames' shape or its name as mask=, with mask_marks='measured' if it "
    "marks the good pixels",
    "dark": "it, or its name, as dark=",
}
LARGEST = 1 << 26  # maximum number of values of an array that is looked at


def left_out(groups, used, shape, path):
    """Return notes about masks and dark frames that are not used.

    Unusual names do not tell what nonzero values mean, and of several planes only the first is
    used. Planes that would change nothing, and copies of a plane that is used, need no note.

    Parameters
    ----------
    groups : list of h5py.Group
        Groups that belong to the frames.
    used : dict of str to DatasetFrames or None
        Planes that are used, by "mask" and "dark".
    shape : tuple of int
        Number of frames, height, width.
    path : Path
        Path of the file, for messages.

    Returns
    -------
    dict of str to str
        Notes by "mask" and "dark".
    """
    notes = {}
    for kind, (usual, words) in KINDS.items():
        known = [] if used[kind] is None else [used[kind].array]
        others = []
        for name, item in _arrays(groups):
            last = name.rpartition("/")[2].lower()
            is_named = last in usual or (words.search(last) and last not in FLATS)
            if is_named and _covers(item, shape) and _differs(item, known):
                others.append(name)
                known.append(item)
        if others:
            notes[kind] = (
                f"{path} holds {', '.join(map(repr, others))} beside the frames, which is not used"
                f"{f' besides {used[kind].name}' if used[kind] is not None else ''}; pass "
                f"{WAYS[kind]}, or {kind}=False to use none"
            )
    return notes


def scale_left_out(part, path):
    """Return a note about a factor and an offset that a file states.

    They are those of NeXus beside the frames, or attributes of the data set, as netCDF has them.
    Readings are not scaled, because the noise of counts would be unknown.

    Parameters
    ----------
    part : Found
        Data set of the frames.
    path : Path
        Path of the file, for messages.

    Returns
    -------
    dict of str to str
        Note under "scale"; empty without a scale.
    """
    group, own = part.dataset.parent, part.dataset.attrs
    last = part.dataset.name.rpartition("/")[2]
    is_plot = "signal" in group.attrs
    factors = [group.get(f"{last}_scaling_factor"), own.get("scale_factor")]
    offsets = [group.get(f"{last}_offset"), own.get("add_offset")]
    if is_plot:
        factors, offsets = [*factors, group.get("scaling_factor")], [*offsets, group.get("offset")]
    factor, offset = _first(factors, 1.0), _first(offsets, 0.0)
    if (factor, offset) == (1.0, 0.0):
        return {}
    return {
        "scale": f"{path} states a factor of {factor:g} and an offset of {offset:g} for "
        f"{part.name!r}, which are not applied; if the readings are not counts without them, pass "
        f"an array of the scaled readings"
    }


def _first(items, usual):
    """Return the first single number among data sets and attributes."""
    for item in items:
        value = item[()] if hasattr(item, "attrs") and hasattr(item, "shape") else item
        if value is not None and np.size(value) == 1 and np.asarray(value).dtype.kind in "uif":
            return float(np.ravel(value)[0])
    return usual


def _arrays(groups):
    """Yield the names and the data sets of numbers in groups."""
    import h5py

    for group in groups:
        for name in group:
            try:
                item = group.get(name)
                is_numeric = isinstance(item, h5py.Dataset) and item.dtype.kind in "uifb"
            except (RuntimeError, TypeError):  # a link back to itself, or a type that NumPy lacks
                continue
            if is_numeric and item.shape:
                yield item.name.strip("/"), item


def _covers(item, shape):
    """Return whether an array holds one value per pixel of a frame."""
    pixels = tuple(shape[1:])
    flat = item.ndim == 1 and item.shape[0] == math.prod(pixels)
    return item.size <= LARGEST and (flat or (item.ndim <= 3 and item.shape[-2:] == pixels))


def _differs(item, known):
    """Return whether an array would change something and is not a copy.

    A mask of one value hides all pixels or none, whatever it means.
    """
    if any(identity(item) == identity(one) for one in known):
        return False
    values = np.asarray(item[()])
    if (values == values.flat[0]).all() and (values.flat[0] in (0, 1) or values.dtype == bool):
        return False
    return not any(
        one.size == item.size and np.array_equal(np.ravel(one[()]), values.ravel()) for one in known
    )
