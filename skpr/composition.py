"""Estimators made of estimators: regressors on symmetry-broken targets, polished ones, and both in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ._arrays import check_batch, check_choice
from ._lazy import LazyBatch, is_on_disk
from .augmentation import RandomDeformation
from .canonicalization import SymmetryCanonicalizer
from .fourier import FourierMagnitude
from .iterative import IterativePhaseRetrieval
from .metrics import squared_correlation
from .neural import PhaseRetrievalRegressor
from .neural._networks import MODULES

if TYPE_CHECKING:
    import torch

    from ._typing import Batch, Seed, Self

__all__ = ["PRESETS", "RefinedRegressor", "SymmetryBreakingRegressor", "make_phase_retriever"]

PRESETS = {
    "fast": {"module": "mlp"},
    "accurate": {
        "module": "unet",
        "module__hidden_width": 2048,
        "module__n_hidden_layers": 4,
        "module__n_stages": 3,
        "module__width": 64,
        "augmenter": RandomDeformation(),
        "lr": 1e-3,
        "max_epochs": 36,
        "batch_size": 256,
    },
}


class _AroundRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """What estimators with a parameter `regressor` share: its default, fit, score, features and tags."""

    def _fit_regressor(self, X, y, fit_params):
        regressor = PhaseRetrievalRegressor() if self.regressor is None else self.regressor
        self.regressor_ = clone(regressor).fit(X, y, **fit_params)
        if hasattr(self.regressor_, "feature_names_in_"):
            self.feature_names_in_ = self.regressor_.feature_names_in_
        return self

    def score(self, X: Batch, y: Batch) -> float:
        """Mean squared correlation with the truth modulo symmetries, `1 - relative_error`: 1 is perfect.

        Shifts are circular where magnitudes and objects have the same shape.
        """
        boundary = "circular" if np.shape(X) == np.shape(y) else "zero"
        X, y = (LazyBatch(batch) if is_on_disk(batch) else batch for batch in (X, y))
        return squared_correlation(self, X, y, boundary)

    @property
    def n_features_in_(self):
        """Number of features the regressor saw in `fit`."""
        check_is_fitted(self, "regressor_")
        return self.regressor_.n_features_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(PhaseRetrievalRegressor() if self.regressor is None else self.regressor)
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.target_tags.required = True
        tags.non_deterministic = inner.non_deterministic
        return tags


class SymmetryBreakingRegressor(_AroundRegressor):
    r"""Fit a regressor on transformed targets: the step that breaks the symmetries of a training set.

    The measurement is the same for every member of an object's orbit, so symmetry breaking concerns the target only:
    `fit` transforms `y` and fits the regressor on `X` and the result; `predict` is the regressor's. The parameter
    names are those of :class:`sklearn.compose.TransformedTargetRegressor`, which refuses complex targets,
    "passthrough" and transformers without an inverse.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; a :class:`skpr.PhaseRetrievalRegressor` if not given.
    transformer : transformer, "passthrough" or None, optional
        What makes targets canonical, a pipeline of transformers for instance; "passthrough" leaves them alone. A
        :class:`skpr.SymmetryCanonicalizer` if not given.

    Attributes
    ----------
    regressor_, transformer_ : estimator
        The fitted clones; `transformer_` is "passthrough" where there is none.
    n_features_in_ : int
        The regressor's.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> objects = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    >>> magnitudes = np.array([[3.0, 1.0], [3.0, 1.0]])
    >>> model = SymmetryBreakingRegressor(KNeighborsRegressor(n_neighbors=2), SymmetryCanonicalizer())
    >>> model.fit(magnitudes, objects).score(magnitudes, objects)
    1.0
    """

    def __init__(self, regressor: Any = None, transformer: Any = None) -> None:
        self.regressor = regressor
        self.transformer = transformer

    def fit(self, X: Batch, y: Batch, **fit_params: Any) -> Self:
        r"""Fit the transformer on the targets and the regressor on what it makes of them.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes, checked by the regressor.
        y : array-like of shape (n_samples, \*object_shape)
            Objects.
        **fit_params
            Passed to the regressor's `fit`.

        Returns
        -------
        self
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        y = check_batch(y, name="y")
        transformer = SymmetryCanonicalizer() if self.transformer is None else self.transformer
        if isinstance(transformer, str):
            if transformer != "passthrough":
                raise ValueError(f"transformer={transformer!r} is not valid; give a transformer or 'passthrough'")
            self.transformer_ = "passthrough"
        else:
            self.transformer_ = clone(transformer)
            y = self.transformer_.fit_transform(y)
        return self._fit_regressor(X, y, fit_params)

    def predict(self, X: Batch) -> np.ndarray:
        r"""Reconstruct objects.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray of shape (n_samples, \*object_shape)
        """
        check_is_fitted(self, "regressor_")
        return self.regressor_.predict(X)


class RefinedRegressor(_AroundRegressor):
    r"""Polish a regressor's prediction with the magnitudes it was made from.

    A network's one pass is near the object, but not exact; a few hundred iterations of a classical algorithm, started
    there, mostly are.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; a :class:`skpr.PhaseRetrievalRegressor` if not given.
    refiner : IterativePhaseRetrieval, "auto" or None, default="auto"
        What polishes: an estimator with `fit(X, y)` and `retrieve(X, init)`. "auto" is
        `IterativePhaseRetrieval(n_iter=300, random_state=0)`; `None` leaves predictions alone, and is a value for a
        grid. `IterativePhaseRetrieval("apg")` fine-tunes each sample by gradient on the amplitude loss.

    Attributes
    ----------
    regressor_, refiner_ : estimator
        The fitted clones; `refiner_` is None where there is none.
    n_features_in_ : int
        The regressor's.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((4, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> RefinedRegressor(DummyRegressor(), refiner=None).fit(magnitudes, objects).predict(magnitudes).shape
    (4, 8)
    """

    def __init__(self, regressor: Any = None, refiner: Any = "auto") -> None:
        self.regressor = regressor
        self.refiner = refiner

    def fit(self, X: Batch, y: Batch, **fit_params: Any) -> Self:
        r"""Fit the regressor; tell the refiner the shapes.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes.
        y : array-like of shape (n_samples, \*object_shape)
            Objects.
        **fit_params
            Passed to the regressor's `fit`.

        Returns
        -------
        self
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        refiner = self.refiner
        if isinstance(refiner, str):
            if refiner != "auto":
                raise ValueError(f"refiner={refiner!r} is not valid; give an estimator with retrieve, 'auto' or None")
            refiner = IterativePhaseRetrieval(n_iter=300, random_state=0)
        elif refiner is not None and not hasattr(refiner, "retrieve"):
            raise TypeError(
                f"refiner={refiner!r} has no method retrieve; give an IterativePhaseRetrieval, 'auto' or None"
            )
        # the quick one first: what is wrong with the shapes should not show after the training
        self.refiner_ = None if refiner is None else clone(refiner).fit(X, y)
        return self._fit_regressor(X, y, fit_params)

    def predict(self, X: Batch) -> np.ndarray:
        r"""Reconstruct objects.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray of shape (n_samples, \*object_shape)
        """
        check_is_fitted(self, "regressor_")
        predicted = self.regressor_.predict(X)
        if self.refiner_ is None:
            return predicted
        result = self.refiner_.retrieve(X, init=predicted)
        if not result.finished.any(axis=1).all():
            raise KeyboardInterrupt("interrupted before every sample was refined")
        return result.objects

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.refiner is not None:
            tags.input_tags.positive_only = True
            # it believes the magnitudes, not the targets: what are no magnitudes of theirs it cannot fit
            tags.regressor_tags.poor_score = True
            if not isinstance(self.refiner, str):
                tags.non_deterministic = tags.non_deterministic or get_tags(self.refiner).non_deterministic
        return tags


def make_phase_retriever(
    module: Any = None,
    *,
    preset: str = "fast",
    oversampling: float = 2.0,
    fourier_shape: int | tuple[int, ...] | None = None,
    shift: str | None = "template",
    flip: str | None = "template",
    phase: str | None = "auto",
    boundary: str | None = None,
    refiner: Any = None,
    device: str | torch.device = "auto",
    random_state: Seed = None,
    **regressor_params: Any,
) -> Pipeline:
    """Build the pipeline that simulates magnitudes, breaks symmetries and trains a network.

    Parameters
    ----------
    module : {"mlp", "unet"} or torch.nn.Module class, optional
        See :class:`skpr.PhaseRetrievalRegressor`; the preset's if not given.
    preset : {"fast", "accurate"}, default="fast"
        Where the regressor's parameters come from that are not given: "fast" is a perceptron with its defaults;
        "accurate" a larger `"unet"`, trained thirty-six times over on objects that are deformed anew each time
        (:class:`skpr.augmentation.RandomDeformation`), at many times the cost. It is what won without oversampling;
        with it, `module="unet"` alone does better for its time.
    oversampling, fourier_shape
        See :class:`skpr.FourierMagnitude`.
    shift, flip, phase
        See :class:`skpr.SymmetryCanonicalizer`.
    boundary : {"zero", "circular"}, optional
        By default "circular" for an oversampling of 1, else "zero".
    refiner : IterativePhaseRetrieval, "auto" or None, default=None
        What polishes predictions; where it is not None, the step `retrieve` is a :class:`RefinedRegressor` around
        what it is otherwise.
    device, random_state, **regressor_params
        See :class:`skpr.PhaseRetrievalRegressor`; its `detector` draws noise and unmeasured pixels for each batch.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fit it on objects, as `fit(objects, objects)`; for measured magnitudes leave the simulation out, as
        `model[1:].predict(magnitudes)`. The canonicalizer is the parameter `retrieve__transformer__canonicalize`.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.random.default_rng(0).random((64, 8, 8))
    >>> model = make_phase_retriever(max_epochs=2, module__hidden_width=32, random_state=0, device="cpu")
    >>> model.fit(objects, objects).predict(objects).shape
    (64, 8, 8)
    """
    if boundary is None:
        boundary = "circular" if fourier_shape is None and oversampling == 1 else "zero"
    check_choice("preset", preset, tuple(PRESETS))
    chosen = dict(PRESETS[preset])
    if module is not None and module not in (chosen["module"], MODULES[chosen["module"]]):
        # the preset's sizes are of its own network
        chosen = {name: value for name, value in chosen.items() if not name.startswith("module__")} | {"module": module}
    chosen |= {"device": device, "random_state": random_state} | regressor_params
    of_steps = {name: chosen.pop(name) for name in list(chosen) if name.startswith(("augmenter__", "detector__"))}
    network = clone(PhaseRetrievalRegressor(**chosen)).set_params(**of_steps)
    canonicalizer = SymmetryCanonicalizer(shift, flip, phase, boundary=boundary)
    retriever = SymmetryBreakingRegressor(network, Pipeline([("canonicalize", canonicalizer)]))
    if isinstance(refiner, str) and refiner == "auto":
        refiner = IterativePhaseRetrieval(n_iter=300, random_state=random_state, device=device)
    if refiner is not None:
        retriever = RefinedRegressor(retriever, refiner)
    magnitude = FourierMagnitude(oversampling=oversampling, fourier_shape=fourier_shape)
    return Pipeline([("magnitude", magnitude), ("retrieve", retriever)])
