"""The check for patterns of tilted objects, which are bright where objects without a phase have
none of their light.
"""

import numpy as np

from .._validation import warn_user
from ._counting import counting_units

LIGHT = 0.3  # first harmonic of the intensities along an axis, below which zero frequency is not in the middle of them
ASIDE = (
    0.2  # of it, to one side: gaps of a detector leave it where it is, or more light in the middle
)
CHANCE = 4.0  # standard deviations of what counting few photons moves it


def scatter_of_counting(magnitudes):
    """Standard deviation that counting leaves in the mean first harmonic of patterns; 0 where they
    are no counts.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    """
    values = magnitudes.cpu().numpy().reshape(len(magnitudes), -1).astype(np.float64)
    peaks = np.fmax.reduce(values, axis=1, initial=0.0)
    values = values[(peaks > 1e-100) & (peaks < 1e100)]  # squares of others overflow or vanish
    intensities = np.square(np.nan_to_num(values, nan=0.0))
    totals, units = intensities.sum(axis=1), counting_units(intensities)
    units[(units != 1) & ((intensities > 0).sum(axis=1) < 2)] = (
        0.0  # a single number is a multiple of itself
    )
    return float(np.sqrt((units / totals).sum()) / max(1, len(values)))


def warned_of_tilt(magnitudes, harmonics, centered, whom):
    """Whether the light of patterns is plainly off zero frequency, and not where the other layout
    has that.

    Objects without a phase have symmetric patterns, whose light has its middle at zero frequency,
    in one layout or the other. A phase that rises along an axis, as off a Bragg peak, moves it
    anywhere.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Patterns of what are taken to be non-negative objects; NaN where unmeasured.
    harmonics : list of float
        :func:`neighbour_correlations` of them: the first harmonic along each axis about zero frequency.
    centered : bool
    whom : str
        Name of the estimator, for the message.

    Warns
    -----
    UserWarning
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
        f"{', '.join(map(str, aside))}, as "
        "that of objects without a phase does not: pass constraints='complex' if the objects are "
        "tilted (networks and "
        "refiners: fit on complex objects), or check where zero frequency lies"
    )
    return True
