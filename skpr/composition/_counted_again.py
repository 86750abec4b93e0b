"""Patterns of retrieved objects with new counting noise."""

import numpy as np
import torch

from .._tensors import to_tensor
from ..measurement import Grid, photons_of
from ._retrieved import as_patterns, drawn_seeds, rows_of

CHUNK = 1 << 22  # Fourier pixels that are simulated together
MANY = 1e15  # photons in a pixel, whose noise is less than the rounding of float32


def with_new_counts(features, targets, fit_params, retriever, n_simulated, seed):
    """Append simulated patterns of retrieved objects to a training set.

    Nothing is appended to batches on disk and data frames.

    Parameters
    ----------
    features : ndarray, torch.Tensor, LazyBatch or DataFrame of n_samples patterns
    targets : Targets
        Their objects.
    fit_params : dict
        Further parameters of a fit; arrays with an entry for each sample are extended, too.
    retriever : IterativePhaseRetrieval
        Fitted estimator that retrieved the objects.
    n_simulated : int
        Number of patterns simulated from each object.
    seed : int

    Returns
    -------
    features, objects, fit_params
        Training set, in the types of the arguments.
    """
    found = np.flatnonzero((targets.verdicts != "given") & ~targets.is_blurred)
    is_array = isinstance(features, np.ndarray | torch.Tensor)
    if not (is_array and n_simulated and len(found)):
        return features, targets.objects, fit_params
    patterns, objects = as_patterns(rows_of(features, found)), targets.objects[found]
    seeds = drawn_seeds(seed, n_simulated)
    parts = [counted_again(patterns, objects, retriever, one) for one in seeds]
    simulated, rows = (np.concatenate(part) for part in zip(*parts, strict=True))
    if isinstance(features, torch.Tensor):
        features = torch.cat([features, torch.as_tensor(simulated).to(features)])
    else:
        features = np.concatenate([features, simulated])
    order = np.concatenate([np.arange(len(targets.objects)), found[rows]])
    fit_params = {
        name: value[order]
        if isinstance(value, np.ndarray) and value.shape[:1] == targets.verdicts.shape
        else value
        for name, value in fit_params.items()
    }
    return features, targets.objects[order], fit_params


def counted_again(magnitudes, objects, retriever, seed):
    """Simulate the photon counts of retrieved objects.

    Each object has the exposure and the unmeasured pixels of the pattern it was retrieved from.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_samples, *fourier_shape)
        Measured patterns; NaN where unmeasured.
    objects : ndarray of shape (n_samples, *object_shape)
        Objects that were retrieved from them.
    retriever : IterativePhaseRetrieval
        Fitted estimator, which knows the noise and the layout of the patterns.
    seed : int
        Seed of the counts.

    Returns
    -------
    simulated : ndarray of shape (n_counted, *fourier_shape)
        Patterns in the unit and the type of the measured ones.
    rows : ndarray of int of shape (n_counted,)
        Indices of their objects. Patterns that are not photon counts alone are left out.

    Examples
    --------
    >>> from skpr import IterativePhaseRetrieval
    >>> counts = np.random.default_rng(0).poisson(3.0, (2, 16))
    >>> retriever = IterativePhaseRetrieval(n_iter=2, n_starts=1, random_state=0)
    >>> objects = retriever.fit(np.sqrt(counts)).predict(np.sqrt(counts))
    >>> simulated, rows = counted_again(np.sqrt(counts), objects, retriever, 0)
    >>> simulated.shape, rows
    ((2, 16), array([0, 1]))
    """
    background = getattr(retriever.noise, "background", 0.0)
    photons = photons_of(magnitudes, retriever.noise)
    if getattr(retriever.noise, "readout_noise", 0.0):  # readings are then not counts
        photons = np.zeros_like(photons)
    rows = np.flatnonzero(photons > 0)
    simulated = np.empty((len(rows), *magnitudes.shape[1:]), magnitudes.dtype)
    grid = Grid(objects.shape[1:], magnitudes.shape[1:], retriever.centered)
    random = np.random.RandomState(seed)
    length = max(1, CHUNK // grid.n_pixels)
    for start in range(0, len(rows), length):
        some = rows[start : start + length]
        measured = np.asarray(magnitudes[some], dtype=np.float64)
        known = ~np.isnan(measured)
        photon = photons[some].reshape(-1, *(1,) * (measured.ndim - 1))
        exact = grid.magnitudes(to_tensor(objects[some])).numpy().astype(np.float64)
        model = np.where(known, np.square(exact), 0.0)
        # the likeliest exposure: as many photons as were counted (Poisson)
        space = tuple(range(1, model.ndim))
        counted = np.nansum(np.square(measured) / photon, axis=space, keepdims=True)
        counted -= background * known.sum(axis=space, keepdims=True)
        energy = model.sum(axis=space, keepdims=True)
        exposure = np.divide(counted, energy, out=np.zeros_like(energy), where=energy > 0)
        expected = np.maximum(exposure, 0) * model + background
        counts = random.poisson(np.minimum(expected, MANY))
        counts = photon * np.where(expected < MANY, counts, expected)
        simulated[start : start + length] = np.where(known, np.sqrt(counts), np.nan)
    return simulated, rows
