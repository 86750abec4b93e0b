r"""Symmetry group of phase retrieval, acting on batches.

The oversampled Fourier magnitude of an object `x` does not change under

- **shift**: `x(r) -> x(r - t)`, where `t` is an integer vector. With `boundary="zero"` the object
  lies in a dark frame, and content that leaves the frame is lost; with `boundary="circular"` (no
  oversampling) it wraps around. Each axis may have its own boundary,
  `boundary=("circular", "zero")`, as measurements that oversample only some axes need;
- **flip**, the conjugate inversion: `x(r) -> conj(x(n - 1 - r))`, which is a rotation by 180
  degrees for real images;
- **phase**: `x -> e^{i theta} x`, which is the sign for real objects.

Every element is written `g x = e^{i theta} shift_t(flip^f(x))`: flip first, then shift, then phase.
Registration finds the element that brings one object closest to another, over all shifts at once by
FFT: with `c(t) = <shift_t x, y>`, `|g x - y|^2 = |x|^2 + |y|^2 - 2 Re(e^{-i theta} c(t))`, so the
best phase at `t` is the angle of `c(t)`, the phase of the sum.

The **content** of an object is what a shift must keep inside the frame. In exact darkness it
consists of the nonzero pixels. On a background it consists of the pixels above four times the level
of the background, without isolated hot pixels and without at most 1 % of the energy on each side;
:func:`background_level` measures the level and :func:`content_box` finds the content.

All functions take arrays of any numbers, lists or torch tensors of shape (n_samples,
\*object_shape) with one to three object axes. They compute in floating point, return arrays for
arrays and tensors for tensors, and keep gradients where these exist. Objects with NaN or infinity
are refused; the objects of a :class:`~skpr.LazyBatch` are moved when it is read.
"""

from ._action import act, flip, invert, rotate_phase, shift
from ._background import (
    LOOKED_AT,
    ContentMixin,
    background_level,
    background_levels,
    level_to_cut,
)
from ._content import boxes_of, content_box, content_of, without_background
from ._registration import correlate, orbit_distance, register
from .core import GroupElement

__all__ = [
    "LOOKED_AT",
    "ContentMixin",
    "GroupElement",
    "act",
    "background_level",
    "background_levels",
    "boxes_of",
    "content_box",
    "content_of",
    "correlate",
    "flip",
    "invert",
    "level_to_cut",
    "orbit_distance",
    "register",
    "rotate_phase",
    "shift",
    "without_background",
]
