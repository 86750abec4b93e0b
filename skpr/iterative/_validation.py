"""What the parameters of a retrieval may be, and what they mean for given data."""

from numbers import Integral, Real

import numpy as np
import torch

from .._arrays import check_choice
from .._lazy import summary_of
from .._tensors import resolve_device
from ._problem import KINDS
from ._schedule import check_count

SUPPORTS = "frame", "autocorrelation", "shrinkwrap"
STARTS = "random", "autocorrelation"
COHERENCES = "full", "gaussian"


def check_parameters(estimator):
    """Refuse what does not depend on data."""
    if isinstance(estimator.support, str):
        check_choice("support", estimator.support, SUPPORTS)
    check_choice("start", estimator.start, STARTS)
    check_choice("coherence", estimator.coherence, COHERENCES)
    check_count("n_starts", estimator.n_starts)
    check_count("shrinkwrap_interval", estimator.shrinkwrap_interval)
    if estimator.tol != "poisson" and not (isinstance(estimator.tol, Real) and estimator.tol >= 0):
        raise ValueError(f"tol={estimator.tol!r} is not valid; give a Fourier error >= 0 or 'poisson'")
    if estimator.threshold is not None and not (isinstance(estimator.threshold, Real) and 0 < estimator.threshold < 1):
        raise ValueError(f"threshold={estimator.threshold!r} is not valid; give a fraction between 0 and 1, or None")
    sigma = estimator.shrinkwrap_sigma
    if not isinstance(sigma, list | tuple) or len(sigma) != 2 or not all(s > 0 for s in sigma):
        raise ValueError(f"shrinkwrap_sigma={sigma!r} is not valid; give two widths in pixels, (first, last)")
    resolve_device(estimator.device)


def resolved_object_shape(object_shape, fourier_shape, of_y):
    """The frame: as given, that of the objects `y`, or half the grid."""
    if object_shape is None:
        shape = tuple((m + 1) // 2 for m in fourier_shape) if of_y is None else of_y
    else:
        shape = object_shape
        shape = (shape,) * len(fourier_shape) if isinstance(shape, Integral) else tuple(shape)
        if of_y is not None and shape != of_y:
            raise ValueError(f"object_shape={object_shape!r} is not the shape of the objects in y, {of_y}")
    fits = len(shape) == len(fourier_shape) and all(
        isinstance(n, Integral) and 1 <= n <= m for n, m in zip(shape, fourier_shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"object_shape={shape!r} does not fit magnitudes of shape {fourier_shape}; give one size per axis, "
            "each at most the magnitudes'"
        )
    return tuple(int(n) for n in shape)


def resolved_kind(constraints, y):
    """The kind of object: as given, or that of the objects `y`."""
    of_y = "non_negative"
    if y is not None:
        complex_y = y.is_complex() if isinstance(y, torch.Tensor) else np.iscomplexobj(y)
        of_y = "complex" if complex_y else "non_negative" if summary_of(y).minimum >= 0 else "real"
    if isinstance(constraints, str):
        check_choice("constraints", constraints, ("auto", *KINDS))
        return of_y if constraints == "auto" else constraints
    valid = (
        isinstance(constraints, list | tuple)
        and len(constraints) == 2
        and all(isinstance(bound, Real) for bound in constraints)
        and constraints[0] < constraints[1]
    )
    if not valid:
        raise ValueError(
            f"constraints={constraints!r} is not valid; choose 'auto', 'non_negative', 'real', 'complex' or a pair "
            "(lower, upper) of bounds"
        )
    return "complex" if of_y == "complex" else "real"


def given_support(support, object_shape, n_samples=None):
    """The support the user gave, with a first axis of samples; None where it is a rule."""
    if isinstance(support, str):
        return None
    given = np.shape(support)
    support = np.asarray(support)
    if support.shape == object_shape:
        support = support[None]
    valid_length = n_samples is None or len(support) in (1, n_samples)
    if support.shape[1:] != object_shape or not valid_length:
        raise ValueError(
            f"support has shape {given}; give one of shape {object_shape} for all samples, "
            f"or one a sample, or choose {', '.join(map(repr, SUPPORTS))}"
        )
    support = support.astype(bool)
    if not support.reshape(len(support), -1).any(axis=1).all():
        raise ValueError("support is empty: no pixel is True, so no object fits")
    return support
