"""Retrieved objects that take the place of unknown targets."""

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_memory

from .._arrays import inspect_batch, is_complex
from .._lazy import LazyBatch
from .._validation import short, warn_user
from ..iterative import IterativePhaseRetrieval
from ._rounds import LARGEST_SEED, as_array

VERDICTS = "good", "doubtful", "failed", "undecided"
N_ITER, N_STARTS = 200, 4  # of the default retriever
CHUNK = 512  # patterns that are retrieved together


class Targets(NamedTuple):
    """Given and retrieved objects, and what is known of each.

    Attributes
    ----------
    objects : ndarray of shape (n_samples, *object_shape)
    verdicts : ndarray of str of shape (n_samples,)
        "given", or the verdict on the retrieved object.
    is_blurred : ndarray of bool of shape (n_samples,)
        Whether a partly coherent beam was found to have blurred the pattern.
    """

    objects: Any
    verdicts: Any
    is_blurred: Any


def checked_targets(y, n_samples):
    """Return targets as an array, and the mask of known ones.

    Parameters
    ----------
    y : array-like of shape (n_samples, *object_shape) or None
        Objects; NaN in every pixel of those that are not known.
    n_samples : int
        Number of patterns.

    Returns
    -------
    y : ndarray of shape (n_samples, *object_shape) or None
    is_known : ndarray of bool of shape (n_samples,)

    Raises
    ------
    ValueError
        If an object is NaN in some pixels only, or the number of objects is another one.
    """
    if y is None:
        return None, np.zeros(n_samples, dtype=bool)
    y = inspect_batch(y, name="y", ensure_all_finite="allow-nan", warn=False)[0]
    y = as_array(y)
    if len(y) != n_samples:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[n_samples, len(y)]}"
        )
    missing = np.isnan(y).reshape(n_samples, -1)
    is_known = ~missing.all(axis=1)
    partly = np.flatnonzero(missing.any(axis=1) & is_known)
    if len(partly):
        raise ValueError(
            f"y contains NaN in {int(missing[partly[0]].sum())} of {missing.shape[1]} pixels of "
            f"object {partly[0]}; give known objects without NaN, and NaN in every pixel of those "
            "that are not known"
        )
    return y, is_known


def default_retriever(centered, device):
    """Return iterations that make few assumptions, in the whole frame."""
    return IterativePhaseRetrieval(
        n_iter=N_ITER, n_starts=N_STARTS, support="frame", centered=centered, device=device
    )


def fitted_retriever(retriever, X, y, is_known, *, is_default):
    """Fit a retriever to what is known of the objects.

    The support of the default retriever is searched for, unless objects are non-negative: in a
    loose frame, nothing else holds complex objects in place.

    Parameters
    ----------
    retriever : IterativePhaseRetrieval
        Estimator, fitted in place.
    X : ndarray of shape (n_samples, *fourier_shape)
    y : ndarray of shape (n_samples, *object_shape) or None
    is_known : ndarray of bool of shape (n_samples,)
    is_default : bool

    Returns
    -------
    IterativePhaseRetrieval
    """
    known = {}
    if is_known.any():
        retriever.fit(X[is_known], y[is_known])
    else:
        if y is not None and retriever.object_shape is None:
            known["object_shape"] = tuple(y.shape[1:])
        if y is not None and is_complex(y) and isinstance(retriever.constraints, str):
            known["constraints"] = "complex"
        retriever.set_params(**known).fit(X)
    if is_default and retriever.constraints_ != "non_negative":
        known = {"object_shape": retriever.object_shape_, "constraints": retriever.constraints_}
        retriever.set_params(support="search", **known).fit(X)
    return retriever


def retrieved(retriever, X, memory):
    """Retrieve the objects of patterns, and judge them.

    Parameters
    ----------
    retriever : IterativePhaseRetrieval
        Fitted estimator.
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    memory : str, joblib.Memory or None
        Cache of retrieved objects.

    Returns
    -------
    Targets

    Raises
    ------
    KeyboardInterrupt
        If interrupted before every pattern had a finished start.
    """
    judged = check_memory(memory).cache(judged_objects)
    parts = [judged(retriever, np.asarray(X[i : i + CHUNK])) for i in range(0, len(X), CHUNK)]
    return Targets(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def judged_objects(retriever, X):
    """Return retrieved objects and what is known of each.

    The verdict on an object that is zero everywhere is "failed".
    """
    found = retriever.retrieve(X, judge=True)
    if not found.finished.any(axis=1).all():
        raise KeyboardInterrupt("interrupted before every pattern had a finished start")
    is_lit = found.objects.reshape(len(X), -1).any(axis=1)
    kernels = np.zeros((len(X), 1)) if found.coherence is None else found.coherence
    is_blurred = kernels.reshape(len(X), -1).any(axis=1)
    return found.objects, np.where(is_lit, found.verdicts, "failed"), is_blurred


def check_accepted(accepted):
    """Refuse anything but a sequence of verdicts."""
    valid = isinstance(accepted, list | tuple | set | frozenset) and set(accepted) <= set(VERDICTS)
    if not valid or not accepted:
        raise ValueError(
            f"accepted={short(accepted)} is not valid; give one or more of "
            f"{', '.join(map(repr, VERDICTS))}, as in accepted=('good', 'undecided')"
        )


def drawn_seeds(random_state, n_seeds):
    """Draw seeds."""
    random = check_random_state(random_state)
    return [int(random.randint(LARGEST_SEED)) for _ in range(n_seeds)]


def seeded(estimator, seed):
    """Return a clone whose unset random states, at any depth, are a seed."""
    unset = [
        name
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return clone(estimator).set_params(**dict.fromkeys(unset, seed))


def as_patterns(X):
    """Return patterns as an array; a batch on disk stays there."""
    return X if isinstance(X, LazyBatch) else as_array(X)


def rows_of(batch, rows):
    """Return some samples of a batch, of a data frame or of a tensor."""
    if isinstance(batch, torch.Tensor):
        return batch[torch.from_numpy(rows).to(batch.device)]
    return batch.iloc[rows] if hasattr(batch, "iloc") else batch[rows]


def weights_of(sample_weight, rows, n_samples):
    """Return the weights of some samples; refuse another number of weights."""
    weights = as_array(sample_weight)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}; give one number per sample, shape "
            f"({n_samples},)"
        )
    return weights[rows]


def counted(verdicts):
    """Return how many objects have each verdict, in words."""
    names, counts = np.unique(verdicts[verdicts != "given"], return_counts=True)
    return ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))


def check_enough(verdicts, accepted):
    """Refuse a training without objects; warn if most are not trustworthy.

    Parameters
    ----------
    verdicts : ndarray of str of shape (n_samples,)
    accepted : ndarray of bool of shape (n_samples,)
    """
    way = "give a retriever with more iterations, more starts or another support"
    n_retrieved = int((verdicts != "given").sum())
    if not accepted.any():
        raise ValueError(
            f"none of {n_retrieved} retrieved objects is accepted for training "
            f"({counted(verdicts)}); {way}"
        )
    n_bad = int(np.isin(verdicts, ["doubtful", "failed"]).sum())
    if n_bad > n_retrieved / 2:
        warn_user(
            f"{n_bad} of {n_retrieved} retrieved objects are doubtful or failed, by held-out "
            f"pixels and the agreement of starts ({counted(verdicts)}), so the regressor may learn "
            f"what is wrong with them; {way}"
        )
