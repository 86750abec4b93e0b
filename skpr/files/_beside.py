"""Masks, dark frames, flat fields, limits and announcements that an HDF5 file holds."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from .._validation import warn_user
from ._dataset import DatasetFrames
from ._hdf5 import hdf5_trouble
from ._links import identity
from ._meant import DARKS, FLATS, MASKS, names_of
from ._unwritten import uncovered

APPLIED = "flatfield_applied", "flatfield_correction_applied", "flat_field_applied"
# by CXI: invalid, saturated, hot, dead, shadowed, to be ignored, bad, out of resolution, missing,
# noisy; the bits beyond these, and that of the peak mask, say what a pixel saw or was corrected for
CXI_BAD_BITS = 0x7FF & ~0x20
EVERY_BIT = ~0
LIMITS = "saturation_value", "bit_depth_image"
NO_CAMERA = re.compile("diode|monitor|chamber|counter|scaler|keithley|fluo|xrf")
DETECTOR_CLASSES = "NXdetector", b"NXdetector"


class Beside(NamedTuple):
    """Arrays beside the frames of a file, None where there is none."""

    mask: Any = None  # a stack of one frame, or of as many as there are of the data
    bad_bits: int = EVERY_BIT
    gaps: Any = None  # pixels that nothing was written to, by frame
    dark: Any = None
    flat: Any = None
    flat_multiplies: bool = False
    highest: float | None = None  # readings above are not to be trusted
    flagged: float | None = None  # readings from here on are flags
    notes: tuple[str, ...] = ()


def beside(file, path, parts, found, shape):
    """Find the arrays that belong to the frames of an open file.

    They are in the group of the frames, or in that of the only detector of the same entry.

    Parameters
    ----------
    file : h5py.File
    path : Path
    parts : list of Found
        The frames.
    found : list of Found
        Every data set of the file.
    shape : tuple of int
        Number of frames, height, width.
    """
    with hdf5_trouble(path):
        near, far, others = _homes(file, parts, found)
        is_cxi = "cxi_version" in file or any(one.name.startswith("entry_1/") for one in found)
        notes = _unused(others, path, shape, parts)
        mask = _nearest(near, far, MASKS, path, shape, notes)
        flat, multiplies = _flat(near, far, path, shape, notes)
        return Beside(
            mask=mask,
            bad_bits=CXI_BAD_BITS if is_cxi else EVERY_BIT,
            gaps=uncovered(parts, shape),
            dark=_nearest(near, far, DARKS, path, shape, notes),
            flat=flat,
            flat_multiplies=multiplies,
            highest=_number([*near, *far], LIMITS[:1]),
            flagged=_flag(_number([*near, *far], LIMITS[1:]), parts),
            notes=tuple(notes),
        )


def _homes(file, parts, found):
    """Groups of the frames; the detector of the entry if they are in none; detectors among which no
    one can tell.
    """
    groups = [parts[0].dataset.parent]
    groups += [
        file[name or "/"]
        for name in dict.fromkeys(one.parent for one in names_of(found, parts[:1]))
    ]
    entry = parts[0].name.split("/")[0]
    if entry.startswith("entry_") and isinstance(file.get(f"{entry}/data_1"), type(groups[0])):
        groups.append(file[f"{entry}/data_1"])  # by CXI, beside the data of the first detector
    near = _once(_with_specific(groups))
    if any(_is_detector(group) for group in near):
        return near, [], []
    entry = parts[0].name.split("/")[0] if "/" in parts[0].name else ""
    detectors = [
        group for group in _detectors(file, entry, found) if _may_have_seen(group, parts[0].shape)
    ]
    numbered = re.fullmatch(r"(.*/)?data_(\d+)/data", parts[0].name)
    if len(detectors) > 1 and numbered:  # CXI numbers detectors as their data
        own = [group for group in detectors if group.name.endswith(f"/detector_{numbered[2]}")]
        detectors = own if len(own) == 1 else detectors
    is_clear = len(detectors) < 2 and not any(_holds_others(group, parts[0]) for group in detectors)
    detectors, others = (detectors, []) if is_clear else ([], detectors)
    return near, _once(_with_specific(detectors)), _once(_with_specific(others))


def _detectors(file, entry, found):
    """Detectors of an entry, each once, without the groups in them and around them."""
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
    """Whether a detector may be that of frames: no point detector, and none whose own data are of
    another shape.
    """
    own = _own_data(group)
    return not is_point_detector(group) and (not own or any(_fits(item, shape) for item in own))


def _holds_others(group, part):
    """Whether a detector holds frames of its own that are not those of a data set, nor a copy of
    them.
    """
    own = [
        item
        for item in _own_data(group)
        if item.shape == part.shape and identity(item) != part.identity
    ]
    first = (0,) * (len(part.shape) - 2)
    return bool(own) and not any(np.array_equal(item[first], part.dataset[first]) for item in own)


def is_point_detector(group):
    """Whether a detector sees one number at a time, by its name or its data."""
    own = _own_data(group)
    return bool(NO_CAMERA.search(group.name.rpartition("/")[2].lower())) or (
        bool(own) and all(sum(n > 1 for n in item.shape) < 2 for item in own)
    )


def _own_data(group):
    import h5py

    own = [group.get(name) for name in ("data", "value")]
    return [item for item in own if isinstance(item, h5py.Dataset) and item.shape is not None]


def _unused(others, path, shape, parts):
    """Words for what several detectors hold that none of them is known to hold for the frames."""
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
        f"{path} holds {parts[0].name!r} in none of its detectors, and nothing of theirs is used; "
        f"mask=, dark=, flat= "
        f"and saturation= take what belongs to the frames: {listed}"
    ]


def _is_detector(group):
    return (
        "detector" in group.name.rpartition("/")[2].lower()
        or group.attrs.get("NX_class") in DETECTOR_CLASSES
    )


def _with_specific(groups):
    """Groups, each with the one in which Eiger detectors keep their masks."""
    import h5py

    for group in groups:
        yield group
        inner = group.get("detectorSpecific")
        if isinstance(inner, h5py.Group):
            yield inner


def _once(groups):
    return list({identity(group): group for group in groups}.values())


def _nearest(near, far, names, path, shape, notes):
    """Nearest planes of given names that belong to the frames."""
    for _, item in _arrays(near, names):
        return DatasetFrames(item, path, _words(item, path))
    fitting = {identity(item): item for _, item in _arrays(far, names) if _fits(item, shape)}
    if len(fitting) > 1:
        listed = ", ".join(repr(item.name.strip("/")) for item in fitting.values())
        notes.append(
            f"{path} holds several planes that fit the frames, of which none is used; name one of "
            f"{listed}"
        )
    if len(fitting) != 1:
        return None
    (item,) = fitting.values()
    return DatasetFrames(item, path, _words(item, path))


def _arrays(groups, names):
    import h5py

    for group in groups:
        for name in names:
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and item.ndim >= 2 and item.dtype.kind in "uifb":
                yield group, item


def _fits(item, shape):
    return tuple(item.shape[-2:]) == tuple(shape[1:])


def _words(item, path):
    name = item.name.strip("/")
    return f"the {name.rpartition('/')[2]} {name!r} in {path}"


def _flat(near, far, path, shape, notes):
    """Flat field that the file declares as not yet applied."""
    flat = _nearest(near, far, FLATS, path, shape, notes)
    applied = _number([*near, *far], APPLIED)
    if flat is None or tuple(flat.shape[1:]) != tuple(shape[1:]):
        return None, False
    if applied == 0:
        return flat, "detectorSpecific" in flat.name  # Eiger detectors multiply by theirs
    values = flat.frame(0)
    values = values[np.isfinite(values)]
    if applied is None and values.size and values.min() < values.max():
        notes.append(
            f"{flat.name} is not used: the file does not say whether the readings are corrected "
            f"by it; flat= with its "
            "name divides by it, flat=False says that it is not wanted"
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
    """Largest value of the detector's bit depth, if the file's is deeper."""
    dtype = parts[0].dataset.dtype
    if bits is None or dtype.kind not in "ui" or not 8 < bits < 8 * dtype.itemsize:
        return None
    return float(2 ** int(bits) - 1)


def plane_is_bad(values, bad_bits=EVERY_BIT):
    """Bad pixels of a mask in a file."""
    values = np.asarray(values)
    if values.dtype.kind == "f":  # bits that some program wrote as floats; what is none is bad
        values = np.where(np.isfinite(values), values, 1)
    return (values.astype(np.int64) & bad_bits) != 0


def announced_frames(file, parts):
    """Number of frames that the master of an Eiger detector announces; None if it does not."""
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
    """Warn about planes that were found and not used."""
    for note in dict.fromkeys(notes):
        warn_user(note)
