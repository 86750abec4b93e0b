"""The grid of a measurement: which objects, which frequencies, and in which layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

import torch

from .._arrays import as_batch, is_complex
from .._tensors import even_rows, picked, space_axes
from ._transform import from_spectrum, full_magnitudes, mirrored, to_centred, to_fft_order, to_spectrum

N_LOOKED_AT = 64  # pairs, at even distances, by which a measurement is judged
MIN_LOOKED_AT, VALUES_LOOKED_AT = 8, 1 << 14  # fewer pairs of large patterns, which tell as much
LEAST_VALUES = 256  # of all of their magnitudes; fewer prove nothing
LEAST_CORRELATION = 0.1  # of magnitudes with |F y|, beside three standard deviations of that of chance
PLAIN = 0.9  # correlation in one layout that needs no comparison with the other
LIKENESS = 0.7  # correlation above which a batch holds magnitudes, of a hundred photons even


@dataclass(frozen=True)
class Grid:
    """Shapes and layout from which the transform pair, the boundary and the mirrored index follow.

    Parameters
    ----------
    object_shape : tuple of int
        Frame of one object, in the corner of the dark grid.
    fourier_shape : tuple of int
        Shape of one magnitude, at least the object's along each axis.
    centered : bool, default=True
        Whether zero frequency is in the middle (index `m // 2`) of magnitudes, else at index 0.

    Raises
    ------
    ValueError
        For shapes that do not fit each other.

    Examples
    --------
    >>> import torch
    >>> grid = Grid((2,), (4,))
    >>> grid.boundary, grid.magnitudes(torch.tensor([[1.0, 1.0]]))
    (('zero',), tensor([[0.0000, 1.4142, 2.0000, 1.4142]]))
    """

    object_shape: tuple[int, ...]
    fourier_shape: tuple[int, ...]
    centered: bool = True

    def __post_init__(self):
        object.__setattr__(self, "object_shape", tuple(self.object_shape))
        object.__setattr__(self, "fourier_shape", tuple(self.fourier_shape))
        if not fits(self.object_shape, self.fourier_shape):
            raise ValueError(
                f"objects of shape {self.object_shape} do not fit magnitudes of shape {self.fourier_shape}: each axis "
                "of a magnitude is at least as long as the object's"
            )

    @property
    def boundary(self):
        """Boundary of shifts along each axis, see :func:`boundary_of`."""
        return boundary_of(self.object_shape, self.fourier_shape)

    @property
    def inside(self):
        """Index of the objects' frame within a batch of whole grids."""
        return (slice(None), *(slice(n) for n in self.object_shape))

    @property
    def n_pixels(self):
        """Number of Fourier pixels."""
        return math.prod(self.fourier_shape)

    def spectrum(self, objects):
        """Spectrum of a tensor of objects in FFT order; the half spectrum for real objects."""
        return to_spectrum(objects, self.fourier_shape)

    def objects(self, spectrum, *, real):
        """Objects of a spectrum in FFT order, cut to their frame."""
        return from_spectrum(spectrum, self.fourier_shape, real=real)[self.inside]

    def magnitudes(self, objects):
        """Magnitudes of a tensor of objects, full and in the grid's layout."""
        magnitudes = self.spectrum(objects).abs()
        if not objects.is_complex():
            return full_magnitudes(magnitudes, self.fourier_shape[-1], self.centered)
        return to_centred(magnitudes) if self.centered else magnitudes

    def to_fft_order(self, values):
        """Values at every frequency with zero frequency at index 0."""
        return to_fft_order(values) if self.centered else values

    def from_fft_order(self, values):
        """Values in FFT order in the grid's layout."""
        return to_centred(values) if self.centered else values

    def mirrored(self, values):
        """Values at `-k`, in the grid's layout."""
        return mirrored(values, self.centered)


def fits(object_shape, fourier_shape):
    """Whether objects of one shape have magnitudes of the other: no axis of the grid is shorter."""
    return len(object_shape) == len(fourier_shape) and all(
        isinstance(n, Integral) and isinstance(m, Integral) and 1 <= n <= m
        for n, m in zip(object_shape, fourier_shape, strict=True)
    )


def boundary_of(object_shape, fourier_shape):
    """Boundary of shifts that follows from two shapes, axis by axis: the one rule of the package.

    Along an axis without oversampling, where both shapes agree, shifts wrap around ("circular"); along an oversampled
    one the object lies in the dark ("zero").

    Parameters
    ----------
    object_shape, fourier_shape : tuple of int
        Shapes of one object and one magnitude. Where their numbers of axes differ the measurement is no Fourier
        transform of the object, and every axis is "zero".

    Returns
    -------
    tuple of {"zero", "circular"}, one for each object axis

    Examples
    --------
    >>> boundary_of((8, 8), (8, 16))
    ('circular', 'zero')
    """
    if len(object_shape) != len(fourier_shape):
        return ("zero",) * len(object_shape)
    return tuple("circular" if n == m else "zero" for n, m in zip(object_shape, fourier_shape, strict=True))


def symmetries_of(magnitudes, objects):
    """Which symmetries a measurement of objects has, judged from pairs of both: the rule behind every `score`.

    Fourier magnitudes do not change under shift and flip; other measurements, such as those of a Gaussian matrix, do.
    The magnitudes of some pairs are compared with `|F y|`, in both layouts: those of a detector correlate with it
    however noisy they are, those of a random matrix do not.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)

    Returns
    -------
    {"fourier", "phase"}
        "phase", where only the global phase is a symmetry. "fourier" where nothing can be said: shapes that do not fit
        each other, or too few values.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.random.default_rng(0).random((8, 16))
    >>> symmetries_of(np.abs(np.fft.fft(objects, n=32)), objects)
    'fourier'
    >>> symmetries_of(np.abs(objects @ np.random.default_rng(1).standard_normal((16, 32))), objects)
    'phase'
    """
    found = fourier_correlations(magnitudes, objects)
    if found is None or len(found) * math.prod(magnitudes.shape[1:]) < LEAST_VALUES:
        return "fourier"
    chance = 3 / math.sqrt(math.prod(magnitudes.shape[1:]))  # a random matrix is one draw, however many the pairs
    return "fourier" if float(found.mean()) > min(LEAST_CORRELATION + chance, 0.9) else "phase"


def fourier_correlations(magnitudes, objects):
    """Correlation of each of some magnitudes with `|F y|` of its object over the measured pixels, in the better layout.

    Returns
    -------
    torch.Tensor of shape (n_looked_at,), or None where the shapes do not fit each other
    """
    object_shape, fourier_shape = tuple(objects.shape[1:]), tuple(magnitudes.shape[1:])
    if not fits(object_shape, fourier_shape) or len(objects) != len(magnitudes):
        return None
    n_pairs = min(N_LOOKED_AT, max(MIN_LOOKED_AT, VALUES_LOOKED_AT // math.prod(fourier_shape)))
    rows = even_rows(len(magnitudes), n_pairs)
    measured, made = (picked(batch, rows) for batch in (magnitudes, objects))
    # single precision is enough, once every sample is in a unit of its own
    measured = _unit_peak(measured.double()).float()
    made = made if made.is_floating_point() or made.is_complex() else made.double()
    made = _unit_peak(made.to(torch.complex128 if made.is_complex() else torch.float64)).to(measured.device)
    computed = Grid(object_shape, fourier_shape, centered=False).magnitudes(
        made.to(torch.complex64 if made.is_complex() else torch.float32)
    )
    found = _correlation(measured, to_centred(computed))
    if float(found.mean()) > PLAIN:
        return found
    return max(found, _correlation(measured, computed), key=lambda values: float(values.mean()))


def are_magnitudes_of(X, y):
    """Whether a batch holds the Fourier magnitudes of another, in whatever unit, layout or noise.

    Parameters
    ----------
    X : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)
    y : array-like
        Anything; what is no batch of objects of as many axes has no magnitudes.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).random((8, 16))
    >>> are_magnitudes_of(np.abs(np.fft.fft(y, n=32)), y), are_magnitudes_of(y, y)
    (True, False)
    """
    try:
        y = as_batch(y, name="y")
    except (TypeError, ValueError):  # no batch at all
        return False
    if len(y.shape) != len(X.shape) or len(y) != len(X) or is_complex(X):
        return False
    if tuple(y.shape) == tuple(X.shape):
        rows = even_rows(len(X), N_LOOKED_AT)
        if torch.equal(picked(X, rows).double(), picked(y, rows).real.double()):
            return False
    found = fourier_correlations(X, y)
    return (
        found is not None and found.numel() * math.prod(X.shape[1:]) >= LEAST_VALUES and float(found.mean()) > LIKENESS
    )


def check_not_swapped(magnitudes, objects):
    """Refuse objects in the place of magnitudes, where shapes do not tell them apart.

    Raises
    ------
    ValueError
        If both batches are the same, or the second holds the Fourier magnitudes of the first.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.random.default_rng(0).random((20, 16))
    >>> check_not_swapped(objects, objects)
    Traceback (most recent call last):
    ValueError: X and y are the same objects, but X must hold their magnitudes: give fit(magnitudes, objects)
    """
    if tuple(magnitudes.shape) != tuple(objects.shape) or is_complex(objects) or is_complex(magnitudes):
        return
    rows = even_rows(len(objects), N_LOOKED_AT)
    first, second = picked(magnitudes, rows).double(), picked(objects, rows).double()
    if len(rows) * math.prod(objects.shape[1:]) < LEAST_VALUES or not first.any():
        return
    if torch.equal(first, second):
        raise ValueError(
            "X and y are the same objects, but X must hold their magnitudes: give fit(magnitudes, objects)"
        )
    swapped, right = fourier_correlations(objects, magnitudes), fourier_correlations(magnitudes, objects)
    if float(swapped.mean()) > 0.99 and float(right.mean()) < 0.5:
        raise ValueError("X and y are swapped: y holds the Fourier magnitudes of X; give fit(magnitudes, objects)")


def _unit_peak(values):
    peaks = values.abs().nan_to_num(0.0).flatten(1).amax(dim=1)
    return values / torch.where(peaks > 0, peaks, 1.0).view([-1] + [1] * (values.ndim - 1))


def _correlation(measured, computed):
    """Correlation over the pixels where the first is known; 0 where either is constant there."""
    axes = space_axes(measured)
    missing = measured.isnan()
    a, b = (_deviations(values, missing if missing.any() else None, axes) for values in (measured, computed))
    norms = (a.square().sum(dim=axes) * b.square().sum(dim=axes)).sqrt()
    return (a * b).sum(dim=axes) / torch.where(norms > 0, norms, 1.0)


def _deviations(values, missing, axes):
    """Values less their mean over what is not missing, and 0 there."""
    if missing is None:
        return values - values.mean(dim=axes, keepdim=True)
    count = (~missing).sum(dim=axes, keepdim=True).clamp_min(1)
    mean = torch.where(missing, 0.0, values).sum(dim=axes, keepdim=True) / count
    return torch.where(missing, 0.0, values - mean)
