"""Checks of vectors, axes and voxel sizes."""

import math
from numbers import Real

import numpy as np

from .._validation import check_number, short, warn_user

INDEPENDENT = 1e-6  # smallest volume of linearly independent unit vectors
LONGEST = {"wavelength": 1e-5, "distance": 1e3, "pixel_size": 2e-2}  # metres; more is another unit
VOXEL = 2.0  # metres; longer steps from voxel to voxel are in nanometres, 1 are pixels
WAYS = {
    "steps": "give steps in radians per metre",
    "axes": "give axes in metres, as voxel_axes returns them from steps of the momentum transfer",
}
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


def warn_of_unit(axes, source):
    """Warn if steps from voxel to voxel can hardly be in metres."""
    longest = float(np.linalg.norm(axes, axis=1).max())
    if longest > VOXEL:
        warn_user(f"the voxels of {source} are {longest:.3g} m apart; {WAYS[source]}")


def check_sizes(name, value, n_axes=3):
    """Return one positive length for each axis.

    Examples
    --------
    >>> check_sizes("voxel_size", 5e-9)
    (5e-09, 5e-09, 5e-09)
    """
    given = _numbers(value)
    if given is None or given.ndim == 0:
        given = value if given is None or isinstance(value, Real) else given.item()
        return (check_number(name, given, 0, closed="neither", noun="metres"),) * n_axes
    sizes = given.tolist()
    if given.shape != (n_axes,):
        raise ValueError(
            f"{name}={short(value)} is not valid; give a number of metres, or one for each of "
            f"{n_axes} axes"
        )
    return tuple(check_number(name, size, 0, closed="neither", noun="metres") for size in sizes)


def check_length(name, value):
    """Return a positive length in metres that an experiment can have.

    Examples
    --------
    >>> check_length("wavelength", 1.38)
    Traceback (most recent call last):
    ValueError: wavelength=1.38 is not valid; give metres with 0 < wavelength <= 1e-05
    """
    return check_number(name, value, 0, LONGEST[name], closed="right", noun="metres")


def check_angle(name, value, noun="radians"):
    """Return an angle of at most a full turn.

    Examples
    --------
    >>> check_angle("inner", 30)
    Traceback (most recent call last):
    ValueError: inner=30 is more than a full turn; give radians, such as numpy.deg2rad(30)
    """
    angle = check_number(name, value, noun=noun)
    if abs(angle) > 2 * math.pi:
        raise ValueError(
            f"{name}={value!r} is more than a full turn; give radians, such as "
            f"numpy.deg2rad({angle:g})"
        )
    return angle


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
