"""Frames of one file of any format."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._validation import warn_user
from ._beside import Beside, beside
from ._dataset import DatasetFrames
from ._fabio import FabioFrames, import_fabio
from ._formats import HEAD, KNOWN_ENDINGS, is_matlab, kind_of, unknown_format
from ._frames import ArrayFrames, Frames, JoinedFrames
from ._geometry import Geometry
from ._hdf5 import hdf5_trouble, open_hdf5
from ._header import geometry_of_header
from ._instrument import read_geometry
from ._meant import meant
from ._numpy import Npz, npy_frames
from ._registered import read_registered, reader_for
from ._storage import beside_its_file
from ._tiff import IS_NEGATIVE, tiff_frames
from ._times import times_in_header


@dataclass
class Source:
    """Frames of one file, with everything that belongs to them."""

    path: Any
    frames: Frames
    names: list[str] = field(default_factory=list)
    beside: Beside = Beside()
    content: str = "counts"
    centered: bool = True
    file: Any = None  # HDF5 file or npz archive
    parts: list = field(default_factory=list)
    header: dict = field(default_factory=dict)
    lacking: str = ""  # message about later frames that cannot be read
    said: Geometry | None = None  # geometry from a registered reader

    def close(self):
        """Close the frames and the file."""
        self.frames.close()
        if self.file is not None:
            self.file.close()

    def lookup(self, name):
        """Return the frames of another array in the file, or None."""
        if isinstance(self.file, Npz):
            return self.file.frames(name) if name in self.file.names else None
        if self.file is None:
            return None
        with hdf5_trouble(self.path):
            item = self.file.get(name)
            return (
                DatasetFrames(item, self.path, f"{name!r} in {self.path}")
                if hasattr(item, "shape")
                else None
            )

    def values(self, name):
        """Return the numbers under a name in the file, or None."""
        if isinstance(self.file, Npz):
            return self.file.array(name)
        if self.file is None:
            return None
        with hdf5_trouble(self.path):
            item = self.file.get(name)
            return np.asarray(beside_its_file(item)[()]) if hasattr(item, "shape") else None

    def times(self):
        """Return the name and values of the exposure times, or None."""
        if self.header:
            return times_in_header(self.header, self.frames.shape[0])
        return self.beside.times

    def geometry(self):
        """Return the geometry in the file."""
        if self.said is not None:
            return self.said
        if isinstance(self.file, Npz) or (self.file is None and not self.header):
            return Geometry()
        if self.file is None:
            return geometry_of_header(self.header)
        with hdf5_trouble(self.path):
            return read_geometry(self.file, self.names[0])


def open_source(path, dataset=None, plane=None, format="auto"):
    """Open one file, or wrap an array in memory.

    Parameters
    ----------
    path : Path or ndarray
        File or array.
    dataset : str or list of str, optional
        Names of the data sets of the frames.
    plane : {"mask", "dark", "flat"}, optional
        Kind of plane to read; arrays with such names are preferred.
    format : str, default="auto"
        Name of a registered reader. "auto" goes by the content, or by an ending that only such a
        reader knows.

    Returns
    -------
    Source

    Raises
    ------
    OSError, ValueError, ImportError
        If the file cannot be read, as in :func:`read_diffraction`.
    """
    if isinstance(path, np.ma.MaskedArray):
        path = path.astype(np.result_type(path.dtype, np.float32)).filled(np.nan)
    if isinstance(path, np.ndarray):
        if dataset is not None:
            raise ValueError(f"dataset={dataset!r} cannot be used with an array in memory")
        if format != "auto":
            raise ValueError(f"format={format!r} cannot be used with an array in memory")
        return Source("the array", ArrayFrames(path, "the array"))
    _check_there(path)
    if format != "auto" or path.suffix.lower() not in KNOWN_ENDINGS:
        reader = reader_for(path, format)
        if reader is not None:
            return _registered(path, dataset, reader)
    kind = kind_of(path)
    if dataset is not None and kind not in ("HDF5", "npz"):
        raise ValueError(
            f"dataset={dataset!r} cannot be used with {path}: a {path.suffix} file holds one array"
        )
    readers = {
        "HDF5": _hdf5,
        "npz": _npz,
        "npy": _npy,
        "TIFF": _tiff,
        "fabio": _fabio,
        "perhaps fabio": _perhaps,
    }
    if kind in ("HDF5", "npz"):
        return readers[kind](path, dataset, plane)
    return readers[kind](path, dataset)


def _check_there(path):
    if not path.exists():
        raise OSError(f"{path} does not exist")
    if path.is_dir():
        raise OSError(
            f"{path} is a folder; give a file, a list of files or a pattern such as {path}/*.tif"
        )
    if not path.is_file():
        raise OSError(f"{path} is not a regular file")
    try:
        with open(path, "rb"):
            pass
    except PermissionError as error:
        raise OSError(f"{path} cannot be read: permission denied") from error
    if path.stat().st_size == 0:
        raise OSError(f"{path} is empty: 0 bytes")


def _hdf5(path, dataset, plane=None):
    file = open_hdf5(path)
    try:
        chosen = meant(file, path, dataset, plane)
        with hdf5_trouble(path):
            parts = []
            for part in chosen.parts:
                parts.append(DatasetFrames(part.dataset, path, f"{part.name!r} in {path}", part))
                parts[-1].rest()
        frames = parts[0] if len(parts) == 1 else JoinedFrames(parts)
        if is_matlab(path) and plane is None:
            warn_user(
                f"MATLAB stores arrays with their axes in reverse order: rows of the frames in "
                f"{path} are columns in MATLAB; swap those of masks from elsewhere, and of the "
                "result to compare it"
            )
        return Source(
            path,
            frames,
            [part.name for part in chosen.parts],
            beside(file, path, chosen.parts, chosen.everything, frames.shape),
            chosen.content,
            chosen.centered,
            file,
            chosen.parts,
            lacking=chosen.lacking,
        )
    except BaseException:
        with contextlib.suppress(Exception):
            file.close()
        raise


def _npz(path, dataset, plane=None):
    archive = Npz(path)
    try:
        frames, names = archive.meant(dataset, plane)
        return Source(path, frames, names, file=archive)
    except BaseException:
        archive.close()
        raise


def _npy(path, dataset):
    return Source(path, npy_frames(path))


def _tiff(path, dataset):
    frames, description = tiff_frames(path)
    notes = {"photometric": IS_NEGATIVE} if frames.is_negative else {}
    return Source(path, frames, beside=Beside(left_out=notes), header=_header(path, description))


def _header(path, description):
    """Return the header of a TIFF file of a detector, read by fabio."""
    if not description.lstrip().startswith("#"):
        return {}
    try:
        fabio = import_fabio()
        with fabio.open(str(path)) as image:
            return dict(image.header)
    except Exception:  # geometry is optional: a bad header is no reason to refuse the frames
        return {}


def _registered(path, dataset, reader):
    if dataset is not None:
        raise ValueError(
            f"dataset={dataset!r} cannot be used with {path}: the reader {reader.name!r} returns "
            "one array"
        )
    found = read_registered(path, reader)
    settings = {"content": found.content, "centered": found.centered, "said": found.geometry}
    return Source(path, found.frames, beside=found.beside, **settings)


def _fabio(path, dataset):
    frames = FabioFrames(path)
    return Source(path, frames, header=frames.header)


def _perhaps(path, dataset):
    """Read a file whose first bytes may be those of a detector format."""
    try:
        return _fabio(path, dataset)
    except OSError as error:
        with open(path, "rb") as file:
            raise unknown_format(path, file.read(HEAD)) from error
