"""The estimator that breaks the symmetries of a training set."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_boundary, check_choice, check_fitted_batch
from .._lazy import POOL_BYTES, LazyBatch, some_of
from .._tensors import chunks_of, map_chunks, to_tensor
from ..symmetry import act, energy, rotate_phase
from ._flip_rules import FLIP_RULES, odd_features, principal_direction
from ._search import Strategies, canonical_phases, canonicalize
from ._shift_rules import SHIFT_RULES
from ._ties import to_double

if TYPE_CHECKING:
    from .._typing import Batch, Self

SHIFTS = (*SHIFT_RULES, "template", None)
FLIPS = (*FLIP_RULES, "template", None)
PHASES = ("auto", "origin", "template", None)


class SymmetryCanonicalizer(TransformerMixin, BaseEstimator):
    r"""Replace each object by the canonical member of its symmetry orbit.

    All members of an orbit `{g x}` (shifts, conjugate inversion, global phase) have one Fourier magnitude, so a
    network trained on raw pairs learns their average. This transformer maps each orbit to one representative `c(x)`,
    which is *invariant*, `c(g x) = c(x)`, and on the orbit, so that the magnitudes do not change.

    Each symmetry has its own strategy. Rules look at the object alone; ``"template"`` is fitted by generalized
    Procrustes analysis (Gower, 1975, over this group): the training objects, scaled to unit norm, are registered to a
    running mean until it stops changing, and new ones are registered to the result. Of an object's representatives it
    picks the one closest to all others, which leaves the training set as little variance as possible and moves
    continuously with the object wherever one candidate is clearly best.

    Parameters
    ----------
    shift : {"template", "centroid", "box"} or None, default="template"
        ``"box"`` centres the bounding box of the non-zero content, ``"centroid"`` the centroid of the intensity, both
        to whole pixels; ``"template"`` maximises the correlation with the template over all shifts. With
        `boundary="zero"` no shift moves content out of the frame.
    flip : {"template", "moment", "principal", "bispectrum", "fourier"} or None, default="template"
        ``"moment"``: sign of the mean entry of the skewness tensor of the intensity. ``"principal"``: the same
        features along the direction in which the training set has most of them. ``"bispectrum"``: sign of
        `Im[F(k)^2 conj F(2k) conj F(0)]` at the lowest frequencies. ``"fourier"``: sign of the phase next to zero
        frequency, the rule of Tayal et al. (2020), as a baseline. ``"template"``: the orientation that correlates
        better with the template.
    phase : {"auto", "origin", "template"} or None, default="auto"
        ``"origin"`` makes `sum x` real and positive; ``"template"`` the inner product with the template. For real
        objects this is the sign, and non-negative objects stay as they are. ``"auto"`` is ``"template"`` where another
        symmetry uses the template, else ``"origin"``.
    boundary : {"zero", "circular"}, default="zero"
        Whether objects lie in a dark frame or shifts wrap around, as they do without oversampling.
    max_iter : int, default=50
        Most passes over the training set for the template.
    max_samples : int or None, default=50000
        Most objects that template and direction are fitted on: of a larger training set, runs of neighbours at even
        distances. `None` for all.
    tol : float, default=1e-4
        The template is done when a pass gains less than this, relative to its energy.

    Attributes
    ----------
    object_shape_ : tuple of int
    template_ : ndarray of shape (\*object_shape), float64
        Mean of the canonical training objects at unit norm. Only where a strategy is ``"template"``.
    direction_ : ndarray of shape (n_features,), float64
        Principal direction of the odd features. Only with `flip="principal"` or ``"template"``.
    variance_ : float
        Variance of the canonical training set at unit norm, `1 - |mean|^2`, between 0 and 1.
    n_iter_ : int
        Passes over the training set that the template took; 1 without a template.

    Notes
    -----
    Ties (symmetric, periodic or empty objects) are broken by a fixed irregular pattern, so that they too have one
    representative. `inverse_transform` is the identity: a representative is as good an object as any in its orbit.

    References
    ----------
    K. Tayal, C.-H. Lai, R. Manekar, Z. Zhuang, V. Kumar, J. Sun, "Unlocking Inverse Problems Using Deep Learning:
    Breaking Symmetries in Phase Retrieval", 2020. J. C. Gower, "Generalized Procrustes analysis", 1975.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 3.0]])
    >>> SymmetryCanonicalizer(shift="box", flip="moment").fit_transform(x)
    array([[0., 3., 1., 0., 0.], [0., 3., 1., 0., 0.]])
    """

    def __init__(
        self,
        shift: str | None = "template",
        flip: str | None = "template",
        phase: str | None = "auto",
        *,
        boundary: str = "zero",
        max_iter: int = 50,
        tol: float = 1e-4,
        max_samples: int | None = 50000,
    ) -> None:
        self.shift = shift
        self.flip = flip
        self.phase = phase
        self.boundary = boundary
        self.max_iter = max_iter
        self.tol = tol
        self.max_samples = max_samples

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Fit the template and the principal direction, where the strategies need them.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)
            Real or complex objects.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an unknown strategy or boundary, and for objects with NaN or infinity.
        """
        X = check_fitted_batch(self, X, reset=True, shape_attribute="object_shape_")
        self._check_parameters()
        self._strategies = self._resolved_strategies()
        X = some_of(X, self.max_samples)
        if isinstance(X, LazyBatch) and X.nbytes <= POOL_BYTES:
            X = np.asarray(X)  # passes are many: what fits is read once
        for fitted in ("template_", "direction_"):
            if hasattr(self, fitted):
                delattr(self, fitted)
        if self.flip in ("principal", "template"):
            self.direction_ = _fit_direction(X, self.boundary)
        if self._strategies.uses_template:
            self._fit_template(X)
        else:
            self.n_iter_ = 1
            self.variance_ = 1 - _norm(self._mean_of(X, self._strategies))
        return self

    def transform(self, X: Batch) -> Any:
        """Move each object to its representative.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *object_shape)
            In the type of `X`; gradients are kept.
        """
        check_is_fitted(self, "variance_")
        X = check_fitted_batch(self, X, reset=False, shape_attribute="object_shape_")
        values = 2 * math.prod(self.object_shape_)
        if not isinstance(X, LazyBatch):
            return map_chunks(self._canonicalize, X, values_per_sample=values)
        # one pass finds the group elements, which are few numbers; objects are moved when they are read
        element = map_chunks(self._element, X, values_per_sample=values)
        moved = act(X, element, self.boundary)
        if X.summary.minimum >= 0 and (element.phase == 1).all():
            moved.summary = X.summary
        return moved

    def inverse_transform(self, X: Batch) -> Any:
        """Return the objects as they are: the canonical member is a valid member of its orbit."""
        return X

    def _canonicalize(self, x, strategies=None):
        return self._canonical(x, strategies)[0]

    def _element(self, x):
        return self._canonical(x)[1]

    def _canonical(self, x, strategies=None):
        template, direction = getattr(self, "template_", None), getattr(self, "direction_", None)
        return canonicalize(
            x,
            strategies or self._strategies,
            None if template is None else torch.as_tensor(template, device=x.device)[None],
            None if direction is None else torch.as_tensor(direction, device=x.device),
        )

    def _fit_template(self, X):
        strategies = self._strategies
        self.template_ = self._mean_of(X, _starting_strategies(strategies))
        explained = 0.0
        for n_iter in range(1, self.max_iter + 1):
            mean = self._mean_of(X, strategies)
            gain, explained = _norm(mean) - explained, _norm(mean)
            self.template_, self.n_iter_ = mean, n_iter
            if gain <= self.tol * explained:
                break
        self.variance_ = 1 - explained

    def _mean_of(self, X, strategies):
        """Mean over the training set of the representatives, at unit norm and with their phases aligned."""
        total = 0.0
        template = getattr(self, "template_", None)
        with torch.no_grad():
            for part in chunks_of(len(X), 2 * math.prod(self.object_shape_)):
                x = to_tensor(X[part])
                moved = to_double(self._canonicalize(x, strategies))
                if strategies.phase is None:
                    reference = None if template is None else torch.as_tensor(template, device=x.device)[None]
                    moved = rotate_phase(moved, canonical_phases(moved, reference))
                norms = energy(moved).sqrt()
                moved = moved / torch.where(norms > 0, norms, 1.0).view([-1] + [1] * (moved.ndim - 1))
                total = total + moved.sum(dim=0)
        return (total / len(X)).cpu().numpy()

    def _check_parameters(self):
        check_choice("shift", self.shift, SHIFTS)
        check_choice("flip", self.flip, FLIPS)
        check_choice("phase", self.phase, PHASES)
        check_boundary(self.boundary)
        if not isinstance(self.max_iter, Integral) or self.max_iter < 1:
            raise ValueError(f"max_iter={self.max_iter!r} is not valid; give an integer >= 1")
        if not isinstance(self.tol, Real) or self.tol < 0:
            raise ValueError(f"tol={self.tol!r} is not valid; give a number >= 0")
        if self.max_samples is not None and not (isinstance(self.max_samples, Integral) and self.max_samples >= 1):
            raise ValueError(f"max_samples={self.max_samples!r} is not valid; give an integer >= 1 or None")

    def _resolved_strategies(self):
        phase = self.phase
        if phase == "auto":
            phase = "template" if "template" in (self.shift, self.flip) else "origin"
        return Strategies(self.shift, self.flip, phase, self.boundary)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _starting_strategies(strategies):
    """Rules that put the training objects near one another before there is a template."""
    return Strategies(
        "centroid" if strategies.shift == "template" else strategies.shift,
        "principal" if strategies.flip == "template" else strategies.flip,
        "origin" if strategies.phase == "template" else strategies.phase,
        strategies.boundary,
    )


def _fit_direction(X, boundary):
    """Principal direction of the odd features of a training set, float64."""
    moment = 0.0
    with torch.no_grad():
        for part in chunks_of(len(X), 4 * math.prod(X.shape[1:])):
            features = odd_features(to_double(to_tensor(X[part])), boundary)
            moment = moment + features.T @ features
    return principal_direction(moment).cpu().numpy()


def _norm(mean):
    return float((abs(mean) ** 2).sum())
