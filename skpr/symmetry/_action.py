"""Action of the group on objects: shift, flip and phase."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._arrays import as_batch, check_batch
from .._lazy import LazyBatch, map_batch
from .._validation import check_boundary
from .core import GroupElement, acted, flipped, flipped_where, shifted, turned

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

_UNIT = 1e-3  # largest deviation of a phase's modulus from 1; above the rounding of any type


def shift(objects: Batch, shifts: Any, boundary: Boundary = "zero") -> Any:
    """Shift each object by whole pixels per axis, circularly or into zeros.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    shifts : array-like of shape (n_samples, n_axes) or (n_axes,), integers
        Displacement along each axis in pixels; one row for all objects if 1-D.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
        Whether content that leaves the frame is lost or enters on the other side.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Shifted objects in the precision of floating input; integers become the float type that
        holds them.

    Examples
    --------
    >>> import numpy as np
    >>> shift(np.array([[1.0, 2.0, 3.0]]), [1])
    array([[0., 1., 2.]])
    >>> shift(np.array([[1.0, 2.0, 3.0]]), [1], boundary="circular")
    array([[3., 1., 2.]])
    """
    checked = _checked_objects(objects)
    boundary = check_boundary(boundary, checked.ndim - 1)
    shifts = _checked_shifts(shifts, "shifts", (len(checked), checked.ndim - 1))
    return _mapped(partial(shifted, boundary=boundary), objects, checked, shifts)


def flip(objects: Batch, where: Any = None) -> Any:
    """Reverse every space axis of objects and conjugate them (the twin).

    This is the conjugate inversion about the centre of the frame.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
    where : array-like of shape (n_samples,), bool, optional
        Mask of the objects to flip; all of them if not given.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Flipped objects in the precision of floating input; integers become the float type that
        holds them.

    Examples
    --------
    >>> import numpy as np
    >>> flip(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1.]])
    """
    checked = _checked_objects(objects)
    if where is None:
        return _mapped(flipped, objects, checked)
    return _mapped(flipped_where, objects, checked, _checked_flips(where, "where", (len(checked),)))


def rotate_phase(objects: Batch, phases: Any) -> Any:
    """Multiply each object by a complex number of modulus 1.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
    phases : array-like of shape (n_samples,)
        Unit complex numbers, or +1 and -1. Complex phases make a real object complex.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Rotated objects in the precision of floating input; integers become the float type that
        holds them.

    Examples
    --------
    >>> import numpy as np
    >>> rotate_phase(np.array([[1.0, 2.0]]), [-1.0])
    array([[-1., -2.]])
    """
    checked = _checked_objects(objects)
    return _mapped(turned, objects, checked, _checked_phases(phases, "phases", (len(checked),)))


def act(objects: Batch, element: GroupElement, boundary: Boundary = "zero") -> Any:
    """Flip, then shift, then rephase each object by its own group element.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
    element : GroupElement
        One operation per sample.
    boundary : {"zero", "circular"} or sequence of these, one for each axis

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Moved objects in the precision of floating input; integers become the float type that
        holds them.

    Raises
    ------
    TypeError
        If `element` is not a GroupElement, or its shifts are not integers.
    ValueError
        If the fields of `element` do not fit the objects, its flips are not bool, or a phase does
        not have modulus 1.

    Examples
    --------
    >>> import numpy as np
    >>> g = GroupElement(shift=np.array([[1]]), flip=np.array([True]), phase=np.array([-1.0]))
    >>> act(np.array([[1.0, 2.0, 0.0]]), g)
    array([[-0., -0., -2.]])
    """
    _check_is_element(element)
    checked = _checked_objects(objects)
    boundary = check_boundary(boundary, checked.ndim - 1)
    element = _checked_element(element, len(checked), checked.ndim - 1)
    return _mapped(partial(acted, boundary=boundary), objects, checked, *element)


def invert(element: GroupElement) -> Any:
    """Return the shift, flip and phase that undo each given one.

    It undoes :func:`act` as long as no content leaves the frame. Conjugate inversion turns a shift
    by `t` into one by `-t` and a phase into its conjugate. A flipped element therefore keeps its
    shift and phase, and an upright one reverses both.

    Parameters
    ----------
    element : GroupElement

    Returns
    -------
    GroupElement
        Inverse; its fields are tensors if any field of `element` is one.

    Examples
    --------
    >>> import numpy as np
    >>> g = GroupElement(np.array([[1]]), np.array([True]), np.array([-1.0]))
    >>> act(act(np.array([[0.0, 1.0, 2.0, 0.0]]), g), invert(g))
    array([[0., 1., 2., 0.]])
    """
    _check_is_element(element)
    shifts, flips, phases = _checked_element(
        element, len(element.flip), np.shape(element.shift)[-1]
    )
    if any(isinstance(field, torch.Tensor) for field in (shifts, flips, phases)):
        shifts, flips, phases = (torch.as_tensor(field) for field in (shifts, flips, phases))
        where = torch.where
    else:
        where = np.where
    return GroupElement(
        where(flips[:, None], shifts, -shifts), flips, where(flips, phases, phases.conj())
    )


def _checked_objects(objects):
    """Validate a batch of objects without reading the values of a LazyBatch."""
    return (as_batch if isinstance(objects, LazyBatch) else check_batch)(objects, name="objects")


def _mapped(function, given, checked, *arguments):
    """Map a function over objects; the result is lazy only if the input is."""
    result = map_batch(function, checked, *arguments)
    return (
        np.asarray(result)
        if isinstance(result, LazyBatch) and not isinstance(given, LazyBatch)
        else result
    )


def _check_is_element(element):
    if not isinstance(element, GroupElement):
        raise TypeError(
            f"element is of type {type(element).__name__}; give a GroupElement, such as the one "
            "`register` returns together with the objects"
        )


def _checked_element(element, n_samples, n_axes):
    return GroupElement(
        _checked_shifts(element.shift, "element.shift", (n_samples, n_axes)),
        _checked_flips(element.flip, "element.flip", (n_samples,)),
        _checked_phases(element.phase, "element.phase", (n_samples,)),
    )


def _checked_shifts(shifts, name, shape):
    """Return shifts as int64, one row per sample, in their container.

    They may be given per sample or once for all samples.
    """
    shifts = _as_array(shifts, name)
    if tuple(shifts.shape) == (shape[1],):
        shifts = (
            shifts.expand(shape)
            if isinstance(shifts, torch.Tensor)
            else np.broadcast_to(shifts, shape)
        )
    _check_shape(shifts, name, shape)
    if _kind(shifts) not in "iu":
        raise TypeError(f"{name} must be integer numbers of pixels; got {shifts.dtype}")
    if isinstance(shifts, torch.Tensor):
        return shifts.to(torch.int64)
    if shifts.size and int(shifts.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{name} holds {shifts.max()}, more pixels than int64 can count")
    return shifts.astype(np.int64)


def _checked_flips(flips, name, shape):
    """Return flips as bool, one per sample, in their container."""
    flips = _as_array(flips, name)
    _check_shape(flips, name, shape)
    if _kind(flips) != "b":
        raise ValueError(
            f"{name} is {flips.dtype}, not bool; give one True or False for each object"
        )
    return flips


def _checked_phases(phases, name, shape):
    """Return phases as unit numbers, one per sample, in their container."""
    phases = _as_array(phases, name)
    _check_shape(phases, name, shape)
    if _kind(phases) not in "iufc":
        raise ValueError(f"{name} is {phases.dtype}; give unit complex numbers, or 1 and -1")
    if not isinstance(phases, torch.Tensor):
        phases = phases.astype(np.complex128 if phases.dtype.kind == "c" else np.float64)
    moduli = abs(phases)
    wrong = ~(abs(moduli - 1) <= _UNIT)
    if wrong.any():
        value = phases[wrong][0].item()
        raise ValueError(
            f"{name} holds {value:.6g}, whose modulus is not 1; give exp(1j * angle), or 1 and -1"
        )
    return phases


def _as_array(values, name):
    if isinstance(values, torch.Tensor):
        return values
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from error


def _check_shape(values, name, shape):
    if tuple(values.shape) != tuple(shape):
        raise ValueError(
            f"{name} has shape {tuple(values.shape)}; these objects need shape {tuple(shape)}"
        )


def _kind(values):
    """Return the kind of the values' dtype, as NumPy names it."""
    if not isinstance(values, torch.Tensor):
        return values.dtype.kind
    if values.is_complex():
        return "c"
    return "f" if values.is_floating_point() else "b" if values.dtype == torch.bool else "i"
