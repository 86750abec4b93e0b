"""Missing pixels: beam stops, gaps and dead pixels."""

from __future__ import annotations

import math
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._validation import check_choice, check_count, check_flag, check_number, short, warn_user
from ._step import DetectorStep, is_range, lowest_and_highest, seeded_generator

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self

MOST_HIDDEN = 0.9  # fraction of pixels; a mask that hides more is most likely inverted


class BeamStop(DetectorStep):
    """Hide the pixels around zero frequency: they become NaN.

    Parameters
    ----------
    size : int or (int, int), default=5
        Width in pixels; 5 hides the central 5 x 5, and 0 hides nothing. If it is a pair, the size
        is drawn for each pattern between the two, ends included, so that one network can learn to
        serve several stops.
    shape : {"square", "disk"}, default="square"
        Shape of the stop. A disk hides the pixels closer to its middle than half its size.
    offset : int, default=0
        Largest distance of the stop's middle from zero frequency along each axis; the distance is
        drawn for each pattern.
    centered : bool, default=True
        Whether zero frequency is in the middle of a pattern, or at index 0.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. An int gives the same stops at every call.

    Examples
    --------
    >>> import numpy as np
    >>> BeamStop(1).fit_transform(np.ones((1, 4)))
    array([[ 1.,  1., nan,  1.]])
    """

    _needs_centre = True

    def __init__(
        self,
        size: Any = 5,
        shape: Any = "square",
        offset: Any = 0,
        centered: bool = True,
        random_state: Seed = None,
    ) -> None:
        self.size = size
        self.shape = shape
        self.offset = offset
        self.centered = centered
        self.random_state = random_state

    def _drawn(self, X):
        rng = check_random_state(self.random_state)
        smallest, largest = lowest_and_highest(self.size)
        sizes = rng.randint(smallest, largest + 1, size=len(X))
        offsets = rng.randint(-self.offset, self.offset + 1, size=(len(X), X.ndim - 1))
        return self._act, (sizes, offsets)

    def _act(self, magnitudes, sizes, offsets):
        distances = _distances(magnitudes, offsets.to(magnitudes.device), self.centered)
        # an even stop reaches one pixel further towards negative frequencies, as the grid does
        sizes = sizes.to(magnitudes.device).view([-1] + [1] * (magnitudes.ndim - 1))
        if self.shape == "square":
            hidden = torch.ones((), dtype=torch.bool, device=magnitudes.device)
            for distance in distances:
                hidden = hidden & (distance >= -(sizes // 2)) & (distance < (sizes + 1) // 2)
        else:
            hidden = 4 * sum(distance.square() for distance in distances) < sizes.square()
        return torch.where(hidden, torch.nan, magnitudes)

    def _check_parameters(self, shape):
        if not is_range(self.size, Integral, at_least=0):
            raise ValueError(
                f"size={short(self.size)} is not valid; give an integer >= 0 or a pair of integers "
                "(smallest, largest)"
            )
        check_count("offset", self.offset, low=0)
        check_choice("shape", self.shape, ("square", "disk"))
        check_flag("centered", self.centered)
        largest = torch.tensor([lowest_and_highest(self.size)[1]])
        seen = self._act(
            torch.ones(1, *shape), largest, torch.zeros(1, len(shape), dtype=torch.int64)
        )
        if math.prod(shape) > 1 and seen.isnan().all():
            raise ValueError(
                f"size={short(self.size)} is not valid; it hides every pixel of patterns of shape "
                f"{shape}"
            )


class MissingPixels(DetectorStep):
    """Hide detector gaps and dead pixels: they become NaN.

    Parameters
    ----------
    mask : array-like of bool, shape fourier_shape, optional
        Mask that is True at pixels missing in every pattern; 1 and 0 stand for True and False.
    fraction : float, default=0.0
        Fraction of further missing pixels, drawn for each pattern. It can also serve to hold pixels
        out.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. An int gives the same pixels at every call.

    Examples
    --------
    >>> import numpy as np
    >>> MissingPixels([False, True]).fit_transform(np.ones((1, 2)))
    array([[ 1., nan]])
    """

    _draws_pixels = True

    def __init__(self, mask: Any = None, fraction: Any = 0.0, random_state: Seed = None) -> None:
        self.mask = mask
        self.fraction = fraction
        self.random_state = random_state

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        r"""Check the parameters and store the shape of the arrays.

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

        Warns
        -----
        UserWarning
            If the mask hides more than nine tenths of the pixels.
        """
        super().fit(X)
        hidden = 0.0 if self.mask is None else _checked_mask(self.mask, self.fourier_shape_).mean()
        if hidden > MOST_HIDDEN:
            warn_user(
                f"mask hides {hidden:.0%} of the pixels: True marks missing pixels; give ~mask if "
                "it marks the measured ones"
            )
        return self

    def _drawn(self, X):
        generator = seeded_generator(check_random_state(self.random_state), X)
        mask = (
            None
            if self.mask is None
            else torch.from_numpy(_checked_mask(self.mask, self.fourier_shape_))
        )
        return partial(self._act, mask=mask, generator=generator), ()

    def _act(self, magnitudes, mask, generator):
        if mask is not None:
            magnitudes = torch.where(mask.to(magnitudes.device), torch.nan, magnitudes)
        if self.fraction > 0:
            draws = torch.rand(magnitudes.shape, generator=generator, device=magnitudes.device)
            magnitudes = torch.where(draws < self.fraction, torch.nan, magnitudes)
        return magnitudes

    def _check_parameters(self, shape):
        if self.mask is not None:
            _checked_mask(self.mask, shape)
        check_number("fraction", self.fraction, 0, 1, closed="left")


def _checked_mask(mask, shape):
    """Validate a mask and return it as an array of bool.

    It may hold True and False or 1 and 0, must have the shape of a pattern, and must not be True
    everywhere.
    """
    mask = mask.detach().cpu().numpy() if isinstance(mask, torch.Tensor) else _as_array(mask, shape)
    if mask.shape != tuple(shape):
        raise ValueError(f"mask has shape {mask.shape}; give one bool per pixel, of shape {shape}")
    if mask.dtype.kind not in "biuf":
        raise ValueError(f"mask is {mask.dtype}; give one bool per pixel, True where unmeasured")
    neither = ~np.isin(mask, (0, 1))
    if neither.any():
        raise ValueError(
            f"mask holds {mask[neither][0]:g}; give one bool per pixel, True where unmeasured"
        )
    mask = mask.astype(bool)
    if mask.all():
        raise ValueError(
            "mask is True everywhere, so no pixel is measured; True marks missing pixels: give "
            "~mask if it marks the measured ones"
        )
    return mask


def _as_array(mask, shape):
    try:
        return np.asarray(mask)
    except ValueError as error:
        raise ValueError(
            f"mask is not a rectangular array; give one bool per pixel, of shape {shape}"
        ) from error


def _distances(magnitudes, offsets, centered):
    """Compute the signed distances of pixels from a displaced zero frequency.

    The displacement is per sample. The result has one tensor per axis.
    """
    distances = []
    for axis, size in enumerate(magnitudes.shape[1:]):
        index = torch.arange(size, device=magnitudes.device)
        frequency = (
            index - size // 2
            if centered
            else torch.where(index < (size + 1) // 2, index, index - size)
        )
        displaced = frequency - offsets[:, axis, None]
        distances.append(
            displaced.view([-1] + [size if a == axis else 1 for a in range(magnitudes.ndim - 1)])
        )
    return distances
