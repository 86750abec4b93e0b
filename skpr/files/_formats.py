"""Format of a file, recognized by its content."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

from ._fabio import NEEDED, PICTURES, import_fabio
from ._hdf5 import is_hdf5

HDF5_ENDINGS = ".cxi", ".h5", ".hdf5", ".nxs", ".hdf", ".nx5", ".emd", ".ptyd", ".he5", ".nx"
TIFF_ENDINGS = ".tif", ".tiff"
NUMPY_ENDINGS = ".npz", ".npy"
FORMATS = {**dict.fromkeys(HDF5_ENDINGS, "HDF5"), **dict.fromkeys(TIFF_ENDINGS, "TIFF")}
FORMATS.update(dict.fromkeys(NUMPY_ENDINGS, "NumPy data"))
TIFF_SIGNATURES = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
MATLAB = b"MATLAB 5.0"
MATLAB_IN_HDF5 = b"MATLAB 7.3"
WEAK = 3  # bytes; a signature of at most this length may be that of other files, too
COMPRESSED = {".gz": (b"\x1f\x8b", gzip.open), ".bz2": (b"BZh", bz2.open)}
HEAD = 18  # number of first bytes that identify a format
GREY_PICTURES = b"P2", b"P5"  # portable grey maps
DETECTOR_ENDINGS = ".edf", ".cbf", ".mccd", ".mar3450", ".mar2300", ".img", ".sfrm"
KNOWN_ENDINGS = *FORMATS, *DETECTOR_ENDINGS  # of which no other reader is asked unless named


def kind_of(path):
    """Return the format of a file by its content."""
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
            f"{path} cannot be read as {FORMATS[ending]}: it begins with {head[:8]!r}, unlike any "
            "such file; it may be damaged or incomplete"
        )
    known = _fabio_knows(path, head, ending)
    if known:
        return known
    raise unknown_format(path, head)


def is_matlab(path):
    """Return whether an HDF5 file is by MATLAB, with its axes reversed."""
    with open(path, "rb") as file:
        return file.read(HEAD).startswith(MATLAB_IN_HDF5)


def _kind_inside(path, head, ending):
    """Return the format of the content of a compressed file."""
    inner = Path(path.stem).suffix.lower()
    try:
        with COMPRESSED[ending][1](path, "rb") as file:
            inside = file.read(HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(
            f"{path} cannot be decompressed: {error}; it may be damaged or incomplete"
        ) from error
    if inside.startswith((b"\x89HDF\r\n", b"PK\x03\x04")):
        raise ValueError(
            f"{path} is a compressed {'HDF5' if inside[1:4] == b'HDF' else 'npz'} file; "
            f"decompress it first"
        )
    known = _fabio_knows(path, inside, inner)
    if not known:
        raise unknown_format(path, head)
    return known


def unknown_format(path, head):
    """Return the error for a file of unknown format."""
    if head.startswith(MATLAB):
        return ValueError(
            f"{path} is a MATLAB file before version 7.3, which is not read; pass its array as "
            "scipy.io.loadmat(path)[name] returns it, with frames along the first axis: "
            "numpy.moveaxis(array, -1, 0) if they are along the last one"
        )
    valid = ", ".join(
        (".cxi", ".h5", ".hdf5", ".nxs", *TIFF_ENDINGS, *NUMPY_ENDINGS, ".edf", ".cbf")
    )
    return ValueError(
        f"{path} ends in {path.suffix!r} and begins with {head[:8]!r}, which is none of the "
        f"formats that can be read: {valid} and others that fabio reads; packages may register "
        "readers of their own"
    )


def _fabio_knows(path, head, ending):
    """Return "fabio", "perhaps fabio" or "", by the signature of a file."""
    likely = ending in DETECTOR_ENDINGS or head.startswith(
        (b"\n{", b"\r\n{", b"{\n", b"{\r\n", b"###CBF")
    )
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
