"""Detection of photon counts behind magnitudes."""

import numpy as np

JUDGED = 1e4  # counts up to which squares of float32 distinguish integers from other numbers
LEAST_JUDGED = 8  # smallest number of judged pixels, or all lit ones if these are fewer
TOLERANCE = 0.01  # deviation from an integer, in counts
WHOLE = 0.99  # smallest fraction of judged pixels with an integer count


def counts_of(pattern):
    """Return the photon counts behind one pattern, or None.

    Squared magnitudes are counts if they are integers or, in any other unit, integer multiples of
    the smallest one: a pattern with dark regions has single photons somewhere.

    Parameters
    ----------
    pattern : ndarray of shape fourier_shape
        Magnitudes; NaN at missing pixels.

    Returns
    -------
    ndarray of float64 or None
        Photons of each pixel, NaN at missing pixels; None if the magnitudes are not square roots of
        counts.
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


def are_roots_of_counts(values):
    """Tell whether values are square roots of counts, and no counts.

    Parameters
    ----------
    values : ndarray of float
        Values of one pattern; NaN at missing pixels. Negative ones count as zero.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(20.0, (8, 8))
    >>> are_roots_of_counts(np.sqrt(counts)), are_roots_of_counts(2.5 * counts)
    (True, False)
    """
    values = np.where(values < 0, 0.0, values)
    if np.count_nonzero(values > 0) < LEAST_JUDGED:
        return False
    return counts_of(np.sqrt(values)) is None and counts_of(values) is not None
