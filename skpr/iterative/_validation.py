"""Validation of a retrieval's parameters, and their meaning for given data."""

import math
from numbers import Number, Real

import numpy as np

from .._arrays import is_complex, is_non_negative
from .._layout import is_nested, mirror_correlation
from .._lazy import some_of
from .._tensors import resolve_device, to_tensor
from .._validation import check_choice, check_count, short, warn_user
from ..measurement import KINDS, CountingNoise, check_noise, fits, photons_of, symmetries_of

SUPPORTS = "auto", "frame", "autocorrelation", "shrinkwrap"
STARTS = "random", "autocorrelation"
COHERENCES = "auto", "full", "gaussian"
UNITS_LOOKED_AT = 8  # patterns
FRACTION = 0.01  # of a count, by which squares are no counts
BEYOND = 1.1  # times the amplitude that bounds allow: noise adds a little
DEVIATIONS = 5.0  # of the mean background
UNRELATED = (
    0.2  # correlation of neighbouring or opposite pixels below which a batch holds no patterns
)


def check_parameters(estimator):
    """Refuse parameters that are not valid whatever the data."""
    if not isinstance(estimator.centered, bool | np.bool_):
        raise ValueError(f"centered={short(estimator.centered)} is not valid; choose True or False")
    if isinstance(estimator.support, str):
        check_choice("support", estimator.support, SUPPORTS)
    if not isinstance(estimator.start, str):
        raise ValueError(
            f"start={short(estimator.start)} is not valid; choose 'random' or 'autocorrelation', "
            f"and give objects to "
            "start from as retrieve(X, init=...)"
        )
    check_choice("start", estimator.start, STARTS)
    check_noise(estimator.noise)
    check_choice("coherence", estimator.coherence, COHERENCES)
    if isinstance(estimator.n_starts, str):
        if estimator.n_starts != "auto":
            raise ValueError(
                f"n_starts={short(estimator.n_starts)} is not valid; give an integer >= 1 or 'auto'"
            )
    else:
        check_count("n_starts", estimator.n_starts)
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
            f"last), first >= last"
        )
    resolve_device(estimator.device)


def _check_threshold(threshold):
    """Refuse what is neither a fraction nor a range of fractions."""
    if threshold is None:
        return
    ends = threshold if isinstance(threshold, list | tuple) else (threshold, threshold)
    valid = (
        len(ends) == 2
        and all(isinstance(end, Real) and 0 < end < 1 for end in ends)
        and ends[0] <= ends[1]
    )
    if not valid:
        raise ValueError(
            f"threshold={short(threshold)} is not valid; give a fraction between 0 and 1, a range "
            f"(low, high) of them "
            "from which every start has its own, or None"
        )


def check_fourier(X, y, whom):
    """Refuse magnitudes that are plainly those of another measurement of `y`, such as that of a
    Gaussian matrix.

    Fourier magnitudes correlate with those of their objects, or are symmetric, or smooth; those of
    a random matrix are none of it. An estimator around this one has looked itself.

    Raises
    ------
    ValueError
    """
    if is_nested(2) or symmetries_of(X, y) != "phase":
        return
    objects, values = (to_tensor(some_of(batch, 16)).detach().cpu().numpy() for batch in (y, X))
    flat = objects.reshape(len(objects), -1)
    if (flat == flat[:, :1]).all():  # given for its shape
        return
    if (
        mirror_correlation(values, tuple(range(1, values.ndim))) < UNRELATED
        and _neighbours(values) < UNRELATED
    ):
        raise ValueError(
            f"X passed to {whom} does not hold Fourier magnitudes of y: it neither correlates "
            f"with them nor is smooth "
            "or symmetric, as if measured with a random matrix; iterations need Fourier "
            "magnitudes. Train a "
            "PhaseRetrievalRegressor on other ones, or give object_shape= in place of y if only "
            "its shape is meant"
        )


def _neighbours(values):
    """Correlation of neighbouring pixels of patterns, the largest along any axis."""
    found = []
    values = values.astype(np.float64)  # the spread of equal values is rounding in single precision
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
    """The frame: as given, that of the objects `y`, or half the grid."""
    if object_shape is None:
        shape = tuple((m + 1) // 2 for m in fourier_shape) if of_y is None else of_y
    else:
        shape = object_shape
        shape = (shape,) * len(fourier_shape) if isinstance(shape, Number) else tuple(shape)
    if not fits(shape, fourier_shape):
        given = object_shape if isinstance(object_shape, np.ndarray) else shape
        raise ValueError(
            f"object_shape={short(given)} does not fit magnitudes of shape {fourier_shape}; give "
            f"one integer per axis, "
            "each at most the magnitudes'"
        )
    if of_y is not None and shape != of_y:
        raise ValueError(
            f"object_shape={short(object_shape)} is not the shape of the objects in y, {of_y}"
        )
    return tuple(int(n) for n in shape)


def resolved_support(support, *, is_known):
    """The rule of the support: "auto" is the frame where this is known, and "given" is an array."""
    if not isinstance(support, str):
        return "given"
    return "frame" if support == "auto" and is_known else support


def resolved_kind(constraints, y):
    """The kind of object: as given, or that of the objects `y`."""
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
            f"'real', 'complex' or a "
            "pair (lower, upper) of bounds"
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
    if support.dtype.kind not in "biuf":
        raise ValueError(
            f"support is {support.dtype}; give one bool a pixel, True where the object may be"
        )
    values = np.unique(support)
    if len(values[values != 0]) > 1 or np.isnan(values).any():  # 0 and 255 mark a mask, too
        raise ValueError(
            f"support holds {short(values[values != 0][0])} and other values; give one bool a "
            f"pixel, True where the "
            "object may be, such as objects > threshold"
        )
    support = support.astype(bool)
    if not support.reshape(len(support), -1).any(axis=1).all():
        raise ValueError("support is empty: no pixel is True, so no object fits")
    return support


def warn_of_units(X, estimator):
    """Warn of magnitudes in a unit that parameters contradict: bounds of the amplitude, and noise
    of counts.

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
                f"tol='poisson' takes squares of magnitudes for counts, and the largest is "
                f"{peak**2:.2g}: give square "
                "roots of counts, or tol as a Fourier error"
            )
    if not isinstance(estimator.constraints, str) and peak > 0:
        means = np.nansum(np.square(some / peak), axis=tuple(range(1, some.ndim))) / math.prod(
            X.shape[1:]
        )
        needed = float(peak) * math.sqrt(
            means.max() / math.prod(estimator.object_shape_)
        )  # by Parseval's theorem
        most = max(abs(bound) for bound in estimator.constraints)
        if needed > BEYOND * most:
            warn_user(
                f"constraints={short(estimator.constraints)} allow no object of shape "
                f"{estimator.object_shape_} "
                f"that is as bright as the magnitudes, whose root mean square is at least "
                f"{needed:.3g}: bounds are in "
                "the unit of the objects"
            )


def _warn_of_counts(some, noise):
    """Warn of counts that are less than a photon everywhere, or less than the background that is
    said to be in them.
    """
    lit = np.nan_to_num(some, nan=0.0).reshape(len(some), -1).any(axis=1)
    if not lit.any():
        return
    photons = photons_of(some[lit], noise)
    counts = np.square(some[lit]).reshape(len(photons), -1) / photons[:, None]
    means, largest = np.nanmean(counts, axis=1), float(np.nanmax(counts))
    name = short(noise)
    if largest < 1 - FRACTION:
        warn_user(
            f"noise={name} takes squares of magnitudes for counts, and the largest is "
            f"{largest:.2g} photons: give "
            "square roots of counts, or CountingNoise(photon=...), the square of a magnitude that "
            "one photon makes"
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
            f"noise={name} has a background of {noise.background:.3g} photons a pixel, but the "
            f"mean of all pixels is "
            f"{float(means.mean()):.3g}: give background in photons a pixel, and magnitudes from "
            f"which it was not "
            "subtracted"
        )
