"""HDF5 files: recognized, opened, and their troubles in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import re

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def import_h5py():
    """Import the optional dependency, and the filters of hdf5plugin."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "reading and writing HDF5 and CXI needs h5py: pip install 'skpr[io]'"
        ) from error
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401  importing registers its filters
    return h5py


def is_hdf5(path):
    """Whether a file has the signature of HDF5, possibly after a user block."""
    size, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while place + len(SIGNATURE) <= size:
            file.seek(place)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


def open_hdf5(path):
    """Open an HDF5 file for reading, also one whose writer allows readers.

    Raises
    ------
    OSError
        If another process is writing it, or it is truncated or damaged.
    """
    h5py = import_h5py()
    try:
        return h5py.File(path, "r")
    except OSError as error:
        trouble = error
    text = str(trouble)
    if "already open for write" in text or "consistency flags" in text:
        with contextlib.suppress(OSError):
            return h5py.File(path, "r", libver="latest", swmr=True)
        raise OSError(
            f"{path} is in use by another process that writes it, or was left open by one that "
            f"ended (h5clear -s, a "
            "program of HDF5, closes it then)"
        ) from trouble
    if "unable to lock file" in text:
        if _errno(text) in (errno.EAGAIN, errno.EACCES, None):
            raise OSError(
                f"{path} is in use by another process, which may be writing it; read it when that "
                f"has closed it, or "
                "set the environment variable HDF5_USE_FILE_LOCKING=FALSE to read what is on the "
                "disk by now"
            ) from trouble
        with contextlib.suppress(OSError):  # a file system that knows no locks
            return h5py.File(path, "r", locking=False)
    raise _unreadable(path, trouble) from trouble


@contextlib.contextmanager
def hdf5_trouble(path):
    """Turn errors of the library into one `OSError`."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, UnicodeError) as error:
        if isinstance(error, OSError) and "HDF5" not in str(error) and is_ours(error):
            raise
        raise _unreadable(path, error) from error


@contextlib.contextmanager
def opened_hdf5(path):
    """An HDF5 file open for reading within."""
    with contextlib.closing(open_hdf5(path)) as file, hdf5_trouble(path):
        yield file


def _unreadable(path, error):
    text = str(error)
    if isinstance(error, PermissionError):
        return OSError(f"{path} cannot be read: permission denied")
    if "truncated file" in text:
        return OSError(
            f"{path} cannot be read as HDF5: it is truncated, {os.path.getsize(path)} bytes are "
            f"there ({text})"
        )
    return OSError(f"{path} cannot be read as HDF5: {text}; the file may be damaged or incomplete")


def is_ours(error):
    return error.errno is None and not str(error).startswith(("Unable", "Can't", "[Errno"))


def _errno(text):
    found = re.search(r"errno = (\d+)", text)
    return int(found[1]) if found else None
