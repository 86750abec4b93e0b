"""Noise of magnitudes: photon counts and their unit."""

import numpy as np

from .._validation import short
from ._counting import counting_units
from ._likelihood import CountingNoise

NOISES = "auto", "poisson", "gaussian"
CHUNK = 1 << 22  # values looked at together


def check_noise(noise):
    """Refuse a value that does not describe noise.

    Parameters
    ----------
    noise : {"auto", "poisson", "gaussian"} or CountingNoise

    Raises
    ------
    ValueError
        For any other value.

    Examples
    --------
    >>> check_noise("poisson")
    """
    if isinstance(noise, CountingNoise) or (isinstance(noise, str) and noise in NOISES):
        return
    raise ValueError(
        f"noise={short(noise)} is not valid; choose {', '.join(map(repr, NOISES))}, or give a "
        "CountingNoise(background=..., readout_noise=...) in photons"
    )


def photons_of(magnitudes, noise):
    """Return the squared magnitude of one photon in each pattern.

    Parameters
    ----------
    magnitudes : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
        Magnitudes; NaN where unmeasured.
    noise : {"auto", "poisson", "gaussian"} or CountingNoise
        Noise; only "auto" is judged from the magnitudes.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        0 for patterns that are not treated as counts.

    Examples
    --------
    >>> magnitudes = np.sqrt(np.random.default_rng(0).poisson(3.0, (1, 64)))
    >>> photons_of(magnitudes, "auto"), photons_of(magnitudes, "gaussian")
    (array([1.]), array([0.]))
    """
    if isinstance(noise, str) and noise == "gaussian":
        return np.zeros(len(magnitudes))
    if isinstance(noise, CountingNoise) and noise.photon is not None:
        return np.full(len(magnitudes), float(noise.photon))
    rows = max(1, CHUNK // int(np.prod(magnitudes.shape[1:])))
    found = [_units(magnitudes[start : start + rows]) for start in range(0, len(magnitudes), rows)]
    units = np.concatenate(found) if found else np.zeros(0)
    # magnitudes that are declared to be counts, but show no unit, are square roots of photons
    return units if isinstance(noise, str) and noise == "auto" else np.where(units > 0, units, 1.0)


def _units(magnitudes):
    values = np.array(magnitudes, dtype=np.float64).reshape(len(magnitudes), -1)  # a copy
    peaks = np.fmax.reduce(values, axis=1, initial=0.0)
    values[~((peaks > 1e-100) & (peaks < 1e100))] = 0.0  # squares would overflow or vanish
    return counting_units(np.square(values, out=values))
