"""The noise limit: the least error that any unbiased estimate of an object can have, from noisy
magnitudes.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.fft

from .._arrays import ROUNDING, check_batch, check_non_negative
from .._counts import counts_of
from .._validation import (
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_shape,
    short,
    warn_user,
)
from ..measurement import Grid, oversampled_shape
from ._fisher import Information, singular
from ._input import as_numpy

if TYPE_CHECKING:
    from .._typing import Batch

MOST_UNKNOWNS = 4_096  # of a matrix: half a GB, and a quarter of a minute on one core
SUPPORTS, METHODS = ("frame", "content"), ("auto", "matrix", "sampling")


class NoiseLimit(NamedTuple):
    r"""Result of :func:`noise_limit`; infinite where an object is not determined.

    Attributes
    ----------
    relative_error : ndarray of shape (n_samples,)
        Least expected :func:`relative_error`, modulo phase and scale.
    mean_squared_error : ndarray of shape (n_samples,)
        Least expected :func:`orbit_mean_squared_error` per pixel of the frame, modulo phase.
    std : ndarray of shape (n_samples, \*object_shape)
        Least standard deviation of each pixel, in the unit of the objects: 0 outside the support.
        That of complex pixels is the root of the sum of both parts' variances, modulo the global
        phase.
    is_singular : ndarray of bool of shape (n_samples,)
        Whether some change of the object changes no measured magnitude to first order, beside the
        global phase.
    n_null : ndarray of int of shape (n_samples,)
        Number of such changes that were found; there may be more.
    condition : ndarray of shape (n_samples,)
        Largest over smallest eigenvalue of the Fisher matrix, without the global phase.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.random.default_rng(0).random((1, 8, 8))
    >>> noise_limit(objects, n_photons=1e6).is_singular
    array([False])
    """

    relative_error: np.ndarray
    mean_squared_error: np.ndarray
    std: np.ndarray
    is_singular: np.ndarray
    n_null: np.ndarray
    condition: np.ndarray

    def psnr(self, data_range: float) -> np.ndarray:
        """Highest PSNR after registration, `10 log10(data_range^2 / mean_squared_error)`, as
        :func:`orbit_psnr` has it.

        Parameters
        ----------
        data_range : float
            Difference between the largest and smallest possible value.

        Returns
        -------
        ndarray of shape (n_samples,)
            In dB; minus infinity where an object is not determined.
        """
        data_range = check_number(
            "data_range", data_range, 0, closed="neither", noun="the range of the values,"
        )
        return 20 * np.log10(data_range) - 10 * np.log10(self.mean_squared_error)


def noise_limit(
    objects: Batch,
    *,
    n_photons: Any = None,
    magnitudes: Any = None,
    support: Any = "frame",
    fourier_shape: Any = None,
    oversampling: float = 2.0,
    unmeasured: Any = None,
    background: Any = 0.0,
    readout_noise: float = 0.0,
    centered: bool = True,
    method: str = "auto",
    n_draws: int = 32,
) -> NoiseLimit:
    r"""Cramér-Rao bound of phase retrieval: the least error that noise leaves to any unbiased
    estimate.

    A pixel `k` of the detector counts `s |z_k|^2 + b_k` photons on average, with `z = F x` and
    background `b`. The Fisher matrix of the object's values is `4 s J^T W J`: with `u = z / |z|`,
    `J_k = Re(conj(u_k) F_k)` is the derivative of `|z_k|`, and `w_k = s |z_k|^2 / (s |z_k|^2 +
    b_k)` is 1 without background, at any count. Read-out noise of variance `sigma^2` adds `sigma^2`
    to the denominator where counts are many; where they are few, the weight is that of Poisson
    numbers plus normal noise, which is larger. Errors of an unbiased estimate have at least the
    inverse of that matrix as covariance.

    Shifts and flips are discrete and do not matter. The global phase of complex objects is a change
    that no magnitude shows; it is left out of all results. To first order `relative_error` is the
    squared error orthogonal to the object, over the object's energy, so the variance along the
    object is left out of it, but counts in `mean_squared_error`. With `n` pixels, ideal conditions
    and complex objects the relative error is about `n / n_photons` (Schulz, Brady and Wang, 2021);
    real objects have about half of it, times 1.3 to 2 for a tight support at oversampling 2.

    **A loose frame determines nothing**: where the object can move within its support by `d` and by
    `-d`, the one moved object less the other changes no magnitude to first order. Of smooth objects
    that change is a shift by a fraction of a pixel. The bound is then infinite. What holds an
    estimate there is no measurement: that objects are not negative, or a prior. Such estimates are
    biased, and may be better than the bound of a tight support, too.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects: the truth, or a reconstruction in its place.
    n_photons : float or array-like of shape (n_samples,), optional
        Photons that each object scatters per pattern, those on unmeasured pixels included.
    magnitudes : array-like of shape (n_samples, \*fourier_shape), optional
        Measured patterns, square roots of counts, in place of `n_photons`, `fourier_shape` and
        `unmeasured`: the counts less the background are those that the object scattered onto
        measured pixels. NaN where unmeasured.
    support : {"frame", "content"} or array of bool, default="frame"
        Pixels where the object is known to be. "frame": anywhere in `object_shape`. "content":
        where it is not 0, the tightest there is. An array of shape `object_shape`, or with a first
        axis of one support per sample.
    fourier_shape : int or tuple of int, optional
        Shape of one pattern; overrides `oversampling`.
    oversampling : float, default=2.0
        Fourier pixels per object pixel along each axis.
    unmeasured : array-like of shape fourier_shape or (n_samples, \*fourier_shape), optional
        Pixels that were not measured: True, or NaN in an array of numbers such as a pattern.
    background : float or array-like of shape fourier_shape or (n_samples, \*fourier_shape), default=0.0
        Expected counts of each pixel that the object did not scatter.
    readout_noise : float, default=0.0
        Standard deviation in counts.
    centered : bool, default=True
        Whether zero frequency is in the middle of patterns (else at index 0).
    method : {"auto", "matrix", "sampling"}, default="auto"
        "matrix" inverts the Fisher matrix. "sampling" solves for random draws of the estimate by
        conjugate gradients: errors within a few percent, `std` within about an eighth. "auto" is
        the matrix up to 4,096 unknowns.
    n_draws : int, default=32
        Random draws of "sampling".

    Returns
    -------
    NoiseLimit

    Raises
    ------
    ValueError
        For an object that is zero everywhere or not zero outside its support, for shapes that do
        not fit, or neither or both of `n_photons` and `magnitudes`.

    Warns
    -----
    UserWarning
        If an object is not determined (its bound is infinite or above 1), with the reason.

    References
    ----------
    .. [1] J. R. Fienup, "Invariant error metrics for image reconstruction", Applied Optics 36, 8352 (1997).
    .. [2] T. J. Schulz, D. J. Brady and C. Wang, "Photon-limited bounds for phase retrieval", Optics Express 29, 16736
       (2021).
    .. [3] G. Papandreou and A. Yuille, "Gaussian sampling by local perturbations", NIPS 2010.

    Examples
    --------
    Digits can move within their frames, so it is their own pixels that must be known. Four times
    the photons leave a quarter of the error:

    >>> import numpy as np
    >>> from skpr.datasets import load_digit_objects
    >>> objects = load_digit_objects().data[:3]
    >>> limit = noise_limit(objects, n_photons=1e6, support="content")
    >>> limit.relative_error / noise_limit(objects, n_photons=4e6, support="content").relative_error
    array([4., 4., 4.])
    >>> limit.is_singular
    array([False, False, False])
    """
    objects = as_numpy(check_batch(objects, name="objects"))
    object_shape, n_samples = tuple(objects.shape[1:]), len(objects)
    check_choice("method", method, METHODS)
    n_draws = check_count("n_draws", n_draws, low=2)
    readout_noise = check_number("readout_noise", readout_noise, 0, noun="counts")
    patterns = _checked_patterns(magnitudes, n_photons, fourier_shape, unmeasured, n_samples)
    if patterns is not None:
        fourier_shape, unmeasured = patterns.shape[1:], np.isnan(patterns)
    grid = Grid(
        object_shape,
        _resolved_shape(fourier_shape, oversampling, object_shape),
        check_flag("centered", centered),
    )
    measured = _in_fft_order(~_checked_unmeasured(unmeasured, grid.fourier_shape, n_samples), grid)
    background = _in_fft_order(_checked_background(background, grid.fourier_shape, n_samples), grid)
    supports = _checked_supports(support, object_shape, n_samples)
    if patterns is None:
        photons, counts = _checked_photons(n_photons, n_samples), None
    else:
        photons, counts = None, _signal_counts(_in_fft_order(patterns, grid), background)

    results, undetermined = [], {}
    for i in range(n_samples):
        x, norm = _at_unit_norm(np.asarray(objects[i : i + 1])[0], i)
        inside = x != 0 if supports is None else supports[i % len(supports)]
        if x[~inside].any():
            raise ValueError(
                f"objects[{i}] is not 0 outside its support; give a support that holds it, or "
                f"'content'"
            )
        known = measured[i % len(measured)]
        if not known.any():
            raise ValueError(
                f"no pixel of pattern {i} was measured: nothing is known of objects[{i}]"
            )
        exposure = photons[i] if counts is None else counts[i] / _share_on(known, x)
        model = (
            x,
            inside,
            grid.fourier_shape,
            exposure,
            known,
            background[i % len(background)],
            readout_noise,
        )
        n_moves = _n_moves(x, inside, grid.fourier_shape)
        spread = (
            singular(int(inside.sum()), n_moves) if n_moves else _spread(model, method, n_draws)
        )
        results.append(_in_units(spread, inside, exposure, norm))
        if results[-1][0] >= 1:
            # what is left of a retrieval outside the object is no content
            content = np.where(np.abs(x) > ROUNDING * np.abs(x).max(), x, 0)
            undetermined[i] = _n_moves(content, inside, grid.fourier_shape) > 0
    if undetermined:
        _warn_of_undetermined(undetermined, n_samples)
    return NoiseLimit(*(np.array(values) for values in zip(*results, strict=True)))


def _spread(model, method, n_draws):
    information = Information(*model)
    if method == "matrix" or (method == "auto" and information.n_unknowns <= MOST_UNKNOWNS):
        return information.spread_by_matrix()
    return information.spread_by_sampling(n_draws)


def _n_moves(x, inside, fourier_shape):
    """Number of changes of an object that its freedom to move within the support makes invisible.

    Where both `x` moved by `d` and by `-d` lie within the support, their difference changes no
    magnitude, and `i` times their sum, of complex objects, neither."""
    content = scipy.fft.rfftn((x != 0).astype(float), s=fourier_shape)
    outside = np.pad(
        ~inside,
        [(0, m - n) for n, m in zip(x.shape, fourier_shape, strict=True)],
        constant_values=True,
    )
    lost = scipy.fft.irfftn(
        content.conj() * scipy.fft.rfftn(outside.astype(float)), s=fourier_shape
    )
    fits = lost < 0.5  # pixels
    axes = tuple(range(x.ndim))
    both = fits & np.roll(np.flip(fits), 1, axes)
    n_both = int(both.sum()) - 1  # at rest it fits
    if x.dtype.kind == "c":
        return n_both
    # a move by half the grid is its own opposite
    halves = both[np.ix_(*([0, m // 2] if m % 2 == 0 else [0] for m in fourier_shape))]
    return (n_both - (int(halves.sum()) - 1)) // 2


def _in_units(spread, inside, exposure, norm):
    """Fields of :class:`NoiseLimit` for one object."""
    # the root first: squares of the norm may be out of range
    unit = norm / (2 * math.sqrt(exposure))
    std = np.zeros(inside.shape)
    std[inside] = unit * np.sqrt(spread.variances)
    root = unit * math.sqrt((spread.across + spread.along) / inside.size)
    return (
        spread.across / (4 * exposure),
        root * root,
        std,
        spread.n_null > 0,
        spread.n_null,
        spread.condition,
    )


def _at_unit_norm(x, number):
    """Object of norm 1 in double precision, and its norm."""
    x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    peak = max(float(np.abs(part).max()) for part in (x.real, x.imag))
    if peak == 0:
        raise ValueError(
            f"objects[{number}] is zero everywhere: it scatters no photons; leave it out"
        )
    x = x / peak
    norm = float(np.linalg.norm(x))
    return x / norm, norm * peak


def _share_on(known, x):
    """Share of its photons that an object of norm 1 scatters onto known pixels."""
    intensities = np.abs(scipy.fft.fftn(x, s=known.shape)) ** 2
    return float(intensities[known].sum()) / known.size


def _signal_counts(patterns, background):
    """Counts of each pattern less the background."""
    totals = []
    for i, pattern in enumerate(patterns):
        known = ~np.isnan(pattern)
        counts = counts_of(pattern) if known.any() else None
        if counts is None:
            raise ValueError(
                f"squares of magnitudes[{i}] are not counts; give n_photons=..., "
                f"fourier_shape={pattern.shape} and, "
                "for missing pixels, unmeasured=np.isnan(magnitudes)"
            )
        light = np.broadcast_to(background[i % len(background)], pattern.shape)
        totals.append(float((counts - light)[known].sum()))
        if totals[-1] <= 0:
            raise ValueError(
                f"magnitudes[{i}] hold no counts beyond the background: nothing was scattered"
            )
    return totals


def _warn_of_undetermined(loose, n_samples):
    """Warn of objects by number, with the reason for the first; `loose` says of each whether its
    frame is.
    """
    first = next(iter(loose))
    if loose[first]:
        reason = (
            "it can move within its support by some pixels and as far back, and the one moved "
            "object less the other "
            "changes no magnitude to first order; pass a tight support, such as support='content'"
        )
    else:
        reason = (
            "some change of it changes no measured magnitude by more than its noise, because "
            "photons are too few, "
            "pixels missing or drowned in noise, object and support their own mirror images, or "
            "oversampling too low"
        )
    others = f" and {len(loose) - 1} more of {n_samples}" if len(loose) > 1 else ""
    verb = "are" if others else "is"
    warn_user(
        f"objects[{first}]{others} {verb} not determined: the least relative error is above 1. Of "
        f"the first, {reason}"
    )


def _in_fft_order(values, grid):
    return np.asarray(grid.to_fft_order(values))


def _checked_patterns(magnitudes, n_photons, fourier_shape, unmeasured, n_samples):
    if magnitudes is None:
        return None
    for name, value in {
        "n_photons": n_photons,
        "fourier_shape": fourier_shape,
        "unmeasured": unmeasured,
    }.items():
        if value is not None:
            raise ValueError(
                f"{name} and magnitudes are both given; magnitudes tell {name}: pass one of them"
            )
    patterns = check_batch(
        magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan"
    )
    check_non_negative(patterns, "noise_limit")
    if len(patterns) != n_samples:
        raise ValueError(
            f"there are {n_samples} objects and {len(patterns)} magnitudes; give one pattern per "
            f"object"
        )
    return np.asarray(as_numpy(patterns), dtype=float)


def _resolved_shape(fourier_shape, oversampling, object_shape):
    if fourier_shape is not None:
        return check_shape("fourier_shape", fourier_shape, len(object_shape))
    return oversampled_shape(object_shape, check_number("oversampling", oversampling, 1))


def _checked_photons(n_photons, n_samples):
    if n_photons is None:
        raise ValueError(
            "n_photons is missing; give photons per pattern, or magnitudes that are roots of counts"
        )
    if isinstance(n_photons, Real):
        n_photons = check_number(
            "n_photons", n_photons, 0, closed="neither", noun="photons per pattern"
        )
    photons = np.asarray(as_numpy(n_photons))
    photons = photons.astype(float) if photons.dtype.kind in "iuf" else np.zeros(0)
    if photons.shape not in ((), (n_samples,)) or not (np.isfinite(photons) & (photons > 0)).all():
        raise ValueError(
            f"n_photons={short(n_photons)} is not valid; give photons per pattern > 0, one number "
            f"or {n_samples}"
        )
    return np.broadcast_to(photons, (n_samples,)).tolist()


def _per_sample(name, values, shape, n_samples):
    """Values of one shape for all samples or one a sample, with a first axis."""
    if values.shape == shape:
        return values[None]
    if values.shape[1:] == shape and len(values) in (1, n_samples):
        return values
    raise ValueError(
        f"{name} has shape {values.shape}; give one of shape {shape} for all samples, or one a "
        f"sample, of shape "
        f"{(n_samples, *shape)}"
    )


def _checked_unmeasured(unmeasured, fourier_shape, n_samples):
    if unmeasured is None:
        return np.zeros((1, *fourier_shape), dtype=bool)
    values = np.asarray(as_numpy(unmeasured))
    if (
        values.dtype.kind == "f" and not np.isin(values, (0, 1)).all()
    ):  # those may be a mask of either sense
        values = np.isnan(values)
    if values.dtype.kind != "b":
        raise ValueError(
            f"unmeasured={short(unmeasured)} is not valid; give booleans, True where nothing was "
            f"measured, or an array "
            "that is NaN there"
        )
    return _per_sample("unmeasured", values, fourier_shape, n_samples)


def _checked_background(background, fourier_shape, n_samples):
    values = np.asarray(as_numpy(background))
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            f"background={short(background)} is not valid; give counts >= 0, one number or one "
            f"per pixel"
        )
    values = values.astype(float)
    return (
        np.full((1, *fourier_shape), values)
        if values.ndim == 0
        else _per_sample("background", values, fourier_shape, n_samples)
    )


def _checked_supports(support, object_shape, n_samples):
    """Supports with a first axis of samples, or None for the content of each object."""
    if isinstance(support, str):
        check_choice("support", support, SUPPORTS)
        return np.ones((1, *object_shape), dtype=bool) if support == "frame" else None
    values = np.asarray(as_numpy(support))
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"support={short(support)} is not valid; choose 'frame', 'content' or an array of "
            f"booleans"
        )
    return _per_sample("support", values.astype(bool), object_shape, n_samples)
