"""Check for patterns symmetric about an off-centre pixel."""

import math

import numpy as np

from .._lazy import some_of
from .._tensors import to_tensor
from .._validation import warn_user

SYMMETRIC = 0.995  # correlation of intensities with those on the opposite side
LOOKED_AT = 4  # patterns
LEAST_PIXELS = 64  # pixels of a pattern; fewer prove nothing
LARGEST = 1 << 24  # pixels of a pattern; larger ones cost too much


def check_symmetric_elsewhere(X, centered, whom):
    """Warn where patterns are symmetric off zero frequency.

    The objects of such patterns are complex: real objects times a phase ramp.

    Parameters
    ----------
    X : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    centered : bool, whether zero frequency is in the middle
    whom : str, name of the estimator for the message

    Returns
    -------
    bool, whether a warning was issued

    Examples
    --------
    >>> import warnings
    >>> x = np.random.default_rng(0).random((2, 16, 16))
    >>> X = np.roll(np.abs(np.fft.fftshift(np.fft.fft2(x, (32, 32)), axes=(1, 2))), 3, axis=2)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     told = check_symmetric_elsewhere(X, True, "a network")
    >>> told, "(16, 19)" in str(caught[0].message)
    (True, True)
    """
    shape = tuple(X.shape[1:])
    if not LEAST_PIXELS <= math.prod(shape) <= LARGEST:
        return False
    middle = tuple(n // 2 if centered else 0 for n in shape)
    found = [
        _centre_of_symmetry(one, middle)
        for one in np.asarray(to_tensor(some_of(X, LOOKED_AT)).cpu(), dtype=np.float64)
    ]
    odd = [place for place in found if place is not None and place != middle]
    if len(odd) <= len(found) / 2 or len(set(odd)) > 1:
        return False
    warn_user(
        f"patterns passed to {whom} are symmetric about pixel {odd[0]}, not about {middle}, where "
        "zero frequency must be, so their objects are real ones times a phase ramp: centre the "
        "patterns, or pass constraints='complex' if that is intended"
    )
    return True


def _centre_of_symmetry(pattern, middle):
    """Pixel about which a pattern is plainly symmetric, or None."""
    peak = np.nanmax(pattern)
    if not peak > 0:
        return None
    values = np.nan_to_num(pattern / peak) ** 2
    # the self-convolution sum_k I(k) I(c - k) peaks at twice the centre of symmetry
    spectrum = np.fft.fftn(values)
    products = np.fft.ifftn(spectrum**2).real
    place = np.unravel_index(products.argmax(), products.shape)
    if products[place] < SYMMETRIC * np.square(values).sum():
        return None
    if all((2 * at) % n == c for at, c, n in zip(middle, place, pattern.shape, strict=True)):
        return middle
    # along an even axis both c / 2 and (c + n) / 2 are centres of symmetry (neither is a pixel if c
    # is odd); zero frequency is the brighter of the two
    candidates = []
    for c, n in zip(place, pattern.shape, strict=True):
        halves = [at for at in range(n) if (2 * at) % n == c]
        if not halves:
            return None
        candidates.append(halves)
    best = max(
        np.ndindex(*(len(halves) for halves in candidates)),
        key=lambda index: values[_at(candidates, index)],
    )
    return _at(candidates, best)


def _at(candidates, index):
    return tuple(halves[number] for halves, number in zip(candidates, index, strict=True))
