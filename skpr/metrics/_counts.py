"""Independent halves of the photon counts of a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._arrays import check_batch, check_non_negative
from .._counts import LEAST_JUDGED, counts_of
from ._input import as_numpy

if TYPE_CHECKING:
    from .._typing import Batch, Seed

MOST = 2.0**62  # counts that a 64-bit integer holds
ROUNDING = 1e-6  # relative rounding of whole numbers in single precision


def split_counts(magnitudes: Batch, *, random_state: Seed = None) -> tuple[Any, Any]:
    r"""Split the photons of each pattern into independent halves.

    Each photon is assigned to one of the halves at random. The halves of Poisson counts are Poisson
    counts again, and independent of each other. Two reconstructions of the same counts share their
    noise, but reconstructions of the two halves share only signal. To measure resolution,
    reconstruct each half, combine its starts, and correlate the two results with
    :func:`fourier_ring_correlation`.

    Parameters
    ----------
    magnitudes : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        Square roots of counts, or of a multiple of counts; NaN where unmeasured.
    random_state : int, RandomState instance or None, default=None
        Seed of the assignment.

    Returns
    -------
    first, second : ndarray or torch.Tensor of shape (n_samples, \*fourier_shape)
        Magnitudes of the halves in the unit of `magnitudes`: their squares add up to the square of
        `magnitudes`.

    Raises
    ------
    ValueError
        If the squares of the magnitudes are not counts, or the magnitudes themselves are.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> from skpr.datasets import load_digit_objects
    >>> from skpr.detector import PhotonNoise
    >>> from skpr.iterative import combine_reconstructions
    >>> from skpr.metrics import fourier_ring_correlation, half_period_resolution
    >>> magnitudes = FourierMagnitude().fit_transform(load_digit_objects().data[:1])
    >>> measured = PhotonNoise(1e6, random_state=0).fit_transform(magnitudes)
    >>> retriever = IterativePhaseRetrieval(n_iter=200, n_starts=4, random_state=0).fit(measured)
    >>> halves = [retriever.retrieve(half) for half in split_counts(measured, random_state=0)]
    >>> means = [
    ...     combine_reconstructions(half.starts[0], errors=half.start_errors[0]).object
    ...     for half in halves
    ... ]
    >>> half_period_resolution(*fourier_ring_correlation(*means)) < 2
    True
    """
    given = check_batch(
        magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan"
    )
    check_non_negative(given, "split_counts")
    rng = check_random_state(random_state)
    patterns = np.asarray(as_numpy(given))
    halves = np.empty((2, *patterns.shape), patterns.dtype)
    for number, pattern in enumerate(patterns):
        halves[:, number] = _halved(pattern, number, rng)
    if isinstance(given, torch.Tensor):
        return tuple(torch.from_numpy(half).to(given.device) for half in halves)
    return halves[0], halves[1]


def _are_whole(values):
    """Whether values are whole multiples of 1 or of the smallest.

    Values that are all equal prove nothing, and are not.
    """
    for unit in (1.0, values.min()):
        ratios = values.astype(float) / unit
        whole = np.rint(ratios)
        if whole.max() > 1 and (np.abs(ratios - whole) <= ROUNDING * ratios).all():
            return True
    return False


def _halved(pattern, number, rng):
    known = ~np.isnan(pattern)
    counts = counts_of(pattern) if known.any() else pattern
    lit = pattern[known & (pattern > 0)]
    if len(lit) >= LEAST_JUDGED and _are_whole(lit):
        raise ValueError(
            f"magnitudes[{number}] are whole numbers, or whole multiples of the smallest, as "
            "counts are and their square roots are not: pass np.sqrt(counts)"
        )
    if counts is None or np.max(counts, where=known, initial=0.0) > MOST:
        raise ValueError(
            f"squares of magnitudes[{number}] are not counts: they are neither whole numbers nor "
            "whole multiples of the smallest one; pass square roots of the detector's counts, "
            "before any correction"
        )
    counts = np.where(known, counts, 0.0).astype(np.int64)
    first = rng.binomial(counts, 0.5)
    # multiplying by the root of each share keeps the unit, whatever intensity a photon has
    shares = np.stack([first, counts - first]) / np.maximum(counts, 1)
    return np.where(known, pattern * np.sqrt(shares), np.nan)
