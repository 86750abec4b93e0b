"""Check for half spectra, which FFTs of real arrays return."""

import numpy as np

from .._lazy import LazyBatch
from .._tensors import to_tensor

LOOKED_AT, LEAST_PIXELS = 8, 128  # patterns; pixels of all of them (fewer prove nothing)
LEAST_LIT = 12  # lit pixels in all second columns
# Intensity of the second column over the first, and of the last column over the second.
BESIDE, BEHIND = 0.02, 0.02


def check_not_halves(magnitudes):
    """Refuse half spectra in place of full patterns.

    Functions such as `numpy.fft.rfft2` return half spectra, whose last axis begins with zero
    frequency and ends with the highest one. Full patterns of real objects are equally bright on
    both sides of zero frequency, wherever it lies. Only shapes that the half spectrum of a square
    or cubic grid has are judged.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
        Magnitudes of real objects.

    Raises
    ------
    ValueError
        If the patterns are plainly half spectra.

    Examples
    --------
    >>> objects = np.add.outer(np.arange(4), np.hanning(10) * np.hanning(10)[:, None])
    >>> check_not_halves(np.abs(np.fft.fft2(objects, (20, 20))))
    >>> check_not_halves(np.abs(np.fft.rfft2(objects, (20, 20))))
    Traceback (most recent call last):
    ValueError: magnitudes of shape (20, 11) are half spectra, as numpy.fft.rfftn makes: ...
    """
    shape = tuple(magnitudes.shape[1:])
    if len(shape) < 2 or any(m == shape[-1] or m // 2 + 1 != shape[-1] for m in shape[:-1]):
        return
    some = (
        np.asarray(magnitudes[:LOOKED_AT])
        if isinstance(magnitudes, LazyBatch)
        else magnitudes[:LOOKED_AT]
    )
    values = (to_tensor(some) if isinstance(some, np.ndarray) else some).detach().double()
    unknown, values = values.isnan(), values.nan_to_num(0.0)
    peaks = values.flatten(1).amax(dim=1)
    values = values[peaks > 0] / peaks[peaks > 0].view([-1] + [1] * len(shape))
    if values.numel() < LEAST_PIXELS:
        return
    if bool(unknown[..., [0, 1, -1]].any()):  # a missing pixel is not a dark one
        return
    if int((values[..., 1] > 0).sum()) < LEAST_LIT:  # the opposite side may be dark by chance
        return
    profile = values.square().sum(dim=tuple(range(1, len(shape))))
    first, second, last = (profile[:, column] for column in (0, 1, -1))
    halves = (first >= profile.amax(dim=1)) & (second > BESIDE * first) & (last < BEHIND * second)
    if bool(halves.all()):
        whole = (*shape[:-1], shape[0])
        raise ValueError(
            f"magnitudes of shape {shape} are half spectra, as numpy.fft.rfftn makes: their last "
            "axis begins with zero frequency and ends with the highest; give full patterns of "
            f"shape {whole}, from FourierMagnitude or np.abs of numpy.fft.fftn"
        )
