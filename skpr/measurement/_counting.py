"""Detection of photon counts, and of their unit."""

import numpy as np

FEW_LOOKED_AT = 64  # pixels; enough to rule out counts quickly in most patterns
# Photons up to which rounding still shows whole numbers, and least share of lit pixels below them.
FEW, MANY = 1e4, 0.2


def counting_units(intensities):
    """Intensity of one photon in each row, 0 without counts.

    Parameters
    ----------
    intensities : ndarray of shape (n_rows, n_pixels)
        Squares of magnitudes; NaN where unmeasured.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    units = np.zeros(len(intensities))
    least = np.fmin.reduce(intensities, axis=1, initial=np.inf)
    for row in np.flatnonzero(least <= 0):
        least[row] = np.fmin.reduce(intensities[row], where=intensities[row] > 0, initial=np.inf)
    some = intensities[:, :: max(1, intensities.shape[1] // FEW_LOOKED_AT)]
    # counts are whole numbers, or whole multiples of the smallest: a pattern with dark regions has
    # a single photon somewhere
    for unit in (np.ones(len(least)), least):
        unit = np.where((unit > 0) & (unit < np.inf), unit, 1.0)
        for row in np.flatnonzero(_are_whole(some / unit[:, None]).all(axis=1) & (units == 0)):
            if _are_counts(intensities[row] / unit[row]):
                units[row] = unit[row]
    return units


def _are_counts(values):
    """Whether intensities are whole numbers, many being small."""
    lit = values[values > 0]
    if not len(lit) or lit.max() < 1 or abs(lit[0] - np.round(lit[0])) > 1e-5 * max(lit[0], 1):
        return False
    small = lit < FEW
    return bool(small.mean() > MANY) and bool(_are_whole(lit).all())


def _are_whole(values):
    return ~(np.abs(values - values.round()) > 1e-5 * np.maximum(values, 1))  # NaN is
