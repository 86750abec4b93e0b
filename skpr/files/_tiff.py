"""Frames of TIFF files."""

from __future__ import annotations

import numpy as np

from .._memory import check_fits
from ._frames import ArrayFrames, Frames, JoinedFrames, RawFrames, check_real
from ._logged import errors_logged

# messages about damage that earlier versions of tifffile log as warnings
DAMAGE = "invalid page offset|corrupted|series failed"
IS_NEGATIVE = (
    "the TIFF frames are marked as negatives, white at zero (photometric 'miniswhite'); the "
    "readings are used as they are stored, and counts must be large where the pattern is bright"
)
COLOURED = "RGB", "PALETTE", "YCBCR", "CMYK", "CIELAB", "ICCLAB", "ITULAB", "SEPARATED"


def tiff_frames(path):
    """Return the frames and the description of a TIFF file."""
    try:
        import tifffile
    except ImportError as error:
        raise ImportError("reading TIFF needs tifffile: pip install 'skpr[io]'") from error
    file = None
    try:
        with errors_logged("tifffile", DAMAGE) as errors:
            file = tifffile.TiffFile(path)
            series = list(file.series)
            pages = [one.keyframe for one in series]
            description = str(file.pages[0].description)
        if errors:
            raise OSError(errors[0])
    except Exception as error:  # tifffile raises errors of any type for a damaged header
        if file is not None:
            file.close()
        raise _damaged(path, error) from error
    try:
        for page in pages:
            _check_grey(path, page)
        parts = [_series_frames(file, path, one) for one in series]
        if not parts:
            raise OSError(f"{path} cannot be read as TIFF: it holds no picture")
        frames = TiffFrames(file, parts[0] if len(parts) == 1 else JoinedFrames(parts))
        frames.is_negative = any(_photometric(page) == "MINISWHITE" for page in pages)
        return frames, description
    except BaseException:
        file.close()
        raise


class TiffFrames(Frames):
    """Frames of an open TIFF file."""

    is_negative = False  # whether the file says that 0 is white

    def __init__(self, file, frames):
        self.file, self.frames = file, frames
        self.shape, self.dtype, self.name = frames.shape, frames.dtype, frames.name

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        return self.frames.frame(number, rows, columns)

    def close(self):
        """Close the file."""
        self.file.close()


class _Pages(Frames):
    """Frames that are one page each of a TIFF file."""

    def __init__(self, path, series):
        self.path, self.series, self.name, self.dtype = (
            path,
            series,
            path,
            check_real(series.dtype, path),
        )
        height, width = [n for n in series.keyframe.shape if n > 1]
        self.shape = (len(series.pages), height, width)
        check_fits(path, self.shape[1:], self.dtype.itemsize, "its header may be damaged")

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one page, or of a window of it."""
        try:
            with errors_logged("tifffile", DAMAGE) as errors:
                page = self.series.pages[number].asarray()
            if errors:
                raise OSError(errors[0])
        except Exception as error:
            raise _damaged(self.path, error) from error
        return page.reshape(self.shape[1:])[rows, columns]


def _series_frames(file, path, series):
    if series.dataoffset is not None:  # uncompressed and contiguous
        size = series.dataoffset + series.size * series.dtype.itemsize
        if size > path.stat().st_size:
            raise OSError(
                f"{path} cannot be read as TIFF: it is truncated, {size} bytes are announced"
            )
        dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
        return RawFrames(path, series.dataoffset, dtype, series.shape, path)
    page_size = int(np.prod(series.keyframe.shape))
    if (
        len(series.pages) * page_size == series.size
        and sum(n > 1 for n in series.keyframe.shape) == 2
    ):
        return _Pages(path, series)
    check_fits(path, series.shape, np.dtype(series.dtype).itemsize, "it is not stored page by page")
    try:
        with errors_logged("tifffile", DAMAGE) as errors:
            values = series.asarray()
        if errors:
            raise OSError(errors[0])
    except Exception as error:
        raise _damaged(path, error) from error
    return ArrayFrames(values, path)


def _check_grey(path, page):
    colours = page.samplesperpixel
    photometric = _photometric(page)
    if photometric == "PALETTE":
        raise ValueError(f"{path} holds a picture with a colour palette, not counts")
    if colours != 1 or photometric in COLOURED:
        planes = (
            ""
            if getattr(page.planarconfig, "name", "") != "SEPARATE"
            else f"; if these are {colours} frames, save them with photometric='minisblack', by "
            f"which tifffile keeps them apart"
        )
        raise ValueError(
            f"{path} holds a picture with {colours} colours per pixel, not counts{planes}"
        )


def _photometric(page):
    return getattr(page.photometric, "name", str(page.photometric))


def _damaged(path, error):
    if "imagecodecs" in str(error):
        return ImportError(
            f"{path} is compressed, and tifffile needs imagecodecs to read it: pip install "
            f"imagecodecs"
        )
    return OSError(f"{path} cannot be read as TIFF: {error}; the file may be damaged or incomplete")
