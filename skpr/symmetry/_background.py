"""Background of objects: its level, as a fraction of their maximum.

- The level of an **object** is the root mean square of its modulus on the sides of its frame,
  divided by its maximum. It is the lower median over the sides, so content may touch some of them.
  The sides are those of the bounding box of the nonzero pixels: a shift in a dark frame brings in
  zeros on one side, and must not hide the background. The level is exactly 0 if the sides are dark.
- The level of a **set** of objects is the upper quartile over the objects that have a background,
  because in common noise the dimmer objects have a higher level. It is exactly 0 if fewer than one
  object in four has a background.
- Objects with a level above .1 **fill** their frame.

:mod:`._content` defines the content of objects above such a level.
"""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import bdtrc

from .._arrays import check_batch
from .._lazy import LazyBatch, some_of
from .._tensors import along_samples, map_chunks, space_axes, to_tensor
from .._validation import check_boundary, short, warn_user
from .core import content_boxes

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

FILLED = 0.1  # level above which objects fill their frame
CUT = 4.0  # threshold of the content as a multiple of the level
LOOKED_AT = 512  # number of training objects whose level is measured
_CHECKED = 64  # number of objects of a later batch whose level is measured
_CHANCE = 0.01  # probability below which the number of brighter objects is not a coincidence
_LEAST_SHARE = 0.25  # smallest fraction of objects with a background in a set that has one
_SIDE_PIXELS = 16  # smallest number of pixels to measure a level on; in 1-D a side is several deep
# Smallest fraction of nonzero pixels on a side with a background: noise clipped at 0 leaves half.
_LEAST_LIT = 0.25
# All bright pixels are isolated if the maximum exceeds this multiple of the brightest pixel that
# has an equally bright neighbour.
_HOT = 16.0


def background_levels(objects: Batch, boundary: Boundary = "zero") -> Any:
    """Measure the background of each object.

    The level is a fraction of the object's maximum.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects.
    boundary : {"zero", "circular"} or sequence of these, one for each axis
        Boundary of the frame. With "zero" the level is measured on the sides of the frame. If all
        axes are "circular", there are no sides, and the darkest lines are used.

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples,), float64
        Level of each object; exactly 0 in exact darkness.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.zeros((2, 8, 8))
    >>> x[:, 3:5, 2:6] = 1
    >>> x[1] += 0.01
    >>> background_levels(x).round(3)
    array([0.  , 0.01])
    """
    objects, boundary = checked_objects(objects, boundary)
    return map_chunks(partial(_levels, boundary=boundary), objects)


def background_level(
    objects: Batch, background: str | float = "auto", boundary: Boundary = "zero"
) -> float:
    """Measure the common background of a set of objects.

    The level is a fraction of the objects' maxima.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
        Real or complex objects. At most 512 of them, evenly spaced, are measured.
    background : "auto" or float, default="auto"
        Level to return unchanged (a number from 0 to below .25), or "auto" to measure it.
    boundary : {"zero", "circular"} or sequence of these, one for each axis

    Returns
    -------
    float
        Level of the set: exactly 0 in exact darkness, above .1 for objects that fill their frame.

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
    return _common_level(_some_levels(*checked_objects(objects, boundary), LOOKED_AT))


class ContentMixin:
    """Mixin for estimators that shift objects above a background.

    The estimator must have the parameter `background`.
    """

    def _fit_background(self, X, boundary, ways):
        """Set `background_` and return the level to cut at.

        Parameters
        ----------
        X : ndarray, torch.Tensor or LazyBatch
            Checked objects.
        boundary : tuple of str
        ways : str or None
            Advice for objects that fill their frame, added to the warning; None for no warning.

        Returns
        -------
        float
            Level for :func:`content_of`; 0 if every nonzero pixel is content.
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
                f"the objects fill their frame: on its sides they reach {self.background_:.0%} of "
                "their maximum. No shift keeps their content inside, so none is applied; "
                f"{ways}, or background= (a fraction of the maximum) to define what is dark"
            )
        return 0.0

    def _check_background(self, X, boundary):
        """Warn if a batch has a brighter background than the training set.

        The content of such objects is not found, so they are shifted too little.
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
                f"was fitted on objects with one of {self.background_:.1e}: their content is not "
                "found, and they are shifted too little; fit on objects like these, or set "
                "background="
            )


def check_background(background):
    """Refuse a background that is neither "auto" nor a level below .25."""
    if isinstance(background, str) and background == "auto":
        return
    valid = isinstance(background, Real) and not isinstance(background, bool | np.bool_)
    if not (valid and 0 <= background < 1 / CUT):
        raise ValueError(
            f"background={short(background)} is not valid; give 'auto' or a fraction of the "
            f"maximum from 0 to below {1 / CUT:g} (pixels below four times the level are cut)"
        )


def level_to_cut(objects, background, boundary):
    """Return the level at which :func:`content_of` must cut.

    It is 0 for objects that fill their frame: every nonzero pixel is content.
    """
    level = background_level(objects, background, boundary)
    return 0.0 if background == "auto" and level > FILLED else level


def checked_objects(objects, boundary):
    objects = check_batch(
        objects, name="objects", ensure_all_finite=not isinstance(objects, LazyBatch)
    )
    return objects, check_boundary(boundary, objects.ndim - 1)


# --- levels ---------------------------------------------------------------------------------------


def _some_levels(objects, boundary, n_samples):
    """Return the levels of at most `n_samples` of the objects as an array."""
    levels = map_chunks(partial(_levels, boundary=boundary), some_of(objects, n_samples))
    return np.asarray(to_tensor(levels).cpu())


def _common_level(levels):
    """Return the common level of a set of objects.

    It is that of the objects with a background, if there are enough of these.
    """
    has_background, fills = (levels > 0) & (levels <= FILLED), levels > FILLED
    if has_background.mean() >= _LEAST_SHARE:
        return float(np.quantile(levels[has_background], 0.75))
    return float(np.median(levels[fills])) if fills.mean() >= 0.5 else 0.0


def _brighter(levels, level):
    """Return a mask of the levels that exceed a common one.

    If the common level is 0, objects that fill their frame do not count as brighter.
    """
    return (levels > 2 * level) & ((level > 0) | (levels <= FILLED))


def _levels(x, boundary):
    """Measure the level of each object of a tensor, in float64."""
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
        _, peak = brightness(chosen, boundary)
        levels[rows[found]] = measure(chosen / along_samples(peak, chosen), boundary=boundary)
    return levels


def _has_dark_margins(x, boundary):
    """Return a mask of objects with two dark margins along some axis.

    The margins are wider than :func:`_reaches_out` requires, so this test is a fast shortcut: the
    level of such objects is 0.
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
    """Return a mask of objects whose nonzero pixels reach an edge.

    They must do so along every axis that does not wrap around. A background does, even after a
    shift that brought in zeros on one side. Noise that was clipped at 0 may leave a few dark pixels
    on both sides, so a narrow total margin is accepted, too.
    """
    reaches = (sizes > 0).all(dim=1)
    for axis, (n, wraps) in enumerate(zip(shape, boundary, strict=True)):
        if wraps == "zero":
            before, after = starts[:, axis], n - sizes[:, axis] - starts[:, axis]
            reaches &= (torch.minimum(before, after) == 0) | (before + after <= n // 8)
    return reaches


def _sides(modulus, starts, sizes, boundary):
    """Measure levels on the sides of the boxes of the nonzero pixels.

    The level is the lower median over the sides; it is 0 if that median is not a background.
    """
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
            line_sums(modulus.square(), axis),
            line_sums((modulus > 0).double(), axis),
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
    # few pixels of content may be dark by chance, so short sides must be darker to count
    limit = FILLED * (torch.stack(n_pixels).amin(dim=0) / _SIDE_PIXELS).clamp(max=1.0).sqrt()
    is_lit = torch.stack(lit).amin(dim=0) >= _LEAST_LIT
    return torch.where(is_lit & ((level <= limit) | (whole & (level > FILLED))), level, 0.0)


def _darkest_lines(modulus, boundary):
    """Measure levels on the darkest lines of any axis.

    The level is their root mean square; it is 0 if they are too bright for a background.
    """
    best = None
    for axis in space_axes(modulus):
        size = modulus.shape[axis]
        line = math.prod(modulus.shape[1:]) // size
        # neighbouring lines are averaged: the minimum over many single lines is biased low
        deep = max(1, size // 8)
        index = (
            torch.arange(size, device=modulus.device)[:, None]
            + torch.arange(deep, device=modulus.device)
        ) % size
        energies, counts = (
            line_sums(values, axis)[:, index].mean(dim=2) / line
            for values in (modulus.square(), (modulus > 0).double())
        )
        mean, where = energies.min(dim=1)
        mean = torch.where(counts.gather(1, where[:, None])[:, 0] >= _LEAST_LIT, mean, math.inf)
        best = mean if best is None else torch.minimum(best, mean)
    return torch.where(best.sqrt() <= FILLED, best.sqrt(), 0.0)


def _has_no_dark_line(modulus):
    lit = [(line_sums(modulus, axis) > 0).all(dim=1) for axis in space_axes(modulus)]
    return torch.stack(lit).all(dim=0)


# --- brightness -----------------------------------------------------------------------------------


def brightness(modulus, boundary):
    """Return the weight of each pixel and the maximum of each object.

    Both ignore isolated bright pixels, unless all bright pixels of the object are isolated.
    """
    beside = torch.minimum(modulus, _brightest_neighbours(modulus, boundary))
    peak, highest = (values.flatten(1).amax(dim=1) for values in (beside, modulus))
    alone = peak * _HOT < highest
    return torch.where(along_samples(alone, modulus), modulus, beside), torch.where(
        alone, highest, peak
    )


def _brightest_neighbours(modulus, boundary):
    """Return the largest neighbour of each pixel, corners included."""
    largest, neighbours = modulus, None
    for axis, wraps in zip(space_axes(modulus), boundary, strict=True):
        beside = torch.maximum(_moved(largest, 1, axis, wraps), _moved(largest, -1, axis, wraps))
        neighbours = beside if neighbours is None else torch.maximum(neighbours, beside)
        largest = torch.maximum(largest, beside)
    return neighbours


def _moved(values, step, axis, wraps):
    """Move values by one pixel along an axis.

    The edge receives 0, or the value of the other end if the axis wraps around.
    """
    moved = values.roll(step, axis)
    if wraps == "zero" or values.shape[axis] == 1:  # a pixel is not its own neighbour
        moved.select(axis, 0 if step > 0 else -1).zero_()
    return moved


def line_sums(values, axis):
    """Sum over all axes but the first and `axis`, in float64."""
    others = [a for a in space_axes(values) if a != axis]
    return values.sum(dim=others, dtype=torch.float64) if others else values.double()
