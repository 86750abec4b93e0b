"""Displacement and strain of crystals, from their phases."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._arrays import check_batch, is_complex
from .._tensors import along_samples, map_chunks, space_axes
from .._validation import check_number, short, warn_user
from ._checks import check_sizes, check_vector

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import Batch

VOXELS = 0.01, 1e6  # planes of the lattice in a voxel; fewer or more are a mistake of units
SPACINGS = 1e-11, 1e-4  # metres between planes of any lattice


def displacement(objects: Batch, q: npt.ArrayLike, *, exponent: int = -1) -> Any:
    r"""Compute the displacement along the momentum transfer from phases.

    With a far field that is the sum of `x exp(-i q . r)`, as for NumPy, PyTorch and this package, a
    lattice that is displaced by `u` gives the object `|x| exp(-i Q . u)`, so that
    `u_Q = -phase / |Q|`. The phase is not unwrapped, and lies between -pi and pi. Displacements are
    therefore known up to multiples of the spacing of the lattice planes, `2 pi / |Q|`, and up to a
    constant.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Complex objects.
    q : array-like of shape (n_axes,)
        Momentum transfer of the Bragg peak in radians per metre; see :func:`momentum_transfer`.
    exponent : {-1, 1}
        Sign of the exponent in the transform from object to far field: -1 for this package, 1 for
        objects from packages that define it the other way.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Real displacements in metres.

    Raises
    ------
    ValueError
        If objects are real or hold NaN, `q` has another length or is zero, or the exponent is not
        valid.

    Warns
    -----
    UserWarning
        If no lattice has planes of that spacing: `q` has another unit.

    References
    ----------
    Carnis et al., Sci. Rep. 9, 17357 (2019), on the sign.

    Examples
    --------
    >>> import numpy as np
    >>> crystal = np.exp(0.5j) * np.ones((1, 2, 2, 2))
    >>> float(displacement(crystal, (0, 0, 2.5e10))[0, 0, 0, 0] * 1e12)  # picometres
    -20.0
    """
    objects = _checked_objects(objects)
    length = float(np.linalg.norm(check_vector("q", q, objects.ndim - 1)))
    spacing = 2 * math.pi / length
    if not SPACINGS[0] <= spacing <= SPACINGS[1]:
        warn_user(
            f"q={short(q)} is the momentum transfer of planes {spacing:.3g} m apart, which no "
            "lattice has; give it in radians per metre"
        )
    scale = _checked_exponent(exponent) / length
    return map_chunks(lambda x: torch.angle(x) * scale, objects)


def strain(
    objects: Batch,
    voxel_size: float | tuple[float, ...],
    q: npt.ArrayLike,
    *,
    threshold: float = 0.25,
    exponent: int = -1,
) -> Any:
    r"""Compute the strain along the momentum transfer, without unwrapping.

    The strain is the derivative of the displacement along `Q`, in the direction of `Q`:
    `(Q . grad phase) / |Q|^2`, times `exponent`. The phase of `x_2 conj(x_1)` is the difference of
    the phases of two neighbours, whether or not one of them wraps. It equals the smallest of the
    differences of three wrapped versions of the phase, offset by 0 and by a third of a turn in
    either direction (Yang et al., 2022). The derivative is the mean of the differences to the
    neighbours on both sides. If only one neighbour is in the crystal, it is the difference to that
    one.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Complex objects on an orthogonal grid along the axes of `q`; see :func:`to_laboratory`.
    voxel_size : float or tuple of float
        Size of a voxel along each axis, in metres.
    q : array-like of shape (n_axes,)
        Momentum transfer of the Bragg peak, in radians per metre.
    threshold : float
        Amplitude of the outermost voxels of the crystal, relative to the largest amplitude of the
        object.
    exponent : {-1, 1}
        Sign of the exponent in the transform; see :func:`displacement`.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Relative change of the spacing of the lattice planes, positive where they are further apart
        than at the pixel of the Bragg peak. NaN outside the crystal, and in voxels without a
        neighbour in the crystal along an axis on which `q` is not 0.

    Raises
    ------
    ValueError
        If objects are real or hold NaN, sizes are not positive, `q` has another length or is zero,
        the units of `voxel_size` and `q` do not fit, or the threshold is not between 0 and 1.

    References
    ----------
    Yang et al., J. Appl. Cryst. 55, 1184 (2022), section on phase interpolation.

    Examples
    --------
    >>> import numpy as np
    >>> phase = -0.1 * np.arange(8.0)  # radians per voxel
    >>> crystal = np.exp(1j * phase) * np.ones((1, 8, 8, 8))
    >>> strain(crystal, 5e-9, (0, 0, 2e10))[0, 4, 4].round(6)
    array([0.001, 0.001, 0.001, 0.001, 0.001, 0.001, 0.001, 0.001])
    """
    objects = _checked_objects(objects)
    n_axes = objects.ndim - 1
    sizes = check_sizes("voxel_size", voxel_size, n_axes)
    q = check_vector("q", q, n_axes)
    _check_units(voxel_size, sizes, q)
    threshold = check_number("threshold", threshold, 0, 1, closed="left")
    scales = _checked_exponent(exponent) * q / (q @ q) / np.array(sizes)
    return map_chunks(lambda x: _strain(x, scales.tolist(), threshold), objects)


def phase_slope(x, axis, inside):
    """Compute the slope of the phase along an axis, without unwrapping.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, *object_shape)
    axis : int
    inside : torch.Tensor of bool, like `x`

    Returns
    -------
    torch.Tensor, real, like `x`
        In radians per voxel; NaN in voxels that are outside, or have no neighbour inside.
    """
    n_pairs = x.shape[axis] - 1
    low, high = (x.narrow(axis, start, n_pairs) for start in (0, 1))
    pairs = inside.narrow(axis, 0, n_pairs) & inside.narrow(axis, 1, n_pairs)
    # 1 in place of the others: the angle of 0 has no gradient
    steps = torch.angle(torch.where(pairs, high * low.conj(), 1.0))
    total, known = (_on_both_sides(values, axis) for values in (steps, pairs.to(steps.dtype)))
    return total / known.where(known > 0, torch.nan)


def _on_both_sides(values, axis):
    """Sum the values of the two pairs of neighbours that hold each voxel."""
    edge = values.new_zeros([1 if one == axis else n for one, n in enumerate(values.shape)])
    return torch.cat([edge, values], dim=axis) + torch.cat([values, edge], dim=axis)


def _strain(x, scales, threshold):
    amplitudes = x.abs()
    peaks = amplitudes.amax(dim=space_axes(x))
    inside = (amplitudes >= along_samples(threshold * peaks, x)) & (amplitudes > 0)
    total = torch.where(inside, 0.0, torch.nan).to(amplitudes.dtype)
    for axis, scale in enumerate(scales, start=1):
        if scale != 0:
            total = total + scale * phase_slope(x, axis, inside)
    return total


def _checked_objects(objects):
    objects = check_batch(objects, name="objects")
    if not is_complex(objects):
        raise ValueError(
            f"objects are real, of {objects.dtype}, and have no phase; give complex objects"
        )
    return objects if isinstance(objects, torch.Tensor) else np.asarray(objects)


def _check_units(voxel_size, sizes, q):
    """Refuse voxels that hold no plane of the lattice, or very many."""
    planes = np.linalg.norm(q) * np.array(sizes) / (2 * math.pi)
    if planes.min() < VOXELS[0] or planes.max() > VOXELS[1]:
        raise ValueError(
            f"voxel_size={short(voxel_size)} and q={short(q)} do not fit: a voxel would hold "
            f"{planes.max():.2g} planes of the lattice; give metres and radians per metre"
        )


def _checked_exponent(exponent):
    if np.ndim(exponent) or isinstance(exponent, bool) or exponent not in (-1, 1):
        raise ValueError(f"exponent={short(exponent)} is not valid; choose -1 or 1")
    return float(exponent)
