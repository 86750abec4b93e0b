"""Counts of photons: whether magnitudes are square roots of them."""

import numpy as np

JUDGED = 1e4  # counts up to which squares of float32 tell whole numbers from others
LEAST_JUDGED = 8  # pixels, or all that are lit
TOLERANCE = 0.01  # counts
WHOLE = 0.99  # of the judged pixels


def counts_of(pattern):
    """Return the photons of each pixel of one pattern, or None where magnitudes are not square
    roots of counts.

    Squares are counts where they are whole numbers, or, in any other unit, whole multiples of the
    smallest: a pattern with dark regions has single photons somewhere.

    Parameters
    ----------
    pattern : ndarray of shape fourier_shape
        Magnitudes; NaN where unmeasured.

    Returns
    -------
    ndarray of float64, NaN where unmeasured, or None
    """
    exponent = int(np.frexp(np.nanmax(pattern))[1])
    intensities = np.ldexp(np.asarray(pattern, dtype=float), -exponent) ** 2
    lit = intensities[intensities > 0]
    if not len(lit):
        return intensities
    units = [2.0 ** (-2 * exponent)] if abs(exponent) < 64 else []
    for unit in [*units, lit.min()]:
        ratios = lit[lit < JUDGED * unit] / unit
        whole = (np.abs(ratios - np.rint(ratios)) < TOLERANCE) & (ratios > 0.5)
        if len(ratios) >= min(LEAST_JUDGED, len(lit)) and whole.mean() >= WHOLE:
            return np.rint(intensities / unit)
    return None
