"""Refiner that improves the starts of iterations by a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from sklearn.base import RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_lit, inspect_batch
from .._base import MagnitudesMixin, RestoredEstimator
from .._validation import check_count
from ..iterative import IterativePhaseRetrieval
from ..metrics import OrbitScoreMixin, fourier_error
from ..neural import EstimateRegressor
from ._network_parts import check_frozen, check_network, look_at_patterns, look_at_training
from ._parts import check_part, told
from ._refined import learned_unit, times
from ._rounds import (
    LARGEST_SEED,
    as_array,
    improved,
    parts_of_starts,
    started,
    trained_on_rounds,
    was_interrupted,
)

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self
    from ..iterative import Retrieval

# Noise moves the fixed points of iterations, and moves them less under smaller feedback: started
# from the truth, hybrid input-output drifts away from it. The feedback therefore falls.
SETTLING = (
    ("hpr", 200),
    *(("raar", 15, beta) for beta in (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)),
    ("apg", 5),
)
# an improved object is near the truth: the algorithm that moves furthest is left out
RESTARTING = SETTLING[1:]
KNOWLEDGE = "support", "object_shape", "constraints", "coherence", "noise"


class NetworkRefiner(OrbitScoreMixin, MagnitudesMixin, RegressorMixin, RestoredEstimator):
    r"""Network that improves the starts of iterations.

    Under noise, iterations end far from the best result that the data allow, and independent starts
    end in different places. This estimator makes several starts of each pattern by iterations,
    registers them, and gives their statistics to a network together with the magnitudes. The
    network makes a better object, from which further rounds of starts begin.

    `fit` makes its own starts of the training patterns and moves the objects in `y` onto them, so
    that the network need not average over symmetries. `predict` starts at random;
    `retrieve(X, init)` starts from given objects, so that the estimator can be the refiner of a
    :class:`skpr.RefinedRegressor`.

    Parameters
    ----------
    network : EstimateRegressor, optional
        Network that improves the starts; by default an :class:`skpr.neural.EstimateRegressor`. One
        inside a :class:`sklearn.frozen.FrozenEstimator` is not trained again, and may have been
        trained on objects of another size.
    retriever : IterativePhaseRetrieval, optional
        Iterations that make the starts. By default 200 iterations of "hpr", 90 of "raar" with a
        feedback that falls from 0.95 to 0.7, and 5 of "apg". The starts then settle where noise
        moves them least.
    restarter : IterativePhaseRetrieval, optional
        Iterations that make new starts from improved or given objects. By default those of the
        default `retriever` without "hpr".
    n_starts : int, default=8
        Number of starts per pattern, for a `retriever` or `restarter` that is not given.
    n_rounds : int, default=2
        Number of further rounds. Each makes new starts from the improved objects, and improves
        these.
    n_training_rounds : int, default=1
        Number of further rounds of training. After the training on the first starts, each round
        makes new starts from the improved training objects, and trains the network further on all
        starts so far. A `checkpoint` of the network covers the first training only.
    n_passes : int, default=1
        Number of times that the network improves the starts of the last round; after the first, its
        own output is the estimate to improve. Under noise, one pass is better.
    n_best : int, optional
        Number of starts with the smallest errors that enter mean and spread; all by default.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes. A given `network` or `retriever`
        must have the same value.
    device : str or torch.device, default="auto"
        Device of those parts that are not given.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts and of the network. A `random_state` of the parts is replaced by a seed
        drawn at `fit`, so that `predict` always makes the same starts.

    Attributes
    ----------
    network_ : EstimateRegressor
        Trained network.
    retriever_, restarter_ : IterativePhaseRetrieval
        Fitted clones.
    unit_ : float
        Unit of the objects relative to that of an inverse unnormalised Fourier transform of the
        magnitudes.
    fourier_shape_, object_shape_ : tuple of int
    constraints_ : {"non_negative", "real", "complex"}
        Kind of object.
    boundary_ : tuple of {"zero", "circular"}
        Boundary of shifts along each axis.
    n_features_in_ : int

    See Also
    --------
    skpr.iterative.combine_starts : Statistics of the starts.
    skpr.composition.PosteriorRefiner : Refiner that weighs a prediction by its noise.

    Notes
    -----
    Networks that improve the results of iterations are known from prNet (2025) and I2I-PR
    (arXiv 2507.09609, 2025), which also shows an ensemble of starts to the network.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> from skpr.neural import EstimateRegressor
    >>> objects = np.random.default_rng(0).random((8, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> refiner = NetworkRefiner(
    ...     EstimateRegressor(max_epochs=2, module__width=8, device="cpu"),
    ...     IterativePhaseRetrieval("raar", 20, n_starts=3, device="cpu"),
    ...     random_state=0,
    ... )
    >>> refiner.fit(magnitudes, objects).predict(magnitudes).shape
    (8, 8, 8)
    """

    _read_by_fit = "n_starts", "centered"

    def __init__(
        self,
        network: Any = None,
        retriever: Any = None,
        restarter: Any = None,
        *,
        n_starts: int = 8,
        n_rounds: int = 2,
        n_training_rounds: int = 1,
        n_passes: int = 1,
        n_best: int | None = None,
        centered: bool = True,
        device: str | torch.device = "auto",
        random_state: Seed = None,
    ) -> None:
        self.network = network
        self.retriever = retriever
        self.restarter = restarter
        self.n_starts = n_starts
        self.n_rounds = n_rounds
        self.n_training_rounds = n_training_rounds
        self.n_passes = n_passes
        self.n_best = n_best
        self.centered = centered
        self.device = device
        self.random_state = random_state

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        r"""Make starts of the training patterns, and train the network on them.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            Objects. They may be left out only for a frozen network, whose objects then have the
            shape of the `retriever`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid, `y` is missing or not finite, magnitudes are negative, or
            shapes do not fit.
        TypeError
            If a part is a class instead of an estimator, or lacks a method.
        KeyboardInterrupt
            If interrupted before every pattern had a finished start.
        """
        self._check_parameters()
        network, *iterations = self._built_parts()
        frozen = isinstance(network, FrozenEstimator)
        if y is None and not frozen:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; only "
                "network=FrozenEstimator(...) does without"
            )
        random = check_random_state(self.random_state)
        seeds = [int(random.randint(LARGEST_SEED)) for _ in range(3)]
        for part, seed in zip(iterations, seeds, strict=False):
            part.set_params(random_state=seed).fit(X, y)
        X = as_array(inspect_batch(X, name="X", ensure_all_finite="allow-nan", warn=False)[0])
        unit = 1.0
        if y is not None:
            y, facts = inspect_batch(y, name="y", warn=False)
            check_lit("y", y, facts)
            y = y.detach() if isinstance(y, torch.Tensor) else y
            unit = learned_unit(X, y, self.centered)
        retriever, restarter = iterations
        self._check_restarter(retriever, restarter)
        self.constraints_, self.boundary_ = retriever.constraints_, retriever.boundary_
        self._form = look_at_training(self, X, y)
        if frozen:
            check_frozen(network, retriever)
        else:
            network.set_params(random_state=seeds[2])
            rounds = {"n_rounds": self.n_training_rounds, "n_best": self.n_best}
            y = times(as_array(y), 1 / unit)
            trained_on_rounds(network, retriever, restarter, X, y, **rounds)
        self.network_, self.retriever_, self.restarter_ = network, retriever, restarter
        self.unit_ = unit
        self.fourier_shape_, self.object_shape_ = retriever.fourier_shape_, retriever.object_shape_
        self.symmetries_ = "fourier"
        self._remember_parameters()
        self.n_features_in_ = retriever.n_features_in_
        return self

    def predict(self, X: Batch) -> Any:
        r"""Reconstruct objects from magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape_)
            Objects in the unit of those in `y`, in the precision of `X`.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before every pattern had a finished start.
        """
        return times(self.retrieve(X).objects, self.unit_)

    def retrieve(self, X: Batch, init: Batch | None = None) -> Retrieval:
        r"""Reconstruct objects, and return the last starts, too.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        init : array-like or torch.Tensor of shape (n_samples, \*object_shape_), optional
            Objects to start from, such as the predictions of a network. Random starts by default.

        Returns
        -------
        Retrieval
            Improved objects and their Fourier errors, in the unit of an inverse unnormalised
            transform of the magnitudes. The other attributes are those of the last round of starts.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before every pattern had a finished start.
        """
        check_is_fitted(self, "retriever_")
        self._check_parameters()
        self._check_unchanged()
        given = X
        iterations = self.retriever_ if init is None else self.restarter_
        X = as_array(inspect_batch(X, name="X", ensure_all_finite="allow-nan", warn=False)[0])
        look_at_patterns(self, X)
        found = started(iterations, X, init, 0)
        parts = parts_of_starts(X, found, self.n_best, self.boundary_)
        objects = improved(self.network_, parts, self.constraints_)
        for number in range(1, self.n_rounds + 1):
            if was_interrupted(iterations, found):
                break
            iterations = self.restarter_
            found = started(iterations, X, objects, number)
            parts = parts_of_starts(X, found, self.n_best, self.boundary_)
            objects = improved(self.network_, parts, self.constraints_)
        for _ in range(1, self.n_passes):
            parts = parts | {"estimate": objects}
            objects = improved(self.network_, parts, self.constraints_)
        errors = fourier_error(X, objects, centered=self.centered, multioutput="raw_values")
        found = found._replace(objects=objects, errors=errors)
        if isinstance(given, torch.Tensor):
            place = {"device": given.device}
            found = found._replace(
                objects=torch.as_tensor(objects, **place),
                starts=torch.as_tensor(found.starts, **place),
            )
        return found

    # --- parts ------------------------------------------------------------------------------------

    def _built_parts(self):
        """Return clones of network, retriever and restarter."""
        shared = {"centered": self.centered, "device": self.device}
        network = EstimateRegressor(**shared) if self.network is None else clone(self.network)
        retriever, restarter = (
            IterativePhaseRetrieval(list(schedule), n_starts=self.n_starts, **shared)
            if given is None
            else clone(given)
            for given, schedule in ((self.retriever, SETTLING), (self.restarter, RESTARTING))
        )
        if self.restarter is None:  # what is known of the objects is known in every round
            restarter.set_params(**{name: getattr(retriever, name) for name in KNOWLEDGE})
        for name, part in (
            ("network", network),
            ("retriever", retriever),
            ("restarter", restarter),
        ):
            own = told(part, "centered", self.centered)
            if own != self.centered:
                raise ValueError(
                    f"the {name} has centered={own}, but {type(self).__name__} has "
                    f"centered={self.centered}; both are given the same magnitudes, so give both "
                    "the same value"
                )
        return network, retriever, restarter

    def _check_parameters(self):
        iterations = ("fit", "retrieve"), "an IterativePhaseRetrieval or None"
        if self.network is not None:
            check_network(self.network)
        for name in ("retriever", "restarter"):
            if getattr(self, name) is not None:
                check_part(name, getattr(self, name), *iterations)
        check_count("n_starts", self.n_starts)
        check_count("n_rounds", self.n_rounds, low=0)
        check_count("n_training_rounds", self.n_training_rounds, low=0)
        check_count("n_passes", self.n_passes)
        check_count("n_best", self.n_best, optional=True)

    @staticmethod
    def _check_restarter(retriever, restarter):
        for name in ("object_shape_", "constraints_"):
            first, second = getattr(retriever, name), getattr(restarter, name)
            if first != second:
                raise ValueError(
                    f"the retriever has {name[:-1]}={first}, but the restarter {second}; both make "
                    "the same objects, so give both the same value"
                )

    # --- scikit-learn -----------------------------------------------------------------------------

    def __sklearn_is_fitted__(self):
        return hasattr(self, "retriever_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags
