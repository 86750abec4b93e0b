r"""The symmetry group of phase retrieval, acting on batches.

The oversampled Fourier magnitude of an object `x` does not change under

- **shift**: `x(r) -> x(r - t)`, `t` an integer vector. With `boundary="zero"` the object lies in a
  dark frame and what leaves the frame is lost; with `boundary="circular"` (no oversampling) it
  wraps around. Each axis may have a boundary of its own, `boundary=("circular", "zero")`, as
  measurements that oversample only some axes need;
- **flip**, the conjugate inversion: `x(r) -> conj(x(n - 1 - r))`, for real images a rotation by 180
  degrees;
- **phase**: `x -> e^{i theta} x`; for real objects the sign.

Every element is written `g x = e^{i theta} shift_t(flip^f(x))`: flip first, then shift, then phase.
Registration finds the element that brings one object closest to another, over all shifts at once by
FFT: with `c(t) = <shift_t x, y>`, `|g x - y|^2 = |x|^2 + |y|^2 - 2 Re(e^{-i theta} c(t))`, so the
best phase at `t` is the angle of `c(t)`, the phase of the sum.

All functions take arrays of any numbers, lists or torch tensors of shape (n_samples,
\*object_shape) with one to three object axes. They compute in floating point, return arrays for
arrays and tensors for tensors, and keep gradients where the mathematics has them. Objects with NaN
or infinity are refused; those of a :class:`~skpr.LazyBatch` are moved when it is read.
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
