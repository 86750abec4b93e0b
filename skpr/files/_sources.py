"""Files of frames, recognized by content: one, a list or a pattern."""

from __future__ import annotations

import bz2
import contextlib
import glob
import gzip
import os
import re
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from .._validation import warn_user
from ._beside import Beside, beside
from ._fabio import NEEDED, PICTURES, FabioFrames, import_fabio
from ._frames import ArrayFrames, Frames, JoinedFrames
from ._geometry import Geometry, geometry_of_series
from ._hdf5 import DatasetFrames, beside_its_file, hdf5_trouble, is_hdf5, open_hdf5
from ._header import geometry_of_header
from ._instrument import read_geometry
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
COMPRESSED = {".gz": (b"\x1f\x8b", gzip.open), ".bz2": (b"BZh", bz2.open)}
HEAD = 18  # bytes that tell a format
GREY_PICTURES = b"P2", b"P5"  # portable grey maps
DETECTOR_ENDINGS = ".edf", ".cbf", ".mccd", ".mar3450", ".mar2300", ".img", ".sfrm"


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
    lacking: str = ""  # words for frames that come after these and cannot be read

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
            return np.asarray(beside_its_file(item)[()]) if hasattr(item, "shape") else None

    def geometry(self):
        """Geometry that the file says."""
        if isinstance(self.file, Npz) or (self.file is None and not self.header):
            return Geometry()
        if self.file is None:
            return geometry_of_header(self.header)
        with hdf5_trouble(self.path):
            return read_geometry(self.file, self.names[0])


def open_source(path, dataset=None, plane=None):
    """Open one file, or take an array in memory.

    Parameters
    ----------
    path : Path or ndarray
    dataset : str or list of str, optional
    plane : {"mask", "dark", "flat"}, optional
        Arrays of such names are meant, where the file has them.

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
    if kind in ("HDF5", "npz"):
        return readers[kind](path, dataset, plane)
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
        head = file.read(HEAD)
    if is_hdf5(path):
        return "HDF5"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "npz"
    if head.startswith(TIFF_SIGNATURES):
        return "TIFF"
    ending = path.suffix.lower()
    if ending in COMPRESSED and head.startswith(COMPRESSED[ending][0]):
        return _kind_inside(path, head, ending)
    if ending in FORMATS:
        raise OSError(
            f"{path} cannot be read as {FORMATS[ending]}: it begins with {head[:8]!r}, as no such file does; it may be "
            "damaged or incomplete"
        )
    known = _fabio_knows(path, head, ending)
    if known:
        return known
    raise _unknown(path, head)


def _kind_inside(path, head, ending):
    """Format of a compressed file, by what is compressed."""
    inner = Path(path.stem).suffix.lower()
    try:
        with COMPRESSED[ending][1](path, "rb") as file:
            inside = file.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{path} cannot be decompressed: {error}; it may be damaged or incomplete") from error
    if inside.startswith((b"\x89HDF\r\n", b"PK\x03\x04")):
        raise ValueError(
            f"{path} is a compressed {'HDF5' if inside[1:4] == b'HDF' else 'npz'} file; decompress it first"
        )
    known = _fabio_knows(path, inside, inner)
    if not known:
        raise _unknown(path, head)
    return known


def _unknown(path, head):
    valid = ", ".join((".cxi", ".h5", ".hdf5", ".nxs", *TIFF_ENDINGS, *NUMPY_ENDINGS, ".edf", ".cbf"))
    return ValueError(
        f"{path} ends in {path.suffix!r} and begins with {head[:8]!r}, which is none of the formats that can be read: "
        f"{valid} and what else fabio reads"
    )


def _fabio_knows(path, head, ending):
    """Kind of a file that fabio may read: `fabio`, `perhaps fabio` or empty."""
    likely = ending in DETECTOR_ENDINGS or head.startswith((b"\n{", b"\r\n{", b"{\n", b"{\r\n", b"###CBF"))
    likely = likely or (ending in (".pgm", ".pnm") and head.startswith(GREY_PICTURES))
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
            raise _unknown(path, file.read(HEAD)) from error


class Series:
    """Frames of several files, opened one at a time.

    Parameters
    ----------
    path : path-like, list of path-like, or ndarray
        A name with `*`, `?` or `[` that no file has is a pattern.
    dataset : str or list of str, optional
        Names in each file.
    select : slice or list of int, optional
        Frames that are going to be read.
    is_volume : bool
        Whether the frames are planes of one pattern.
    """

    def __init__(self, path, dataset=None, select=None, is_volume=False):
        self.paths, self.dataset = file_names(path, is_volume), dataset
        self.current, self.number = None, None
        self.counts, self.geometries, self.said = [], [], {"content": {}, "centered": {}}
        try:
            for number in range(len(self.paths)):
                source = self.source(number)
                if not self.counts:
                    self.shape, self.content, self.centered = source.frames.shape, source.content, source.centered
                    self.names, self.dtype, self.first_name = source.names, source.frames.dtype, source.path
                elif source.frames.shape[1:] != self.shape[1:]:
                    raise ValueError(
                        f"{source.path} holds frames of shape {source.frames.shape[1:]}, {self.paths[0]} of "
                        f"{self.shape[1:]}: they do not belong to one stack"
                    )
                if source.frames.dtype.itemsize > self.dtype.itemsize:
                    self.dtype = source.frames.dtype
                self.counts.append(source.frames.shape[0])
                self.geometries.append(source.geometry())
                for name, values in self.said.items():
                    values.setdefault(getattr(source, name), source.path)
                if source.lacking and number < len(self.paths) - 1:
                    raise OSError(source.lacking)
            self.ends = np.cumsum(self.counts)
            self.shape = (int(self.ends[-1]), *self.shape[1:])
            self.lacking = source.lacking
            if self.lacking and not _ends_before(select, self.shape[0]):
                raise OSError(f"{self.lacking}; select= reads the {self.shape[0]} frames before")
        except BaseException:
            self.close()
            raise

    def agreed(self, name):
        """The `content` or `centered` that all files say.

        Raises
        ------
        ValueError
            If they say different things.
        """
        if len(self.said[name]) > 1:
            words = ", ".join(f"{value!r} by {path}" for value, path in self.said[name].items())
            raise ValueError(f"the files are of different kinds: {name} is {words}; read them apart, or give {name}=")
        return getattr(self, name)

    def geometry(self):
        """Geometry that the files say, with the angles of every frame."""
        found = geometry_of_series(self.geometries, self.counts, self.paths)
        return found.first_frames(self.shape[0]) if self.lacking else found

    def values(self, name):
        """Numbers by their name in each file, one after the other; None if the first has none of that name."""
        found = self.source(0).values(name)
        if found is None or len(self.paths) == 1:
            return found
        joined = []
        for number, count in enumerate(self.counts):
            source = self.source(number)
            values = source.values(name)
            if values is None or np.size(values) not in (1, count):
                held = "nothing" if values is None else f"an array of shape {np.shape(values)}"
                raise ValueError(
                    f"{source.path} holds {held} under the name {name!r}; every file must hold one number for each of "
                    f"its {count} frames"
                )
            joined.append(np.broadcast_to(np.ravel(values), count))
        return np.concatenate(joined)

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


def _ends_before(select, n_frames):
    """Whether frames to be read are surely among the first."""
    if isinstance(select, slice):
        ends = select.start or 0, select.stop
        return all(isinstance(n, int) and 0 <= n <= n_frames for n in ends) and (select.step or 1) > 0
    wanted = np.asarray(select)
    return wanted.ndim == 1 and wanted.dtype.kind in "iu" and bool(((wanted >= 0) & (wanted < n_frames)).all())


def gap_in(names):
    """Words for the place where numbered names leave one out; empty if none is missing.

    Examples
    --------
    >>> gap_in(["f_1.tif", "f_2.tif", "f_4.tif", "f_5.tif"])
    'f_2.tif and f_4.tif'
    >>> gap_in(["f_10.tif", "f_20.tif", "f_30.tif"]), gap_in(["a.tif", "b.tif", "c.tif"])
    ('', '')
    """
    names = [str(name) for name in names]
    number = _number_in(names)
    names = sorted(dict.fromkeys(names), key=lambda name: _key(name, number))
    parts = [number.split(name) for name in names]
    if len(parts) < 3 or len({len(part) for part in parts}) > 1:
        return ""
    places = [i for i in range(len(parts[0])) if len({part[i] for part in parts}) > 1]
    if len(places) != 1 or places[0] % 2 == 0:  # nothing but one number differs
        return ""
    numbers = [_decimal(part[places[0]]) for part in parts]
    steps = [b - a for a, b in zip(numbers[:-1], numbers[1:], strict=True)]
    first = next((i for i, step in enumerate(steps) if step > min(steps)), None)
    return "" if first is None else f"{names[first]} and {names[first + 1]}"


def in_order(names):
    """Names in the order of the numbers in them.

    A sign belongs to a number unless it joins it to a letter or another number; a point or comma, unless the names
    number parts and their parts, as 1.9 and 1.10 do.

    Examples
    --------
    >>> in_order(["th_0", "th_-1", "th_-2", "th_10"]), in_order(["f-10", "f-2"])
    (['th_-2', 'th_-1', 'th_0', 'th_10'], ['f-2', 'f-10'])
    >>> in_order(["a_1.0", "a_0.5", "a_0.25"]), in_order(["s1.10", "s1.9"])
    (['a_0.25', 'a_0.5', 'a_1.0'], ['s1.9', 's1.10'])
    """
    number = _number_in([str(name) for name in names])
    return sorted(names, key=lambda name: _key(str(name), number))


def _key(name, number):
    return [
        (1, _decimal(part), "") if place % 2 else (0, Decimal(0), part) for place, part in enumerate(number.split(name))
    ]


def _decimal(text):
    return Decimal(text.replace(",", "."))


def _number_in(names):
    """Regular expression of a number as names write them."""
    joined = {re.sub(r"\d+", "#", name) for name in names}
    with_signs = {re.sub(r"[-+]?\d+", "#", name) for name in names}
    before = r"\d" if len(with_signs) < len(joined) else r"[^\W_]"  # some names have a sign where others have none
    fractions = [part for name in names for part in re.findall(r"\d[.,](\d+)", name)]
    are_parts = any(re.search(r"\d[.,]\d+[.,]\d", name) for name in names) or (
        len(set(map(len, fractions))) > 1 and any(len(part) > 1 and part.endswith("0") for part in fractions)
    )
    fraction = "" if are_parts else r"(?:[.,]\d+)?(?:e[-+]\d+)?"
    return re.compile(rf"((?:(?<!{before})[-+])?\d+{fraction})", re.ASCII)


def file_names(path, is_volume=False):
    """Files of a name, a list as it is given, or a pattern in the order of numbers."""
    if isinstance(path, np.ndarray):
        return [path]
    if isinstance(path, list | tuple):
        return _of_list(path, is_volume)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={type(path).__name__} is not valid; give a file, a pattern, a list of files or an array")
    if glob.has_magic(os.fspath(path)) and not Path(path).exists():
        pattern = _pattern(os.fspath(path))
        folder, name = os.path.split(pattern)
        found = glob.glob(pattern) or glob.glob(os.path.join(folder, name.replace("[", "[[]")))
        found = in_order([Path(one) for one in found])
        if not found:
            raise OSError(f"no file is called like {os.fspath(path)!r}")
        return found
    return [Path(path)]


def _of_list(path, is_volume):
    if not path or not all(isinstance(one, str | os.PathLike) for one in path):
        if path and all(hasattr(one, "shape") for one in path):
            raise ValueError(f"path is a list of {len(path)} arrays; give one array, np.stack(path)")
        kinds = ", ".join(dict.fromkeys(type(one).__name__ for one in path))
        words = f"a {type(path).__name__} of {kinds}" if path else repr(path)
        raise ValueError(f"path={words} is not valid; give a file, a pattern, a list of files or an array")
    given = [Path(one) for one in path]
    if is_volume and given != in_order(given):
        warn_user(
            f"the planes of the volume follow each other as the list of files does, {given[0].name}, {given[1].name} "
            "and so on, which is not the order of the numbers in their names"
        )
    return given


def _pattern(path):
    """A pattern in which brackets in the names of folders that exist stand for themselves."""
    folder, name = os.path.split(path)
    if not folder or folder == path:
        return path
    return os.path.join(glob.escape(folder) if os.path.isdir(folder) else _pattern(folder), name)
