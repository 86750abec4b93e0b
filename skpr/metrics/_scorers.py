"""Scores of estimators, modulo symmetries."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted

from .._arrays import sample_shape_of
from .._lazy import LazyBatch, is_on_disk
from .._validation import check_boundary, check_choice, short
from ..measurement import boundary_of
from ._errors import orbit_mean_squared_error, relative_error
from ._fitted import fitted_symmetries
from ._images import orbit_psnr, orbit_ssim
from ._input import averaged, check_averaging

if TYPE_CHECKING:
    from .._typing import Batch

SCORED = 4096  # samples from disk that are predicted and scored together


def squared_correlation(
    estimator: Any,
    X: Batch,
    y: Batch | None,
    *,
    boundary: Any = None,
    symmetries: str = "fourier",
    sample_weight: Any = None,
) -> float:
    r"""Mean squared correlation of predictions with the truth.

    It is `1 - relative_error`, and the score of every regressor of this package. Batches on disk
    are predicted and scored a few thousand samples at a time.

    Parameters
    ----------
    estimator : fitted estimator
        Regressor of objects on magnitudes.
    X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        Magnitudes.
    y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        True objects.
    boundary : {"zero", "circular"} or a sequence of these with one entry per object axis, optional
        Boundary of shifts; by default it follows from the shapes of `y` and `X`
        (:func:`skpr.measurement.boundary_of`).
    symmetries : {"fourier", "phase"}, default="fourier"
        Symmetries to register over: shift, flip and phase, or the phase alone.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        Score: 1 for perfect predictions, 0 for worthless ones.

    Raises
    ------
    ValueError
        If there are no true objects, a parameter is not valid, or predictions contain NaN or
        infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> objects = np.array([[0.0, 3.0, 1.0, 0.0]])
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> retriever = IterativePhaseRetrieval(n_starts=4, random_state=0).fit(magnitudes, objects)
    >>> squared_correlation(retriever, magnitudes, objects)
    1.0
    """
    _check_objects_given(f"{type(estimator).__name__}.score", y)
    check_choice("symmetries", symmetries, ("fourier", "phase"))
    X, y = _batches(X, y)
    shape = sample_shape_of(y)
    if boundary is None:
        boundary = boundary_of(shape, sample_shape_of(X))
    parameters = {
        "boundary": check_boundary(boundary, len(shape)),
        **_choices(relative_error, symmetries),
    }
    weights = check_averaging("uniform_average", sample_weight, len(y))
    return 1.0 - averaged(
        _values(relative_error, estimator, X, y, parameters), "uniform_average", weights
    )


class OrbitScoreMixin:
    """Mixin of regressors with the score of this package.

    The fitted regressor has the attributes `boundary_` and `symmetries_`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, RegressorMixin
    >>> class Reversed(OrbitScoreMixin, RegressorMixin, BaseEstimator):
    ...     def fit(self, X, y):
    ...         self.boundary_, self.symmetries_ = ("zero",), "fourier"
    ...         return self
    ...
    ...     def predict(self, X):
    ...         return X[:, ::-1]
    >>> objects = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0]])
    >>> Reversed().fit(objects, objects).score(objects, objects)
    1.0
    """

    def score(self, X: Batch, y: Batch | None = None, sample_weight: Any = None) -> float:
        r"""Return the mean squared correlation with the true objects.

        It is `1 - relative_error`, modulo symmetries; 1 is perfect.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            True objects.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample in the mean.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If there are no true objects, or predictions contain NaN or infinity.
        """
        check_is_fitted(self)
        return squared_correlation(
            self,
            X,
            y,
            boundary=self.boundary_,
            symmetries=self.symmetries_,
            sample_weight=sample_weight,
        )


class OrbitScorer:
    """Scorer of predictions, modulo symmetries.

    A call `scorer(estimator, X, y)` uses the boundary and the symmetries that the estimator learned
    in `fit` (`boundary_` and `symmetries_`). They are searched for in the estimator itself, in the
    last step of a pipeline, in the best estimator of a search and in the regressor of a
    meta-estimator. If there are none, the boundary follows from the shapes of input and targets,
    and all symmetries are registered over.

    Parameters
    ----------
    metric : callable
        Metric: `relative_error`, `orbit_mean_squared_error`, `orbit_psnr`, `orbit_ssim`, or a
        function with the same parameters.
    greater_is_better : bool, default=True
        Whether a greater value is better; otherwise the score is the negative value.
    boundary : {"auto", "zero", "circular"} or sequence, default="auto"
        Boundary of shifts, or a sequence with one entry per object axis; "auto" takes that of the
        estimator.
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries to register over: shift, flip and phase, or the phase alone; "auto" takes those
        of the estimator.
    **parameters
        Further parameters of the metric, such as `data_range`.

    Raises
    ------
    TypeError
        If the metric is not callable, or has no parameter `boundary`.
    ValueError
        If `boundary` or `symmetries` is not valid.

    Notes
    -----
    A score is always finite. A score of `orbit_psnr` is at most 120 dB, and leaves out objects that
    are zero everywhere, unless all are. Predictions with NaN or infinity, such as those of a
    diverged network, raise a `ValueError`, and a search ranks such a candidate last. If several
    scorers are given in a dict, each of them computes its own predictions. Scikit-learn's own
    scorers, such as "r2", ignore the symmetries and refuse images ("Found array with dim 3").

    Examples
    --------
    >>> OrbitScorer(orbit_psnr, data_range=255.0)
    OrbitScorer(orbit_psnr, data_range=255.0)
    >>> neg_relative_error_scorer
    OrbitScorer(relative_error, greater_is_better=False)
    """

    def __init__(
        self,
        metric: Any,
        *,
        greater_is_better: bool = True,
        boundary: Any = "auto",
        symmetries: str = "auto",
        **parameters: Any,
    ) -> None:
        if not callable(metric):
            raise TypeError(
                f"metric={short(metric)} is not callable; give relative_error or another metric "
                "of skpr.metrics"
            )
        accepted = inspect.signature(metric).parameters
        if "boundary" not in accepted and not any(
            p.kind is p.VAR_KEYWORD for p in accepted.values()
        ):
            raise TypeError(
                f"metric={short(metric)} ignores symmetries: it has no parameter boundary; give "
                "relative_error or another metric of skpr.metrics"
            )
        if not (isinstance(boundary, str) and boundary == "auto"):
            check_boundary(boundary)
        check_choice("symmetries", symmetries, ("auto", "fourier", "phase"))
        self.metric = metric
        self.greater_is_better = greater_is_better
        self.boundary = boundary
        self.symmetries = symmetries
        self.parameters = parameters
        self.__name__ = ("" if greater_is_better else "neg_") + getattr(
            metric, "__name__", type(metric).__name__
        )
        self._requests_weights = None

    def __call__(
        self, estimator: Any, X: Batch, y: Batch | None = None, sample_weight: Any = None
    ) -> float:
        r"""Score the predictions of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
        X : array-like of shape (n_samples, ...)
            Input of the estimator.
        y : array-like of shape (n_samples, \*object_shape)
            True objects.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.

        Returns
        -------
        float
            Score; greater is better.

        Raises
        ------
        ValueError
            If there are no true objects, or predictions contain NaN or infinity.
        """
        _check_objects_given(repr(self), y)
        X, y = _batches(X, y)
        boundary, symmetries = fitted_symmetries(
            estimator, X, y, boundary=self.boundary, symmetries=self.symmetries
        )
        weights = check_averaging("uniform_average", sample_weight, len(y))
        parameters = {"boundary": boundary, **_choices(self.metric, symmetries), **self.parameters}
        values = _values(self.metric, estimator, X, y, parameters)
        if self.metric is orbit_psnr:
            values, weights = _bounded(values, weights, y)
        value = averaged(values, "uniform_average", weights)
        return value if self.greater_is_better else -value

    def __repr__(self):
        given = {"greater_is_better": True, "boundary": "auto", "symmetries": "auto"}
        own = {
            name: getattr(self, name)
            for name, default in given.items()
            if getattr(self, name) != default
        }
        shown = "".join(
            f", {name}={short(value)}" for name, value in {**own, **self.parameters}.items()
        )
        return f"OrbitScorer({getattr(self.metric, '__name__', self.metric)}{shown})"

    def set_score_request(self, *, sample_weight: Any = True) -> OrbitScorer:
        """Request sample weights by metadata routing.

        This has an effect only where scikit-learn's metadata routing is enabled.

        Parameters
        ----------
        sample_weight : bool, None or str, default=True
            Request, as in `set_score_request` of scikit-learn's estimators.

        Returns
        -------
        OrbitScorer
            New scorer; this one is not changed.
        """
        scorer = OrbitScorer(
            self.metric,
            greater_is_better=self.greater_is_better,
            boundary=self.boundary,
            symmetries=self.symmetries,
            **self.parameters,
        )
        scorer._requests_weights = sample_weight
        return scorer

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the requested metadata, for scikit-learn."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._requests_weights)
        return request


def _check_objects_given(whom, y):
    """Refuse to score without true objects, and say what to do instead."""
    if y is None:
        raise ValueError(
            f"{whom} requires y to be passed, but the target y is None: a score compares "
            "predictions with true objects; without these, skpr.metrics.fourier_error(X, "
            "predictions) compares predictions with the magnitudes, and "
            "RetrievedTargetRegressor.score(X) with retrieved objects"
        )


def _batches(*batches):
    """Wrap batches on disk; leave others unchanged."""
    return (LazyBatch(batch) if is_on_disk(batch) else batch for batch in batches)


def _choices(metric, symmetries):
    """Parameters that restrict a metric to some symmetries.

    The global phase is always one of them; for real objects it is the sign.
    """
    if symmetries == "fourier":
        return {}
    known = inspect.signature(metric).parameters.values()
    takes_phase = any(
        parameter.name == "phase" or parameter.kind == parameter.VAR_KEYWORD for parameter in known
    )
    return {"shift": False, "flip": False} | ({"phase": True} if takes_phase else {})


def _values(metric, estimator, X, y, parameters):
    """Values of a metric per sample."""
    if not isinstance(X, LazyBatch) and not isinstance(y, LazyBatch):
        return metric(y, estimator.predict(X), multioutput="raw_values", **parameters)
    if len(X) != len(y):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[len(X), len(y)]}"
        )
    values = []
    for start in range(0, len(X), SCORED):
        part = slice(start, start + SCORED)
        values.append(
            metric(y[part], estimator.predict(X[part]), multioutput="raw_values", **parameters)
        )
    return np.concatenate(values)


def _bounded(values, weights, y):
    """Give all-zero objects the weight 0, unless all are zero."""
    lit = np.array([bool(np.any(_as_array(one))) for one in y])
    weights = np.ones(len(values)) if weights is None else weights
    if (weights * lit).any():
        weights = weights * lit
    return values, weights


def _as_array(sample):
    return sample.detach().cpu().numpy() if isinstance(sample, torch.Tensor) else np.asarray(sample)


neg_relative_error_scorer = OrbitScorer(relative_error, greater_is_better=False)
neg_orbit_mean_squared_error_scorer = OrbitScorer(orbit_mean_squared_error, greater_is_better=False)
orbit_psnr_scorer = OrbitScorer(orbit_psnr, data_range=1.0)
orbit_ssim_scorer = OrbitScorer(orbit_ssim, data_range=1.0)
