"""Check for light off zero frequency, as of tilted objects."""

import numpy as np

from .._validation import warn_user
from ._counting import counting_units

# First harmonic (cosine) of the intensities along an axis; with less, the light is not centred at
# zero frequency.
LIGHT = 0.3
# First harmonic (sine) of light that lies to one side. Gaps of a detector keep it smaller, or the
# cosine larger.
ASIDE = 0.2
CHANCE = 4.0  # standard deviations of the scatter that counting few photons leaves


def scatter_of_counting(magnitudes):
    """Scatter of the first harmonic due to photon counting.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.

    Returns
    -------
    float
        Standard deviation; 0 if the patterns are not counts.
    """
    values = magnitudes.cpu().numpy().reshape(len(magnitudes), -1).astype(np.float64)
    peaks = np.fmax.reduce(values, axis=1, initial=0.0)
    values = values[(peaks > 1e-100) & (peaks < 1e100)]  # other squares would overflow or vanish
    intensities = np.square(np.nan_to_num(values, nan=0.0))
    totals, units = intensities.sum(axis=1), counting_units(intensities)
    # a single lit pixel shows no unit: every number is a multiple of itself
    units[(units != 1) & ((intensities > 0).sum(axis=1) < 2)] = 0.0
    return float(np.sqrt((units / totals).sum()) / max(1, len(values)))


def warned_of_tilt(magnitudes, harmonics, centered, whom):
    """Warn if light lies off zero frequency in both layouts.

    Objects without a phase have symmetric patterns, whose light is centred at zero frequency in one
    of the layouts. A phase ramp along an axis, as off a Bragg peak, moves the light anywhere.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape), NaN where unmeasured
        Patterns of objects that are supposed to be non-negative.
    harmonics : list of float
        First harmonic along each axis about zero frequency, from :func:`neighbour_correlations`.
    centered : bool, whether zero frequency is in the middle
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued
    """
    suspects = [axis for axis, value in enumerate(harmonics, 1) if value < LIGHT]
    if not suspects:
        return False
    values = magnitudes.cpu().numpy().astype(np.float64)
    values[np.isnan(values)] = 0.0
    space = tuple(range(1, values.ndim))
    values = np.square(values / np.maximum(values.max(axis=space, keepdims=True), 1e-300))
    totals = values.sum(axis=space)
    least = ASIDE + CHANCE * scatter_of_counting(magnitudes)
    aside = []
    for axis in suspects:
        size = values.shape[axis]
        steps = np.arange(size) - (size // 2 if centered else 0)
        profiles = values.sum(axis=tuple(other for other in space if other != axis))
        harmonic = (profiles @ np.sin(2 * np.pi * steps / size))[totals > 0] / totals[totals > 0]
        if size > 2 and len(harmonic) and abs(float(harmonic.mean())) > least:
            aside.append(axis)
    if not aside:
        return False
    warn_user(
        f"the light of the patterns passed to {whom} lies off their centre along axis "
        f"{', '.join(map(str, aside))}, as that of objects without a phase does not: pass "
        "constraints='complex' if the objects are tilted (networks and refiners: fit on complex "
        "objects), or check where zero frequency lies"
    )
    return True
