"""Grid of a measurement: two shapes and a layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral

from .._validation import short
from ._transform import (
    from_spectrum,
    full_magnitudes,
    mirrored,
    to_centred,
    to_fft_order,
    to_spectrum,
)


@dataclass(frozen=True)
class Grid:
    """Shapes of object and magnitudes, and their layout.

    The transform pair, the boundary of shifts and the mirrored index follow from these alone.

    Parameters
    ----------
    object_shape : tuple of int
        Shape of the frame of one object, which lies in the corner of the zero-padded grid.
    fourier_shape : tuple of int
        Shape of one pattern; no axis is shorter than the object's.
    centered : bool, default=True
        Whether zero frequency is in the middle of magnitudes (index `m // 2`), else at index 0.

    Raises
    ------
    TypeError
        If a shape is not a sequence, such as a single size.
    ValueError
        If the shapes do not fit each other.

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
        for name in ("object_shape", "fourier_shape"):
            shape = getattr(self, name)
            try:
                object.__setattr__(self, name, tuple(shape))
            except TypeError:
                raise TypeError(
                    f"{name}={short(shape)} is not valid; give the size of each axis, such as "
                    f"({short(shape)},)"
                ) from None
        if not fits(self.object_shape, self.fourier_shape):
            raise ValueError(
                f"objects of shape {self.object_shape} do not fit magnitudes of shape "
                f"{self.fourier_shape}: each axis of a magnitude must be at least as long as the "
                "object's"
            )

    @property
    def boundary(self):
        """Boundary of shifts along each axis."""
        return boundary_of(self.object_shape, self.fourier_shape)

    @property
    def inside(self):
        """Index of the object frame within a batch of whole grids."""
        return (slice(None), *(slice(n) for n in self.object_shape))

    @property
    def n_pixels(self):
        """Number of Fourier pixels."""
        return math.prod(self.fourier_shape)

    def spectrum(self, objects):
        """Compute spectra in FFT order, half ones for real objects."""
        return to_spectrum(objects, self.fourier_shape)

    def objects(self, spectrum, *, real):
        """Compute objects from spectra in FFT order, cut to their frame."""
        return from_spectrum(spectrum, self.fourier_shape, real=real)[self.inside]

    def magnitudes(self, objects):
        """Compute the Fourier magnitudes of objects on the whole grid."""
        magnitudes = self.spectrum(objects).abs()
        if not objects.is_complex():
            return full_magnitudes(magnitudes, self.fourier_shape[-1], self.centered)
        return to_centred(magnitudes) if self.centered else magnitudes

    def to_fft_order(self, values):
        """Move zero frequency from the grid's layout to index 0."""
        return to_fft_order(values) if self.centered else values

    def from_fft_order(self, values):
        """Move values in FFT order to the grid's layout."""
        return to_centred(values) if self.centered else values

    def mirrored(self, values):
        """Return the values at `-k` for each frequency `k`."""
        return mirrored(values, self.centered)


def fits(object_shape, fourier_shape):
    """Return whether an object shape is no larger than a Fourier shape.

    Parameters
    ----------
    object_shape, fourier_shape : tuple of int

    Returns
    -------
    bool

    Examples
    --------
    >>> fits((8, 8), (16, 8)), fits((8, 8), (16, 7))
    (True, False)
    """
    return len(object_shape) == len(fourier_shape) and all(
        isinstance(n, Integral) and isinstance(m, Integral) and 1 <= n <= m
        for n, m in zip(object_shape, fourier_shape, strict=True)
    )


def boundary_of(object_shape, fourier_shape):
    """Boundary of shifts along each axis, from two shapes.

    This is the package's only rule for it. Along an axis without oversampling, where both shapes
    agree, shifts wrap around ("circular"). Along an oversampled axis the object is surrounded by
    zeros ("zero").

    Parameters
    ----------
    object_shape, fourier_shape : tuple of int
        Shapes of one object and one magnitude. If their numbers of axes differ, the measurement is
        not a Fourier transform of the object, and every axis is "zero".

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
    return tuple(
        "circular" if n == m else "zero" for n, m in zip(object_shape, fourier_shape, strict=True)
    )
