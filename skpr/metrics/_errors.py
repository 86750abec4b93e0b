"""Errors of objects modulo symmetries."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._tensors import along_samples, energy, inner, map_chunks
from .._validation import check_boundary, check_number
from ..symmetry import orbit_distance, register
from ..symmetry.core import lost_energy
from ._input import (
    at_unit_peak,
    averaged,
    check_averaging,
    checked_pair,
    peak_exponents,
    scaled,
    values_of_correlations,
    wide,
)

if TYPE_CHECKING:
    from .._typing import Batch, Boundary


def relative_error(
    y_true: Batch,
    y_pred: Batch,
    *,
    shift: bool = True,
    flip: bool = True,
    boundary: Boundary = "zero",
    multioutput: str = "uniform_average",
    sample_weight: Any = None,
) -> Any:
    r"""Relative error modulo shift, flip, phase and scale.

    For truth `A` and prediction `B` it is `1 - max_g |<g B, A>|^2 / (|A|^2 |B|^2)` (Tayal et al.,
    2020; the invariant error of Fienup, 1997). This is the squared sine of the angle between the
    two: 0 for a perfect prediction and 1 for a worthless one. It is evaluated as
    `min_s |A - s g B|^2 / |A|^2` in float64, which is accurate also for small errors and for
    objects of any scale.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects.
    shift, flip : bool
        Symmetries to register over.
    boundary : {"zero", "circular"}, or a sequence of these with one entry per object axis
        Whether shifts lose content at the edge of the frame or wrap around;
        :func:`skpr.measurement.boundary_of` derives it from the shapes of objects and magnitudes.
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean or one value per sample.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Relative error. It is 1 if only one of truth and prediction is zero everywhere, and 0 if
        both are.

    Raises
    ------
    ValueError
        If an object contains NaN or infinity, the shapes differ, or a parameter is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[0.0, 1.0, 2.0, 0.0]])
    >>> relative_error(truth, np.array([[4.0, 2.0, 0.0, 0.0]]))
    0.0
    """
    truth, prediction = checked_pair(y_true, y_pred)
    weights = check_averaging(multioutput, sample_weight, len(truth))
    boundary = check_boundary(boundary, truth.ndim - 1)
    errors = map_chunks(
        partial(_invariant_errors, shift=shift, flip=flip, boundary=boundary),
        truth,
        prediction,
        values_per_sample=values_of_correlations(truth),
    )
    return averaged(errors, multioutput, weights)


def _invariant_errors(truth, prediction, shift, flip, boundary):
    truth, prediction = at_unit_peak(truth), at_unit_peak(prediction)
    registered, element = register(
        prediction, truth, shift=shift, flip=flip, phase=True, boundary=boundary
    )
    # content that a shift moves out of the frame is part of the prediction, and part of its error
    cut_off = lost_energy(prediction, element.shift, element.flip, boundary)
    truth, registered = wide(truth), wide(registered)
    norm = energy(registered) + cut_off
    scale = inner(registered, truth) / torch.where(norm > 0, norm, 1.0)
    residual = truth - along_samples(scale, registered) * registered
    total = energy(truth)
    error = (energy(residual) + scale.abs().square() * cut_off) / torch.where(total > 0, total, 1.0)
    empty = (total == 0) | (norm == 0)
    return torch.where(empty, ((total > 0) | (norm > 0)).double(), error.clamp(0, 1))


def orbit_mean_squared_error(
    y_true: Batch,
    y_pred: Batch,
    *,
    shift: bool = True,
    flip: bool = True,
    phase: bool | None = None,
    boundary: Boundary = "zero",
    multioutput: str = "uniform_average",
    sample_weight: Any = None,
) -> Any:
    r"""Mean squared error per pixel after registration.

    For truth `A` and prediction `B` it is `min_g |g B - A|^2 / n_pixels`.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects.
    shift, flip : bool
        Symmetries to register over.
    phase : bool, optional
        Whether to register the phase; by default only for complex objects.
    boundary : {"zero", "circular"}, or a sequence of these with one entry per object axis
        Whether shifts lose content at the edge of the frame or wrap around.
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean or one value per sample.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If an object contains NaN or infinity, the shapes differ, a parameter is not valid, or
        squares of the objects are beyond the range of float64.

    Examples
    --------
    >>> import numpy as np
    >>> orbit_mean_squared_error(np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[2.0, 2.0, 0.0, 0.0]]))
    0.25
    """
    truth, prediction = checked_pair(y_true, y_pred)
    weights = check_averaging(multioutput, sample_weight, len(truth))
    symmetries = {"shift": shift, "flip": flip, "phase": phase, "boundary": boundary}
    squares, exponents = scaled_squared_errors(truth, prediction, **symmetries)
    with np.errstate(over="ignore", under="ignore"):
        errors = np.ldexp(squares, 2 * exponents)
    beyond = ~np.isfinite(errors) | ((errors == 0) & (squares > 0))
    if beyond.any():
        raise ValueError(
            f"the squared error of values of about {2.0 ** int(exponents[beyond.argmax()]):.0e} "
            "is beyond the range of float64; scale the objects, or use relative_error, which does "
            "not depend on their scale"
        )
    return averaged(errors, multioutput, weights)


def scaled_squared_errors(truth, prediction, *, shift=True, flip=True, phase=None, boundary="zero"):
    """Mean squared errors per pixel, as mantissas and exponents.

    The error is `m 4^e`. Mantissas are always within the range of float64, errors need not be.
    """
    boundary = check_boundary(boundary, truth.ndim - 1)
    if phase is None:
        phase = np.iscomplexobj(truth) or np.iscomplexobj(prediction)
    symmetries = {
        "squared": True,
        "shift": shift,
        "flip": flip,
        "phase": phase,
        "boundary": boundary,
    }

    def squared(x, y):
        exponents = peak_exponents(x, y)
        return orbit_distance(scaled(y, exponents), scaled(x, exponents), **symmetries), exponents

    squares, exponents = map_chunks(
        squared, truth, prediction, values_per_sample=values_of_correlations(truth)
    )
    return squares / math.prod(truth.shape[1:]), exponents


def success_rate(
    y_true: Batch,
    y_pred: Batch,
    *,
    tolerance: float = 0.01,
    shift: bool = True,
    flip: bool = True,
    boundary: Boundary = "zero",
    sample_weight: Any = None,
) -> float:
    r"""Fraction of reconstructions below an error tolerance.

    The error is :func:`relative_error`, modulo symmetries. To score several starts of one pattern,
    repeat the truth with `numpy.broadcast_to`, which needs no memory.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects.
    tolerance : float, default=0.01
        Relative error, above 0 and at most 1.
    shift, flip : bool
        Symmetries to register over.
    boundary : {"zero", "circular"}, or a sequence of these with one entry per object axis
        Whether shifts lose content at the edge of the frame or wrap around.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the samples.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If an object contains NaN or infinity, the shapes differ, or a parameter is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> success_rate(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[2.0, 1.0], [1.0, 0.0]]))
    0.5
    """
    tolerance = check_number("tolerance", tolerance, 0, 1, closed="right", noun="a relative error")
    truth, prediction = checked_pair(y_true, y_pred)
    weights = check_averaging("uniform_average", sample_weight, len(truth))
    errors = relative_error(
        truth, prediction, shift=shift, flip=flip, boundary=boundary, multioutput="raw_values"
    )
    return averaged(errors < tolerance, "uniform_average", weights)
