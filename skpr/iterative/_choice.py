"""The choice between starts and supports by the pixels that were held out."""

import numpy as np

from ._subpixel import registered_finely

AS_GOOD = 1.05  # times the free error of the best, at most, that another choice may have
FAR = 1e6  # times it, beyond which worse is no different


def better(free, sizes):
    """Choose the second of two states unless its held-out misfit is larger."""
    before, after = free.sum(axis=-1)
    return ((after <= before) & (sizes[1] > 0)).astype(int)


def smallest_that_serves(free, sizes):
    """Choose the smallest support among those within one standard error of the best.

    Parameters
    ----------
    free : ndarray of shape (n_choices, ..., n_groups)
        Misfit of each group of pixels.
    sizes : ndarray of shape (n_choices, ...)
        Pixels of each support.

    Returns
    -------
    ndarray of shape (...)
        Number of the choice.
    """
    serve = serving(free, 1.0)
    return np.where(serve & (sizes > 0), sizes, np.iinfo(sizes.dtype).max).argmin(axis=0)


def serving(free, n_errors):
    """Mark the choices whose held-out misfit is within some standard errors of the best.

    Parameters
    ----------
    free : ndarray of shape (n_choices, ..., n_groups)
    n_errors : float

    Returns
    -------
    ndarray of bool, shape (n_choices, ...)
    """
    totals = free.sum(axis=-1)
    best = totals.argmin(axis=0)[None]
    least = np.take_along_axis(totals, best, 0)
    # relative to the best, and what is far worse is far worse: squares stay within range
    with np.errstate(over="ignore"):
        free = np.minimum(free / np.where(least > 0, least, 1.0)[..., None], FAR)
    totals = free.sum(axis=-1)
    beyond = free - np.take_along_axis(free, best[..., None], 0)
    errors = np.sqrt(free.shape[-1]) * beyond.std(axis=-1, ddof=1)
    return (beyond.sum(axis=-1) <= n_errors * errors) & (
        totals <= AS_GOOD * np.take_along_axis(totals, best, 0)
    )


def mean_of_alike(objects, least, boundary, middle=None):
    """Average the objects that correlate with one of them by more than `least`.

    Parameters
    ----------
    objects : ndarray of shape (n_objects, *object_shape)
    least : float
    boundary : tuple of str
    middle : int, optional
        Number of that object; the one that is most like the others if not given.
    """
    if len(objects) == 1 or not objects.reshape(len(objects), -1).any(axis=1).all():
        return objects[0]
    if middle is None:
        middle = (
            _correlations(registered_finely(objects, objects[0], boundary)).sum(axis=1).argmax()
        )
    moved = registered_finely(objects, objects[middle], boundary)
    return moved[_correlations(moved)[middle] > least].mean(axis=0)


def _correlations(objects):
    flat = objects.reshape(len(objects), -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return np.abs(flat @ flat.conj().T)
