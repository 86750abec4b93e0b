"""The check of half spectra, which transforms of real arrays return."""

import numpy as np

from .._lazy import LazyBatch
from .._tensors import to_tensor

LOOKED_AT, LEAST_PIXELS = 8, 128  # patterns; pixels of all of them, as fewer prove nothing
LEAST_LIT = 12  # pixels of all second columns
BESIDE, BEHIND = (
    0.02,
    0.02,
)  # intensity of the second column over the first; of the last one over the second


def check_not_halves(magnitudes):
    """Refuse half spectra of real objects, such as those of `numpy.fft.rfft2`, in the place of
    patterns.

    The last axis of a half spectrum begins with zero frequency and ends with the highest one. Whole
    patterns of real objects are as bright on both sides of zero frequency, wherever it lies. Only
    shapes that a half spectrum of equal sides has are judged.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured. Magnitudes of real objects.

    Raises
    ------
    ValueError

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
    if bool(unknown[..., [0, 1, -1]].any()):  # darkness must have been measured
        return
    if int((values[..., 1] > 0).sum()) < LEAST_LIT:  # the other side may be dark by chance
        return
    profile = values.square().sum(dim=tuple(range(1, len(shape))))
    first, second, last = (profile[:, column] for column in (0, 1, -1))
    halves = (first >= profile.amax(dim=1)) & (second > BESIDE * first) & (last < BEHIND * second)
    if bool(halves.all()):
        whole = (*shape[:-1], shape[0])
        raise ValueError(
            f"magnitudes of shape {shape} are half spectra, as numpy.fft.rfftn makes: their last "
            f"axis begins with zero "
            f"frequency and ends with the highest; give whole ones, such as FourierMagnitude "
            f"makes, or np.abs of "
            f"numpy.fft.fftn, of shape {whole}"
        )
