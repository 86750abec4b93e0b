"""Base class of estimators around a regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_batch, check_lit, check_non_negative, inspect_batch
from .._base import RestoredEstimator
from .._lazy import LazyBatch, is_on_disk
from .._validation import check_choice, short, warn_user
from ..measurement import (
    Pairs,
    boundary_of,
    check_not_swapped,
    check_orientation,
    check_pairing,
    symmetries_of,
)
from ..metrics import OrbitScoreMixin
from ..neural import PhaseRetrievalRegressor
from ._parts import (
    PLAIN,
    changed_parameters,
    check_layouts,
    check_part,
    is_clone_of,
    is_direct,
    parts_of,
)

if TYPE_CHECKING:
    from .._typing import Batch, Self


SYMMETRIES = "auto", "fourier", "phase"
HINTS = {  # beginnings of scikit-learn's messages, and advice that replaces them
    "Found array with dim": (
        "takes samples with one axis only: flatten X in a pipeline with the regressor, and y in a "
        "last step of the transformer, with an inverse_transform"
    ),
    "Complex data not supported": (
        "takes real targets only (Complex data not supported): split them into real and imaginary "
        "parts in a last step of the transformer, with an inverse_transform"
    ),
}


def _regressor_has(name):
    return lambda estimator: hasattr(estimator._given_regressor(), name)


class AroundRegressor(OrbitScoreMixin, MetaEstimatorMixin, RegressorMixin, RestoredEstimator):
    """Base class of estimators with a parameter `regressor`.

    It provides training, the score, metadata routing and tags. Subclasses return the targets of the
    regressor from `_prepared_targets`.
    """

    def fit(self, X: Batch, y: Batch, **fit_params: Any) -> Self:
        r"""Fit a clone of the regressor, and the other parts.

        A regressor with `warm_start=True` that this estimator has fitted before continues its
        training; the other parts then stay as fitted.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes; the regressor checks them.
        y : array-like of shape (n_samples, \*object_shape)
            Objects.
        **fit_params
            Parameters of the regressor's `fit`, routed if scikit-learn's metadata routing is
            enabled.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid, or targets are missing, not finite or of another length
            than `X`.
        TypeError
            If a part is a class instead of an estimator, or lacks a method.
        """
        return self._train(X, y, "fit", self._continues(), fit_params)

    @available_if(_regressor_has("partial_fit"))
    def partial_fit(self, X: Batch, y: Batch, **fit_params: Any) -> Self:
        r"""Train the regressor further by its `partial_fit`.

        The other parts are fitted by the first call and stay as they are in later ones. This method
        is available if the regressor has it.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes.
        y : array-like of shape (n_samples, \*object_shape)
            Objects.
        **fit_params
            Parameters of the regressor's `partial_fit`.

        Returns
        -------
        self
        """
        return self._train(X, y, "partial_fit", hasattr(self, "regressor_"), fit_params)

    def _since_fitted(self):
        fitted = self.regressor_
        shape = getattr(fitted, "object_shape_", None)  # None where the regressor does not tell
        return {
            "boundary_": getattr(fitted, "boundary_", None),
            "symmetries_": getattr(fitted, "symmetries_", "fourier"),
            "object_shape_": shape,
            "target_shape_": shape,
        }

    # --- training ---------------------------------------------------------------------------------

    def _train(self, X, y, method, continues, fit_params):
        """Check everything, prepare the other parts and train the regressor.

        If anything fails, the estimator stays as it was.
        """
        regressor = self._given_regressor()
        methods = "get_params", method, "predict"
        check_part(
            "regressor", regressor, methods, "a regressor or None for a PhaseRetrievalRegressor"
        )
        check_choice("symmetries", self.symmetries, SYMMETRIES)
        if is_direct(regressor):
            check_layouts(regressor.get_params())
        self._check_parts()
        given = self._plain_parameters()
        fit_params = self._routed(method, fit_params)
        X, y, magnitudes = checked_pair(X, y, type(self).__name__, regressor)
        before = dict(vars(self))
        try:
            pairs = Pairs(magnitudes, y)
            self._learn_shapes(regressor, magnitudes, y, pairs, continues)
            if not continues and self.symmetries_ == "fourier":
                check_pairing(magnitudes, pairs, type(self).__name__)
                check_orientation(magnitudes, pairs, type(self).__name__)
            targets = self._prepared_targets(magnitudes, y, continues)
            self.regressor_ = self._trained(regressor, X, targets, method, continues, fit_params)
            self._settle(magnitudes, y)
        except BaseException:  # a new transformer must not be combined with the old regressor
            vars(self).clear()
            vars(self).update(before)
            raise
        self._at_fit = given
        vars(self).pop("feature_names_in_", None)
        if hasattr(self.regressor_, "feature_names_in_"):
            self.feature_names_in_ = self.regressor_.feature_names_in_
        return self

    def _learn_shapes(self, regressor, magnitudes, y, pairs, continues):
        if continues:
            self._check_continued(regressor, y)
            return
        self.boundary_ = boundary_of(y.shape[1:], magnitudes.shape[1:])
        self.symmetries_ = (
            symmetries_of(magnitudes, pairs) if self.symmetries == "auto" else self.symmetries
        )
        self.object_shape_ = self.target_shape_ = tuple(y.shape[1:])

    def _trained(self, regressor, X, targets, method, continues, fit_params):
        if continues:
            trained = self.regressor_
            trained.set_params(**changed_parameters(trained, regressor))
        else:
            trained = clone(regressor)
        # a frozen regressor would pass partial_fit on to the one that was handed over
        method = "fit" if isinstance(trained, FrozenEstimator) else method
        with_hints(getattr(trained, method), trained, X, targets, fit_params)
        return trained

    def _settle(self, magnitudes, y):
        """Adapt the other parts to the trained regressor, if necessary."""

    def _check_continued(self, regressor, y):
        if not is_clone_of(self.regressor_, regressor):
            raise ValueError(
                f"regressor is a {type(regressor).__name__} of another structure than the fitted "
                "one, so training cannot continue; call fit"
            )
        if tuple(y.shape[1:]) != self.object_shape_:
            raise ValueError(
                f"y has objects of shape {tuple(y.shape[1:])}, but {type(self).__name__} was "
                f"fitted on objects of shape {self.object_shape_}"
            )

    def _given_regressor(self):
        return PhaseRetrievalRegressor() if self.regressor is None else self.regressor

    def _continues(self):
        """Return whether another `fit` continues the training of the regressor."""
        regressor = self._given_regressor()
        if not hasattr(self, "regressor_") or not is_clone_of(self.regressor_, regressor):
            return False
        return any(
            value
            for name, value in regressor.get_params().items()
            if name.split("__")[-1] == "warm_start"
        )

    def _routed(self, method, fit_params):
        if not get_config()["enable_metadata_routing"]:
            return fit_params
        return process_routing(self, method, **fit_params).regressor[method]

    def _plain_parameters(self):
        """Return all parameters, with those of the parts, in a comparable form.

        Numbers, strings and None stay as they are; all others are replaced by their types.
        """
        parameters = self.get_params().items()
        return {
            name: value if isinstance(value, PLAIN) else type(value).__name__
            for name, value in parameters
        }

    def _warn_of_changes(self):
        """Warn of parameters set after `fit`, which the fitted clones ignore."""
        before = vars(self).get("_at_fit", {})
        now = self._plain_parameters() if before else {}
        changed = [
            f"{name}={short(getattr(self, name, now[name]))}"
            for name in now
            if now[name] != before.get(name, now[name])
        ]
        if changed:
            warn_user(
                f"{', '.join(changed[:3])} {'was' if len(changed) == 1 else 'were'} set after "
                f"fit, but {type(self).__name__} predicts as it was fitted: call fit again"
            )

    def _predicted(self, features):
        """Return predictions of the regressor in the shape of its targets."""
        self._warn_of_changes()
        predicted = self.regressor_.predict(features)
        predicted = predicted if hasattr(predicted, "shape") else np.asarray(predicted)
        shape = tuple(predicted.shape)
        if self.target_shape_ is None or shape[1:] == self.target_shape_:
            return predicted
        if np.prod(shape[1:]) != np.prod(self.target_shape_):
            raise ValueError(
                f"{type(self.regressor_).__name__} predicts samples of shape {shape[1:]}, but was "
                f"trained on targets of shape {self.target_shape_}"
            )
        return predicted.reshape((shape[0], *self.target_shape_))

    # --- scikit-learn -----------------------------------------------------------------------------

    @property
    def n_features_in_(self):
        """Number of features the regressor saw in `fit`."""
        check_is_fitted(self, "regressor_")
        return self.regressor_.n_features_in_

    def get_metadata_routing(self):
        """Return the metadata routing of this estimator.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
            Router that passes parameters of `fit` and `partial_fit` to the regressor; `score` uses
            `sample_weight` itself.
        """
        mapping = (
            MethodMapping()
            .add(caller="fit", callee="fit")
            .add(caller="partial_fit", callee="partial_fit")
        )
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(regressor=self._given_regressor(), method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        regressor = self._given_regressor()
        if isinstance(regressor, type):  # refused by fit with a clear message
            return tags
        inner = get_tags(regressor)
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.target_tags.required = True
        tags.non_deterministic = inner.non_deterministic
        return tags


def checked_pair(X, y, whom, regressor):
    """Check the training pairs of an estimator named `whom`.

    Returns
    -------
    features : array-like
        `X` as the regressor receives it.
    y : ndarray, torch.Tensor or LazyBatch
        Checked objects.
    magnitudes : ndarray, torch.Tensor or LazyBatch
        `X` as a batch with a shape.
    """
    if y is None:
        raise ValueError(f"{whom} requires y to be passed, but the target y is None{way_out_of(X)}")
    features, magnitudes = as_features(X)
    y, facts = inspect_batch(
        y, name="y", warn=tuple(getattr(y, "shape", ()))[1:] != tuple(magnitudes.shape[1:])
    )
    if len(magnitudes) != len(y):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[len(magnitudes), len(y)]}"
        )
    check_lit("y", y, facts)
    if not isinstance(magnitudes, LazyBatch):
        facts = inspect_batch(magnitudes, ensure_all_finite="allow-nan", warn=False)[1]
        check_lit("X", magnitudes, facts)
        *_, innermost = parts_of(regressor)
        takes_magnitudes = (
            isinstance(innermost, BaseEstimator) and get_tags(innermost).input_tags.positive_only
        )
        if takes_magnitudes and is_direct(regressor):
            check_non_negative(facts, type(innermost).__name__)
    check_not_swapped(magnitudes, y)
    return features, y.detach() if isinstance(y, torch.Tensor) else y, magnitudes


def way_out_of(X):
    """Return advice on missing targets if `X` is a data set."""
    if not isinstance(X, torch.utils.data.Dataset | torch.utils.data.DataLoader):
        return ""
    arrays = "*dataset.tensors" if isinstance(X, torch.utils.data.TensorDataset) else "X, y"
    return f"; give arrays or tensors in place of a {type(X).__name__}, as in fit({arrays})"


def as_features(X):
    """Return features for a regressor, and the same as a batch.

    Features keep the column names of data frames, and batches on disk stay there; everything else
    becomes an array or a tensor. Values are not checked.
    """
    batch = check_batch(X, allow_complex=False, ensure_all_finite=False)
    batch = batch.detach() if isinstance(batch, torch.Tensor) else batch
    return X if is_on_disk(X) or hasattr(X, "columns") else batch, batch


def with_hints(method, regressor, X, y, fit_params):
    """Train, and replace messages of scikit-learn that give no advice."""
    try:
        method(X, y, **fit_params)
    except ValueError as error:
        hint = next(
            (hint for beginning, hint in HINTS.items() if str(error).startswith(beginning)), None
        )
        if hint is None:
            raise
        *_, innermost = parts_of(regressor)
        raise ValueError(f"{type(innermost).__name__} {hint}") from error
