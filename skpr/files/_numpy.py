"""Frames of NumPy's files, npy and npz."""

from __future__ import annotations

import contextlib
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from .._memory import check_fits
from .._validation import warn_user
from ._candidates import PLANES, is_beside
from ._frames import ArrayFrames, Frames, JoinedFrames, RawFrames, stack_axes

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

FEW = 5  # maximum number of names that a message lists
NUMBERS = "save an array of numbers, all frames of one shape"


class NotNamedError(ValueError):
    """Error for a file without an array that is clearly meant."""


def npy_frames(path):
    """Return the frames of an npy file, read one at a time."""
    with numpy_trouble(path), open(path, "rb") as file:
        holds_objects = _header(file)[2].hasobject
    if holds_objects:
        raise OSError(f"{path} cannot be read as NumPy data: it holds Python objects; {NUMBERS}")
    with numpy_trouble(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        place, dtype, shape = array.offset, array.dtype, array.shape
        if array.flags.c_contiguous or array.ndim < 2:
            array = None  # close the memory map before RawFrames may refuse the file
    if array is None:
        return RawFrames(path, place, dtype, shape, path)
    return ArrayFrames(array, path)


class Npz:
    """Npz file that is open for reading."""

    def __init__(self, path):
        self.path = path
        self.stream = open(path, "rb")  # noqa: SIM115  closed by close()
        try:
            with numpy_trouble(path):
                self.archive = np.load(self.stream, allow_pickle=False)
                self.names = list(self.archive.files)
                arrays = [name for name in self.archive.zip.namelist() if name.endswith(".npy")]
            if self.names and not arrays:
                listed = ", ".join(map(repr, self.names[:FEW]))
                raise OSError(
                    f"{path} cannot be read as NumPy data: it is an archive of {listed}, without "
                    f"any array"
                )
        except BaseException:
            self.stream.close()
            raise

    def meant(self, dataset, plane=None):
        """Return the frames of the chosen arrays, and their names.

        Without a name, it is the first of these that exists: the only array; the only array named
        after the plane, if a plane is wanted; `data`; the only array of frames that is not named
        after something else.
        """
        names = [dataset] if isinstance(dataset, str) else dataset
        if names is None:
            names = [self._chosen(plane)]
        if (
            not isinstance(names, list | tuple)
            or not names
            or not all(isinstance(name, str) for name in names)
        ):
            raise NotNamedError(
                f"dataset={dataset!r} is not valid; give the name of an array or a list of names"
            )
        parts = [self.frames(name) for name in names]
        return (parts[0] if len(parts) == 1 else JoinedFrames(parts)), list(names)

    def _chosen(self, plane):
        if not self.names:
            raise NotNamedError(f"{self.path} holds no array")
        if len(self.names) == 1:
            return self.names[0]
        pictures = [name for name in self.names if self._could_be_frames(name)]
        ways = [lambda name: name.lower() in PLANES[plane]] if plane else []
        ways += [lambda name: name.lower() == "data", lambda name: not is_beside(name)]
        for way in ways:
            found = [name for name in pictures if way(name)]
            if len(found) == 1:
                others = [name for name in self.names if name != found[0]]
                if plane is None:
                    warn_user(
                        f"{found[0]!r} is read from {self.path}; its other arrays are not used: "
                        f"{self._listed(others)}"
                    )
                return found[0]
        ways = (
            "name one of them, or a list, as dataset="
            if plane is None
            else f"pass one of them as {plane}="
        )
        raise NotNamedError(f"{self.path} holds {len(self.names)} arrays; {ways}: {self._listed()}")

    def _could_be_frames(self, name):
        with contextlib.suppress(Exception):
            shape, _, dtype = self._header(name)
            return dtype.kind in "uifb" and bool(stack_axes(shape, name))
        return False

    def _header(self, name):
        """Read the shape, order and type of an array."""
        stream, _ = _opened(self.archive, name)
        with contextlib.closing(stream):
            return _header(stream)

    def frames(self, name):
        """Return the frames of one array."""
        if name not in self.names:
            raise NotNamedError(
                f"dataset={name!r} is not in {self.path}; there are {self._listed()}"
            )
        return MemberFrames(self.archive, name, self.path)

    def array(self, name):
        """Return one array as it is, or None if it is missing."""
        with numpy_trouble(self.path):
            return self.archive[name] if name in self.names else None

    def close(self):
        """Close the file."""
        self.archive.close()
        self.stream.close()

    def _listed(self, names=None):
        return (
            ", ".join(self._words(name) for name in (self.names if names is None else names))
            or "none"
        )

    def _words(self, name):
        with contextlib.suppress(Exception):
            return f"{name!r} {self._header(name)[0]}"
        return repr(name)


def _opened(archive, name):
    """Open a member of an archive; return its stream and its name."""
    member = name if name in archive.zip.namelist() else f"{name}.npy"
    return archive.zip.open(member), member


def _header(stream):
    """Read the shape, order and type of an array from a stream."""
    version = np.lib.format.read_magic(stream)
    return HEADERS.get(version, HEADERS[2, 0])(stream)


class MemberFrames(Frames):
    """Frames of one array in an npz file."""

    def __init__(self, archive, name, path):
        self.path, self.name, self.stream, self.whole = path, path, None, None
        with numpy_trouble(path):
            self.stream, member = _opened(archive, name)
            shape, fortran, self.dtype = _header(self.stream)
        if self.dtype.hasobject:
            self.close()
            raise OSError(
                f"{path} cannot be read as NumPy data: {name!r} holds Python objects; {NUMBERS}"
            )
        self.offset = self.stream.tell()
        size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize
        if size > archive.zip.getinfo(member).file_size - self.offset:
            self.close()
            raise OSError(
                f"{path} cannot be read as NumPy data: {name!r} is truncated, or its header is "
                f"damaged"
            )
        if fortran or len(shape) < 2:
            self.close()
            check_fits(path, shape, self.dtype.itemsize, "it is not stored frame by frame")
            with numpy_trouble(path):
                values = archive[name]
            self.whole = ArrayFrames(values, path)
            self.shape = self.whole.shape
            return
        try:
            found = ArrayFrames(_Shaped(shape, self.dtype), path)
        except ValueError:
            self.close()
            raise
        self.shape = found.shape

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        if self.whole is not None:
            return self.whole.frame(number, rows, columns)
        _, height, width = self.shape
        with numpy_trouble(self.path):
            self.stream.seek(self.offset + number * height * width * self.dtype.itemsize)
            content = self.stream.read(height * width * self.dtype.itemsize)
            return np.frombuffer(content, self.dtype).reshape(height, width)[rows, columns]

    def close(self):
        """Close the member."""
        if self.stream is not None:
            self.stream.close()


class _Shaped:
    """Shape and type of an array that is not read."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype


@contextlib.contextmanager
def numpy_trouble(path):
    """Turn errors of NumPy into an `OSError` that names the file."""
    try:
        yield
    except (EOFError, zipfile.BadZipFile, zlib.error, struct.error, RuntimeError) as error:
        raise OSError(
            f"{path} cannot be read as NumPy data: {error}; it may be damaged or incomplete"
        ) from error
    except (
        SyntaxError,
        tokenize.TokenError,
        TypeError,
        KeyError,
        OverflowError,
        UnicodeError,
    ) as error:
        raise OSError(
            f"{path} cannot be read as NumPy data: its header is damaged ({error})"
        ) from error
    except ValueError as error:
        if isinstance(error, NotNamedError):
            raise
        if "mmap length is greater" in str(error):
            raise OSError(
                f"{path} cannot be read as NumPy data: it is truncated to {path.stat().st_size} "
                "bytes, fewer than its header announces"
            ) from error
        raise OSError(
            f"{path} cannot be read as NumPy data: {error}; it may be damaged or incomplete"
        ) from error
    except OSError as error:
        raise OSError(f"{path} cannot be read as NumPy data: {error}") from error
