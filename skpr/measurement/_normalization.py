"""Normalisation of magnitudes to unit mean square."""

import torch

from .._tensors import along_samples, times_power_of_two
from ._projections import exponents_of

HARMLESS = 16  # exponent of two up to which sums of squares stay well within float32


def sums_over_space(values):
    """Sum over the axes of space in double precision.

    Parameters
    ----------
    values : torch.Tensor of shape (n_samples, *columns)
        Values with the layout in memory of spectra.

    Returns
    -------
    torch.Tensor of shape (n_samples,), float64

    Examples
    --------
    >>> sums_over_space(torch.ones(1, 2, 3))
    tensor([6.], dtype=torch.float64)
    """
    # rows, contiguous in spectra, are summed in their own precision: converting all values would
    # double the cost
    rows = values.sum(1, keepdim=True)
    return rows.flatten(1).sum(1, dtype=torch.float64)


def near_one(magnitudes, assumed=None):
    """Scale magnitudes by powers of two if squares need it.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes; NaN where unmeasured.
    assumed : {None, "complete", "incomplete"}, default=None
        Whether the magnitudes are known to need no scaling: if this is not None.

    Returns
    -------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes, of which the largest are near 1 if they were scaled.
    exponents : torch.Tensor of int, shape (n_samples,)
        Exponents of the powers of two that the magnitudes were divided by.

    Examples
    --------
    >>> near_one(torch.tensor([[2.0**40, 0.0], [2.0, 0.0]]))[1]
    tensor([41,  2], dtype=torch.int32)
    """
    if assumed is not None:
        return magnitudes, torch.zeros(len(magnitudes), dtype=torch.int32, device=magnitudes.device)
    peaks = magnitudes.nan_to_num(0.0).flatten(1).amax(dim=1)
    exponents = exponents_of(peaks)
    if bool((exponents.abs() <= HARMLESS).all()):
        return magnitudes, torch.zeros_like(exponents)
    return times_power_of_two(magnitudes, -along_samples(exponents, magnitudes)), exponents
