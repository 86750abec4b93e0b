"""Rules that decide, from the object alone, whether to flip it. One small function each.

A rule maps a batch in float64 to an odd score: it does not change when the object is shifted or its
phase rotated, and changes sign when it is flipped. The object is flipped where the score is
negative. Scores are of order one or less; those within the tie tolerance of zero are left to
:mod:`._ties`. The boundary is a tuple with one entry for each axis; `dtype` is the precision that
the values had before."""

import math

import torch

from ..symmetry.core import content_boxes
from ._ties import weakest_harmonic

# --- features -------------------------------------------------------------------------------------


def odd_features(x, boundary):
    """Odd descriptors of the intensity `|x|^2`, of shape (n_samples, n_features); each negates
    under flip.

    In a dark frame, the third central moments over `sigma^3` (the skewness tensor). Where any axis
    is a circle, on which moments do not exist, the imaginary bispectrum of the intensity at the
    lowest harmonics, their circular counterpart."""
    intensity = x.abs().square()
    return (
        _intensity_bispectrum(intensity, boundary)
        if "circular" in boundary
        else skewness(intensity)
    )


def skewness(weights):
    """Skewness tensor `E[(r-c)_i (r-c)_j (r-c)_k] / E[|r-c|^2]^(3/2)` of non-negative weights,
    flattened.
    """
    n_axes = weights.ndim - 1
    points = _coordinates(weights)
    columns = [points.new_ones(len(points), 1), points]
    columns.append((points[:, :, None] * points[:, None]).flatten(1))
    columns.append(
        (points[:, :, None, None] * points[:, None, :, None] * points[:, None, None]).flatten(1)
    )
    moments = weights.flatten(1) @ torch.cat(columns, dim=1)
    mass, first, second, third = moments.split([1, n_axes, n_axes**2, n_axes**3], dim=1)
    mass = torch.where(mass > 0, mass, 1.0)
    centre = first / mass
    second = (second / mass).view(-1, n_axes, n_axes)
    third = (third / mass).view(-1, n_axes, n_axes, n_axes)
    crossed = centre[:, :, None, None] * second[:, None]
    cube = centre[:, :, None, None] * centre[:, None, :, None] * centre[:, None, None]
    third = third - crossed - crossed.transpose(1, 2) - crossed.permute(0, 2, 3, 1) + 2 * cube
    variance = second.diagonal(dim1=1, dim2=2).sum(dim=1) - centre.square().sum(dim=1)
    # one-pixel objects have no spread: their moments are rounding errors
    spread = torch.where(variance > 1e-9, variance, math.inf)
    i, j, k = _upper_indices(n_axes)
    return third[:, i, j, k] / spread[:, None] ** 1.5


def _intensity_bispectrum(intensity, boundary):
    lowest = lowest_frequencies(intensity.shape[1:], boundary)
    frequencies = list(lowest.diag())
    if len(frequencies) > 1:
        frequencies.append(lowest)
    return bispectrum_terms(intensity, frequencies)


def lowest_frequencies(shape, boundary):
    """Lowest frequency along each axis in cycles per pixel, that of a frame twice as long for an
    axis in the dark.
    """
    oversampling = [1 if wraps == "circular" else 2 for wraps in boundary]
    return torch.tensor(
        [1 / (factor * n) for factor, n in zip(oversampling, shape, strict=True)],
        dtype=torch.float64,
    )


def bispectrum_terms(x, frequencies):
    """`Im[F(k)^2 conj F(2k) conj F(0)] / (sum |x|)^4` for each frequency `k`, in cycles per pixel."""
    amplitude = x.abs().flatten(1).sum(dim=1)
    scale = torch.where(amplitude > 0, amplitude, 1.0)
    zero = x.flatten(1).sum(dim=1) / scale
    terms = []
    for k in frequencies:
        single, double = fourier_sum(x, k) / scale, fourier_sum(x, 2 * k) / scale
        terms.append((single.square() * double.conj() * zero.conj()).imag)
    return torch.stack(terms, dim=1)


def fourier_sum(x, frequency):
    """`F(k) = sum_r x(r) exp(-2 pi i k r)` at one frequency in cycles per pixel."""
    angle = -2 * math.pi * (_coordinates(x) @ frequency.to(x.device))
    wave = torch.complex(angle.cos(), angle.sin())
    if x.is_complex():
        return x.flatten(1) @ wave
    flat = x.flatten(1)
    return torch.complex(flat @ wave.real, flat @ wave.imag)


# --- rules ----------------------------------------------------------------------------------------


def moment_score(x, boundary, direction=None, dtype=None):
    """Sum of the odd features: in a dark frame the skewness along the diagonal of the axes."""
    return odd_features(x, boundary).mean(dim=1)


def principal_score(x, boundary, direction, dtype=None):
    """Odd features along their principal direction over the training set, where fewest objects are
    undecided.
    """
    return odd_features(x, boundary) @ direction


def bispectrum_score(x, boundary, direction=None, dtype=None):
    """Imaginary bispectrum of the object itself at the lowest frequency along each axis.

    `Im[F(k)^2 conj F(2k) conj F(0)]` is invariant to shift and phase and negates under conjugate
    inversion."""
    return bispectrum_terms(x, lowest_frequencies(x.shape[1:], boundary).diag()).sum(dim=1)


def fourier_score(x, boundary, direction=None, dtype=torch.float64):
    """Sign of the Fourier phase at the frequency next to zero, relative to that at zero: a
    published baseline.

    Tayal et al. (2020) negate all phases if that of `Omega(1, 2)` is negative. The phase depends on
    the origin; it is taken about the exact centre of the content, without which the rule gives an
    object and its flip the same sign."""
    size = x.shape[-1]
    k = lowest_frequencies(x.shape[1:], boundary)
    k[:-1] = 0
    if boundary[-1] == "circular":
        intensity = x.abs().square()
        harmonic = fourier_sum(intensity, k)
        defined = harmonic.abs() > weakest_harmonic(dtype) * intensity.flatten(1).sum(dim=1)
        ramp = torch.where(defined, harmonic.sgn().conj(), 0)
    else:
        starts, sizes = content_boxes(x)
        middle = (starts[:, -1] + (sizes[:, -1] - 1) / 2) - (size - 1) / 2
        ramp = torch.polar(
            torch.ones_like(middle, dtype=torch.float64), 2 * math.pi * k[-1] * middle.double()
        )
    amplitude = x.abs().flatten(1).sum(dim=1)
    scale = torch.where(amplitude > 0, amplitude, 1.0)
    zero = x.flatten(1).sum(dim=1) / scale
    return (fourier_sum(x, k) / scale * ramp * zero.conj()).imag


FLIP_RULES = {
    "moment": moment_score,
    "principal": principal_score,
    "bispectrum": bispectrum_score,
    "fourier": fourier_score,
}


def principal_direction(feature_moment):
    """Unit direction along which the odd features have most energy, its largest entry positive."""
    _, vectors = torch.linalg.eigh(feature_moment)
    direction = vectors[:, -1]
    return direction * torch.where(direction[direction.abs().argmax()] < 0, -1.0, 1.0)


def _coordinates(x):
    """Pixel coordinates about the middle of the frame, float64, of shape (n_pixels, n_axes)."""
    axes = [
        torch.arange(n, dtype=torch.float64, device=x.device) - (n - 1) / 2 for n in x.shape[1:]
    ]
    return torch.stack([a.flatten() for a in torch.meshgrid(*axes, indexing="ij")], dim=1)


def _upper_indices(n_axes):
    triples = [(i, j, k) for i in range(n_axes) for j in range(i, n_axes) for k in range(j, n_axes)]
    return tuple(torch.tensor(index) for index in zip(*triples, strict=True))
