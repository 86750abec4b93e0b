"""The regressor on symmetry-broken targets."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._layout import side_of_flattened
from .._tensors import along_samples, inner, space_axes, to_tensor, unit
from .._validation import UNDOES_BREAKING, short
from ..augmentation import RandomDeformation
from ..canonicalization import SymmetryCanonicalizer
from ..symmetry import orbit_distance
from ._around import (
    AroundRegressor,
    as_features,
    changed_parameters,
    check_part,
    is_clone_of,
    parts_of,
)

if TYPE_CHECKING:
    from .._typing import Batch

N_COMPARED = 16  # targets, at even distances, that are transformed back
N_COPIED, N_COPIES = 4, 6  # targets by which a step is judged, and copies of each
APART, MOVED = (
    0.05,
    0.3,
)  # relative difference of copies that are others, and that of their orbits where one was moved
GREATEST_CHANGE = 0.15  # of their magnitudes; noise that a shift cuts off at the edge of a frame changes them less

CHANGES = {
    "fourier": (
        "shift, flip and phase, and so will predictions; give the step of the transformer that "
        "changes more than these "
        "an inverse_transform"
    ),
    "phase": (
        "the phase, the only symmetry of magnitudes that do not correlate with the Fourier "
        "magnitudes of y; "
        "canonicalize the phase alone, as SymmetryCanonicalizer(None, None), give "
        "symmetries='fourier'"
    ),
}


class SymmetryBreakingRegressor(AroundRegressor):
    r"""Fit a regressor on transformed targets: the step that breaks the symmetries of a training
    set.

    The measurement is the same for every member of an object's orbit, so symmetry breaking concerns
    the target only: `fit` transforms `y` and fits the regressor on `X` and the result; `predict`
    applies the `inverse_transform` of each step of the transformer that has one, in reverse order.
    That of :class:`skpr.SymmetryCanonicalizer` is the identity, because a representative is as good
    an object as any; a step without one, such as
    :class:`skpr.ShiftFlipAugmenter`, is left out likewise. The parameter names are those of
    :class:`sklearn.compose.TransformedTargetRegressor`, which refuses complex targets, "passthrough" and transformers
    without an inverse.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; a :class:`skpr.PhaseRetrievalRegressor` if not
        given. One in a
        :class:`sklearn.frozen.FrozenEstimator` is not trained again.
    transformer : transformer, "passthrough" or None, optional
        Transformer that makes targets canonical, a pipeline of several for instance; "passthrough"
        leaves targets as they are. A :class:`skpr.SymmetryCanonicalizer` if not given. Each of its
        parameters `boundary` that is "auto" is set by the shapes of `X` and `y`: "circular" along
        an axis where they agree, else "zero".
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries that `score` registers over: shift, flip and phase, or the phase only. "auto"
        decides at `fit`, by whether magnitudes correlate with those of the objects.
    check_inverse : bool, default=True
        Whether `fit` transforms some targets back and compares them with the objects.

    Attributes
    ----------
    regressor_, transformer_ : estimator
        The fitted clones; `transformer_` is "passthrough" where there is none.
    boundary_ : tuple of {"zero", "circular"}, one for each object axis
        Boundary of the shifts that `score` registers over.
    symmetries_ : {"fourier", "phase"}
    object_shape_, target_shape_ : tuple of int
        Shapes of one object and of one transformed target.
    n_features_in_ : int
        The regressor's.

    Warns
    -----
    UserWarning
        If targets, transformed and back, are other objects than `y` beyond the symmetries: the
        units are another, for instance, because a step has no inverse.

    Examples
    --------
    >>> from skpr import SymmetryCanonicalizer
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> objects = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    >>> magnitudes = np.array([[3.0, 1.0], [3.0, 1.0]])
    >>> model = SymmetryBreakingRegressor(KNeighborsRegressor(n_neighbors=2), SymmetryCanonicalizer())
    >>> model.fit(magnitudes, objects).score(magnitudes, objects)
    1.0

    Steps behind the canonicalizer are undone, so targets may be flattened for scikit-learn's own
    regressors:

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> def flat(batch):
    ...     return batch.reshape(len(batch), -1)
    >>> def square(batch):
    ...     return batch.reshape(-1, 4, 4)
    >>> images = np.random.default_rng(0).random((8, 4, 4))
    >>> model = SymmetryBreakingRegressor(
    ...     make_pipeline(FunctionTransformer(flat), KNeighborsRegressor(n_neighbors=1)),
    ...     make_pipeline(SymmetryCanonicalizer(), FunctionTransformer(flat, square)),
    ... )
    >>> model.fit(np.abs(np.fft.fft2(images)), images).predict(np.abs(np.fft.fft2(images))).shape
    (8, 4, 4)
    """

    def __init__(
        self,
        regressor: Any = None,
        transformer: Any = None,
        *,
        symmetries: str = "auto",
        check_inverse: bool = True,
    ) -> None:
        self.regressor = regressor
        self.transformer = transformer
        self.symmetries = symmetries
        self.check_inverse = check_inverse

    def predict(self, X: Batch) -> Any:
        r"""Reconstruct objects.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            Predictions of the regressor, whose type they keep, with the steps of the transformer
            undone.
        """
        check_is_fitted(self, "regressor_")
        return inverted(self.transformer_, self._predicted(as_features(X)[0]))

    def _given_transformer(self):
        return (
            SymmetryCanonicalizer(boundary="auto") if self.transformer is None else self.transformer
        )

    def _check_parts(self):
        transformer = self._given_transformer()
        if isinstance(transformer, str):
            if transformer != "passthrough":
                raise ValueError(
                    f"transformer={short(transformer)} is not valid; give a transformer or "
                    f"'passthrough'"
                )
        else:
            check_part(
                "transformer", transformer, ("fit", "transform"), "a transformer or 'passthrough'"
            )
            check_keeps_magnitudes(transformer)

    def _prepared_targets(self, magnitudes, y, continues):
        transformer = self._given_transformer()
        if continues:
            self._check_same_transformer(transformer)
            return y if isinstance(self.transformer_, str) else self.transformer_.transform(y)
        if isinstance(transformer, str):
            self.transformer_ = transformer
            return y
        self.transformer_ = with_boundary(clone(transformer), self.boundary_)
        if hasattr(self.transformer_, "fit_transform"):
            targets = self.transformer_.fit_transform(y)
        else:
            targets = self.transformer_.fit(y, None).transform(y)
        if len(targets) != len(y):
            raise ValueError(
                f"the transformer makes {len(targets)} targets of {len(y)} objects, not one of each"
            )
        check_stays_canonical(self.transformer_, y)
        self.target_shape_ = tuple(targets.shape[1:])
        self._check_inverse(y, targets)
        return targets

    def _check_same_transformer(self, transformer):
        """Refuse one that was changed where training continues on targets of the fitted one."""
        if isinstance(transformer, str) or isinstance(self.transformer_, str):
            same = transformer is self.transformer_ or transformer == self.transformer_
        else:
            same = is_clone_of(self.transformer_, transformer)
            changed = changed_parameters(self.transformer_, transformer) if same else {}
            same = same and all(value == "auto" for value in changed.values())  # set by the shapes
        if not same:
            raise ValueError(
                "transformer was changed since the first fit, but further training keeps the "
                "targets of the fitted "
                "one; fit a clone of this estimator"
            )

    def _check_inverse(self, y, targets):
        """Refuse targets that do not come back as objects, and warn of those that come back as
        others.
        """
        rows = np.unique(np.linspace(0, len(y) - 1, N_COMPARED).astype(int))
        objects, some = picked(y, rows), picked(targets, rows)
        back = inverted(self.transformer_, some)
        shape = tuple(back.shape[1:])
        if shape != self.object_shape_:
            raise ValueError(
                f"the transformer makes targets of shape {self.target_shape_} of objects of shape "
                f"{self.object_shape_}, and transforms them back to shape {shape}; give the step "
                f"that changes the "
                "shape an inverse_transform"
            )
        change = (
            change_beyond_symmetries(objects, back, self.symmetries_) if self.check_inverse else 0.0
        )
        side = side_of_flattened(y) if change > GREATEST_CHANGE else 0
        if side:
            warnings.warn(
                f"y of shape {tuple(y.shape)} looks like flattened images of {side} x {side}, "
                f"which the transformer "
                f"takes for signals: targets differ from them by {change:.0%} beyond the "
                f"symmetries; give images and "
                "their magnitudes, and flatten in a pipeline with the regressor and in a last "
                "step of the transformer "
                "that has an inverse_transform",
                UserWarning,
                stacklevel=5,
            )
        elif change > GREATEST_CHANGE:
            warnings.warn(
                f"targets, transformed and back, differ from y by {change:.0%} beyond "
                f"{CHANGES[self.symmetries_]}, or "
                "pass check_inverse=False",
                UserWarning,
                stacklevel=5,
            )
        elif self.target_shape_ == shape and any(map(iterates, parts_of(self._given_regressor()))):
            change = change_beyond_symmetries(objects, some, self.symmetries_)
            if change > GREATEST_CHANGE:
                raise ValueError(
                    f"the transformer makes targets whose magnitudes differ from those of the "
                    f"objects by {change:.0%}, "
                    "with which the regressor iterates; put RefinedRegressor around "
                    "SymmetryBreakingRegressor instead"
                )


def check_keeps_magnitudes(transformer):
    """Refuse a step that makes other objects at random, whose magnitudes are not those that were
    measured.

    Raises
    ------
    ValueError
    """
    for step in plain_steps(transformer):
        if isinstance(step, RandomDeformation):
            raise ValueError(
                f"the step {short(step)} of transformer deforms targets, whose magnitudes are "
                f"then no longer those in "
                "X; give it to the network, as in "
                "PhaseRetrievalRegressor(augmenter=RandomDeformation()), which "
                "simulates the magnitudes of what it deforms"
            )


def check_stays_canonical(transformer, y):
    """Refuse a step behind a canonicalizer that moves objects at random within their orbits.

    Such a step makes other members of the copies of one canonical object.

    Raises
    ------
    ValueError
    """
    steps = list(plain_steps(transformer))
    canonical = [
        number for number, step in enumerate(steps) if isinstance(step, SymmetryCanonicalizer)
    ]
    if not canonical or canonical[-1] == len(steps) - 1:
        return
    batch = picked(y, np.unique(np.linspace(0, len(y) - 1, N_COPIED).astype(int)))
    for number, step in enumerate(
        copy.deepcopy(steps)
    ):  # one that draws is not to be ahead of its draws
        batch = step.transform(batch)
        if number == canonical[-1]:
            batch = (
                batch.repeat_interleave(N_COPIES, 0)
                if isinstance(batch, torch.Tensor)
                else batch.repeat(N_COPIES, 0)
            )
        elif number > canonical[-1] and _are_members(batch):
            raise ValueError(
                f"the step {short(steps[number])} of transformer, behind the canonicalizer, "
                f"{UNDOES_BREAKING}"
            )


def _are_members(batch):
    """Whether copies that a step was given are now different members of their orbits."""
    if (
        not isinstance(batch, np.ndarray | torch.Tensor)
        or not 2 <= batch.ndim <= 4
        or len(batch) % N_COPIES
    ):
        return False
    copies = to_tensor(batch).detach().cpu()
    copies = copies.to(torch.complex128 if copies.is_complex() else torch.float64)
    first = copies[::N_COPIES].repeat_interleave(N_COPIES, 0)
    norms = first.flatten(1).norm(dim=1)
    apart = (copies - first).flatten(1).norm(dim=1)
    if not (apart > APART * norms).any():
        return False
    distances = [
        orbit_distance(copies, first, phase=True, boundary=boundary)
        for boundary in ("zero", "circular")
    ]
    return bool(
        ((apart > APART * norms) & (torch.minimum(*distances).double() < MOVED * apart)).any()
    )


def plain_steps(transformer):
    """Steps of a transformer that transform, those of pipelines inside it in their place."""
    if isinstance(transformer, Pipeline):
        for _, step in transformer.steps:
            yield from plain_steps(step)
    elif transformer is not None and not isinstance(transformer, str):
        yield transformer


def iterates(estimator):
    """Whether an estimator takes its targets for objects with the magnitudes that it is given."""
    return hasattr(estimator, "retrieve") or getattr(estimator, "refiner", None) is not None


def with_boundary(transformer, boundary):
    """Set the parameters `boundary` of a transformer and its parts that are "auto"."""
    names = [
        name
        for name, value in transformer.get_params().items()
        if name.split("__")[-1] == "boundary" and isinstance(value, str) and value == "auto"
    ]
    value = boundary[0] if len(set(boundary)) == 1 else boundary
    return transformer.set_params(**dict.fromkeys(names, value)) if names else transformer


def inverted(transformer, batch):
    """Undo the steps of a transformer that have an inverse, the last one first."""
    if transformer is None or isinstance(transformer, str):
        return batch
    if isinstance(transformer, Pipeline):
        for _, step in reversed(transformer.steps):
            batch = inverted(step, batch)
        return batch
    return (
        transformer.inverse_transform(batch) if hasattr(transformer, "inverse_transform") else batch
    )


def picked(batch, rows):
    """Some samples of an array, a tensor or a batch on disk, as a tensor or an array in memory."""
    return (
        batch[torch.from_numpy(rows)].detach()
        if isinstance(batch, torch.Tensor)
        else np.asarray(batch[rows])
    )


def change_beyond_symmetries(objects, others, symmetries):
    """Distance of objects from others relative to their norm, in a form that does not change under
    the symmetries.

    For "fourier" that is the modulus of the discrete Fourier transform on the objects' own grid,
    which no shift changes, whether it wraps around or keeps the content inside; for "phase" the
    object at the best phase."""
    wide = [to_tensor(batch).detach().cpu() for batch in (objects, others)]
    wide = [batch.to(torch.complex128 if batch.is_complex() else torch.float64) for batch in wide]
    peak = wide[0].abs().max()
    first, second = (batch / peak if peak > 0 else batch for batch in wide)
    if symmetries == "fourier":
        first, second = (
            torch.fft.fftn(batch, dim=space_axes(batch)).abs() for batch in (first, second)
        )
    else:
        second = second * along_samples(unit(inner(second, first.to(second.dtype))), second)
    norm = torch.linalg.vector_norm(first)
    return float(torch.linalg.vector_norm(first - second) / norm) if norm > 0 else 0.0
