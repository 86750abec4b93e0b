"""Checks of vectors, axes and voxel sizes."""

import numpy as np

from .._validation import check_number, short

INDEPENDENT = 1e-6  # smallest volume of linearly independent unit vectors
SHORTEST = 1e-300  # length of a vector that still has a direction


def check_vector(name, value, n_axes=3):
    """Return a vector as float64; refuse zero, NaN and other lengths.

    Examples
    --------
    >>> check_vector("beam", (0, 0, 0))
    Traceback (most recent call last):
    ValueError: beam=(0, 0, 0) is not valid; give 3 finite numbers that are not all zero
    """
    vector = _numbers(value)
    if vector is None or vector.shape != (n_axes,) or not np.abs(vector).max() > SHORTEST:
        raise ValueError(
            f"{name}={short(value)} is not valid; give {n_axes} finite numbers that are not all "
            "zero"
        )
    return vector


def check_direction(name, value):
    """Return a vector of three components scaled to unit length."""
    vector = check_vector(name, value)
    vector = vector / np.abs(vector).max()
    return vector / np.linalg.norm(vector)


def check_axes(name, value, n_axes=3):
    """Return a square matrix of linearly independent rows as float64.

    Raises
    ------
    ValueError
        For another shape, values that are not finite, and rows that are linearly dependent.

    Examples
    --------
    >>> check_axes("axes", [[1, 0], [2, 0]], 2)
    Traceback (most recent call last):
    ValueError: axes=[[1, 0], [2, 0]] is singular; give 2 linearly independent vectors
    """
    axes = _numbers(value)
    if axes is None or axes.shape != (n_axes, n_axes):
        raise ValueError(
            f"{name}={short(value)} is not valid; give {n_axes} vectors of {n_axes} finite "
            "numbers, one for each axis of an object"
        )
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if lengths.min() == 0 or abs(np.linalg.det(axes / lengths)) < INDEPENDENT:
        raise ValueError(
            f"{name}={short(value)} is singular; give {n_axes} linearly independent vectors"
        )
    return axes


def check_sizes(name, value, n_axes=3):
    """Return one positive length for each axis.

    Examples
    --------
    >>> check_sizes("voxel_size", 5e-9)
    (5e-09, 5e-09, 5e-09)
    """
    sizes = (value,) * n_axes if np.ndim(value) == 0 else tuple(np.asarray(value).tolist())
    if len(sizes) != n_axes:
        raise ValueError(
            f"{name}={short(value)} is not valid; give a number of metres, or one for each of "
            f"{n_axes} axes"
        )
    return tuple(check_number(name, size, 0, closed="neither", noun="metres") for size in sizes)


def _numbers(value):
    """Array of finite real numbers in float64; None for anything else."""
    try:
        array = np.asarray(value.numpy(force=True) if hasattr(value, "numpy") else value)
    except (TypeError, ValueError):
        return None
    if array.dtype.kind not in "iuf" or array.size == 0:
        return None
    array = array.astype(np.float64)
    return array if np.isfinite(array).all() else None
