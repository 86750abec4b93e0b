"""Data sets that could be frames or planes, by shape, type and name."""

from __future__ import annotations

import re

SMALLEST = 4  # minimum pixels along an axis of a frame; orientation matrices have three
MASKS = "mask", "pixel_mask"
DARKS = "data_dark", "dark", "dark_frames", "darkfield", "dark_field", "dark_current"
FLATS = "flatfield", "flat_field", "flat", "data_white", "white", "white_field", "whitefield"
PLANES = {"mask": MASKS, "dark": DARKS, "flat": FLATS}
# names of arrays that are not frames: parts of their own name, and words in the names of groups
NO_DATA = re.compile(
    "mask|flat|dark|white|background|table|position|translation|pixel_size|unit_cell|matrix|orient|"
    "gain|bias|pedestal|error|sigma|variance|weight|trimbit|offset|vector|support|corner|basis|"
    "motor|angle|(hot|bad|dead)_?pixel|distortion|coordinate"
)
NO_DATA_GROUPS = re.compile("(mask|flat|flatfield|dark|darkfield|white|whitefield|background)s?")


def could_be_frames(found, named=False):
    """Return whether a data set has the shape, type and name of frames.

    With `named`, the name does not matter.
    """
    if found.missing or found.shape is None or found.kind not in tuple("uifbc"):
        return False
    longer = [n for n in found.shape if n > 1]
    if len(longer) < 2 or min(longer[-2:]) < SMALLEST:
        return False
    return named or not is_beside(found.name)


def is_beside(name):
    """Return whether a name says that an array is not frames."""
    *groups, last = name.lower().split("/")
    words = {word for group in groups for word in re.split(r"[^a-z]+", group)}
    return bool(NO_DATA.search(last)) or any(NO_DATA_GROUPS.fullmatch(word) for word in words)


def once(found):
    """Return each data set once, under its first name."""
    first = {}
    for one in found:
        first.setdefault(one.name if one.missing else one.identity, one)
    return list(first.values())


def names_of(found, parts):
    """Return all names in a file that lead to given data sets."""
    places = {part.identity for part in parts}
    return [one for one in found if not one.missing and one.identity in places]
