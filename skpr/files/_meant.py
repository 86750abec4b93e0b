"""Choice of the data sets of an HDF5 file that hold the frames."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any, NamedTuple

from .._validation import warn_user
from ._hdf5 import hdf5_trouble
from ._links import Found, walk
from ._numbered import natural

SMALLEST = 4  # pixels along an axis of a frame; matrices of orientation have three
CXI_DATA = r"entry_\d+/(instrument_\d+/detector_\d+|data_\d+)/data"
CXI_IMAGE = r"entry_\d+/image_\d+/data"
NUMBERED = r"data(_?\d+)?"
MASKS = "mask", "pixel_mask"
DARKS = "data_dark", "dark", "dark_frames", "darkfield", "dark_field", "dark_current"
FLATS = "flatfield", "flat_field", "flat", "data_white", "white", "white_field", "whitefield"
PLANES = {"mask": MASKS, "dark": DARKS, "flat": FLATS}
# what is beside the data: by a part of its name, and by a word of a group's
NO_DATA = re.compile(
    "mask|flat|dark|white|background|table|position|translation|pixel_size|unit_cell|matrix|orient|gain|bias|pedestal|"
    "error|sigma|variance|weight|trimbit|offset|vector|support|corner|basis|motor|angle|(hot|bad|dead)_?pixel|"
    "distortion|coordinate"
)
NO_DATA_GROUPS = re.compile("(mask|flat|flatfield|dark|darkfield|white|whitefield|background)s?")


class Meant(NamedTuple):
    """Data sets that hold the frames, in order, and the kind of their values."""

    parts: list[Found]
    content: str = "counts"
    centered: bool = True
    everything: list[Found] = []
    lacking: str = ""  # words for the first of further parts that leads nowhere


def meant(file, path, dataset: Any = None, plane: Any = None):
    """Data sets that hold the frames of an open HDF5 file.

    1. The names that are given: data sets, or groups that hold them.
    2. What the file declares: the detector's data or an image in diffraction space by CXI; `default` and `signal` by
       NeXus.
    3. `data`, or `data_000001` and all that follow, of one group.
    4. The only data set that could be frames.

    What is named after a mask, a flat field, dark frames, a table, positions and so on is taken
    only by its own name, or where `plane`, "mask", "dark" or "flat", says that it is wanted.

    Raises
    ------
    ValueError
        If it is not clear; the candidates are listed.
    OSError
        If links of the frames lead nowhere.
    """
    with hdf5_trouble(path):
        found = walk(file)
        images = _Images(file, found)
        if dataset is not None:
            parts = [part for name in _names(dataset) for part in _named(file, path, name, found)]
            return images.described(parts, found)
        left = [one for one in found if not images.is_reconstruction(one)]
        if plane is not None:
            parts = _of_plane(file, path, left, plane)
            if parts:
                return Meant(parts, everything=found)
        for rule in RULES:
            parts = rule(file, left)
            if parts:
                there = list(itertools.takewhile(lambda one: not one.missing, parts))
                if not there:
                    _check_there(path, parts)
                _warn_of_map(path, there, left)
                described = images.described(there, found)
                return (
                    described._replace(lacking=_lacking(path, parts[len(there)]))
                    if len(there) < len(parts)
                    else described
                )
    if images.reconstructions:
        raise ValueError(
            f"{path} holds reconstructions, which are no counts; read_reconstruction reads them"
        )
    raise ValueError(_which(path, left))


def _names(dataset):
    names = [dataset] if isinstance(dataset, str) else dataset
    if (
        not isinstance(names, list | tuple)
        or not names
        or not all(isinstance(name, str) for name in names)
    ):
        raise ValueError(
            f"dataset={dataset!r} is not valid; give the name of a data set or a list of names"
        )
    return names


def _named(file, path, name, found):
    """The data set of a name, or those of a group."""
    plain = name.strip("/")
    exact = [one for one in found if one.name == plain]
    if not exact and plain:
        try:
            item = file.get(plain)  # through a link to a group that was walked under another name
        except RuntimeError as error:
            raise OSError(f"{path}: {name!r} is a link that leads back to itself") from error
        if hasattr(item, "shape"):
            exact = [Found.of(plain, file, item)]
        elif item is not None:
            inside = walk(item, plain, file)
            parts = (
                _of_signal(item, plain, inside)
                or _of_names(None, inside)
                or _the_only_one(None, inside)
            )
            if not parts:
                raise ValueError(_which(f"{name!r} in {path}", inside))
            exact = parts
    if not exact or (exact[0].missing and not exact[0].external):
        listed = ", ".join(repr(one.name) for one in found if not one.missing) or "none"
        raise ValueError(f"dataset={name!r} is not in {path}; there are {listed}")
    _check_there(path, exact)
    return exact


def _check_there(path, parts):
    for part in parts:
        if part.missing:
            raise OSError(_lacking(path, part))


def _lacking(path, part):
    return f"{path}: {part.name!r} leads to {part.missing}"


def _of_plane(file, path, found, plane):
    """The only array named after a mask, dark frames or a flat field; nothing if there are none, or
    several.
    """
    named = _once(
        [
            one
            for one in found
            if one.last.lower() in PLANES[plane] and could_be_frames(one, named=True)
        ]
    )
    frames = [one for rule in RULES for one in rule(file, found) if not one.missing]
    if not named and not frames:  # under another name, but not that of another kind of planes
        others = {name for kind, names in PLANES.items() if kind != plane for name in names}
        named = _once(
            [
                one
                for one in found
                if one.last.lower() not in others and could_be_frames(one, named=True)
            ]
        )
        if len(named) != 1:
            listed = ", ".join(
                f"{one.name!r} {one.shape}"
                for one in _once(found)
                if could_be_frames(one, named=True)
            )
            raise ValueError(
                f"{path} holds no array that is clearly {plane}=; give the array itself: "
                f"{listed or 'none'}"
            )
    if len(named) != 1:
        return []
    if plane != "mask" and frames:
        warn_user(
            f"{plane}= reads {named[0].name!r} of {path}, not {frames[0].name!r}; give the array "
            f"to have another one"
        )
    return named


def _warn_of_map(path, parts, found):
    """Warn of one number a frame, arranged as the scan was, that a file declares its default."""
    shape = tuple(n for part in parts for n in part.shape if n > 1) if len(parts) == 1 else ()
    if len(shape) != 2:
        return
    for one in found:
        if could_be_frames(one) and one.identity != parts[0].identity:
            longer = [n for n in one.shape if n > 1]
            if len(longer) > 2 and (
                tuple(longer[-2:]) != shape or math.prod(longer[:-2]) == math.prod(shape)
            ):
                warn_user(
                    f"{parts[0].name!r} {parts[0].shape} of {path} is read as one pattern, but "
                    f"may be a map of a scan: "
                    f"{one.name!r} {one.shape} holds a stack of frames; dataset= names the one "
                    f"that is meant"
                )
                return


def _which(path, found):
    """One sentence about the candidates."""
    listed = [one for one in found if one.missing or could_be_frames(one, named=True)]
    words = [
        f"{one.name!r} {f'(leads to {one.missing})' if one.missing else one.shape}"
        for one in _once(listed)
    ]
    if not words:
        return (
            f"{path} holds 0 arrays of frames: none of its {len(found)} data sets has two long axes"
        )
    if len(words) == 1:
        return (
            f"{path} holds one array shaped like frames, but its name says that it is something "
            f"else; name it as "
            f"dataset= to read it: {words[0]}"
        )
    return (
        f"{path} holds {len(words)} arrays that could be the frames; name one of them, or a list, "
        f"as dataset=: "
        f"{', '.join(words)}"
    )


# --- what can be meant


def could_be_frames(found, named=False):
    """Whether a data set has the shape, the type and a name of frames."""
    if found.missing or found.shape is None or found.kind not in tuple("uifbc"):
        return False
    longer = [n for n in found.shape if n > 1]
    if len(longer) < 2 or min(longer[-2:]) < SMALLEST:
        return False
    return named or not is_beside(found.name)


def is_beside(name):
    """Whether a name says that something else than frames is under it."""
    *groups, last = name.lower().split("/")
    words = {word for group in groups for word in re.split(r"[^a-z]+", group)}
    return bool(NO_DATA.search(last)) or any(NO_DATA_GROUPS.fullmatch(word) for word in words)


def _once(found):
    """Each data set once, under its first name."""
    seen, once = set(), []
    for one in found:
        key = one.name if one.missing else one.identity
        if key not in seen:
            seen.add(key)
            once.append(one)
    return once


# --- what the file declares


def _of_cxi(file, found):
    candidates = [one for one in found if re.fullmatch(CXI_DATA, one.name) and could_be_frames(one)]
    detectors = _once([one for one in candidates if "/detector_" in one.name])
    chosen = {one.identity for one in candidates if "/detector_" not in one.name}
    if len(detectors) > 1:  # data_1 says which of several is meant
        detectors = [one for one in detectors if one.identity in chosen]
    if len(detectors) == 1:
        return detectors
    others = _once(candidates)
    if not others:
        others = _once(
            [one for one in found if re.fullmatch(CXI_IMAGE, one.name) and could_be_frames(one)]
        )
        return others if len({one.shape for one in others}) == 1 else []
    return others if len(others) == 1 else []


def _of_nexus(file, found):
    import h5py

    groups = [file]
    file.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
    if not any("default" in group.attrs or "NX_class" in group.attrs for group in groups):
        return []
    try:
        from silx.io.nxdata import get_default
    except ImportError as error:
        raise ImportError(
            "reading the attributes of NeXus needs silx: pip install 'skpr[io]'"
        ) from error
    try:
        default = get_default(file, validate=False)
    except (
        Exception
    ):  # an attribute that is no name, or a group without a signal: it declares nothing
        default = None
    if default is not None:
        parts = _of_signal(default.group, default.group.name.strip("/"), found)
        if parts:
            return parts
    plots = [
        group for group in groups if _text(group, "NX_class") == "NXdata" or "signal" in group.attrs
    ]
    stacks = [_of_signal(group, group.name.strip("/"), found) for group in plots]
    stacks = {
        tuple(one.identity for one in stack if not one.missing): stack for stack in stacks if stack
    }
    return next(iter(stacks.values())) if len(stacks) == 1 else []


def _of_signal(group, name, found):
    """Data sets that the signal of a group names, with those numbered after."""
    signal = _text(group, "signal")
    inside = [one for one in found if one.parent == name]
    if signal is None:  # the attribute of older files
        marked = [
            one for one in inside if not one.missing and str(_text(one.dataset, "signal")) == "1"
        ]
        signal = marked[0].last if marked else None
    parts = [one for one in inside if one.last == signal]
    if not parts or (not parts[0].missing and not could_be_frames(parts[0])):
        return []
    if re.fullmatch(r"data_?\d+", signal):
        return [one for one in inside if re.fullmatch(r"data_?\d+", one.last)]
    return parts


def _text(item, name):
    try:
        value = item.attrs.get(name)
    except (
        OSError,
        TypeError,
        ValueError,
    ):  # of a type that NumPy has not, or damaged: it declares nothing
        return None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if hasattr(value, "tolist"):
        value = value.tolist()
        value = value[0] if isinstance(value, list) and value else value
        return value.decode(errors="replace") if isinstance(value, bytes) else value
    return value


# --- what names say


def _of_names(file, found):
    """`data`, or `data_000001` and all that follow, of the only such group."""
    start = str(_text(file, "default") or "").strip("/") if file is not None else ""
    for prefix in filter(None, (f"{start}/" if start else "", "/")):
        stacks = {}
        for one in found:
            inside = prefix == "/" or one.name.startswith(prefix)
            named = inside and re.fullmatch(NUMBERED, one.last) and not is_beside(one.name)
            if named and (one.missing or could_be_frames(one)):
                stacks.setdefault(one.parent, []).append(one)
        different = {}
        for stack in stacks.values():
            stack = _whole(stack)
            key = tuple(one.name if one.missing else one.identity for one in stack)
            different.setdefault(key, stack)
        if len(different) == 1:
            return next(iter(different.values()))
        if different:
            return []
    return []


def _whole(stack):
    """`data` alone if it holds as many frames as the numbered ones, else all."""
    whole = [one for one in stack if one.last == "data" and not one.missing]
    parts = [one for one in stack if one.last != "data"]
    if not whole or not parts:
        return sorted(stack, key=lambda one: natural(one.last))
    n_frames = sum(one.shape[0] for one in parts if not one.missing)
    return whole if whole[0].shape[0] == n_frames or any(one.missing for one in parts) else stack


def _the_only_one(file, found):
    candidates = _once([one for one in found if could_be_frames(one)])
    return candidates if len(candidates) == 1 else []


RULES = _of_cxi, _of_nexus, _of_names, _the_only_one


# --- images by CXI


class _Images:
    """Images of a CXI file: patterns in diffraction space, or reconstructions."""

    def __init__(self, file, found):
        self.groups = {
            one.parent: file[one.parent] for one in found if re.fullmatch(CXI_IMAGE, one.name)
        }
        self.reconstructions = [
            name for name, group in self.groups.items() if not self._is_pattern(group)
        ]
        self.places = {
            one.identity
            for one in found
            if not one.missing
            and any(one.name.startswith(f"{name}/") for name in self.reconstructions)
        }

    @staticmethod
    def _is_pattern(group):
        return small_text(group, "data_space").lower() in ("diffraction", "reciprocal", "fourier")

    def is_reconstruction(self, one):
        """Whether a name leads to a part of a reconstruction."""
        return not one.missing and one.identity in self.places

    def described(self, parts, found):
        """The data sets, with what an image says of its values."""
        places = {
            one.identity: one.parent
            for one in found
            if one.parent in self.groups and one.last == "data"
        }
        home = places.get(parts[0].identity)
        if home is None or home in self.reconstructions:
            return Meant(parts, everything=found)
        group = self.groups[home]
        content = (
            "magnitudes" if "amplitude" in small_text(group, "data_type").lower() else "counts"
        )
        return Meant(
            parts, content, small_text(group, "is_fft_shifted") not in ("1", "1.0", "True"), found
        )


def small_text(group, name):
    """Text of a small data set, empty where there is none."""
    import h5py

    item = group.get(name)
    if not isinstance(item, h5py.Dataset) or item.size is None or item.size != 1:
        return ""
    value = item[()]
    value = value.item() if hasattr(value, "item") else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def names_of(found, parts):
    """All names in a file that lead to given data sets."""
    places = {part.identity for part in parts}
    return [one for one in found if not one.missing and one.identity in places]
