"""Scores of estimators: every route to one goes by the boundary and the symmetries of the
measurement.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.metadata_routing import MetadataRequest

from .._arrays import sample_shape_of
from .._lazy import LazyBatch, is_on_disk
from .._validation import check_boundary, check_choice, short
from ..measurement import boundary_of
from ._errors import orbit_mean_squared_error, relative_error
from ._images import orbit_psnr, orbit_ssim
from ._input import averaged, check_averaging

if TYPE_CHECKING:
    from .._typing import Batch

SCORED = 4096  # samples from disk that are predicted and scored at once
INNER = (
    "best_estimator_",
    "regressor_",
    "estimator_",
)  # fitted estimators inside searches and meta-estimators


def squared_correlation(
    estimator: Any,
    X: Batch,
    y: Batch,
    *,
    boundary: Any = None,
    symmetries: str = "fourier",
    sample_weight: Any = None,
) -> float:
    r"""Mean squared correlation of predictions with the truth, `1 - relative_error`: the score of
    every regressor.

    Batches on disk are predicted and scored a few thousand samples at a time.

    Parameters
    ----------
    estimator : fitted estimator
        Regressor of objects on magnitudes.
    X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        Magnitudes.
    y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        True objects.
    boundary : {"zero", "circular"} or a sequence of these with one entry per object axis, optional
        Boundary of shifts; by default :func:`skpr.measurement.boundary_of` the shapes of `y` and
        `X`.
    symmetries : {"fourier", "phase"}, default="fourier"
        Symmetries to register over: shift, flip and phase, or the phase alone.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float
        1 for perfect predictions, 0 for worthless ones.

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


class OrbitScorer:
    """Scorer that compares predictions with the truth modulo the symmetries of the measurement.

    Called as `scorer(estimator, X, y)`, it takes the boundary and the symmetries that `estimator`,
    or what is fitted inside it, learned in `fit` (`boundary_` and `symmetries_`). They are looked
    for in the last step of a pipeline, in the best estimator of a search and in the regressor of a
    meta-estimator. An estimator that has none is scored by the shapes of its input and its targets,
    over all symmetries.

    Parameters
    ----------
    metric : callable
        `relative_error`, `orbit_mean_squared_error`, `orbit_psnr`, `orbit_ssim`, or a function with
        their parameters.
    greater_is_better : bool, default=True
        Whether a greater value is better; otherwise the score is the negative value.
    boundary : {"auto", "zero", "circular"} or a sequence with one entry per object axis, default="auto"
        Boundary of shifts; "auto" takes that of the estimator.
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries to register over: shift, flip and phase, or the phase alone; "auto" takes those
        of the estimator.
    **parameters
        Further parameters of the metric, `data_range` for instance.

    Notes
    -----
    A score is always finite. That of `orbit_psnr`, at most 120 dB, leaves out objects that are zero
    everywhere, unless all are. Predictions with NaN or infinity, those of a network that diverged,
    raise a `ValueError`, and a search ranks such a candidate last. Each scorer of a dict predicts
    by itself. Scikit-learn's own scorers, such as "r2", know nothing of the symmetries, and refuse
    images ("Found array with dim 3").

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
                f"of skpr.metrics"
            )
        accepted = inspect.signature(metric).parameters
        if "boundary" not in accepted and not any(
            p.kind is p.VAR_KEYWORD for p in accepted.values()
        ):
            raise TypeError(
                f"metric={short(metric)} knows nothing of symmetries: it has no parameter "
                f"boundary; give "
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

    def __call__(self, estimator: Any, X: Batch, y: Batch, sample_weight: Any = None) -> float:
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
            Greater is better.
        """
        if y is None:
            raise ValueError(f"{self!r} requires y to be passed, but the target y is None")
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
        """Request sample weights where scikit-learn's metadata routing is enabled.

        Parameters
        ----------
        sample_weight : bool, None or str, default=True
            As of :meth:`sklearn.base.BaseEstimator.set_score_request`.

        Returns
        -------
        OrbitScorer
            A new scorer; this one is not changed.
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


def fitted_symmetries(
    estimator: Any, X: Batch, y: Batch, *, boundary: Any = "auto", symmetries: str = "auto"
) -> Any:
    r"""Return the boundary and the symmetries under which an estimator is to be scored.

    Parameters
    ----------
    estimator : fitted estimator
        Regressor of objects on magnitudes, or a pipeline, a search or a meta-estimator around one.
    X : array-like of shape (n_samples, ...)
        Input of the estimator.
    y : array-like of shape (n_samples, \*object_shape)
        True objects.
    boundary : {"auto", "zero", "circular"} or sequence of the latter with one entry per object axis, default="auto"
        Boundary to use; "auto" takes that of the estimator.
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


def _layers(estimator):
    """Yield an estimator and what is fitted inside it, from the outside in."""
    while estimator is not None:
        yield estimator
        steps = getattr(estimator, "steps", None)
        inner = [getattr(estimator, name) for name in INNER if hasattr(estimator, name)]
        estimator = steps[-1][1] if steps else inner[0] if inner else None


def _fits(boundary, shape):
    """Whether a fitted attribute is a boundary of objects of this shape: a regressor of flat
    targets has another.
    """
    return isinstance(boundary, tuple | list) and len(boundary) == len(shape)


def seen_by_regressor(estimator: Any, X: Batch) -> Any:
    """Return what the regressor inside an estimator receives of `X`: the magnitudes, where
    pipelines simulate them.

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


def _seen_shape(estimator, X, object_shape):
    """Shape of the magnitudes that the innermost estimator sees of `X`."""
    steps = [step for layer in _layers(estimator) for _, step in getattr(layer, "steps", ())]
    for step in steps:
        if getattr(step, "object_shape_", None) == object_shape and hasattr(step, "fourier_shape_"):
            return step.fourier_shape_
    return sample_shape_of(seen_by_regressor(estimator, X[:1]))


def _batches(*batches):
    """Batches on disk as such."""
    return (LazyBatch(batch) if is_on_disk(batch) else batch for batch in batches)


def _choices(metric, symmetries):
    """Parameters of a metric that restrict it to some symmetries; the sign of real objects is one
    in any case.
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
    """PSNR that may decide a search: none is that of an object that is zero everywhere."""
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
