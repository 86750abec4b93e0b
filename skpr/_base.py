"""The common bases of estimators, and of transformers of batches."""

import inspect
import sys

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ._arrays import check_fitted_batch
from ._layout import is_nested
from ._tensors import even_rows, picked
from ._validation import short, warn_user


class RestoredEstimator(BaseEstimator):
    """Estimator that comes back from a pickle or a model file of an earlier version of its class.

    Parameters that the class did not have then are at their defaults. A subclass whose fitted
    attributes have become more names the values of the new ones in `_since_fitted`.

    Parameters that only `fit` reads are named in `_read_by_fit`. A subclass calls
    `_remember_parameters` in `fit`, and `_check_unchanged` in the methods that follow, so that none
    is set afterwards and ignored."""

    _read_by_fit = ()

    def _remember_parameters(self):
        self._at_fit = {name: getattr(self, name) for name in self._read_by_fit}

    def _check_unchanged(self):
        check_unchanged(self, vars(self).get("_at_fit", {}))

    def __setstate__(self, state):
        parameters = inspect.signature(type(self)).parameters.values()
        new = {p.name: p.default for p in parameters if p.default is not p.empty}
        super().__setstate__(new | state)
        if any(name.endswith("_") for name in state):
            for name, value in self._since_fitted().items():
                vars(self).setdefault(name, value)

    def _since_fitted(self):
        """Return fitted attributes that the first versions did not have, as they follow from those
        they had.
        """
        return {}


def check_unchanged(estimator, at_fit):
    """Refuse parameters that have other values than at `fit`, which alone reads them.

    Parameters
    ----------
    estimator : estimator
    at_fit : dict
        Values of its parameters at `fit`, by name.
    """
    for name, before in at_fit.items():
        now = getattr(estimator, name)
        if not same_value(now, before):
            raise ValueError(
                f"{name}={short(now)} was set after fit, which saw {short(before)} and alone "
                f"reads it: call fit again"
            )


def same_value(one, other):
    """Whether two values of a parameter are the same."""
    if one is other:
        return True
    if hasattr(one, "shape") or hasattr(other, "shape"):
        return np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)


class BatchTransformer(TransformerMixin, RestoredEstimator):
    """Base of transformers of batches: validation, fitted state and tags.

    A subclass names its two attributes below and writes `fit` and `transform`, which begin with
    `self._checked`."""

    _shape_attribute = "object_shape_"  # fitted shape of one sample at input
    _fitted_attribute = "object_shape_"  # the last attribute that `fit` sets
    _way_of_targets = (  # end of the sentence about targets that equal the objects
        ". To transform targets, give it to SymmetryBreakingRegressor(regressor, transformer); to "
        "transform both, do "
        "so before fit"
    )

    def _checked(self, X, reset):
        """Validate a batch; learn (`reset=True`) or compare its samples' shape."""
        return check_fitted_batch(self, X, reset=reset, shape_attribute=self._shape_attribute)

    def __sklearn_is_fitted__(self):
        return hasattr(self, self._fitted_attribute)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = getattr(self, "random_state", 0) is None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _warn_of_targets(self, X, y):
        """Warn where targets equal the objects: a step of a pipeline changes its input, and never
        its targets.
        """
        if (
            y is not None
            and is_called_by("sklearn.pipeline")
            and not is_nested()
            and are_equal(X, y)
        ):
            warn_user(
                f"y passed to {type(self).__name__} equals X, of which alone it makes others: as "
                f"a step of a pipeline "
                f"it leaves the targets as they are{self._way_of_targets}"
            )

    def _is_step_of_targets(self):
        """Whether this is a step of the outermost pipeline, whose targets are those of the user."""
        if is_nested():
            return False
        return is_called_by("sklearn.pipeline") and not is_called_by("sklearn.compose._target")


def is_called_by(module):
    """Whether a function of a module is among those that called the caller of this one."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "") != module:
        frame = frame.f_back
    return frame is not None


def are_equal(X, y):
    """Whether two batches hold the same values; of what is on disk, some samples are compared."""
    if X is y:
        return True
    if not hasattr(y, "shape") or tuple(X.shape) != tuple(y.shape):
        return False
    rows = even_rows(len(X), 64)
    try:
        first, second = picked(X, rows), picked(y, rows)
    except (TypeError, ValueError, KeyError, IndexError):  # no batch
        return False
    return bool((first.cpu() == second.cpu()).all())
