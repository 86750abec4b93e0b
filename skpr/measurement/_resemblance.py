"""Distinction between magnitudes and objects, by their values."""

import math

import numpy as np
import torch

from .._tensors import along_samples
from ._centring import LEAST_PIXELS
from ._friedel import ASYMMETRY, friedel_asymmetry
from ._sampling import looked_at
from ._transform import mirrored, to_fft_order

DARK, BRIGHT = 1e-3, 0.5  # range of the median of a pattern over its maximum
# Share of the samples that must agree, and share of the value at zero frequency that counts as
# equally bright.
MOST, AS_BRIGHT = 0.75, 0.95
LEAST_LIT = 0.1  # fraction of pixels; ten photons light fewer
EXACT = 1e-9  # asymmetry that rounding leaves in float32
LEAST_SAMPLES = 4  # with fewer, all objects of a user may be symmetric by chance
# Fraction of pixels that are local maxima; a smooth object has one maximum, in its middle.
SPECKLES = 0.01
# Fraction of its maximum; no lag of the autocorrelation of a non-negative object falls below 0.
NEGATIVE = 1e-3


def resemble_magnitudes(batch):
    """Whether a batch looks like magnitudes of real objects.

    Magnitudes are not negative, brightest at zero frequency, and symmetric about it. Smooth
    symmetric objects that all lie exactly in the middle look like that, too.

    Parameters
    ----------
    batch : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)
        Magnitudes or objects.

    Returns
    -------
    bool
        True if all samples looked at do, in one of the two layouts.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> resemble_magnitudes(np.abs(np.fft.fft2(x))), resemble_magnitudes(x)
    (True, False)
    """
    sample = looked_at(batch)
    if (
        sample.is_complex()
        or math.prod(sample.shape[1:]) < LEAST_PIXELS
        or not bool((sample >= 0).all())
    ):
        return False
    highest, typical = sample.flatten(1).amax(dim=1), sample.flatten(1).median(dim=1).values
    if not bool(((typical > DARK * highest) & (typical < BRIGHT * highest)).all()):
        return False  # flat, or dark except in the middle: a symmetric object or none at all
    peaks = torch.stack(
        torch.unravel_index(sample.flatten(1).argmax(dim=1), sample.shape[1:]), dim=1
    )
    for centered in (True, False):
        zero = torch.tensor(
            [m // 2 if centered else 0 for m in sample.shape[1:]], device=peaks.device
        )
        if bool((peaks == zero).all()):
            return friedel_asymmetry(sample, centered)[0] < ASYMMETRY and _have_autocorrelations(
                sample, centered
            )
    return False


def _have_autocorrelations(sample, centered):
    """Whether squares are transforms of non-negative functions.

    The squares of magnitudes of non-negative objects are, except for noise. Squares of objects that
    are symmetric themselves, such as Airy discs, are not.
    """
    axes = tuple(range(1, sample.ndim))
    intensities = sample.double()
    intensities = (
        intensities / along_samples(intensities.flatten(1).amax(dim=1).clamp_min(1e-300), sample)
    ).square()
    # opposite pixels differ by noise alone, whose standard deviation is the same at every lag
    noise = ((intensities - mirrored(intensities, centered)).square().sum(dim=axes) / 2).sqrt()
    lags = torch.fft.rfftn(
        to_fft_order(intensities) if centered else intensities, dim=axes
    ).real.flatten(1)
    relative = lags.amin(dim=1) + 6 * noise
    return bool((relative > -NEGATIVE * lags.amax(dim=1)).double().mean() > MOST)


def is_no_pattern(batch, centered):
    """Whether a batch plainly holds no magnitudes.

    Magnitudes of such objects are brightest at zero frequency and symmetric about it. A batch is no
    pattern if most samples are as bright elsewhere, and the samples are not symmetric.

    Parameters
    ----------
    batch : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)
        Magnitudes or objects. Batches with missing pixels (NaN) are not judged.
    centered : bool
        Whether zero frequency is taken to be in the middle.

    Returns
    -------
    bool

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> is_no_pattern(np.abs(np.fft.fft2(x)), False), is_no_pattern(x, False)
    (False, True)
    """
    sample = looked_at(batch)
    if sample.is_complex() or math.prod(sample.shape) < LEAST_PIXELS:
        return False
    values = sample.cpu().numpy().reshape(len(sample), -1)
    zero = np.ravel_multi_index(
        [m // 2 if centered else 0 for m in sample.shape[1:]], sample.shape[1:]
    )
    if not (values >= 0).all() or (values > 0).mean() < LEAST_LIT:
        return False
    others = np.delete(values, zero, axis=1).max(axis=1)
    elsewhere = (AS_BRIGHT * values[:, zero] < others).mean()
    return float(elsewhere) > MOST and friedel_asymmetry(sample, centered)[0] > ASYMMETRY


def are_plainly_magnitudes(batch):
    """Whether a batch holds magnitudes beyond doubt.

    Magnitudes without noise are exactly symmetric. So are smooth objects in the middle of their
    frame, but these have no speckles.

    Parameters
    ----------
    batch : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *sample_shape)
        Magnitudes or objects.

    Returns
    -------
    bool

    Examples
    --------
    >>> x = np.random.default_rng(0).random((8, 16, 16))
    >>> are_plainly_magnitudes(np.abs(np.fft.fft2(x))), are_plainly_magnitudes(x)
    (True, False)
    """
    if len(batch) < LEAST_SAMPLES or not resemble_magnitudes(batch):
        return False
    sample = looked_at(batch).double()
    brightest = torch.ones_like(sample, dtype=torch.bool)
    for axis in range(1, sample.ndim):
        for step in (-1, 1):
            brightest &= sample >= sample.roll(step, dims=axis)
    speckles = brightest & (sample > DARK * along_samples(sample.flatten(1).amax(dim=1), sample))
    asymmetry = min(friedel_asymmetry(sample, centered)[0] for centered in (True, False))
    return asymmetry < EXACT and float(speckles.double().mean()) > SPECKLES
