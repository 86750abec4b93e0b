"""Detection and opening of HDF5 files."""

from __future__ import annotations

import contextlib
import errno
import os
import re

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def import_h5py():
    """Import h5py, and the filters of hdf5plugin if installed."""
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
    """Return whether a file has the signature of HDF5.

    The signature may follow a user block of 512 bytes or a larger power of two.
    """
    size, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while place + len(SIGNATURE) <= size:
            file.seek(place)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


def open_hdf5(path):
    """Open an HDF5 file for reading.

    A file that is being written can be opened if its writer allows readers (SWMR).

    Raises
    ------
    OSError
        If another process is writing the file, or it is truncated or damaged.
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
            f"{path} is in use by another process that writes it, or was left open by a process "
            "that ended (in this case, close it by the HDF5 program h5clear -s)"
        ) from trouble
    if "unable to lock file" in text:
        if _errno(text) in (errno.EAGAIN, errno.EACCES, None):
            raise OSError(
                f"{path} is in use by another process, which may be writing it; read it after that "
                "process has closed it, or set the environment variable "
                "HDF5_USE_FILE_LOCKING=FALSE to read its present content"
            ) from trouble
        with contextlib.suppress(OSError):  # the file system does not support locks
            return h5py.File(path, "r", locking=False)
    raise _unreadable(path, trouble) from trouble


@contextlib.contextmanager
def hdf5_trouble(path):
    """Turn errors of HDF5 into an `OSError` that names the file."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, UnicodeError) as error:
        if isinstance(error, OSError) and "HDF5" not in str(error) and is_ours(error):
            raise
        raise _unreadable(path, error) from error


@contextlib.contextmanager
def opened_hdf5(path):
    """Open an HDF5 file for reading, as a context manager."""
    with contextlib.closing(open_hdf5(path)) as file, hdf5_trouble(path):
        yield file


def _unreadable(path, error):
    text = str(error)
    if isinstance(error, PermissionError):
        return OSError(f"{path} cannot be read: permission denied")
    if "truncated file" in text:
        return OSError(
            f"{path} cannot be read as HDF5: it is truncated to {os.path.getsize(path)} bytes "
            f"({text})"
        )
    return OSError(f"{path} cannot be read as HDF5: {text}; the file may be damaged or incomplete")


def is_ours(error):
    """Return whether this package, not HDF5, raised an `OSError`."""
    return error.errno is None and not str(error).startswith(("Unable", "Can't", "[Errno"))


def _errno(text):
    found = re.search(r"errno = (\d+)", text)
    return int(found[1]) if found else None
