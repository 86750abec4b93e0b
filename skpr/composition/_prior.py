"""Prior of a prediction, and the descent of the posterior."""

from functools import cached_property

import numpy as np
import torch

from .._quasi_newton import QuasiNewton
from .._rings import ring_numbers
from .._tensors import along_samples, to_tensor
from ..symmetry import register

STEPS = 60  # iterations of the descent
SMALLEST = 1e-12  # power of an error per pixel, relative to a pattern's energy, that counts as none
REACH = 2.0  # rings over which errors are taken to be alike, as the scale of an exponential
DOUBT = 0.3  # standard deviations of a ring's measured errors added to these and the expected ones


class Prior:
    """Normal prior around predictions, with one error power per ring.

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
        moduli = problem.spectrum(values).abs()
        products, squares = (
            _sums(problem.weights * moduli * other) for other in (problem.magnitudes, moduli)
        )
        self.objects = problem.to_admissible(
            along_samples(products / squares.clamp_min(1e-300), values) * values
        )
        self.spectrum = problem.spectrum(self.objects)
        self.energy = _sums(self._weights * self.spectrum.abs().square()).clamp_min(1e-300)

    @cached_property
    def _weights(self):
        """Number of pixels that each frequency of a spectrum stands for."""
        columns = self.spectrum.shape[-1]
        weights = torch.ones(columns, dtype=torch.float64, device=self.spectrum.device)
        if self.problem.kind != "complex":
            weights[1 : (self.problem.grid.fourier_shape[-1] + 1) // 2] = 2
        return weights

    def ring_powers(self, truth):
        """Return the mean error power of each ring, relative to the energy."""
        errors = self._weights * (self.problem.spectrum(truth) - self.spectrum).abs().square()
        errors = (errors / along_samples(self.energy, errors)).mean(dim=0)
        sums, counts = (
            self._ring_sums(values[None].double())[0]
            for values in (errors, self._weights.expand_as(errors))
        )
        return (sums / counts.clamp_min(1)).clamp_min(SMALLEST)[self._rings]

    def radial_errors(self, unit, counted):
        """Sum the measured errors of the predicted magnitudes on each ring.

        A magnitude differs from that of a prediction by noise and by the radial part of the
        prediction's error. The noise is known, so the square of the difference less its variance
        is an unbiased estimate of the square of that part. Counts are compared as intensities,
        whose variance is known however few they are: `(N - I)^2 - N` has the mean `4 I e^2` for
        an error `e`, small beside `sqrt(I)`, and about the variance `2 I^2 + I`.

        Parameters
        ----------
        unit : torch.Tensor of shape (n_samples,)
            Variance of the noise of a magnitude.
        counted : bool
            Whether the noise is that of counts.

        Returns
        -------
        errors, deviations, sensitivities : torch.Tensor of shape (n_samples, n_rings)
            Sums of squared errors, their standard deviations, and the sums that errors of power 1
            relative to the energy would give. Neighbouring rings contribute to each sum with
            exponentially decreasing weights.
        """
        problem = self.problem
        moduli = self.spectrum.abs().double()
        variance = along_samples(unit.double(), moduli)
        # magnitudes of real objects are means of Friedel pairs, which halves the noise
        n_readings = 1.0 if problem.kind == "complex" else 2.0
        if problem.measured_shares is not None:
            n_readings = (n_readings * problem.measured_shares.double()).clamp_min(1.0)
        measured = problem.magnitudes.double()
        if counted:
            intensities = measured.square()
            if problem.spread is not None:  # the mean of squares, not the square of the mean
                intensities = intensities + problem.spread.double().square()
            counts, means = intensities / (4 * variance), moduli.square() / (4 * variance)
            weights = 1 / (means + 1)  # the inverse of the deviation, near enough
            errors = weights * ((counts - means).square() - counts / n_readings)
            errors = errors * 4 * variance
            deviations = (2 * means.square() / n_readings + means) / n_readings
            deviations = deviations * (4 * variance * weights).square()
            sensitivities = weights * 4 * means
        else:
            errors = (measured - moduli).square() - variance / n_readings
            deviations = (2 * (variance / n_readings).square()).expand_as(errors)
            sensitivities = torch.ones_like(errors)
        weights = problem.weights.double()
        errors, sensitivities, deviations = (
            self._ring_sums(weights * values) for values in (errors, sensitivities, deviations)
        )
        numbers = torch.arange(errors.shape[1], dtype=torch.float64, device=errors.device)
        nearness = (-(numbers[:, None] - numbers).abs() / REACH).exp()
        return (
            errors @ nearness,
            (deviations @ nearness.square()).clamp_min(0).sqrt(),
            (sensitivities * self.energy.double()[:, None]) @ nearness,
        )

    def excess(self, radial, expected):
        """Return the error power of each prediction relative to the expected one.

        Parameters
        ----------
        radial : tuple of torch.Tensor
            From :meth:`radial_errors`.
        expected : torch.Tensor of shape (n_rings,)
            Power of the radial errors of other predictions, relative to the energy.

        Returns
        -------
        torch.Tensor of shape (n_samples, *columns)
            Ratio at each frequency, at least 1; near 1 where noise hides the errors.
        """
        errors, deviations, sensitivities = radial
        doubt = DOUBT * deviations + 1e-300
        ratios = (errors.clamp_min(0) + doubt) / (sensitivities * expected + doubt)
        # a prediction may have fitted the noise of its pattern, and then looks better than it is
        return ratios.clamp_min(1.0)[:, self._rings]

    @cached_property
    def _rings(self):
        """Number of the ring of each frequency of the spectrum."""
        shape = self.problem.grid.fourier_shape
        rings = ring_numbers(shape, centered=False)[0][..., : self.spectrum.shape[-1]]
        return torch.from_numpy(rings).to(self.spectrum.device)

    def _ring_sums(self, values):
        sums = values.new_zeros(len(values), int(self._rings.max()) + 1)
        return sums.index_add_(1, self._rings.flatten(), values.flatten(1))

    def descend(self, powers, unit, weight, objects):
        """Return the objects of the largest posterior, and its values there.

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
            errors = problem.spectrum(x) - self.spectrum
            values = values + _sums(self._weights * stiffness * errors.abs().square()) / 2
            return values, gradients + problem.objects(stiffness * errors)

        descent = QuasiNewton(evaluate, problem.to_admissible(objects))
        for _ in range(STEPS):
            descent.step(evaluate, problem.to_admissible)
        return descent.objects, descent.values

    def registered(self, objects, boundary):
        """Register other objects onto the predictions, and normalise them."""
        moved, _ = register(
            to_tensor(objects).cpu().numpy(), self.objects.cpu().numpy(), boundary=boundary
        )
        return self.problem.to_normalized(
            torch.from_numpy(moved).to(self.objects.device, self.objects.dtype)
        )

    def ways(self, powers, unit, weight, starts):
        """Return the ways to refine, with the objects that each finds.

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
