"""Estimator of classical phase retrieval.

It runs many samples and many starts of the algorithms as one batch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_some_measured, inspect_batch, inspect_fitted_magnitudes, is_complex
from .._base import MagnitudesMixin, RestoredEstimator
from .._callers import is_nested
from .._layout import is_told_by
from .._progress import IterationLine
from .._validation import warn_user
from ..measurement import boundary_of, check_not_halves, kinds_of
from ..metrics import OrbitScoreMixin
from ._coarse_start import coarse_objects
from ._results import as_tensors
from ._run import Run, scheduled
from ._search import judged_kind, search
from ._validation import (
    check_fourier,
    check_parameters,
    checked_init,
    given_support,
    look_at_patterns,
    look_at_training,
    resolved_kind,
    resolved_object_shape,
    resolved_support,
    warn_of_units,
)

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self
    from ._results import Retrieval


class IterativePhaseRetrieval(OrbitScoreMixin, MagnitudesMixin, RegressorMixin, RestoredEstimator):
    r"""Estimator that retrieves phases by iterative projections.

    Every algorithm repeats a step made of two projections: `P_M` onto the measured magnitudes, and
    `P_S` onto what is known of the object (frame or support, real or non-negative values, bounds of
    the amplitude). Nothing is trained: `fit` learns shapes and, from `y` if given, the frame and
    the kind of object.

    Parameters
    ----------
    algorithm : str or list of (name, n_iter) or (name, n_iter, beta), default="auto"
        "er" (error reduction), "hio" (hybrid input-output), "hpr" (hybrid projection-reflection),
        "raar" (relaxed averaged alternating reflections), "dm" (difference map), "apg" (accelerated
        projected gradient on the amplitude loss), "admm" or "ml" (maximum likelihood under the
        `noise`), or a schedule of several. "auto" is four fifths of "hpr" ("hio" where
        `constraints` are bounds), which leaves local minima, and then "apg", which converges to the
        nearest solution. For roots of photon counts it is two fifths of "hpr", two fifths of "raar"
        with a feedback that falls from 0.9 to 0.5, which settles in spite of noise, and "ml".
    n_iter : int, default=500
        Number of iterations of a named algorithm or "auto"; a schedule states its own.
    beta : float, optional
        Feedback, 0 < beta <= 1, of stages that state none. By default 0.9 for "hio" and "raar",
        0.75 for "hpr", 1 for "dm" and "admm"; not used by "er", "apg" and "ml".
    support : str or array of bool, default="auto"
        Pixels where the object can be. "frame" is all of `object_shape`. "autocorrelation" is a box
        of half the extent of the autocorrelation, in the middle of the frame or where a given start
        has most energy. "shrinkwrap" (Marchesini et al., 2003) starts from that box and repeatedly
        replaces it by the pixels where the blurred object exceeds a threshold. "auto" is "frame"
        where `y` or `object_shape` gives the frame, else "search", which finds a support for each
        pattern, see Notes. An array has the shape `object_shape`, or a first axis of samples.
    object_shape : tuple of int, optional
        Frame of the objects; by default that of `y`, or half the Fourier grid, `(m + 1) // 2`.
    constraints : {"auto", "non_negative", "real", "complex"} or (float, float), default="auto"
        Kind of object. A pair bounds its amplitude in the units of the objects: the value of a real
        object, or the modulus if `y` is complex. "auto" follows `y`. Without `y`, patterns that are
        symmetric about their centre have "non_negative" objects and plainly asymmetric ones
        "complex" objects; if the asymmetry is small but exceeds noise, held-out pixels decide.
    n_starts : int or "auto", default="auto"
        Number of starts per sample. The smallest Fourier error decides between them, or held-out
        pixels where the support is searched for. With a given object, the first start is that
        object, and the others are the object times random weights, plus noise. "auto" is 8 where
        the support is searched for, and for photon counts under the "auto" algorithm without a
        given object, where held-out pixels also decide; otherwise 1.
    start : {"random", "autocorrelation", "coarse"}, default="random"
        Start without a given object: random phases, the autocorrelation with random weights, or
        the best of 16 starts at a quarter of the resolution, which cost about as much as one more.
    tol : float or "poisson", default=1e-6
        Residual `| |F x| - b | / |b|` at which a start is done; 0 runs all iterations. For real
        objects `b` is the root mean square of each Friedel pair. "poisson", for square roots of
        photon counts, is the residual of the true object under the counting noise of each pattern:
        a better fit only fits the noise (Morozov's discrepancy principle).
    threshold : float, optional
        Fraction of the maximum that counts as content. By default 0.1 for shrinkwrap; for the
        extent of the autocorrelation 1e-4, or more if noise requires it.
    shrinkwrap_interval : int, default=20
        Number of iterations between updates of the support and of the coherence.
    shrinkwrap_sigma : (float, float), default=(3.0, 1.5)
        First width of the Gaussian in pixels, and the width to which it decays by 1 % per update.
    coherence : {"auto", "full", "gaussian"}, default="auto"
        Coherence of the illumination. "gaussian" blurs intensities by a Gaussian kernel before they
        are compared with the measured ones; each start estimates its own kernel (Clark et al.,
        2012). The kernel also absorbs the detector's point spread. Costs about 50 % more time.
        "auto" is "full" where the support is known; elsewhere held-out pixels decide.
    noise : {"auto", "poisson", "gaussian"} or CountingNoise, default="auto"
        Noise by which "ml" weighs the magnitudes. "poisson": their squares are photon counts or
        multiples of these; a :class:`~skpr.measurement.CountingNoise` adds background and read-out
        noise. "gaussian": equal noise in all magnitudes. "auto" is "poisson" for patterns whose
        squares are whole multiples of the smallest one, else "gaussian"; see `Retrieval.photons`.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes (otherwise at index 0).
    random_state : int, RandomState instance or None, default=None
        Seed of the starts. The same seed gives the same result on the same device.
    device : str or torch.device, default="auto"
        Device of the computation; "auto" is a CUDA GPU if there is one.
    verbose : bool or "auto", default="auto"
        Whether to show progress on the terminal.

    Attributes
    ----------
    fourier_shape_, object_shape_ : tuple of int
    constraints_ : {"non_negative", "real", "complex"}
        Kind of object.
    boundary_ : tuple of {"zero", "circular"}
        Boundary of shifts along each axis, over which `score` registers.
    symmetries_ : str
        Symmetries over which `score` registers; "fourier" is shift, flip and phase.
    support_ : {"auto", "frame", "autocorrelation", "shrinkwrap", "given"}
        Rule of the support; "auto" means that it is searched for.
    n_features_in_ : int

    Notes
    -----
    A search for the support takes about four times the iterations of `n_starts` starts. Each start
    runs shrinkwrap with its own threshold and width. 5 % of the pixels are held out of the
    iterations and judge the results (free likelihood; Favre-Nicolin, Leake and Chushkin, 2020). The
    search proceeds in steps:

    1. Draw `n_starts` thresholds and widths, then as many around the best one. Further rounds
       follow while the best threshold lies on the edge of the range tried. Keep the best
       `n_starts` of all rounds.
    2. Tighten each support while its object explains the held-out pixels as well.
    3. Continue all starts with the threshold and width of the best one, and with a coherence kernel
       if held-out pixels need it.
    4. Fit all measured pixels, and average the starts that agree and are as good as the best.

    For patterns of more than 2^18 pixels, the middle is searched first. `retrieve(X).summary()`
    says how far the objects can be trusted.

    A prediction given as `init` is a warm start. Consistency with the measurement then does most of
    the work, as it does in DAPS++ (arXiv 2511.17038, 2025), where a learned prior mostly serves as
    a warm start.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> from skpr.datasets import make_crystals
    >>> objects = make_crystals(2, shape=(16, 16), random_state=0).data
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> retriever = IterativePhaseRetrieval(n_iter=300, n_starts=4, random_state=0)
    >>> bool(retriever.fit(magnitudes, objects).score(magnitudes, objects) > 0.99)
    True
    """

    _read_by_fit = "object_shape", "constraints"

    def __init__(
        self,
        algorithm: Any = "auto",
        n_iter: int = 500,
        beta: Any = None,
        support: Any = "auto",
        object_shape: Any = None,
        constraints: Any = "auto",
        n_starts: int | str = "auto",
        start: Any = "random",
        tol: float | str = 1e-6,
        threshold: Any = None,
        shrinkwrap_interval: Any = 20,
        shrinkwrap_sigma: Any = (3.0, 1.5),
        coherence: Any = "auto",
        noise: Any = "auto",
        centered: bool = True,
        random_state: Seed = None,
        device: str | torch.device = "auto",
        verbose: bool | int | str = "auto",
    ) -> None:
        self.algorithm = algorithm
        self.n_iter = n_iter
        self.beta = beta
        self.support = support
        self.object_shape = object_shape
        self.constraints = constraints
        self.n_starts = n_starts
        self.start = start
        self.tol = tol
        self.threshold = threshold
        self.shrinkwrap_interval = shrinkwrap_interval
        self.shrinkwrap_sigma = shrinkwrap_sigma
        self.coherence = coherence
        self.noise = noise
        self.centered = centered
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        r"""Learn object shape, kind of object and support from patterns.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            Objects, used only for the shape of the frame and the kind of values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid, magnitudes are negative, a pattern has no measured pixel,
            or shapes do not fit.
        """
        X = self._checked(X, reset=True)
        if y is not None:
            y = inspect_batch(y, name="y", warn=not is_told_by(X, y))[0]
            check_consistent_length(X, y)
        scheduled(self)
        check_parameters(self)
        self.object_shape_ = resolved_object_shape(
            self.object_shape, self.fourier_shape_, None if y is None else tuple(y.shape[1:])
        )
        self.constraints_ = resolved_kind(self.constraints, y)
        self.support_ = resolved_support(
            self.support, is_known=y is not None or self.object_shape is not None
        )
        if y is None and isinstance(self.constraints, str) and self.constraints == "auto":
            kinds = kinds_of(X, self.centered)
            self.constraints_ = kinds[0] if len(kinds) == 1 else judged_kind(self, X, kinds)
        if self.constraints_ != "complex":
            check_not_halves(X)
        if y is not None and self.constraints in ("real", "non_negative") and is_complex(y):
            warn_user(
                f"y holds complex objects, but constraints={self.constraints!r} asks for "
                f"{self.constraints.replace('_', '-')} ones: pass constraints='complex' or 'auto'"
            )
        self.boundary_ = boundary_of(self.object_shape_, self.fourier_shape_)
        self.symmetries_ = "fourier"
        self._remember_parameters()
        if y is not None:
            check_fourier(X, y, type(self).__name__)
        if not is_nested():
            self._form = look_at_training(self, X, y)
        given_support(self.support, self.object_shape_)
        return self

    def predict(self, X: Batch) -> np.ndarray:
        r"""Reconstruct objects from magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape_)
            Objects, real or complex as `constraints_` says, in the precision of `X`.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before every sample had a finished start; :meth:`retrieve` returns the
            results so far instead.
        """
        result = self.retrieve(X)
        if not result.finished.any(axis=1).all():
            raise KeyboardInterrupt("interrupted before every sample had a finished start")
        return result.objects

    def retrieve(
        self,
        X: Batch,
        init: Batch | None = None,
        return_history: bool = False,
        judge: bool = False,
    ) -> Retrieval:
        r"""Reconstruct objects, and return every start with its judgement.

        An interrupt (Ctrl-C) ends the run at once and returns the finished starts with a warning.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        init : array-like or torch.Tensor of shape (n_samples, \*object_shape_), optional
            Objects to start from, such as the predictions of a network.
        return_history : bool, default=False
            Whether to record the Fourier error after every iteration, which costs about 50 % more
            time. Held-out pixels do not enter it before the final fit.
        judge : bool, default=False
            Whether pixels are held out to judge the starts even in a known support, which costs
            about 20 % more time.

        Returns
        -------
        Retrieval
            Objects, the results of every start, and their judgement.
        """
        check_is_fitted(self)
        check_parameters(self)
        self._check_unchanged()
        given, X = X, self._checked(X, reset=False)
        if not is_nested():
            look_at_patterns(self, X, usual=getattr(self, "_form", None))
        warn_of_units(X, self)
        n_samples, shape = len(X), self.object_shape_
        init = None if init is None else checked_init(init, (n_samples, *shape), self.constraints_)
        support = given_support(self.support, shape, n_samples)
        more = {"return_history": return_history}
        run = Run(self, X, init, support, **more)
        results, line = run.results, IterationLine(self.verbose)
        judged = np.arange(n_samples) if judge or self.support_ == "auto" else run.counted()
        try:
            if init is None and self.start == "coarse":
                init = run.init = coarse_objects(self, X, support, line)
            if len(judged) < n_samples:
                run.execute(line, np.setdiff1d(np.arange(n_samples), judged))
            if len(judged):
                search(self, X, init, results, line, support=support, samples=judged, **more)
        except KeyboardInterrupt:
            warnings.warn(
                f"interrupted: {int((results.n_iter > 0).sum())} of {len(results.n_iter)} starts "
                "have finished",
                RuntimeWarning,
                stacklevel=2,
            )
        finally:
            line.close()
        found = results.chosen()._replace(centered=bool(self.centered))
        return as_tensors(found, given.device) if isinstance(given, torch.Tensor) else found

    # --- validation -------------------------------------------------------------------------------

    def _checked(self, X, reset):
        X, facts = inspect_fitted_magnitudes(self, X, reset=reset)
        check_some_measured(X, facts)
        return X.detach().cpu().numpy() if isinstance(X, torch.Tensor) else X

    def _since_fitted(self):
        return {
            "boundary_": boundary_of(self.object_shape_, self.fourier_shape_),
            "symmetries_": "fourier",
            "support_": resolved_support(self.support, is_known=True),
            "_at_fit": {name: getattr(self, name) for name in self._read_by_fit},
        }

    def __sklearn_is_fitted__(self):
        return hasattr(self, "object_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.regressor_tags.poor_score = True
        return tags
