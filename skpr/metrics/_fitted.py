"""Boundary and symmetries that a fitted estimator has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._arrays import sample_shape_of
from .._validation import check_boundary
from ..measurement import boundary_of

if TYPE_CHECKING:
    from .._typing import Batch

# Attributes of searches and meta-estimators that hold the fitted estimator inside.
INNER = "best_estimator_", "regressor_", "estimator_"


def fitted_symmetries(
    estimator: Any, X: Batch, y: Batch, *, boundary: Any = "auto", symmetries: str = "auto"
) -> Any:
    r"""Return boundary and symmetries for scoring an estimator.

    Parameters
    ----------
    estimator : fitted estimator
        Regressor of objects on magnitudes, or a pipeline, a search or a meta-estimator around one.
    X : array-like of shape (n_samples, ...)
        Input of the estimator.
    y : array-like of shape (n_samples, \*object_shape)
        True objects.
    boundary : {"auto", "zero", "circular"} or sequence, default="auto"
        Boundary to use, or a sequence with one entry per object axis; "auto" takes that of the
        estimator.
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries to use; "auto" takes those of the estimator.

    Returns
    -------
    boundary : tuple of {"zero", "circular"}, one per object axis
    symmetries : {"fourier", "phase"}

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> objects = np.random.default_rng(0).random((2, 8, 8))
    >>> magnitudes = FourierMagnitude(oversampling=1).fit_transform(objects)
    >>> fitted_symmetries(IterativePhaseRetrieval().fit(magnitudes, objects), magnitudes, objects)
    (('circular', 'circular'), 'fourier')
    """
    shape = sample_shape_of(y)
    chain = list(_layers(estimator))
    if symmetries == "auto":
        symmetries = next(
            (layer.symmetries_ for layer in chain if hasattr(layer, "symmetries_")), "fourier"
        )
    if isinstance(boundary, str) and boundary == "auto":
        known = [
            layer.boundary_ for layer in chain if _fits(getattr(layer, "boundary_", None), shape)
        ]
        boundary = known[0] if known else boundary_of(shape, _seen_shape(estimator, X, shape))
    return check_boundary(boundary, len(shape)), symmetries


def seen_by_regressor(estimator: Any, X: Batch) -> Any:
    """Transform `X` into the input of the inner regressor.

    In pipelines that simulate a measurement, that input is the magnitudes.

    Parameters
    ----------
    estimator : fitted estimator
        Regressor, or a pipeline, a search or a meta-estimator around one.
    X : array-like of shape (n_samples, ...)
        Input of the estimator.

    Returns
    -------
    array-like of shape (n_samples, ...)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.pipeline import make_pipeline
    >>> from skpr import FourierMagnitude
    >>> model = make_pipeline(FourierMagnitude(), DummyRegressor()).fit(np.eye(2, 4), np.eye(2, 4))
    >>> seen_by_regressor(model, np.eye(2, 4)).shape
    (2, 8)
    """
    for layer in _layers(estimator):
        if len(getattr(layer, "steps", ())) > 1:
            X = layer[:-1].transform(X)
    return X


def _layers(estimator):
    """Yield an estimator and the fitted estimators inside it."""
    while estimator is not None:
        yield estimator
        steps = getattr(estimator, "steps", None)
        inner = [getattr(estimator, name) for name in INNER if hasattr(estimator, name)]
        estimator = steps[-1][1] if steps else inner[0] if inner else None


def _fits(boundary, shape):
    """Whether a fitted boundary belongs to objects of a shape.

    A regressor of flattened targets has a boundary with another number of axes.
    """
    return isinstance(boundary, tuple | list) and len(boundary) == len(shape)


def _seen_shape(estimator, X, object_shape):
    """Shape of the input of the innermost estimator."""
    steps = [step for layer in _layers(estimator) for _, step in getattr(layer, "steps", ())]
    for step in steps:
        if getattr(step, "object_shape_", None) == object_shape and hasattr(step, "fourier_shape_"):
            return step.fourier_shape_
    return sample_shape_of(seen_by_regressor(estimator, X[:1]))
