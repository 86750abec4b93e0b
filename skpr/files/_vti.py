"""Reconstructions as images of VTK, for ParaView."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import check_batch, is_complex
from .._files import written_whole
from .._validation import check_number, short

if TYPE_CHECKING:
    from .._typing import Batch, FilePath

NANOMETRE = 1e-9
LARGEST = 0.01  # metres; a larger voxel is a mistake of units


def write_vti(
    path: FilePath,
    objects: Batch,
    *,
    voxel_size: float | tuple[float, float, float],
    origin: tuple[float, float, float] | None = None,
    fields: Mapping[str, Any] | None = None,
) -> None:
    r"""Write reconstructions on an orthogonal grid as a VTK image.

    Amplitudes and phases are written as point data, one value at the centre of each voxel, under
    the names `amplitude` and `phase` (for several objects `amplitude_1`, `amplitude_2` and so on),
    and so is each of `fields`, under its own name. The file is written under another name in the
    same folder and renamed when it is complete, as :func:`write_reconstruction` does.

    The three axes after that of the samples become x, y and z of VTK, in this order. Lengths in the
    file are in nanometres.

    Parameters
    ----------
    path : path-like
        Name of the file, which must end in .vti; an existing file is replaced.
    objects : array-like of shape (n_samples, n_x, n_y, n_z)
        Real or complex objects, as :func:`skpr.laboratory.to_laboratory` returns them. Real ones
        have no phase in the file.
    voxel_size : float or (float, float, float)
        Size of a voxel along each axis, in metres.
    origin : (float, float, float), optional
        Position of the first voxel's centre, in metres. By default, voxel `n // 2` along each axis
        is at 0.
    fields : mapping of str to array-like of shape (n_samples, n_x, n_y, n_z), optional
        Further real values of the voxels, such as strain or displacement, in any unit; NaN where
        unknown.

    Raises
    ------
    TypeError
        If `path` is not a path, or `fields` is not a mapping.
    ValueError
        If `path` does not end in .vti; the objects are not a batch with three axes, or hold NaN;
        sizes are not positive, or above 0.01 metres; or fields are complex, have another shape, or
        have a name that is taken.
    OSError
        If the file cannot be written.
    ImportError
        If pyevtk is not installed.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_vti(folder + "/crystal.vti", np.ones((1, 3, 4, 5)) * 1j, voxel_size=5e-9)
    ...     pathlib.Path(folder, "crystal.vti").read_bytes()[:13]
    b'<?xml version'
    """
    image_to_vtk = _import_pyevtk()
    path = _checked_path(path)
    objects = _as_numpy(check_batch(objects, name="objects"))
    if objects.ndim != 4:
        raise ValueError(
            f"objects have shape {objects.shape}; a VTK image has three axes: give objects of "
            "shape (n_samples, n_x, n_y, n_z)"
        )
    sizes = _triple("voxel_size", voxel_size, "metres > 0", low=0)
    if max(sizes) > LARGEST:
        raise ValueError(f"voxel_size={short(voxel_size)} is in metres; give {LARGEST} or less")
    if not isinstance(fields, Mapping | None):
        raise TypeError(f"fields={short(fields)} is not valid; give a dict of names and values")
    start = [-(n // 2) * size for n, size in zip(objects.shape[1:], sizes, strict=True)]
    if origin is not None:
        start = _triple("origin", origin, "metres")
    values = _named(objects, fields or {})
    with written_whole(path) as temporary:
        named = Path(f"{temporary}.vti")  # the writer insists on the ending
        try:
            image_to_vtk(
                temporary,
                origin=tuple(place / NANOMETRE for place in start),
                spacing=tuple(size / NANOMETRE for size in sizes),
                pointData=values,
            )
            os.replace(named, temporary)
        finally:
            named.unlink(missing_ok=True)


def _import_pyevtk():
    """Import the optional dependency's writer of images."""
    try:
        from pyevtk.hl import imageToVTK
    except ImportError as error:
        raise ImportError("writing VTK images needs pyevtk: pip install 'skpr[io]'") from error
    return imageToVTK


def _checked_path(path):
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"path={type(path).__name__} is not the name of a file; give write_vti(path, objects, "
            "voxel_size=...)"
        )
    if Path(path).suffix.lower() != ".vti":
        raise ValueError(f"path={os.fspath(path)!r} does not end in .vti")
    return Path(path)


def _triple(name, value, valid, low=None):
    """Three finite numbers; one is that of all axes where it is a size."""
    values = (value,) * 3 if low is not None and np.ndim(value) == 0 else value
    if np.ndim(values) != 1 or len(values) != 3:
        raise ValueError(f"{name}={short(value)} is not valid; give three numbers of {valid}")
    return [check_number(name, one, low, closed="neither", noun="metres") for one in values]


def _named(objects, fields):
    """Values of the voxels by name, in what VTK can hold, x fastest."""
    found = {"amplitude": np.abs(objects)} if is_complex(objects) else {"amplitude": objects}
    if is_complex(objects):
        found["phase"] = np.angle(objects)
    for name, values in fields.items():
        if not isinstance(name, str) or not name or name in found or set(name) & set("\"&<>'"):
            raise ValueError(
                f"fields has the name {name!r}; give names without quotes, & and angle brackets, "
                f"other than {', '.join(found)}"
            )
        found[name] = _checked_field(name, _as_numpy(values), objects.shape)
    if len(objects) == 1:
        return {name: np.asfortranarray(values[0]) for name, values in found.items()}
    return {
        f"{name}_{number}": np.asfortranarray(one)
        for name, values in found.items()
        for number, one in enumerate(values, start=1)
    }


def _checked_field(name, values, shape):
    if values.dtype.kind not in "buif" or values.shape != shape:
        raise ValueError(
            f"fields[{name!r}] has shape {values.shape} and type {values.dtype}; give real values "
            f"of the objects' shape, {shape}"
        )
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        return values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _as_numpy(values):
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
