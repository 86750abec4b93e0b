"""Files of frames, recognized by content: one, a list or a pattern."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._validation import warn_user
from ._beside import Beside, beside
from ._fabio import NEEDED, PICTURES, FabioFrames, import_fabio
from ._frames import ArrayFrames, Frames, JoinedFrames
from ._hdf5 import DatasetFrames, hdf5_trouble, is_hdf5, natural, open_hdf5
from ._meant import meant
from ._numpy import Npz, npy_frames
from ._tiff import tiff_frames

HDF5_ENDINGS = ".cxi", ".h5", ".hdf5", ".nxs", ".hdf", ".nx5", ".emd", ".ptyd", ".he5", ".nx"
TIFF_ENDINGS = ".tif", ".tiff"
NUMPY_ENDINGS = ".npz", ".npy"
FORMATS = {**dict.fromkeys(HDF5_ENDINGS, "HDF5"), **dict.fromkeys(TIFF_ENDINGS, "TIFF")}
FORMATS.update(dict.fromkeys(NUMPY_ENDINGS, "NumPy data"))
TIFF_SIGNATURES = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
WEAK = 3  # bytes at the beginning that say little
DETECTOR_ENDINGS = ".edf", ".cbf", ".mccd", ".mar3450", ".mar2300", ".img", ".sfrm", ".edf.gz", ".cbf.gz", ".edf.bz2"


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

    def close(self):
        """Close everything."""
        self.frames.close()
        if self.file is not None:
            self.file.close()

    def lookup(self, name):
        """Frames of another array in the file; None if the name is not there."""
        if isinstance(self.file, Npz):
            return self.file.frames(name) if name in self.file.names else None
        if self.file is None:
            return None
        with hdf5_trouble(self.path):
            item = self.file.get(name)
            return DatasetFrames(item, self.path, f"{name!r} in {self.path}") if hasattr(item, "shape") else None

    def values(self, name):
        """Numbers in the file by their name; None if the name is not there."""
        if isinstance(self.file, Npz):
            return self.file.array(name)
        if self.file is None:
            return None
        with hdf5_trouble(self.path):
            item = self.file.get(name)
            return np.asarray(item[()]) if hasattr(item, "shape") else None


def open_source(path, dataset=None):
    """Open one file, or take an array in memory.

    Raises
    ------
    OSError, ValueError, ImportError
        In one sentence, as :func:`read_diffraction` says.
    """
    if isinstance(path, np.ma.MaskedArray):
        path = path.astype(np.result_type(path.dtype, np.float32)).filled(np.nan)
    if isinstance(path, np.ndarray):
        if dataset is not None:
            raise ValueError(f"dataset={dataset!r} names nothing in an array in memory")
        return Source("the array", ArrayFrames(path, "the array"))
    _check_there(path)
    kind = _kind(path)
    if dataset is not None and kind not in ("HDF5", "npz"):
        raise ValueError(f"dataset={dataset!r} names nothing in {path}: a {path.suffix} file holds one array")
    readers = {"HDF5": _hdf5, "npz": _npz, "npy": _npy, "TIFF": _tiff, "fabio": _fabio, "perhaps fabio": _perhaps}
    return readers[kind](path, dataset)


def _check_there(path):
    if not path.exists():
        raise OSError(f"{path} does not exist")
    if path.is_dir():
        raise OSError(f"{path} is a folder; give a file, a list of files or a pattern such as {path}/*.tif")
    if not path.is_file():
        raise OSError(f"{path} is no file of the disk")
    try:
        with open(path, "rb"):
            pass
    except PermissionError as error:
        raise OSError(f"{path} cannot be read: permission denied") from error
    if path.stat().st_size == 0:
        raise OSError(f"{path} is empty: 0 bytes")


def _kind(path):
    """Format of a file by its content."""
    with open(path, "rb") as file:
        head = file.read(18)
    if is_hdf5(path):
        return "HDF5"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "npz"
    if head.startswith(TIFF_SIGNATURES):
        return "TIFF"
    ending = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() in (".gz", ".bz2") else path.suffix.lower()
    if ending in FORMATS:
        raise OSError(
            f"{path} cannot be read as {FORMATS[ending]}: it begins with {head[:8]!r}, as no such file does; it may be "
            "damaged or incomplete"
        )
    known = _fabio_knows(path, head, ending)
    if known:
        return known
    raise _unknown(path, head)


def _unknown(path, head):
    valid = ", ".join((".cxi", ".h5", ".hdf5", ".nxs", *TIFF_ENDINGS, *NUMPY_ENDINGS, ".edf", ".cbf"))
    return ValueError(
        f"{path} ends in {path.suffix!r} and begins with {head[:8]!r}, which is none of the formats that can be read: "
        f"{valid} and what else fabio reads"
    )


def _fabio_knows(path, head, ending):
    """Kind of a file that fabio may read: `fabio`, `perhaps fabio` or empty."""
    likely = ending in DETECTOR_ENDINGS or head.startswith((b"\n{", b"\r\n{", b"{\n", b"{\r\n", b"###CBF"))
    try:
        import_fabio()
    except ImportError as error:
        if likely:
            raise ImportError(f"{path}: {NEEDED}") from error
        return ""
    from fabio.openimage import MAGIC_NUMBERS

    kinds = [(magic, kind) for magic, kind in MAGIC_NUMBERS if head.startswith(magic)]
    if kinds and kinds[0][1] in PICTURES:
        return ""
    if likely or (kinds and len(kinds[0][0].strip(b"\0")) > WEAK):
        return "fabio"
    return "perhaps fabio" if kinds else ""


def _hdf5(path, dataset):
    file = open_hdf5(path)
    try:
        chosen = meant(file, path, dataset)
        with hdf5_trouble(path):
            parts = []
            for part in chosen.parts:
                parts.append(DatasetFrames(part.dataset, path, f"{part.name!r} in {path}", part))
                parts[-1].rest()
        frames = parts[0] if len(parts) == 1 else JoinedFrames(parts)
        return Source(
            path,
            frames,
            [part.name for part in chosen.parts],
            beside(file, path, chosen.parts, chosen.everything, frames.shape),
            chosen.content,
            chosen.centered,
            file,
            chosen.parts,
        )
    except BaseException:
        with contextlib.suppress(Exception):
            file.close()
        raise


def _npz(path, dataset):
    archive = Npz(path)
    try:
        frames, names = archive.meant(dataset)
        return Source(path, frames, names, file=archive)
    except BaseException:
        archive.close()
        raise


def _npy(path, dataset):
    return Source(path, npy_frames(path))


def _tiff(path, dataset):
    frames, description = tiff_frames(path)
    return Source(path, frames, header=_header(path, description))


def _header(path, description):
    """Header of the TIFF of a detector, as fabio reads it."""
    if not description.lstrip().startswith("#"):
        return {}
    try:
        fabio = import_fabio()
        with fabio.open(str(path)) as image:
            return dict(image.header)
    except Exception:  # geometry is welcome, and no reason to refuse the frames
        return {}


def _fabio(path, dataset):
    frames = FabioFrames(path)
    return Source(path, frames, header=frames.header)


def _perhaps(path, dataset):
    """Read a file whose first bytes are those of a detector, and of others."""
    try:
        return _fabio(path, dataset)
    except OSError as error:
        with open(path, "rb") as file:
            raise _unknown(path, file.read(18)) from error


class Series:
    """Frames of several files, opened one at a time.

    Parameters
    ----------
    path : path-like, list of path-like, or ndarray
        A name with `*`, `?` or `[` that no file has is a pattern.
    dataset : str or list of str, optional
        Names in each file.
    ordered : bool
        Whether something else comes in the order of the frames.
    """

    def __init__(self, path, dataset=None, ordered=False):
        self.paths, self.dataset = file_names(path, ordered), dataset
        self.current, self.number = None, None
        counts, self.headers = [], []
        try:
            for number in range(len(self.paths)):
                source = self.source(number)
                if not counts:
                    self.shape, self.content, self.centered = source.frames.shape, source.content, source.centered
                    self.names, self.dtype, self.first_name = source.names, source.frames.dtype, source.path
                elif source.frames.shape[1:] != self.shape[1:]:
                    raise ValueError(
                        f"{source.path} holds frames of shape {source.frames.shape[1:]}, {self.paths[0]} of "
                        f"{self.shape[1:]}: they do not belong to one stack"
                    )
                if source.frames.dtype.itemsize > self.dtype.itemsize:
                    self.dtype = source.frames.dtype
                counts.append(source.frames.shape[0])
                self.headers.append(source.header)
        except BaseException:
            self.close()
            raise
        self.ends = np.cumsum(counts)
        self.shape = (int(self.ends[-1]), *self.shape[1:])

    def source(self, number):
        """One of the files, open; the one before is closed."""
        if number != self.number:
            self.close()
            self.current = open_source(self.paths[number], self.dataset)
            self.number = number
        return self.current

    def locate(self, frame):
        """File that holds a frame, open, and the frame's number in it."""
        number = int(np.searchsorted(self.ends, frame, side="right"))
        source = self.source(number)
        return source, frame - int(self.ends[number]) + source.frames.shape[0]

    def close(self):
        """Close what is open."""
        if self.current is not None:
            with contextlib.suppress(Exception):
                self.current.close()
        self.current, self.number = None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def gap_in(names):
    """Words for the place where numbered names leave one out; empty if none is missing.

    Examples
    --------
    >>> gap_in(["f_1.tif", "f_2.tif", "f_4.tif", "f_5.tif"])
    'f_2.tif and f_4.tif'
    >>> gap_in(["f_10.tif", "f_20.tif", "f_30.tif"]), gap_in(["a.tif", "b.tif", "c.tif"])
    ('', '')
    """
    parts = [re.split(r"(\d+)", str(name)) for name in names]
    if len(parts) < 3 or len({len(part) for part in parts}) > 1:
        return ""
    places = [i for i in range(len(parts[0])) if len({part[i] for part in parts}) > 1]
    if len(places) != 1 or places[0] % 2 == 0:  # nothing but one number differs
        return ""
    numbers = [int(part[places[0]]) for part in parts]
    steps = [b - a for a, b in zip(numbers[:-1], numbers[1:], strict=True)]
    first = next((i for i, step in enumerate(steps) if step > min(steps)), None)
    return "" if first is None else f"{names[first]} and {names[first + 1]}"


def file_names(path, ordered=False):
    """Files of a name, a pattern or a list, in natural order."""
    if isinstance(path, np.ndarray):
        return [path]
    if isinstance(path, list | tuple):
        if not path or not all(isinstance(one, str | os.PathLike) for one in path):
            raise ValueError(f"path={path!r} is not valid; give a file, a pattern, a list of files or an array")
        given = [Path(one) for one in path]
        found = sorted(given, key=natural)
        if ordered and found != given != sorted(given):
            warn_user(
                "files are read in the natural order of their names, which is not that of the list: what is given "
                "frame by frame must be in that order, too"
            )
        return found
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={type(path).__name__} is not valid; give a file, a pattern, a list of files or an array")
    if glob.has_magic(os.fspath(path)) and not Path(path).exists():
        found = sorted(map(Path, glob.glob(os.fspath(path))), key=natural)
        if not found:
            raise OSError(f"no file is called like {os.fspath(path)!r}")
        return found
    return [Path(path)]
