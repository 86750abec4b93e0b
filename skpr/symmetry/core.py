"""Tensor core of the symmetry group, without validation.

Metrics, losses and canonicalization call these functions; users call those of :mod:`skpr.symmetry`,
which validate their arguments.

Throughout, `x` and `y` are floating tensors of shape (n_samples, *object_shape), `shifts` is an
integer tensor of shape (n_samples, n_axes), `flips` a bool tensor and `phases` a tensor of unit
numbers, both of shape (n_samples,), and `boundary` is "zero", "circular" or a sequence of these
with one entry for each axis.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import torch
from scipy.fft import next_fast_len

from .._tensors import along_samples, energy, inner, map_chunks, space_axes, unit, unit_scale
from .._validation import check_boundary

__all__ = [
    "GroupElement",
    "acted",
    "best_element",
    "content_boxes",
    "correlations",
    "flipped",
    "flipped_where",
    "lag_grid",
    "lost_energy",
    "orbit_distances",
    "padded_values",
    "shifted",
    "signed_lags",
    "turned",
    "window",
]


# Correlations have rounding errors of about 1e-7 |x||y| in float32 and 1e-16 |x||y| in float64.
# Candidates closer than this are compared again in float64.
_CLOSE = {torch.finfo(torch.float32).eps: 1e-5, torch.finfo(torch.float64).eps: 1e-12}
_ROUNDING_OF_LAGS = 2e-14


class GroupElement(NamedTuple):
    """One symmetry operation per sample, `g x = phase * shift(flip^f x)`.

    Attributes
    ----------
    shift : ndarray or torch.Tensor of shape (n_samples, n_axes), integers
        Displacement in pixels along each object axis.
    flip : ndarray or torch.Tensor of shape (n_samples,), bool
        Whether the object is conjugate-inverted before the shift.
    phase : ndarray or torch.Tensor of shape (n_samples,)
        Unit factor: complex for complex objects, +1 or -1 for real ones.

    Examples
    --------
    >>> import numpy as np
    >>> GroupElement(shift=np.array([[1, 0]]), flip=np.array([True]), phase=np.array([1.0])).flip
    array([ True])
    """

    shift: Any
    flip: Any
    phase: Any


def lost_energy(x, shifts, flips, boundary):
    """Compute the energy that a flip and shift move out of the frame.

    It is exactly 0 where no content leaves the frame.
    """
    boundary = check_boundary(boundary, x.ndim - 1)
    if "zero" not in boundary:
        return torch.zeros(len(x), dtype=torch.float64, device=x.device)
    leaves = torch.zeros((), dtype=torch.bool, device=x.device)
    for axis, wraps in enumerate(boundary, start=1):
        if wraps == "zero":
            target = torch.arange(x.shape[axis], device=x.device) + _moves(x, shifts, axis, wraps)
            leaves = leaves | _along(axis, (target < 0) | (target >= x.shape[axis]), x)
    return energy(flipped_where(x, flips).where(leaves, x.new_zeros(())))


def correlations(x, y, boundary, flips=(False, True)):
    """Correlate `x` and its flip with `y` at all lags, in FFT order.

    Returns a pair of tensors of shape (n_samples, *grid), see :func:`lag_grid`; an orientation that
    is not among `flips` is `None`. The lag of the flipped orientation is the shift after
    :func:`flip`. Both orientations share the two forward transforms: the spectrum of the flip is
    the conjugate of the spectrum, up to the displacement `n - 1` of the origin.
    """
    axes = space_axes(x)
    sizes = x.shape[1:]
    grid = lag_grid(sizes, boundary)
    if x.is_complex() or y.is_complex():
        spectrum, reference = (
            torch.fft.fftn(x, s=grid, dim=axes),
            torch.fft.fftn(y, s=grid, dim=axes),
        )
        back = torch.fft.ifftn
    else:
        spectrum, reference = (
            torch.fft.rfftn(x, s=grid, dim=axes),
            torch.fft.rfftn(y, s=grid, dim=axes),
        )
        back = torch.fft.irfftn
    upright = back(reference * spectrum.conj(), s=grid, dim=axes) if False in flips else None
    flipped = None
    if True in flips:
        turned = back(reference * spectrum, s=grid, dim=axes)
        flipped = turned.roll([1 - n for n in sizes], axes)
    return upright, flipped


def best_element(x, y, use_shift, use_flip, use_phase, boundary):
    """Find the group element that brings `x` closest to `y`.

    Candidates have a fixed order, and the first of those that are equal up to rounding wins.
    Upright candidates precede flipped ones. Next they are ordered by the shift along the first
    axis, then along the second and so on, each in the order 0, 1, ..., n - 1, -1, ..., -(n - 1).
    The last candidate is the object moved wholly out of its frame, upright and along the last axis
    that does not wrap around. It wins where the phase is not registered and all correlations are
    negative.
    """
    x, y = x * unit_scale(x), y * unit_scale(y)
    boundary = check_boundary(boundary, x.ndim - 1)
    scores = _scores(x, y, use_shift, use_flip, boundary)
    measure = torch.abs if use_phase else torch.real
    peaks, lags, values, seconds = zip(
        *(_highest(c.flatten(1), measure) for c in scores), strict=True
    )
    flips = peaks[1] > peaks[0] if use_flip else torch.zeros_like(peaks[0], dtype=torch.bool)
    lag, value = (torch.where(flips, found[-1], found[0]) for found in (lags, values))
    shifts = (
        signed_lags(lag, x.shape[1:], boundary) if use_shift else lag.new_zeros(len(x), x.ndim - 1)
    )
    rivals = torch.stack(
        [*seconds, torch.minimum(peaks[0], peaks[1])] if use_flip else seconds
    ).amax(dim=0)
    best = torch.where(flips, peaks[-1], peaks[0])
    close = _CLOSE[_eps(x, y)] * _norms(x) * _norms(y)
    undecided = (rivals >= best - close) | ((best <= close) & use_shift & (not use_phase))
    rows = undecided.nonzero()[:, 0]
    if len(rows):
        found = _first_of_equals(x[rows], y[rows], use_shift, use_flip, use_phase, boundary)
        shifts[rows], flips[rows] = found.shift, found.flip
        value[rows] = found.phase.to(value.dtype)
    phase = unit(value) if use_phase else torch.ones(len(x), dtype=x.dtype, device=x.device)
    return GroupElement(shifts, flips, phase)


def _eps(x, y):
    return max(torch.finfo(values.dtype).eps for values in (x, y))


def _norms(x):
    return torch.linalg.vector_norm(x, dim=space_axes(x))


def _scores(x, y, use_shift, use_flip, boundary):
    """Compute the inner products of all candidates with `y`.

    Returns a list of tensors on the grid of lags: that of the upright candidates and, if requested,
    that of the flipped ones.
    """
    flips = (False, True) if use_flip else (False,)
    if use_shift:
        return [c for c in correlations(x, y, boundary, flips) if c is not None]
    return [inner(flipped(x) if turn else x, y).view([-1] + [1] * (x.ndim - 1)) for turn in flips]


def _highest(scores, measure):
    """Return the highest score, its lag and value, and the second highest.

    All are per sample. May overwrite `scores`.
    """
    measured = measure(scores)
    peaks, lags = measured.max(dim=1, keepdim=True)
    values = scores.gather(1, lags)
    seconds = measured.scatter_(1, lags, -torch.inf).amax(dim=1)
    return peaks[:, 0], lags[:, 0], values[:, 0], seconds


def _first_of_equals(x, y, use_shift, use_flip, use_phase, boundary):
    """Return the first of the candidates that are best up to rounding.

    The comparison is done in float64. The phase of the result is not normalised yet.
    """
    rounding = 16 * _eps(x, y)
    x, y = (
        values.to(torch.complex128 if values.is_complex() else torch.float64) for values in (x, y)
    )
    scores = _scores(x, y, use_shift, use_flip, boundary)
    orders = (
        _ordered_shifts(x, boundary)
        if use_shift
        else [x.new_zeros(1, dtype=torch.int64)] * (x.ndim - 1)
    )
    for axis, order in enumerate(orders, start=1):
        scores = [c.index_select(axis, order.remainder(c.shape[axis])) for c in scores]
    norms = (_norms(x) * _norms(y))[:, None]
    scores = torch.cat([c.flatten(1) for c in scores], dim=1) / torch.where(norms > 0, norms, 1.0)
    # the last candidate is wholly out of the frame
    leaving = 0.0 if use_shift and "zero" in boundary else -torch.inf
    measured = torch.abs(scores) if use_phase else torch.real(scores)
    measured = torch.cat([measured, torch.full_like(measured[:, :1], leaving)], dim=1)
    best = measured.amax(dim=1, keepdim=True)
    # a relative error `rounding` of the values changes |gx - y|^2 / 2 of unit objects by this much
    equal = rounding * (2 - 2 * best).clamp_min(0).sqrt() + rounding**2 + _ROUNDING_OF_LAGS
    first = (measured >= best - equal).to(torch.uint8).argmax(dim=1)
    gone = first == scores.shape[1]
    first = first.masked_fill(gone, 0)
    value = scores.gather(1, first[:, None])[:, 0]
    lengths = tuple(len(order) for order in orders)
    places = torch.unravel_index(first.remainder(math.prod(lengths)), lengths)
    shifts = torch.stack([order[place] for order, place in zip(orders, places, strict=True)], dim=1)
    if "zero" in boundary:
        axis = max(a for a, wraps in enumerate(boundary) if wraps == "zero")
        shifts[gone, axis] = x.shape[axis + 1]
    return GroupElement(
        shifts, first >= math.prod(lengths), value.masked_fill(value.abs() <= _ROUNDING_OF_LAGS, 0)
    )


def _ordered_shifts(x, boundary):
    """List the shifts along each axis in the order in which they win ties.

    These are all the shifts that keep some of the frame inside.
    """
    orders = []
    for size, wraps in zip(x.shape[1:], boundary, strict=True):
        forth = torch.arange(size, device=x.device)
        orders.append(forth if wraps == "circular" else torch.cat([forth, -forth[1:]]))
    return orders


def lag_grid(sizes, boundary):
    """Return the grid on which correlations hold all lags without aliasing."""
    axes = zip(sizes, check_boundary(boundary, len(sizes)), strict=True)
    return [n if wraps == "circular" else next_fast_len(2 * n - 1, real=True) for n, wraps in axes]


def padded_values(sizes, boundary):
    """Estimate the number of values of one object on the grid of its lags."""
    return math.prod(sizes) * 2 ** check_boundary(boundary, len(sizes)).count("zero")


def signed_lags(flat_lags, sizes, boundary):
    """Convert flat FFT-order lag indices to displacements.

    Displacements along circular axes stay in 0 .. n - 1.
    """
    grid = lag_grid(sizes, boundary)
    lags = torch.stack(torch.unravel_index(flat_lags, tuple(grid)), dim=1)
    # on a circular axis the grid has n lags, so none of them reaches the limit
    limits = torch.tensor(sizes, device=lags.device)
    return torch.where(lags < limits, lags, lags - torch.tensor(grid, device=lags.device))


def shifted(x, shifts, boundary):
    """Shift each object by whole pixels per axis, circularly or into zeros."""
    inside = None
    for axis, wraps in enumerate(check_boundary(boundary, x.ndim - 1), start=1):
        size = x.shape[axis]
        source = torch.arange(size, device=x.device) - _moves(x, shifts, axis, wraps)
        if wraps == "circular":
            source = source.remainder(size)
        else:
            valid = _along(axis, (source >= 0) & (source < size), x)
            inside = valid if inside is None else inside & valid
            source = source.clamp(0, size - 1)
        x = x.gather(axis, _along(axis, source, x).expand_as(x))
    return x if inside is None else x.where(inside, x.new_zeros(()))


def _moves(x, shifts, axis, wraps):
    """Return the shifts along one axis, reduced to the range of the frame.

    This way not even the largest integers overflow.
    """
    moves = shifts[:, axis - 1, None].to(x.device, torch.int64)
    size = x.shape[axis]
    return moves.remainder(size) if wraps == "circular" else moves.clamp(-size, size)


def _along(axis, values, x):
    """View values of shape (n_samples, size) along one axis of `x`."""
    return values.view([len(x)] + [-1 if a == axis else 1 for a in space_axes(x)])


def flipped(x):
    """Reverse every space axis of objects and conjugate them (the twin)."""
    return x.flip(space_axes(x)).conj().resolve_conj()


def flipped_where(x, where):
    """Flip the samples selected by a mask of shape (n_samples,)."""
    if not where.any():
        return x
    return torch.where(along_samples(where.bool(), x), flipped(x), x)


def turned(x, phases):
    """Multiply each sample by its phase.

    Complex phases make real objects complex.
    """
    dtype = x.dtype.to_complex() if phases.is_complex() else x.dtype
    return x * along_samples(phases.to(x.device, dtype), x)


def acted(x, shifts, flips, phases, boundary):
    """Flip, shift and rotate the phase of each object, in this order."""
    return turned(shifted(flipped_where(x, flips), shifts, boundary), phases)


def orbit_distances(x, y, *, shift=True, flip=True, phase=None, boundary="zero", squared=False):
    """Compute the distance from each `y` to the orbit of `x`.

    The gradient treats the best element as a constant.

    Parameters
    ----------
    x, y : torch.Tensor of shape (n_samples, *object_shape)
    shift, flip : bool
        Symmetries to minimise over.
    phase : bool, optional
        Whether to minimise over the phase; by default only if either batch is complex.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
    squared : bool
        Whether to return the square, which is infinite if it exceeds the range of float64.

    Returns
    -------
    torch.Tensor of shape (n_samples,), float64
        Distance of each pair.
    """
    if phase is None:
        phase = x.is_complex() or y.is_complex()
    boundary = check_boundary(boundary, x.ndim - 1)
    distances = partial(_distances, symmetries=(shift, flip, phase, boundary), squared=squared)
    return map_chunks(distances, x, y, values_per_sample=padded_values(x.shape[1:], boundary))


def _distances(x, y, symmetries, squared):
    # squares of float32 values never exceed the range of float64; those of float64 values may
    scale = torch.ones((), dtype=torch.float64)
    if not squared and torch.promote_types(x.dtype, y.dtype) in (torch.float64, torch.complex128):
        scale = torch.minimum(unit_scale(x), unit_scale(y))
        x, y = x * scale, y * scale
    boundary = symmetries[-1]
    with torch.no_grad():
        element = best_element(x.detach(), y.detach(), *symmetries)
    total = energy(acted(x, *element, boundary) - y) + lost_energy(
        x, element.shift, element.flip, boundary
    )
    return total if squared else total.sqrt() / scale.flatten()


def content_boxes(x):
    """Find the bounding boxes of the nonzero pixels.

    Returns the first pixel and the extent along each axis, both of shape (n_samples, n_axes).
    """
    starts, sizes = [], []
    # a sum of moduli is 0 exactly where all values are, and is several times faster than any()
    content = x.real.abs() + x.imag.abs() if x.is_complex() else x.abs()
    for axis in space_axes(x):
        others = [a for a in space_axes(x) if a != axis]
        profile = content.sum(dim=others) if others else content
        occupied = (profile > 0).to(torch.uint8)
        first = occupied.argmax(dim=1)
        last = x.shape[axis] - 1 - occupied.flip(1).argmax(dim=1)
        some = occupied.amax(dim=1).long()
        starts.append(first)
        sizes.append((last - first + 1) * some)
    return torch.stack(starts, dim=1), torch.stack(sizes, dim=1)


def window(values, starts, lengths):
    """Cut consecutive lags out of an array in FFT order.

    Along each axis, `lengths` lags are taken from `starts` on.
    """
    for axis, (start, length) in enumerate(zip(starts, lengths, strict=True), start=1):
        index = (torch.arange(length, device=values.device) + start).remainder(values.shape[axis])
        values = values.index_select(axis, index)
    return values
