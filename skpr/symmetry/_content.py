"""The content of an object: where in its frame it is, by one rule that also holds above a
background.

Objects in exact darkness are simple: content is what is not 0. Reconstructions and measured objects
lie on a background, and content is a relative matter:

- The **background level** of an object is the root mean square of its modulus on the sides of its
  frame, over its maximum. The lower median of the sides counts, so that content may touch some; the
  sides are those of the bounding box of what is not 0, so that a shift in a dark frame, which
  brings in zeros on one side, does not hide the background. It is exactly 0 for objects with dark
  sides.
- The level of a **set** of objects is the upper quartile over those that have a background, because
  the dimmer objects in a common noise have more of it, and exactly 0 if these are fewer than one in
  four.
- **Content** at a level `b` is what exceeds `4 b` times the maximum, next to another such pixel:
  single bright pixels are hot pixels, and do not count for the maximum either. It may leave out, on
  each side, `b / 2` of the energy of what is left, but no less than .03 % and no more than 1 %.
- Objects whose sides have more than a tenth of their maximum **fill** their frame: all of it is
  content.

Objects whose bright pixels all stand alone have no hot pixels: there, every pixel above `4 b`
counts."""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import bdtrc

from .._arrays import check_batch
from .._lazy import LazyBatch, map_batch, some_of
from .._tensors import along_samples, map_chunks, space_axes, to_tensor
from .._validation import check_boundary, short, warn_user
from .core import content_boxes

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

FILLED = 0.1  # level above which objects fill their frame
_CUT = 4.0  # times the level: what is darker is background
_LEAST_SHARE = 0.25  # of objects with a background, in a set that has one
_LEAST_LIT = (
    0.25  # of the pixels of a side, where a background is: clipped noise lights half of them
)
_LEAST_LEFT_OUT, _MOST_LEFT_OUT = 3e-4, 1e-2  # of the energy, on each side of the content
_SIDE_PIXELS = 16  # in which a level is measured; in one dimension, several pixels deep
_HOT = (
    16.0  # times the maximum beside other bright pixels: beyond it, bright pixels all stand alone
)
LOOKED_AT = 512  # training objects whose level is measured
_CHECKED = 64  # objects of a later batch
_CHANCE = 0.01  # that as many objects are brighter than the training set's level


def background_levels(objects: Batch, boundary: Boundary = "zero") -> Any:
    """Measure the background of each object, as a fraction of its maximum.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
        With "zero" the sides of the frame are looked at; where all axes are "circular", which have
        no sides, the darkest lines.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples,), float64
        Exactly 0 for objects in exact darkness.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.zeros((2, 8, 8))
    >>> x[:, 3:5, 2:6] = 1
    >>> x[1] += 0.01
    >>> background_levels(x).round(3)
    array([0.  , 0.01])
    """
    objects, boundary = _checked(objects, boundary)
    return map_chunks(partial(_levels, boundary=boundary), objects)


def background_level(
    objects: Batch, background: str | float = "auto", boundary: Boundary = "zero"
) -> float:
    """Measure the background of a set of objects, as a fraction of their maxima.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects; of many, 512 at even distances are looked at.
    background : "auto" or float, default="auto"
        A number from 0 to below .25 is returned as it is.
    boundary : {"zero", "circular"} or sequence of these, one for each axis

    Returns
    -------
    float
        Exactly 0 for objects in exact darkness, and more than .1 for objects that fill their frame.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.zeros((2, 8, 8))
    >>> x[:, 3:5, 2:6] = 1
    >>> background_level(x), round(background_level(x - 0.01), 3)
    (0.0, 0.01)
    """
    check_background(background)
    if background != "auto":
        return float(background)
    return _common_level(_some_levels(*_checked(objects, boundary), LOOKED_AT))


def without_background(
    objects: Batch, background: str | float = "auto", boundary: Boundary = "zero"
) -> Any:
    """Set everything but the content of each object to 0.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    background : "auto" or float, default="auto"
        Level of the background as a fraction of the maximum, below .25; with "auto" that of
        :func:`background_level`. With 0, and with "auto" where objects lie in exact darkness or fill their frame, they
        are returned as they are.
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
    objects, boundary = _checked(objects, boundary)
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
        Level of the background as a fraction of the maximum, below .25; with "auto" that of
        :func:`background_level`. With 0, and with "auto" where objects lie in exact darkness or fill their frame,
        content is what is not 0.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
        A box does not wrap around: along "circular" axes it holds all of the content as it lies.

    Returns
    -------
    starts, sizes : ndarray or torch.Tensor of shape (n_samples, n_axes), integers
        First pixel and extent along each axis; 0 and 0 for an object that is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> content_box(np.array([[0.0, 1.0, 2.0, 0.0]]))
    (array([[1]]), array([[2]]))
    >>> content_box(np.array([[0.01, 1.01, 2.01, 0.01]]))
    (array([[1]]), array([[2]]))
    """
    objects, boundary = _checked(objects, boundary)
    return map_chunks(
        partial(boxes_of, level=level_to_cut(objects, background, boundary), boundary=boundary),
        objects,
    )


class ContentMixin:
    """Background of the training set, for estimators with the parameter `background` that shift
    objects.
    """

    def _fit_background(self, X, boundary, ways):
        """Learn `background_`; return the level at which to cut, 0 where all that is not 0 is
        content.

        Parameters
        ----------
        X : ndarray, torch.Tensor or LazyBatch
            Checked objects.
        boundary : tuple of str
        ways : str or None
            Advice for objects that fill their frame, for the warning. None for no warning.
        """
        check_background(self.background)
        self._usual_share = None
        if self.background != "auto":
            self.background_ = float(self.background)
            return self.background_
        levels = _some_levels(X, boundary, LOOKED_AT)
        self.background_ = _common_level(levels)
        self._usual_share = float(
            (_brighter(levels, self.background_).sum() + 1) / (len(levels) + 2)
        )
        if self.background_ <= FILLED:
            return self.background_
        if "zero" in boundary and ways is not None:
            warn_user(
                f"the objects fill their frame: on its sides they have {self.background_:.0%} of "
                f"their maximum, so no "
                f"shift keeps their content inside, and none is made; {ways}, or background= (a "
                f"fraction of the "
                "maximum) to say what is dark"
            )
        return 0.0

    def _check_background(self, X, boundary):
        """Warn of a batch whose background is brighter than that of the training set, so that it is
        not shifted.
        """
        if self._usual_share is None or "zero" not in boundary:
            return
        levels = _some_levels(X, boundary, _CHECKED)
        brighter = _brighter(levels, self.background_)
        if (
            brighter.mean() >= 0.5
            and bdtrc(brighter.sum() - 1, len(levels), self._usual_share) < _CHANCE
        ):
            warn_user(
                f"{brighter.sum()} of {len(levels)} objects have a background of about "
                f"{np.median(levels[brighter]):.1e} of their maximum, but {type(self).__name__} "
                f"was fitted on objects "
                f"with one of {self.background_:.1e}: their content is not found, and they are "
                f"shifted too little; fit "
                "on objects like these, or set background="
            )


def check_background(background):
    """Refuse a background that is neither "auto" nor a level at which something is left."""
    if isinstance(background, str) and background == "auto":
        return
    valid = isinstance(background, Real) and not isinstance(background, bool | np.bool_)
    if not (valid and 0 <= background < 1 / _CUT):
        raise ValueError(
            f"background={short(background)} is not valid; give 'auto' or a fraction of the "
            f"maximum from 0 to below "
            f"{1 / _CUT:g} (four times as much is cut)"
        )


def content_of(x, level, boundary):
    """Content of a tensor of objects at a level: all else is 0. The objects themselves at level 0.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, *object_shape)
    level : float
    boundary : tuple of str
    """
    if level == 0:
        return x
    modulus = x.detach().abs()
    bright, peak = _brightness(modulus, boundary)
    kept = bright > along_samples(_CUT * level * peak, x)
    # a hot pixel weighs no more than what is beside it
    weights = torch.where(kept, bright / along_samples(_over(peak), x), 0.0).square()
    left_out = min(max(level / 2, _LEAST_LEFT_OUT), _MOST_LEFT_OUT)
    for axis, wraps in zip(space_axes(x), boundary, strict=True):
        if wraps == "zero":
            kept = kept & _lines_within(_line_sums(weights, axis), left_out).view(
                _line_view(x, axis)
            )
    return torch.where(kept, x, 0.0)


def boxes_of(x, level, boundary):
    """Bounding boxes of the content of a tensor of objects, as :func:`content_box` gives them."""
    return content_boxes(content_of(x, level, boundary))


def _checked(objects, boundary):
    objects = check_batch(
        objects, name="objects", ensure_all_finite=not isinstance(objects, LazyBatch)
    )
    return objects, check_boundary(boundary, objects.ndim - 1)


def level_to_cut(objects, background, boundary):
    """Level for :func:`content_of`: 0 where objects fill their frame, so that all that is not 0 is
    content.
    """
    level = background_level(objects, background, boundary)
    return 0.0 if background == "auto" and level > FILLED else level


# --- levels ---------------------------------------------------------------------------------------


def _some_levels(objects, boundary, n_samples):
    """Levels of at most so many objects, as an array."""
    levels = map_chunks(partial(_levels, boundary=boundary), some_of(objects, n_samples))
    return np.asarray(to_tensor(levels).cpu())


def _common_level(levels):
    """Level of a set of objects: that of those which have a background, if these are not too few."""
    has_background, fills = (levels > 0) & (levels <= FILLED), levels > FILLED
    if has_background.mean() >= _LEAST_SHARE:
        return float(np.quantile(levels[has_background], 0.75))
    return float(np.median(levels[fills])) if fills.mean() >= 0.5 else 0.0


def _brighter(levels, level):
    """Which levels are beyond a common one; without one, objects that fill their frame have no
    background either.
    """
    return (levels > 2 * level) & ((level > 0) | (levels <= FILLED))


def _levels(x, boundary):
    """Level of each object of a tensor, float64."""
    x = x.detach()
    levels = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    rows = (~_has_dark_margins(x, boundary)).nonzero()[:, 0]
    modulus = x[rows].abs()
    if "zero" not in boundary:
        found = _has_no_dark_line(modulus)
        measure = _darkest_lines
    else:
        starts, sizes = content_boxes(modulus)
        found = _reaches_out(starts, sizes, x.shape[1:], boundary)
        measure = partial(_sides, starts=starts[found], sizes=sizes[found])
    if found.any():
        chosen = modulus[found]
        _, peak = _brightness(chosen, boundary)
        levels[rows[found]] = measure(chosen / along_samples(peak, chosen), boundary=boundary)
    return levels


def _has_dark_margins(x, boundary):
    """Whether both margins along an axis are dark, and wider than :func:`_reaches_out` asks: a
    quick look.
    """
    dark = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for axis, wraps in zip(space_axes(x), boundary, strict=True):
        size = x.shape[axis]
        width = size // 16 + 1
        if wraps == "zero" and 2 * width < size:
            margins = [
                x.narrow(axis, start, width).flatten(1).abs().amax(dim=1)
                for start in (0, size - width)
            ]
            dark |= torch.maximum(*margins) == 0
    return dark


def _reaches_out(starts, sizes, shape, boundary):
    """Whether what is not 0 reaches an edge of the frame along every axis that does not wrap
    around.

    So does a background, also after a shift that brought in zeros on one side; noise that was
    clipped at 0 may leave a few pixels of darkness on both."""
    reaches = (sizes > 0).all(dim=1)
    for axis, (n, wraps) in enumerate(zip(shape, boundary, strict=True)):
        if wraps == "zero":
            before, after = starts[:, axis], n - sizes[:, axis] - starts[:, axis]
            reaches &= (torch.minimum(before, after) == 0) | (before + after <= n // 8)
    return reaches


def _sides(modulus, starts, sizes, boundary):
    """Lower median over the sides of the box of what is not 0, or 0 where that is no background."""
    levels, lit, n_pixels = [], [], []
    whole = torch.ones(len(modulus), dtype=torch.bool, device=modulus.device)
    box = sizes.prod(dim=1)
    for axis, wraps in zip(space_axes(modulus), boundary, strict=True):
        if wraps == "circular":
            continue
        start, size = starts[:, axis - 1], sizes[:, axis - 1]
        line = box // size
        deep = torch.minimum(size, torch.full_like(size, max(1, modulus.shape[axis] // 8)))
        deep = torch.minimum(deep, (_SIDE_PIXELS + line - 1) // line)
        energies, counts = (
            _line_sums(modulus.square(), axis),
            _line_sums((modulus > 0).double(), axis),
        )
        index = torch.arange(modulus.shape[axis], device=modulus.device)
        for first in (start, start + size - deep):
            side = (index >= first[:, None]) & (index < (first + deep)[:, None])
            pixels = deep * line
            levels.append(((energies * side).sum(dim=1) / pixels).sqrt())
            lit.append((counts * side).sum(dim=1) / pixels)
            n_pixels.append(pixels)
        whole &= size == modulus.shape[axis]
    level = torch.stack(levels).sort(dim=0).values[(len(levels) - 1) // 2]
    # a few pixels of content may be dark by chance
    limit = FILLED * (torch.stack(n_pixels).amin(dim=0) / _SIDE_PIXELS).clamp(max=1.0).sqrt()
    is_lit = torch.stack(lit).amin(dim=0) >= _LEAST_LIT
    return torch.where(is_lit & ((level <= limit) | (whole & (level > FILLED))), level, 0.0)


def _darkest_lines(modulus, boundary):
    """Smallest root mean square over the lines of any axis, or 0 where that is no background."""
    best = None
    for axis in space_axes(modulus):
        size = modulus.shape[axis]
        line = math.prod(modulus.shape[1:]) // size
        deep = max(1, size // 8)  # the darkest of many lines is darker than the background
        index = (
            torch.arange(size, device=modulus.device)[:, None]
            + torch.arange(deep, device=modulus.device)
        ) % size
        energies, counts = (
            _line_sums(values, axis)[:, index].mean(dim=2) / line
            for values in (modulus.square(), (modulus > 0).double())
        )
        mean, where = energies.min(dim=1)
        mean = torch.where(counts.gather(1, where[:, None])[:, 0] >= _LEAST_LIT, mean, math.inf)
        best = mean if best is None else torch.minimum(best, mean)
    return torch.where(best.sqrt() <= FILLED, best.sqrt(), 0.0)


def _has_no_dark_line(modulus):
    lit = [(_line_sums(modulus, axis) > 0).all(dim=1) for axis in space_axes(modulus)]
    return torch.stack(lit).all(dim=0)


# --- brightness -----------------------------------------------------------------------------------


def _brightness(modulus, boundary):
    """Weight of each pixel and maximum of each object; neither sees pixels that are bright all
    alone.
    """
    beside = torch.minimum(modulus, _brightest_neighbours(modulus, boundary))
    peak, highest = (values.flatten(1).amax(dim=1) for values in (beside, modulus))
    alone = peak * _HOT < highest
    return torch.where(along_samples(alone, modulus), modulus, beside), torch.where(
        alone, highest, peak
    )


def _brightest_neighbours(modulus, boundary):
    """Largest of the pixels around each, corners included."""
    largest, neighbours = modulus, None
    for axis, wraps in zip(space_axes(modulus), boundary, strict=True):
        beside = torch.maximum(_moved(largest, 1, axis, wraps), _moved(largest, -1, axis, wraps))
        neighbours = beside if neighbours is None else torch.maximum(neighbours, beside)
        largest = torch.maximum(largest, beside)
    return neighbours


def _moved(values, step, axis, wraps):
    """Values of the pixel before or behind along an axis: 0, or the other end, at the edge."""
    moved = values.roll(step, axis)
    if wraps == "zero" or values.shape[axis] == 1:  # a pixel is not beside itself
        moved.select(axis, 0 if step > 0 else -1).zero_()
    return moved


# --- lines ----------------------------------------------------------------------------------------


def _line_sums(values, axis):
    """Sums over all axes but the samples and one, float64."""
    others = [a for a in space_axes(values) if a != axis]
    return values.sum(dim=others, dtype=torch.float64) if others else values.double()


def _line_view(x, axis):
    return [len(x)] + [x.shape[axis] if a == axis else 1 for a in space_axes(x)]


def _lines_within(energies, left_out):
    """Lines that are left when the outermost on each side go, up to a fraction of the energy."""
    limit = left_out * energies.sum(dim=1, keepdim=True)
    return (energies.cumsum(dim=1) > limit) & (energies.flip(1).cumsum(dim=1).flip(1) > limit)


def _over(peak):
    return torch.where(peak > 0, peak, 1.0)
