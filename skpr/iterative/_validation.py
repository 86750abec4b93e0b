"""Validation of the parameters of a retrieval against its data."""

import math
from collections.abc import Iterable
from numbers import Real

import numpy as np
import torch

from .._arrays import check_batch, is_complex, is_non_negative
from .._callers import is_nested
from .._layout import mirror_correlation
from .._lazy import some_of
from .._tensors import resolve_device, to_tensor
from .._validation import check_choice, check_count, check_number, short, warn_user
from ..measurement import (
    KINDS,
    CountingNoise,
    check_centre,
    check_extent,
    check_logarithms,
    check_noise,
    check_plateaus,
    check_symmetric_elsewhere,
    fits,
    form_of,
    look_at,
    photons_of,
    symmetries_of,
)

SUPPORTS = "auto", "frame", "autocorrelation", "shrinkwrap", "search"
STARTS = "random", "autocorrelation", "coarse"
COHERENCES = "auto", "full", "gaussian"
UNITS_LOOKED_AT = 8  # number of patterns by which units are checked
FRACTION = 0.01  # photons; counts are whole numbers to within this
BEYOND = 1.1  # tolerated excess over the amplitude that bounds allow, because noise adds a little
DEVIATIONS = 5.0  # standard deviations of the mean background
UNRELATED = 0.2  # correlation of neighbouring or opposite pixels; patterns have more


def check_parameters(estimator):
    """Refuse parameters that are invalid for any data."""
    if not isinstance(estimator.centered, bool | np.bool_):
        raise ValueError(f"centered={short(estimator.centered)} is not valid; choose True or False")
    if isinstance(estimator.support, str):
        check_choice("support", estimator.support, SUPPORTS)
    if not isinstance(estimator.start, str):
        raise ValueError(
            f"start={short(estimator.start)} is not valid; choose 'random', 'autocorrelation' or "
            "'coarse', and give objects to start from as retrieve(X, init=...)"
        )
    check_choice("start", estimator.start, STARTS)
    check_noise(estimator.noise)
    check_choice("coherence", estimator.coherence, COHERENCES)
    if not (isinstance(estimator.n_starts, str) and estimator.n_starts == "auto"):
        noun = "'auto' or an integer"
        check_number("n_starts", estimator.n_starts, 1, integer=True, noun=noun)
    check_count("shrinkwrap_interval", estimator.shrinkwrap_interval)
    poisson = isinstance(estimator.tol, str) and estimator.tol == "poisson"
    if not poisson and not (isinstance(estimator.tol, Real) and 0 <= estimator.tol < math.inf):
        raise ValueError(
            f"tol={short(estimator.tol)} is not valid; give a Fourier error >= 0 or 'poisson'"
        )
    _check_threshold(estimator.threshold)
    sigma = estimator.shrinkwrap_sigma
    valid = isinstance(sigma, list | tuple) and len(sigma) == 2
    if (
        not valid
        or not all(isinstance(s, Real) and 0 < s < math.inf for s in sigma)
        or sigma[0] < sigma[1]
    ):
        raise ValueError(
            f"shrinkwrap_sigma={short(sigma)} is not valid; give two widths in pixels, (first, "
            "last), first >= last"
        )
    resolve_device(estimator.device)


def _check_threshold(threshold):
    """Refuse a threshold that is not a fraction."""
    if threshold is not None and not (isinstance(threshold, Real) and 0 < threshold < 1):
        raise ValueError(
            f"threshold={short(threshold)} is not valid; give a fraction between 0 and 1, or None"
        )


def check_fourier(X, y, whom):
    """Refuse magnitudes that plainly come from another kind of measurement.

    Fourier magnitudes correlate with those of their objects, or are symmetric, or smooth. The
    magnitudes of a measurement with a random matrix are none of these. The check is skipped inside
    another estimator, which has done it already.

    Raises
    ------
    ValueError
        If `X` passed to `whom` does not hold Fourier magnitudes of `y`.
    """
    if is_nested(2) or symmetries_of(X, y) != "phase":
        return
    objects, values = (to_tensor(some_of(batch, 16)).detach().cpu().numpy() for batch in (y, X))
    flat = objects.reshape(len(objects), -1)
    if (flat == flat[:, :1]).all():  # constant objects are given for their shape only
        return
    if (
        mirror_correlation(values, tuple(range(1, values.ndim))) < UNRELATED
        and _neighbours(values) < UNRELATED
    ):
        raise ValueError(
            f"X passed to {whom} does not hold Fourier magnitudes of y: it neither correlates "
            "with them nor is smooth or symmetric, as if measured with a random matrix; "
            "iterations need Fourier magnitudes. For other measurements train a "
            "PhaseRetrievalRegressor, or give object_shape= in place of y if only its shape is "
            "meant"
        )


def _neighbours(values):
    """Return the largest correlation of neighbouring pixels along any axis."""
    found = []
    # in single precision, rounding would give equal values a spread
    values = values.astype(np.float64)
    for axis in range(1, values.ndim):
        n = values.shape[axis]
        pairs = np.stack(
            [values.take(range(n - 1), axis).ravel(), values.take(range(1, n), axis).ravel()]
        )
        pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
        spread = pairs.std(axis=1) if pairs.size else np.zeros(2)
        found.append(float(np.corrcoef(pairs)[0, 1]) if (spread > 0).all() else 1.0)
    return max(found)


def resolved_object_shape(object_shape, fourier_shape, of_y):
    """Return the frame: as given, that of the objects `y`, or half the grid."""
    if object_shape is None:
        shape = tuple((m + 1) // 2 for m in fourier_shape) if of_y is None else of_y
    else:
        shape = object_shape
        shape = tuple(shape) if isinstance(shape, Iterable) else (shape,) * len(fourier_shape)
    if not fits(shape, fourier_shape):
        given = shape if isinstance(object_shape, Real | list | tuple | None) else object_shape
        raise ValueError(
            f"object_shape={short(given)} does not fit magnitudes of shape {fourier_shape}; give "
            "one integer per axis, each at most the magnitudes'"
        )
    if of_y is not None and shape != of_y:
        raise ValueError(
            f"object_shape={short(object_shape)} is not the shape of the objects in y, {of_y}"
        )
    return tuple(int(n) for n in shape)


def resolved_support(support, *, is_known):
    """Return the rule of the support.

    "auto" becomes "frame" where the frame is known; an array becomes "given". The result "auto"
    means that the support is searched for.
    """
    if not isinstance(support, str):
        return "given"
    if support == "search":
        return "auto"
    return "frame" if support == "auto" and is_known else support


def resolved_kind(constraints, y):
    """Return the kind of object: as given, or that of the objects `y`."""
    of_y = "non_negative"
    if y is not None:
        of_y = "complex" if is_complex(y) else "non_negative" if is_non_negative(y) else "real"
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
            f"constraints={short(constraints)} is not valid; choose 'auto', 'non_negative', "
            "'real', 'complex' or a pair (lower, upper) of bounds"
        )
    return "complex" if of_y == "complex" else "real"


def given_support(support, object_shape, n_samples=None):
    """Return the given support with a first axis of samples; None for a rule."""
    if isinstance(support, str):
        return None
    given = np.shape(support)
    support = np.asarray(support)
    if support.shape == object_shape:
        support = support[None]
    valid_length = n_samples is None or len(support) in (1, n_samples)
    if support.shape[1:] != object_shape or not valid_length:
        raise ValueError(
            f"support has shape {given}; give one of shape {object_shape} for all samples, or one "
            f"per sample, or choose {', '.join(map(repr, SUPPORTS))}"
        )
    if support.dtype.kind not in "biuf":
        raise ValueError(
            f"support is {support.dtype}; give one bool per pixel, True where the object may be"
        )
    values = np.unique(support)
    if len(values[values != 0]) > 1 or np.isnan(values).any():  # 0 and 255 are a valid mask, too
        raise ValueError(
            f"support holds {short(values[values != 0][0])} and other values; give one bool "
            "per pixel, True where the object may be, such as objects > threshold"
        )
    support = support.astype(bool)
    if not support.reshape(len(support), -1).any(axis=1).all():
        raise ValueError("support is empty: no pixel is True, so no object fits")
    return support


def checked_init(init, shape, kind):
    """Return given starts in the shape and kind of the objects."""
    init = check_batch(init, name="init")
    init = init.detach().cpu().numpy() if isinstance(init, torch.Tensor) else np.asarray(init)
    if init.shape != shape:
        raise ValueError(
            f"init has shape {init.shape}; give one object per sample, of shape {shape}"
        )
    init = init if kind == "complex" else init.real
    dark = ~init.reshape(len(init), -1).any(axis=1)
    if dark.any():
        warn_user(
            f"init is zero everywhere in {dark.sum()} of {len(init)} samples, from which "
            "iterations do not move: leave init out for random starts"
        )
    return init


def look_at_patterns(estimator, X, **known):
    """Warn of patterns that do not look as the estimator takes them.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    **known
        Passed to :func:`skpr.measurement.look_at`.

    Returns
    -------
    bool
        Whether there was a warning.
    """
    name = type(estimator).__name__
    told = look_at(X, estimator.centered, name, estimator.constraints_, **known) or check_plateaus(
        X, estimator.centered, name
    )
    is_positive = estimator.constraints_ == "non_negative"
    return told or (is_positive and check_centre(X, estimator.centered, name))


def look_at_training(estimator, X, y):
    """Warn of patterns in `fit`, and return the form they should keep.

    The form is None if there was a warning, or if no objects tell that it is right.
    """
    name = type(estimator).__name__
    told = look_at_patterns(estimator, X, objects=y) or check_logarithms(X, name)
    is_guessed = y is None and estimator.constraints == "auto"
    if not told and estimator.constraints_ == "complex" and is_guessed:
        told = check_symmetric_elsewhere(X, estimator.centered, name)
    if told:
        return None
    form = None if y is None else form_of(X)
    check_extent(X, estimator.object_shape_, name)
    return form


def warn_of_units(X, estimator):
    """Warn of magnitudes whose unit contradicts the parameters.

    Bounds of the amplitude are in the unit of the objects, and noise of counts needs roots of
    counts.

    Parameters
    ----------
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    estimator : IterativePhaseRetrieval
    """
    is_counting = isinstance(estimator.noise, CountingNoise) or estimator.noise == "poisson"
    if (
        isinstance(estimator.tol, Real)
        and isinstance(estimator.constraints, str)
        and not is_counting
    ):
        return
    some = np.asarray(X[:UNITS_LOOKED_AT], dtype=np.float64)
    peak = np.nanmax(some)
    if is_counting:
        _warn_of_counts(some, estimator.noise)
    if isinstance(estimator.tol, str) and 0 < peak <= 1:
        squares = np.square(some[~np.isnan(some)])
        if ((squares > FRACTION) & (squares < 1 - FRACTION)).any():
            warn_user(
                "tol='poisson' takes squares of magnitudes for counts, but the largest is "
                f"{peak**2:.2g}: give square roots of counts, or tol as a Fourier error"
            )
    if not isinstance(estimator.constraints, str) and peak > 0:
        means = np.nansum(np.square(some / peak), axis=tuple(range(1, some.ndim))) / math.prod(
            X.shape[1:]
        )
        # by Parseval's theorem, the root mean square of an object that has these magnitudes
        needed = float(peak) * math.sqrt(means.max() / math.prod(estimator.object_shape_))
        most = max(abs(bound) for bound in estimator.constraints)
        if needed > BEYOND * most:
            warn_user(
                f"constraints={short(estimator.constraints)} allow no object of shape "
                f"{estimator.object_shape_} that is as bright as the magnitudes, whose root mean "
                f"square is at least {needed:.3g}: bounds are in the unit of the objects"
            )


def _warn_of_counts(some, noise):
    """Warn of counts below one photon everywhere, or below their background."""
    lit = np.nan_to_num(some, nan=0.0).reshape(len(some), -1).any(axis=1)
    if not lit.any():
        return
    photons = photons_of(some[lit], noise)
    counts = np.square(some[lit]).reshape(len(photons), -1) / photons[:, None]
    means, largest = np.nanmean(counts, axis=1), float(np.nanmax(counts))
    name = short(noise)
    if largest < 1 - FRACTION:
        warn_user(
            f"noise={name} takes squares of magnitudes for counts, but the largest is "
            f"{largest:.2g} photons: give square roots of counts, or CountingNoise(photon=...), "
            "the squared magnitude of a single photon"
        )
        return
    if not isinstance(noise, CountingNoise) or not noise.background:
        return
    n_known = np.isfinite(counts).sum(axis=1)
    least = noise.background - DEVIATIONS * np.sqrt(
        (noise.background + noise.readout_noise**2) / n_known
    )
    if (means < least).mean() > 0.5:
        warn_user(
            f"noise={name} has a background of {noise.background:.3g} photons per pixel, but the "
            f"mean of all pixels is {float(means.mean()):.3g}: give background in photons per "
            "pixel, and magnitudes from which it was not subtracted"
        )
