"""Predictions as a prior: what is minimised beside the likelihood, and how."""

from functools import cached_property

import numpy as np
import torch

from .._quasi_newton import QuasiNewton
from .._rings import ring_numbers
from .._tensors import along_samples, to_tensor
from ..symmetry import register

STEPS = 60  # of the descent
SMALLEST = 1e-12  # of a pattern's energy a pixel: errors of predictions that have none


class Prior:
    """Predictions as a prior: normal errors of a power that depends on the ring of the frequency.

    Parameters
    ----------
    problem : Measurement
    predicted : ndarray of shape (n_samples, *object_shape)
        In any unit: they are scaled to the measured pixels.
    """

    def __init__(self, problem, predicted):
        self.problem = problem
        values = torch.from_numpy(np.asarray(predicted)).to(
            problem.magnitudes.device, problem.dtype
        )
        moduli = problem.grid.spectrum(values).abs()
        products, squares = (
            _sums(problem.weights * moduli * other) for other in (problem.magnitudes, moduli)
        )
        self.objects = problem.to_admissible(
            along_samples(products / squares.clamp_min(1e-300), values) * values
        )
        self.spectrum = problem.grid.spectrum(self.objects)
        self.energy = _sums(self._weights * self.spectrum.abs().square()).clamp_min(1e-300)

    @cached_property
    def _weights(self):
        """Pixels that each frequency of a spectrum stands for."""
        columns = self.spectrum.shape[-1]
        weights = torch.ones(columns, dtype=torch.float64, device=self.spectrum.device)
        if self.problem.kind != "complex":
            weights[1 : (self.problem.grid.fourier_shape[-1] + 1) // 2] = 2
        return weights

    def ring_powers(self, truth):
        """Mean power of the errors at each frequency, relative to the energy: that of its ring."""
        shape = self.problem.grid.fourier_shape
        rings = ring_numbers(shape, centered=False)[0][..., : self.spectrum.shape[-1]]
        rings = torch.from_numpy(rings).to(self.spectrum.device)
        errors = self._weights * (self.problem.grid.spectrum(truth) - self.spectrum).abs().square()
        errors = (errors / along_samples(self.energy, errors)).mean(dim=0)
        sums = torch.zeros(int(rings.max()) + 1, dtype=torch.float64, device=errors.device)
        counts = torch.zeros_like(sums).index_add_(
            0, rings.flatten(), self._weights.expand_as(errors).flatten()
        )
        sums.index_add_(0, rings.flatten(), errors.flatten())
        return (sums / counts.clamp_min(1)).clamp_min(SMALLEST)[rings]

    def descend(self, powers, unit, weight, objects):
        """Objects of the largest posterior from given ones, and what is minimised there.

        Parameters
        ----------
        powers : torch.Tensor, broadcastable to the spectrum
            Powers of the errors, relative to the energy.
        unit : torch.Tensor of shape (n_samples,)
            Unit of the posterior's logarithm, in values of the deviance.
        weight : float
        objects : torch.Tensor of shape (n_samples, *object_shape)
        """
        problem = self.problem
        stiffness = along_samples(weight * unit / self.energy, self.spectrum) / powers

        def evaluate(x):
            values, gradients = problem.likelihood.deviance(problem, x)
            errors = problem.grid.spectrum(x) - self.spectrum
            values = values + _sums(self._weights * stiffness * errors.abs().square()) / 2
            return values, gradients + problem.grid.objects(
                stiffness * errors, real=not x.is_complex()
            )

        descent = QuasiNewton(evaluate, problem.to_admissible(objects))
        for _ in range(STEPS):
            descent.step(evaluate, problem.to_admissible)
        return descent.objects, descent.values

    def registered(self, objects, boundary):
        """Other objects, in the units of the measurement, moved onto the predictions and
        normalised.
        """
        moved, _ = register(
            to_tensor(objects).cpu().numpy(), self.objects.cpu().numpy(), boundary=boundary
        )
        return self.problem.to_normalized(
            torch.from_numpy(moved).to(self.objects.device, self.objects.dtype)
        )

    def ways(self, powers, unit, weight, starts):
        """Ways to refine, and the objects that each finds.

        Maxima of the posterior from the predictions, from where iterations ended, and the better of
        the two; where the prior has no weight, the ends themselves.

        Parameters
        ----------
        powers, unit, weight
            See :meth:`descend`.
        starts : pair of torch.Tensor of shape (n_samples, *object_shape)
            Predictions, and the ends of iterations registered onto them.

        Returns
        -------
        list of (str, torch.Tensor)
        """
        if not weight:
            return [("ends", starts[1])]
        (first, values), (second, others) = (
            self.descend(powers, unit, weight, start) for start in starts
        )
        better = torch.where(along_samples(others < values, first), second, first)
        return [("from predictions", first), ("from ends", second), ("better", better)]


def _sums(values):
    return values.flatten(1).sum(dim=1)
