"""Content of objects in their frame.

In exact darkness the content of an object is every nonzero pixel. Reconstructions and measured
objects lie on a background, and their content is defined relative to its level
(:mod:`._background`):

- **Content** at a level `b` consists of the pixels above `4 b` times the maximum that have a
  neighbour above it, too. An isolated bright pixel is a hot pixel; it does not define the maximum
  either. On each side of the frame, the outermost lines are left out while they hold at most a
  fraction `b / 2` of the energy of these pixels. The fraction is kept between .03 % and 1 %.
- If all bright pixels of an object are isolated, none of them is a hot pixel: every pixel above
  `4 b` times the maximum counts.
- Objects that **fill** their frame have a level above .1. Every nonzero pixel is content.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from .._lazy import map_batch
from .._tensors import along_samples, map_chunks, space_axes
from ._background import CUT, brightness, checked_objects, level_to_cut, line_sums
from .core import content_boxes

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

# Limits of the fraction of the energy that is left out on each side of the content.
_LEAST_LEFT_OUT, _MOST_LEFT_OUT = 3e-4, 1e-2


def without_background(
    objects: Batch, background: str | float = "auto", boundary: Boundary = "zero"
) -> Any:
    """Set everything but the content of each object to 0.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    background : "auto" or float, default="auto"
        Level of the background as a fraction of the maximum, below .25. With "auto" it is that of
        :func:`background_level`. With 0 the objects are returned unchanged, as they are with
        "auto" if they lie in exact darkness or fill their frame.
    boundary : {"zero", "circular"} or sequence of these, one for each axis

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)

    Examples
    --------
    >>> import numpy as np
    >>> without_background(np.array([[0.01, 1.01, 2.01, 0.01, 0.01]]))
    array([[0.  , 1.01, 2.01, 0.  , 0.  ]])
    """
    objects, boundary = checked_objects(objects, boundary)
    level = level_to_cut(objects, background, boundary)
    return (
        map_batch(partial(content_of, level=level, boundary=boundary), objects)
        if level
        else objects
    )


def content_box(
    objects: Batch, background: str | float = "auto", boundary: Boundary = "zero"
) -> Any:
    """Find the bounding box of the content of each object.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    background : "auto" or float, default="auto"
        Level of the background as a fraction of the maximum, below .25. With "auto" it is that of
        :func:`background_level`. With 0 the content is every nonzero pixel, as it is with "auto"
        if the objects lie in exact darkness or fill their frame.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
        Boundary of the frame. Boxes do not wrap around: along a "circular" axis a box holds all of
        the content in its present place.

    Returns
    -------
    starts, sizes : ndarray or torch.Tensor of shape (n_samples, n_axes), integers
        First pixel and extent along each axis; both are 0 for an object that is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> content_box(np.array([[0.0, 1.0, 2.0, 0.0]]))
    (array([[1]]), array([[2]]))
    >>> content_box(np.array([[0.01, 1.01, 2.01, 0.01]]))
    (array([[1]]), array([[2]]))
    """
    objects, boundary = checked_objects(objects, boundary)
    return map_chunks(
        partial(boxes_of, level=level_to_cut(objects, background, boundary), boundary=boundary),
        objects,
    )


def content_of(x, level, boundary):
    """Set all but the content of a tensor of objects to 0.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, *object_shape)
    level : float
        Level of the background as a fraction of the maximum; at 0 the objects are returned
        unchanged.
    boundary : tuple of str

    Returns
    -------
    torch.Tensor of shape (n_samples, *object_shape)
    """
    if level == 0:
        return x
    modulus = x.detach().abs()
    bright, peak = brightness(modulus, boundary)
    kept = bright > along_samples(CUT * level * peak, x)
    # a hot pixel weighs no more than its brightest neighbour
    weights = torch.where(kept, bright / along_samples(_over(peak), x), 0.0).square()
    left_out = min(max(level / 2, _LEAST_LEFT_OUT), _MOST_LEFT_OUT)
    for axis, wraps in zip(space_axes(x), boundary, strict=True):
        if wraps == "zero":
            kept = kept & _lines_within(line_sums(weights, axis), left_out).view(
                _line_view(x, axis)
            )
    return torch.where(kept, x, 0.0)


def boxes_of(x, level, boundary):
    """Return the bounding boxes of the content of a tensor of objects.

    They have the form that :func:`content_box` returns.
    """
    return content_boxes(content_of(x, level, boundary))


def _line_view(x, axis):
    return [len(x)] + [x.shape[axis] if a == axis else 1 for a in space_axes(x)]


def _lines_within(energies, left_out):
    """Return a mask of the lines that remain once the outermost are left out.

    On each side, lines are left out while they hold at most a fraction `left_out` of the energy.
    """
    limit = left_out * energies.sum(dim=1, keepdim=True)
    return (energies.cumsum(dim=1) > limit) & (energies.flip(1).cumsum(dim=1).flip(1) > limit)


def _over(peak):
    return torch.where(peak > 0, peak, 1.0)
