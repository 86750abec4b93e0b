"""Rounds of starts, and the training of a network on them."""

import copy

import numpy as np
import torch

from ..iterative import combine_starts
from ..symmetry import register

CHUNK = 256  # samples whose starts are in memory at once
LARGEST_SEED = 2**31 - 1
FARTHEST = 1e20  # largest value of objects that a network is given in their own unit


def trained_on_rounds(network, retriever, restarter, X, y, *, n_rounds, n_best):
    """Train a network on the first starts, then also on those of rounds.

    Parameters
    ----------
    network : EstimateRegressor
        Network to train, in place.
    retriever, restarter : IterativePhaseRetrieval
        Fitted iterations of the first starts and of the others.
    X : ndarray of shape (n_samples, *fourier_shape)
        Magnitudes.
    y : ndarray of shape (n_samples, *object_shape)
        Objects in the unit of the magnitudes.
    n_rounds : int
        Number of rounds after the first training.
    n_best : int or None
        Number of starts that enter mean and spread.
    """
    pieces = [_training_set(retriever, X, y, n_best)]
    network.fit(*pieces[0])
    continuing = network.get_params(deep=False).get("warm_start")
    for number in range(1, n_rounds + 1):
        if getattr(network, "interrupted_", False):
            break
        objects = improved(network, pieces[-1][0], retriever.constraints_)
        pieces.append(_training_set(restarter, X, y, n_best, objects, number))
        parts = {
            name: np.concatenate([piece[name] for piece, _ in pieces]) for name in pieces[0][0]
        }
        network.set_params(warm_start=True)
        network.fit(parts, np.concatenate([targets for _, targets in pieces]))
        network.set_params(warm_start=continuing)


def _training_set(iterations, X, y, n_best, init=None, number=0):
    """Return the parts of all training patterns, and their targets."""
    pieces, targets, boundary = [], [], iterations.boundary_
    for first in range(0, len(X), CHUNK):
        rows = slice(first, first + CHUNK)
        found = started(iterations, X[rows], None if init is None else init[rows], number)
        if was_interrupted(iterations, found):
            raise KeyboardInterrupt("interrupted before every training pattern had all its starts")
        pieces.append(parts_of_starts(X[rows], found, n_best, boundary))
        # the starts of a pattern lie anywhere on its orbit: the object is moved onto them
        target, _ = register(y[rows], pieces[-1]["best"], phase=True, boundary=boundary)
        targets.append(target)
    parts = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return parts, np.concatenate(targets)


def parts_of_starts(X, found, n_best, boundary):
    """Return magnitudes and statistics of starts for a network."""
    errors = found.start_errors
    if found.free_errors is not None:
        errors = np.where(np.isnan(found.free_errors), errors, found.free_errors)
    combined = combine_starts(found.starts, errors, n_best=n_best, boundary=boundary)
    statistics = {name: getattr(combined, name) for name in ("best", "mean", "spread")}
    return {"magnitudes": X} | statistics


def improved(network, parts, kind):
    """Return admissible objects that a network makes.

    They have the precision of the magnitudes.
    """
    dtype, peak = parts["magnitudes"].dtype, float(np.abs(parts["best"]).max())
    factor = 1.0
    if peak and not 1 / FARTHEST < peak < FARTHEST:  # networks compute in single precision
        factor = 2.0 ** -np.clip(np.frexp(peak)[1], -1000, 1000)
        parts = {name: part * dtype.type(factor) for name, part in parts.items()}
    objects = network.predict(parts)
    if kind == "complex":
        dtype = np.result_type(dtype, np.complex64)
    if kind == "non_negative":
        objects = np.maximum(objects, 0)
    objects = lit(objects.astype(dtype), parts["best"])
    return objects if factor == 1 else (objects / factor).astype(dtype)


def lit(objects, others):
    """Replace objects that are 0 everywhere by others.

    Iterations do not move from such an object, which a network in training may make.
    """
    dark = ~objects.reshape(len(objects), -1).any(axis=1)
    objects[dark] = others[dark]
    return objects


def started(iterations, X, init, number):
    """Return the starts of a round, which have a seed of their own."""
    if number:  # the best start may be 0, too; from anything else a dark pattern comes out dark
        init = lit(init.copy(), np.ones_like(init))
    starting = copy.copy(iterations)
    starting.random_state = (starting.random_state + number) % LARGEST_SEED
    found = starting.retrieve(X, init=init)
    if not found.finished.any(axis=1).all():
        raise KeyboardInterrupt("interrupted before every pattern had a finished start")
    return found._replace(starts=as_array(found.starts))


def was_interrupted(iterations, found):
    """Return whether the user interrupted iterations that returned `found`."""
    wanted = found.finished.shape[1]
    if (
        isinstance(iterations.n_starts, str)
        and iterations.support_ != "auto"
        and found.photons is not None
    ):
        wanted = np.where(found.photons > 0, wanted, 1)  # others have one start by default
    return bool((found.finished.sum(axis=1) < wanted).any())


def as_array(batch):
    """Return a tensor as an array; an array is returned unchanged."""
    if isinstance(batch, torch.Tensor):
        return batch.detach().cpu().resolve_conj().numpy()
    return np.asarray(batch)
