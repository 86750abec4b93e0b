"""Resolution: transfer function and ring correlation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._arrays import check_batch, check_non_negative
from .._callers import is_nested
from .._counts import counts_of
from .._rings import ring_sums
from .._tensors import chunks_of, to_tensor
from .._validation import check_boundary, check_flag, check_number, short, warn_user
from ..measurement import Grid, mirrored
from ..symmetry import register
from ._forms import cosine, warned_of_form
from ._input import as_numpy, at_unit_peak, checked_pair, wide

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

SMALLEST_IMAGE, FEWEST_SLICES = 8, 4  # pixels along an axis of an image; slices of a volume
NOISE = 0.2  # largest mean square of noise in other than counts, relative to the bright pixels
# Fourier error of a plainly different pattern, and brightness, relative to the brightest pixel, of
# the pixels that are compared.
OTHER, BRIGHT = 0.3, 0.1
OF_COUNTING = 0.42  # largest variance of the square root of a Poisson number
# Mean squared difference of neighbouring slices relative to that of any two slices: above for a
# batch of images, below along an axis of an image.
UNRELATED, RELATED = 0.7, 0.5


def phase_retrieval_transfer_function(
    magnitudes: Batch, objects: Batch, *, centered: bool = True, min_count: float = 1.0
) -> Any:
    r"""Phase-retrieval transfer function (PRTF).

    It measures how reproducibly each frequency was phased. For each ring of frequencies (shell in
    3-D), it is the sum of `|mean_s F x_s|` with the mean over reconstructions `x_s`, divided by the
    sum of the magnitudes `b`, both on measured pixels (Chapman et al., 2006). Where photons are
    few, reconstructions exceed `b` in dark pixels; the sum of `mean_s |F x_s|` replaces that of `b`
    where it is larger, so that no value exceeds 1. The unit of the objects does not matter.

    The value is 1 where all reconstructions agree, and about `sqrt(pi / 4 / n_reconstructions)`
    where the phases are random; only values well above that are significant. Reconstructions must
    be registered to one another, as :func:`skpr.iterative.combine_reconstructions` does; that
    function also judges the curve.

    Parameters
    ----------
    magnitudes : array-like of shape fourier_shape
        Measured pattern; NaN where unmeasured.
    objects : array-like of shape (n_reconstructions, \*object_shape)
        Reconstructions, registered to one another.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    min_count : float, default=1.0
        Least mean count of a ring, in photons per speckle of
        `n_fourier_pixels / n_object_pixels` pixels. It applies if squares of the magnitudes are
        counts, or a multiple of counts. Reconstructions agree on the noise of darker rings as they
        do on a signal. 0 keeps every ring.

    Returns
    -------
    frequencies : ndarray of shape (n_rings,)
        Mean frequency of each ring, in cycles per pixel, from 0 to about 0.5.
    values : ndarray of shape (n_rings,)
        Transfer function, from 0 to 1; NaN for a ring without a measured pixel or with too few
        counts.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, or several patterns are given.

    Warns
    -----
    UserWarning
        If the magnitudes plainly are intensities, logarithms or the pattern of another object.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> x = np.array([[1.0, 2.0, 0.5]])
    >>> pattern = FourierMagnitude().fit_transform(x)[0]
    >>> frequencies, values = phase_retrieval_transfer_function(pattern, np.repeat(x, 2, axis=0))
    >>> values.round(6)
    array([1., 1., 1., 1.])
    """
    pattern, objects, grid = checked_pattern(magnitudes, objects, centered)
    min_count = check_number("min_count", min_count, 0, noun="photons per speckle")
    known = ~np.isnan(pattern)
    measured = np.where(known, np.ldexp(pattern, -int(np.frexp(np.nanmax(pattern))[1])), 0.0)
    frequencies, light = ring_sums(measured, centered)
    moduli, coherent = (np.where(known, values, 0.0) for values in _moduli(objects, grid))
    counts = counts_of(pattern)
    if not warned_of_form(np.where(known, pattern, 0.0), measured, moduli) and not is_nested():
        _warn_of_another_pattern(measured, moduli, known, counts, grid)
    # best scale of the objects: reconstructions need not be in the unit of the pattern
    overlap = (measured * moduli).sum()
    unit = (measured**2).sum() / overlap if overlap > 0 else 1.0
    below = np.maximum(light, unit * ring_sums(moduli, centered)[1])
    above = unit * ring_sums(coherent, centered)[1]
    dark = light <= 0
    if counts is not None:
        n_pixels = ring_sums(known, centered)[1]
        per_pixel = ring_sums(np.where(known, counts, 0.0), centered)[1] / np.maximum(n_pixels, 1)
        dark |= per_pixel * grid.n_pixels / math.prod(grid.object_shape) < min_count
    return frequencies, np.where(dark, np.nan, above / np.where(dark, 1.0, below))


def _warn_of_another_pattern(measured, moduli, known, counts, grid):
    """Warn where noise does not explain the misfit.

    Only bright pixels are compared.
    """
    peaks = measured.max(), moduli.max()
    if not min(peaks) > 0:
        return
    bright = (measured > BRIGHT * peaks[0]) | (moduli > BRIGHT * peaks[1])
    error = 1 - cosine(moduli * bright, measured * bright) ** 2
    if error < OTHER**2:
        return
    if counts is None:
        noise = _asymmetry(measured, bright, known, grid) - _asymmetry(moduli, bright, known, grid)
        noise = min(max(noise, 0.0), NOISE)
    else:
        noise = OF_COUNTING * bright.sum() / max(np.nansum(counts * bright), 1)
    if error - noise > OTHER**2:
        warn_user(
            f"the reconstructions do not have these magnitudes (Fourier error of bright pixels "
            f"{math.sqrt(error):.2g}), so a transfer function says nothing about them: pass the "
            "pattern that they were retrieved from, such as X[0] with retrieval.starts[0], and "
            "check centered"
        )


def _asymmetry(values, bright, known, grid):
    """Relative noise of bright pixels, from Friedel pairs."""
    # patterns of real objects are symmetric, so the squared difference of opposite pixels is twice
    # the noise power
    both = torch.from_numpy(np.stack([values, bright, known]).astype(float))
    opposite, also_bright, also_known = mirrored(both, grid.centered).numpy()
    pairs = known * also_known * np.maximum(bright, also_bright)
    total = (values**2 * pairs).sum()
    return ((values - opposite) ** 2 * pairs).sum() / (2 * total) if total > 0 else 0.0


def checked_pattern(magnitudes, objects, centered):
    """Return one pattern, its reconstructions and their grid."""
    centered = check_flag("centered", centered)
    objects = as_numpy(check_batch(objects, name="objects"))
    single = (
        as_numpy(magnitudes) if isinstance(magnitudes, torch.Tensor) else np.asarray(magnitudes)
    )
    if single.ndim != objects.ndim - 1:
        raise ValueError(
            f"magnitudes of shape {single.shape} and objects of shape {tuple(objects.shape)} are "
            "not one pattern and its reconstructions; pass one pattern of shape fourier_shape, "
            "such as magnitudes[0], and objects of shape (n_reconstructions, *object_shape), such "
            "as retrieval.starts[0]"
        )
    pattern = check_batch(
        single[None], name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan"
    )
    check_non_negative(pattern, "a transfer function")
    pattern = as_numpy(pattern)[0].astype(float)
    if np.isnan(pattern).all():
        raise ValueError("magnitudes contain NaN in every pixel: nothing was measured there")
    return pattern, objects, Grid(objects.shape[1:], pattern.shape, centered)


def _moduli(objects, grid):
    """Mean modulus, and modulus of the mean, of spectra.

    Both are in units of the largest value of all objects.
    """
    peak = max(float(np.abs(np.asarray(one)).max()) for one in objects)
    exponent = int(np.frexp(peak)[1])
    total, moduli = 0.0, 0.0
    for part in chunks_of(len(objects), 4 * grid.n_pixels):
        chunk = wide(to_tensor(np.asarray(objects[part])))
        # in two steps, because 2^-e itself may be out of range
        chunk = chunk * 2.0 ** -(exponent // 2) * 2.0 ** -(exponent - exponent // 2)
        total = total + chunk.sum(dim=0, keepdim=True)
        moduli = moduli + grid.magnitudes(chunk).sum(dim=0)
    return (moduli / len(objects)).numpy(), grid.magnitudes(total / len(objects))[0].numpy()


def fourier_ring_correlation(first: Any, second: Any, *, boundary: Boundary = "zero") -> Any:
    r"""Fourier ring correlation (FRC) of two reconstructions.

    After registration it is `Re sum F_1 conj(F_2) / sqrt(sum |F_1|^2 sum |F_2|^2)` over each ring
    of frequencies, or shell in 3-D (Saxton and Baumeister, 1982). The half-bit threshold is that of
    van Heel and Schatz (2005). The two reconstructions must be independent: reconstruct the two
    halves of the counts (:func:`split_counts`), not the same counts twice.

    Parameters
    ----------
    first, second : array-like of shape object_shape
        Two independent reconstructions, or a reconstruction and its truth. `second` is registered
        to `first` modulo symmetries.
    boundary : {"zero", "circular"} or sequence of these with one entry per axis, default="zero"
        Boundary of the shifts of the registration.

    Returns
    -------
    frequencies : ndarray of shape (n_rings,)
        Mean frequency of each ring in cycles per pixel.
    values : ndarray of shape (n_rings,)
        Correlation, from -1 to 1.
    threshold : ndarray of shape (n_rings,)
        Half-bit threshold; a ring above it holds enough information to interpret.

    Raises
    ------
    ValueError
        If the shapes differ, or an object contains NaN or infinity.

    Warns
    -----
    UserWarning
        If arrays with three axes, which are volumes, plainly look like batches of images.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.5], [0.0, 0.0, 0.0]])
    >>> fourier_ring_correlation(x, x[::-1, ::-1])[1].round(6)
    array([1., 1.])
    """
    first, second = checked_pair(_one_sample(first), _one_sample(second), ("first", "second"))
    boundary = check_boundary(boundary, first.ndim - 1)
    if is_stack(first[0]) and is_stack(second[0]):
        warn_user(
            f"first and second of shape {first.shape[1:]} are taken for one volume each, but look "
            "like batches of images; compare one pair at a time, "
            "fourier_ring_correlation(first[i], second[i])"
        )
    first, second = (at_unit_peak(to_tensor(one)).numpy() for one in (first, second))
    second, _ = register(second, first, phase=True, boundary=boundary)
    one, two = (np.fft.fftn(x[0].astype(np.complex128)) for x in (first, second))
    frequencies, cross = ring_sums((one * two.conj()).real, centered=False)
    powers = [ring_sums(np.abs(spectrum) ** 2, centered=False)[1] for spectrum in (one, two)]
    counts = ring_sums(np.ones(one.shape), centered=False)[1]
    norm = np.sqrt(powers[0] * powers[1])
    root = np.sqrt(counts)
    threshold = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    return frequencies, cross / np.where(norm > 0, norm, 1), threshold


def _one_sample(values):
    return as_numpy(values)[None] if isinstance(values, torch.Tensor) else np.asarray(values)[None]


def is_stack(values):
    """Whether an array is plainly a batch of images.

    In a batch, neighbours along the first axis differ as much as any two slices, while neighbours
    along both other axes are alike. An array with very few slices is a batch, too.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    bool
    """
    if values.ndim != 3 or min(values.shape[1:]) < SMALLEST_IMAGE:
        return False
    n_slices = len(values)
    if n_slices < FEWEST_SLICES:
        return True
    steps = [_relative_step(values, axis) for axis in range(3)]
    return steps[0] > UNRELATED and max(steps[1:]) < RELATED


def _relative_step(values, axis):
    """Mean squared step along an axis, in relative terms.

    It is relative to that between any two slices.
    """
    rows = np.moveaxis(values, axis, 0)
    with np.errstate(over="ignore", under="ignore"):
        rows = rows / max(np.abs(rows).max(), np.finfo(rows.real.dtype).tiny)
    variance = (np.abs(rows - rows.mean(axis=0)) ** 2).mean() * len(rows) / (len(rows) - 1)
    steps = (np.abs(np.diff(rows, axis=0)) ** 2).mean()
    return steps / (2 * variance) if variance > 0 else 0.0


def half_period_resolution(frequencies: Any, values: Any, threshold: Any) -> float:
    r"""Half-period resolution of a curve under a threshold.

    It is the resolution where the curve first falls below its threshold.

    Parameters
    ----------
    frequencies, values : array-like of shape (n_rings,)
        Curve of :func:`fourier_ring_correlation` or :func:`phase_retrieval_transfer_function`.
        Zero frequency, the first ring, is ignored, and so are rings whose value is NaN.
    threshold : float or array-like of shape (n_rings,)
        Least value of a resolved ring.

    Returns
    -------
    float
        Half period in pixels; 1 if every ring is resolved, NaN if not even the first ring is.

    Raises
    ------
    ValueError
        If the shapes differ, frequencies do not rise, or the threshold is not a number <= 1.

    Examples
    --------
    >>> half_period_resolution([0.0, 0.125, 0.25, 0.375, 0.5], [1.0, 1.0, 0.9, 0.3, 0.2], 0.5)
    1.33...
    """
    if isinstance(threshold, str):
        raise ValueError(
            f"threshold={threshold!r} is not valid; give a number or one for each ring, such as "
            "the half-bit threshold that fourier_ring_correlation returns"
        )
    frequencies, values = np.asarray(frequencies, dtype=float), np.asarray(values, dtype=float)
    threshold = np.asarray(threshold, dtype=float)
    if (
        values.ndim != 1
        or frequencies.shape != values.shape
        or threshold.shape not in ((), values.shape)
    ):
        raise ValueError(
            f"frequencies, values and threshold have shapes {frequencies.shape}, {values.shape} "
            f"and {threshold.shape}; give one of each per ring, or one threshold for all"
        )
    if not (np.diff(frequencies) > 0).all():
        raise ValueError(
            "frequencies must rise from ring to ring; give frequencies, values and threshold in "
            "this order"
        )
    if not (threshold[~np.isnan(threshold)] <= 1).any():
        raise ValueError(
            f"threshold={short(threshold.tolist())} is not valid; curves do not exceed 1, so give "
            "a number <= 1, such as 0.5"
        )
    says = ~np.isnan(values)
    says[:1] = False
    failed = np.flatnonzero(says & ~(values >= threshold))
    end = failed[0] if len(failed) else len(values)
    resolved = np.flatnonzero(says[:end])
    if not len(resolved):
        return float("nan")
    after = resolved[-1] + 1
    return 1.0 if after >= len(values) else max(1.0, float(0.5 / frequencies[after]))
