"""Statistics of several registered starts of each pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from .._arrays import check_batch
from .._tensors import along_samples, to_tensor, unit_scale, usual_device
from .._validation import check_boundary, check_count, short
from ..symmetry import register

if TYPE_CHECKING:
    from .._typing import Batch, Boundary


class CombinedStarts(NamedTuple):
    r"""Several reconstructions of each pattern, combined.

    Attributes
    ----------
    best : ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Start with the smallest error.
    mean : ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Mean of the registered starts.
    spread : ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Standard deviation of the registered starts at each pixel; real and non-negative.
    registered : ndarray or torch.Tensor of shape (n_samples, n_starts, \*object_shape)
        All starts, registered to the best one, in the given order.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr.iterative import combine_starts
    >>> combine_starts(np.ones((2, 3, 8, 8)), np.ones((2, 3))).spread.shape
    (2, 8, 8)
    """

    best: Any
    mean: Any
    spread: Any
    registered: Any


def combine_starts(
    starts: Batch, errors: Any, *, n_best: int | None = None, boundary: Boundary = "zero"
) -> CombinedStarts:
    r"""Register the starts of each pattern to its best one, and average them.

    Independent starts end on different members of the orbit, and noise leaves a different error in
    each of them. After registration these errors partly cancel in the mean, and the spread tells
    where the starts disagree. :func:`combine_reconstructions` judges the agreement for one pattern;
    this function gives the statistics of many patterns at once, as input of a network.

    Parameters
    ----------
    starts : array-like or torch.Tensor of shape (n_samples, n_starts, \*object_shape)
        Real or complex reconstructions, such as `Retrieval.starts`.
    errors : array-like of shape (n_samples, n_starts)
        Error of each start, such as `Retrieval.start_errors`. NaN marks a start that did not
        finish; it enters neither the mean nor the spread.
    n_best : int, optional
        Number of starts with the smallest errors that enter mean and spread; all by default.
    boundary : {"zero", "circular"} or sequence of these with one entry per axis, default="zero"
        Boundary of shifts, see :func:`skpr.measurement.boundary_of`.

    Returns
    -------
    CombinedStarts
        Best start, mean, spread, and all registered starts, in the precision of `starts`.

    Raises
    ------
    ValueError
        If shapes do not fit, values are NaN or infinite, errors are negative or infinite, or a
        pattern has no finished start.

    Notes
    -----
    Starts are registered over shift, flip and phase; the phase of real objects is their sign. Among
    starts with equal errors, the first is the best.

    Examples
    --------
    >>> import numpy as np
    >>> starts = np.array([[[0.0, 1.0, 2.0, 0.0], [2.0, 1.0, 0.0, 0.0]]])
    >>> combined = combine_starts(starts, [[0.02, 0.01]])
    >>> combined.best, combined.mean, combined.spread
    (array([[2., 1., 0., 0.]]), array([[2., 1., 0., 0.]]), array([[0., 0., 0., 0.]]))
    """
    starts = _checked_starts(starts)
    n_samples, n_starts, *object_shape = starts.shape
    errors = _checked_errors(errors, n_samples, n_starts)
    n_used = n_starts if n_best is None else min(check_count("n_best", n_best), n_starts)
    boundary = check_boundary(boundary, len(object_shape))
    with usual_device():
        found = _combined(to_tensor(starts).detach(), torch.from_numpy(errors), n_used, boundary)
    if isinstance(starts, torch.Tensor):
        return found
    return CombinedStarts(*(part.numpy() for part in found))


def _combined(values, errors, n_used, boundary):
    """Return the statistics of the starts with the smallest errors."""
    order = errors.nan_to_num(torch.inf).argsort(dim=1, stable=True)
    rows = torch.arange(len(values))
    best = values[rows, order[:, 0]]
    registered, _ = register(
        values.flatten(0, 1),
        best.repeat_interleave(values.shape[1], dim=0),
        phase=True,
        boundary=boundary,
    )
    registered = registered.reshape(values.shape)
    used = torch.zeros_like(errors)
    used[rows[:, None], order[:, :n_used]] = 1.0
    used[errors.isnan()] = 0.0
    mean, spread = _statistics(registered, used.to(values.device))
    return CombinedStarts(best, mean, spread, registered)


def _statistics(registered, weights):
    """Return weighted mean and standard deviation over starts."""
    weights = along_samples(
        (weights / weights.sum(dim=1, keepdim=True)).flatten(), registered.flatten(0, 1)
    ).reshape(*weights.shape, *[1] * (registered.ndim - 2))
    weights = weights.to(registered.real.dtype)
    # squares must neither overflow nor vanish, whatever the unit of the objects
    scale = unit_scale(registered.flatten(1)).reshape(-1, 1, *[1] * (registered.ndim - 2))
    scaled = registered * scale
    mean = (weights * scaled).sum(dim=1)
    deviations = (scaled - mean[:, None]).abs().square()
    spread = (weights * deviations).sum(dim=1).sqrt()
    return mean / scale[:, 0], spread / scale[:, 0]


def _checked_starts(starts):
    """Return validated starts; refuse shapes without an axis of starts."""
    try:
        shape = tuple(starts.shape) if hasattr(starts, "shape") else np.shape(starts)
    except ValueError:  # not one array, such as a whole Retrieval
        raise ValueError(
            f"starts={short(starts)} are not one array; give reconstructions of shape "
            "(n_samples, n_starts, *object_shape), such as retrieval.starts"
        ) from None
    if not 3 <= len(shape) <= 5 or 0 in shape:
        raise ValueError(
            f"starts have shape {shape}; give reconstructions of shape (n_samples, n_starts, "
            "*object_shape), such as retrieval.starts"
        )
    values = starts if isinstance(starts, torch.Tensor) else np.asarray(starts)
    flat = check_batch(values.reshape(-1, *shape[2:]), name="starts")
    return flat.reshape(shape)


def _checked_errors(errors, n_samples, n_starts):
    """Return validated errors as an array in double precision."""
    given = errors.detach().cpu().numpy() if isinstance(errors, torch.Tensor) else errors
    values = np.asarray(given)
    valid = values.dtype.kind in "iuf" and values.shape == (n_samples, n_starts)
    if not valid or (values < 0).any() or np.isinf(values).any():
        raise ValueError(
            f"errors={short(errors)} do not fit starts of {n_samples} patterns with {n_starts} "
            "starts each; give one error >= 0 for each start, NaN where it did not finish, such as "
            "retrieval.start_errors"
        )
    unfinished = np.isnan(values).all(axis=1)
    if unfinished.any():
        raise ValueError(
            f"errors are all NaN for pattern {int(unfinished.argmax())}; leave out the patterns "
            "without a finished start"
        )
    return values.astype(np.float64)
