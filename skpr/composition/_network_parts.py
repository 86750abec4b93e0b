"""Checks of the network, patterns and objects of a refiner."""

import math

from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._callers import is_nested
from .._validation import short
from ..measurement import check_orientation, check_pairing, form_of, look_at, symmetries_of
from ..neural import PhaseRetrievalRegressor
from ._parts import check_part, parts_of

LEAST_PIXELS = 64  # pixels of a pattern and of an object; fewer do not tell a measurement


def check_network(network):
    """Refuse a network that does not improve estimates."""
    valid = "an EstimateRegressor or None"
    check_part("network", network, ("fit", "predict"), valid)
    inner = network.estimator if isinstance(network, FrozenEstimator) else network
    if any(_reconstructs(part) for part in parts_of(inner)):
        raise TypeError(
            f"network={short(network)} reconstructs objects from magnitudes alone; give {valid}, "
            "which improves estimates"
        )


def _reconstructs(estimator):
    """Return whether an estimator takes magnitudes instead of estimates."""
    if isinstance(estimator, PhaseRetrievalRegressor):
        return True
    return any(hasattr(estimator, name) for name in ("retrieve", "refiner"))


def check_frozen(network, retriever):
    """Refuse a frozen network that is not fitted or made for other objects.

    Parameters
    ----------
    network : FrozenEstimator
    retriever : IterativePhaseRetrieval
        Fitted iterations that make the estimates.
    """
    check_is_fitted(network)
    inner, shape = network.estimator, retriever.object_shape_
    known = getattr(inner, "object_shape_", shape)
    if len(known) != len(shape):
        raise ValueError(
            f"the network was trained on objects of shape {known}, but the retriever makes objects "
            f"of shape {shape}; give a network for objects with as many axes"
        )
    is_complex = retriever.constraints_ == "complex"
    if getattr(inner, "is_complex_", is_complex) != is_complex:
        kinds = ("complex", "real") if inner.is_complex_ else ("real", "complex")
        raise ValueError(
            f"the network was trained on {kinds[0]} objects, but the retriever makes {kinds[1]} "
            f"ones; give it constraints for {kinds[0]} objects, or another network"
        )


def look_at_training(refiner, X, y):
    """Warn of the likeliest mistake in a training set, if any.

    Parameters
    ----------
    refiner : NetworkRefiner
        Refiner whose kind of object is known.
    X : ndarray of shape (n_samples, *fourier_shape)
    y : batch of shape (n_samples, *object_shape) or None

    Returns
    -------
    str or None
        Form of the patterns, see :func:`skpr.measurement.form_of`; None inside another estimator,
        which has looked itself.

    Raises
    ------
    ValueError
        If `X` does not hold Fourier magnitudes of `y`.
    """
    if is_nested(2):
        return None
    whom = type(refiner).__name__
    if y is not None:
        sizes = (math.prod(batch.shape[1:]) for batch in (X, y))
        if min(sizes) >= LEAST_PIXELS and symmetries_of(X, y) == "phase":
            raise ValueError(
                f"X passed to {whom} does not correlate with the Fourier magnitudes of y: it "
                "belongs to another kind of measurement or to other objects; iterations need "
                "Fourier magnitudes"
            )
        if check_pairing(X, y, whom) or check_orientation(X, y, whom):
            return form_of(X)
    look_at(X, refiner.centered, whom, refiner.constraints_, objects=y)
    return form_of(X)


def look_at_patterns(refiner, X):
    """Warn of the likeliest mistake in patterns, if any."""
    if not is_nested(2):
        usual = vars(refiner).get("_form")
        look_at(X, refiner.centered, type(refiner).__name__, refiner.constraints_, usual=usual)
