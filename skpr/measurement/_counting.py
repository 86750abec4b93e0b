"""Which intensities are counts of photons, and in which unit."""

import numpy as np

FEW_LOOKED_AT = 64  # pixels that show at once that most patterns are no counts
FEW, MANY = (
    1e4,
    0.2,
)  # photons, below which rounding shows whole numbers; share of the lit pixels that have so few


def counting_units(intensities):
    """Intensity of one photon in each row of intensities, 0 where they are no counts."""
    units = np.zeros(len(intensities))
    least = np.fmin.reduce(intensities, axis=1, initial=np.inf)
    for row in np.flatnonzero(least <= 0):
        least[row] = np.fmin.reduce(intensities[row], where=intensities[row] > 0, initial=np.inf)
    some = intensities[:, :: max(1, intensities.shape[1] // FEW_LOOKED_AT)]
    for unit in (np.ones(len(least)), least):
        unit = np.where((unit > 0) & (unit < np.inf), unit, 1.0)
        for row in np.flatnonzero(_are_whole(some / unit[:, None]).all(axis=1) & (units == 0)):
            if _are_counts(intensities[row] / unit[row]):
                units[row] = unit[row]
    return units


def _are_counts(values):
    """Whether intensities are whole numbers, but for rounding of their square roots, and many of
    them small ones.
    """
    lit = values[values > 0]
    if not len(lit) or lit.max() < 1 or abs(lit[0] - np.round(lit[0])) > 1e-5 * max(lit[0], 1):
        return False
    small = lit < FEW
    return bool(small.mean() > MANY) and bool(_are_whole(lit).all())


def _are_whole(values):
    return ~(np.abs(values - values.round()) > 1e-5 * np.maximum(values, 1))  # NaN is
