"""Readers of other packages, registered as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

import numpy as np

from .._validation import check_choice, short
from ._beside import Beside
from ._frames import ArrayFrames
from ._geometry import check_geometry

GROUP = "skpr.readers"
LENGTHS = "wavelength", "distance", "pixel_size"
PLANES = "mask", "dark", "flat"
KEYS = ("data", *PLANES, *LENGTHS, "content", "centered")
CONTENTS = "counts", "magnitudes"
WANTED = (
    "a reader returns readings of shape (height, width) or (n_frames, height, width), or a dict "
    "with these under 'data'"
)


class Reading:
    """Checked result of a registered reader.

    Attributes
    ----------
    frames : Frames
    beside : Beside
        Mask, dark frames and flat field.
    geometry : Geometry
    content : {"counts", "magnitudes"}
    centered : bool
    """

    def __init__(self, found, path, words):
        found = found if isinstance(found, Mapping) else {"data": found}
        unknown = [key for key in found if key not in KEYS]
        if unknown or "data" not in found:
            raise ValueError(
                f"{words} returned a dict with {', '.join(map(repr, found)) or 'nothing'} for "
                f"{path}; 'data' is needed, and {', '.join(map(repr, KEYS[1:]))} are possible"
            )
        known = {key: value for key, value in found.items() if value is not None}
        self.content = check_choice("content", known.get("content", "counts"), CONTENTS)
        centered = known.get("centered", True)
        centered = bool(centered) if isinstance(centered, np.bool_) else centered
        self.centered = check_choice("centered", centered, (True, False))
        self.geometry = check_geometry(**{key: known.get(key) for key in LENGTHS})
        self.frames = _frames(known.get("data"), path, words)
        planes = {
            key: _frames(known[key], f"the {key} of {path}", words)
            for key in PLANES
            if key in known
        }
        self.beside = Beside(**planes)


def reader_for(path, name="auto"):
    """Return the registered reader of a file; None where there is none.

    Parameters
    ----------
    path : Path
    name : str, default="auto"
        Name of the reader; by default the one whose name is the ending of the file.

    Returns
    -------
    EntryPoint or None

    Raises
    ------
    ValueError
        If no package registered the name, or several did.
    """
    found = list(entry_points(group=GROUP))
    if name != "auto":
        wanted = [one for one in found if one.name == name]
        if not wanted:
            listed = ", ".join(sorted({repr(one.name) for one in found})) or "none"
            raise ValueError(
                f"format={short(name)} is not valid; choose 'auto', which recognizes formats by "
                f"content, or the name of a registered reader ({listed})"
            )
    else:
        ending = path.name.lower()
        wanted = [one for one in found if ending.endswith(f".{one.name.lower()}")]
        longest = max((len(one.name) for one in wanted), default=0)
        wanted = [one for one in wanted if len(one.name) == longest]  # sxr.gz before gz
    if len({one.value for one in wanted}) > 1:
        listed = " and ".join(sorted({one.value for one in wanted}))
        raise ValueError(
            f"the reader {wanted[0].name!r} is registered twice, as {listed}; uninstall one"
        )
    return wanted[0] if wanted else None


def read_registered(path, reader):
    """Read a file by a registered reader.

    Parameters
    ----------
    path : Path
    reader : EntryPoint

    Returns
    -------
    Reading

    Raises
    ------
    ImportError
        If the reader cannot be imported.
    OSError
        If it fails.
    ValueError
        If it returns something else than readers do.
    """
    words = f"the reader {reader.name!r} ({reader.value})"
    try:
        read = reader.load()
    except Exception as error:  # whatever a foreign module does when it is imported
        raise ImportError(f"{path}: {words} cannot be loaded: {_said(error)}") from error
    if not callable(read):
        raise ImportError(
            f"{path}: {words} is {type(read).__name__}; register a function of a path"
        )
    try:
        found = read(path)
    except Exception as error:
        raise OSError(f"{path} cannot be read by {words}: {_said(error)}") from error
    try:
        return Reading(found, path, words)
    except ValueError as error:
        text = str(error)
        raise ValueError(
            text if words in text else f"{words} returned for {path}: {text}"
        ) from error


def _frames(values, name, words):
    """Return what a reader returned as a stack of frames."""
    given = type(values).__name__
    if not hasattr(getattr(values, "dtype", None), "kind"):
        try:
            values = np.asarray(values)
        except ValueError as error:
            raise ValueError(
                f"{words} returned lists of different lengths for {name}; {WANTED}"
            ) from error
    if values.dtype.kind not in "uifb":
        if isinstance(values, np.ndarray) and given == "ndarray":
            given = f"an array of {values.dtype}"
        raise ValueError(f"{words} returned {given} for {name}; {WANTED}")
    if np.ma.is_masked(values):  # readings that are not finite are not measured
        values = values.astype(float).filled(np.nan)
    return ArrayFrames(values, name)


def _said(error):
    """Return the message of a foreign error on one line, with its type."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
