"""The estimator: many samples and many starts of the classical algorithms, as one batch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from .._arrays import (
    check_batch,
    check_some_measured,
    inspect_batch,
    inspect_fitted_magnitudes,
    is_complex,
)
from .._base import RestoredEstimator
from .._layout import is_nested, is_told_by
from .._progress import IterationLine
from .._validation import warn_user
from ..measurement import (
    boundary_of,
    check_centre,
    check_extent,
    check_logarithms,
    check_not_halves,
    check_plateaus,
    check_symmetric_elsewhere,
    form_of,
    kinds_of,
    look_at,
)
from ..metrics import squared_correlation
from ._run import Run, scheduled
from ._search import judged_kind, search
from ._validation import (
    check_fourier,
    check_parameters,
    given_support,
    resolved_kind,
    resolved_object_shape,
    resolved_support,
    warn_of_units,
)

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self
    from ._results import Retrieval


class IterativePhaseRetrieval(RegressorMixin, RestoredEstimator):
    r"""Phase retrieval by alternating projections and their relatives, batched.

    With `P_M` the projection onto the measured magnitudes and `P_S` onto what is known of the
    object (its frame or support, that it is real or non-negative, amplitude bounds), every
    algorithm repeats a step made of the two. Nothing is trained: `fit` learns shapes, and from `y`,
    where given, the frame and the kind of object.

    Parameters
    ----------
    algorithm : str or list of (name, n_iter) or (name, n_iter, beta), default="auto"
        "er" (error reduction), "hio" (hybrid input-output), "hpr" (hybrid projection-reflection),
        "raar" (relaxed averaged alternating reflections), "dm" (difference map), "apg" (accelerated
        projected gradient on the amplitude loss), "admm" or "ml" (maximum likelihood under the
        `noise`); or a schedule of them, one after the other. "auto" is four fifths of "hpr" ("hio",
        where `constraints` are bounds), which leaves local minima, then "apg", which ends in the
        nearest one to machine precision. Where magnitudes are roots of photon counts it is two
        fifths of "hpr", two of "raar" with a feedback that falls from 0.9 to 0.5, which settles in
        spite of the noise, and "ml".
    n_iter : int, default=500
        Iterations of a named algorithm and of "auto"; a schedule has its own.
    beta : float, optional
        Feedback, 0 < beta <= 1, where a schedule does not give it; not used by "er", "apg" and
        "ml". The algorithm's usual one if not given: 0.9 for "hio" and "raar", 0.75 for "hpr", 1
        for "dm" and "admm".
    support : {"auto", "frame", "autocorrelation", "shrinkwrap"} or array of bool, default="auto"
        Pixels where the object can be. "frame": anywhere in `object_shape`. "autocorrelation": a
        box of half the extent of the autocorrelation, in the middle of the frame or where a given
        start has most energy. "shrinkwrap" (Marchesini et al., 2003): that box, replaced again and
        again by where the blurred object exceeds a threshold. "auto" is the frame where `y` or
        `object_shape` tells it. Where nobody knows, the support is searched for: every start has a
        threshold and a width of shrinkwrap of its own, and 5 % of the pixels, held out of the
        iterations, judge them (the free likelihood: Favre-Nicolin, Leake and Chushkin, 2020). See
        Notes. An array of shape `object_shape`, or with a first axis of one support per sample.
    object_shape : tuple of int, optional
        The frame; that of `y` if not given, else half the Fourier grid, `(m + 1) // 2`.
    constraints : {"auto", "non_negative", "real", "complex"} or (float, float), default="auto"
        The kind of object. A pair bounds its amplitude from below and above in the units of the
        objects: the value, of a real object, or the modulus, if `y` is complex. "auto" goes by `y`.
        Without it, patterns that are symmetric about their centre have "non_negative" objects,
        plainly asymmetric ones "complex" objects, and pixels held out decide where the asymmetry is
        small, but no noise.
    n_starts : int or "auto", default="auto"
        Starts for each sample, of which the smallest Fourier error decides, or pixels held out
        where the support is searched for. Started from a given object, the first is the object, and
        the others are the object times random weights, plus noise. "auto" is 8 where the support is
        searched for, and for photon counts under the "auto" algorithm without a given object, which
        pixels held out judge, too; else 1.
    start : {"random", "autocorrelation"}, default="random"
        Start without an object: random phases, or the autocorrelation with random weights.
    tol : float or "poisson", default=1e-6
        Residual `| |F x| - b | / |b|` at which a start is done; 0 runs all iterations. For real
        objects `b` is the root mean square of each Friedel pair. "poisson" is the residual that
        counting photons leaves to the true object, for each pattern by its own counts, where
        magnitudes are square roots of photons: to fit better is to fit the noise (Morozov's
        discrepancy principle). It spares what a network predicts from few photons.
    threshold : float, optional
        Fraction of the maximum that counts as content. If not given, 0.1 for shrinkwrap; for the
        extent of the autocorrelation 1e-4, or what the noise in it requires.
    shrinkwrap_interval : int, default=20
        Iterations between updates of the support, and of the coherence.
    shrinkwrap_sigma : (float, float), default=(3.0, 1.5)
        First width of the Gaussian in pixels, and the width it decays to by 1 % an update.
    coherence : {"auto", "full", "gaussian"}, default="auto"
        Coherence of the illumination. "auto" is "full" where the support is known; where it is
        searched for, pixels held out decide. With "gaussian", intensities are blurred by a Gaussian
        kernel before they are compared with the measured ones, and each start estimates its own
        kernel along the way (Clark et al., 2012). The kernel also absorbs the detector's point
        spread. Costs about 50 % more time.
    noise : {"auto", "poisson", "gaussian"} or CountingNoise, default="auto"
        Noise of the magnitudes, by which "ml" weighs them. "poisson": their squares are photon
        counts, or multiples of them, or those of a :class:`~skpr.measurement.CountingNoise` with
        background and read-out noise. "gaussian": the same noise in all magnitudes. "auto" is
        "poisson" for patterns whose squares are whole multiples of the smallest, and "gaussian" for
        others; `retrieve` tells in `photons`.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes (else at index 0).
    random_state : int, RandomState instance or None, default=None
        Seed of the starts. The same seed gives the same result on the same device.
    device : str or torch.device, default="auto"
        "auto" is a CUDA GPU where there is one.
    verbose : bool or "auto", default="auto"
        Whether to show progress on the terminal.

    Attributes
    ----------
    fourier_shape_, object_shape_ : tuple of int
    constraints_ : {"non_negative", "real", "complex"}
        The kind of object.
    boundary_ : tuple of {"zero", "circular"}
        Boundary of shifts along each axis, by which `score` registers.
    symmetries_ : str
        "fourier": `score` registers over shift, flip and phase.
    support_ : {"auto", "frame", "autocorrelation", "shrinkwrap", "given"}
        Rule of the support; "auto" is one that is searched for.
    n_features_in_ : int

    Notes
    -----
    A search takes about four times the iterations of `n_starts` starts. It draws twice as many
    starts, the second half of them about the best of the first (and goes on for as long as the best
    threshold lies on the edge of what was tried), keeps half, tightens the support of each for as
    long as it explains the pixels held out as well, goes on in supports made as that of the best
    one, and fits everything that was measured. The middle of patterns of more than 2^18 pixels is
    searched first. The object is the mean of the starts that explain the pixels held out as well as
    the best does, and agree; `retrieve(X).summary()` says whether it is to be trusted.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> from skpr.datasets import make_crystals
    >>> objects = make_crystals(2, shape=(16, 16), random_state=0).data
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> retriever = IterativePhaseRetrieval(n_iter=300, n_starts=4, random_state=0).fit(magnitudes, objects)
    >>> bool(retriever.score(magnitudes, objects) > 0.99)
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
        r"""Check the parameters and learn the shapes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape), optional
            Objects, for the shape of the frame and the kind of values only.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a parameter that is not valid, negative magnitudes, a pattern with no measured
            pixel, or shapes that do not fit.
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
            name = type(self).__name__
            self._form = None
            told = self._look_at(X, objects=y) or check_logarithms(X, name)
            if (
                not told
                and self.constraints_ == "complex"
                and y is None
                and self.constraints == "auto"
            ):
                told = check_symmetric_elsewhere(X, self.centered, name)
            if not told:
                self._form = None if y is None else form_of(X)  # objects have told that it is right
                check_extent(X, self.object_shape_, name)
        given_support(self.support, self.object_shape_)
        return self

    def predict(self, X: Batch) -> np.ndarray:
        r"""Reconstruct objects.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape_)
            Real or complex as `constraints_` says, in the precision of `X`.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before every sample had one finished start; :meth:`retrieve` returns what
            there is.
        """
        result = self.retrieve(X)
        if not result.finished.any(axis=1).all():
            raise KeyboardInterrupt("interrupted before every sample had a finished start")
        return result.objects

    def score(self, X: Batch, y: Batch, sample_weight: Any = None) -> float:
        r"""Mean squared correlation with the truth modulo symmetries, `1 - relative_error`: 1 is
        perfect.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like or torch.Tensor of shape (n_samples, \*object_shape_)
            True objects.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each sample in the mean.

        Returns
        -------
        float
        """
        return squared_correlation(self, X, y, boundary=self.boundary_, sample_weight=sample_weight)

    def retrieve(
        self, X: Batch, init: Batch | None = None, return_history: bool = False
    ) -> Retrieval:
        r"""Reconstruct objects and report every start.

        An interrupt (Ctrl-C) ends the run at once: what has finished is returned, with a warning.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        init : array-like or torch.Tensor of shape (n_samples, \*object_shape_), optional
            Objects to start from, a network's prediction for instance.
        return_history : bool, default=False
            Whether to record the Fourier error after every iteration, for about half as much time
            again. Where pixels were held out, it is that of the others until the final fit.

        Returns
        -------
        Retrieval
        """
        check_is_fitted(self)
        check_parameters(self)
        self._check_unchanged()
        given, X = X, self._checked(X, reset=False)
        as_tensor = isinstance(given, torch.Tensor)
        if not is_nested():
            self._look_at(X, usual=getattr(self, "_form", None))
        warn_of_units(X, self)
        n_samples = len(X)
        if init is not None:
            init = self._checked_init(init, n_samples)
        support = given_support(self.support, self.object_shape_, n_samples)
        run = Run(self, X, init, support, return_history=return_history)
        results, line = run.results, IterationLine(self.verbose)
        judged = np.arange(n_samples) if self.support_ == "auto" else run.counted()
        more = {"return_history": return_history}
        try:
            if len(judged) < n_samples:
                run.execute(line, np.setdiff1d(np.arange(n_samples), judged))
            if len(judged):
                search(self, X, init, results, line, support=support, samples=judged, **more)
        except KeyboardInterrupt:
            warnings.warn(
                f"interrupted: {int((results.n_iter > 0).sum())} of {len(results.n_iter)} starts "
                f"have finished",
                RuntimeWarning,
                stacklevel=2,
            )
        finally:
            line.close()
        found = results.chosen()
        if as_tensor:
            place = torch.as_tensor
            found = found._replace(
                objects=place(found.objects).to(given.device),
                starts=place(found.starts).to(given.device),
            )
        return found

    def _look_at(self, X, **known):
        name = type(self).__name__
        told = look_at(X, self.centered, name, self.constraints_, **known) or check_plateaus(
            X, self.centered, name
        )
        is_positive = self.constraints_ == "non_negative"
        return told or (is_positive and check_centre(X, self.centered, name))

    # --- validation -------------------------------------------------------------------------------

    def _checked(self, X, reset):
        X, facts = inspect_fitted_magnitudes(self, X, reset=reset)
        check_some_measured(X, facts)
        return X.detach().cpu().numpy() if isinstance(X, torch.Tensor) else X

    def _checked_init(self, init, n_samples):
        init = check_batch(init, name="init")
        init = init.detach().cpu().numpy() if isinstance(init, torch.Tensor) else np.asarray(init)
        if init.shape != (n_samples, *self.object_shape_):
            raise ValueError(
                f"init has shape {init.shape}; give one object a sample, of shape "
                f"{(n_samples, *self.object_shape_)}"
            )
        init = init if self.constraints_ == "complex" else init.real
        dark = ~init.reshape(n_samples, -1).any(axis=1)
        if dark.any():
            warn_user(
                f"init is zero everywhere in {dark.sum()} of {n_samples} samples, from which "
                f"iterations do not "
                "move: leave init out for random starts"
            )
        return init

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
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        tags.non_deterministic = self.random_state is None
        return tags
