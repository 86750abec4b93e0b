"""The regressor whose predictions are refined with the measured magnitudes."""

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
from ._around import AroundRegressor, as_features, check_part, is_direct, told
from ._posterior import PosteriorRefiner

if TYPE_CHECKING:
    from .._typing import Batch

LEAST_SHARE, FEWEST = 10, 16  # of the pairs a tenth is held out, and not fewer than that
PAIRS = 512  # by which the unit is learned, fewer where patterns are large
VALUES = 1 << 24  # of all of their magnitudes together
LEAST_PIXELS = 32  # of objects and magnitudes that are told to be those of another measurement
SAME_UNIT = 1e-4  # relative; that near to 1 the unit is that of an unnormalised transform


class RefinedRegressor(AroundRegressor):
    r"""Polish a regressor's prediction with the magnitudes it was made from.

    A network's one pass is near the object, but not exact; a few hundred iterations of a classical
    algorithm, started there, mostly are. Predictions stay in the unit of the objects in `y`,
    whatever that of the magnitudes is.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; a :class:`skpr.PhaseRetrievalRegressor` if not
        given. One in a
        :class:`sklearn.frozen.FrozenEstimator` is not trained again.
    refiner : PosteriorRefiner, IterativePhaseRetrieval, "auto" or None, default="auto"
        Estimator that polishes, with `fit(X, y)` and `retrieve(X, init)`. "auto" is a
        :class:`PosteriorRefiner`, which weighs measurement and prediction by their noise, with the
        `centered` and `device` of the regressor; the regressor is then not trained on a tenth of
        the pairs, 128 at most, by which its errors are learned. `None` leaves predictions alone,
        and is a value for a grid. `IterativePhaseRetrieval(n_iter=300)` believes the magnitudes
        alone, and `IterativePhaseRetrieval("apg")` fine-tunes each sample by gradient on the
        amplitude loss. A `device` of "auto" is the regressor's; bounds in `constraints` are in the
        unit of the objects.
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries that `score` registers over: shift, flip and phase, or the phase only. "auto"
        decides at `fit`, by whether magnitudes correlate with those of the objects.

    Attributes
    ----------
    regressor_, refiner_ : estimator
        The fitted clones; `refiner_` is None where there is none.
    unit_ : float
        Unit of the objects relative to that of an inverse unnormalised Fourier transform of the
        magnitudes: the median of `|F y| / |b|` over training pairs, on measured pixels. 1 without a
        refiner.
    boundary_ : tuple of {"zero", "circular"}, one for each object axis
        Boundary of the shifts that `score` registers over.
    symmetries_ : {"fourier", "phase"}
    object_shape_, target_shape_ : tuple of int
        Shape of one object.
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

    def __init__(
        self, regressor: Any = None, refiner: Any = "auto", *, symmetries: str = "auto"
    ) -> None:
        self.regressor = regressor
        self.refiner = refiner
        self.symmetries = symmetries

    def predict(self, X: Batch) -> Any:
        r"""Reconstruct objects.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            From the refiner, a tensor for a tensor; without one, in the type of the regressor's
            prediction.

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
        """Predictions as the refiner takes them."""
        return times(self._predicted(magnitudes), 1 / self.unit_)

    def _look_at(self, magnitudes, **known):
        """Look at patterns for the refiner, where no network does."""
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
                    f"retrieve, 'auto' or None"
                )
        elif self.refiner is not None:
            check_part(
                "refiner",
                self.refiner,
                ("fit", "retrieve"),
                "an IterativePhaseRetrieval, 'auto' or None",
            )

    def _prepared_targets(self, magnitudes, y, continues):
        # the quick one first: what is wrong with the shapes should not show after the training
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
                f"y has {kinds[1]} objects, but the refiner was fitted on {kinds[0]} ones; give it "
                f"constraints={kinds[1]!r}, or call fit anew"
            )
        return y

    def _check_fourier(self, refiner, magnitudes, y):
        """Refuse iterations with the Fourier transform where magnitudes are those of another
        measurement.
        """
        if self.symmetries == "fourier" or not isinstance(
            refiner, IterativePhaseRetrieval | PosteriorRefiner
        ):
            return
        if (
            min(math.prod(batch.shape[1:]) for batch in (magnitudes, y)) < LEAST_PIXELS
        ):  # which prove nothing
            return
        if symmetries_of(magnitudes, y) == "phase":
            raise ValueError(
                f"refiner={short(self.refiner)} iterates with Fourier magnitudes, but those in X "
                f"do not correlate with "
                "the Fourier magnitudes of y: they are those of another measurement, or of other "
                "objects; give "
                "refiner=None, or symmetries='fourier' if they are Fourier magnitudes after all"
            )

    def _settle(self, magnitudes, y):
        # a search may have found another layout than the regressor was given with
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
        """Return a clone of the refiner with the layout and the device of a regressor."""
        if self.refiner is None:
            return None
        centered = told(regressor, "centered", fitted=fitted)
        device = told(regressor, "device", "auto", fitted=fitted)
        if str(device).startswith(
            "mps"
        ):  # which does not compute in the double precision that iterations need
            device = "auto"
        if isinstance(self.refiner, str):
            return PosteriorRefiner(centered=centered is not False, device=device)
        refiner = clone(self.refiner)
        own = told(refiner, "centered", centered)
        if centered is not None and own != centered and is_direct(regressor):
            raise ValueError(
                f"the refiner has centered={own}, but the regressor has centered={centered}; both "
                f"are given the same "
                "magnitudes, so give both the same value"
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
        """Train on the pairs that the refiner does not need held out."""
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
        """Samples that the regressor is not to be trained on, or None."""
        if not isinstance(refiner, PosteriorRefiner):
            return None
        if not all(
            isinstance(batch, np.ndarray | torch.Tensor) for batch in pairs
        ):  # too large to be taken apart
            return None
        if isinstance(self._given_regressor(), FrozenEstimator):  # which has seen none of them
            return None
        n_samples = len(pairs[0])
        n_rows = min(refiner.n_held_out, n_samples // LEAST_SHARE)
        return even_rows(n_samples, n_rows) if n_rows >= FEWEST else None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.refiner is not None:
            tags.input_tags.positive_only = True
            # it believes the magnitudes, not the targets: what are no magnitudes of theirs it
            # cannot fit
            tags.regressor_tags.poor_score = True
            if not isinstance(self.refiner, str | type):
                tags.non_deterministic = (
                    tags.non_deterministic or get_tags(self.refiner).non_deterministic
                )
        return tags


def learned_unit(magnitudes, objects, centered):
    """Median ratio `|F y| / |b|` over pairs of objects and magnitudes, on measured pixels.

    By Parseval's theorem it is the unit of objects that have magnitudes `b` under an unnormalised
    transform. 1 where no pair tells, and where it is 1 to within rounding.

    Parameters
    ----------
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        NaN where unmeasured.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
    centered : bool

    Returns
    -------
    float
    """
    object_shape, fourier_shape = tuple(objects.shape[1:]), tuple(magnitudes.shape[1:])
    if not fits(object_shape, fourier_shape):  # which the refiner refuses
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
    """A batch in another unit, in its own precision; the product is taken in double precision."""
    if factor == 1:
        return batch
    if isinstance(batch, torch.Tensor):
        wide = batch.to(torch.complex128 if batch.is_complex() else torch.float64)
        return (wide * factor).to(batch.dtype)
    batch = np.asarray(batch)
    product = batch.astype(np.result_type(batch.dtype, np.float64)) * factor
    return product.astype(batch.dtype) if batch.dtype.kind in "fc" else product
