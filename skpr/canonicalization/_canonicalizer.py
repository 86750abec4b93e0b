"""Transformer that breaks the symmetries of a training set."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .._arrays import inspect_fitted_batch
from .._base import BatchTransformer
from .._lazy import LazyBatch, enough_of, some_of
from .._store import POOL_BYTES
from .._tensors import chunks_of, energy, map_chunks, to_tensor
from .._validation import (
    check_choice,
    check_count,
    check_flag,
    check_number,
    resolve_boundary,
    warn_user,
)
from ..measurement import are_plainly_magnitudes
from ..symmetry import ContentMixin, act
from ..symmetry.core import lost_energy, turned
from ._flip_rules import FLIP_RULES
from ._fractions import moved_by_fractions
from ._learning import fitted_direction, mean_of, norm_of, starting_strategies
from ._search import Strategies, canonical_phases, canonicalize, near_unit_scale
from ._shift_rules import SHIFT_RULES

if TYPE_CHECKING:
    from .._typing import Batch, Boundary, Self

SHIFTS = (*SHIFT_RULES, "template", None)
FLIPS = (*FLIP_RULES, "template", None)
PHASES = ("auto", "origin", "template", None)
_WAYS = "give boundary='circular' if shifts wrap around, shift=None if there are no shifts to break"


class SymmetryCanonicalizer(ContentMixin, BatchTransformer):
    r"""Move each object to one representative of its shifts, flips and phases.

    All members of an orbit `{g x}` (shifts, conjugate inversion, global phase) share one Fourier
    magnitude, so a network trained on raw pairs learns their average. This transformer maps each
    orbit to one representative `c(x)`. It is *invariant*, `c(g x) = c(x)`, and lies on the orbit,
    so the magnitudes do not change.

    Each symmetry has its own strategy. A rule depends on the object alone. The strategy
    ``"template"`` is fitted by generalized Procrustes analysis over this group (Gower, 1975): the
    training objects, scaled to unit norm, are registered to a running mean until it stops changing,
    and new objects are registered to the result. The representative is thus the member of the orbit
    closest to the template, which minimises the variance of the training set. It moves continuously
    with the object wherever one candidate is clearly best.

    Parameters
    ----------
    shift : {"template", "centroid", "box"} or None, default="template"
        Strategy for the shift. ``"box"`` centres the bounding box of the content and ``"centroid"``
        the centroid of the intensity, both to whole pixels. ``"template"`` maximises the
        correlation with the template over all shifts. Along axes with boundary "zero" no shift
        moves content out of the frame.
    flip : {"template", "moment", "principal", "bispectrum", "fourier"} or None, default="template"
        Strategy for the flip. ``"moment"``: sign of the mean entry of the skewness tensor of the
        intensity. ``"principal"``: sign of the same features along their principal direction over
        the training set. ``"bispectrum"``: sign of `Im[F(k)^2 conj F(2k) conj F(0)]` at the lowest
        frequencies. ``"fourier"``: sign of the phase next to zero frequency, the rule of Tayal et
        al. (2020), as a baseline. ``"template"``: the orientation that correlates better with the
        template.
    phase : {"auto", "origin", "template"} or None, default="auto"
        Strategy for the phase. ``"origin"`` makes `sum x` real and positive, and ``"template"`` the
        inner product with the template. For real objects the phase is the sign, and non-negative
        objects are left unchanged. ``"auto"`` is ``"template"`` if another symmetry uses the
        template, else ``"origin"``.
    boundary : {"auto", "zero", "circular"} or sequence of "zero" and "circular", default="auto"
        Whether objects lie in a dark frame ("zero") or shifts wrap around ("circular"), as they do
        without oversampling; a sequence has one entry for each axis. ``"auto"`` is "zero", unless a
        :class:`skpr.SymmetryBreakingRegressor`, which knows the shape of the magnitudes, sets it.
    subpixel : bool, default=False
        Whether shifts are refined to fractions of a pixel: after the shift to whole pixels, each
        object is moved by up to half a pixel to where it matches the template best. Only with
        ``shift="template"``. See Notes.
    background : "auto" or float, default="auto"
        Level of the background: its root mean square as a fraction of the objects' maximum, below
        .25. Pixels below four times the level are not content. ``"auto"`` measures the level on the
        training set (:func:`skpr.symmetry.background_level`): it is exactly 0 for objects in exact
        darkness. With 0, every nonzero pixel is content.
    max_iter : int, default=50
        Maximum number of passes over the training set when fitting the template.
    tol : float, default=1e-4
        Gain of a pass over the training set, relative to the template's energy, at or below which
        fitting stops.
    max_samples : int or None, default=50000
        Maximum number of objects to fit the template and the direction on, in evenly spaced runs;
        `None` for all. Of objects that are drawn when they are read, at most 1,024 are used.

    Attributes
    ----------
    object_shape_ : tuple of int
    boundary_ : tuple of str
        Boundary along each axis.
    background_ : float
        Level of the background as a fraction of the maximum; 0 in exact darkness. Above .1 the
        objects fill their frame, and every nonzero pixel is content.
    lost_energy_ : float
        Largest fraction of its energy that a training object loses because its shift moves
        background, and up to 1 % of the content on each side, out of the frame; exactly 0 without a
        background.
    template_ : ndarray of shape (\*object_shape), float64
        Mean of the canonical training objects at unit norm; only if a strategy is ``"template"``.
    direction_ : ndarray of shape (n_features,), float64
        Principal direction of the odd features; only with `flip="principal"` or ``"template"``.
    variance_ : float
        Variance of the canonical training set at unit norm, `1 - |mean|^2`, between 0 and 1.
    n_iter_ : int
        Number of passes over the training set to fit the template; 1 without a template.

    Notes
    -----
    No continuous canonical form exists for such groups (Dym, Lawrence and Siegel, 2024). With every
    strategy there are therefore objects with two equally good candidates, and a small change of
    such an object can switch from one to the other.

    Fitting the template is the alignment step of iterative re-alignment; the work on bootstrapped
    re-alignment (2025) explains why such a running template converges.

    Ties (symmetric, periodic or empty objects) are broken by a fixed irregular pattern, so that
    these objects also have one representative. `inverse_transform` is the identity, because a
    representative is as valid an object as any other member of its orbit.

    Objects from nature do not lie on a grid, and a shift by a fraction of a pixel hardly changes
    their magnitudes. With ``subpixel=True`` that symmetry is broken, too. Representatives are still
    exactly invariant to whole shifts, but they are not exactly on the orbit, because the shift
    interpolates: a little of an object leaves its support, its magnitudes change near the band
    edge, and values below 0 are cut from objects that had none. It suits objects that are blurred
    over a pixel or more; sharp edges would ring.

    For objects with a background the group element is found on their content alone and then applied
    to the objects themselves. Representatives therefore keep their background, except where it
    leaves the frame. The representatives of one orbit agree up to the background, except for the
    few objects whose content depends on the noise that left the frame. :mod:`skpr.symmetry` defines
    the content. A background in fewer than a quarter of the training objects is ignored.

    References
    ----------
    K. Tayal, C.-H. Lai, R. Manekar, Z. Zhuang, V. Kumar, J. Sun, "Unlocking Inverse Problems Using
    Deep Learning: Breaking Symmetries in Phase Retrieval", 2020.

    J. C. Gower, "Generalized Procrustes analysis", 1975.

    Dym, Lawrence and Siegel, "Equivariant Frames and the Impossibility of Continuous
    Canonicalization", ICML 2024, arXiv:2402.16077.

    Bootstrapped re-alignment, 2025, arXiv:2510.08178.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 3.0]])
    >>> SymmetryCanonicalizer(shift="box", flip="moment").fit_transform(x)
    array([[0., 3., 1., 0., 0.], [0., 3., 1., 0., 0.]])
    """

    _fitted_attribute = "variance_"
    _read_by_fit = "shift", "flip", "phase", "boundary", "subpixel", "background"

    def __init__(
        self,
        shift: str | None = "template",
        flip: str | None = "template",
        phase: str | None = "auto",
        *,
        boundary: Boundary = "auto",
        subpixel: bool = False,
        background: str | float = "auto",
        max_iter: int = 50,
        tol: float = 1e-4,
        max_samples: int | None = 50000,
    ) -> None:
        self.shift = shift
        self.flip = flip
        self.phase = phase
        self.boundary = boundary
        self.subpixel = subpixel
        self.background = background
        self.max_iter = max_iter
        self.tol = tol
        self.max_samples = max_samples

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Fit the template and the principal direction that the strategies need.

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
            If a parameter is not valid, or objects hold NaN or infinity.

        Warns
        -----
        UserWarning
            If the objects fill their frame, so that no shift keeps their content inside; if all
            objects are zero; if `X` looks like magnitudes; and if `y` equals `X`, because only `X`
            is transformed.
        """
        X, facts = inspect_fitted_batch(self, X, reset=True, shape_attribute="object_shape_")
        self._check_parameters()
        self._warn_of_targets(X, y)
        if facts.largest == 0:
            warn_user(
                "every object in X is zero everywhere: there is no symmetry to break, and the "
                "template is zero"
            )
        if are_plainly_magnitudes(X):
            warn_user(
                "X looks like magnitudes, not like objects: every sample is exactly symmetric "
                "about its middle and brightest there. Only objects have symmetries to break; "
                "magnitudes do not change under them"
            )
        boundary = resolve_boundary(self.boundary, X.ndim - 1)
        some = some_of(X, enough_of(self.max_samples, X))
        if isinstance(some, LazyBatch) and some.nbytes <= POOL_BYTES:
            some = np.asarray(some)  # read once for many passes
        X = some if isinstance(X, LazyBatch) and X.is_drawn else X
        background = self._fit_background(X, boundary, _WAYS if self.shift is not None else None)
        self._strategies = self._resolved_strategies(boundary, background)
        self.boundary_ = boundary
        self._remember_parameters()
        for fitted in ("template_", "direction_"):
            vars(self).pop(fitted, None)
        if self.flip in ("principal", "template"):
            self.direction_ = fitted_direction(some, self._strategies)
        if self._strategies.uses_template:
            explained = self._fit_template(some)
        else:
            self.n_iter_ = 1
            explained = norm_of(self._mean_of(some, self._strategies))
        self.lost_energy_ = self._lost_energy(some)
        self.variance_ = max(0.0, 1 - explained)
        return self

    def _since_fitted(self):
        # the first version assumed exact darkness and one boundary for all axes
        boundary = resolve_boundary(self._strategies.boundary, len(self.object_shape_))
        object.__setattr__(self._strategies, "boundary", boundary)
        return {"boundary_": boundary, "background_": 0.0, "_usual_share": 1.0, "lost_energy_": 0.0}

    def transform(self, X: Batch) -> Any:
        """Shift, flip and rephase each object to its representative.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *object_shape)
            Representatives in the type of `X`; gradients are kept.

        Raises
        ------
        ValueError
            If a strategy, the boundary or the background was changed after `fit`.

        Warns
        -----
        UserWarning
            If `background="auto"` and the objects have a brighter background than those of `fit`.
        """
        check_is_fitted(self)
        self._check_unchanged()
        X = self._checked(X, reset=False)
        if self._strategies.shift is not None:
            self._check_background(X, self.boundary_)
        values = 2 * math.prod(self.object_shape_)
        if self._strategies.subpixel:  # twice as wide, complex and in double precision
            values *= 4 * 2 ** len(self.object_shape_)
        if not isinstance(X, LazyBatch):
            return map_chunks(self._canonicalize, X, values_per_sample=values)
        if X.is_drawn:  # a pass before the training would take as long as an epoch
            return X.mapped(copy(self)._canonicalize)
        # one pass finds the group elements; objects are moved when they are read
        element = map_chunks(self._element, X, values_per_sample=values)
        moved = act(X, element, self.boundary_)
        if self._strategies.subpixel:
            return moved.mapped(self._refined)
        if X.facts.minimum >= 0 and (element.phase == 1).all():
            moved.facts = X.facts
        return moved

    def inverse_transform(self, X: Batch) -> Any:
        """Return the objects unchanged, as a canonical object is valid."""
        return X

    def _canonicalize(self, x, strategies=None):
        strategies = strategies or self._strategies
        moved = self._canonical(x, strategies)[0]
        return self._refined(moved) if strategies.subpixel else moved

    def _refined(self, x):
        """Move canonical objects by fractions of a pixel, and rephase them."""
        template = torch.as_tensor(self.template_, device=x.device)[None]
        # objects that fill their frame, and are content everywhere, move only where they wrap
        fills = self._strategies.background == 0 < self.background_
        moves = tuple(wraps == "circular" or not fills for wraps in self.boundary_)
        moved = moved_by_fractions(x, template, self.boundary_, moves)
        return (
            moved
            if self._strategies.phase is None
            else turned(
                moved,
                canonical_phases(moved, template if self._strategies.phase == "template" else None),
            )
        )

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
        self.template_ = self._mean_of(X, starting_strategies(self._strategies))
        explained, whole = 0.0, replace(self._strategies, subpixel=False)
        for n_iter in range(1, self.max_iter + 1):
            mean = self._mean_of(X, whole)
            gain, explained = norm_of(mean) - explained, norm_of(mean)
            self.template_, self.n_iter_ = mean, n_iter
            if gain <= self.tol * explained:
                if whole == self._strategies:
                    break
                whole = self._strategies  # fractions come last
        return explained

    def _mean_of(self, X, strategies):
        """Average the representatives of a training set."""

        def moved(x):
            return self._canonicalize(x, strategies)

        template = getattr(self, "template_", None)
        return mean_of(X, moved, template, aligns_phases=strategies.phase is None)

    def _lost_energy(self, X):
        """Compute the largest fraction of its energy that an object loses.

        Without a background nothing is lost.
        """
        if not self._strategies.background or self._strategies.wraps:
            return 0.0
        largest = 0.0
        with torch.no_grad():
            for part in chunks_of(len(X), 2 * math.prod(self.object_shape_)):
                x = near_unit_scale(to_tensor(X[part]))
                element = self._element(x)
                lost = lost_energy(x, element.shift, element.flip, self.boundary_)
                largest = max(
                    largest, float((lost / energy(x).clamp_min(torch.finfo(lost.dtype).tiny)).max())
                )
        return largest

    def _check_parameters(self):
        check_choice("shift", self.shift, SHIFTS)
        check_choice("flip", self.flip, FLIPS)
        check_choice("phase", self.phase, PHASES)
        check_flag("subpixel", self.subpixel)
        if self.subpixel and self.shift != "template":
            raise ValueError(
                f"subpixel=True refines shifts by the template, but shift={self.shift!r}; give "
                "shift='template' or subpixel=False"
            )
        check_count("max_iter", self.max_iter)
        check_number("tol", self.tol, 0)
        check_count("max_samples", self.max_samples, optional=True)

    def _resolved_strategies(self, boundary, background):
        phase = self.phase
        if phase == "auto":
            phase = "template" if "template" in (self.shift, self.flip) else "origin"
        subpixel = bool(self.subpixel)
        return Strategies(self.shift, self.flip, phase, boundary, background, subpixel)
