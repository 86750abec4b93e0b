"""Pipeline that simulates the magnitudes of its training objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from .. import detector
from .._arrays import sample_shape_of
from ..fourier import FourierMagnitude
from ..gaussian import GaussianMagnitude
from ._around import way_out_of
from ._parts import check_layouts, is_direct

if TYPE_CHECKING:
    from .._typing import Batch, Self

FORWARD_MODELS = FourierMagnitude, GaussianMagnitude
SIMULATIONS = *FORWARD_MODELS, *(getattr(detector, name) for name in detector.__all__)


def _predicts(pipeline):
    return hasattr(pipeline.steps[-1][1], "predict")


class PhaseRetrievalPipeline(Pipeline):
    r"""Pipeline that simulates the magnitudes it is trained on.

    `fit`, `predict` and `score` take objects and simulate what a detector would record.
    :meth:`reconstruct` takes measured magnitudes. Everything else works as in
    :class:`sklearn.pipeline.Pipeline`: cloning, slices (`model[1:]` is the part after the
    simulation), grid searches and `save_model`. :func:`skpr.make_phase_retriever` builds such a
    pipeline.

    Parameters
    ----------
    steps, transform_input, memory, verbose
        Parameters of :class:`sklearn.pipeline.Pipeline`.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> objects = np.random.default_rng(0).random((3, 8, 8))
    >>> retriever = IterativePhaseRetrieval(n_iter=20, random_state=0)
    >>> model = PhaseRetrievalPipeline(
    ...     [("magnitude", FourierMagnitude()), ("retrieve", retriever)]
    ... )
    >>> measured = FourierMagnitude().fit_transform(objects)
    >>> model.fit(objects, objects).reconstruct(measured).shape
    (3, 8, 8)
    """

    def fit(self, X: Batch, y: Batch | None = None, **params: Any) -> Self:
        r"""Simulate magnitudes of the objects, and fit the last step on them.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            Objects; magnitudes for a pipeline without simulation.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            The same objects.
        **params
            Parameters of :meth:`sklearn.pipeline.Pipeline.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `X` and `y` differ in shape although the first step is the forward model, or steps
            disagree on the position of zero frequency.
        """
        self._check_simulation(X, y)
        return super().fit(X, y, **params)

    @available_if(_predicts)
    def predict(self, X: Batch, **params: Any) -> Any:
        r"""Simulate magnitudes of objects, and reconstruct objects from them.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            Objects; magnitudes for a pipeline without simulation.
        **params
            Parameters of :meth:`sklearn.pipeline.Pipeline.predict`.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            Reconstructed objects.

        Raises
        ------
        ValueError
            If `X` has the shape of magnitudes and objects have another one.
        """
        self._check_objects(X)
        return super().predict(X, **params)

    @available_if(_predicts)
    def score(
        self, X: Batch, y: Batch | None = None, sample_weight: Any = None, **params: Any
    ) -> float:
        r"""Return the score of the last step on simulated magnitudes.

        Parameters
        ----------
        X, y : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            The same objects; magnitudes and objects for a pipeline without simulation.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample in the score.
        **params
            Parameters of :meth:`sklearn.pipeline.Pipeline.score`.

        Returns
        -------
        float
        """
        self._check_objects(X)
        return super().score(X, y, sample_weight=sample_weight, **params)

    @available_if(_predicts)
    def reconstruct(self, X: Batch, **params: Any) -> Any:
        r"""Reconstruct objects from measured magnitudes.

        This is `predict` without the simulation: the forward model
        (:class:`skpr.FourierMagnitude` or :class:`skpr.GaussianMagnitude`), the steps before it and
        the steps of :mod:`skpr.detector` after it are left out.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        **params
            Parameters of the last step's `predict`.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            Reconstructed objects.

        Warns
        -----
        UserWarning
            If objects and magnitudes have one shape, and `X` looks like objects to the last step.
        """
        return self[self._n_simulating() :].predict(X, **params)

    def _check_objects(self, X):
        """Refuse magnitudes where the pipeline simulates them from objects."""
        first = self.steps[0][1]
        if len(self.steps) < 2 or not hasattr(first, "fourier_shape_"):
            return
        shape = sample_shape_of(X)
        if shape == first.fourier_shape_ != first.object_shape_:
            raise ValueError(
                f"X has samples of shape {shape}, that of magnitudes, but this pipeline simulates "
                f"the magnitudes of objects of shape {first.object_shape_}; give measured "
                "magnitudes to its method reconstruct"
            )

    def _n_simulating(self):
        """Return the number of steps up to the last one that simulates."""
        numbers = (
            number for number, (_, step) in enumerate(self.steps[:-1], 1) if _simulates(step)
        )
        return max(numbers, default=0)

    def _check_simulation(self, X, y):
        if not takes_objects(self):
            return
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; it "
                "simulates the magnitudes of its training objects, so call fit(objects, "
                f"objects){way_out_of(X)}"
            )
        shapes = sample_shape_of(X), sample_shape_of(y, name="y")
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"X has samples of shape {shapes[0]} and y of shape {shapes[1]}, but this "
                "pipeline simulates the magnitudes of its training objects: call fit(objects, "
                "objects), or fit measured magnitudes with make_phase_retriever(simulate=False)"
            )
        if self._n_simulating() == len(self.steps) - 1 and is_direct(self.steps[-1][1]):
            check_layouts(self.get_params())


def takes_objects(estimator):
    """Return whether an estimator simulates its own magnitudes."""
    return (
        isinstance(estimator, PhaseRetrievalPipeline)
        and len(estimator.steps) > 1
        and isinstance(estimator.steps[0][1], FORWARD_MODELS)
    )


def _simulates(step):
    if isinstance(step, Pipeline):
        return any(_simulates(part) for _, part in step.steps)
    return isinstance(step, SIMULATIONS)
