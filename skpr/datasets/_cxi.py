"""Reconstructions in the layout of CXI, written whole or not at all."""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from .._arrays import check_batch
from .._files import written_whole
from ._hdf5 import CXI_DETECTOR, LIGHT, PLANCK, import_h5py, opened_hdf5

if TYPE_CHECKING:
    from .._typing import Batch, FilePath

CXI_VERSION = 150


def write_reconstruction(
    path: FilePath,
    objects: Batch,
    *,
    supports: Any = None,
    magnitudes: Batch | None = None,
    wavelength: float | None = None,
    distance: float | None = None,
    pixel_size: tuple[float, float] | None = None,
) -> None:
    r"""Write reconstructions as CXI, one `image_i` each (Maia, 2012).

    The file is written under another name in the same folder and renamed when it is whole: an interrupted write leaves
    nothing behind, and what was there before as it was.

    Parameters
    ----------
    path : path-like
        Ends in .cxi; an existing file is replaced.
    objects : array-like of shape (n_samples, \*object_shape)
        Real or complex; kept bit for bit.
    supports : array-like of bool, shape (n_samples, \*object_shape), optional
    magnitudes : array-like of shape (n_samples, \*fourier_shape), optional
        Magnitudes that the objects were retrieved from, NaN where unmeasured, zero frequency in the middle.
    wavelength, distance : float, optional
        In metres.
    pixel_size : (float, float), optional
        Size of a detector pixel along height and width, in metres.

    Raises
    ------
    ValueError
        For an ending other than .cxi, objects that are no batch or hold NaN, or shapes that do not fit.
    OSError
        If the file cannot be written.
    ImportError
        If h5py is not installed.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_reconstruction(folder + "/found.cxi", np.array([[1.0, 2.0j]]))
    ...     read_reconstruction(folder + "/found.cxi").data
    array([[1.+0.j, 0.+2.j]])
    """
    h5py = import_h5py()
    path = Path(path)
    if path.suffix.lower() != ".cxi":
        raise ValueError(f"path={str(path)!r} does not end in .cxi")
    check_batch(objects, name="objects")
    objects = _as_numpy(objects)
    if supports is not None:
        supports = _as_numpy(supports).astype(bool)
        if supports.shape != objects.shape:
            raise ValueError(f"supports have shape {supports.shape}; give one bool a pixel, of shape {objects.shape}")
    if magnitudes is not None:
        check_batch(magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan")
        magnitudes = _as_numpy(magnitudes)
        if len(magnitudes) != len(objects):
            raise ValueError(f"{len(magnitudes)} magnitudes do not match {len(objects)} objects")
    geometry = _checked_geometry(wavelength, distance, pixel_size)
    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        _write(file, objects, supports, magnitudes, geometry)
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/image_1/data")


def read_reconstruction(path: FilePath) -> Bunch:
    r"""Read what :func:`write_reconstruction` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Bunch
        `data`: objects, of shape (n_samples, \*object_shape). `supports`, `magnitudes`, `wavelength`, `distance`,
        `pixel_size`: None where not written.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    ValueError
        If it holds no reconstructions.

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
        raise OSError(f"{path} does not exist" if not path.exists() else f"{path} is a folder; give a file")
    with opened_hdf5(path) as file:
        n_images = 0
        while f"entry_1/image_{n_images + 1}/data" in file:
            n_images += 1
        if n_images == 0:
            raise ValueError(f"{path} holds no reconstructions: there is no entry_1/image_1/data")
        images = [file[f"entry_1/image_{number}"] for number in range(1, n_images + 1)]
        sizes = [file[name][()] if name in file else None for name in _geometry_names()]
        return Bunch(
            data=np.stack([image["data"][()] for image in images]),
            supports=_stacked(images, "support", bool),
            magnitudes=_stacked(images, "magnitudes", None),
            wavelength=sizes[0],
            distance=sizes[1],
            pixel_size=None if sizes[2] is None else (sizes[2], sizes[3]),
        )


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
    for name, value in zip(_geometry_names(), geometry, strict=True):
        if value is not None:
            file[name] = value
    if geometry[0] is not None:
        file["entry_1/instrument_1/source_1/energy"] = PLANCK * LIGHT / geometry[0]


def _geometry_names():
    return (
        "entry_1/instrument_1/source_1/wavelength",
        f"{CXI_DETECTOR}/distance",
        f"{CXI_DETECTOR}/y_pixel_size",
        f"{CXI_DETECTOR}/x_pixel_size",
    )


def _checked_geometry(wavelength, distance, pixel_size):
    sizes = (None, None) if pixel_size is None else tuple(pixel_size) if np.ndim(pixel_size) == 1 else ()
    if len(sizes) != 2:
        raise ValueError(f"pixel_size={pixel_size!r} is not valid; give a pair in metres")
    geometry = (wavelength, distance, *sizes)
    for name, value in zip(("wavelength", "distance", "pixel_size", "pixel_size"), geometry, strict=True):
        if value is not None and not (isinstance(value, Real) and value > 0):
            raise ValueError(f"{name}={value!r} is not valid; give metres > 0")
    return tuple(None if value is None else float(value) for value in geometry)


def _stacked(images, name, dtype):
    if not all(name in image for image in images):
        return None
    return np.stack([np.asarray(image[name][()], dtype=dtype) for image in images])


def _as_numpy(values):
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
