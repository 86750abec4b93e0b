"""Masks, dark frames, flat fields and limits in the file of the frames."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from .._validation import warn_user
from ._candidates import DARKS, FLATS, MASKS, names_of
from ._dataset import DatasetFrames
from ._hdf5 import hdf5_trouble
from ._left_out import left_out, scale_left_out
from ._links import identity
from ._times import times_in_file
from ._unwritten import uncovered

APPLIED = "flatfield_applied", "flatfield_correction_applied", "flat_field_applied"
# bits of a CXI mask that make a pixel bad: invalid, saturated, hot, dead, shadowed, to be ignored,
# bad, out of resolution, missing, noisy. The bit of the peak mask and all higher bits describe what
# a pixel recorded or was corrected for
CXI_BAD_BITS = 0x7FF & ~0x20
EVERY_BIT = ~0
LIMITS = "saturation_value", "bit_depth_image"
NO_CAMERA = re.compile("diode|monitor|chamber|counter|scaler|keithley|fluo|xrf")
DETECTOR_CLASSES = "NXdetector", b"NXdetector"


class Beside(NamedTuple):
    """Arrays and limits beside the frames of a file; None if missing."""

    mask: Any = None  # stack of one mask, or of one per frame
    bad_bits: int = EVERY_BIT
    gaps: Any = None  # unwritten pixels of each frame
    dark: Any = None
    flat: Any = None
    flat_multiplies: bool = False
    highest: float | None = None  # readings above this value are unmeasured
    flagged: float | None = None  # readings of this value and above are flags
    notes: tuple[str, ...] = ()
    left_out: dict[str, str] = {}  # notes about what is not used: "mask", "dark", "scale"
    times: Any = None  # name and values of the exposure times


def beside(file, path, parts, found, shape):
    """Find the arrays that belong to the frames of an open file.

    They are in the group of the frames, or in the group of the only detector of the same entry.

    Parameters
    ----------
    file : h5py.File
        File that holds the frames.
    path : Path
        Path of the file, for messages.
    parts : list of Found
        Data sets of the frames.
    found : list of Found
        Every data set of the file.
    shape : tuple of int
        Number of frames, height, width.

    Returns
    -------
    Beside
    """
    with hdf5_trouble(path):
        near, far, others = _homes(file, parts, found)
        is_cxi = "cxi_version" in file or any(one.name.startswith("entry_1/") for one in found)
        notes = _unused(others, path, shape, parts)
        mask = _nearest(near, far, MASKS, path, shape, notes)
        flat, multiplies = _flat(near, far, path, shape, notes)
        dark = _nearest(near, far, DARKS, path, shape, notes)
        return Beside(
            mask=mask,
            bad_bits=CXI_BAD_BITS if is_cxi else EVERY_BIT,
            gaps=uncovered(parts, shape),
            dark=dark,
            flat=flat,
            flat_multiplies=multiplies,
            highest=_number([*near, *far], LIMITS[:1]),
            flagged=_flag(_number([*near, *far], LIMITS[1:]), parts),
            notes=tuple(notes),
            left_out=left_out([*near, *far], {"mask": mask, "dark": dark}, shape, path)
            | scale_left_out(parts[0], path),
            times=times_in_file([*near, *far], shape[0]),
        )


def _homes(file, parts, found):
    """Find the groups that may hold masks and limits of the frames.

    Returns
    -------
    near : list of h5py.Group
        Groups of the frames themselves.
    far : list of h5py.Group
        Detector of the entry, if the frames are not in a detector and there is only one.
    others : list of h5py.Group
        Several detectors, if it is not clear which of them recorded the frames.
    """
    groups = [parts[0].dataset.parent]
    groups += [
        file[name or "/"]
        for name in dict.fromkeys(one.parent for one in names_of(found, parts[:1]))
    ]
    entry = parts[0].name.split("/")[0]
    if entry.startswith("entry_") and isinstance(file.get(f"{entry}/data_1"), type(groups[0])):
        groups.append(file[f"{entry}/data_1"])  # where CXI keeps the data of the first detector
    near = _once(_with_specific(groups))
    if any(_is_detector(group) for group in near):
        return near, [], []
    entry = parts[0].name.split("/")[0] if "/" in parts[0].name else ""
    detectors = [
        group for group in _detectors(file, entry, found) if _may_have_seen(group, parts[0].shape)
    ]
    numbered = re.fullmatch(r"(.*/)?data_(\d+)/data", parts[0].name)
    if len(detectors) > 1 and numbered:  # in CXI, a detector has the number of its data
        own = [group for group in detectors if group.name.endswith(f"/detector_{numbered[2]}")]
        detectors = own if len(own) == 1 else detectors
    is_clear = len(detectors) < 2 and not any(_holds_others(group, parts[0]) for group in detectors)
    detectors, others = (detectors, []) if is_clear else ([], detectors)
    return near, _once(_with_specific(detectors)), _once(_with_specific(others))


def _detectors(file, entry, found):
    """Return the detectors of an entry, each once.

    Groups inside a detector, and groups around one that NeXus declares, are left out.
    """
    import h5py

    start = file[entry] if entry else file
    names = {
        one.parent
        for one in found
        if not one.missing and f"{one.parent}/".startswith(f"{entry}/" if entry else "")
    }
    start.visititems(
        lambda name, item: (
            names.add(f"{entry}/{name}".strip("/")) if isinstance(item, h5py.Group) else None
        )
    )
    groups = {name: file[name] for name in sorted(filter(None, names))}
    groups = {name: group for name, group in groups.items() if _is_detector(group)}
    classed = [
        name for name, group in groups.items() if group.attrs.get("NX_class") in DETECTOR_CLASSES
    ]
    around = [
        name
        for name in groups
        if name not in classed and any(one.startswith(f"{name}/") for one in classed)
    ]
    groups = {name: group for name, group in groups.items() if name not in around}
    return _once(
        [
            group
            for name, group in groups.items()
            if not any(name.startswith(f"{one}/") for one in groups)
        ]
    )


def _may_have_seen(group, shape):
    """Return whether a detector may have recorded frames of a shape.

    Point detectors and detectors whose own data have another shape cannot.
    """
    own = _own_data(group)
    return not is_point_detector(group) and (not own or any(_fits(item, shape) for item in own))


def _holds_others(group, part):
    """Return whether a detector holds frames of its own.

    The frames of the data set `part` do not count, nor does a copy of them, recognized by its first
    frame.
    """
    own = [
        item
        for item in _own_data(group)
        if item.shape == part.shape and identity(item) != part.identity
    ]
    first = (0,) * (len(part.shape) - 2)
    return bool(own) and not any(np.array_equal(item[first], part.dataset[first]) for item in own)


def is_point_detector(group):
    """Return whether the name or data are those of a point detector."""
    own = _own_data(group)
    return bool(NO_CAMERA.search(group.name.rpartition("/")[2].lower())) or (
        bool(own) and all(sum(n > 1 for n in item.shape) < 2 for item in own)
    )


def _own_data(group):
    import h5py

    own = [group.get(name) for name in ("data", "value")]
    return [item for item in own if isinstance(item, h5py.Dataset) and item.shape is not None]


def _unused(others, path, shape, parts):
    """Return notes about planes and limits of unrelated detectors."""
    limits = [
        f"{group.name}/{name}".strip("/") for group in others for name in LIMITS if name in group
    ]
    planes = [
        item.name.strip("/")
        for _, item in _arrays(others, (*MASKS, *DARKS, *FLATS))
        if _fits(item, shape)
    ]
    if not planes and not limits:
        return []
    listed = ", ".join(map(repr, [*planes, *limits]))
    return [
        f"{path} holds {parts[0].name!r} in none of its detectors, so their masks, dark frames, "
        f"flat fields and limits are not used; pass those that belong to the frames by mask=, "
        f"dark=, flat= and saturation=: {listed}"
    ]


def _is_detector(group):
    return (
        "detector" in group.name.rpartition("/")[2].lower()
        or group.attrs.get("NX_class") in DETECTOR_CLASSES
    )


def _with_specific(groups):
    """Yield groups and their `detectorSpecific` groups.

    Eiger detectors keep their masks there.
    """
    import h5py

    for group in groups:
        yield group
        inner = group.get("detectorSpecific")
        if isinstance(inner, h5py.Group):
            yield inner


def _once(groups):
    return list({identity(group): group for group in groups}.values())


def _nearest(near, far, names, path, shape, notes):
    """Return the nearest planes of given names, or None.

    Planes beside the frames come first. Otherwise, a plane in a detector is used if no other fits.
    """
    for _, item in _arrays(near, names):
        return DatasetFrames(item, path, _words(item, path))
    fitting = {identity(item): item for _, item in _arrays(far, names) if _fits(item, shape)}
    if len(fitting) > 1:
        listed = ", ".join(repr(item.name.strip("/")) for item in fitting.values())
        notes.append(
            f"{path} holds several planes that fit the frames, and none of them is used; name one "
            f"of {listed}"
        )
    if len(fitting) != 1:
        return None
    (item,) = fitting.values()
    return DatasetFrames(item, path, _words(item, path))


def _arrays(groups, names):
    import h5py

    for group in groups:
        own = {name.lower(): name for name in group}
        for name in names:
            item = group.get(own.get(name, name))
            if isinstance(item, h5py.Dataset) and item.ndim >= 2 and item.dtype.kind in "uifb":
                yield group, item


def _fits(item, shape):
    return tuple(item.shape[-2:]) == tuple(shape[1:])


def _words(item, path):
    name = item.name.strip("/")
    return f"the {name.rpartition('/')[2]} {name!r} in {path}"


def _flat(near, far, path, shape, notes):
    """Return the flat field if it has not been applied yet.

    The file must say so; otherwise a note is added.

    Returns
    -------
    flat : DatasetFrames or None
    multiplies : bool
        Whether readings are multiplied by the flat field, not divided.
    """
    flat = _nearest(near, far, FLATS, path, shape, notes)
    applied = _number([*near, *far], APPLIED)
    if flat is None or tuple(flat.shape[1:]) != tuple(shape[1:]):
        return None, False
    if applied == 0:
        return flat, "detectorSpecific" in flat.name  # Eiger readings are multiplied by the flat
    values = flat.frame(0)
    values = values[np.isfinite(values)]
    if applied is None and values.size and values.min() < values.max():
        notes.append(
            f"{flat.name} is not used: the file does not say whether the readings are already "
            "corrected by it; pass its name as flat= to divide by it, or flat=False to ignore it"
        )
    return None, False


def _number(homes, names):
    import h5py

    for group in homes:
        for name in names:
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "uifb" and item.size == 1:
                value = float(np.ravel(item[()])[0])
                if np.isfinite(value):
                    return value
    return None


def _flag(bits, parts):
    """Return the largest value of the detector's bit depth, a flag.

    None if the integers in the file have no more bits than the detector.
    """
    dtype = parts[0].dataset.dtype
    if bits is None or dtype.kind not in "ui" or not 8 < bits < 8 * dtype.itemsize:
        return None
    return float(2 ** int(bits) - 1)


def plane_is_bad(values, bad_bits=EVERY_BIT):
    """Return the bad pixels of a mask in a file."""
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return (values.astype(np.int64) & bad_bits) != 0
    # some programs write the bits as floats; NaN marks a bad pixel, and so does a fraction, which a
    # mask has after it was scaled or interpolated
    values = np.where(np.isfinite(values), values, 1)
    return (values.astype(np.int64) & bad_bits != 0) | (values % 1 != 0)


def announced_frames(file, parts):
    """Return the number of frames that an Eiger master file announces.

    None if it does not announce any.
    """
    import h5py

    instrument = file.get(f"{parts[0].name.split('/')[0]}/instrument")
    if not isinstance(instrument, h5py.Group):
        return None
    for name in instrument:
        specific = instrument.get(f"{name}/detectorSpecific")
        if isinstance(specific, h5py.Group) and "nimages" in specific:
            numbers = [specific[key][()] for key in ("nimages", "ntrigger") if key in specific]
            if all(np.size(n) == 1 and np.asarray(n).dtype.kind in "uif" for n in numbers):
                return int(np.prod([float(np.ravel(n)[0]) for n in numbers]))
    return None


def say(notes):
    """Issue each of the notes as a warning, once."""
    for note in dict.fromkeys(notes):
        warn_user(note)
