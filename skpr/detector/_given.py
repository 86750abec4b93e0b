"""The look at what a step is given: magnitudes, or what only has their shape."""

import numpy as np

from .._counts import counts_of
from .._tensors import to_tensor
from .._validation import warn_user
from ..measurement import check_not_intensities, is_no_pattern

LOOKED_AT = 16  # patterns
LEAST_SAMPLES = 4  # fewer do not tell surroundings from gaps
SURROUNDINGS = 0.1  # of the pixels, exactly dark with all their neighbours
MOVED = 0.05  # of the pixels: dark in some samples and lit in others, as gaps of a detector are not
LEAST_PIXELS, LEAST_LEFT = 256, 0.01  # that are lit before; of them, lit afterwards


def warn_of_given(X, whom):
    """Warn of intensities and of objects in the place of magnitudes.

    Parameters
    ----------
    X : ndarray or torch.Tensor of shape (n_samples, *fourier_shape)
    whom : str
        Name of the step, for the message.

    Warns
    -----
    UserWarning
        For what :func:`skpr.measurement.check_not_intensities` takes for intensities, and for
        samples in darkness that are brightest at zero frequency in neither layout.
    """
    if are_objects(X):
        warn_user(
            f"X passed to {whom} looks like objects, not like magnitudes: it is dark around, and "
            f"neither symmetric nor "
            "brightest at zero frequency; pass FourierMagnitude().fit_transform(objects)"
        )
        return
    sample = to_tensor(X[:LOOKED_AT]).detach().nan_to_num(0.0)
    if not bool((sample == sample.round()).all()):  # whole numbers may be a simulation's magnitudes
        check_not_intensities(X, whom)


def are_objects(X):
    """Whether a batch plainly holds non-negative objects, each in a darkness of its own.

    Parameters
    ----------
    X : ndarray or torch.Tensor of shape (n_samples, *sample_shape)

    Examples
    --------
    >>> from skpr.datasets import load_digit_objects
    >>> objects = load_digit_objects().data[:8]
    >>> are_objects(objects), are_objects(np.abs(np.fft.fft2(objects)))
    (True, False)
    """
    sample = to_tensor(X[:LOOKED_AT]).detach().cpu().numpy()
    if len(sample) < LEAST_SAMPLES:
        return False
    dark = sample == 0
    inner = dark.copy()
    for axis in range(1, dark.ndim):
        inner = inner & np.roll(inner, 1, axis) & np.roll(inner, -1, axis)
    moved = dark.any(axis=0) & ~dark.all(axis=0)
    if inner.mean() < SURROUNDINGS or moved.mean() < MOVED:
        return False
    if not all(is_no_pattern(sample, centered) for centered in (True, False)):
        return False
    return all(counts_of(pattern) is None for pattern in sample)


def warn_of_little_left(given, made, whom):
    """Warn of patterns of which a step in another unit leaves nothing, or next to nothing.

    Parameters
    ----------
    given, made : torch.Tensor of shape (n_samples, *fourier_shape)
    whom : str
        Name of the step, for the message.

    Warns
    -----
    UserWarning
    """
    lit, left = given > 0, made > 0
    n_lit, n_left = int(lit.sum()), int((left & lit).sum())
    if n_lit >= LEAST_PIXELS and n_left < LEAST_LEFT * n_lit:
        warn_user(
            f"{whom} leaves {n_left} of {n_lit} lit pixels: the largest magnitude was "
            f"{float(given.nan_to_num(0.0).max()):.3g}, and squares of magnitudes are counts to "
            f"it; scale them to "
            "counts first, or give its parameters in the unit of X ** 2"
        )
