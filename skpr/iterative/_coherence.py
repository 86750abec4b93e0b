"""The coherence of the illumination, estimated along the way."""

import math

import torch

from .._arrays import space_axes
from ..coherence import coherence_transfer, lag_fractions

MAX_WIDTH = 3.0  # Fourier pixels; a wider kernel would leave nothing of an oversampled pattern's fringes
WARM_UP = 3  # updates before the first estimate, which needs the outline of an object


class Coherence:
    """A Gaussian kernel a sample, which blurs the intensities of the estimate before they meet the measured ones.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *columns)
        Normalised, FFT order, 0 where unmeasured; half spectra for real objects.
    unmeasured : torch.Tensor of bool, or None
    fourier_shape : tuple of int
    """

    def __init__(self, magnitudes, unmeasured, fourier_shape):
        self.grid = tuple(fourier_shape)
        self.is_half = magnitudes.shape[-1] != self.grid[-1]
        self.unmeasured = unmeasured
        self.intensities = magnitudes.square()
        n_axes = len(self.grid)
        self.covariances = torch.zeros(len(magnitudes), n_axes, n_axes, dtype=torch.float64, device=magnitudes.device)
        self._prepare()

    def keep(self, index):
        """Leave only the samples of an index."""
        self.intensities, self.covariances = self.intensities[index], self.covariances[index]
        self.unmeasured = None if self.unmeasured is None else self.unmeasured[index]
        self._prepare()

    def blurred(self, squares):
        """Intensities a detector sees of coherent ones.

        A kernel is nowhere negative, so a pixel keeps at least the kernel's middle of what it has; saying so keeps
        rounding, which is relative to the brightest pixel, out of the dark ones.
        """
        blurred = self._to_intensities(self._to_autocorrelations(squares) * self.transfer)
        return torch.maximum(blurred, self.middle * squares)

    def update(self, problem, objects, n_updates):
        """Improve the kernels by one Gauss-Newton step towards the measured autocorrelations."""
        if n_updates <= WARM_UP:
            return
        model = problem.intensities(objects)
        autocorrelations = self._to_autocorrelations(model)
        measured = self.intensities
        if self.unmeasured is not None:
            measured = torch.where(self.unmeasured, self.blurred(model), measured)
        residual = self._to_autocorrelations(measured) - autocorrelations * self.transfer
        self.covariances = _admissible(self.covariances + self._step(autocorrelations * self.transfer, residual))
        self._prepare()

    def _step(self, blurred, residual):
        """Least-squares change of the covariances that explains a residual of the autocorrelations."""
        fractions = lag_fractions(self.grid, residual.real, half=not self.is_half)
        n_axes = len(fractions)
        pairs = [(i, j) for i in range(n_axes) for j in range(i, n_axes)]
        factor = -2 * math.pi**2
        slopes = [factor * (1 if i == j else 2) * (fractions[i] * fractions[j]) * blurred for i, j in pairs]
        normal = torch.stack([torch.stack([_product(a, b) for b in slopes], dim=1) for a in slopes], dim=1)
        right = torch.stack([_product(a, residual) for a in slopes], dim=1)
        # a pattern without contrast determines nothing: the damping then leaves the kernel as it is
        damping = 1e-6 * normal.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-30)
        normal = normal + damping[:, None, None] * torch.eye(len(pairs), dtype=normal.dtype, device=normal.device)
        solution = torch.linalg.solve(normal, right)
        step = torch.zeros_like(self.covariances)
        for place, (i, j) in enumerate(pairs):
            step[:, i, j] = step[:, j, i] = solution[:, place]
        return step

    def _prepare(self):
        self.transfer = coherence_transfer(self.covariances, self.grid, self.intensities, half=not self.is_half)
        every = self.transfer if self.is_half else coherence_transfer(
            self.covariances, self.grid, self.intensities, half=False
        )
        self.middle = every.mean(dim=space_axes(every), keepdim=True)

    def _to_autocorrelations(self, squares):
        """Of real objects from half spectra and all lags; of complex ones from whole spectra and half the lags."""
        axes = space_axes(squares)
        if self.is_half:
            return torch.fft.irfftn(squares, s=self.grid, dim=axes)
        return torch.fft.rfftn(squares, dim=axes)

    def _to_intensities(self, autocorrelations):
        axes = space_axes(autocorrelations)
        if self.is_half:
            return torch.fft.rfftn(autocorrelations, dim=axes).real
        return torch.fft.irfftn(autocorrelations, s=self.grid, dim=axes)


def _product(a, b):
    return (a.conj() * b).real.sum(dim=space_axes(a), dtype=torch.float64)


def _admissible(covariances):
    """The nearest covariances of kernels no wider than `MAX_WIDTH`."""
    values, vectors = torch.linalg.eigh(covariances)
    return (vectors * values.clamp(0, MAX_WIDTH**2)[:, None]) @ vectors.mT
