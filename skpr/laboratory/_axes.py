"""Axes of voxels in real space, dual to the steps in reciprocal space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._validation import check_shape
from ._checks import check_axes, warn_of_unit

if TYPE_CHECKING:
    import numpy.typing as npt


def voxel_axes(steps: npt.ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    r"""Compute the voxel axes of objects from the steps of their patterns.

    A pattern of `N_j` pixels with steps `s_j` belongs to voxels along vectors `a_i` with
    `a_i . s_j N_j = 2 pi` for `i = j`, and 0 otherwise: as matrices of rows,
    `A = 2 pi (diag(N) S)^{-T}`. Voxels are as oblique as the pattern: where the steps are not
    orthogonal, neither are the axes.

    Parameters
    ----------
    steps : array-like of shape (n_axes, n_axes)
        Steps of the momentum transfer, one per row, in radians per metre; see
        :func:`reciprocal_steps`.
    shape : tuple of int
        Number of pixels of the pattern along each axis, `fourier_shape`; not that of the object,
        which may be smaller.

    Returns
    -------
    ndarray of shape (n_axes, n_axes)
        Step from voxel to voxel along each axis of the object, one per row, in metres.

    Raises
    ------
    ValueError
        If the steps are linearly dependent, or not finite.

    Warns
    -----
    UserWarning
        If voxels are larger than two metres, because the steps are in another unit.

    References
    ----------
    Maddali et al., J. Appl. Cryst. 53, 393 (2020).

    Examples
    --------
    >>> import numpy as np
    >>> voxel_axes(2 * np.pi * np.diag([1e6, 1e6, 2e6]), (100, 50, 50)).diagonal()
    array([1.e-08, 2.e-08, 1.e-08])
    """
    shape = check_shape("shape", shape)
    steps = check_axes("steps", steps, len(shape))
    axes = 2 * math.pi * np.linalg.inv(np.array(shape)[:, None] * steps).T
    warn_of_unit(axes, "steps")
    return axes


def plane_spacings(axes):
    """Compute distances between neighbouring planes of voxels.

    Each is the half period that the pattern reaches along one of its axes.

    Examples
    --------
    >>> import numpy as np
    >>> plane_spacings(np.array([[1.0, 0.0], [1.0, 1.0]])).round(3)
    array([0.707, 1.   ])
    """
    return 1 / np.linalg.norm(np.linalg.inv(axes), axis=0)
