r"""Likelihoods: misfits weighted by the noise of each pixel.

For photon counts `N` and a model of `m` photons, the deviance of the Poisson distribution is
`2 sum (m - N + N log(N / m))`, twice the log-likelihood that is lost. For magnitudes `b` that are
not roots of counts, the amplitude loss `4 sum (|z| - b)^2` takes its place, which is the limit of
the deviance for many photons.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .._tensors import along_samples
from .._validation import check_number
from ._moduli import squared_moduli

# Photons added to each pixel of the model; without them, the gradient of a single count in a dark
# pixel is unbounded.
LEAST_PHOTONS = 1e-3


@dataclass(frozen=True)
class CountingNoise:
    """Noise of a detector that counts photons.

    Parameters
    ----------
    background : float, default=0.0
        Mean number of photons per pixel that do not come from the object.
    readout_noise : float, default=0.0
        Standard deviation of Gaussian noise per pixel, in photons. Its variance is added to counts
        and model, which are then treated as Poisson: mean and variance stay the same (Snyder et
        al., 1995).
    photon : float, optional
        Squared magnitude of one photon. By default it is found from the magnitudes if their squares
        are multiples of whole numbers; otherwise it is 1.

    Raises
    ------
    ValueError
        If the background or read-out noise is negative, or the photon is not positive.

    Examples
    --------
    >>> CountingNoise(background=0.1)
    CountingNoise(background=0.1, readout_noise=0.0, photon=None)
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
    """Deviance of objects from measurements, and its gradient.

    Parameters
    ----------
    noise : CountingNoise, optional
        Noise of the counts; the amplitude loss is used if not given.
    photons : torch.Tensor of shape (n_samples,), optional
        Squared magnitude of one photon, in units of the measurement.
    """

    def __init__(self, noise=None, photons=None):
        self.noise, self.photons = noise, photons

    def keep(self, index):
        """Keep only the patterns that an index selects, in place."""
        self.photons = None if self.photons is None else self.photons[index]

    def deviance(self, measurement, objects):
        """Compute the deviance of normalised objects and its gradient.

        Parameters
        ----------
        measurement : Measurement
        objects : torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        values : torch.Tensor of float64, shape (n_samples,)
            One eighth of the deviance in normalised intensities, which is half the amplitude loss
            or tends to it for many photons.
        gradients : torch.Tensor of shape (n_samples, *object_shape)
            Gradients of the values, divided by the number of Fourier pixels. The gradient of the
            amplitude loss is `x - P_M x`.
        """
        spectrum = measurement.spectrum(objects)
        losses, factors = self._losses(measurement, spectrum)
        values = losses.sum(-1, keepdim=True).flatten(1).sum(1, dtype=torch.float64)
        shares = measurement.measured_shares
        factors = factors if shares is None else factors * shares
        if measurement.coherence is not None:
            factors = measurement.coherence.blurred_slopes(factors)
        return values, measurement.objects(spectrum * factors)

    def losses(self, measurement, objects):
        """Compute the contribution of each pixel to :meth:`deviance`."""
        return self._losses(measurement, measurement.spectrum(objects))[0]

    def pixel_losses(self, measurement, intensities):
        """Compute the unweighted loss of each pixel."""
        return self._compared(measurement, intensities, measurement.magnitudes)[0]

    def drawn(self, measurement, intensities):
        """Compute losses against simulated counts (noise alone)."""
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
        """Compute losses and the factors of their gradient."""
        if self.noise is None:
            return _amplitudes(intensities, magnitudes)
        photon = along_samples(
            self._normalized_photons(measurement).to(intensities.dtype), intensities
        )
        return _counts(intensities, magnitudes, photon, self.noise)

    def _losses(self, measurement, spectrum):
        """Compute weighted losses and the factors of their gradient."""
        intensities = squared_moduli(spectrum)
        if measurement.coherence is not None:
            intensities = measurement.coherence.blurred(intensities)
        losses, factors = self._compared(measurement, intensities, measurement.magnitudes)
        weights = measurement.weights if measurement.n_measured is None else measurement.n_measured
        return weights * losses, factors

    def in_photons(self, values, measurement):
        """Convert values of :meth:`deviance` to log-likelihood lost.

        Without counts, the values relative to all energy are returned instead.
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
    # the difference of two nearly equal numbers is taken once, so that no digit is lost where
    # photons are many
    excess = (model - counts) / torch.where(counts > 0, counts, 1.0)
    losses = torch.where(counts > 0, counts * (excess - torch.log1p(excess)), model)
    return losses / 4, (model - counts) / (2 * model)


def _amplitudes(intensities, magnitudes):
    moduli = intensities.sqrt()
    difference = moduli - magnitudes
    return difference.square() / 2, difference / torch.where(moduli > 0, moduli, 1.0)
