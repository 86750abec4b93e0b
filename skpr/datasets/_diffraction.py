"""Measured diffraction patterns from files: HDF5 and CXI, TIFF, npz and npy."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._validation import check_choice
from ..detector import Binning
from ._corrections import beam_center, corrected, cut_around, summed, window_shape
from ._hdf5 import opened_hdf5, read_hdf5

if TYPE_CHECKING:
    from .._typing import FilePath

FRAMES = "patterns", "volume", "sum"
HDF5_ENDINGS = ".cxi", ".h5", ".hdf5", ".nxs"
TIFF_ENDINGS = ".tif", ".tiff"
NUMPY_ENDINGS = ".npz", ".npy"


def read_diffraction(
    path: FilePath,
    dataset: Any = None,
    *,
    frames: Any = "patterns",
    mask: Any = None,
    dark: Any = None,
    flat: Any = None,
    saturation: Any = None,
    threshold: Any = None,
    center: Any = None,
    crop: Any = None,
    binning: Any = 1,
) -> Bunch:
    r"""Read measured counts and make magnitudes of them, ready for retrieval.

    In this order: readings at saturation, negative or not finite are unmeasured; dark frame off, flat field divided;
    counts below the threshold zero; mask; frames put together; centre of the beam to the middle; crop; bin. What is
    unmeasured is NaN. Formats go by the ending: HDF5 (.h5, .hdf5, .nxs), CXI (.cxi, whose mask and geometry are
    honoured; Maia, 2012), TIFF (.tif, .tiff) and NumPy (.npz, .npy).

    Parameters
    ----------
    path : path-like
    dataset : str, optional
        Name of the array in an HDF5 or npz file; needed where there are several. In CXI files the detector's data.
    frames : {"patterns", "volume", "sum"}, default="patterns"
        Meaning of a stack of frames: one pattern each; planes of one three-dimensional pattern, a rocking curve; or
        exposures of one pattern, to be summed.
    mask : array-like of bool, shape (height, width), optional
        True where the detector measures nothing.
    dark : array-like of shape (height, width), optional
        Counts without beam.
    flat : array-like of shape (height, width), optional
        Sensitivity, in any unit: counts are divided by it over its median. Pixels below 5 % of that are unmeasured.
    saturation : float, optional
        Readings from here on are unmeasured.
    threshold : float, optional
        Corrected counts below are background and set to zero.
    center : {"max", "mass"} or tuple of int, optional
        Zero frequency: the brightest spot, the centre of mass, or its index along each axis of a pattern. It goes to
        index `m // 2`; pixels from beyond the detector are NaN. The middle of the frame if not given.
    crop : int, tuple of int or "fast", optional
        Size of the window about the centre, along all axes or along each; "fast" is the largest on the detector whose
        transform is quick. As large as the frame if not given.
    binning : int or tuple of int, default=1
        Pixels of a block along all axes or along each, as :class:`skpr.detector.Binning` adds them up.

    Returns
    -------
    Bunch
        `data`: magnitudes, float32 or float64 of shape (n_patterns, \*fourier_shape), NaN where unmeasured, zero
        frequency in the middle. `center`: its index in the file's frames. `wavelength`, `distance`, in metres, and
        `pixel_size`, a pair in metres after binning: None where the file does not say. `DESCR`: a description.

    Raises
    ------
    OSError
        If the file is missing, damaged, incomplete or of another format than its ending says.
    ValueError
        For a parameter that is not valid, data sets that are none or several, or data that are no frames.
    ImportError
        If h5py or tifffile is needed and not installed.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/counts.npy", np.arange(16).reshape(4, 4))
    ...     read_diffraction(folder + "/counts.npy", crop=2).data ** 2
    array([[[ 5.,  6.],
            [ 9., 10.]]])
    """
    path = Path(path)
    check_choice("frames", frames, FRAMES)
    for name, value in (("saturation", saturation), ("threshold", threshold)):
        if value is not None and not (isinstance(value, Real) and value > 0):
            raise ValueError(f"{name}={value!r} is not valid; give counts > 0 or None")
    raw, found = _read(path, dataset)
    readings = _checked_readings(raw, path, frames)
    detector = readings.shape[-2:]
    planes = {"dark": dark, "flat": flat, "mask": mask}
    planes = {name: None if plane is None else _checked_plane(plane, name, detector) for name, plane in planes.items()}
    if found.get("mask") is not None:
        own = _checked_plane(found["mask"], f"the mask in {path}", detector)
        planes["mask"] = own if planes["mask"] is None else planes["mask"] | own
    patterns = corrected(readings, saturation=saturation, threshold=threshold, **planes)
    if frames == "sum":
        patterns = summed(patterns)
    elif frames == "volume":
        patterns = patterns[None]
    if np.isnan(patterns).all():
        raise ValueError(f"{path} has no measured pixel: every reading is masked, saturated, negative or not finite")
    place = beam_center(patterns, center)
    intensities = cut_around(patterns, place, window_shape(patterns.shape[1:], place, crop))
    magnitudes = np.sqrt(intensities)
    pixel_size = found.get("pixel_size")
    if binning != 1:
        magnitudes = Binning(binning).fit_transform(magnitudes)
        factors = (binning,) * 2 if not isinstance(binning, list | tuple) else tuple(binning)[-2:]
        pixel_size = pixel_size and tuple(size * factor for size, factor in zip(pixel_size, factors, strict=True))
    return Bunch(
        data=magnitudes,
        center=place,
        wavelength=found.get("wavelength"),
        distance=found.get("distance"),
        pixel_size=pixel_size,
        DESCR=f"{len(magnitudes)} diffraction patterns of shape {magnitudes.shape[1:]} from {path.name}",
    )


def _read(path, dataset):
    """The array of a file, and what else the file says."""
    if not path.exists():
        raise OSError(f"{path} does not exist")
    if not path.is_file():
        raise OSError(f"{path} is a folder; give a file")
    if path.stat().st_size == 0:
        raise OSError(f"{path} is empty: 0 bytes")
    ending = path.suffix.lower()
    if ending in HDF5_ENDINGS:
        with opened_hdf5(path) as file:
            return read_hdf5(file, path, dataset)
    if ending not in (*TIFF_ENDINGS, *NUMPY_ENDINGS):
        valid = ", ".join((*HDF5_ENDINGS, *TIFF_ENDINGS, *NUMPY_ENDINGS))
        raise ValueError(f"{path} ends in {ending!r}, which is none of the formats that can be read: {valid}")
    if dataset is not None and ending != ".npz":
        raise ValueError(f"dataset={dataset!r} names nothing in {path}: a {ending} file holds one array")
    if ending in TIFF_ENDINGS:
        return _read_tiff(path), {}
    return _read_numpy(path, dataset), {}


def _read_tiff(path):
    try:
        import tifffile
    except ImportError as error:
        raise ImportError("reading TIFF needs tifffile: pip install 'skpr[io]'") from error
    try:
        with tifffile.TiffFile(path) as file:
            colours = file.pages[0].samplesperpixel
            frames = file.asarray()
    except Exception as error:  # whatever damage makes of a header, tifffile stumbles over it in its own way
        raise OSError(f"{path} cannot be read as TIFF: {error}; the file may be damaged or incomplete") from error
    if colours != 1:
        raise ValueError(f"{path} holds a picture of {colours} colours a pixel, not counts")
    return frames


def _read_numpy(path, dataset):
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            return content if isinstance(content, np.ndarray) else content[_chosen(path, dataset, content.files)]
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, MemoryError) as error:
        raise OSError(f"{path} cannot be read as NumPy data: {error}; it may be damaged or incomplete") from error
    except (SyntaxError, tokenize.TokenError, TypeError, KeyError, OverflowError) as error:
        raise OSError(f"{path} cannot be read as NumPy data: its header is damaged ({error})") from error
    except ValueError as error:
        if isinstance(error, _NoSuchDataset):
            raise
        raise OSError(f"{path} cannot be read as NumPy data: {error}; it may be damaged or incomplete") from error


class _NoSuchDataset(ValueError):
    """None of the arrays in a file is meant, or it is not clear which."""


def _chosen(path, dataset, names):
    """The name of the array that is meant."""
    if dataset in names:
        return dataset
    if dataset is not None:
        raise _NoSuchDataset(f"dataset={dataset!r} is not in {path}; there are {', '.join(map(repr, names)) or 'none'}")
    if len(names) != 1:
        listed = ", ".join(map(repr, names)) or "none"
        raise _NoSuchDataset(f"{path} holds {len(names)} arrays; say which is the data set: {listed}")
    return names[0]


def _checked_readings(raw, path, frames):
    """Frames as an array of shape (n_frames, height, width)."""
    raw = np.asarray(raw)
    if raw.dtype.kind not in "uifb":
        raise ValueError(f"{path} holds values of type {raw.dtype}; counts are real numbers")
    if raw.size == 0:
        raise ValueError(f"{path} holds an array of shape {raw.shape}: no pixel")
    if raw.ndim == 2:
        raw = raw[None]
    if raw.ndim != 3:
        raise ValueError(f"{path} holds an array of shape {raw.shape}; give a frame or a stack of frames, 2 or 3 axes")
    if frames == "volume" and len(raw) < 2:
        raise ValueError(f"frames='volume' needs a stack of frames; {path} holds one of shape {raw.shape[1:]}")
    return raw


def _checked_plane(plane, name, detector):
    plane = np.asarray(plane)
    if plane.shape != detector:
        raise ValueError(f"{name} has shape {plane.shape}; give one value a pixel of the frames, of shape {detector}")
    return plane.astype(bool) if "mask" in name else plane
