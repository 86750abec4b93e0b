"""Choice between starts and supports by held-out pixels."""

import numpy as np

from ._subpixel import registered_finely
from ._verdict import EXPLAINED, LEADING, judged

AS_GOOD = 1.05  # largest misfit of an accepted choice, relative to the best
FAR = 1e6  # misfits relative to the best are clipped here: anything larger is equally bad


def better(free, sizes):
    """Choose the second of two states unless its held-out misfit is larger.

    The second state is never chosen if its support is empty. Parameters and result are those of
    :func:`smallest_that_serves`.
    """
    before, after = free.sum(axis=-1)
    return ((after <= before) & (sizes[1] > 0)).astype(int)


def smallest_that_serves(free, sizes):
    """Choose the smallest support within one standard error of the best.

    Parameters
    ----------
    free : ndarray of shape (n_choices, ..., n_groups)
        Misfit of each group of held-out pixels.
    sizes : ndarray of shape (n_choices, ...)
        Number of pixels of each support.

    Returns
    -------
    ndarray of shape (...)
        Index of the choice.
    """
    serve = serving(free, 1.0)
    return np.where(serve & (sizes > 0), sizes, np.iinfo(sizes.dtype).max).argmin(axis=0)


def serving(free, n_errors):
    """Mark choices whose held-out misfit is within some errors of the best.

    The standard error is that of the difference from the best choice, group by group. Both misfits
    come from the same pixels, so their common noise cancels in the difference.

    Parameters
    ----------
    free : ndarray of shape (n_choices, ..., n_groups)
        Misfit of each group of held-out pixels.
    n_errors : float
        Number of standard errors.

    Returns
    -------
    ndarray of bool, shape (n_choices, ...)
    """
    totals = free.sum(axis=-1)
    best = totals.argmin(axis=0)[None]
    least = np.take_along_axis(totals, best, 0)
    # misfits relative to the best, clipped, so that the squares in `std` cannot overflow
    with np.errstate(over="ignore"):
        free = np.minimum(free / np.where(least > 0, least, 1.0)[..., None], FAR)
    totals = free.sum(axis=-1)
    beyond = free - np.take_along_axis(free, best[..., None], 0)
    # the total is a sum of n independent groups: its error is sqrt(n) times their scatter
    errors = np.sqrt(free.shape[-1]) * beyond.std(axis=-1, ddof=1)
    # AS_GOOD also rejects what is plainly worse where few groups make the error large
    return (beyond.sum(axis=-1) <= n_errors * errors) & (
        totals <= AS_GOOD * np.take_along_axis(totals, best, 0)
    )


def trustworthiness(found):
    """Score the starts of each sample.

    The score is the sum of the two figures of the verdict (see :func:`~._verdict.judged`): the
    share that they explain, and that which they have in common. One falls where a support is too
    small for the object, the other where it is too large for the data.

    Parameters
    ----------
    found : Results

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        NaN where nothing can be judged, where too little is explained for any trust, and where a
        start has vanished.
    agree : ndarray of bool of shape (n_samples,)
        Whether the better half of the starts agree as those of a good object do.
    """
    shape = found.n_starts, found.n_samples
    objects, explained = (
        values.reshape(*shape, *values.shape[1:]) for values in (found.objects, found.explained)
    )
    totals = found.total()
    figures = np.array(
        [judged(objects[:, i], totals[:, i], explained[:, i])[1:] for i in range(shape[1])]
    )
    shares, weights = figures.T
    vanished = ~objects.any(axis=tuple(range(2, objects.ndim))).all(axis=0)
    scores = np.where(vanished | (shares < EXPLAINED[1]), np.nan, shares + weights)
    return scores, ~(weights < LEADING[0])


def mean_of_alike(objects, least, boundary, middle=None):
    """Average the objects that correlate well with the middle one.

    Parameters
    ----------
    objects : ndarray of shape (n_objects, *object_shape)
    least : float
        Smallest correlation of the objects that are averaged (exclusive).
    boundary : tuple of str
    middle : int, optional
        Index of the middle object; by default the one that is most similar to the others.
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
    flat = flat / np.abs(flat).max(axis=1, keepdims=True)  # whose squares cannot overflow
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return np.abs(flat @ flat.conj().T)
