"""Larger dark frames around objects."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._arrays import check_batch
from .._lazy import LazyBatch, map_batch
from .._validation import check_shape, short

if TYPE_CHECKING:
    pass


def frame(objects, frame_shape):
    """Place objects in the middle of a larger dark frame.

    If the margin is odd, the spare pixel lies behind the object.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
    frame_shape : int or tuple of int
        Shape of the frame, at least that of the objects; one number for all axes.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *frame_shape)
        Objects in their frames.

    Raises
    ------
    ValueError
        If `frame_shape` is smaller than the objects, or not a shape.

    Examples
    --------
    >>> import numpy as np
    >>> frame(np.array([[1.0, 2.0]]), 5)
    array([[0., 1., 2., 0., 0.]])
    """
    objects = checked_objects(objects)
    return in_frame(objects, resolved_frame(frame_shape, tuple(objects.shape[1:])))


def in_frame(objects, frame_shape):
    """Place checked objects in the middle of a frame."""
    shape = tuple(objects.shape[1:])
    if shape == frame_shape:
        return objects
    inside = tuple(
        slice((m - n) // 2, (m - n) // 2 + n) for m, n in zip(frame_shape, shape, strict=True)
    )
    return map_batch(partial(_placed, frame_shape=frame_shape, inside=inside), objects)


def _placed(objects, frame_shape, inside):
    framed = objects.new_zeros((len(objects), *frame_shape))
    framed[(slice(None), *inside)] = objects
    return framed


def resolved_frame(frame_shape, object_shape):
    """Return the shape of the frame; that of the objects for None."""
    if frame_shape is None:
        return object_shape
    shape = check_shape("frame_shape", frame_shape, len(object_shape))
    if any(m < n for m, n in zip(shape, object_shape, strict=True)):
        raise ValueError(
            f"frame_shape={short(frame_shape)} does not hold objects of shape {object_shape}; "
            "give one integer for all axes, or one per axis, each at least the object's size"
        )
    return shape


def checked_objects(objects):
    """Validate a batch of objects without reading the values of a LazyBatch."""
    return check_batch(
        objects, name="objects", ensure_all_finite=not isinstance(objects, LazyBatch)
    )
