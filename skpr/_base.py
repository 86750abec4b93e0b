"""Base classes of estimators and of transformers of batches."""

import inspect
import sys

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ._arrays import check_fitted_batch
from ._callers import is_nested
from ._tensors import even_rows, picked
from ._validation import short, warn_user


class RestoredEstimator(BaseEstimator):
    """Base class of estimators that load files of earlier versions.

    The files are pickles and model files. Parameters that the class did not have in the earlier
    version get their defaults. A subclass with new fitted attributes returns their values from
    `_since_fitted`.

    The attribute `_read_by_fit` names the parameters that only `fit` reads. A subclass calls
    `_remember_parameters` in `fit` and `_check_unchanged` in its other methods, so that changes of
    these parameters after `fit` are refused rather than ignored.
    """

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
        """Return fitted attributes that earlier versions did not have.

        The values follow from the attributes that these versions had.
        """
        return {}


def check_unchanged(estimator, at_fit):
    """Refuse parameters that were changed after `fit`.

    Parameters
    ----------
    estimator : estimator
    at_fit : dict
        Values at `fit` of the parameters that only `fit` reads, by name.
    """
    for name, before in at_fit.items():
        now = getattr(estimator, name)
        if not same_value(now, before):
            raise ValueError(
                f"{name}={short(now)} was set after fit, which saw {short(before)} and is the only "
                "method that reads it: call fit again"
            )


def same_value(one, other):
    """Return whether two values of a parameter are equal."""
    if one is other:
        return True
    if hasattr(one, "shape") or hasattr(other, "shape"):
        return np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)


class MagnitudesMixin:
    """Mixin of regressors of objects on magnitudes, with the tags of both.

    Magnitudes may be unmeasured. Objects are required, unless a subclass says otherwise.
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        tags.non_deterministic = self.random_state is None
        return tags


class BatchTransformer(TransformerMixin, RestoredEstimator):
    """Base class of transformers of batches.

    It provides validation, fitted state and tags. A subclass names its two attributes below and
    defines `fit` and `transform`, which begin with `self._checked`.
    """

    _shape_attribute = "object_shape_"  # fitted shape of one input sample
    _fitted_attribute = "object_shape_"  # last attribute that `fit` sets
    _way_of_targets = (  # end of the warning about targets that equal the objects
        ". To transform targets, give it to SymmetryBreakingRegressor(regressor, transformer); to "
        "transform both, do so before fit"
    )

    def _checked(self, X, reset):
        """Validate a batch; learn (`reset=True`) or check its sample shape."""
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
        """Warn if the targets equal the objects in a pipeline.

        A step of a pipeline changes its input, but never the targets.
        """
        if (
            y is not None
            and is_called_by("sklearn.pipeline")
            and not is_nested()
            and are_equal(X, y)
        ):
            warn_user(
                f"y passed to {type(self).__name__} equals X, but as a step of a pipeline it "
                f"changes only X and leaves the targets unchanged{self._way_of_targets}"
            )

    def _is_step_of_targets(self):
        """Return whether this is a step of the outermost pipeline.

        The targets of that pipeline are those of the user.
        """
        if is_nested():
            return False
        return is_called_by("sklearn.pipeline") and not is_called_by("sklearn.compose._target")


def is_called_by(module):
    """Return whether a function of a module is on the call stack."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "") != module:
        frame = frame.f_back
    return frame is not None


def are_equal(X, y):
    """Return whether two batches hold the same values.

    At most 64 samples, evenly spaced, are compared.
    """
    if X is y:
        return True
    if not hasattr(y, "shape") or tuple(X.shape) != tuple(y.shape):
        return False
    rows = even_rows(len(X), 64)
    try:
        first, second = picked(X, rows), picked(y, rows)
    except (TypeError, ValueError, KeyError, IndexError):  # y is not a batch
        return False
    return bool((first.cpu() == second.cpu()).all())
