r"""Likelihoods of objects: misfits that weigh each pixel by its noise, and their gradients.

For photon counts `N` and a model of `m` photons the deviance of the Poisson distribution is `2 sum
(m - N + N log(N / m))`, twice the logarithm of the likelihood that is lost. Where magnitudes are no
roots of counts it is the amplitude loss `4 sum (|z| - b)^2`, which is what the deviance tends to
for many photons."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .._tensors import along_samples
from .._validation import check_number

LEAST_PHOTONS = (
    1e-3  # in a pixel of the model: with fewer, a single count would have a gradient without bound
)


@dataclass(frozen=True)
class CountingNoise:
    """Noise of a detector that counts photons.

    Parameters
    ----------
    background : float, default=0.0
        Mean photons a pixel that do not come from the object.
    readout_noise : float, default=0.0
        Standard deviation of Gaussian noise in a pixel, in photons. Counts with it are taken for
        Poisson counts with its variance added to both sides, which have the same mean and variance
        (Snyder et al., 1995).
    photon : float, optional
        Square of a magnitude that one photon makes. Found from the magnitudes if not given, where
        these are roots of multiples of whole numbers, else 1.

    Raises
    ------
    ValueError
        For a negative background or read-out noise, or a photon that is not positive.
    """

    background: float = 0.0
    readout_noise: float = 0.0
    photon: float | None = None

    def __post_init__(self):
        for name in ("background", "readout_noise"):
            check_number(name, getattr(self, name), 0)
        if self.photon is not None:
            check_number("photon", self.photon, 0, closed="neither")


class Likelihood:
    """Deviance of objects of one batch of measurements, and its gradient.

    Parameters
    ----------
    noise : CountingNoise, optional
        Amplitude loss if not given.
    photons : torch.Tensor of shape (n_samples,), optional
        Square of a magnitude that one photon makes, in units of the measurement.
    """

    def __init__(self, noise=None, photons=None):
        self.noise, self.photons = noise, photons

    def keep(self, index):
        """Leave only the samples of an index."""
        self.photons = None if self.photons is None else self.photons[index]

    def deviance(self, measurement, objects):
        """Deviance of normalised objects and its gradient.

        Parameters
        ----------
        measurement : Measurement
        objects : torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        values : torch.Tensor of float64, shape (n_samples,)
            An eighth of the deviance in normalised intensities: half the amplitude loss, or what
            tends to it.
        gradients : torch.Tensor of shape (n_samples, *object_shape)
            Gradients of the values over the number of Fourier pixels. That of the amplitude loss is
            `x - P_M x`.
        """
        spectrum = measurement.grid.spectrum(objects)
        losses, factors = self._losses(measurement, spectrum)
        values = losses.sum(-1, keepdim=True).flatten(1).sum(1, dtype=torch.float64)
        shares = measurement.measured_shares
        factors = factors if shares is None else factors * shares
        if measurement.coherence is not None:
            factors = measurement.coherence.blurred_slopes(factors)
        return values, measurement.grid.objects(spectrum * factors, real=not objects.is_complex())

    def losses(self, measurement, objects):
        """Share of each pixel in the value of :meth:`deviance`, of the shape of the measurement's
        magnitudes.
        """
        return self._losses(measurement, measurement.grid.spectrum(objects))[0]

    def pixel_losses(self, measurement, intensities):
        """Losses of intensities that a detector sees, without weights, of the shape of the
        magnitudes.
        """
        return self._compared(measurement, intensities, measurement.magnitudes)[0]

    def drawn(self, measurement, intensities):
        """Losses of intensities against counts drawn from them: what noise alone makes."""
        photon = along_samples(
            self._normalized_photons(measurement).to(intensities.dtype), intensities
        )
        generator = torch.Generator(intensities.device).manual_seed(0)
        counts = torch.poisson(
            (intensities / photon + self.noise.background).clamp_min(0), generator
        )
        if self.noise.readout_noise:
            normal = torch.randn(
                counts.shape, generator=generator, dtype=counts.dtype, device=counts.device
            )
            counts = (counts + self.noise.readout_noise * normal).clamp_min(0)
        return self._compared(measurement, intensities, (counts * photon).sqrt())[0]

    def _compared(self, measurement, intensities, magnitudes):
        """Losses and the factors that make their gradient of the spectrum."""
        if self.noise is None:
            return _amplitudes(intensities, magnitudes)
        photon = along_samples(
            self._normalized_photons(measurement).to(intensities.dtype), intensities
        )
        return _counts(intensities, magnitudes, photon, self.noise)

    def _losses(self, measurement, spectrum):
        """Weighted losses, and the factors that make their gradient of the spectrum."""
        intensities = torch.view_as_real(spectrum).square().sum(-1)
        if measurement.coherence is not None:
            intensities = measurement.coherence.blurred(intensities)
        losses, factors = self._compared(measurement, intensities, measurement.magnitudes)
        weights = measurement.weights if measurement.n_measured is None else measurement.n_measured
        return weights * losses, factors

    def in_photons(self, values, measurement):
        """Logarithm of the likelihood that values of :meth:`deviance` cost; relative to all energy
        without counts.
        """
        if self.noise is None:
            return values / along_samples(
                measurement.norms.double().square().clamp_min(1e-300), values
            )
        return 4 * values / along_samples(self._normalized_photons(measurement), values)

    def _normalized_photons(self, measurement):
        return self.photons / measurement.scale.double().square()


def _counts(intensities, magnitudes, photon, noise):
    model = intensities + (noise.background + noise.readout_noise**2 + LEAST_PHOTONS) * photon
    counts = magnitudes.square() + noise.readout_noise**2 * photon
    # the difference of what is nearly equal is taken once, so that many photons lose no digit
    excess = (model - counts) / torch.where(counts > 0, counts, 1.0)
    losses = torch.where(counts > 0, counts * (excess - torch.log1p(excess)), model)
    return losses / 4, (model - counts) / (2 * model)


def _amplitudes(intensities, magnitudes):
    moduli = intensities.sqrt()
    difference = moduli - magnitudes
    return difference.square() / 2, difference / torch.where(moduli > 0, moduli, 1.0)
