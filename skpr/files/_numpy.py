"""Frames of NumPy's files: npy, and npz member by member."""

from __future__ import annotations

import contextlib
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from ._frames import ArrayFrames, Frames, JoinedFrames, RawFrames
from ._memory import check_fits

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class NotNamedError(ValueError):
    """None of the arrays in a file is meant, or it is not clear which."""


def npy_frames(path):
    """Frames of an npy file, which are read where they lie."""
    with numpy_trouble(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        place, dtype, shape = array.offset, array.dtype, array.shape
        if array.flags.c_contiguous or array.ndim < 2:
            array = None  # closed before anything is refused
    if array is None:
        return RawFrames(path, place, dtype, shape, path)
    return ArrayFrames(array, path)


class Npz:
    """An npz file, open."""

    def __init__(self, path):
        self.path = path
        self.stream = open(path, "rb")  # noqa: SIM115  closed by close()
        try:
            with numpy_trouble(path):
                self.archive = np.load(self.stream, allow_pickle=False)
                self.names = list(self.archive.files)
        except BaseException:
            self.stream.close()
            raise

    def meant(self, dataset):
        """Frames of the array, or arrays, that are meant, and their names."""
        names = [dataset] if isinstance(dataset, str) else dataset
        if names is None:
            if len(self.names) != 1:
                raise NotNamedError(
                    f"{self.path} holds {len(self.names)} arrays; say which is the data set: {self._listed()}"
                )
            names = self.names
        parts = [self.frames(name) for name in names]
        return (parts[0] if len(parts) == 1 else JoinedFrames(parts)), list(names)

    def frames(self, name):
        """Frames of one array."""
        if name not in self.names:
            raise NotNamedError(f"dataset={name!r} is not in {self.path}; there are {self._listed()}")
        return MemberFrames(self.archive, name, self.path)

    def array(self, name):
        """One array as it is, or None."""
        with numpy_trouble(self.path):
            return self.archive[name] if name in self.names else None

    def close(self):
        """Close the file."""
        self.archive.close()
        self.stream.close()

    def _listed(self):
        return ", ".join(map(repr, self.names)) or "none"


class MemberFrames(Frames):
    """Frames of one array in an npz file, decompressed as they are needed."""

    def __init__(self, archive, name, path):
        self.path, self.name, self.stream, self.whole = path, path, None, None
        with numpy_trouble(path):
            member = name if name in archive.zip.namelist() else f"{name}.npy"
            self.stream = archive.zip.open(member)
            version = np.lib.format.read_magic(self.stream)
            shape, fortran, self.dtype = HEADERS.get(version, HEADERS[2, 0])(self.stream)
        self.offset = self.stream.tell()
        size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize
        if not self.dtype.hasobject and size > archive.zip.getinfo(member).file_size - self.offset:
            self.close()
            raise OSError(f"{path} cannot be read as NumPy data: {name!r} is truncated, or its header is damaged")
        if fortran or self.dtype.hasobject or len(shape) < 2:
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
        """Readings of one frame, or of a window of it."""
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
    """Turn errors of NumPy and zipfile into one `OSError`."""
    try:
        yield
    except (EOFError, zipfile.BadZipFile, zlib.error, struct.error, RuntimeError) as error:
        raise OSError(f"{path} cannot be read as NumPy data: {error}; it may be damaged or incomplete") from error
    except (SyntaxError, tokenize.TokenError, TypeError, KeyError, OverflowError, UnicodeError) as error:
        raise OSError(f"{path} cannot be read as NumPy data: its header is damaged ({error})") from error
    except ValueError as error:
        if isinstance(error, NotNamedError):
            raise
        if "mmap length is greater" in str(error):
            raise OSError(
                f"{path} cannot be read as NumPy data: it is truncated, {path.stat().st_size} bytes are fewer than its "
                "header announces"
            ) from error
        raise OSError(f"{path} cannot be read as NumPy data: {error}; it may be damaged or incomplete") from error
    except OSError as error:
        raise OSError(f"{path} cannot be read as NumPy data: {error}") from error
