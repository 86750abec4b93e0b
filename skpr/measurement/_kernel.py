"""Coherence of the illumination, estimated while iterating."""

import math

import torch

from .._tensors import space_axes
from ._coherence import coherence_transfer, lag_fractions

# Fourier pixels; a wider kernel would leave nothing of an oversampled pattern's fringes.
MAX_WIDTH = 3.0
SMALLEST = 1e-4  # magnitude in units of the root mean square; the slope of darker pixels is noise
WARM_UP = 3  # updates before the first estimate, which needs the outline of an object


class Coherence:
    """Gaussian coherence kernel of each sample.

    It blurs the intensities of the estimate before they are compared with the measured ones.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *columns)
        Normalised magnitudes in FFT order; half spectra for real objects.
    fourier_shape : tuple of int
    """

    def __init__(self, magnitudes, fourier_shape):
        self.grid = tuple(fourier_shape)
        self.is_half = magnitudes.shape[-1] != self.grid[-1]
        self.like = magnitudes.new_empty(0)
        n_axes = len(self.grid)
        self.covariances = torch.zeros(
            len(magnitudes), n_axes, n_axes, dtype=torch.float64, device=magnitudes.device
        )
        self.warm_up, self.learns = WARM_UP, None
        self._prepare()

    def keep(self, index):
        """Keep only the patterns that an index selects, in place."""
        self.covariances = self.covariances[index]
        self.learns = None if self.learns is None else self.learns[index]
        self._prepare()

    def assume(self, covariances):
        """Start from given kernels.

        Kernels of zero width stay as they are.

        Parameters
        ----------
        covariances : torch.Tensor of shape (n_samples, n_axes, n_axes)
            Covariances in Fourier pixels squared.
        """
        self.covariances, self.warm_up = covariances, 0
        self.learns = covariances.flatten(1).any(dim=1)
        self._prepare()

    def blurred(self, squares):
        """Convolve coherent intensities with the kernels.

        Parameters
        ----------
        squares : torch.Tensor of shape (n_samples, *columns)
            Coherent intensities.

        Returns
        -------
        torch.Tensor of shape (n_samples, *columns)
        """
        # A kernel is nowhere negative, so each pixel keeps at least the kernel's central value of
        # its own light. This bound keeps rounding, which is relative to the brightest pixel, out of
        # the dark ones.
        blurred = self._to_intensities(self._to_autocorrelations(squares) * self.transfer)
        return torch.maximum(blurred, self.middle * squares)

    def blurred_slopes(self, slopes):
        """Convert a gradient for blurred intensities to coherent ones.

        The adjoint of a convolution with a symmetric kernel is the convolution itself.
        """
        return self._to_intensities(self._to_autocorrelations(slopes) * self.transfer)

    def update(self, problem, objects, n_updates):
        """Improve the kernels by one Gauss-Newton step.

        The step reduces the misfit `sum (sqrt(I * gamma) - b)^2` to the magnitudes `b`. Square
        roots of counts have equal noise, so this is maximum likelihood; a misfit of intensities
        would be dominated by the brightest pixels.

        Parameters
        ----------
        problem : Measurement
        objects : torch.Tensor of shape (n_samples, *object_shape)
        n_updates : int
            Number of the update; none of the first few changes the kernels.
        """
        if n_updates <= self.warm_up:
            return
        autocorrelations = self._to_autocorrelations(problem.intensities(objects)) * self.transfer
        model = self._to_intensities(autocorrelations).clamp_min(0).sqrt()
        weights = problem.weights.expand_as(model)
        slopes = [
            self._to_intensities(factor * autocorrelations) / (2 * model).clamp_min(SMALLEST)
            for factor in _slope_factors(self.grid, autocorrelations.real, not self.is_half)
        ]
        change = _least_squares(slopes, problem.magnitudes - model, weights)
        if self.learns is not None:
            change = torch.where(self.learns[:, None], change, 0.0)
        self.covariances = _admissible(self.covariances + _symmetric(change, len(self.grid)))
        self._prepare()

    def _prepare(self):
        self.transfer = coherence_transfer(
            self.covariances, self.grid, self.like, half=not self.is_half
        )
        every = (
            self.transfer
            if self.is_half
            else coherence_transfer(self.covariances, self.grid, self.like, half=False)
        )
        # the value of a kernel at its centre is the mean of its transfer function over all lags
        self.middle = every.mean(dim=space_axes(every), keepdim=True)

    def _to_autocorrelations(self, squares):
        """Compute autocorrelations, with half the lags of full spectra.

        Intensities and autocorrelations are both real and symmetric for real objects; for complex
        ones only the autocorrelations can be halved.
        """
        axes = space_axes(squares)
        if self.is_half:
            return torch.fft.irfftn(squares, s=self.grid, dim=axes)
        return torch.fft.rfftn(squares, dim=axes)

    def _to_intensities(self, autocorrelations):
        axes = space_axes(autocorrelations)
        if self.is_half:
            return torch.fft.rfftn(autocorrelations, dim=axes).real
        return torch.fft.irfftn(autocorrelations, s=self.grid, dim=axes)


def _slope_factors(grid, like, half):
    """Logarithmic derivatives of the transfer function.

    The entries are those of the upper triangle; an entry off the diagonal stands for two.
    """
    fractions = lag_fractions(grid, like, half=half)
    return [
        -2 * math.pi**2 * (1 if i == j else 2) * (first * second)
        for i, first in enumerate(fractions)
        for j, second in enumerate(fractions)
        if i <= j
    ]


def _least_squares(slopes, residual, weights):
    """Parameter changes that fit a residual best."""
    axes = space_axes(residual)
    normal = [
        [(weights * a * b).sum(dim=axes, dtype=torch.float64) for b in slopes] for a in slopes
    ]
    normal = torch.stack([torch.stack(row, dim=1) for row in normal], dim=1)
    right = torch.stack(
        [(weights * a * residual).sum(dim=axes, dtype=torch.float64) for a in slopes], dim=1
    )
    # a pattern without contrast determines nothing; the damping then leaves the kernel as it is
    damping = 1e-6 * normal.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-30)
    normal = normal + damping[:, None, None] * torch.eye(
        len(slopes), dtype=normal.dtype, device=normal.device
    )
    return torch.linalg.solve(normal, right)


def _symmetric(entries, n_axes):
    """Symmetric matrices from their upper triangles."""
    matrices = entries.new_zeros(len(entries), n_axes, n_axes)
    rows, columns = torch.triu_indices(n_axes, n_axes)
    matrices[:, rows, columns] = matrices[:, columns, rows] = entries
    return matrices


def _admissible(covariances):
    """Nearest covariances of kernels no wider than `MAX_WIDTH`."""
    values, vectors = torch.linalg.eigh(covariances)
    return (vectors * values.clamp(0, MAX_WIDTH**2)[:, None]) @ vectors.mT
