"""Information in photon counts that read-out noise leaves."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator

# Read-out noise in counts: with less, counts are read exactly; with more, all noise is normal.
SHARP, BROAD = 0.1, 4.0
FEWEST, MANY = 1e-9, 40.0  # range of expected counts in which their exact distribution matters


def count_efficiency(expected, readout_noise):
    """Fraction of Fisher information that read-out noise leaves.

    With `p` the density of a reading, which is a Poisson number plus normal noise, it is
    `expected E[(d log p / d expected)^2]`. It is 1 without read-out noise, and
    `expected / (expected + readout_noise^2)` for many counts or broad noise. Between these limits
    it is integrated numerically, and it is never below the second one.

    Parameters
    ----------
    expected : ndarray
        Expected counts.
    readout_noise : float
        Standard deviation in counts.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> count_efficiency(np.array([0.1, 10.0]), 0.5).round(2)
    array([0.47, 0.98])
    """
    if readout_noise < SHARP:
        return np.ones_like(expected)
    with np.errstate(invalid="ignore"):
        normal = expected / (expected + readout_noise**2)
    if readout_noise > BROAD:
        return normal
    nodes = np.geomspace(FEWEST, MANY, 80)
    values = np.array([_integrated_efficiency(node, readout_noise) for node in nodes])
    table = PchipInterpolator(np.log(nodes), np.log(values))
    few = expected < FEWEST
    between = np.exp(table(np.log(np.clip(expected, FEWEST, MANY)))) * np.where(
        few, expected / FEWEST, 1.0
    )
    return np.where(expected > MANY, normal, np.clip(between, normal, 1.0))


def _integrated_efficiency(expected, sigma):
    numbers = np.arange(int(expected + 12 * math.sqrt(expected) + 20))
    logs = numbers * math.log(expected) - expected - np.array([math.lgamma(n + 1) for n in numbers])
    readings = np.arange(-8 * sigma, numbers[-1] + 8 * sigma, min(sigma, 1.0) / 4)
    kernel = np.exp(-0.5 * ((readings[:, None] - numbers) / sigma) ** 2) * np.exp(logs)
    density = kernel.sum(axis=1)
    slope = (kernel * (numbers / expected - 1)).sum(axis=1)
    seen = density > 0
    integral = (slope[seen] ** 2 / density[seen]).sum() * (readings[1] - readings[0])
    return expected * integral / (sigma * math.sqrt(2 * math.pi))
