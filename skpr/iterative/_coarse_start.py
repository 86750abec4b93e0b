"""Starts that solve the coarse problem first.

The low frequencies of a pattern determine the object on larger pixels, of which there are few. Many
starts on them cost less than one on the whole pattern, and find what iterations from random phases
cannot: the phases of the central spectrum.

A spectrum that ends abruptly belongs to an object with ripples, which no frame and no sign holds.
The low frequencies are therefore weighted by a Gaussian: their magnitudes are then those of the
object blurred by nearly a Gaussian, which is as compact and as positive as the object itself.
"""

import math
from copy import copy

import numpy as np
from sklearn.utils import check_random_state

from .._tensors import chunks_of
from ._coarse import cut, lifted, middle_object_shape
from ._run import Run

SHARE = 4  # size of the pattern along each axis, relative to that of its middle
LEAST = 16  # pixels of the middle per axis at the least
N_STARTS = 16  # starts of the coarse problem
EDGE = 3.0  # exponent of the Gaussian at the edge of the middle; .05 of the magnitude is left there


def coarse_objects(estimator, X, support, line):
    """Reconstruct objects at a low resolution, as starts for the full one.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    support : ndarray of bool of shape (1 or n_samples, *object_shape) or None
    line : IterationLine

    Returns
    -------
    ndarray of shape (n_samples, *object_shape)
        The best of several starts for each sample, by the Fourier error of its coarse problem.
        Random objects for samples whose low frequencies hold no light or are unmeasured.
    """
    fourier_shape, object_shape = estimator.fourier_shape_, estimator.object_shape_
    middle = coarse_shape(fourier_shape)
    few = middle_object_shape(object_shape, fourier_shape, middle)
    small = copy(estimator)
    small.fourier_shape_, small.object_shape_ = middle, few
    small.n_starts, small.start, small.coherence = N_STARTS, "random", "full"
    small.noise = "gaussian"  # weighted magnitudes are not roots of counts
    small.tol = 1e-6 if isinstance(estimator.tol, str) else estimator.tol
    if not isinstance(small.constraints, str):  # bounds of an object are not those of its blur
        kind = estimator.constraints_
        small.constraints = (
            "non_negative" if kind == "real" and min(small.constraints) >= 0 else kind
        )
        small.constraints_ = small.constraints
    if small.support_ == "auto":
        small.support_ = "shrinkwrap"
    patterns = np.concatenate(
        [
            cut(np.asarray(X[part]), middle, centered=estimator.centered)
            for part in chunks_of(len(X), math.prod(fourier_shape))
        ]
    )
    patterns = patterns * gaussian(middle, centered=estimator.centered).astype(patterns.dtype)
    if support is not None:
        support = _enlarged(support, few)
    run = Run(small, patterns, support=support)
    run.execute(line)
    objects = lifted(run.results.chosen().objects, fourier_shape, object_shape, middle)
    lit = (patterns > 0).reshape(len(patterns), -1).any(axis=1)  # NaN counts as dark
    # iterations would not move from an object that is 0
    dark = np.flatnonzero(~lit | ~objects.reshape(len(objects), -1).any(axis=1))
    if len(dark):
        objects[dark] = random_objects(estimator, np.asarray(X[dark]), objects.dtype)
    return objects


def random_objects(estimator, X, dtype):
    """Return random objects with the energy of the measured magnitudes.

    All samples have the same random numbers, so that none depends on its batch.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray of shape (n_samples, *fourier_shape)
    dtype : numpy.dtype
        Data type of the objects.

    Returns
    -------
    ndarray of shape (n_samples, *object_shape)
    """
    drawn = check_random_state(estimator.random_state).uniform(size=(2, *estimator.object_shape_))
    values = drawn[0] if estimator.constraints_ == "non_negative" else drawn[0] - 0.5
    values = values + 1j * (drawn[1] - 0.5) if dtype.kind == "c" else values
    axes = tuple(range(1, X.ndim))
    X = np.nan_to_num(X.astype(np.float64))
    peaks = X.max(axis=axes, keepdims=True)
    # scaled, because squares may overflow
    energies = np.square(X / np.where(peaks > 0, peaks, 1.0)).mean(axis=axes, keepdims=True)
    return (values / np.linalg.norm(values) * np.sqrt(energies) * peaks).astype(dtype)


def coarse_shape(fourier_shape):
    """Return the shape of the middle that the coarse problem consists of.

    Examples
    --------
    >>> coarse_shape((256, 255)), coarse_shape((40, 12))
    ((64, 63), (16, 12))
    """
    return tuple(
        size if size <= LEAST else max(LEAST, 2 * (size // (2 * SHARE))) + size % 2
        for size in fourier_shape
    )


def gaussian(shape, *, centered):
    """Return the weights of the frequencies of a pattern, 1 at zero frequency.

    Parameters
    ----------
    shape : tuple of int
    centered : bool
        Whether zero frequency is in the middle; otherwise it is at index 0.

    Returns
    -------
    ndarray of shape `shape`

    Examples
    --------
    >>> gaussian((4,), centered=True).round(2)
    array([0.05, 0.47, 1.  , 0.47])
    """
    squares = np.zeros(shape)
    for axis, size in enumerate(shape):
        places = (np.arange(size) - size // 2) / (size / 2)
        squares += np.square(places).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    weights = np.exp(-EDGE * squares)
    return weights if centered else np.fft.ifftshift(weights)


def _enlarged(support, few):
    """Return supports on larger pixels, wider by one of them."""
    for axis, n in enumerate(few, 1):
        many = support.shape[axis]
        place = np.arange(many) * n // many
        wider = np.zeros((*support.shape[:axis], n, *support.shape[axis + 1 :]), dtype=bool)
        moved, source = np.moveaxis(wider, axis, 0), np.moveaxis(support, axis, 0)
        for step in (-1, 0, 1):
            np.logical_or.at(moved, np.clip(place + step, 0, n - 1), source)
        support = wider
    return support
