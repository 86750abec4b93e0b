"""Noise limit: the least error of any unbiased estimate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.fft

from .._arrays import ROUNDING, check_batch
from .._validation import check_choice, check_count, check_flag, check_number, warn_user
from ..measurement import Grid
from ._fisher import Information, singular
from ._input import as_numpy
from ._limit_input import (
    checked_background,
    checked_patterns,
    checked_photons,
    checked_supports,
    checked_unmeasured,
    resolved_shape,
    signal_counts,
)

if TYPE_CHECKING:
    from .._typing import Batch

MOST_UNKNOWNS = 4_096  # unknowns of a matrix: half a GB, and a quarter of a minute on one core
METHODS = "auto", "matrix", "sampling"


class NoiseLimit(NamedTuple):
    r"""Cramér-Rao bound of objects: least errors, per pixel and in all.

    Limits are infinite for an object that is not determined.

    Attributes
    ----------
    relative_error : ndarray of shape (n_samples,)
        Least expected :func:`relative_error`, modulo phase and scale.
    mean_squared_error : ndarray of shape (n_samples,)
        Least expected :func:`orbit_mean_squared_error` per pixel of the frame, modulo phase.
    std : ndarray of shape (n_samples, \*object_shape)
        Least standard deviation of each pixel, in the unit of the objects; 0 outside the support.
        For complex pixels the variances of both parts are added, modulo the global phase.
    is_singular : ndarray of bool of shape (n_samples,)
        Whether some change of the object other than its global phase changes no measured magnitude
        to first order.
    n_null : ndarray of int of shape (n_samples,)
        Number of such changes found; there may be more.
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
        """Compute the highest PSNR after registration.

        It is `10 log10(data_range^2 / mean_squared_error)`, the limit of :func:`orbit_psnr`.

        Parameters
        ----------
        data_range : float
            Difference between the largest and smallest possible value.

        Returns
        -------
        ndarray of shape (n_samples,)
            PSNR in dB; minus infinity for an object that is not determined.
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
    r"""Least error that noise permits (Cramér-Rao bound).

    A detector pixel `k` counts `s |z_k|^2 + b_k` photons on average, with `z = F x` and background
    `b`. The Fisher matrix of the object's values is `4 s J^T W J`. With `u = z / |z|`, the
    derivative of `|z_k|` is `J_k = Re(conj(u_k) F_k)`. The weight
    `w_k = s |z_k|^2 / (s |z_k|^2 + b_k)` is 1 without background, for any count. Read-out noise of
    variance `sigma^2` adds `sigma^2` to the denominator where counts are many; where they are few,
    the weight is that of Poisson numbers plus normal noise, which is larger. The covariance of any
    unbiased estimate is at least the inverse of the Fisher matrix.

    Shifts and flips are discrete and do not matter. The global phase of complex objects changes no
    magnitude and is left out of all results. To first order, `relative_error` is the squared error
    orthogonal to the object, divided by the object's energy: it leaves out the variance along the
    object, which `mean_squared_error` includes. Under ideal conditions the relative error of a
    complex object of `n` pixels is about `n / n_photons` (Schulz, Brady and Wang, 2021). That of a
    real object is about half as large, times 1.3 to 2 for a tight support at oversampling 2.

    **A loose frame determines nothing.** If the object can move within its support by `d` and by
    `-d`, the difference of the two moved objects is a change that affects no magnitude to first
    order; for smooth objects it is a shift by a fraction of a pixel. The bound is then infinite.
    Estimates in a loose frame are held in place by a prior, such as non-negativity, and not by the
    measurement. They are biased, and may even have a smaller error than the bound for a tight
    support.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects: the truth, or a reconstruction in its place.
    n_photons : float or array-like of shape (n_samples,), optional
        Photons per pattern that each object scatters, including those on missing pixels.
    magnitudes : array-like of shape (n_samples, \*fourier_shape), optional
        Measured patterns (square roots of counts; NaN where unmeasured), in place of `n_photons`,
        `fourier_shape` and `unmeasured`. Counts beyond the background are the photons that the
        object scattered onto measured pixels.
    support : {"frame", "content"} or array of bool, default="frame"
        Pixels where the object is known to be. "frame" allows all of `object_shape`; "content" only
        pixels where the object is not 0, which is the tightest support. An array has shape
        `object_shape`, or a first axis with one support per sample.
    fourier_shape : int or tuple of int, optional
        Shape of one pattern; overrides `oversampling`.
    oversampling : float, default=2.0
        Fourier pixels per object pixel along each axis.
    unmeasured : array-like of shape fourier_shape or (n_samples, \*fourier_shape), optional
        Missing pixels: True in an array of bool, or NaN in an array of numbers such as a pattern.
    background : float or array-like, default=0.0
        Expected counts per pixel that the object did not scatter: one number, or an array of shape
        fourier_shape or (n_samples, \*fourier_shape).
    readout_noise : float, default=0.0
        Standard deviation of the read-out noise, in counts.
    centered : bool, default=True
        Whether zero frequency is in the middle of patterns (else at index 0).
    method : {"auto", "matrix", "sampling"}, default="auto"
        "matrix" inverts the Fisher matrix. "sampling" solves for random draws of the estimate by
        conjugate gradients; errors are accurate to a few percent, `std` to about an eighth. "auto"
        chooses the matrix up to 4,096 unknowns.
    n_draws : int, default=32
        Number of random draws for "sampling".

    Returns
    -------
    NoiseLimit

    Raises
    ------
    ValueError
        If an object is zero everywhere or not zero outside its support, if shapes do not fit each
        other, or if neither or both of `n_photons` and `magnitudes` are given.

    Warns
    -----
    UserWarning
        If an object is not determined (its bound is infinite or above 1), with the reason.

    References
    ----------
    .. [1] J. R. Fienup, "Invariant error metrics for image reconstruction", Applied Optics 36, 8352
       (1997).
    .. [2] T. J. Schulz, D. J. Brady and C. Wang, "Photon-limited bounds for phase retrieval",
       Optics Express 29, 16736 (2021).
    .. [3] G. Papandreou and A. Yuille, "Gaussian sampling by local perturbations", NIPS 2010.

    Examples
    --------
    Digits can move within their frames, so their support must be known. Four times the photons
    leave a quarter of the error:

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
    patterns = checked_patterns(magnitudes, n_photons, fourier_shape, unmeasured, n_samples)
    if patterns is not None:
        fourier_shape, unmeasured = patterns.shape[1:], np.isnan(patterns)
    grid = Grid(
        object_shape,
        resolved_shape(fourier_shape, oversampling, object_shape),
        check_flag("centered", centered),
    )
    measured = _in_fft_order(~checked_unmeasured(unmeasured, grid.fourier_shape, n_samples), grid)
    background = _in_fft_order(checked_background(background, grid.fourier_shape, n_samples), grid)
    supports = checked_supports(support, object_shape, n_samples)
    if patterns is None:
        photons, counts = checked_photons(n_photons, n_samples), None
    else:
        photons, counts = None, signal_counts(_in_fft_order(patterns, grid), background)

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
            # the remainder of a retrieval outside the object is not content
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
    """Count invisible changes due to freedom to move.

    If `x` moved by `d` and by `-d` lies within the support both times, the difference of the two
    changes no magnitude to first order. For complex objects, neither does `i` times their sum.
    """
    # correlation of the object's pixels with those outside the support: number of pixels that each
    # move pushes out
    content = scipy.fft.rfftn((x != 0).astype(float), s=fourier_shape)
    outside = np.pad(
        ~inside,
        [(0, m - n) for n, m in zip(x.shape, fourier_shape, strict=True)],
        constant_values=True,
    )
    lost = scipy.fft.irfftn(
        content.conj() * scipy.fft.rfftn(outside.astype(float)), s=fourier_shape
    )
    fits = lost < 0.5  # whole numbers of pixels, up to rounding
    axes = tuple(range(x.ndim))
    both = fits & np.roll(np.flip(fits), 1, axes)
    n_both = int(both.sum()) - 1  # without the move by 0, which always fits
    if x.dtype.kind == "c":
        return n_both
    # a move by half the grid is its own opposite
    halves = both[np.ix_(*([0, m // 2] if m % 2 == 0 else [0] for m in fourier_shape))]
    return (n_both - (int(halves.sum()) - 1)) // 2


def _in_units(spread, inside, exposure, norm):
    """Fields of :class:`NoiseLimit` for one object."""
    # roots are taken first, because squares of the norm may be out of range
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
    # scaled to unit peak first, so that the norm stays in range
    peak = max(float(np.abs(part).max()) for part in (x.real, x.imag))
    if peak == 0:
        raise ValueError(
            f"objects[{number}] is zero everywhere: it scatters no photons; leave it out"
        )
    x = x / peak
    norm = float(np.linalg.norm(x))
    return x / norm, norm * peak


def _share_on(known, x):
    """Fraction of an object's photons that reach known pixels.

    The object has norm 1.
    """
    intensities = np.abs(scipy.fft.fftn(x, s=known.shape)) ** 2
    return float(intensities[known].sum()) / known.size


def _warn_of_undetermined(loose, n_samples):
    """Warn of undetermined objects.

    `loose` maps the number of each such object to whether its frame is loose.
    """
    first = next(iter(loose))
    if loose[first]:
        reason = (
            "it can move within its support by some pixels and by as many in the opposite "
            "direction, and the difference of the two moved objects changes no magnitude to first "
            "order; pass a tight support, such as support='content'"
        )
    else:
        reason = (
            "some change of it changes no measured magnitude by more than its noise: photons are "
            "too few, pixels are missing or drowned in noise, object and support are their own "
            "mirror images, or the oversampling is too low"
        )
    others = f" and {len(loose) - 1} more of {n_samples}" if len(loose) > 1 else ""
    verb = "are" if others else "is"
    warn_user(
        f"objects[{first}]{others} {verb} not determined: the least relative error is above 1. "
        f"Reason for the first: {reason}"
    )


def _in_fft_order(values, grid):
    return np.asarray(grid.to_fft_order(values))
