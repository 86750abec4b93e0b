"""The forward model: oversampled Fourier magnitudes, and the conventions of grid and centre, written once.

An object of shape `n` lies in the corner of a dark grid of shape `m >= n`; its transform is the unnormalised DFT
`F(k) = sum_r x(r) exp(-2 pi i k r / m)` (NumPy's default). A *centred* spectrum has its zero frequency at index
`m // 2` of each axis, as a detector shows it. A real object's spectrum is determined by its half `k_last >= 0`,
which is what the functions here compute with.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._arrays import check_fitted_batch
from ._lazy import LazyBatch, map_batch
from ._tensors import space_axes

if TYPE_CHECKING:
    from ._typing import Batch, Self

__all__ = ["FourierMagnitude", "from_spectrum", "full_magnitudes", "mirrored", "oversampled_shape", "to_spectrum"]


def oversampled_shape(object_shape: tuple[int, ...], oversampling: float) -> tuple[int, ...]:
    """Fourier grid of an object: `ceil(oversampling * n)` along each axis.

    Examples
    --------
    >>> oversampled_shape((28, 31), 2.0)
    (56, 62)
    """
    return tuple(math.ceil(round(oversampling * n, 9)) for n in object_shape)


def to_spectrum(objects, fourier_shape):
    """Oversampled spectrum of a tensor of objects, in FFT order; the half spectrum for real objects.

    Parameters
    ----------
    objects : torch.Tensor of shape (n_samples, *object_shape)
    fourier_shape : tuple of int

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape), complex
        For real objects the last axis holds `fourier_shape[-1] // 2 + 1` frequencies.

    Examples
    --------
    >>> import torch
    >>> to_spectrum(torch.tensor([[1.0, 1.0]]), (4,))
    tensor([[2.+0.j, 1.-1.j, 0.+0.j]])
    """
    transform = torch.fft.fftn if objects.is_complex() else torch.fft.rfftn
    return transform(objects, s=tuple(fourier_shape), dim=space_axes(objects))


def from_spectrum(spectrum, fourier_shape, *, real):
    """Inverse of :func:`to_spectrum`: dark grids (n_samples, *fourier_shape) with the objects in their corner.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0]])
    >>> from_spectrum(to_spectrum(x, (4,)), (4,), real=True)
    tensor([[1., 2., 0., 0.]])
    """
    transform = torch.fft.irfftn if real else torch.fft.ifftn
    return transform(spectrum, s=tuple(fourier_shape), dim=space_axes(spectrum))


def full_magnitudes(half, last_size, centered):
    """Full magnitudes from a half spectrum's: `|F(-k)| = |F(k)|` for real objects.

    Parameters
    ----------
    half : torch.Tensor of shape (n_samples, ..., last_size // 2 + 1), real, FFT order
    last_size : int
        Length of the full last axis.
    centered : bool
        Whether zero frequency goes to index `m // 2` (else 0).

    Returns
    -------
    torch.Tensor of shape (n_samples, ..., last_size)

    Examples
    --------
    >>> import torch
    >>> full_magnitudes(torch.tensor([[2.0, 1.4, 0.0]]), 4, centered=True)
    tensor([[0.0000, 1.4000, 2.0000, 1.4000]])
    """
    last = half.ndim - 1
    leading = space_axes(half)[:-1]
    others = half[..., 1 : (last_size + 1) // 2].flip((*leading, last))
    # index 0 is its own mirror image and stays; the shift to the centre rides on the same move of memory
    centres = [half.shape[axis] // 2 if centered else 0 for axis in leading]
    if leading:
        others = others.roll([centre + 1 for centre in centres], leading)
    if not centered:
        return torch.cat([half, others], dim=last)
    if leading:
        half = half.roll(centres, leading)
    # frequency -m/2 of an even axis is its own mirror image and comes first
    nyquist = [half[..., -1:]] if last_size % 2 == 0 else []
    return torch.cat([*nyquist, others, half[..., : (last_size + 1) // 2]], dim=last)


def mirrored(values, centered):
    """Values at `-k`, of a tensor with values at every frequency `k`.

    Examples
    --------
    >>> import torch
    >>> mirrored(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), centered=False)
    tensor([[0., 3., 2., 1.]])
    """
    axes = space_axes(values)
    turned = values.flip(axes)
    # index 0 of FFT order, and of an even centred axis, is its own mirror image
    fixed = [axis for axis in axes if not centered or values.shape[axis] % 2 == 0]
    return turned.roll([1] * len(fixed), fixed) if fixed else turned


class FourierMagnitude(TransformerMixin, BaseEstimator):
    """Simulate what a detector records: the oversampled Fourier magnitude `|F x|`.

    Parameters
    ----------
    oversampling : float, default=2.0
        Fourier pixels per object pixel along each axis; the grid has `ceil(oversampling * n)` points. Recovery needs
        about 2 (`m >= 2 n - 1`); with 1 the shift symmetry becomes circular.
    fourier_shape : int or tuple of int, optional
        The Fourier grid itself, at least as large as the objects; overrides `oversampling`.
    centered : bool, default=True
        Whether zero frequency is in the middle (index `m // 2`), as on a detector, or at index 0, in FFT order.

    Attributes
    ----------
    object_shape_, fourier_shape_ : tuple of int
        Shapes of one object and of one magnitude.

    Examples
    --------
    >>> import numpy as np
    >>> FourierMagnitude().fit_transform(np.array([[1.0, 1.0]])).round(3)
    array([[0.   , 1.414, 2.   , 1.414]])
    """

    def __init__(
        self, oversampling: float = 2.0, fourier_shape: int | tuple[int, ...] | None = None, centered: bool = True
    ) -> None:
        self.oversampling = oversampling
        self.fourier_shape = fourier_shape
        self.centered = centered

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Learn the shapes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)
            Real or complex objects.
        y : ignored

        Returns
        -------
        self
        """
        X = check_fitted_batch(self, X, reset=True, shape_attribute="object_shape_")
        self.fourier_shape_ = self._resolved_fourier_shape(tuple(X.shape[1:]))
        return self

    def transform(self, X: Batch) -> Any:
        """Compute magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *fourier_shape_)
            Real, in the precision of `X`.

        Raises
        ------
        ValueError
            For objects with NaN or infinity, or of another shape than fitted.
        """
        check_is_fitted(self)
        X = check_fitted_batch(self, X, reset=False, shape_attribute="object_shape_")
        values = math.prod(self.fourier_shape_)
        summary = self._known_summary(X.summary, X.dtype) if isinstance(X, LazyBatch) else None
        return map_batch(self._magnitudes, X, values_per_sample=values, summary=summary)

    def _known_summary(self, objects, dtype):
        """What is known of magnitudes without computing them: not negative, and finite where no sum can overflow."""
        largest = objects.largest * math.prod(self.object_shape_)
        safe = largest < 0.1 * float(torch.finfo(torch.float32 if dtype.itemsize <= 4 else torch.float64).max)
        return objects._replace(minimum=0.0, largest=largest) if safe and dtype.kind == "f" else None

    def _magnitudes(self, objects):
        magnitudes = to_spectrum(objects, self.fourier_shape_).abs()
        if not objects.is_complex():
            return full_magnitudes(magnitudes, self.fourier_shape_[-1], self.centered)
        return torch.fft.fftshift(magnitudes, dim=space_axes(magnitudes)) if self.centered else magnitudes

    def _resolved_fourier_shape(self, object_shape):
        if self.fourier_shape is None:
            if not isinstance(self.oversampling, Real) or not self.oversampling >= 1:
                raise ValueError(f"oversampling={self.oversampling!r} is not valid; give a number >= 1")
            return oversampled_shape(object_shape, self.oversampling)
        shape = self.fourier_shape
        shape = (shape,) * len(object_shape) if isinstance(shape, Integral) else tuple(shape)
        if len(shape) != len(object_shape) or any(m < n for m, n in zip(shape, object_shape, strict=True)):
            raise ValueError(
                f"fourier_shape={self.fourier_shape!r} does not fit objects of shape {object_shape}; give one size per "
                f"axis, each at least the object's"
            )
        return tuple(int(m) for m in shape)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "fourier_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
