"""Retrieval of batches whose starts are judged by held-out pixels.

Samples are searched in parts that fit into memory, and separately if some need a coherence kernel.
The kind of object can be chosen the same way.
"""

from copy import copy

import numpy as np

from .._progress import IterationLine
from .._tensors import even_rows
from ._run import SEVERAL
from ._support_search import MixedCoherenceError, SupportSearch

JUDGED = 4  # number of patterns by which the kind of object is decided
VALUES = 1 << 26  # total number of object values of the samples that are searched together


def search(estimator, X, init, results, line, *, support=None, samples=None, return_history=False):
    """Retrieve objects judged by held-out pixels, with a search for supports.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    init : ndarray of shape (n_samples, *object_shape) or None
    results : Results
        Storage that receives the results.
    line : IterationLine
        Display of the progress.
    support : ndarray of bool of shape (1 or n_samples, *object_shape), optional
        Given supports, which are not searched for.
    samples : ndarray of integers, optional
        Samples to retrieve; all by default.
    return_history : bool, default=False
        Whether to record the Fourier errors of each start: over the pixels that are not held out,
        and over all pixels in the final fit.

    Raises
    ------
    KeyboardInterrupt
        If interrupted, after the results so far have been stored.
    """
    rows = max(1, VALUES // (3 * results.n_starts * int(np.prod(estimator.object_shape_))))
    samples = np.arange(len(X)) if samples is None else samples
    parts = [samples[start : start + rows] for start in range(0, len(samples), rows)]
    while parts:
        chosen = parts.pop(0)
        part = SupportSearch(
            estimator,
            X[chosen],
            None if init is None else init[chosen],
            results.n_starts,
            line,
            support=support if support is None or len(support) == 1 else support[chosen],
            return_history=return_history,
        )
        try:
            part.run()
        except MixedCoherenceError as mixed:
            parts = [chosen[mixed.is_blurred], chosen[~mixed.is_blurred], *parts]
            continue
        except KeyboardInterrupt:
            if part.found is not None:
                results.put(chosen, part.found)
            raise
        results.put(chosen, part.found)


def judged_kind(estimator, X, kinds):
    """Choose the kind of object with the smallest held-out misfit.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
        Estimator whose shapes are known.
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    kinds : tuple of str

    Returns
    -------
    str
    """
    some = np.ascontiguousarray(X[even_rows(len(X), JUDGED)])
    misfits = []
    for kind in kinds:
        trial = copy(estimator)
        trial.constraints_ = kind
        line = IterationLine(estimator.verbose)
        try:
            found = SupportSearch(trial, some, None, SEVERAL, line).explored(1)
        finally:
            line.close()
        # the product over patterns, as a sum of logarithms: no bright pattern outweighs the others
        misfits.append(np.log(np.maximum(found.total().min(axis=0), np.finfo(float).tiny)).sum())
    return kinds[int(np.argmin(misfits))]
