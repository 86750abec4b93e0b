"""Geometry in the headers of images: EDF, CBF, TIFF, MAR and ADSC."""

from ._geometry import ANGLES, LIGHT, PLANCK, Geometry, radians
from ._units import si, with_unit

# keys of headers, each with the unit of values without one: metres at the ESRF, particular units in
# files of MAR and ADSC. For keys that formats share, other keys of the header identify the format
WAVELENGTH_KEYS = (
    ("source_wavelength", "fm"),
    ("wavelength", ("pixellength", "pixel_size", "distanc"), "angstrom"),
    ("wavelength", None),
    ("wave_length", None),
    ("incident_wavelength", None),
)
ENERGY_KEYS = (("energy", "keV"), ("photon_energy", "eV"), ("energy_kev", "keV"))
DISTANCE_KEYS = (
    ("xtal_to_detector", "um"),
    ("sampledistance", None),
    ("detector_distance", None),
    ("distance", ("pixellength", "pixel_size", "pixelsize_x"), "mm"),
    ("distance", None),
)
PIXEL_KEYS = (
    (("pixelsize_y", "pixelsize_x"), ("source_wavelength", "xtal_to_detector"), "nm"),
    (("psize_2", "psize_1"), None),
    (("pixelheight", "pixellength"), "mm"),
    (("pixelsize2", "pixelsize1"), None),
    (("pixel_size_y", "pixel_size_x"), None),
    (("pixel_size", "pixel_size"), ("size1", "byte_order"), "mm"),
    (("pixel_size", "pixel_size"), None),
)


def geometry_of_header(header):
    """Return the geometry in the header of an image.

    Headers of EDF, CBF and TIFF of Pilatus detectors, MAR and ADSC are understood.

    Parameters
    ----------
    header : mapping of str to str
        Header as fabio returns it.

    Returns
    -------
    Geometry

    Examples
    --------
    >>> header = {"SampleDistance": "1.5", "WaveLength": "1.3776e-10", "PSize_1": "7.5e-5"}
    >>> geometry_of_header(header).distance
    1.5
    """
    entries = entries_of(header)
    sources = {}
    wavelength = _of_header(entries, "wavelength", WAVELENGTH_KEYS, sources)
    energy = None if wavelength is not None else _of_header(entries, "energy", ENERGY_KEYS, sources)
    if energy is not None:
        wavelength, sources["wavelength"] = PLANCK * LIGHT / energy, sources.pop("energy")
    return Geometry(
        wavelength=wavelength,
        distance=_of_header(entries, "distance", DISTANCE_KEYS, sources),
        pixel_size=_pixels_of_header(entries, sources),
        angles=_angles_of_header(entries, sources),
        sources=sources,
    )


def entries_of(header):
    """Return the entries of a header by lower-case key.

    Each entry holds the key as it is spelled, and the value. The lines of the header of a CBF file
    are included.
    """
    entries = {
        str(key).strip().lower(): (str(key).strip(), value) for key, value in dict(header).items()
    }
    for line in str(entries.get("_array_data.header_contents", ("", ""))[1]).splitlines():
        words = line.lstrip("# ").replace("=", " ").split(None, 1)
        if len(words) == 2:
            entries.setdefault(words[0].lower().rstrip(":"), (words[0].rstrip(":"), words[1]))
    return entries


def _of_header(entries, quantity, keys, sources):
    for key, *companions, unit in keys:
        if key not in entries or (companions and not any(one in entries for one in companions[0])):
            continue
        found = with_unit(entries[key][1])
        if found is None or found[0] <= 0:
            continue
        value = si(found[0], found[1] or unit, quantity)
        if value is not None:
            sources[quantity] = entries[key][0]
            return value
        return None
    return None


def _pixels_of_header(entries, sources):
    for (down, across), *companions, unit in PIXEL_KEYS:
        if across not in entries or (
            companions and not any(one in entries for one in companions[0])
        ):
            continue
        texts = [str(entries.get(key, entries[across])[1]) for key in (down, across)]
        if down == across and " x " in texts[0]:  # Pilatus states width first, then height
            texts = texts[0].split(" x ")[1::-1]
        found = [with_unit(text) for text in texts]
        if any(one is None or one[0] <= 0 for one in found):
            continue
        sizes = [si(value, own or unit, "pixel size") for value, own in found]
        if None not in sizes:
            sources["pixel_size"] = entries[across][0]
            return tuple(sizes)
        return None
    return None


def _angles_of_header(entries, sources):
    found = {}
    names = str(entries.get("motor_mne", ("", ""))[1]).split()
    places = str(entries.get("motor_pos", ("", ""))[1]).split()
    pairs = {name: ("motor_pos", place) for name, place in zip(names, places, strict=False)}
    pairs |= {key: (entries[key][0], entries[key][1]) for key in entries}
    for name, (origin, text) in pairs.items():
        value = with_unit(text) if name.lower() in ANGLES else None
        if value is None:
            continue
        angle = radians([value[0]], value[1])
        if angle is not None:
            found[name], sources[name] = angle, origin
    return found
