"""Projections onto constraints.

They are pure, batched and differentiable functions. Each returns the nearest array, in the
Euclidean sense, that satisfies one constraint. Batches have shape (n_samples, *shape), with one to
three axes of space.
"""

import torch

from .._tensors import along_samples, times_power_of_two
from ._containers import takes_arrays
from ._moduli import has_gradient, moduli, scaled, squared_moduli
from ._transform import from_spectrum, to_spectrum

# Largest exponent of two for scaling; the scale and its inverse are then finite and not zero.
EXPONENTS = {torch.float32: 120, torch.float64: 1000}


@takes_arrays
def project_magnitudes(estimate, magnitudes, unmeasured=None):
    """Project onto given Fourier magnitudes.

    The spectrum keeps its phases and takes the given moduli, `F <- F b / |F|` (Fienup, 1982); no
    phase is computed. A spectrum that vanishes has no phase and stays 0, and so, nearly, does one
    whose modulus is below the square of the precision (1e-14 in float32) of the estimate.

    Parameters
    ----------
    estimate : torch.Tensor of shape (n_samples, *fourier_shape)
        Real or complex arrays on the whole grid.
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes in FFT order. For a real estimate only the half spectrum is read, so the shape
        may also be (n_samples, ..., fourier_shape[-1] // 2 + 1).
    unmeasured : torch.Tensor of bool, shape of `magnitudes`, optional
        Pixels that keep their modulus; by default those where `magnitudes` is NaN.

    Returns
    -------
    torch.Tensor of shape (n_samples, *fourier_shape)

    Raises
    ------
    ValueError
        If the magnitudes have another shape, are complex or are negative.

    Examples
    --------
    >>> import torch
    >>> project_magnitudes(torch.tensor([[3.0, 1.0]]), torch.tensor([[8.0, 1.0]]))
    tensor([[4.5000, 3.5000]])
    """
    shape, given = tuple(estimate.shape), tuple(magnitudes.shape)
    half = shape if estimate.is_complex() else (*shape[:-1], shape[-1] // 2 + 1)
    if given[:1] not in (shape[:1], (1,)) or given[1:] not in (shape[1:], half[1:]):
        also = "" if estimate.is_complex() else f", or on its half, of shape {half}"
        raise ValueError(
            f"magnitudes have shape {given}; give them on the whole grid of the estimate, of "
            f"shape {shape}{also}"
        )
    if magnitudes.is_complex() or bool((magnitudes < 0).any()):
        raise ValueError(
            "magnitudes are complex or have negative values; give moduli, such as magnitudes.abs()"
        )
    if unmeasured is None and magnitudes.isnan().any():
        unmeasured = magnitudes.isnan()
        magnitudes = magnitudes.nan_to_num(0.0)
    # division by a power of two is exact; squares of the quotients neither overflow nor vanish
    exponents = exponents_of(estimate.detach().abs().flatten(1).amax(dim=1))
    unit = along_samples(
        times_power_of_two(torch.ones_like(exponents, dtype=magnitudes.dtype), exponents), estimate
    )
    return with_magnitudes(estimate / unit, magnitudes / unit, unmeasured) * unit


def exponents_of(peaks):
    """Exponents of the powers of two near given numbers."""
    most = EXPONENTS[peaks.dtype]
    return torch.frexp(peaks).exponent.clamp(-most, most)


def with_magnitudes(estimate, magnitudes, unmeasured):
    """Project onto magnitudes without checking the input.

    All pixels are measured if `unmeasured` is None. See :func:`project_magnitudes`.
    """
    grid = tuple(estimate.shape[1:])
    spectrum = to_spectrum(estimate, grid)
    columns = spectrum.shape[-1]
    if unmeasured is not None:
        unmeasured = unmeasured[..., :columns]
    spectrum = rescaled(spectrum, magnitudes[..., :columns], unmeasured)
    return from_spectrum(spectrum, grid, real=not estimate.is_complex())


def rescaled(spectrum, magnitudes, unmeasured=None, coherence=None, least_modulus=None, out=None):
    """Scale spectra to given magnitudes.

    Parameters
    ----------
    spectrum : torch.Tensor of shape (n_samples, *columns), complex
    magnitudes : torch.Tensor of shape (n_samples, *columns)
    unmeasured : torch.Tensor of bool, shape (n_samples, *columns), optional
        Pixels that stay as they are.
    coherence : Coherence, optional
        Kernels whose blurred intensity must equal the measured one (Clark et al., 2012).
    least_modulus : float, optional
        Modulus to which smaller ones are raised; by default the square of the precision.
    out : torch.Tensor of shape (n_samples, *columns), complex, optional
        Tensor that receives the result.

    Returns
    -------
    torch.Tensor of shape (n_samples, *columns)
    """
    # the floor keeps b / |F| finite where the spectrum vanishes
    least = least_of(magnitudes.dtype) if least_modulus is None else least_modulus
    if coherence is None and not has_gradient(spectrum):
        scale = moduli(spectrum).clamp_min_(least)
        scale = torch.div(magnitudes, scale, out=None if has_gradient(magnitudes) else scale)
    else:
        squares = squared_moduli(spectrum)
        squares = squares if coherence is None else coherence.blurred(squares)
        scale = magnitudes * squares.clamp_min(least**2).rsqrt()
    if unmeasured is not None:
        scale = scale.masked_fill(unmeasured, 1.0)
    return scaled(spectrum, scale, out)


def least_of(dtype):
    """Return the default of the least modulus, the square of the precision."""
    return torch.finfo(dtype).eps ** 2


@takes_arrays
def project_support(estimate, support):
    """Set values outside the support to zero.

    Parameters
    ----------
    estimate : torch.Tensor of shape (n_samples, *shape)
    support : torch.Tensor of bool, broadcastable to the estimate
        True where the object may be.

    Returns
    -------
    torch.Tensor of shape (n_samples, *shape)

    Raises
    ------
    ValueError
        If the support has another shape, or is not a mask.

    Examples
    --------
    >>> import torch
    >>> project_support(torch.tensor([[3.0, 1.0]]), torch.tensor([True, False]))
    tensor([[3., 0.]])
    """
    support = torch.as_tensor(support, device=estimate.device)
    if support.dtype != torch.bool and not bool(((support == 0) | (support == 1)).all()):
        raise ValueError(
            "support has other values than 0 and 1; give one bool per pixel, True where the object "
            "may be, such as objects > threshold"
        )
    try:
        kept = estimate * support
    except RuntimeError:  # shapes that do not broadcast
        kept = None
    if kept is None or kept.shape != estimate.shape:
        raise ValueError(
            f"support has shape {tuple(support.shape)}; give one of shape "
            f"{tuple(estimate.shape[1:])} for all samples, or one per sample"
        )
    return kept


@takes_arrays
def project_real(estimate):
    """Set the imaginary part to zero.

    The result of a complex estimate is complex, too.

    Parameters
    ----------
    estimate : torch.Tensor of shape (n_samples, *shape)

    Returns
    -------
    torch.Tensor of shape (n_samples, *shape)

    Examples
    --------
    >>> import torch
    >>> project_real(torch.tensor([[1.0 + 2.0j]]))
    tensor([[1.+0.j]])
    """
    return (
        torch.complex(estimate.real, torch.zeros_like(estimate.real))
        if estimate.is_complex()
        else estimate
    )


@takes_arrays
def project_non_negative(estimate):
    """Set negative values and the imaginary part to zero.

    Parameters
    ----------
    estimate : torch.Tensor of shape (n_samples, *shape)

    Returns
    -------
    torch.Tensor of shape (n_samples, *shape)

    Examples
    --------
    >>> import torch
    >>> project_non_negative(torch.tensor([[-1.0, 2.0]]))
    tensor([[0., 2.]])
    """
    if estimate.is_complex():
        return torch.complex(estimate.real.clamp_min(0), torch.zeros_like(estimate.real))
    return estimate.clamp_min(0)


@takes_arrays
def project_amplitude(estimate, lower, upper):
    """Clip real values, or moduli of complex ones, to bounds.

    Parameters
    ----------
    estimate : torch.Tensor of shape (n_samples, *shape)
    lower, upper : float
        Bounds.

    Returns
    -------
    torch.Tensor of shape (n_samples, *shape)

    Raises
    ------
    ValueError
        If the lower bound is above the upper one.

    Examples
    --------
    >>> import torch
    >>> project_amplitude(torch.tensor([[-1.0, 2.0]]), 0.0, 1.0)
    tensor([[0., 1.]])
    """
    if lower > upper:
        raise ValueError(
            f"bounds lower={lower!r}, upper={upper!r} are not valid; give lower <= upper"
        )
    if not estimate.is_complex():
        return estimate.clamp(lower, upper)
    moduli = estimate.abs()
    # 0 has no phase: if the lower bound raises it, any phase is equally near
    direction = torch.where(
        moduli > 0, estimate / torch.where(moduli > 0, moduli, 1), torch.ones_like(estimate)
    )
    return direction * moduli.clamp(lower, upper)
