"""Steps from intensities to detector readings."""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._tensors import space_axes, to_tensor, unit_scale
from .._validation import check_count, check_flag, check_number, short, warn_user
from ..measurement import blur, coherence_transfer, covariance_of_widths
from ._step import (
    DetectorStep,
    is_number,
    is_range,
    lowest_and_highest,
    one_an_axis,
    seeded_generator,
)

if TYPE_CHECKING:
    from .._typing import Seed

# Counts above which Poisson numbers are approximated by normal ones; torch's generators do not
# reach far beyond.
_MANY = 1e9
_THINNED = 0.5  # share of counted photons; counting fewer again simulates a shorter exposure
_MOST = 1e60  # largest number of photons per pattern whose magnitudes float32 can represent
_WHOLE = 2.0**26  # magnitude up to which float64 represents its square to better than a count


class PartialCoherence(DetectorStep):
    """Blur intensities by a Gaussian.

    This is the effect of a source of finite size or of the detector's point spread. The convolution
    wraps around; see :mod:`skpr.coherence` for the mathematics and its source.

    Parameters
    ----------
    width : float or tuple of float, default=0.5
        Standard deviation in Fourier pixels, one for all axes or one for each.

    Examples
    --------
    >>> import numpy as np
    >>> (PartialCoherence(1.0).fit_transform(np.eye(1, 7, 3)) ** 2).round(2)
    array([[0.  , 0.05, 0.24, 0.4 , 0.24, 0.05, 0.  ]])
    """

    _accepts_nan = False
    _precedes_counting = True

    def __init__(self, width: Any = 0.5) -> None:
        self.width = width

    def _act(self, magnitudes):
        widths = one_an_axis(self.width, magnitudes.ndim - 1)
        transfer = coherence_transfer(
            covariance_of_widths(widths), magnitudes.shape[1:], magnitudes
        )
        scale = unit_scale(magnitudes)
        return blur((magnitudes * scale).square(), transfer).sqrt() / scale

    def _check_parameters(self, shape):
        widths = one_an_axis(self.width, len(shape))
        if len(widths) != len(shape) or not all(is_number(w, at_least=0) for w in widths):
            raise ValueError(
                f"width={short(self.width)} is not valid; give a number of Fourier pixels >= 0, or "
                "one for each axis"
            )


class PhotonNoise(DetectorStep):
    """Count photons: Poisson noise at a given exposure.

    Magnitudes `b` become `sqrt(Poisson(s b^2))`, the square roots of counts. The factor `s` scales
    each pattern so that its measured pixels are expected to count `n_photons` in total.

    Parameters
    ----------
    n_photons : float, (float, float) or None, default=1e6
        Expected number of photons per pattern, at most 1e60. If it is a pair, the number is drawn
        for each pattern between the two, uniformly in the logarithm. None takes the intensities as
        the expected numbers of photons.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise. An int gives the same noise at every call.

    Examples
    --------
    >>> import numpy as np
    >>> counted = PhotonNoise(1000, random_state=0).fit_transform(np.array([[1.0, 2.0, 1.0]]))
    >>> bool(900 < (counted**2).sum() < 1100)
    True
    """

    _draws_pixels = _exposes = _precedes_counting = True

    def __init__(self, n_photons: Any = 1e6, random_state: Seed = None) -> None:
        self.n_photons = n_photons
        self.random_state = random_state

    def _warn_of_counts(self, X):
        if self.n_photons is not None:
            highest = lowest_and_highest(self.n_photons)[1]
            counted = to_tensor(X[:1]).detach().double().square().nansum()
            if highest < _THINNED * float(counted):  # noise of the counts hardly adds to its own
                return
        warn_user(
            "X passed to PhotonNoise is already counted: its squares are whole numbers, and "
            "counting them again doubles the noise; give the expected magnitudes, and use one "
            "PhotonNoise"
        )

    def _drawn(self, X):
        rng = check_random_state(self.random_state)
        photons = np.full(len(X), np.nan)
        if self.n_photons is not None:
            lowest, highest = lowest_and_highest(self.n_photons)
            photons = np.exp(rng.uniform(np.log(lowest), np.log(highest), size=len(X)))
        return partial(self._act, generator=seeded_generator(rng, X)), (photons,)

    def _act(self, magnitudes, photons, generator):
        known = ~magnitudes.isnan()
        seen = torch.where(known, magnitudes, 0.0).double()
        expected = seen if self.n_photons is None else _exposed(seen, photons)
        counted = _counted(expected, generator).to(magnitudes.dtype)
        return torch.where(known, counted, torch.nan)

    def _check_parameters(self, shape):
        if self.n_photons is not None and not is_range(self.n_photons, above=0, at_most=_MOST):
            raise ValueError(
                f"n_photons={short(self.n_photons)} is not valid; give a number > 0, a pair "
                f"(lowest, highest) or None; at most {_MOST:g}"
            )


class ReadoutNoise(DetectorStep):
    """Add normal noise to counts, and set negative readings to zero.

    Parameters
    ----------
    sigma : float, default=1.0
        Standard deviation in counts.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise. An int gives the same noise at every call.

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
        return partial(
            self._act, generator=seeded_generator(check_random_state(self.random_state), X)
        ), ()

    def _act(self, magnitudes, generator):
        sigma = float(self.sigma)
        if sigma == 0:
            return magnitudes
        noise = _normal(magnitudes, generator).double()
        wide = magnitudes.double()
        read = (wide.square() + sigma * noise).clamp_min(0).sqrt()
        # where squares overflow, any possible noise is far below the rounding of the magnitude
        return torch.where(read.isinf(), wide, read).to(magnitudes.dtype)

    def _check_parameters(self, shape):
        check_number("sigma", self.sigma, 0, noun="counts")


class Saturation(DetectorStep):
    """Clip counts at a pixel's capacity, or mark them unmeasured.

    Parameters
    ----------
    limit : float
        Largest count of a pixel.
    unmeasured : bool, default=True
        Whether pixels above the limit become missing (NaN); otherwise they read the limit.

    Examples
    --------
    >>> import numpy as np
    >>> Saturation(9.0).fit_transform(np.array([[2.0, 4.0]]))
    array([[ 2., nan]])
    """

    _reads_counts = True

    def __init__(self, limit: Any, unmeasured: Any = True) -> None:
        self.limit = limit
        self.unmeasured = unmeasured

    def _act(self, magnitudes):
        limit = min(float(self.limit) ** 0.5, torch.finfo(magnitudes.dtype).max)
        if not self.unmeasured:
            return magnitudes.clamp_max(limit)
        return torch.where(magnitudes > limit, torch.nan, magnitudes)

    def _check_parameters(self, shape):
        if not (isinstance(self.limit, Real) and self.limit == math.inf):
            check_number("limit", self.limit, 0, closed="neither", noun="counts")
        check_flag("unmeasured", self.unmeasured)


class Quantization(DetectorStep):
    """Round counts to whole steps, as a digitiser does.

    Parameters
    ----------
    gain : float, default=1.0
        Counts per step.
    n_bits : int, optional
        Number of bits of the converter, which reads at most `2**n_bits - 1` steps; unlimited if not
        given.

    Examples
    --------
    >>> import numpy as np
    >>> Quantization(gain=10).fit_transform(np.array([[2.0, 3.0]])) ** 2
    array([[ 0., 10.]])
    """

    _reads_counts = True

    def __init__(self, gain: Any = 1.0, n_bits: Any = None) -> None:
        self.gain = gain
        self.n_bits = n_bits

    def _act(self, magnitudes):
        wide = magnitudes.double()
        gain = float(self.gain)
        steps = (wide / math.sqrt(gain)).square()
        # above 2**52 steps float64 has no fractions of a step, so magnitudes are left unchanged
        read = torch.where(steps < 2.0**52, ((wide.square() / gain).round() * gain).sqrt(), wide)
        if self.n_bits is not None:
            last = 2.0 ** min(int(self.n_bits), 1000) - 1
            read = torch.where(steps < last, read, math.sqrt(last) * math.sqrt(gain))
        return torch.where(wide.isnan(), wide, read).to(magnitudes.dtype)

    def _check_parameters(self, shape):
        check_number("gain", self.gain, 0, closed="neither", noun="counts")
        check_count("n_bits", self.n_bits, optional=True)


def _exposed(magnitudes, photons):
    """Scale magnitudes to square roots of expected photons.

    The photons of each pattern add up to its entry of `photons`; a dark pattern stays dark.
    """
    axes = space_axes(magnitudes)
    # relative to the peak, squares that matter neither overflow nor vanish in any unit
    peaks = magnitudes.amax(dim=axes, keepdim=True)
    shares = magnitudes / torch.where(peaks > 0, peaks, 1.0)
    totals = shares.square().sum(dim=axes, keepdim=True)
    photons = photons.to(shares.device, shares.dtype).view(totals.shape)
    return shares * (photons / torch.where(totals > 0, totals, 1.0)).sqrt()


def _counted(expected, generator):
    """Draw square roots of Poisson numbers, in float64.

    `expected` holds the square roots of their expectations.
    """
    many = expected > math.sqrt(_MANY)
    if not many.any():
        return torch.poisson(expected.square(), generator=generator).sqrt()
    # drawn pattern by pattern, the numbers do not depend on how the batch is split
    return torch.stack([_counted_one(pattern, generator) for pattern in expected])


def _counted_one(expected, generator):
    many = expected > math.sqrt(_MANY)
    few = torch.poisson(torch.where(many, 0.0, expected).square(), generator=generator).sqrt()
    if not many.any():
        return few
    noise = torch.randn(
        expected.shape, generator=generator, dtype=expected.dtype, device=expected.device
    )
    # sqrt(n + sqrt(n) z), factored so that nothing overflows
    counted = expected * (1 + noise / torch.where(many, expected, 1.0)).clamp_min(0).sqrt()
    counted = torch.where(counted < _WHOLE, counted.square().round().sqrt(), counted)
    return torch.where(many, counted, few)


def _normal(magnitudes, generator):
    """Draw a normal number for each pixel.

    Torch draws normal numbers in blocks. Drawn pattern by pattern, they do not depend on how the
    batch is split.
    """
    like = {"dtype": magnitudes.dtype, "device": magnitudes.device}
    return torch.stack(
        [torch.randn(pattern.shape, generator=generator, **like) for pattern in magnitudes]
    )
