"""Regressor whose predictions are refined with the measured magnitudes."""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from .._lazy import LazyBatch, some_of
from .._tensors import along_samples, energy, even_rows, map_chunks, to_tensor
from .._validation import short
from ..iterative import IterativePhaseRetrieval
from ..measurement import Grid, fits, form_of, look_at, symmetries_of
from ._around import AroundRegressor, as_features
from ._parts import check_part, is_direct, told
from ._posterior import PosteriorRefiner

if TYPE_CHECKING:
    from .._typing import Batch

LEAST_SHARE, FEWEST = 10, 16  # at most one pair in ten is held out, and none if that is below 16
PAIRS = 512  # largest number of pairs by which the unit is learned
VALUES = 1 << 24  # total number of their magnitudes, which limits the number of large patterns
LEAST_PIXELS = 32  # smaller objects or magnitudes do not prove that a measurement is another
SAME_UNIT = 1e-4  # largest deviation of the unit from 1 that is rounding


class RefinedRegressor(AroundRegressor):
    r"""Refine the predictions of a regressor with the measured magnitudes.

    The prediction of a network is close to the object, but does not reproduce the magnitudes
    exactly. A few hundred iterations of a classical algorithm that start from it mostly do.
    Predictions are in the unit of the objects in `y`, whatever the unit of the magnitudes is.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; by default a :class:`skpr.PhaseRetrievalRegressor`.
        A regressor in a :class:`sklearn.frozen.FrozenEstimator` is not trained again.
    refiner : PosteriorRefiner, IterativePhaseRetrieval, "auto" or None, default="auto"
        Estimator that refines predictions, with `fit(X, y)` and `retrieve(X, init)`. "auto" is a
        :class:`PosteriorRefiner`, which weighs measurement and prediction by their noise, with the
        `centered` and `device` of the regressor. It learns the errors of the regressor from a tenth
        of the pairs, at most 128, on which the regressor is not trained. None leaves predictions
        unchanged, for grid searches. `IterativePhaseRetrieval(n_iter=300)` trusts the magnitudes
        alone, and `IterativePhaseRetrieval("apg")` fine-tunes each sample by gradient descent on
        the amplitude loss. A `device` of "auto" is that of the regressor; bounds in `constraints`
        are in the unit of the objects.
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries that `score` registers over: shift, flip and phase, or the phase only. "auto"
        decides at `fit`, by whether the magnitudes correlate with those of the objects.

    Attributes
    ----------
    regressor_, refiner_ : estimator
        Fitted clones; `refiner_` is None if there is no refiner.
    unit_ : float
        Unit of the objects relative to that of an inverse unnormalised Fourier transform of the
        magnitudes: the median of `|F y| / |b|` over training pairs, on measured pixels. 1 without a
        refiner.
    boundary_ : tuple of {"zero", "circular"}, one for each object axis
        Boundary of the shifts that `score` registers over.
    symmetries_ : {"fourier", "phase"}
        Symmetries that `score` registers over.
    object_shape_, target_shape_ : tuple of int
        Shape of one object.
    n_features_in_ : int
        Number of features that the regressor saw in `fit`.

    Notes
    -----
    With an :class:`skpr.IterativePhaseRetrieval`, the prediction enters only as the start of the
    iterations. DAPS++ (arXiv 2511.17038, 2025) reports that a learned prior mostly serves as such a
    warm start, while consistency with the measurement does most of the work. A
    :class:`PosteriorRefiner` also keeps the prediction as a prior, weighed by its noise.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((4, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> model = RefinedRegressor(DummyRegressor(), refiner=None).fit(magnitudes, objects)
    >>> model.predict(magnitudes).shape
    (4, 8)
    """

    def __init__(
        self, regressor: Any = None, refiner: Any = "auto", *, symmetries: str = "auto"
    ) -> None:
        self.regressor = regressor
        self.refiner = refiner
        self.symmetries = symmetries

    def predict(self, X: Batch) -> Any:
        r"""Reconstruct objects from magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            Refined objects, a tensor if `X` is one; without a refiner, predictions in the type that
            the regressor returns.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before every sample was refined.
        """
        check_is_fitted(self, "regressor_")
        features, magnitudes = as_features(X)
        self._look_at(magnitudes, usual=getattr(self, "_form", None))
        predicted = self._predicted(features)
        if self.refiner_ is None:
            return predicted
        asks = (
            {"predict": self._predicted_in_unit}
            if isinstance(self.refiner_, PosteriorRefiner)
            else {}
        )
        result = self.refiner_.retrieve(magnitudes, init=times(predicted, 1 / self.unit_), **asks)
        if not result.finished.any(axis=1).all():
            raise KeyboardInterrupt("interrupted before every sample was refined")
        return times(result.objects, self.unit_)

    def _predicted_in_unit(self, magnitudes):
        """Return predictions in the unit that the refiner works in."""
        return times(self._predicted(magnitudes), 1 / self.unit_)

    def _look_at(self, magnitudes, **known):
        """Warn of implausible patterns, unless the network itself does."""
        if (
            self.refiner_ is None
            or told(getattr(self, "regressor_", None), "is_complex_", fitted=True) is not None
        ):
            return
        kind, centered = (
            told(self.refiner_, name, fitted=True) for name in ("constraints_", "centered")
        )
        look_at(magnitudes, centered is not False, type(self).__name__, kind, **known)

    def _since_fitted(self):
        return super()._since_fitted() | {"unit_": 1.0}

    def _check_parts(self):
        if isinstance(self.refiner, str):
            if self.refiner != "auto":
                raise ValueError(
                    f"refiner={short(self.refiner)} is not valid; give an estimator with "
                    "retrieve, 'auto' or None"
                )
        elif self.refiner is not None:
            check_part(
                "refiner",
                self.refiner,
                ("fit", "retrieve"),
                "an IterativePhaseRetrieval, 'auto' or None",
            )

    def _prepared_targets(self, magnitudes, y, continues):
        # the refiner first: it is fitted quickly, and wrong shapes should show before the training
        before = self.refiner_ if continues else None
        refiner = self._built_refiner(self._given_regressor())
        if not continues:
            self._check_fourier(refiner, magnitudes, y)
            self.unit_ = (
                1.0
                if refiner is None
                else learned_unit(magnitudes, y, told(refiner, "centered", True))
            )
        self._held_out = None if continues else self._rows_held_out(refiner, magnitudes, y)
        self._fit_refiner(refiner, magnitudes, y)
        if isinstance(before, PosteriorRefiner) and isinstance(self.refiner_, PosteriorRefiner):
            self.refiner_.held_out_, self.refiner_.noise_ = before.held_out_, before.noise_
        kinds = [getattr(one, "constraints_", None) for one in (before, self.refiner_)]
        if (
            None not in kinds
            and kinds[0] != kinds[1]
            and told(self.refiner, "constraints", "auto") == "auto"
        ):
            self.refiner_ = before
            raise ValueError(
                f"y has {kinds[1]} objects, but the refiner was fitted on {kinds[0]} ones; give "
                f"it constraints={kinds[1]!r}, or call fit again"
            )
        return y

    def _check_fourier(self, refiner, magnitudes, y):
        """Refuse Fourier iterations on magnitudes of another measurement."""
        if self.symmetries == "fourier" or not isinstance(
            refiner, IterativePhaseRetrieval | PosteriorRefiner
        ):
            return
        if min(math.prod(batch.shape[1:]) for batch in (magnitudes, y)) < LEAST_PIXELS:
            return
        if symmetries_of(magnitudes, y) == "phase":
            raise ValueError(
                f"refiner={short(self.refiner)} iterates with Fourier magnitudes, but those in X "
                "do not correlate with the Fourier magnitudes of y: they belong to another kind "
                "of measurement or to other objects; give refiner=None, or symmetries='fourier' "
                "if they are Fourier magnitudes after all"
            )

    def _settle(self, magnitudes, y):
        # a search may have chosen another layout than that of the given regressor
        found = told(self.regressor_, "centered", fitted=True)
        if (
            self.refiner_ is not None
            and found is not None
            and found != told(self.refiner_, "centered", found)
        ):
            self._fit_refiner(self._built_refiner(self.regressor_, fitted=True), magnitudes, y)
        self._form = form_of(magnitudes)
        self._look_at(magnitudes, objects=y)

    def _built_refiner(self, regressor, *, fitted=False):
        """Return a clone of the refiner with a regressor's layout and device."""
        if self.refiner is None:
            return None
        centered = told(regressor, "centered", fitted=fitted)
        device = told(regressor, "device", "auto", fitted=fitted)
        if str(device).startswith("mps"):  # has no double precision, which iterations need
            device = "auto"
        if isinstance(self.refiner, str):
            return PosteriorRefiner(centered=centered is not False, device=device)
        refiner = clone(self.refiner)
        own = told(refiner, "centered", centered)
        if centered is not None and own != centered and is_direct(regressor):
            raise ValueError(
                f"the refiner has centered={own}, but the regressor has centered={centered}; both "
                "are given the same magnitudes, so give both the same value"
            )
        if isinstance(getattr(refiner, "device", None), str) and refiner.device == "auto":
            refiner.set_params(device=device)
        return refiner

    def _fit_refiner(self, refiner, magnitudes, y):
        bounds = getattr(refiner, "constraints", None)
        if (
            self.unit_ != 1
            and isinstance(bounds, list | tuple)
            and all(isinstance(bound, Real) for bound in bounds)
        ):
            refiner.set_params(constraints=tuple(float(bound) / self.unit_ for bound in bounds))
        known = {}
        if isinstance(refiner, PosteriorRefiner):
            known = {"held_out": self._held_out, "unit": self.unit_}
        self.refiner_ = None if refiner is None else refiner.fit(magnitudes, y, **known)

    def _trained(self, regressor, X, targets, method, continues, fit_params):
        """Train on the pairs that are not held out for the refiner."""
        rows = self._held_out
        if rows is None or continues:
            return super()._trained(regressor, X, targets, method, continues, fit_params)
        kept = np.setdiff1d(np.arange(len(targets)), rows)
        fit_params = {
            name: np.asarray(value)[kept]
            if np.ndim(value) and len(value) == len(targets)
            else value
            for name, value in fit_params.items()
        }
        return super()._trained(regressor, X[kept], targets[kept], method, continues, fit_params)

    def _rows_held_out(self, refiner, *pairs):
        """Return the samples that the regressor must not be trained on, or None."""
        if not isinstance(refiner, PosteriorRefiner):
            return None
        # batches on disk are too large to be indexed into memory
        if not all(isinstance(batch, np.ndarray | torch.Tensor) for batch in pairs):
            return None
        if isinstance(self._given_regressor(), FrozenEstimator):  # is not trained on any of them
            return None
        n_samples = len(pairs[0])
        n_rows = min(refiner.n_held_out, n_samples // LEAST_SHARE)
        return even_rows(n_samples, n_rows) if n_rows >= FEWEST else None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.refiner is not None:
            tags.input_tags.positive_only = True
            # a refiner trusts the magnitudes, so it cannot fit targets that do not belong to them
            tags.regressor_tags.poor_score = True
            if not isinstance(self.refiner, str | type):
                tags.non_deterministic = (
                    tags.non_deterministic or get_tags(self.refiner).non_deterministic
                )
        return tags


def learned_unit(magnitudes, objects, centered):
    """Return the median ratio `|F y| / |b|` over pairs, on measured pixels.

    By Parseval's theorem it is the unit of objects that have magnitudes `b` under an unnormalised
    transform. It is 1 if no pair determines it, or if it deviates from 1 only by rounding.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Magnitudes; NaN where unmeasured.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
    centered : bool

    Returns
    -------
    float
    """
    object_shape, fourier_shape = tuple(objects.shape[1:]), tuple(magnitudes.shape[1:])
    if not fits(object_shape, fourier_shape):  # the refiner refuses these shapes
        return 1.0
    n_values = math.prod(fourier_shape)
    n_pairs = min(PAIRS, max(1, VALUES // n_values))
    magnitudes, objects = (some_of(batch, n_pairs) for batch in (magnitudes, objects))
    magnitudes, objects = (
        np.asarray(b) if isinstance(b, LazyBatch) else b for b in (magnitudes, objects)
    )
    grid = Grid(object_shape, fourier_shape, bool(centered))
    ratios = map_chunks(
        partial(_norm_ratios, grid), magnitudes, objects, values_per_sample=4 * n_values
    )
    ratios = to_tensor(ratios).cpu().numpy()
    known = ratios[np.isfinite(ratios) & (ratios > 0)]
    unit = float(np.median(known)) if len(known) else 1.0
    return 1.0 if abs(unit - 1) < SAME_UNIT else unit


def _norm_ratios(grid, magnitudes, objects):
    magnitudes, objects = magnitudes.cpu().double(), objects.cpu()
    objects = objects.to(torch.complex128 if objects.is_complex() else torch.float64)
    known = ~magnitudes.isnan()
    pairs = torch.where(known, magnitudes, 0.0), objects
    peaks = [batch.abs().flatten(1).amax(dim=1) for batch in pairs]
    measured, objects = (
        batch / along_samples(torch.where(peak > 0, peak, 1.0), batch)
        for batch, peak in zip(pairs, peaks, strict=True)
    )
    computed = torch.where(known, grid.magnitudes(objects), 0.0)
    return (energy(computed) / energy(measured)).sqrt() * (peaks[1] / peaks[0])


def times(batch, factor):
    """Multiply a batch by a factor, and keep its precision.

    The product itself is taken in double precision.
    """
    if factor == 1:
        return batch
    if isinstance(batch, torch.Tensor):
        wide = batch.to(torch.complex128 if batch.is_complex() else torch.float64)
        return (wide * factor).to(batch.dtype)
    batch = np.asarray(batch)
    product = batch.astype(np.result_type(batch.dtype, np.float64)) * factor
    return product.astype(batch.dtype) if batch.dtype.kind in "fc" else product
