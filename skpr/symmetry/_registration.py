"""Registration of objects to references over the symmetry group."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._arrays import check_batch
from .._lazy import LazyBatch, map_batch
from .._tensors import energy, map_chunks, unit_scale
from .._validation import check_boundary, check_flag
from .core import (
    GroupElement,
    acted,
    best_element,
    correlations,
    orbit_distances,
    padded_values,
    window,
)

if TYPE_CHECKING:
    from .._typing import Batch, Boundary


def correlate(objects: Batch, references: Batch, boundary: Boundary = "zero") -> Any:
    """Correlate each object with its reference over all shifts.

    Computes `c(t) = <shift_t x, y> = sum_r conj(x(r - t)) y(r)` by FFT.

    Parameters
    ----------
    objects, references : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Batches to correlate; `references` may hold one sample, which then serves for all objects.
    boundary : {"zero", "circular"} or sequence of these, one for each axis

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *lags)
        Correlations. An axis with boundary "zero" has `2 n - 1` lags from `-(n - 1)` to `n - 1`, as
        in :func:`scipy.signal.correlate`; a "circular" one has `n` lags from 0.

    Raises
    ------
    ValueError
        If the shapes do not match, or the products exceed the range of the objects' precision.

    Examples
    --------
    >>> import numpy as np
    >>> correlate(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])).round()
    array([[0., 0., 3.]])
    """
    objects, references = _checked_pair(objects, references)
    boundary = check_boundary(boundary, objects.ndim - 1)
    axes = list(zip(objects.shape[1:], boundary, strict=True))
    first = [0 if wraps == "circular" else 1 - n for n, wraps in axes]
    lengths = [n if wraps == "circular" else 2 * n - 1 for n, wraps in axes]

    def centred(x, y):
        scales = unit_scale(x), unit_scale(y)
        x, y = x * scales[0], y * scales[1]
        _check_products(x, y, *scales)
        upright, _ = correlations(x, y, boundary, flips=(False,))
        return window(upright, first, lengths) / scales[0] / scales[1]

    return map_chunks(
        centred, objects, references, values_per_sample=padded_values(objects.shape[1:], boundary)
    )


def register(
    objects: Batch,
    references: Batch,
    *,
    shift: bool = True,
    flip: bool = True,
    phase: bool | None = None,
    boundary: Boundary = "zero",
) -> tuple[Any, GroupElement]:
    """Move each object to the member of its orbit closest to its reference.

    Parameters
    ----------
    objects, references : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Batches to register; `references` may hold one sample, which then serves for all objects.
    shift, flip : bool
        Symmetries to register over.
    phase : bool, optional
        Whether to register the phase (for real objects the sign). By default it is registered only
        if either batch is complex.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
        Boundary of the frame. With "zero" all shifts are tried, including those that move content
        out of the frame.

    Returns
    -------
    registered : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Registered objects, `act(objects, element)`.
    element : GroupElement
        Operation applied to each object. Among candidates that are equal up to rounding, an upright
        one wins over a flipped one; then the first shift along the first axis in the order 0, 1,
        ..., -1, -2, ... wins, then the first along the next axis.

    Raises
    ------
    ValueError
        If the shapes do not match, values are NaN or infinite, or a parameter is not valid.

    Notes
    -----
    Objects and references may have any scale: each is divided by its largest value before products
    are computed.

    If the phase is not registered, the boundary is "zero" and every correlation is negative, then
    the closest member of the orbit lies wholly outside the frame, and the registered object is 0.

    Examples
    --------
    >>> import numpy as np
    >>> objects, references = np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[2.0, 1.0, 0.0, 0.0]])
    >>> registered, element = register(objects, references)
    >>> registered, element.flip, element.shift
    (array([[2., 1., 0., 0.]]), array([ True]), array([[-1]]))
    """
    shift, flip, phase = _checked_symmetries(shift, flip, phase)
    given = objects
    objects, references = _checked_pair(objects, references)
    boundary = check_boundary(boundary, objects.ndim - 1)
    if phase is None:
        phase = _is_complex(objects) or _is_complex(references)

    def search(x, y):
        with torch.no_grad():
            return best_element(x.detach(), y.detach(), shift, flip, phase, boundary)

    element = map_chunks(
        search, objects, references, values_per_sample=padded_values(objects.shape[1:], boundary)
    )
    registered = map_batch(partial(acted, boundary=boundary), objects, *element)
    if isinstance(registered, LazyBatch) and not isinstance(given, LazyBatch):
        registered = np.asarray(registered)
    return registered, element


def orbit_distance(
    objects: Batch,
    references: Batch,
    *,
    squared: bool = False,
    shift: bool = True,
    flip: bool = True,
    phase: bool | None = None,
    boundary: Boundary = "zero",
) -> Any:
    """Compute the distance between orbits, `min_g |g x - y|`.

    The distance is Euclidean and taken over the whole plane: content that the best shift moves out
    of the frame counts, so hiding it gains nothing. The gradient is that of the distance at the
    best element, which equals the gradient of the minimum wherever that exists.

    Parameters
    ----------
    objects, references : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Batches to compare; `references` may hold one sample, which then serves for all objects.
    squared : bool
        Whether to return the square, whose gradient exists at 0, too. It is infinite if it exceeds
        the range of float64.
    shift, flip, phase, boundary
        Symmetries, as in :func:`register`.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples,), float64
        Distance of each pair.

    Raises
    ------
    ValueError
        If the shapes do not match, values are NaN or infinite, or a parameter is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> orbit_distance(np.array([[0.0, 1.0, 2.0]]), np.array([[2.0, 1.0, 0.0]]))
    array([0.])
    """
    shift, flip, phase = _checked_symmetries(shift, flip, phase)
    squared = check_flag("squared", squared)
    objects, references = _checked_pair(objects, references)
    boundary = check_boundary(boundary, objects.ndim - 1)
    symmetries = {"shift": shift, "flip": flip, "phase": phase, "boundary": boundary}
    distances = partial(orbit_distances, squared=squared, **symmetries)
    return map_chunks(
        distances, objects, references, values_per_sample=padded_values(objects.shape[1:], boundary)
    )


def _checked_symmetries(shift, flip, phase):
    return (
        check_flag("shift", shift),
        check_flag("flip", flip),
        check_flag("phase", phase, optional=True),
    )


def _checked_pair(objects, references):
    """Validate objects and references; return one reference per object."""
    objects, references = (
        check_batch(objects, name="objects"),
        check_batch(references, name="references"),
    )
    if references.shape[1:] != objects.shape[1:] or len(references) not in (1, len(objects)):
        raise ValueError(
            f"references of shape {tuple(references.shape)} do not match objects of shape "
            f"{tuple(objects.shape)}; give one reference per object, or one for all"
        )
    if len(references) == len(objects):
        return objects, references
    shape = tuple(objects.shape)
    if isinstance(references, torch.Tensor):
        return objects, references.expand(shape)
    return objects, np.broadcast_to(np.asarray(references), shape)


def _check_products(x, y, *scales):
    """Refuse correlations that exceed the range of the objects' precision.

    `x` and `y` are the scaled objects; their correlations are computed safely, and would overflow
    or vanish once the scales are undone.
    """
    norms = (energy(x.detach()) * energy(y.detach())).sqrt()
    sizes = norms.log2() - sum(scale.double().log2().view(-1) for scale in scales)
    dtype = torch.promote_types(x.real.dtype, y.real.dtype)
    limits = torch.finfo(dtype)
    wrong = (norms > 0) & ((sizes >= math.log2(limits.max)) | (sizes < math.log2(limits.tiny)))
    if wrong.any():
        power = float(sizes[wrong][0]) * math.log10(2)
        name = str(dtype).removeprefix("torch.")
        way_out = " or pass float64" if dtype == torch.float32 else ""
        raise ValueError(
            f"correlations of the order of 1e{power:+.0f} are out of the range of {name}; divide "
            f"objects and references by their largest values first{way_out}"
        )


def _is_complex(batch):
    return batch.is_complex() if isinstance(batch, torch.Tensor) else np.iscomplexobj(batch)
