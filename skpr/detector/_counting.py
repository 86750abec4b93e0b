"""From intensities to readings: coherence, photons, read-out noise, saturation, quantisation."""

from __future__ import annotations

import math
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._arrays import check_choice
from .._tensors import space_axes
from ..coherence import blur, coherence_transfer, covariance_of_widths
from ._step import DetectorStep, is_range, one_an_axis, seeded_generator

if TYPE_CHECKING:
    from .._typing import Seed


class PartialCoherence(DetectorStep):
    """Blur intensities by a Gaussian, as a source of finite size or the point spread of a detector do.

    The convolution wraps around; see :mod:`skpr.coherence` for the mathematics and its source.

    Parameters
    ----------
    width : float or tuple of float, default=0.5
        Standard deviation in Fourier pixels, for all axes or one for each.

    Examples
    --------
    >>> import numpy as np
    >>> (PartialCoherence(1.0).fit_transform(np.eye(1, 7, 3)) ** 2).round(2)
    array([[0.  , 0.05, 0.24, 0.4 , 0.24, 0.05, 0.  ]])
    """

    _accepts_nan = False

    def __init__(self, width: Any = 0.5) -> None:
        self.width = width

    def _act(self, magnitudes):
        widths = one_an_axis(self.width, magnitudes.ndim - 1)
        transfer = coherence_transfer(covariance_of_widths(widths), magnitudes.shape[1:], magnitudes)
        return blur(magnitudes.square(), transfer).sqrt()

    def _check_parameters(self, shape):
        widths = one_an_axis(self.width, len(shape))
        if len(widths) != len(shape) or not all(isinstance(w, Real) and 0 <= w < math.inf for w in widths):
            raise ValueError(f"width={self.width!r} is not valid; give Fourier pixels >= 0, or one such number an axis")


class PhotonNoise(DetectorStep):
    """Count photons: Poisson noise at a given exposure.

    Magnitudes `b` become `sqrt(Poisson(s b^2))`, square roots of counts, with `s` such that the measured pixels of a
    pattern are expected to count `n_photons` together.

    Parameters
    ----------
    n_photons : float, (float, float) or None, default=1e6
        Expected photons of a pattern; a pair is drawn between, uniformly in the logarithm, for each pattern; None
        takes intensities as the photons to expect.
    random_state : int, RandomState instance or None, default=None
        With an int every call draws the same noise.

    Examples
    --------
    >>> import numpy as np
    >>> counted = PhotonNoise(1000, random_state=0).fit_transform(np.array([[1.0, 2.0, 1.0]]))
    >>> bool(900 < (counted**2).sum() < 1100)
    True
    """

    _draws_pixels = True

    def __init__(self, n_photons: Any = 1e6, random_state: Seed = None) -> None:
        self.n_photons = n_photons
        self.random_state = random_state

    def _drawn(self, X):
        rng = check_random_state(self.random_state)
        photons = np.full(len(X), np.nan)
        if self.n_photons is not None:
            lowest, highest = np.broadcast_to(self.n_photons, 2)
            photons = np.exp(rng.uniform(np.log(lowest), np.log(highest), size=len(X)))
        return partial(self._act, generator=seeded_generator(rng, X)), (photons,)

    def _act(self, magnitudes, photons, generator):
        known = ~magnitudes.isnan()
        seen = torch.where(known, magnitudes, 0.0)
        expected = seen.square() if self.n_photons is None else _exposed(seen, photons)
        return torch.where(known, torch.poisson(expected, generator=generator).sqrt(), torch.nan)

    def _check_parameters(self, shape):
        valid = self.n_photons is None or is_range(self.n_photons, Real, above=0)
        if not valid:
            raise ValueError(
                f"n_photons={self.n_photons!r} is not valid; give a number > 0, a pair (lowest, highest) or None"
            )


class ReadoutNoise(DetectorStep):
    """Add normal noise to counts; readings below zero are zero.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation in counts.
    random_state : int, RandomState instance or None, default=None
        With an int every call draws the same noise.

    Examples
    --------
    >>> import numpy as np
    >>> ReadoutNoise(0.0).fit_transform(np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    """

    _draws_pixels = True

    def __init__(self, sigma: Any = 1.0, random_state: Seed = None) -> None:
        self.sigma = sigma
        self.random_state = random_state

    def _drawn(self, X):
        return partial(self._act, generator=seeded_generator(check_random_state(self.random_state), X)), ()

    def _act(self, magnitudes, generator):
        like = {"dtype": magnitudes.dtype, "device": magnitudes.device}
        # torch draws normal numbers in blocks: pattern by pattern, they do not depend on how the batch is cut
        noise = torch.stack([torch.randn(pattern.shape, generator=generator, **like) for pattern in magnitudes])
        return (magnitudes.square() + self.sigma * noise).clamp_min(0).sqrt()

    def _check_parameters(self, shape):
        if not isinstance(self.sigma, Real) or not 0 <= self.sigma < math.inf:
            raise ValueError(f"sigma={self.sigma!r} is not valid; give counts >= 0")


class Saturation(DetectorStep):
    """A detector that counts no further than a limit.

    Parameters
    ----------
    limit : float
        Largest count of a pixel.
    unmeasured : bool, default=True
        Whether pixels beyond the limit are unmeasured (NaN), else they read the limit.

    Examples
    --------
    >>> import numpy as np
    >>> Saturation(9.0).fit_transform(np.array([[2.0, 4.0]]))
    array([[ 2., nan]])
    """

    def __init__(self, limit: Any, unmeasured: Any = True) -> None:
        self.limit = limit
        self.unmeasured = unmeasured

    def _act(self, magnitudes):
        limit = float(self.limit) ** 0.5
        if not self.unmeasured:
            return magnitudes.clamp_max(limit)
        return torch.where(magnitudes > limit, torch.nan, magnitudes)

    def _check_parameters(self, shape):
        if not isinstance(self.limit, Real) or not self.limit > 0:
            raise ValueError(f"limit={self.limit!r} is not valid; give counts > 0")
        check_choice("unmeasured", self.unmeasured, (True, False))


class Quantization(DetectorStep):
    """Read counts in whole steps.

    Parameters
    ----------
    gain : float, default=1.0
        Counts a step.
    n_bits : int, optional
        Of the converter, which reads at most `2**n_bits - 1` steps; any number if not given.

    Examples
    --------
    >>> import numpy as np
    >>> Quantization(gain=10).fit_transform(np.array([[2.0, 3.0]])) ** 2
    array([[ 0., 10.]])
    """

    def __init__(self, gain: Any = 1.0, n_bits: Any = None) -> None:
        self.gain = gain
        self.n_bits = n_bits

    def _act(self, magnitudes):
        steps = (magnitudes.square() / self.gain).round()
        if self.n_bits is not None:
            steps = steps.clamp_max(2**self.n_bits - 1)
        return (steps * self.gain).sqrt()

    def _check_parameters(self, shape):
        if not isinstance(self.gain, Real) or not 0 < self.gain < math.inf:
            raise ValueError(f"gain={self.gain!r} is not valid; give counts > 0")
        if self.n_bits is not None and not (isinstance(self.n_bits, Integral) and self.n_bits >= 1):
            raise ValueError(f"n_bits={self.n_bits!r} is not valid; give an integer >= 1 or None")


def _exposed(magnitudes, photons):
    """Photons to expect of each pixel, of so many a pattern; a dark pattern stays dark."""
    axes = space_axes(magnitudes)
    # squares of relative magnitudes neither overflow nor vanish, whatever the unit of the objects
    peaks = magnitudes.amax(dim=axes, keepdim=True)
    shares = (magnitudes / torch.where(peaks > 0, peaks, 1.0)).square()
    totals = shares.sum(dim=axes, keepdim=True)
    photons = photons.to(shares.device, shares.dtype).view(totals.shape)
    return shares * (photons / torch.where(totals > 0, totals, 1.0))
