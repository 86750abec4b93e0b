"""Choice of the data sets of an HDF5 file that hold the frames."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any, NamedTuple

from .._validation import warn_user
from ._candidates import PLANES, could_be_frames, is_beside, once
from ._declared import Images, attribute, of_cxi, of_nexus, of_signal
from ._hdf5 import hdf5_trouble
from ._links import Found, walk
from ._numbered import natural

NUMBERED = r"data(_?\d+)?"


class Meant(NamedTuple):
    """Data sets that hold the frames, and the kind of their values."""

    parts: list[Found]
    content: str = "counts"
    centered: bool = True
    everything: list[Found] = []
    lacking: str = ""  # message about the first of further parts that is missing


def meant(file, path, dataset: Any = None, plane: Any = None):
    """Choose the data sets that hold the frames of an open HDF5 file.

    The first of these rules that applies decides:

    1. The names that are given: data sets, or groups that hold them.
    2. The declaration of the file: the data of the detector or an image in diffraction space (CXI),
       or the attributes `default` and `signal` (NeXus).
    3. `data`, or `data_000001` and all that follow it, of one group.
    4. The only data set that could be frames.

    Arrays named after a mask, a flat field, dark frames, a table, positions and so on are chosen
    only by their own name, or if `plane` ("mask", "dark" or "flat") asks for them.

    Parameters
    ----------
    file : h5py.File
        File to search.
    path : Path
        Path of the file, for messages.
    dataset : str or list of str, optional
        Names that are given.
    plane : {"mask", "dark", "flat"}, optional
        Kind of plane that is wanted instead of frames.

    Returns
    -------
    Meant

    Raises
    ------
    ValueError
        If no rule applies; the message lists the candidates.
    OSError
        If links of the frames are broken.
    """
    with hdf5_trouble(path):
        found = walk(file)
        images = Images(file, found)
        if dataset is not None:
            parts = [part for name in _names(dataset) for part in _named(file, path, name, found)]
            return Meant(parts, *images.values_of(parts, found), found)
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
                lacking = _lacking(path, parts[len(there)]) if len(there) < len(parts) else ""
                return Meant(there, *images.values_of(there, found), found, lacking)
    if images.reconstructions:
        raise ValueError(
            f"{path} holds reconstructions, not counts; read_reconstruction reads them"
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
    """Return the data set of a name, or those of a group."""
    plain = name.strip("/")
    exact = [one for one in found if one.name == plain]
    if not exact and plain:
        try:
            # the name may lead through a link to a group that was walked under another name
            item = file.get(plain)
        except RuntimeError as error:
            raise OSError(f"{path}: {name!r} is a link that leads back to itself") from error
        if hasattr(item, "shape"):
            exact = [Found.of(plain, file, item)]
        elif item is not None:
            inside = walk(item, plain, file)
            parts = (
                of_signal(item, plain, inside)
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
    """Return the only array that is named after a plane.

    The result is a list; an empty list leaves the choice to the rules for frames.

    Raises
    ------
    ValueError
        If no array is named after the plane or holds frames, and several others could be meant.
    """
    named = once(
        [
            one
            for one in found
            if one.last.lower() in PLANES[plane] and could_be_frames(one, named=True)
        ]
    )
    frames = [one for rule in RULES for one in rule(file, found) if not one.missing]
    if not named and not frames:  # any other name, but not the name of another kind of planes
        others = {name for kind, names in PLANES.items() if kind != plane for name in names}
        named = once(
            [
                one
                for one in found
                if one.last.lower() not in others and could_be_frames(one, named=True)
            ]
        )
        if len(named) != 1:
            listed = ", ".join(
                f"{one.name!r} {one.shape}"
                for one in once(found)
                if could_be_frames(one, named=True)
            )
            raise ValueError(
                f"{path} holds no array that is clearly meant as {plane}=; pass one of its arrays "
                f"itself: {listed or 'none'}"
            )
    if len(named) != 1:
        return []
    if plane != "mask" and frames:
        warn_user(
            f"{plane}= reads {named[0].name!r} of {path}, not {frames[0].name!r}; to use another "
            f"array, pass the array itself"
        )
    return named


def _warn_of_map(path, parts, found):
    """Warn if the default of a file may be a map of a scan.

    Such a map is not a pattern: it holds one number per frame, arranged like the points of the
    scan.
    """
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
                    f"may be a map of a scan: {one.name!r} {one.shape} holds a stack of frames; "
                    f"pass the name of the right one as dataset="
                )
                return


def _which(path, found):
    """Return a message that lists the candidates."""
    listed = [one for one in found if one.missing or could_be_frames(one, named=True)]
    words = [
        f"{one.name!r} {f'(leads to {one.missing})' if one.missing else one.shape}"
        for one in once(listed)
    ]
    if not words:
        return (
            f"{path} holds 0 arrays of frames: none of its {len(found)} data sets has two long axes"
        )
    if len(words) == 1:
        return (
            f"{path} holds one array shaped like frames, but its name says that it is something "
            f"else; to read it, pass its name as dataset=: {words[0]}"
        )
    return (
        f"{path} holds {len(words)} arrays that could be the frames; name one of them, or a list, "
        f"as dataset=: {', '.join(words)}"
    )


def _of_names(file, found):
    """Return the frames of the only group with the usual names.

    The names are `data`, or `data_000001` and all that follow it. The group that the attribute
    `default` of the file names is searched first.
    """
    start = str(attribute(file, "default") or "").strip("/") if file is not None else ""
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
    """Return `data` alone if it holds the frames of numbered data sets.

    It is also preferred if one of these is missing. Otherwise all data sets are returned.
    """
    whole = [one for one in stack if one.last == "data" and not one.missing]
    parts = [one for one in stack if one.last != "data"]
    if not whole or not parts:
        return sorted(stack, key=lambda one: natural(one.last))
    n_frames = sum(one.shape[0] for one in parts if not one.missing)
    return whole if whole[0].shape[0] == n_frames or any(one.missing for one in parts) else stack


def _the_only_one(file, found):
    candidates = once([one for one in found if could_be_frames(one)])
    return candidates if len(candidates) == 1 else []


RULES = of_cxi, of_nexus, _of_names, _the_only_one
