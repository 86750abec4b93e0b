"""Rules that decide from the object alone whether to flip it.

Each rule is one function that maps a batch in float64 to an odd score. The score does not change
when the object is shifted or its phase rotated, and changes sign when the object is flipped. The
object is flipped if its score is negative. Scores are of order one or less; those within the tie
tolerance of zero are decided by :mod:`._ties`. The boundary is a tuple with one entry for each
axis, and `dtype` is the original precision of the values.
"""

import math

import torch

from ..symmetry.core import content_boxes
from ._ties import weakest_harmonic

# --- features -------------------------------------------------------------------------------------


def odd_features(x, boundary):
    """Compute odd descriptors of the intensity `|x|^2`.

    They have shape (n_samples, n_features), and each changes sign under a flip. In a dark frame
    they are the third central moments over `sigma^3` (the skewness tensor). Moments do not exist on
    circular axes; if any axis is circular, their counterpart is used: the imaginary bispectrum of
    the intensity at the lowest harmonics.
    """
    intensity = x.abs().square()
    return (
        _intensity_bispectrum(intensity, boundary)
        if "circular" in boundary
        else skewness(intensity)
    )


def skewness(weights):
    """Compute the skewness tensor of non-negative weights, flattened.

    Its entries are `E[(r-c)_i (r-c)_j (r-c)_k] / E[|r-c|^2]^(3/2)` for i <= j <= k.
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
    # the moments of one-pixel objects, which have no spread, are rounding errors
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
    """Return the lowest frequency along each axis, in cycles per pixel.

    Along an axis with boundary "zero" it is that of a frame twice as long.
    """
    oversampling = [1 if wraps == "circular" else 2 for wraps in boundary]
    return torch.tensor(
        [1 / (factor * n) for factor, n in zip(oversampling, shape, strict=True)],
        dtype=torch.float64,
    )


def bispectrum_terms(x, frequencies):
    """Compute imaginary bispectrum terms at frequencies in cycles per pixel.

    They are `Im[F(k)^2 conj F(2k) conj F(0)] / (sum |x|)^4` for each frequency `k`.
    """
    amplitude = x.abs().flatten(1).sum(dim=1)
    scale = torch.where(amplitude > 0, amplitude, 1.0)
    zero = x.flatten(1).sum(dim=1) / scale
    terms = []
    for k in frequencies:
        single, double = fourier_sum(x, k) / scale, fourier_sum(x, 2 * k) / scale
        terms.append((single.square() * double.conj() * zero.conj()).imag)
    return torch.stack(terms, dim=1)


def fourier_sum(x, frequency):
    """Compute `F(k) = sum_r x(r) exp(-2 pi i k r)` at one frequency.

    The frequency is in cycles per pixel.
    """
    angle = -2 * math.pi * (_coordinates(x) @ frequency.to(x.device))
    wave = torch.complex(angle.cos(), angle.sin())
    if x.is_complex():
        return x.flatten(1) @ wave
    flat = x.flatten(1)
    return torch.complex(flat @ wave.real, flat @ wave.imag)


# --- rules ----------------------------------------------------------------------------------------


def moment_score(x, boundary, direction=None, dtype=None):
    """Average the odd features.

    In a dark frame this is the mean of the distinct entries of the skewness tensor.
    """
    return odd_features(x, boundary).mean(dim=1)


def principal_score(x, boundary, direction, dtype=None):
    """Project the odd features on their principal direction.

    The direction is that of the training set; it leaves the fewest objects undecided.
    """
    return odd_features(x, boundary) @ direction


def bispectrum_score(x, boundary, direction=None, dtype=None):
    """Sum the imaginary bispectrum over the lowest frequencies.

    There is one frequency along each axis. `Im[F(k)^2 conj F(2k) conj F(0)]` is invariant to shift
    and phase, and changes sign under conjugate inversion.
    """
    return bispectrum_terms(x, lowest_frequencies(x.shape[1:], boundary).diag()).sum(dim=1)


def fourier_score(x, boundary, direction=None, dtype=torch.float64):
    """Score objects by the Fourier phase next to zero frequency.

    The score has the sign of the phase relative to that at zero frequency. This is a published
    baseline: Tayal et al. (2020) negate all phases if that of `Omega(1, 2)` is negative. The phase
    depends on the origin, which here is the exact centre of the content; otherwise the rule could
    give an object and its flip the same sign.
    """
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
    """Compute the unit direction of most energy of the odd features.

    Its largest entry is positive.
    """
    _, vectors = torch.linalg.eigh(feature_moment)
    direction = vectors[:, -1]
    return direction * torch.where(direction[direction.abs().argmax()] < 0, -1.0, 1.0)


def _coordinates(x):
    """Return pixel coordinates relative to the middle of the frame.

    They have shape (n_pixels, n_axes), in float64.
    """
    axes = [
        torch.arange(n, dtype=torch.float64, device=x.device) - (n - 1) / 2 for n in x.shape[1:]
    ]
    return torch.stack([a.flatten() for a in torch.meshgrid(*axes, indexing="ij")], dim=1)


def _upper_indices(n_axes):
    triples = [(i, j, k) for i in range(n_axes) for j in range(i, n_axes) for k in range(j, n_axes)]
    return tuple(torch.tensor(index) for index in zip(*triples, strict=True))
