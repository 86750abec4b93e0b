"""Reconstructions in CXI files."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._arrays import check_batch
from .._files import written_whole
from .._tensors import to_tensor
from .._validation import warn_user
from ..measurement import Grid, fits, to_centred
from ._declared import small_text
from ._geometry import Geometry, check_geometry
from ._hdf5 import import_h5py, is_hdf5, opened_hdf5
from ._instrument import read_geometry

if TYPE_CHECKING:
    from .._typing import Batch, FilePath

CXI_VERSION = 150
INSTRUMENT = "entry_1/instrument_1"
DETECTOR = f"{INSTRUMENT}/detector_1"
OWN_NAME = "own_name"  # attribute with the name of an angle, if HDF5 does not allow that name
MEASURED = "diffraction", "reciprocal"  # values of data_space for patterns
N_COMPARED = 4  # number of objects, evenly spaced, whose magnitudes are compared with those given
LARGEST = 1 << 24  # maximum number of pixels of patterns that are compared
# a warning needs another reading of the magnitudes whose correlation with those of the objects
# exceeds LIKENESS, and whose distance to 1 is less than the fraction LEFT of the present distance
LIKENESS, LEFT = 0.8, 0.4


def write_reconstruction(
    path: FilePath,
    objects: Batch,
    *,
    supports: Any = None,
    magnitudes: Batch | None = None,
    wavelength: float | None = None,
    distance: float | None = None,
    pixel_size: tuple[float, float] | None = None,
    geometry: Geometry | None = None,
) -> None:
    r"""Write reconstructions to a CXI file, one image per object.

    The file is written under another name in the same folder and renamed when it is complete: an
    interrupted write leaves nothing behind, and an existing file unchanged. The layout is that of
    CXI, with the object `i` in the group `image_i`.

    Parameters
    ----------
    path : path-like
        Name of the file, which must end in .cxi; an existing file is replaced.
    objects : array-like of shape (n_samples, \*object_shape)
        Real or complex objects; their values are stored without loss.
    supports : array-like of bool, shape (n_samples, \*object_shape), optional
        Supports of the objects.
    magnitudes : array-like of shape (n_samples, \*fourier_shape), optional
        Magnitudes that the objects were retrieved from, NaN where unmeasured, zero frequency in the
        middle.
    wavelength, distance : float, optional
        Wavelength, and distance from the object to the detector, in metres.
    pixel_size : (float, float), optional
        Size of a detector pixel along height and width, in metres.
    geometry : Geometry, optional
        Wavelength, distance, pixel size and angles together, as :func:`read_diffraction` returns
        them. Lengths that are given one by one take precedence.

    Raises
    ------
    TypeError
        If `path` is not a path.
    ValueError
        If `path` does not end in .cxi, the objects are not a batch or hold NaN, or shapes do not
        fit.
    OSError
        If the file cannot be written.
    ImportError
        If h5py is not installed.

    Warns
    -----
    UserWarning
        If the magnitudes are clearly not those of the objects, but their squares, or have zero
        frequency at index 0.

    References
    ----------
    F. R. N. C. Maia, "The Coherent X-ray Imaging Data Bank", Nature Methods 9, 854, 2012.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_reconstruction(folder + "/found.cxi", np.array([[1.0, 2.0j]]))
    ...     read_reconstruction(folder + "/found.cxi").data
    array([[1.+0.j, 0.+2.j]])
    """
    h5py = import_h5py()
    path = _checked_path(path, objects)
    if path.suffix.lower() != ".cxi":
        raise ValueError(f"path={str(path)!r} does not end in .cxi")
    check_batch(objects, name="objects")
    objects = _as_numpy(objects)
    if supports is not None:
        supports = _as_numpy(supports)
        if supports.dtype.kind not in "buif" or not np.isfinite(supports).all():
            raise ValueError(
                "supports hold values that are neither inside nor outside; give booleans, or "
                "finite numbers"
            )
        supports = supports.astype(bool)
        if supports.shape != objects.shape:
            raise ValueError(
                f"supports have shape {supports.shape}; give one boolean per pixel, of shape "
                f"{objects.shape}"
            )
    if magnitudes is not None:
        check_batch(
            magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan"
        )
        magnitudes = _as_numpy(magnitudes)
        if len(magnitudes) != len(objects):
            raise ValueError(f"{len(magnitudes)} magnitudes do not match {len(objects)} objects")
        _warn_of_magnitudes(magnitudes, objects)
    geometry = check_geometry(wavelength, distance, pixel_size, geometry)
    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        _write(file, objects, supports, magnitudes, geometry)
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")


def _warn_of_magnitudes(magnitudes, objects):
    """Warn if magnitudes seem to be squared or in FFT order.

    They then match those of the objects much better if they are read this way.
    """
    object_shape, fourier_shape = objects.shape[1:], magnitudes.shape[1:]
    n_rows = min(N_COMPARED, LARGEST // max(1, math.prod(fourier_shape)))
    if n_rows == 0 or not fits(object_shape, fourier_shape):
        return
    rows = np.unique(np.linspace(0, len(objects) - 1, n_rows).astype(int))
    measured, some = magnitudes[rows], objects[rows]
    if (measured < 0).any() or np.isinf(measured).any() or not np.isfinite(some).all():
        return
    measured, some = _in_units(measured).astype(np.float32), _in_units(some)
    some = some.astype(np.complex64 if np.iscomplexobj(some) else np.float32)
    computed = Grid(object_shape, fourier_shape, centered=True).magnitudes(to_tensor(some)).numpy()
    centred = to_centred(to_tensor(measured)).numpy()
    readings = {
        "": measured,
        "their square roots are: pass np.sqrt(magnitudes)": np.sqrt(measured),
        (
            "they are with zero frequency in the middle: pass np.fft.fftshift(magnitudes, axes)"
        ): centred,
        (
            "their square roots with zero frequency in the middle are: pass "
            "np.fft.fftshift(np.sqrt(magnitudes), axes)"
        ): np.sqrt(centred),
    }
    found = {text: _correlation(reading, computed) for text, reading in readings.items()}
    best = max(found, key=found.get)
    if best and found[best] > LIKENESS and 1 - found[best] < LEFT * (1 - found[""]):
        axes = tuple(range(1, magnitudes.ndim))
        warn_user(
            f"magnitudes are clearly not those of the objects (correlation {found['']:.2f} with "
            f"|F objects|), but {best.replace('axes', f'axes={axes}')} (correlation "
            f"{found[best]:.2f})"
        )


def _in_units(batch):
    peaks = np.nanmax(np.abs(batch), axis=tuple(range(1, batch.ndim)), keepdims=True, initial=0)
    return batch / np.where(peaks > 0, peaks, 1)


def _correlation(measured, computed):
    """Return the mean correlation of patterns.

    It is computed over the measured pixels. The correlation of a constant pattern is 0.
    """
    found = []
    for one, other in zip(measured, computed, strict=True):
        known = np.isfinite(one)
        one, other = one[known], other[known]
        if not known.any():
            continue
        one, other = one - one.mean(), other - other.mean()
        norm = np.linalg.norm(one) * np.linalg.norm(other)
        found.append(float(one @ other / norm) if norm > 0 else 0.0)
    return float(np.mean(found)) if found else 0.0


def read_reconstruction(path: FilePath) -> Bunch:
    r"""Read reconstructions from a CXI file.

    Parameters
    ----------
    path : path-like
        File that :func:`write_reconstruction` wrote.

    Returns
    -------
    Bunch
        `data`: objects, of shape (n_samples, \*object_shape). `supports`, `magnitudes`,
        `wavelength`, `distance`, `pixel_size`: None if not in the file. `geometry`: the last three
        and the angles, with their sources.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    ValueError
        If it holds no reconstructions, or reconstructions of different shapes.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_reconstruction(folder + "/found.cxi", np.ones((2, 4, 4)), wavelength=1e-10)
    ...     found = read_reconstruction(folder + "/found.cxi")
    >>> found.data.shape, float(found.wavelength)
    ((2, 4, 4), 1e-10)
    """
    path = Path(path)
    if not path.is_file():
        raise OSError(
            f"{path} does not exist" if not path.exists() else f"{path} is a folder; give a file"
        )
    if not is_hdf5(path):
        with open(path, "rb") as file:
            raise OSError(
                f"{path} cannot be read as HDF5, the format of CXI: it begins with {file.read(8)!r}"
            )
    with opened_hdf5(path) as file:
        images = _images(file, path)
        geometry = _with_origins(file, read_geometry(file, "entry_1/image_1/data"))
        return Bunch(
            data=np.stack([image["data"][()] for image in images]),
            supports=_stacked(images, "support", bool),
            magnitudes=_stacked(images, "magnitudes", None),
            wavelength=geometry.wavelength,
            distance=geometry.distance,
            pixel_size=geometry.pixel_size,
            geometry=geometry,
        )


def _checked_path(path, objects):
    if not isinstance(path, str | os.PathLike):
        way = (
            ", in this order: the two are swapped" if isinstance(objects, str | os.PathLike) else ""
        )
        raise TypeError(
            f"path={type(path).__name__} is not the name of a file; give "
            f"write_reconstruction(path, objects){way}"
        )
    return Path(path)


def _images(file, path):
    """Return the groups of the reconstructions in a file."""
    images = []
    while f"entry_1/image_{len(images) + 1}/data" in file:
        images.append(file[f"entry_1/image_{len(images) + 1}"])
    if not images:
        raise ValueError(f"{path} holds no reconstructions: there is no entry_1/image_1/data")
    for image in images:
        space = small_text(image, "data_space").lower() or "real"
        if space in MEASURED:
            raise ValueError(
                f"{path} holds no reconstructions: {image.name.strip('/')} is a pattern in "
                f"{space} space; read_diffraction reads it"
            )
    shapes = {image["data"].shape for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"{path} holds reconstructions of different shapes: "
            f"{', '.join(map(str, sorted(shapes)))}"
        )
    return images


def _with_origins(file, geometry):
    """Restore the names and sources that were written with values."""
    angles, origins = dict(geometry.angles), {}
    for name, source in geometry.sources.items():
        item = file.get(source)
        attributes = {} if item is None else item.attrs
        own = str(attributes.get(OWN_NAME, name))
        if name in angles:
            angles[own] = angles.pop(name)
        origins[own] = str(attributes.get("source", source))
    return replace(geometry, angles=angles, sources=origins)


def _write(file, objects, supports, magnitudes, geometry):
    file["cxi_version"] = CXI_VERSION
    file["entry_1/program_name"] = "skpr"
    for number, values in enumerate(objects, start=1):
        image = file.create_group(f"entry_1/image_{number}")
        image["data"] = values
        image["data_space"] = "real"
        image["data_type"] = "electron density"
        image["dimensionality"] = values.ndim
        image["image_center"] = np.array([size // 2 + 0.5 for size in reversed(values.shape)])
        image["is_fft_shifted"] = 0
        image["title"] = f"reconstruction {number}"
        if supports is not None:
            image["support"] = supports[number - 1].astype(np.uint8)
        if magnitudes is not None:
            image["magnitudes"] = magnitudes[number - 1]
    _write_geometry(file, geometry)


def _write_geometry(file, geometry):
    """Write lengths as in CXI, and angles as rotations of NeXus.

    CXI itself has no angles.
    """
    rows, columns = geometry.pixel_size or (None, None)
    values = {
        f"{INSTRUMENT}/source_1/energy": (geometry.energy, "J", "wavelength"),
        f"{INSTRUMENT}/source_1/wavelength": (geometry.wavelength, "m", "wavelength"),
        f"{DETECTOR}/distance": (geometry.distance, "m", "distance"),
        f"{DETECTOR}/y_pixel_size": (rows, "m", "pixel_size"),
        f"{DETECTOR}/x_pixel_size": (columns, "m", "pixel_size"),
    }
    for name, angle in geometry.angles.items():
        values[f"{INSTRUMENT}/diffractometer_1/{_safe(name)}"] = angle, "rad", name
    for path, (value, unit, quantity) in values.items():
        if value is not None:
            file[path] = value
            file[path].attrs["units"] = unit
            if unit == "rad":
                file[path].attrs["transformation_type"] = "rotation"
                if not path.endswith(f"/{quantity}") or "/" in quantity:
                    file[path].attrs[OWN_NAME] = quantity
            if quantity in geometry.sources:
                file[path].attrs["source"] = geometry.sources[quantity]


def _safe(name):
    """Escape a name for HDF5.

    Slashes separate groups there, and names of dots only are not allowed.
    """
    name = name.replace("%", "%25").replace("/", "%2F")
    return name if name.strip(".") else "%2E" * len(name) or "%"


def _stacked(images, name, dtype):
    if not all(name in image for image in images):
        return None
    return np.stack([np.asarray(image[name][()], dtype=dtype) for image in images])


def _as_numpy(values):
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
