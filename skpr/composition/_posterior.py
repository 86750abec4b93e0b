"""Refiner that weighs measurement and prediction by the noise of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._tensors import (
    chunks_of,
    even_rows,
    picked,
    resolve_device,
    space_axes,
    to_tensor,
    usual_device,
)
from .._validation import check_count
from ..iterative import IterativePhaseRetrieval
from ..measurement import CountingNoise, Grid, Likelihood, Measurement, mirrored, photons_of
from ..metrics import fourier_error, relative_error
from ..symmetry import register
from ._prior import SMALLEST, Prior

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self
    from ..iterative import Retrieval

EVERYTHING = "none", 0, b""  # group of patterns without noise or unmeasured pixels
FEWEST, LARGEST = (
    4,
    1 << 19,
)  # objects that predictions are judged by, if not more than so many Fourier pixels
WEIGHTS = (
    2.0,
    1.0,
    0.5,
    0.25,
    0.125,
)  # of the prior: errors of neighbouring frequencies are not independent
EXACT = 1e-4  # of the root mean square magnitude: noise of what has none


class PosteriorRefiner(BaseEstimator):
    r"""Refine predictions to the likeliest object given the measurement.

    The posterior `-log p = deviance(x) / 2 + w sum_k |F(x - c p)_k|^2 / s_k` joins the likelihood
    of the measured pixels (Poisson's where magnitudes are roots of counts) to a prior: the
    prediction `p`, scaled to the pattern by `c`, with errors of power `s` on each ring of
    frequencies. The measurement therefore decides what it measured well, and the prediction what
    was hardly measured or not at all. The powers are learned from predictions for objects held out
    of the training, whose patterns are simulated at the exposure and with the unmeasured pixels of
    the given patterns. The weight `w` is the one that gives these objects the smallest error.

    Objects of another kind may be predicted worse than those held out. On each ring the powers are
    therefore multiplied by the errors of the predicted magnitudes, relative to those of the
    held-out objects, where these errors are larger and the noise lets them be measured.

    The descent begins at the prediction, at the result of iterations from the prediction, or at
    both, with the better posterior chosen. The held-out objects decide which of these is used. If
    none of them improves the held-out objects, predictions are returned unchanged.

    Parameters
    ----------
    n_iter : int, default=500
        Iterations of the second start, see :class:`~skpr.IterativePhaseRetrieval`.
    n_held_out : int, default=128
        Number of objects held out of the training of the regressor, at most a tenth of all. If
        there are fewer than 16, training objects are used instead, on which errors are smaller.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes (else at index 0).
    random_state : int, RandomState instance or None, default=0
        Seed of the simulated noise, and of the iterations.
    device : str or torch.device, default="auto"
        Device of the computation; "auto" is a CUDA GPU if there is one.

    Attributes
    ----------
    constraints_ : {"non_negative", "real", "complex"}
    object_shape_, fourier_shape_ : tuple of int
    held_out_ : ndarray of shape (n_objects, \*object_shape)
        Objects that the errors of the prior are learned from, in the unit of magnitudes under an
        unnormalised transform.
    noise_ : float
        Noise of the training magnitudes relative to their root mean square, estimated from their
        objects.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, RefinedRegressor
    >>> from sklearn.dummy import DummyRegressor
    >>> objects = np.random.default_rng(0).random((40, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> refined = RefinedRegressor(DummyRegressor(), PosteriorRefiner(n_iter=100))
    >>> refined = refined.fit(magnitudes, objects)
    >>> refined.predict(magnitudes[:2]).shape
    (2, 8)
    """

    def __init__(
        self,
        n_iter: int = 500,
        n_held_out: int = 128,
        *,
        centered: bool = True,
        random_state: Seed = 0,
        device: str | torch.device = "auto",
    ) -> None:
        self.n_iter = n_iter
        self.n_held_out = n_held_out
        self.centered = centered
        self.random_state = random_state
        self.device = device

    def fit(self, X: Batch, y: Batch, held_out: Any = None, unit: float = 1.0) -> Self:
        r"""Learn shapes, the kind of object, and the noise of the magnitudes.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : array-like of shape (n_samples, \*object_shape)
            Objects.
        held_out : ndarray of integers, optional
            Samples that the regressor was not trained on; by default a selection of all samples.
        unit : float, default=1.0
            Unit of the objects relative to that of magnitudes under an unnormalised transform.

        Returns
        -------
        self
        """
        check_count("n_held_out", self.n_held_out)
        self.iterations_ = IterativePhaseRetrieval(
            n_iter=self.n_iter,
            centered=self.centered,
            random_state=self.random_state,
            device=self.device,
        ).fit(X, y)
        self.constraints_ = self.iterations_.constraints_
        self.object_shape_, self.fourier_shape_ = (
            self.iterations_.object_shape_,
            self.iterations_.fourier_shape_,
        )
        rows = even_rows(len(y), self.n_held_out) if held_out is None else held_out
        self.held_out_ = picked(y, rows).cpu().numpy() / np.asarray(unit, dtype=np.float32)
        self.noise_ = self._learned_noise(picked(X, rows).cpu(), torch.from_numpy(self.held_out_))
        self._learned = {}
        return self

    def retrieve(self, X: Batch, init: Batch, predict: Any) -> Retrieval:
        r"""Refine predictions with the magnitudes they were made from.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        init : array-like of shape (n_samples, \*object_shape)
            Predictions.
        predict : callable
            Function that predicts objects from magnitudes, the one that made `init`.

        Returns
        -------
        Retrieval
            One start per sample: the refined object, with its Fourier error.
        """
        check_is_fitted(self)
        result = self.iterations_.retrieve(X, init=init)
        magnitudes, predicted, ends = (
            to_tensor(batch).detach().cpu().numpy() for batch in (X, init, result.objects)
        )
        photons = photons_of(magnitudes, "auto")
        objects = np.array(ends)
        with torch.no_grad(), usual_device():
            for key, rows in self._groups(magnitudes, photons).items():
                if key == EVERYTHING:  # measured exactly: there is nothing to weigh
                    continue
                trust = self._trust(key, predict)
                for part in chunks_of(len(rows), 8 * math.prod(self.fourier_shape_)):
                    some = rows[part]
                    measured = self._problem(magnitudes[some], photons[some], key)
                    objects[some] = self._refined(measured, predicted[some], ends[some], trust, key)
        errors = fourier_error(
            magnitudes, objects, centered=self.centered, multioutput="raw_values"
        )
        errors = np.where(result.finished[:, 0], errors, np.nan)
        if isinstance(result.objects, torch.Tensor):
            objects = torch.from_numpy(objects).to(result.objects.device)
        return result._replace(
            objects=objects,
            errors=errors,
            starts=objects[:, None],
            start_errors=errors[:, None],
            photons=photons,
        )

    # --- what is measured -------------------------------------------------------------------------

    def _groups(self, magnitudes, photons):
        """Group patterns by unmeasured pixels and by noise, to a factor of two."""
        groups = {}
        missing = np.isnan(magnitudes)
        squares = (
            np.square(np.where(missing, 0.0, magnitudes), dtype=np.float64)
            .reshape(len(magnitudes), -1)
            .sum(axis=1)
        )
        noises = None if (photons > 0).all() else self._noises(magnitudes)
        for row, (unmeasured, photon, energy) in enumerate(
            zip(missing, photons, squares, strict=True)
        ):
            if photon > 0:
                noise = "counts", round(math.log2(max(energy / photon, 1.0)))
            elif noises[row] > EXACT:
                noise = "normal", round(math.log2(noises[row]))
            else:
                noise = "none", 0
            groups.setdefault(
                (*noise, unmeasured.tobytes() if unmeasured.any() else b""), []
            ).append(row)
        return {key: np.array(rows) for key, rows in groups.items()}

    def _noises(self, magnitudes):
        """Estimate the noise of each pattern relative to its root mean square.

        Friedel pairs of the patterns of real objects differ by nothing but noise.
        """
        if self.constraints_ == "complex":
            return np.full(len(magnitudes), self.noise_)
        values = torch.from_numpy(magnitudes).double()
        axes = space_axes(values)
        differences = (values - mirrored(values, self.centered)).square().nanmean(dim=axes) / 2
        return (differences / values.square().nanmean(dim=axes).clamp_min(1e-300)).sqrt().numpy()

    def _learned_noise(self, magnitudes, objects):
        """Return the median share of magnitudes unexplained by `|F y|`.

        Each pattern may be in a unit of its own.
        """
        computed = (
            Grid(self.object_shape_, self.fourier_shape_, bool(self.centered))
            .magnitudes(objects)
            .double()
        )
        magnitudes, axes = magnitudes.double(), space_axes(magnitudes)
        known = ~magnitudes.isnan()
        magnitudes, computed = (
            torch.where(known, values, 0.0) for values in (magnitudes, computed)
        )
        products, squares, norms = (
            (first * second).sum(dim=axes)
            for first, second in (
                (computed, magnitudes),
                (computed, computed),
                (magnitudes, magnitudes),
            )
        )
        lit = (squares > 0) & (norms > 0)
        unexplained = 1 - products[lit].square() / (squares[lit] * norms[lit])
        return float(unexplained.clamp_min(0).sqrt().median()) if lit.any() else 0.0

    def _problem(self, magnitudes, photons, key):
        """Return the measurement of patterns of a group, and their noise.

        The variance of a magnitude's noise is the unit of the posterior's logarithm, too, in
        values of the deviance.
        """
        values = torch.from_numpy(np.asarray(magnitudes, dtype=np.float64)).to(
            resolve_device(self.device)
        )
        counted = torch.from_numpy(photons).to(values.device)
        likelihood = Likelihood(CountingNoise(), counted) if key[0] == "counts" else Likelihood()
        problem = Measurement(
            values,
            self.object_shape_,
            self.constraints_,
            centered=self.centered,
            likelihood=likelihood,
        )
        if key[0] == "counts":
            return problem, counted / problem.scale.double().square() / 4
        noise = EXACT if key[0] == "none" else 2.0 ** key[1]
        return problem, torch.full_like(counted, noise**2)

    # --- what predictions are worth ---------------------------------------------------------------

    def _trust(self, key, predict):
        """Return the errors of a group's predictions, and their best use.

        Both come from the objects held out, and are learned once per group.
        """
        learned = vars(self).setdefault("_learned", {})
        if key not in learned:
            learned[key] = self._judged(key, predict)
        return learned[key]

    def __getstate__(self):
        """Return the state without what is learned again when it is needed."""
        return {name: value for name, value in super().__getstate__().items() if name != "_learned"}

    def _judged(self, key, predict):
        n_objects = max(FEWEST, min(len(self.held_out_), LARGEST // math.prod(self.fourier_shape_)))
        truth = self.held_out_[even_rows(len(self.held_out_), n_objects)]
        patterns, photons = self._simulated(truth, key)
        predicted = to_tensor(predict(patterns)).detach().cpu().numpy()
        problem, unit = self._problem(patterns, photons, key)
        prior = Prior(problem, predicted)
        boundary = self.iterations_.boundary_
        moved, _ = register(truth, prior.objects.cpu().numpy(), boundary=boundary)
        powers = prior.ring_powers(
            problem.to_normalized(torch.from_numpy(moved).to(prior.objects.device))
        )
        radial = prior.radial_errors(unit, key[0] == "counts")
        errors, _, sensitivities = (sums.sum(dim=0) for sums in radial)
        expected = (errors / sensitivities.clamp_min(1e-300)).clamp_min(SMALLEST)
        known = Trust(powers, expected)
        powers = known.of(prior, unit, key[0] == "counts")
        ends = self.iterations_.retrieve(patterns, init=predicted).objects
        starts = prior.objects, prior.registered(ends, boundary)
        least, trust = relative_error(truth, predicted, boundary=boundary), known
        for weight in (0.0, *WEIGHTS):
            for way, found in prior.ways(powers, unit, weight, starts):
                error = relative_error(truth, found.cpu().numpy(), boundary=boundary)
                if error < least:
                    least, trust = error, known._replace(way=way, weight=weight)
        return trust

    def _simulated(self, truth, key):
        """Simulate patterns like those of a group, in the unit of the objects."""
        rng = check_random_state(self.random_state)
        grid = Grid(self.object_shape_, self.fourier_shape_, bool(self.centered))
        clean = grid.magnitudes(torch.from_numpy(truth)).double().numpy()
        missing = np.frombuffer(key[2], dtype=bool).reshape(self.fourier_shape_) if key[2] else None
        photons = np.zeros(len(clean))
        if key[0] == "counts":
            seen = (
                np.square(clean if missing is None else clean[:, ~missing])
                .reshape(len(clean), -1)
                .sum(axis=1)
            )
            photons = np.maximum(seen, 1e-300) / 2.0 ** key[1]
            unit = photons.reshape([-1] + [1] * (clean.ndim - 1))
            clean = np.sqrt(rng.poisson(np.square(clean) / unit) * unit)
        elif key[0] == "normal":
            size = np.sqrt(np.square(clean).reshape(len(clean), -1).mean(axis=1)) * 2.0 ** key[1]
            clean = np.abs(
                clean
                + size.reshape([-1] + [1] * (clean.ndim - 1)) * rng.standard_normal(clean.shape)
            )
        return (clean if missing is None else np.where(missing, np.nan, clean)).astype(
            truth.real.dtype
        ), photons

    def _refined(self, measured, predicted, ends, trust, key):
        if trust.way == "prediction":
            return predicted
        problem, unit = measured
        prior = Prior(problem, predicted)
        powers = trust.of(prior, unit, key[0] == "counts")
        starts = prior.objects, prior.registered(ends, self.iterations_.boundary_)
        found = dict(prior.ways(powers, unit, trust.weight, starts))[trust.way]
        return problem.to_units(found).cpu().numpy()


class Trust(NamedTuple):
    """Worth of a group's predictions, and the way that refines them best.

    Attributes
    ----------
    powers : torch.Tensor
        Powers of the errors at each frequency, relative to the energy.
    expected : torch.Tensor of shape (n_rings,)
        Powers of the errors of the predicted magnitudes on each ring, relative to the energy.
    way : str
        See :meth:`Prior.ways`, or "prediction" where none is better.
    weight : float
        Weight of the prior.
    """

    powers: Any
    expected: Any
    way: str = "prediction"
    weight: float = 1.0

    def of(self, prior, unit, counted):
        """Return the powers of the errors, scaled to what the patterns tell."""
        return self.powers * prior.excess(prior.radial_errors(unit, counted), self.expected)
