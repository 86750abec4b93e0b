"""Windows on the frame: cropping and binning about zero frequency."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from .._tensors import unit_scale
from .._validation import check_shape, short
from ._step import DetectorStep


class Cropping(DetectorStep):
    """Cut the middle out of patterns; zero frequency, in the middle, stays there.

    Parameters
    ----------
    shape : int or tuple of int
        Size of the window, along all axes or along each; an axis shorter than that stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> Cropping(2).fit_transform(np.array([[1.0, 2.0, 3.0, 2.0]]))
    array([[2., 3.]])
    """

    _needs_centre = True

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def _act(self, magnitudes):
        sizes = check_shape("shape", self.shape, magnitudes.ndim - 1)
        inside = [
            slice(max(0, m // 2 - n // 2), max(0, m // 2 - n // 2) + n)
            for m, n in zip(magnitudes.shape[1:], sizes, strict=True)
        ]
        return magnitudes[(slice(None), *inside)]

    def _check_parameters(self, shape):
        check_shape("shape", self.shape, len(shape))


class Binning(DetectorStep):
    """Add up the intensities of blocks of pixels; a block with an unmeasured pixel is unmeasured.

    Zero frequency stays in the middle: for an odd factor the middle block is centred on it. With an
    even factor there is no such block, and zero frequency is half a pixel off the middle of its
    own, or up to `(factor - 1) / 2` pixels where that loses less of the rim: the object is
    multiplied by a phase ramp, which does not matter to complex ones. Pixels at the rim that fill
    no block are left out; an even factor that divides a size leaves none out.

    Parameters
    ----------
    factor : int or tuple of int, default=2
        Pixels of a block along all axes, or along each.

    Examples
    --------
    >>> import numpy as np
    >>> Binning(3).fit_transform(np.array([[1.0, 2.0, 3.0, 2.0, 1.0]])) ** 2
    array([[17.]])
    """

    _needs_centre = True

    def __init__(self, factor: Any = 2) -> None:
        self.factor = factor

    def _act(self, magnitudes):
        # in float64 and relative to the largest magnitude, no square overflows, and none that
        # matters vanishes
        scale = unit_scale(magnitudes.nan_to_num(0.0)).double()
        intensities = (magnitudes.double() * scale).square()
        for axis, factor in enumerate(
            check_shape("factor", self.factor, magnitudes.ndim - 1), start=1
        ):
            first, n_blocks = blocks_of(magnitudes.shape[axis], factor)
            inside = intensities.narrow(axis, first, n_blocks * factor)
            intensities = inside.unflatten(axis, (n_blocks, factor)).sum(dim=axis + 1)
        return (intensities.sqrt() / scale).to(magnitudes.dtype)

    def _check_parameters(self, shape):
        factors = check_shape("factor", self.factor, len(shape))
        if any(blocks_of(m, f)[1] < 1 for m, f in zip(shape, factors, strict=True)):
            raise ValueError(
                f"factor={short(self.factor)} is not valid; it leaves no block of patterns of "
                f"shape {shape}"
            )


def blocks_of(size, factor):
    """First pixel of the first block and number of blocks, of which number `n // 2` holds zero
    frequency.

    Zero frequency is in the middle of an odd block, and just behind the middle or first in an even
    one, whichever leaves out fewer pixels."""
    places = [factor // 2] if factor % 2 else [factor // 2, 0]
    return max(
        (_blocks_about(size, factor, size // 2 - place) for place in places), key=itemgetter(1)
    )


def _blocks_about(size, factor, middle_first):
    """First pixel and number of blocks, of which number `n // 2` begins at a pixel."""
    before, after = middle_first // factor, (size - middle_first) // factor
    before = min(before, after)
    n_blocks = 2 * before + (1 if after > before else 0)
    return middle_first - before * factor, n_blocks
