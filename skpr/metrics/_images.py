"""Measures of image quality after registration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._tensors import chunks_of
from .._validation import check_boundary, check_number, warn_user
from ..symmetry import register
from ._errors import scaled_squared_errors
from ._input import (
    as_numpy,
    averaged,
    check_averaging,
    checked_pair,
    values_of_correlations,
)

if TYPE_CHECKING:
    from .._typing import Batch

SSIM_WINDOW = 7  # pixels; scikit-image's default
# dB; an error of a millionth of the range, about the rounding of single precision.
HIGHEST_PSNR = 120.0
TOO_SMALL = 2.0  # span of the truth in data ranges; with more, the range is too small
TOO_LARGE = 0.02  # span of the truth in data ranges; with less, every prediction scores well


def orbit_psnr(
    y_true: Batch,
    y_pred: Batch,
    *,
    data_range: float,
    multioutput: str = "uniform_average",
    sample_weight: Any = None,
    **symmetries: Any,
) -> Any:
    r"""Peak signal-to-noise ratio after registration, in dB.

    It is `10 log10(data_range^2 / MSE)`, at most 120 dB.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects.
    data_range : float
        Difference between the largest and smallest possible value. It has no default, because the
        result depends on it.
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean (of values in dB) or one value per sample.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.
    **symmetries
        `shift`, `flip`, `phase` and `boundary` of :func:`orbit_mean_squared_error`.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Ratio in dB; 120 for a perfect prediction.

    Warns
    -----
    UserWarning
        If the truth spans more than twice `data_range`, or less than a fiftieth of it.

    Examples
    --------
    >>> import numpy as np
    >>> truth, prediction = np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[2.0, 2.0, 0.0, 0.0]])
    >>> orbit_psnr(truth, prediction, data_range=2.0)
    12.04...
    """
    data_range = check_number(
        "data_range", data_range, 0, closed="neither", noun="the range of the values,"
    )
    truth, prediction = checked_pair(y_true, y_pred)
    weights = check_averaging(multioutput, sample_weight, len(truth))
    _check_span(truth, data_range)
    squares, exponents = scaled_squared_errors(truth, prediction, **symmetries)
    with np.errstate(divide="ignore"):
        values = 20 * np.log10(data_range) - 10 * np.log10(squares) - 20 * np.log10(2) * exponents
    # a single infinite value would decide every search
    values = np.minimum(values, HIGHEST_PSNR)
    return averaged(values, multioutput, weights)


def orbit_ssim(
    y_true: Batch,
    y_pred: Batch,
    *,
    data_range: float,
    multioutput: str = "uniform_average",
    sample_weight: Any = None,
    **symmetries: Any,
) -> Any:
    r"""Structural similarity (SSIM) after registration.

    SSIM is defined by Wang et al. (2004) and computed by scikit-image.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real objects, at least 7 pixels along each axis.
    data_range : float
        Difference between the largest and smallest possible value. Twice the true range raises the
        result by 0.02 to 0.05.
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean or one value per sample.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.
    **symmetries
        `shift`, `flip`, `phase` and `boundary` of :func:`skpr.symmetry.register`.

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    ValueError
        If objects are complex, or smaller than the window of 7 pixels.

    Warns
    -----
    UserWarning
        If the truth spans more than twice `data_range`, or less than a fiftieth of it.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).random((1, 16, 16))
    >>> orbit_ssim(truth, truth[:, ::-1, ::-1], data_range=1.0)
    1.0
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ImportError("orbit_ssim needs scikit-image: pip install 'skpr[metrics]'") from error
    data_range = check_number(
        "data_range", data_range, 0, closed="neither", noun="the range of the values,"
    )
    truth, prediction = checked_pair(y_true, y_pred)
    weights = check_averaging(multioutput, sample_weight, len(truth))
    boundary = check_boundary(symmetries.pop("boundary", "zero"), truth.ndim - 1)
    if "c" in (truth.dtype.kind, prediction.dtype.kind):
        raise ValueError(
            "orbit_ssim compares real objects; score the modulus or the phase of complex ones"
        )
    if min(truth.shape[1:]) < SSIM_WINDOW:
        raise ValueError(
            f"orbit_ssim compares windows of {SSIM_WINDOW} pixels, but the objects have shape "
            f"{truth.shape[1:]}; give at least {SSIM_WINDOW} pixels along each axis, or use "
            "orbit_psnr"
        )
    _check_span(truth, data_range)
    values = []
    for part in chunks_of(len(truth), values_of_correlations(truth)):
        for x, y in zip(*(_as_doubles(batch[part]) for batch in (truth, prediction)), strict=True):
            # SSIM does not depend on the unit; in units of the largest value, squares stay in range
            unit = 2.0 ** int(np.frexp(max(np.abs(x).max(), np.abs(y).max(), data_range))[1])
            x, y = x / unit, y / unit
            moved = register(y[None], x[None], boundary=boundary, **symmetries)[0][0]
            values.append(structural_similarity(x, moved, data_range=max(data_range / unit, 1e-70)))
    return averaged(np.array(values), multioutput, weights)


def _as_doubles(batch):
    return np.asarray(as_numpy(batch), dtype=np.float64)


def _check_span(truth, data_range):
    """Warn where the truth plainly contradicts `data_range`."""
    largest, lowest, highest = 0.0, 0.0, 0.0
    for part in chunks_of(len(truth), int(np.prod(truth.shape[1:]))):
        values = np.asarray(truth[part])
        if values.dtype.kind == "c":
            largest = max(
                largest, float(np.abs(values.real).max()), float(np.abs(values.imag).max())
            )
        else:
            lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    ratio = max(largest / data_range, highest / data_range - lowest / data_range)
    if ratio > TOO_SMALL * (1 + 1e-6) or 0 < ratio < TOO_LARGE:
        warn_user(
            f"the truth spans {ratio * data_range:.3g}, but data_range={data_range:g}, which "
            "makes PSNR and SSIM meaningless: give the range of the values as data_range=..., in "
            "a scorer OrbitScorer(orbit_psnr, data_range=...)"
        )
