"""Cropping and binning of patterns about zero frequency."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from .._tensors import unit_scale
from .._validation import check_shape, short, warn_user
from ._step import DetectorStep, entries


class Cropping(DetectorStep):
    """Crop patterns to their middle, where zero frequency stays.

    Parameters
    ----------
    shape : int or tuple of int
        Size of the window, one for all axes or one for each; a shorter axis is left unchanged.

    Warns
    -----
    UserWarning
        From `fit`, if a size given for one axis exceeds it, or no axis reaches the size.

    Examples
    --------
    >>> import numpy as np
    >>> Cropping(2).fit_transform(np.array([[1.0, 2.0, 3.0, 2.0]]))
    array([[2., 3.]])
    """

    _needs_centre = True

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def fit(self, X, y=None):
        r"""Check the window and store the shape of the arrays.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN at missing pixels.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid, or magnitudes are negative or infinite.
        """
        super().fit(X, y)
        sizes = check_shape("shape", self.shape, len(self.fourier_shape_))
        exceed = [n > m for n, m in zip(sizes, self.fourier_shape_, strict=True)]
        if all(exceed) or (any(exceed) and entries(self.shape) is not None):
            warn_user(
                f"shape={short(self.shape)} of Cropping exceeds patterns of shape "
                f"{self.fourier_shape_}, which are never enlarged: {_unchanged(exceed)}"
            )
        return self

    def _act(self, magnitudes):
        sizes = check_shape("shape", self.shape, magnitudes.ndim - 1)
        inside = [
            slice(max(0, m // 2 - n // 2), max(0, m // 2 - n // 2) + n)
            for m, n in zip(magnitudes.shape[1:], sizes, strict=True)
        ]
        return magnitudes[(slice(None), *inside)]

    def _check_parameters(self, shape):
        check_shape("shape", self.shape, len(shape))


def _unchanged(exceed):
    if all(exceed):
        return "they are left unchanged"
    return f"axis {exceed.index(True)} is left unchanged"


class Binning(DetectorStep):
    """Sum the intensities of blocks of pixels.

    A block with a missing pixel is missing. Zero frequency stays in the middle block, which an odd
    factor centres on it. With an even factor that is impossible: zero frequency then lies half a
    pixel off the middle of its block, or up to `(factor - 1) / 2` pixels where that loses less of
    the rim. The object is thereby multiplied by a phase ramp, which does not matter for complex
    objects. Pixels at the rim that do not fill a block are left out; an even factor that divides a
    size leaves none out.

    Parameters
    ----------
    factor : int or tuple of int, default=2
        Number of pixels of a block, one for all axes or one for each.

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
        # relative to the largest magnitude and in float64, squares that matter neither overflow nor
        # vanish
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
                f"factor={short(self.factor)} is not valid; no block fits into patterns of shape "
                f"{shape}"
            )


def blocks_of(size, factor):
    """Return the first pixel of the first block, and the number `n` of blocks.

    Block `n // 2` holds zero frequency. It is the middle pixel of an odd block; in an even block it
    is the pixel behind the middle or the first pixel, whichever leaves out fewer pixels.
    """
    places = [factor // 2] if factor % 2 else [factor // 2, 0]
    return max(
        (_blocks_about(size, factor, size // 2 - place) for place in places), key=itemgetter(1)
    )


def _blocks_about(size, factor, middle_first):
    """Return the first pixel and the number `n` of blocks.

    Block `n // 2` begins at the pixel `middle_first`.
    """
    before, after = middle_first // factor, (size - middle_first) // factor
    before = min(before, after)
    n_blocks = 2 * before + (1 if after > before else 0)
    return middle_first - before * factor, n_blocks
