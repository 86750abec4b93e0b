"""What a detector does to magnitudes: steps of a pipeline between the forward model and the retriever.

A detector counts photons: every step acts on intensities, squares of magnitudes, and returns magnitudes again. After
:class:`PhotonNoise` a magnitude is the square root of a number of photons, which is the unit of the steps that follow
it. Physics gives the order: partial coherence; photons; read-out noise, saturation, quantisation; what is not measured
(NaN); then what is done with the frame, binning and cropping. A NaN stays one.

Given to a network as `detector`, steps act on each batch of training and draw anew each time; as steps of a pipeline
before it they act once. Zero frequency is in the middle of a pattern, index `m // 2`, unless `centered=False` says
that it is at index 0.
"""

import math
from functools import partial
from numbers import Integral, Real
from operator import itemgetter

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._arrays import check_choice, check_fitted_batch, map_chunks, space_axes
from .coherence import blur, coherence_transfer, covariance_of_widths

__all__ = [
    "BeamStop",
    "Binning",
    "Cropping",
    "MissingPixels",
    "PartialCoherence",
    "PhotonNoise",
    "Quantization",
    "ReadoutNoise",
    "Saturation",
]


class _DetectorStep(TransformerMixin, BaseEstimator):
    """A transformer of magnitudes; what it does to a chunk of them is its method `_act`."""

    _accepts_nan = True

    def fit(self, X, y=None):
        r"""Check the parameters and learn the shape.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a parameter that is not valid, or negative or infinite magnitudes.
        """
        X = self._checked(X, reset=True)
        self._check_parameters(tuple(X.shape[1:]))
        return self

    def transform(self, X):
        r"""Act on magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*fourier_shape)
            In the precision of `X`; of another shape after :class:`Binning` and :class:`Cropping`.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        action, draws = self._drawn(X)
        return map_chunks(action, X, *draws)

    def _drawn(self, X):
        """The action on a chunk of tensors, and what was drawn for each sample, cut along with the samples."""
        return self._act, ()

    def _checked(self, X, reset):
        X = check_fitted_batch(
            self,
            X,
            reset=reset,
            shape_attribute="fourier_shape_",
            positive=True,
            allow_complex=False,
            ensure_all_finite="allow-nan",
        )
        if not self._accepts_nan and (X != X).any():
            raise ValueError(
                f"Input X contains NaN: {type(self).__name__} mixes neighbouring pixels; hide pixels in a later step"
            )
        return X

    def __sklearn_is_fitted__(self):
        return hasattr(self, "fourier_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = self._accepts_nan
        tags.non_deterministic = getattr(self, "random_state", 0) is None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PartialCoherence(_DetectorStep):
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

    def __init__(self, width=0.5):
        self.width = width

    def _act(self, magnitudes):
        widths = _one_an_axis(self.width, magnitudes.ndim - 1)
        transfer = coherence_transfer(covariance_of_widths(widths), magnitudes.shape[1:], magnitudes)
        return blur(magnitudes.square(), transfer).sqrt()

    def _check_parameters(self, shape):
        widths = _one_an_axis(self.width, len(shape))
        if len(widths) != len(shape) or not all(isinstance(w, Real) and 0 <= w < math.inf for w in widths):
            raise ValueError(f"width={self.width!r} is not valid; give Fourier pixels >= 0, or one such number an axis")


class PhotonNoise(_DetectorStep):
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

    def __init__(self, n_photons=1e6, random_state=None):
        self.n_photons = n_photons
        self.random_state = random_state

    def _drawn(self, X):
        rng = check_random_state(self.random_state)
        photons = np.full(len(X), np.nan)
        if self.n_photons is not None:
            lowest, highest = np.broadcast_to(self.n_photons, 2)
            photons = np.exp(rng.uniform(np.log(lowest), np.log(highest), size=len(X)))
        return partial(self._act, generator=_generator(rng, X)), (photons,)

    def _act(self, magnitudes, photons, generator):
        known = ~magnitudes.isnan()
        seen = torch.where(known, magnitudes, 0.0)
        expected = seen.square() if self.n_photons is None else _exposed(seen, photons)
        return torch.where(known, torch.poisson(expected, generator=generator).sqrt(), torch.nan)

    def _check_parameters(self, shape):
        valid = self.n_photons is None or _is_range(self.n_photons, Real, above=0)
        if not valid:
            raise ValueError(
                f"n_photons={self.n_photons!r} is not valid; give a number > 0, a pair (lowest, highest) or None"
            )


class ReadoutNoise(_DetectorStep):
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

    def __init__(self, sigma=1.0, random_state=None):
        self.sigma = sigma
        self.random_state = random_state

    def _drawn(self, X):
        return partial(self._act, generator=_generator(check_random_state(self.random_state), X)), ()

    def _act(self, magnitudes, generator):
        like = {"dtype": magnitudes.dtype, "device": magnitudes.device}
        # torch draws normal numbers in blocks: pattern by pattern, they do not depend on how the batch is cut
        noise = torch.stack([torch.randn(pattern.shape, generator=generator, **like) for pattern in magnitudes])
        return (magnitudes.square() + self.sigma * noise).clamp_min(0).sqrt()

    def _check_parameters(self, shape):
        if not isinstance(self.sigma, Real) or not 0 <= self.sigma < math.inf:
            raise ValueError(f"sigma={self.sigma!r} is not valid; give counts >= 0")


class Saturation(_DetectorStep):
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

    def __init__(self, limit, unmeasured=True):
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


class Quantization(_DetectorStep):
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

    def __init__(self, gain=1.0, n_bits=None):
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


class BeamStop(_DetectorStep):
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

    def __init__(self, size=5, shape="square", offset=0, centered=True, random_state=None):
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
        if not _is_range(self.size, Integral, at_least=0):
            raise ValueError(
                f"size={self.size!r} is not valid; give an integer >= 0 or a pair (smallest, largest) of them"
            )
        if not isinstance(self.offset, Integral) or self.offset < 0:
            raise ValueError(f"offset={self.offset!r} is not valid; give an integer >= 0")
        check_choice("shape", self.shape, ("square", "disk"))


class MissingPixels(_DetectorStep):
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

    def __init__(self, mask=None, fraction=0.0, random_state=None):
        self.mask = mask
        self.fraction = fraction
        self.random_state = random_state

    def _drawn(self, X):
        return partial(self._act, generator=_generator(check_random_state(self.random_state), X)), ()

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


class Cropping(_DetectorStep):
    """Cut the middle out of patterns; zero frequency, in the middle, stays there.

    Parameters
    ----------
    shape : int or tuple of int
        What is left, along all axes or along each; an axis shorter than that stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> Cropping(2).fit_transform(np.array([[1.0, 2.0, 3.0, 2.0]]))
    array([[2., 3.]])
    """

    def __init__(self, shape):
        self.shape = shape

    def _act(self, magnitudes):
        sizes = _one_an_axis(self.shape, magnitudes.ndim - 1)
        inside = [
            slice(max(0, m // 2 - n // 2), max(0, m // 2 - n // 2) + n)
            for m, n in zip(magnitudes.shape[1:], sizes, strict=True)
        ]
        return magnitudes[(slice(None), *inside)]

    def _check_parameters(self, shape):
        sizes = _one_an_axis(self.shape, len(shape))
        if len(sizes) != len(shape) or not all(isinstance(n, Integral) and n >= 1 for n in sizes):
            raise ValueError(f"shape={self.shape!r} is not valid; give an integer >= 1, or one for each of {shape}")


class Binning(_DetectorStep):
    """Add up the intensities of blocks of pixels; a block with an unmeasured pixel is unmeasured.

    Zero frequency stays in the middle: for an odd factor the middle block is centred on it. With an even factor there
    is no such block, and zero frequency is half a pixel off the middle of its own, or up to `(factor - 1) / 2` pixels
    where that loses less of the rim: the object is multiplied by a phase ramp, which does not matter to complex ones.
    Pixels at the rim that fill no block are left out; an even factor that divides a size leaves none out.

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

    def __init__(self, factor=2):
        self.factor = factor

    def _act(self, magnitudes):
        intensities = magnitudes.square()
        for axis, factor in enumerate(_one_an_axis(self.factor, magnitudes.ndim - 1), start=1):
            first, n_blocks = _blocks(magnitudes.shape[axis], factor)
            inside = intensities.narrow(axis, first, n_blocks * factor)
            intensities = inside.unflatten(axis, (n_blocks, factor)).sum(dim=axis + 1)
        return intensities.sqrt()

    def _check_parameters(self, shape):
        factors = _one_an_axis(self.factor, len(shape))
        valid = len(factors) == len(shape) and all(isinstance(f, Integral) and f >= 1 for f in factors)
        if not valid or any(_blocks(m, f)[1] < 1 for m, f in zip(shape, factors, strict=True)):
            raise ValueError(
                f"factor={self.factor!r} is not valid; give an integer >= 1, or one an axis, that leaves a block of "
                f"patterns of shape {shape}"
            )


def _exposed(magnitudes, photons):
    """Photons to expect of each pixel, of so many a pattern; a dark pattern stays dark."""
    axes = space_axes(magnitudes)
    # squares of relative magnitudes neither overflow nor vanish, whatever the unit of the objects
    peaks = magnitudes.amax(dim=axes, keepdim=True)
    shares = (magnitudes / torch.where(peaks > 0, peaks, 1.0)).square()
    totals = shares.sum(dim=axes, keepdim=True)
    photons = photons.to(shares.device, shares.dtype).view(totals.shape)
    return shares * (photons / torch.where(totals > 0, totals, 1.0))


def _blocks(size, factor):
    """First pixel of the first block and number of blocks, of which number `n // 2` holds zero frequency.

    Zero frequency is in the middle of an odd block, and just behind the middle or first in an even one, whichever
    leaves out fewer pixels.
    """
    places = [factor // 2] if factor % 2 else [factor // 2, 0]
    return max((_blocks_about(size, factor, size // 2 - place) for place in places), key=itemgetter(1))


def _blocks_about(size, factor, middle_first):
    """First pixel and number of blocks, of which number `n // 2` begins at a pixel."""
    before, after = middle_first // factor, (size - middle_first) // factor
    before = min(before, after)
    n_blocks = 2 * before + (1 if after > before else 0)
    return middle_first - before * factor, n_blocks


def _distances(magnitudes, offsets, centered):
    """Signed distances of pixels from zero frequency, displaced for each sample, one tensor an axis."""
    distances = []
    for axis, size in enumerate(magnitudes.shape[1:]):
        index = torch.arange(size, device=magnitudes.device)
        frequency = index - size // 2 if centered else torch.where(index < (size + 1) // 2, index, index - size)
        displaced = frequency - offsets[:, axis, None]
        distances.append(displaced.view([-1] + [size if a == axis else 1 for a in range(magnitudes.ndim - 1)]))
    return distances


def _generator(rng, X):
    """A torch generator where the magnitudes are, seeded from scikit-learn's."""
    device = X.device if isinstance(X, torch.Tensor) else "cpu"
    return torch.Generator(device=device).manual_seed(int(rng.randint(2**31 - 1)))


def _one_an_axis(value, n_axes):
    return tuple(value) if isinstance(value, list | tuple) else (value,) * n_axes


def _is_range(value, kind, above=None, at_least=None):
    """Whether a value is a number, or a pair of them in order, within its bound."""
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    numbers = all(isinstance(v, kind) and not isinstance(v, bool) and math.isfinite(v) for v in pair)
    if len(pair) != 2 or not numbers or pair[0] > pair[1]:
        return False
    return pair[0] > above if above is not None else pair[0] >= at_least
