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
    """Place objects in the middle of a larger dark frame; an odd spare pixel goes behind.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
    frame_shape : int or tuple of int
        At least the object's shape; one number for all axes.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *frame_shape)

    Raises
    ------
    ValueError
        For a frame that is too small or no shape.

    Examples
    --------
    >>> import numpy as np
    >>> frame(np.array([[1.0, 2.0]]), 5)
    array([[0., 1., 2., 0., 0.]])
    """
    objects = checked_objects(objects)
    return in_frame(objects, resolved_frame(frame_shape, tuple(objects.shape[1:])))


def in_frame(objects, frame_shape):
    """Checked objects in the middle of a frame."""
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
    """Shape of the frame that a parameter asks for: that of the objects, where it is None."""
    if frame_shape is None:
        return object_shape
    shape = check_shape("frame_shape", frame_shape, len(object_shape))
    if any(m < n for m, n in zip(shape, object_shape, strict=True)):
        raise ValueError(
            f"frame_shape={short(frame_shape)} does not hold objects of shape {object_shape}; "
            f"give one integer for all "
            "axes, or one per axis, each at least the object's"
        )
    return shape


def checked_objects(objects):
    """Validate a batch of objects; values of a LazyBatch are not read for it."""
    return check_batch(
        objects, name="objects", ensure_all_finite=not isinstance(objects, LazyBatch)
    )
