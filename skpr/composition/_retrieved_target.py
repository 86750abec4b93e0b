"""Regressor on targets that are retrieved where they are not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, check_memory

from .._arrays import inspect_batch
from .._validation import check_count, short
from ..iterative import IterativePhaseRetrieval
from ..measurement import look_at
from ._around import AroundRegressor, _regressor_has, as_features
from ._counted_again import with_new_counts
from ._parts import check_part, is_direct, parts_of, told
from ._pipeline import takes_objects
from ._refined import learned_unit, times
from ._retrieved import (
    Targets,
    as_patterns,
    check_accepted,
    check_enough,
    checked_targets,
    counted,
    default_retriever,
    drawn_seeds,
    fitted_retriever,
    retrieved,
    rows_of,
    seeded,
    weights_of,
)
from ._symmetry_breaking import SymmetryBreakingRegressor

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self


class RetrievedTargetRegressor(AroundRegressor):
    r"""Train a regressor without objects, on targets that are retrieved.

    `fit(X)` takes magnitudes alone. It retrieves an object for each pattern by iterations, drops
    those that failed and trains the regressor on the others. A retrieved object is any member of
    its orbit, so the regressor must break the symmetries or have a loss that ignores them.

    Held-out pixels and the agreement of independent starts judge the retrieved objects. The Fourier
    error cannot: superpositions of an object and its twin, and objects of a loose support, fit the
    pixels they were retrieved from.

    The parameters are named as in :class:`sklearn.compose.TransformedTargetRegressor`, which fits a
    regressor on transformed targets. As in scikit-learn's semi-supervised estimators, targets may
    be known for some samples only: in `fit(X, y)`, objects that are NaN in every pixel are
    retrieved, and the others are used as they are.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; by default a
        :class:`skpr.SymmetryBreakingRegressor`, which trains a network on canonical targets.
        `PhaseRetrievalRegressor(criterion="orbit")` minimises its loss over the symmetries instead.
    retriever : IterativePhaseRetrieval, optional
        Iterations that retrieve the objects. By default 200 iterations of 4 starts, in the whole
        frame for non-negative objects and with a search for the support for others. The frame is
        that of `y`, even if all of it is NaN, or half the Fourier grid. A single start is judged by
        held-out pixels alone.
    accepted : sequence of str, default=("good", "doubtful", "undecided")
        Verdicts of those retrieved objects that the regressor is trained on; see
        :meth:`skpr.iterative.Retrieval.summary`. Under noise, few objects are good, and many that
        are not still teach the network.
    n_simulated : int, default=3
        Number of patterns that are simulated from each retrieved object, with new counting noise,
        and trained on beside the measured one. They keep the regressor from learning the noise of
        its patterns. Only patterns that are photon counts, in an array or tensor, and not blurred
        by a partly coherent beam are simulated, and none if the regressor has a `detector`.
    memory : str or joblib.Memory, optional
        Folder or cache that keeps the retrieved objects, so that a grid search retrieves each of
        its training sets only once. Needs a `random_state`.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts, and of all parts without a `random_state` of their own.

    Attributes
    ----------
    regressor_, retriever_ : estimator
        Fitted clones.
    targets_ : ndarray of shape (n_samples, \*object_shape)
        Given and retrieved objects, before their symmetries are broken; NaN where a retrieved one
        was dropped.
    verdicts_ : ndarray of str of shape (n_samples,)
        "given" for known objects, else "good", "doubtful", "failed" or "undecided".
    accepted_ : ndarray of bool of shape (n_samples,)
        Mask of the samples that the regressor was trained on.
    unit_ : float
        Unit of the objects relative to that of an inverse unnormalised Fourier transform of the
        magnitudes; 1 if no object is known.
    boundary_ : tuple of {"zero", "circular"}, one for each object axis
        Boundary of the shifts that `score` registers over.
    symmetries_ : {"fourier"}
        Symmetries that `score` registers over: shift, flip and phase.
    object_shape_, target_shape_ : tuple of int
        Shape of one object.
    n_features_in_ : int
        Number of features that the regressor saw in `fit`.

    Warns
    -----
    UserWarning
        If most of the retrieved objects are doubtful or failed.

    See Also
    --------
    skpr.SymmetryBreakingRegressor : Regressor on targets whose symmetries are broken.
    sklearn.semi_supervised.SelfTrainingClassifier : Classifier that labels samples itself.

    Notes
    -----
    Networks are also trained without objects by a loss on the magnitudes (AutoPhaseNN, 2022;
    PtychoPINN, 2023). Such a loss does not choose between an object and its twin, and in trials
    here ended in superpositions of both. Retrieving the objects first avoids that, because each
    retrieved object is one member of its orbit.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, PhaseRetrievalRegressor
    >>> objects = np.random.default_rng(0).random((32, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)  # stand in for measured ones
    >>> network = PhaseRetrievalRegressor(max_epochs=2, module__hidden_width=32, device="cpu")
    >>> model = RetrievedTargetRegressor(network.set_params(criterion="orbit"), random_state=0)
    >>> model.fit(magnitudes).predict(magnitudes).shape
    (32, 8, 8)

    Some objects are known:

    >>> objects[4:] = np.nan
    >>> model.fit(magnitudes, objects).verdicts_[:5]
    array(['given', 'given', 'given', 'given', 'good'], dtype='<U9')
    """

    symmetries = "fourier"  # iterations retrieve from Fourier magnitudes only

    def __init__(
        self,
        regressor: Any = None,
        retriever: Any = None,
        *,
        accepted: Any = ("good", "doubtful", "undecided"),
        n_simulated: int = 3,
        memory: Any = None,
        random_state: Seed = None,
    ) -> None:
        self.regressor = regressor
        self.retriever = retriever
        self.accepted = accepted
        self.n_simulated = n_simulated
        self.memory = memory
        self.random_state = random_state

    def fit(self, X: Batch, y: Batch | None = None, **fit_params: Any) -> Self:
        r"""Retrieve unknown objects, and fit a clone of the regressor.

        A regressor with `warm_start=True` that this estimator has fitted before continues its
        training; the retriever then stays as fitted.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            Objects; NaN in every pixel of those that are not known. None if none is known.
        **fit_params
            Parameters of the regressor's `fit`, routed if scikit-learn's metadata routing is
            enabled. Arrays with one entry per sample keep those of the accepted samples.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid, an object is NaN in some pixels only, shapes do not fit, or
            no object is known or accepted.
        TypeError
            If a part is a class instead of an estimator, or lacks a method.
        KeyboardInterrupt
            If interrupted before every pattern had a finished start.
        """
        return self._train(X, y, "fit", self._continues(), fit_params)

    @available_if(_regressor_has("partial_fit"))
    def partial_fit(self, X: Batch, y: Batch | None = None, **fit_params: Any) -> Self:
        r"""Train the regressor further by its `partial_fit`.

        The retriever is fitted by the first call and stays as it is in later ones. This method is
        available if the regressor has it.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            Objects; NaN in every pixel of those that are not known.
        **fit_params
            Parameters of the regressor's `partial_fit`.

        Returns
        -------
        self
        """
        return self._train(X, y, "partial_fit", hasattr(self, "regressor_"), fit_params)

    def predict(self, X: Batch) -> Any:
        r"""Reconstruct objects from magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            Predictions of the regressor, in the type it returns.
        """
        check_is_fitted(self, "regressor_")
        return self._predicted(as_features(X)[0])

    def score(self, X: Batch, y: Batch | None = None, sample_weight: Any = None) -> float:
        r"""Return the mean squared correlation with true or retrieved objects.

        It is `1 - relative_error`, modulo symmetries; 1 is perfect. Without known objects,
        predictions are compared with objects that are retrieved and accepted as those of `fit` are.
        Patterns that iterations do not solve then do not count.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            True objects. Those that are NaN in every pixel are left out, unless all are.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample in the mean.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no object is known or accepted, or `accepted` is not valid.
        """
        check_is_fitted(self, "regressor_")
        check_accepted(self.accepted)
        features, magnitudes = as_features(X)
        objects, is_known = checked_targets(y, len(magnitudes))
        if not is_known.any():
            found = retrieved(self.retriever_, as_patterns(magnitudes), self.memory)
            objects, is_known = found.objects, np.isin(found.verdicts, list(self.accepted))
            if not is_known.any():
                raise ValueError(
                    f"no object to score against was retrieved: {counted(found.verdicts)}"
                )
        rows = np.flatnonzero(is_known)
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight, rows, len(magnitudes))
        return super().score(rows_of(features, rows), objects[rows], sample_weight)

    # --- training ---------------------------------------------------------------------------------

    def _train(self, X, y, method, continues, fit_params):
        """Retrieve targets, and train on those that are accepted."""
        regressor = self._given_regressor()
        self._check_parts()
        check_part("regressor", regressor, ("get_params", method, "predict"), "a regressor or None")
        _check_takes_magnitudes(regressor)
        # no warning of the layout here, because the training gives it
        known = {"allow_complex": False, "ensure_all_finite": False, "warn": False}
        magnitudes = inspect_batch(X, **known)[0]
        magnitudes = magnitudes.detach() if isinstance(X, torch.Tensor) else magnitudes
        features = X if hasattr(X, "columns") else magnitudes
        objects, is_known = checked_targets(y, len(magnitudes))
        before = dict(vars(self))
        try:
            if not continues:
                self._seed, seed = drawn_seeds(self.random_state, 2)
                self._fit_retriever(regressor, magnitudes, objects, is_known, seed)
            targets = self._completed(magnitudes, objects, is_known)
            accepted = np.isin(targets.verdicts, ["given", *self.accepted])
            rows = np.flatnonzero(accepted)
            check_enough(targets.verdicts, accepted)
            fit_params = {
                name: np.asarray(value)[rows]
                if np.ndim(value) and len(value) == len(accepted)
                else value
                for name, value in fit_params.items()
            }
            features = features if accepted.all() else rows_of(features, rows)
            part = Targets(*(values[rows] for values in targets))
            n_simulated = 0 if told(regressor, "detector") is not None else self.n_simulated
            features, trained_on, fit_params = with_new_counts(
                features, part, fit_params, self.retriever_, n_simulated, self._seed
            )
            super()._train(features, trained_on, method, continues, fit_params)
        except BaseException:  # a new retriever must not be combined with the old regressor
            vars(self).clear()
            vars(self).update(before)
            raise
        targets.objects[~accepted] = np.nan
        self.targets_, self.verdicts_ = targets.objects, targets.verdicts
        self.accepted_ = accepted
        return self

    def _fit_retriever(self, regressor, magnitudes, objects, is_known, seed):
        """Fit a clone of the retriever, with the regressor's layout and device."""
        centered, device = told(regressor, "centered"), told(regressor, "device", "auto")
        is_default = self.retriever is None
        if is_default:
            # mps has no double precision, which iterations need
            device = "auto" if str(device).startswith("mps") else device
            retriever = default_retriever(centered is not False, device)
        else:
            retriever = self.retriever
        if centered is not None and retriever.centered != centered and is_direct(regressor):
            raise ValueError(
                f"the retriever has centered={retriever.centered}, but the regressor has "
                f"centered={centered}; both are given the same magnitudes, so give both the same "
                "value"
            )
        retriever = seeded(retriever, seed)
        self.unit_ = 1.0
        if is_known.any():
            some = magnitudes if is_known.all() else rows_of(magnitudes, np.flatnonzero(is_known))
            self.unit_ = learned_unit(some, objects[is_known], retriever.centered)
        self.retriever_ = fitted_retriever(
            retriever, as_patterns(magnitudes), objects, is_known, is_default=is_default
        )

    def _completed(self, magnitudes, objects, is_known):
        """Return the given objects, with retrieved ones where there is none."""
        verdicts = np.full(len(magnitudes), "given", dtype="<U9")
        is_blurred = np.zeros(len(magnitudes), dtype=bool)
        if is_known.all():
            return Targets(objects.copy(), verdicts, is_blurred)
        unknown = np.flatnonzero(~is_known)
        look_at(magnitudes, self.retriever_.centered, type(self).__name__, None)
        found = retrieved(self.retriever_, rows_of(as_patterns(magnitudes), unknown), self.memory)
        values = times(found.objects, self.unit_)
        if objects is None:
            completed = values
        else:
            completed = objects.astype(np.result_type(objects, values))
            completed[unknown] = values
        verdicts[unknown], is_blurred[unknown] = found.verdicts, found.is_blurred
        return Targets(completed, verdicts, is_blurred)

    def _trained(self, regressor, X, targets, method, continues, fit_params):
        if self.random_state is not None:
            regressor = seeded(regressor, self._seed)
        return super()._trained(regressor, X, targets, method, continues, fit_params)

    def _prepared_targets(self, magnitudes, y, continues):
        return y

    def _given_regressor(self):
        return SymmetryBreakingRegressor() if self.regressor is None else self.regressor

    def _check_parts(self):
        if isinstance(self.retriever, type):
            check_part("retriever", self.retriever, (), "")
        if not (self.retriever is None or isinstance(self.retriever, IterativePhaseRetrieval)):
            raise TypeError(
                f"retriever={short(self.retriever)} is not valid; give an IterativePhaseRetrieval "
                "or None"
            )
        check_accepted(self.accepted)
        check_count("n_simulated", self.n_simulated, low=0)
        check_memory(self.memory)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.positive_only = True
        tags.non_deterministic = self.random_state is None
        return tags


def _check_takes_magnitudes(regressor):
    """Refuse a regressor that simulates its own magnitudes."""
    if any(takes_objects(part) for part in parts_of(regressor)):
        raise ValueError(
            "the regressor simulates the magnitudes of its training objects, but is trained on "
            "those in X here: give make_phase_retriever(simulate=False), or the part of the "
            "pipeline behind the simulation, pipeline[1:]"
        )
