"""Objects brought from oblique voxels to an orthogonal grid."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from .._arrays import check_batch
from .._memory import check_fits
from .._tensors import to_tensor, usual_device
from .._validation import check_shape, short
from ._axes import plane_spacings
from ._checks import check_axes, check_sizes, warn_of_unit
from ._interpolation import fine_grid, values_at

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import Batch

LARGEST = 1 << 31  # voxels of a grid; more is a mistake of units
COPIES = 3  # of a grid in memory: its parts, their union and room for work
MOST = 1e15  # voxels along an axis that are counted
PLACES = 1 << 20  # voxels whose places are computed at once
ROUNDING = 1e-6  # of a voxel


class LaboratoryObjects(NamedTuple):
    """Objects on an orthogonal grid along the laboratory's axes.

    Parameters
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, n_x, n_y, n_z)
        Objects, with axes in the order of the components of vectors.
    voxel_size : tuple of float
        Size of a voxel along each axis, in metres.
    origin : tuple of float
        Position of the first voxel's centre in metres, relative to the middle of the frame, which
        is voxel `n // 2` along each axis of both the old and the new grid.

    Examples
    --------
    >>> import numpy as np
    >>> found = to_laboratory(np.ones((1, 4, 4, 4)), 2e-9 * np.eye(3))
    >>> found.objects.shape, found.voxel_size, found.origin
    ((1, 4, 4, 4), (2e-09, 2e-09, 2e-09), (-4e-09, -4e-09, -4e-09))
    """

    objects: Any
    voxel_size: tuple[float, ...]
    origin: tuple[float, ...]


def to_laboratory(
    objects: Batch,
    axes: npt.ArrayLike,
    *,
    voxel_size: float | tuple[float, ...] | None = None,
    shape: tuple[int, ...] | None = None,
) -> LaboratoryObjects:
    r"""Interpolate objects from oblique voxels to an orthogonal grid.

    Complex values are interpolated: phases are neither unwrapped nor changed. Between voxels an
    object is the sum of the harmonics at which its pattern was measured, to a relative error of
    about 1e-5. Steep and wrapped phases are therefore as exact as flat ones, and the phase ramp of
    a peak off the centre of the pattern need not be removed. Only a ramp of more than about a tenth
    of a turn per voxel that was multiplied on after the retrieval must be removed first, because it
    moves harmonics beyond the pattern. Values are densities, which keep their scale when voxels
    change their volume. Voxels outside the measured frame are 0.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects, usually with three axes: frames, rows, columns. Real objects may
        become slightly negative beside sharp edges.
    axes : array-like of shape (n_axes, n_axes)
        Step from voxel to voxel along each axis of the objects, one per row, in metres; see
        :func:`voxel_axes`.
    voxel_size : float or tuple of float, optional
        Size of the new voxels along each axis, in metres. By default they are cubes as small as the
        smallest distance between neighbouring planes of the old voxels, which is the finest half
        period of the pattern.
    shape : tuple of int, optional
        Number of new voxels along each axis; by default as many as hold the whole oblique frame.

    Returns
    -------
    LaboratoryObjects
        `objects`, in the type and precision and on the device of the given ones; `voxel_size` and
        `origin`.

    Raises
    ------
    ValueError
        If objects hold NaN, axes are linearly dependent or not as many as those of the objects,
        sizes are not positive or larger than the objects, or the grid has more than two billion
        voxels.
    MemoryError
        If the grid is larger than the free memory.

    Warns
    -----
    UserWarning
        If voxels are larger than two metres: `axes` are then in another unit, or are steps in
        reciprocal space.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr.datasets import make_crystals
    >>> crystal = make_crystals(1, shape=(24, 24, 24), max_phase=2.0, random_state=0).data
    >>> axes = 1e-9 * np.array([[5.0, 0.0, 2.0], [0.0, 6.0, 0.0], [0.0, 1.0, 6.0]])
    >>> found = to_laboratory(crystal, axes)
    >>> found.objects.shape, round(found.voxel_size[0] * 1e9, 3)
    ((1, 24, 34, 40), 5.0)
    """
    objects = check_batch(objects, name="objects")
    if not isinstance(objects, torch.Tensor):
        objects = np.asarray(objects)
    n_axes = objects.ndim - 1
    axes = check_axes("axes", axes, n_axes)
    warn_of_unit(axes, "axes")
    sizes = check_sizes(
        "voxel_size", plane_spacings(axes).min() if voxel_size is None else voxel_size, n_axes
    )
    lowest, highest = _corners(axes, objects.shape[1:], sizes)
    if (highest - lowest < 1 - ROUNDING).all():
        raise ValueError(
            f"voxel_size={short(voxel_size)} is larger than the whole object; axes are "
            f"{short(axes.tolist())} metres: give voxel_size in metres, too"
        )
    shape = _covering(lowest, highest) if shape is None else shape
    shape = check_shape("shape", shape, n_axes)
    if math.prod(shape) > LARGEST:
        raise ValueError(
            f"voxel_size={short(voxel_size)} makes a grid of shape {shape}, which is too large; "
            f"axes are {short(axes.tolist())} metres: give voxel_size in metres, too, or a shape"
        )
    check_fits(
        f"a grid of voxel_size={short(sizes)}",
        (len(objects), *shape),
        COPIES * np.dtype(str(objects.dtype).removeprefix("torch.")).itemsize,
        ways="give larger voxels by voxel_size, or a shape, and check the units of the steps",
    )
    with usual_device():
        moved = _interpolated(to_tensor(objects), axes, sizes, shape)
    if not isinstance(objects, torch.Tensor):
        moved = moved.numpy()
    origin = tuple(-(n // 2) * size for n, size in zip(shape, sizes, strict=True))
    return LaboratoryObjects(moved, sizes, origin)


def _corners(axes, shape, sizes):
    """Compute the ends of the oblique frame in new voxels."""
    ends = [(-(n // 2) - 0.5, n - n // 2 - 0.5) for n in shape]
    with np.errstate(over="ignore"):  # of voxels of no size, which make too many
        corners = np.array(list(itertools.product(*ends))) @ axes / np.array(sizes)
    return corners.min(axis=0), corners.max(axis=0)


def _covering(lowest, highest):
    """Count the new voxels that hold the whole oblique frame.

    Voxel `n // 2` is the same point before and after, so that an even number of voxels reaches
    further to the lower side.
    """
    below = np.ceil(-lowest - 0.5 - ROUNDING)
    above = np.ceil(highest + 0.5 - ROUNDING)
    return tuple(int(n) for n in np.maximum(2 * below, 2 * above - 1).clip(1, MOST))


def _interpolated(x, axes, sizes, shape):
    """Evaluate objects on the orthogonal grid."""
    old = tuple(x.shape[1:])
    to_voxels = torch.from_numpy(np.diag(sizes) @ np.linalg.inv(axes)).to(x.device)
    middle, new_middle = (
        torch.tensor([n // 2 for n in one], dtype=torch.float64, device=x.device)
        for one in (old, shape)
    )
    lowest = torch.full_like(middle, -0.5 - ROUNDING)
    highest = torch.tensor(old, dtype=torch.float64, device=x.device) - 0.5 - ROUNDING
    fine, parts, n_voxels = fine_grid(x), [], math.prod(shape)
    for start in range(0, n_voxels, PLACES):
        numbers = torch.arange(start, min(start + PLACES, n_voxels), device=x.device)
        voxels = torch.stack(torch.unravel_index(numbers, shape), dim=1).double()
        places = (voxels - new_middle) @ to_voxels + middle
        inside = ((places >= lowest) & (places < highest)).all(dim=1).nonzero()[:, 0]
        part = x.new_zeros(len(x), len(numbers))
        parts.append(part.index_copy(1, inside, values_at(fine, places[inside], old)))
    return torch.cat(parts, dim=1).view(len(x), *shape)
