"""What is not measured: beam stops, gaps and dead pixels."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._arrays import check_choice
from ._step import DetectorStep, is_range, seeded_generator

if TYPE_CHECKING:
    from .._typing import Seed


class BeamStop(DetectorStep):
    """Hide the pixels about zero frequency: they become NaN.

    Parameters
    ----------
    size : int or (int, int), default=5
        Pixels across; 5 hides the central 5 x 5. A pair is drawn between, ends included, for each pattern, so that one
        network may learn to serve several stops; 0 hides nothing.
    shape : {"square", "disk"}, default="square"
        A disk hides what is nearer to its middle than half its size.
    offset : int, default=0
        Largest distance of its middle from zero frequency along each axis, drawn for each pattern.
    centered : bool, default=True
    random_state : int, RandomState instance or None, default=None
        With an int every call draws the same stops.

    Examples
    --------
    >>> import numpy as np
    >>> BeamStop(1).fit_transform(np.ones((1, 4)))
    array([[ 1.,  1., nan,  1.]])
    """

    def __init__(
        self, size: Any = 5, shape: Any = "square", offset: Any = 0, centered: bool = True, random_state: Seed = None
    ) -> None:
        self.size = size
        self.shape = shape
        self.offset = offset
        self.centered = centered
        self.random_state = random_state

    def _drawn(self, X):
        rng = check_random_state(self.random_state)
        smallest, largest = np.broadcast_to(self.size, 2)
        sizes = rng.randint(smallest, largest + 1, size=len(X))
        offsets = rng.randint(-self.offset, self.offset + 1, size=(len(X), X.ndim - 1))
        return self._act, (sizes, offsets)

    def _act(self, magnitudes, sizes, offsets):
        distances = _distances(magnitudes, offsets.to(magnitudes.device), self.centered)
        # an even stop reaches further towards negative frequencies, as the grid does
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
                f"size={self.size!r} is not valid; give an integer >= 0 or a pair (smallest, largest) of them"
            )
        if not isinstance(self.offset, Integral) or self.offset < 0:
            raise ValueError(f"offset={self.offset!r} is not valid; give an integer >= 0")
        check_choice("shape", self.shape, ("square", "disk"))


class MissingPixels(DetectorStep):
    """Hide the gaps between detector modules and dead pixels: they become NaN.

    Parameters
    ----------
    mask : array-like of bool, shape fourier_shape, optional
        True where every pattern is unmeasured.
    fraction : float, default=0.0
        Share of pixels that are unmeasured besides, drawn for each pattern; also a way to hold pixels out.
    random_state : int, RandomState instance or None, default=None
        With an int every call draws the same pixels.

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

    def _drawn(self, X):
        return partial(self._act, generator=seeded_generator(check_random_state(self.random_state), X)), ()

    def _act(self, magnitudes, generator):
        if self.mask is not None:
            mask = torch.as_tensor(np.asarray(self.mask, dtype=bool), device=magnitudes.device)
            magnitudes = torch.where(mask, torch.nan, magnitudes)
        if self.fraction > 0:
            draws = torch.rand(magnitudes.shape, generator=generator, device=magnitudes.device)
            magnitudes = torch.where(draws < self.fraction, torch.nan, magnitudes)
        return magnitudes

    def _check_parameters(self, shape):
        if self.mask is not None and np.shape(self.mask) != shape:
            raise ValueError(f"mask has shape {np.shape(self.mask)}; give one bool a pixel, of shape {shape}")
        if not isinstance(self.fraction, Real) or not 0 <= self.fraction < 1:
            raise ValueError(f"fraction={self.fraction!r} is not valid; give a number with 0 <= fraction < 1")


def _distances(magnitudes, offsets, centered):
    """Signed distances of pixels from zero frequency, displaced for each sample, one tensor an axis."""
    distances = []
    for axis, size in enumerate(magnitudes.shape[1:]):
        index = torch.arange(size, device=magnitudes.device)
        frequency = index - size // 2 if centered else torch.where(index < (size + 1) // 2, index, index - size)
        displaced = frequency - offsets[:, axis, None]
        distances.append(displaced.view([-1] + [size if a == axis else 1 for a in range(magnitudes.ndim - 1)]))
    return distances
