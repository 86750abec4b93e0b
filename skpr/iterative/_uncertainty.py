"""Standard deviations of the pixels of reconstructions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_batch
from .._progress import IterationLine
from .._tensors import to_tensor
from .._validation import check_count, warn_user
from ..measurement import CountingNoise, Grid, blur, coherence_transfer
from ..metrics import fourier_error
from ._powers import exponent_of, times_power
from ._run import Run
from ._schedule import stages_of
from ._subpixel import registered_finely
from ._validation import given_support

if TYPE_CHECKING:
    from .._typing import Batch, Seed
    from ._results import Retrieval

# an object belongs to another pattern if its Fourier error exceeds the one it was retrieved with by
# this factor and this summand
BEYOND = 1.5, 0.05
MOST_COUNTS = 1e18  # largest count that can be drawn
ALIKE = 0.95  # least correlation of starts that found the same object
REFIT = 0.2  # iterations of a refit, as a share of the estimator's


def uncertainty(
    retriever: Any, X: Batch, found: Retrieval, *, n_draws: int = 16, random_state: Seed = 0
) -> np.ndarray:
    r"""Estimate the standard deviation of reconstructed pixels.

    The variances of two causes are added:

    - Counting noise. Patterns are drawn from the reconstruction and fitted again, starting from it
      and in its support (parametric bootstrap; Efron, 1979). Unlike the Cramér-Rao bound
      (:func:`skpr.metrics.noise_limit`), this accounts for constraints, and the support need not
      determine the object.
    - The choice of the start: the scatter of the starts that found the same object, with a
      correlation of at least 0.95.

    Objects are first registered to fractions of a pixel, because no pattern determines their
    position.

    About 90 % of the pixels of an object are within 1.645 of these deviations. Errors common to all
    starts are not included: a support that cuts off part of the object, a wrong kind of object, or
    an effect of the detector that is not modelled.

    On a background that fills the frame, deviations may be up to three times too large. The
    background alone then gives starts that found other objects a correlation of more than 0.95, so
    that their scatter counts.

    Parameters
    ----------
    retriever : IterativePhaseRetrieval
        Fitted estimator.
    X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        Magnitudes of the patterns.
    found : Retrieval
        Result of `retriever.retrieve(X)`.
    n_draws : int, default=16
        Number of patterns drawn per sample. Each costs a fifth of the iterations of a start.
    random_state : int, RandomState instance or None, default=0
        Seed of the draws.

    Returns
    -------
    ndarray of shape (n_samples, \*object_shape)
        Standard deviations in the unit of the objects. For complex pixels, the root of the summed
        variances of the real and imaginary parts. NaN where a pattern has neither counts nor two
        starts that agree.

    Raises
    ------
    TypeError
        If `retriever` does not retrieve, or `found` is not a Retrieval.
    ValueError
        If `X` and `found` do not belong together.

    Examples
    --------
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> from skpr.datasets import make_crystals
    >>> from skpr.detector import PhotonNoise
    >>> objects = make_crystals(1, shape=(16, 16), random_state=0).data
    >>> exact = FourierMagnitude().fit_transform(objects)
    >>> X = PhotonNoise(1e6, random_state=0).fit_transform(exact)
    >>> retriever = IterativePhaseRetrieval(n_iter=200, random_state=0).fit(X, objects)
    >>> deviations = uncertainty(retriever, X, retriever.retrieve(X))
    >>> deviations.shape
    (1, 16, 16)
    """
    if not hasattr(retriever, "retrieve"):
        raise TypeError(
            f"retriever is {type(retriever).__name__}; give the fitted IterativePhaseRetrieval"
        )
    if not hasattr(found, "starts"):
        raise TypeError(
            f"found is {type(found).__name__}; give the Retrieval that retriever.retrieve(X) "
            "returns"
        )
    check_is_fitted(retriever)
    n_draws = check_count("n_draws", n_draws)
    X = check_batch(X, name="X", allow_complex=False, ensure_all_finite="allow-nan")
    X = X.detach().cpu().numpy() if isinstance(X, torch.Tensor) else np.asarray(X)
    objects, starts = (
        np.asarray(to_tensor(v).detach().cpu()) for v in (found.objects, found.starts)
    )
    expected = len(objects), *retriever.fourier_shape_
    if X.shape != expected:
        raise ValueError(
            f"X has shape {X.shape}, but found holds objects of patterns of shape {expected}"
        )
    _check_together(retriever, X, objects, found)
    units = [exponent_of(x) for x in objects]
    variances = np.stack(
        [
            _scatter(times_power(x, -unit), times_power(some, -unit), retriever.boundary_)
            for x, some, unit in zip(objects, starts, units, strict=True)
        ]
    )
    counted = np.flatnonzero(np.zeros(len(X)) if found.photons is None else found.photons > 0)
    if len(counted):
        chosen = _supports(retriever, found, objects, starts)
        kernels = _of_chosen(found.coherence, objects, starts)
        kernels = None if kernels is None else kernels[counted]
        some = X[counted], objects[counted], chosen[counted], found.photons[counted], kernels
        drawn = _refitted(retriever, *some, n_draws, random_state)
        known = np.where(np.isnan(variances[counted]), 0.0, variances[counted])
        variances[counted] = known + drawn
    variances[~objects.reshape(len(objects), -1).any(axis=1)] = np.nan
    unknown = np.isnan(variances.reshape(len(X), -1)).any(axis=1)
    if unknown.any():
        warn_user(
            f"{unknown.sum()} of {len(X)} patterns are not square roots of photon counts and have "
            "no two starts that agree: their deviations are NaN; pass noise= to the estimator, or "
            "run more starts"
        )
    return np.stack(
        [np.ldexp(one, unit) for one, unit in zip(np.sqrt(variances), units, strict=True)]
    )


def _check_together(retriever, X, objects, found):
    """Refuse patterns that are plainly not those of the objects."""
    kernels = _of_chosen(found.coherence, objects, found.starts)
    settings = {"centered": retriever.centered, "coherence": kernels, "multioutput": "raw_values"}
    errors = fourier_error(X, objects, **settings)
    odd = errors > BEYOND[0] * found.errors + BEYOND[1]
    if odd.any():
        i = int(odd.argmax())
        raise ValueError(
            f"X does not hold the patterns of found: object {i} has a Fourier error of "
            f"{errors[i]:.3g} with its pattern, and had {found.errors[i]:.3g} when it was "
            "retrieved"
        )


def _of_chosen(values, objects, starts):
    """Return the values of the start nearest to each object, or None."""
    if values is None:
        return None
    starts = np.asarray(to_tensor(starts).detach().cpu())
    differences = np.abs(starts - objects[:, None]).reshape(*starts.shape[:2], -1).max(axis=2)
    return values[np.arange(len(objects)), differences.argmin(axis=1)]


def _scatter(x, starts, boundary):
    """Return the variance of starts that found the same object; NaN for one.

    Values are near 1, so that squares stay within range.
    """
    if not x.any():
        return np.full(x.shape, np.nan)
    moved = registered_finely(starts, x, boundary)
    flat = moved.reshape(len(moved), -1)
    norms = np.linalg.norm(flat, axis=1) * np.linalg.norm(x)
    alike = np.abs(flat @ x.ravel().conj()) >= ALIKE * np.where(norms > 0, norms, np.inf)
    if alike.sum() < 2:
        return np.full(x.shape, np.nan)
    # variance of a single start even if x is a mean: the starts share support and pattern, so
    # averaging hardly reduces their common errors
    return (np.abs(moved[alike] - x) ** 2).sum(axis=0) / (alike.sum() - 1)


def _supports(retriever, found, objects, starts):
    """Return the support of each chosen start."""
    if found.supports is None:
        given = given_support(retriever.support, retriever.object_shape_, len(objects))
        given = np.ones((1, *retriever.object_shape_), dtype=bool) if given is None else given
        if retriever.support_ in ("shrinkwrap", "autocorrelation"):
            return objects != 0
        return np.broadcast_to(given, objects.shape)
    return _of_chosen(found.supports, objects, starts)


def _refitted(retriever, X, objects, supports, units, kernels, n_draws, random_state):
    """Return the variance of fits to patterns drawn from the objects.

    The variance of each object is in the unit of the power of 2 that brings it near 1.
    """
    # the same seeds for every sample, so that none depends on the others of its batch
    seeds = check_random_state(random_state).randint(2**31, size=n_draws)
    photons = np.sqrt(units).reshape([-1] + [1] * (X.ndim - 1))  # magnitude of a single one
    noise = retriever.noise if isinstance(retriever.noise, CountingNoise) else CountingNoise()
    grid = Grid(retriever.object_shape_, retriever.fourier_shape_, retriever.centered)
    magnitudes = grid.magnitudes(to_tensor(objects)).double()
    intensities = (magnitudes / torch.from_numpy(photons)).square()
    if kernels is not None:
        covariances = torch.from_numpy(kernels).double()
        intensities = blur(
            intensities, coherence_transfer(covariances, retriever.fourier_shape_, intensities)
        )
    expected = intensities.numpy() + noise.background
    sums = np.zeros(objects.shape)
    line = IterationLine(retriever.verbose)
    try:
        for seed in seeds:
            counts = np.stack([_drawn(one, noise.readout_noise, seed) for one in expected])
            drawn = np.where(np.isnan(X), np.nan, np.sqrt(counts) * photons).astype(X.dtype)
            schedule = partial(stages_of, ((None, None, REFIT),), retriever.n_iter, False)
            settings = {
                "n_starts": 1,
                "schedule": schedule,
                "kernels": False if kernels is None else kernels,
            }
            run = Run(retriever, drawn, objects, supports, **settings)
            run.photons = units
            run.execute(line)
            fits = run.results.objects
            for i, x in enumerate(objects):
                moved = registered_finely(fits[i : i + 1], x, retriever.boundary_)[0]
                sums[i] += np.abs(times_power(moved - x, -exponent_of(x))) ** 2
    finally:
        line.close()
    return sums / n_draws


def _drawn(expected, readout_noise, seed):
    """Draw counts, with read-out noise, from their expected values."""
    rng = np.random.RandomState(seed)
    counts = rng.poisson(np.minimum(expected, MOST_COUNTS)).astype(np.float64)
    if readout_noise:
        counts = np.maximum(counts + rng.normal(0, readout_noise, counts.shape), 0)
    return counts
