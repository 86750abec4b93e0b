"""Frames of formats that fabio reads: EDF, CBF, MAR and others."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import zlib

from .._memory import check_fits
from ._frames import ArrayFrames, Frames, check_real, stack_axes
from ._logged import errors_logged

NEEDED = "reading EDF, CBF, MAR and other detector formats needs fabio: pip install 'skpr[io]'"
# first bytes of a CBF file, of its binary section, and of the data in this section
CBF, CBF_SECTION, CBF_DATA = b"###CBF", b"--CIF-BINARY-FORMAT-SECTION--", b"\x0c\x1a\x04\xd5"
BYTES = 8  # largest size of a value
PICTURES = "jpeg", "jpeg2k"


def import_fabio():
    """Import the optional dependency fabio."""
    try:
        import fabio
    except ImportError as error:
        raise ImportError(NEEDED) from error
    return fabio


class FabioFrames(Frames):
    """Frames of a file that fabio reads, one at a time."""

    def __init__(self, path):
        self.path, self.name = path, path
        fabio = import_fabio()
        _check_binary_section(path)
        _check_header(fabio, path)
        with fabio_trouble(path):
            self.image = fabio.open(str(path))
        try:
            with fabio_trouble(path):
                self.incomplete = (
                    bool(self.image.incomplete_file)
                    if hasattr(self.image, "incomplete_file")
                    else False
                )
                first = self.image.get_frame(0).data
                self.header = dict(self.image.header)
            if self.incomplete:
                raise OSError(
                    f"{path} cannot be read: it is truncated, and its last frame is incomplete"
                )
            self.dtype = check_real(first.dtype, path)
            self.only = ArrayFrames(first, path) if self.image.nframes == 1 else None
            axes = stack_axes(first.shape, path)
            self.shape = (
                self.only.shape
                if self.only
                else (int(self.image.nframes), *(first.shape[a] for a in axes[1:]))
            )
        except BaseException:
            self.close()
            raise

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        if self.only is not None:
            return self.only.frame(number, rows, columns)
        with fabio_trouble(self.path):
            values = self.image.get_frame(number).data
        if values.shape != self.shape[1:]:
            raise ValueError(
                f"{self.path} holds frames of shape {values.shape} and {self.shape[1:]}: they do "
                "not belong to one stack"
            )
        return values[rows, columns]

    def close(self):
        """Close the file."""
        self.image.close()


def _check_binary_section(path):
    """Refuse a CBF file without its binary section.

    Without it, fabio would search for the beginning of the data in an endless loop.
    """
    opener = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix.lower(), open)
    try:
        with opener(path, "rb") as file:
            head = file.read(len(CBF))
            if head != CBF and ".cbf" not in map(str.lower, path.suffixes):
                return
            if head != CBF or CBF_DATA not in file.read().partition(CBF_SECTION)[2]:
                raise OSError("its first line or its binary section is missing")
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _check_header(fabio, path):
    """Refuse frames larger than memory, before fabio fills it with zeros."""
    try:
        with fabio_trouble(path), fabio.openheader(str(path)) as image:
            shape = image.shape
    except Exception:  # not every reader of fabio can open the header alone
        return
    check_fits(path, [max(int(n), 0) for n in shape], BYTES, "its header may be damaged")


@contextlib.contextmanager
def fabio_trouble(path):
    """Turn errors that fabio raises or logs into an `OSError`."""
    try:
        with (
            errors_logged("fabio") as errors,
            contextlib.redirect_stdout(io.StringIO()),  # some readers print errors
        ):
            yield
    except ImportError as error:
        raise ImportError(
            f"{path} has a format for which fabio needs another library: {error}"
        ) from error
    except Exception as error:
        raise _damaged(path, error) from error
    if errors:
        raise _damaged(path, errors[0])


def _damaged(path, error):
    error = str(error) or type(error).__name__
    return OSError(f"{path} cannot be read: {error}; the file may be damaged or incomplete")
