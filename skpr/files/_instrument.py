"""Geometry in HDF5 files, by CXI, NeXus and the usual names."""

import numpy as np

from .._validation import warn_user
from ._beside import is_point_detector
from ._geometry import ANGLES, LIGHT, PLANCK, Geometry, radians
from ._units import decoded, si, unit_of, with_unit

DEEPEST, MOST = 8, 5000  # maximum numbers of levels and items of a file that are searched
SPREAD = 1e-3  # largest relative range of values of all frames that count as one value
DISAGREEMENT = 0.01  # largest relative difference of the wavelength and that of the energy
DISTANCES = (
    "distance",
    "detector_distance",
    "sample_detector_distance",
    "sample_to_detector_distance",
)
WAVELENGTHS = "incident_wavelength", "wavelength"
ENERGIES = "incident_energy", "energy", "photon_energy", "incident_photon_energy", "nrj"
PIXELS = (
    ("y_pixel_size", "x_pixel_size"),
    ("pixel_size_y", "pixel_size_x"),
    ("pixel_size", "pixel_size"),
)
# groups that may state the wavelength, by name or NeXus class, in order of preference
BEAMS = (
    ("beam", "NXbeam"),
    ("monochromator", "NXmonochromator"),
    ("source", "NXsource"),
    ("detectorspecific", ""),
    ("positioners", ""),
)
NO_LIGHT = "electron", "neutron", "positron", "proton", "muon", "ion"


def read_geometry(file, name=None):
    """Return the geometry in an HDF5 file.

    Lengths beside the frames take precedence over those of another detector of the same entry.
    Links are followed; broken links are ignored.

    Parameters
    ----------
    file : h5py.File
        File that holds the frames.
    name : str, optional
        Name of the frames.

    Returns
    -------
    Geometry

    Warns
    -----
    UserWarning
        If a unit is unknown, a value is implausible, or wavelength and energy contradict each
        other.
    """
    groups = _groups(file, name)
    detectors = _detectors(groups, file, name)
    sources = {}
    distance = _first(detectors, DISTANCES, "distance", sources) or _along_beam(
        detectors, groups, sources
    )
    return Geometry(
        wavelength=_wavelength(groups, detectors, sources),
        distance=distance,
        pixel_size=_pixel_size(detectors, sources),
        angles=_angles(groups, sources),
        sources=sources,
    )


def _groups(file, name):
    """Return the groups of the frames' entry by name, each once.

    They are in breadth-first order. If the entry has no instrument, the groups of the whole file
    are returned.
    """
    entry = (name or "").strip("/").split("/")[0]
    if "/" in (name or "").strip("/") and _is_group(_item(file, entry)):
        found = _within(file, entry)
        kinds = (("instrument", "NXinstrument"), ("detector", "NXdetector"), *BEAMS)
        if any(_is(path, group, kind) for path, group in found.items() for kind in kinds):
            return found
    return _within(file, "")


def _within(file, start):
    """Return a group and all groups in it by name, breadth first."""
    found, seen, n_items = {}, set(), 0
    waiting = [(start, file[start] if start else file, 0)]
    while waiting and n_items < MOST:
        path, group, level = waiting.pop(0)
        key = (group.file.filename, hash(group.id))
        if key in seen:
            continue
        seen.add(key)
        found[path] = group
        try:
            names = list(group)
        except (OSError, RuntimeError):
            continue
        n_items += len(names)
        if level < DEEPEST:
            inner = ((f"{path}/{one}".strip("/"), _item(group, one)) for one in names[:MOST])
            waiting += [(path, item, level + 1) for path, item in inner if _is_group(item)]
    return found


def _item(group, name):
    """Return an item of a group, or None for a broken link."""
    try:
        item = group.get(name) if name else None
        # types that NumPy lacks have no dtype
        return item if _is_group(item) or hasattr(item, "dtype") else None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return None


def _is_group(item):
    return hasattr(item, "keys")


def _is(path, group, kind):
    """Return whether a group is of a kind, by name or NeXus class."""
    word, nexus = kind
    return path.rpartition("/")[2].lower().startswith(word) or bool(
        nexus and _text(group.attrs.get("NX_class")) == nexus
    )


def _detectors(groups, file, name):
    """Return the groups that may state distance and pixel size.

    They are the group of the frames, the detector that holds the frames, and the only detector of
    the entry.
    """
    found = {}
    frames = _item(file, name) if name else None
    if frames is not None:
        home = frames.parent
        found[home.name.strip("/")] = home
        alias = (name or "").strip("/").rpartition("/")[0]
        if alias in groups:
            found.setdefault(alias, groups[alias])
    detectors = {
        path: group
        for path, group in groups.items()
        if _is(path, group, ("detector", "NXdetector"))
    }
    detectors = {
        path: group for path, group in detectors.items() if not path.lower().endswith("specific")
    }
    detectors = {path: group for path, group in detectors.items() if not is_point_detector(group)}
    own = {
        path: group
        for path, group in detectors.items()
        if frames is not None and _holds(group, frames)
    }
    found |= own or (detectors if len(detectors) == 1 else {})
    # in CXI, a detector has the number of its data
    if not own and len(detectors) > 1 and frames is not None:
        number = (name or "").strip("/").rpartition("/")[0].rpartition("_")[2]
        found |= {
            path: group
            for path, group in detectors.items()
            if number.isdigit() and path.endswith(f"_{number}")
        }
    return found


def _holds(group, frames):
    """Return whether a group holds the frames, under any name."""
    return any(_item(group, one) == frames for one in list(group)[:MOST])


def _first(groups, names, quantity, sources):
    """Return the first value of a quantity in groups, in SI units."""
    for path, group in groups.items():
        for name in names:
            item = _item(group, name)
            value, unit = _stated(item)
            if value is not None:
                value = si(value, unit, quantity)
            if value is not None:
                sources[quantity.replace(" ", "_")] = f"{path}/{name}".strip("/")
                return value
    return None


def _stated(item):
    """Return a number and its unit, also if they are written as text."""
    value = _number(item)
    if value is not None:
        return value, unit_of(item.attrs)
    found = with_unit(_written(item))
    return (found[0], found[1] or unit_of(item.attrs)) if found else (None, None)


def _written(item):
    """Return the text of a data set; empty for anything else."""
    try:
        is_text = hasattr(item, "dtype") and item.dtype.kind in "OS" and item.size == 1
        return _text(item[()]) or "" if is_text else ""
    except (OSError, RuntimeError, TypeError):
        return ""


def _number(item):
    """Return the number in a data set; None for anything else.

    Numbers that differ only by jitter are replaced by their mean.
    """
    values = _numbers(item)
    if values is None or not len(values):
        return None
    mean = values.mean()
    return (
        float(mean if len(values) > 1 else values[0])
        if np.ptp(values) <= SPREAD * abs(mean)
        else None
    )


def _numbers(item):
    """Return the numbers in a small data set; None if not all finite."""
    if (
        not hasattr(item, "dtype")
        or _is_group(item)
        or item.dtype.kind not in "uif"
        or item.size is None
    ):
        return None
    if not 0 < item.size <= 100 * MOST:
        return None
    try:
        values = np.ravel(item[()])
    except (OSError, RuntimeError):
        return None
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        values = values.astype(str)  # via text, so that 7.5e-5 in single precision stays 7.5e-5
    values = values.astype(float)
    return values if np.isfinite(values).all() else None


def _text(value):
    """Return an attribute as text; None if it is not text."""
    value = np.ravel(value)[0] if value is not None and np.size(value) else None
    return decoded(value) if isinstance(value, bytes | str) else None


def _pixel_size(detectors, sources):
    for path, group in detectors.items():
        for names in PIXELS:
            items = [_item(group, name) for name in names]
            values = [_numbers(item) for item in items]
            if names[0] == names[1] and values[0] is not None and len(values[0]) == 2:
                values = [part[None] for part in values[0]]
            if any(value is None or not len(value) or np.ptp(value) > 0 for value in values):
                continue
            sizes = [
                si(float(value[0]), unit_of(item.attrs), "pixel size")
                for value, item in zip(values, items, strict=True)
            ]
            if None not in sizes:
                sources["pixel_size"] = f"{path}/{names[0]}".strip("/")
                return tuple(sizes)
            return None
    return None


def _wavelength(groups, detectors, sources):
    """Return the wavelength, possibly computed from the photon energy.

    It is that of the first group that states one of them.
    """
    for kind in BEAMS:
        chosen = {path: group for path, group in groups.items() if _is(path, group, kind)}
        for path, group in chosen.items():
            found = _wavelength_of({path: group}, kind[0] == "source", sources)
            if found is not None:
                return found
    instruments = {
        path: group
        for path, group in groups.items()
        if _is(path, group, ("instrument", "NXinstrument"))
    }
    return _wavelength_of({**instruments, **detectors}, False, sources)


def _wavelength_of(groups, is_source, sources):
    if is_source and any(_is_no_light(group) for group in groups.values()):
        return _first(groups, WAVELENGTHS, "wavelength", sources)
    wavelength = _first(groups, WAVELENGTHS, "wavelength", sources)
    energies = groups
    if is_source:  # the energy of a storage ring in NeXus is that of its electrons
        energies = {path: group for path, group in groups.items() if not _is_ring(group)}
    energy = _first(energies, ENERGIES, "energy", sources)
    origin = sources.pop("energy", None)
    if energy is None:
        return wavelength
    by_energy = PLANCK * LIGHT / energy
    if wavelength is None:
        sources["wavelength"] = origin
        return by_energy
    if abs(by_energy - wavelength) > DISAGREEMENT * wavelength:
        warn_user(
            f"{sources['wavelength']} states a wavelength of {wavelength:.6g} m, but the energy in "
            f"{origin} corresponds to {by_energy:.6g} m: the wavelength is used"
        )
    return wavelength


def _is_no_light(group):
    return _written(_item(group, "probe")).lower() in NO_LIGHT


def _is_ring(group):
    """Return whether the energy of a source is that of a storage ring.

    Energies of a MeV and more belong to electrons.
    """
    item = _item(group, "energy")
    value = _number(item)
    unit = (unit_of(item.attrs) or "").lower() if value is not None else ""
    if unit.endswith("gev"):
        return True
    return (
        unit.endswith("mev")
        and unit != "mev"
        or (unit == "mev" and value > 1)
        or (unit == "ev" and value > 1e6)
    )


def _along_beam(detectors, groups, sources):
    """Return the translation of a detector along the beam."""
    for path, group in groups.items():
        of_detector = any(path.startswith(detector) for detector in detectors)
        if not of_detector and (not path.endswith("transformations") or "sample" in path):
            continue
        for name in list(group)[:MOST]:
            item = _item(group, name)
            vector = item.attrs.get("vector") if hasattr(item, "dtype") else None
            if vector is None or _text(item.attrs.get("transformation_type")) != "translation":
                continue
            value = _number(item)
            if value and np.allclose(np.abs(np.ravel(vector)), (0, 0, 1), atol=1e-3):
                value = si(abs(value), unit_of(item.attrs), "distance")
                if value is not None:
                    sources["distance"] = f"{path}/{name}"
                    return value
    return None


def _angles(groups, sources):
    """Return the angles of the diffractometer by name, in radians.

    They are the rotations that NeXus declares, and values with the usual names and a unit.
    """
    found = {}
    for path, group in groups.items():
        for name in list(group)[:MOST]:
            item = _item(group, name)
            if not hasattr(item, "dtype") or name in found:
                continue
            unit = unit_of(item.attrs)
            rotates = _text(item.attrs.get("transformation_type")) == "rotation"
            if not rotates and not (name.lower() in ANGLES and unit):
                continue
            values = _numbers(item)
            if values is None:
                continue
            angles = radians(values, unit)
            if angles is not None:
                found[name] = angles
                sources[name] = f"{path}/{name}".strip("/")
    return found
