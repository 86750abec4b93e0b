r"""The symmetry group of phase retrieval, acting on batches.

The oversampled Fourier magnitude of an object `x` does not change under

- **shift**: `x(r) -> x(r - t)`, `t` an integer vector. With `boundary="zero"` the object lies in a dark frame and
  what leaves the frame is lost; with `boundary="circular"` (no oversampling) it wraps around;
- **flip**, the conjugate inversion: `x(r) -> conj(x(n - 1 - r))`, for real images a rotation by 180 degrees;
- **phase**: `x -> e^{i theta} x`; for real objects the sign.

Every element is written `g x = e^{i theta} shift_t(flip^f(x))`: flip first, then shift, then phase. Registration
finds the element that brings one object closest to another, over all shifts at once by FFT: with
`c(t) = <shift_t x, y>`, `|g x - y|^2 = |x|^2 + |y|^2 - 2 Re(e^{-i theta} c(t))`, so the best phase at `t` is the
angle of `c(t)`, the phase of the sum.

All functions take NumPy arrays or torch tensors of shape (n_samples, \*object_shape) with one to three object axes,
return what they were given, and keep gradients where the mathematics has them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len

from ._arrays import check_boundary
from ._lazy import map_batch
from ._tensors import map_chunks, space_axes

if TYPE_CHECKING:
    from ._typing import Batch

__all__ = [
    "GroupElement",
    "act",
    "content_box",
    "correlate",
    "flip",
    "invert",
    "orbit_distance",
    "register",
    "rotate_phase",
    "shift",
]


class GroupElement(NamedTuple):
    """One symmetry operation a sample, `g x = phase * shift(flip^f x)`.

    Attributes
    ----------
    shift : ndarray or torch.Tensor of shape (n_samples, n_axes), integers
        Displacement in pixels along each object axis.
    flip : ndarray or torch.Tensor of shape (n_samples,), bool
        Whether the object is conjugate-inverted, before the shift.
    phase : ndarray or torch.Tensor of shape (n_samples,)
        Unit factor, complex for complex objects, +1 or -1 for real ones.

    Examples
    --------
    >>> import numpy as np
    >>> GroupElement(shift=np.array([[1, 0]]), flip=np.array([True]), phase=np.array([1.0])).flip
    array([ True])
    """

    shift: Any
    flip: Any
    phase: Any


def shift(objects: Batch, shifts: Any, boundary: str = "zero") -> Any:
    """Move each object by an integer number of pixels.

    Parameters
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    shifts : array-like of shape (n_samples, n_axes) or (n_axes,), integers
        Displacement along each axis in pixels; one row for all objects if 1-D.
    boundary : {"zero", "circular"}
        Whether content that leaves the frame is lost or comes in on the other side.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)

    Examples
    --------
    >>> import numpy as np
    >>> shift(np.array([[1.0, 2.0, 3.0]]), [1])
    array([[0., 1., 2.]])
    >>> shift(np.array([[1.0, 2.0, 3.0]]), [1], boundary="circular")
    array([[3., 1., 2.]])
    """
    check_boundary(boundary)
    shifts = _per_sample(shifts, (len(objects), objects.ndim - 1), "shifts")
    return map_batch(partial(_shift_whole, boundary=boundary), objects, shifts)


def flip(objects: Batch, where: Any = None) -> Any:
    """Conjugate-invert objects about the centre of their frame: reverse every space axis and conjugate.

    Parameters
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, *object_shape)
    where : array-like of shape (n_samples,), bool, optional
        Which objects to flip; all of them if not given.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)

    Examples
    --------
    >>> import numpy as np
    >>> flip(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1.]])
    """
    if where is None:
        return map_batch(_flip, objects)
    return map_batch(_flip_where, objects, _per_sample(where, (len(objects),), "where"))


def rotate_phase(objects: Batch, phases: Any) -> Any:
    """Multiply each object by a unit number.

    Parameters
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, *object_shape)
    phases : array-like of shape (n_samples,)
        Unit complex numbers, or +1 and -1. Complex phases make a real object complex.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)

    Examples
    --------
    >>> import numpy as np
    >>> rotate_phase(np.array([[1.0, 2.0]]), [-1.0])
    array([[-1., -2.]])
    """
    return map_batch(_rotate_phase, objects, _per_sample(phases, (len(objects),), "phases"))


def act(objects: Batch, element: GroupElement, boundary: str = "zero") -> Any:
    """Apply one group element to each object: flip, then shift, then phase.

    Parameters
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, *object_shape)
    element : GroupElement
        One operation a sample.
    boundary : {"zero", "circular"}

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)

    Examples
    --------
    >>> import numpy as np
    >>> g = GroupElement(shift=np.array([[1]]), flip=np.array([True]), phase=np.array([-1.0]))
    >>> act(np.array([[1.0, 2.0, 0.0]]), g)
    array([[-0., -0., -2.]])
    """
    moved = shift(flip(objects, element.flip), element.shift, boundary)
    return rotate_phase(moved, element.phase)


def invert(element: GroupElement) -> Any:
    """The inverse group element: `act(act(x, g), invert(g)) == x` while no content leaves the frame.

    Conjugate inversion turns a shift by `t` into one by `-t` and a phase into its conjugate, so a flipped element
    keeps its shift and phase and an upright one reverses both.

    Examples
    --------
    >>> import numpy as np
    >>> g = GroupElement(np.array([[1]]), np.array([True]), np.array([-1.0]))
    >>> act(act(np.array([[0.0, 1.0, 2.0, 0.0]]), g), invert(g))
    array([[0., 1., 2., 0.]])
    """
    flipped = element.flip
    sign = 2 * flipped.astype(np.int64) - 1 if isinstance(flipped, np.ndarray) else 2 * flipped.long() - 1
    where = np.where if isinstance(flipped, np.ndarray) else torch.where
    return GroupElement(sign[:, None] * element.shift, flipped, where(flipped, element.phase, element.phase.conj()))


def content_box(objects):
    """Bounding box of the non-zero content of each object.

    Returns
    -------
    starts, sizes : ndarray or torch.Tensor of shape (n_samples, n_axes), integers
        First pixel and extent along each axis; 0 and 0 for an object that is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> content_box(np.array([[0.0, 1.0, 2.0, 0.0]]))
    (array([[1]]), array([[2]]))
    """
    return map_chunks(_content_box, objects)


def correlate(objects, references, boundary="zero"):
    """Inner products `c(t) = <shift_t x, y> = sum_r conj(x(r - t)) y(r)` for all shifts `t`, by FFT.

    Parameters
    ----------
    objects, references : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        `references` may hold one sample, which then serves for all.
    boundary : {"zero", "circular"}

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *lags)
        With "zero", `2 n - 1` lags an axis, from `-(n - 1)` to `n - 1` as in :func:`scipy.signal.correlate`; with
        "circular", `n` lags from 0.

    Examples
    --------
    >>> import numpy as np
    >>> correlate(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])).round()
    array([[0., 0., 3.]])
    """
    check_boundary(boundary)
    references = _broadcast(references, objects)
    sizes = objects.shape[1:]

    def centred(x, y):
        upright, _ = correlations(x, y, boundary, flips=(False,))
        if boundary == "circular":
            return upright
        return _window(upright, [-(n - 1) for n in sizes], [2 * n - 1 for n in sizes])

    return map_chunks(centred, objects, references)


def register(
    objects: Batch,
    references: Batch,
    *,
    shift: bool = True,
    flip: bool = True,
    phase: bool | None = None,
    boundary: str = "zero",
) -> tuple[Any, GroupElement]:
    """Move each object onto its reference: the member of its orbit closest to the reference.

    Parameters
    ----------
    objects, references : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        `references` may hold one sample, which then serves for all.
    shift, flip : bool
        Symmetries to register over.
    phase : bool, optional
        Whether to register the phase (the sign, for real objects); by default only where either batch is complex.
    boundary : {"zero", "circular"}
        With "zero" all shifts are tried, also those that move content out of the frame.

    Returns
    -------
    registered : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        `act(objects, element)`.
    element : GroupElement
        What was done to each object. Of equal candidates the upright one and the smallest non-negative shift win.

    Examples
    --------
    >>> import numpy as np
    >>> registered, element = register(np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[2.0, 1.0, 0.0, 0.0]]))
    >>> registered, element.flip, element.shift
    (array([[2., 1., 0., 0.]]), array([ True]), array([[-1]]))
    """
    check_boundary(boundary)
    references = _broadcast(references, objects)
    if phase is None:
        phase = _is_complex(objects) or _is_complex(references)

    def search(x, y):
        with torch.no_grad():
            return best_element(x.detach(), y.detach(), shift, flip, phase, boundary)

    element = map_chunks(search, objects, references, values_per_sample=_padded_values(objects, boundary))
    return act(objects, element, boundary), element


def orbit_distance(objects: Batch, references: Batch, *, squared: bool = False, **symmetries: Any) -> Any:
    """Euclidean distance between orbits, `min_g |g x - y|`, over the whole plane.

    Content that the best shift moves out of the frame counts: nothing is gained by hiding it. The gradient is that
    of the distance at the best element, which is the gradient of the minimum wherever it has one.

    Parameters
    ----------
    objects, references : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        `references` may hold one sample, which then serves for all.
    squared : bool
        Whether to return the square, whose gradient also exists at 0.
    **symmetries
        `shift`, `flip`, `phase` and `boundary` of :func:`register`.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples,), float64

    Examples
    --------
    >>> import numpy as np
    >>> orbit_distance(np.array([[0.0, 1.0, 2.0]]), np.array([[2.0, 1.0, 0.0]]))
    array([0.])
    """
    references = _broadcast(references, objects)
    registered, element = register(objects, references, **symmetries)
    boundary = symmetries.get("boundary", "zero")

    def distance(x, moved, y, shifts, flips):
        total = energy(moved - y) + lost_energy(x, shifts, flips, boundary)
        return total if squared else total.sqrt()

    return map_chunks(distance, objects, registered, references, element.shift, element.flip)


# --- the tensor core, called by metrics, losses and canonicalization ------------------------------------------


def energy(x):
    """Sum of `|x|^2` over space, accumulated in float64, so that equal values cancel exactly whatever their order."""
    square = x.real.square() + x.imag.square() if x.is_complex() else x.square()
    return square.sum(dim=space_axes(x), dtype=torch.float64)


def lost_energy(x, shifts, flips, boundary):
    """`|x|^2` of the content that a flip and shift move out of the frame: exactly 0 where none is."""
    if boundary == "circular":
        return torch.zeros(len(x), dtype=torch.float64, device=x.device)
    upright = _flip_where(x, flips)
    return energy(upright - _shift(_shift(upright, shifts, boundary), -shifts, boundary))


def inner(x, y):
    """`<x, y> = sum conj(x) y` over space."""
    return (x.conj() * y).sum(dim=space_axes(x))


def unit(values):
    """`values / |values|`, and 1 where the value is 0 or too small to divide by; the sign, for real values."""
    if values.is_complex():
        none = values.real.abs() + values.imag.abs() < torch.finfo(values.real.dtype).tiny
        return torch.where(none, 1.0, torch.where(none, 1.0, values).sgn())
    return torch.where(values < 0, -1.0, 1.0).to(values.dtype)


def correlations(x, y, boundary, flips=(False, True)):
    """Correlations of `x`, and of its flip, with `y`, at all lags in FFT order.

    Returns a pair of tensors of shape (n_samples, *grid), `None` where an orientation is not among `flips`. The lag of
    the flipped one is that of the shift after :func:`flip`. Both share the two forward transforms: the spectrum of the
    flip is the conjugate of the spectrum, up to the displacement `n - 1` of the origin.
    """
    axes = space_axes(x)
    sizes = x.shape[1:]
    grid = _lag_grid(sizes, boundary)
    if x.is_complex() or y.is_complex():
        spectrum, reference = torch.fft.fftn(x, s=grid, dim=axes), torch.fft.fftn(y, s=grid, dim=axes)
        back = torch.fft.ifftn
    else:
        spectrum, reference = torch.fft.rfftn(x, s=grid, dim=axes), torch.fft.rfftn(y, s=grid, dim=axes)
        back = torch.fft.irfftn
    upright = back(reference * spectrum.conj(), s=grid, dim=axes) if False in flips else None
    flipped = None
    if True in flips:
        turned = back(reference * spectrum, s=grid, dim=axes)
        flipped = turned.roll([1 - n for n in sizes], axes)
    return upright, flipped


def best_element(x, y, use_shift, use_flip, use_phase, boundary):
    """The group element over the chosen symmetries that brings `x` closest to `y`."""
    flips = (False, True) if use_flip else (False,)
    if use_shift:
        scores = [c.flatten(1) for c in correlations(x, y, boundary, flips) if c is not None]
    else:
        scores = [inner(_flip(x) if flipped else x, y)[:, None] for flipped in flips]
    measure = torch.abs if use_phase else torch.real
    peaks, lags = zip(*(measure(c).max(dim=1) for c in scores), strict=True)
    flipped = peaks[1] > peaks[0] if use_flip else torch.zeros_like(peaks[0], dtype=torch.bool)
    lag = torch.where(flipped, lags[-1], lags[0])
    value = torch.where(flipped[:, None], scores[-1], scores[0]).gather(1, lag[:, None])[:, 0] if use_phase else None
    shifts = _signed_lags(lag, x.shape[1:], boundary) if use_shift else lag.new_zeros(len(x), x.ndim - 1)
    phase = unit(value) if use_phase else torch.ones(len(x), dtype=x.dtype, device=x.device)
    return GroupElement(shifts, flipped, phase)


def _lag_grid(sizes, boundary):
    """Grid on which correlations hold all lags without running into one another."""
    return [n if boundary == "circular" else next_fast_len(2 * n - 1, real=True) for n in sizes]


def _signed_lags(flat_lags, sizes, boundary):
    """Flat FFT-order lag indices as displacements; circular ones stay in 0 .. n - 1."""
    grid = _lag_grid(sizes, boundary)
    lags = torch.stack(torch.unravel_index(flat_lags, tuple(grid)), dim=1)
    if boundary == "circular":
        return lags
    limits = torch.tensor(sizes, device=lags.device)
    return torch.where(lags < limits, lags, lags - torch.tensor(grid, device=lags.device))


def _shift_whole(x, shifts, boundary):
    return _shift(x, shifts.to(torch.int64), boundary)


def _shift(x, shifts, boundary):
    inside = None
    for axis in space_axes(x):
        size = x.shape[axis]
        source = torch.arange(size, device=x.device) - shifts[:, axis - 1, None]
        view = [len(x)] + [size if a == axis else 1 for a in space_axes(x)]
        if boundary == "circular":
            source = source.remainder(size)
        else:
            valid = ((source >= 0) & (source < size)).view(view)
            inside = valid if inside is None else inside & valid
            source = source.clamp(0, size - 1)
        x = x.gather(axis, source.view(view).expand_as(x))
    return x if inside is None else x.where(inside, x.new_zeros(()))


def _flip(x):
    return x.flip(space_axes(x)).conj().resolve_conj()


def _flip_where(x, where):
    if not where.any():
        return x
    return torch.where(_along_samples(where.bool(), x), _flip(x), x)


def _rotate_phase(x, phases):
    dtype = x.dtype.to_complex() if phases.is_complex() else x.dtype
    return x * _along_samples(phases.to(x.device, dtype), x)


def _content_box(x):
    starts, sizes = [], []
    # sums of moduli vanish exactly where all values do, and are several times faster than any()
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


def _window(values, starts, lengths):
    """Cut consecutive FFT-order lags out of a periodic array."""
    for axis, (start, length) in enumerate(zip(starts, lengths, strict=True), start=1):
        index = (torch.arange(length, device=values.device) + start).remainder(values.shape[axis])
        values = values.index_select(axis, index)
    return values


def _along_samples(values, x):
    return values.view([len(values)] + [1] * (x.ndim - 1))


def _is_complex(batch):
    return batch.is_complex() if isinstance(batch, torch.Tensor) else np.iscomplexobj(batch)


def _per_sample(values, shape, name):
    """One row of values for each sample, given per sample or once for all; the container is kept."""
    if not isinstance(values, torch.Tensor):
        values = np.asarray(values)
    if len(shape) == 2 and tuple(values.shape) == (shape[1],):
        values = values.expand(shape) if isinstance(values, torch.Tensor) else np.broadcast_to(values, shape)
    if tuple(values.shape) != tuple(shape):
        raise ValueError(f"{name} has shape {tuple(values.shape)}; these objects need shape {tuple(shape)}")
    if name == "shifts" and not _is_integer(values):
        raise TypeError(f"shifts are whole pixels; got {values.dtype}")
    return values


def _is_integer(values):
    if isinstance(values, torch.Tensor):
        return not values.dtype.is_floating_point and not values.is_complex()
    return values.dtype.kind in "iub"


def _broadcast(references, objects):
    if references.shape[1:] != objects.shape[1:] or len(references) not in (1, len(objects)):
        raise ValueError(
            f"references of shape {tuple(references.shape)} do not match objects of shape {tuple(objects.shape)}; "
            "give one reference per object, or one for all"
        )
    if len(references) == len(objects):
        return references
    shape = tuple(objects.shape)
    return references.expand(shape) if isinstance(references, torch.Tensor) else np.broadcast_to(references, shape)


def _padded_values(objects, boundary):
    values = int(np.prod(objects.shape[1:]))
    return values if boundary == "circular" else values * 2 ** (objects.ndim - 1)
