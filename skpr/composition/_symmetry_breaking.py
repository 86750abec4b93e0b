"""Regressor on symmetry-broken targets."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._layout import side_of_flattened
from .._validation import short
from ..canonicalization import SymmetryCanonicalizer
from ._around import AroundRegressor, as_features
from ._parts import changed_parameters, check_part, is_clone_of, parts_of
from ._targets import (
    change_beyond_symmetries,
    check_keeps_magnitudes,
    check_stays_canonical,
    inverted,
    picked,
    with_boundary,
)

if TYPE_CHECKING:
    from .._typing import Batch

N_COMPARED = 16  # number of targets, evenly spaced, that are transformed back
# largest tolerated relative change of magnitudes; a shift that cuts off noise at the edge of a
# frame changes them less
GREATEST_CHANGE = 0.15

CHANGES = {
    "fourier": (
        "shift, flip and phase, and so will predictions; give the step of the transformer that "
        "changes more than these an inverse_transform"
    ),
    "phase": (
        "the phase, the only symmetry of magnitudes that do not correlate with the Fourier "
        "magnitudes of y; canonicalize the phase alone, as SymmetryCanonicalizer(None, None), "
        "give symmetries='fourier'"
    ),
}


class SymmetryBreakingRegressor(AroundRegressor):
    r"""Fit a regressor on targets whose symmetries are broken.

    The measurement is the same for every member of an object's orbit, so symmetry breaking concerns
    the target only. `fit` transforms `y` and fits the regressor on `X` and the transformed targets.
    `predict` applies the `inverse_transform` of each step of the transformer that has one, in
    reverse order. For :class:`skpr.SymmetryCanonicalizer` it is the identity, because every member
    of an orbit is an equally valid object; a step without an inverse, such as
    :class:`skpr.ShiftFlipAugmenter`, is skipped. The parameters are named as in
    :class:`sklearn.compose.TransformedTargetRegressor`, which refuses complex targets,
    "passthrough" and transformers without an inverse.

    Parameters
    ----------
    regressor : estimator, optional
        Any regressor of objects on magnitudes; by default a :class:`skpr.PhaseRetrievalRegressor`.
        A regressor in a :class:`sklearn.frozen.FrozenEstimator` is not trained again.
    transformer : transformer, "passthrough" or None, optional
        Transformer that canonicalizes the targets, or a pipeline of several; by default a
        :class:`skpr.SymmetryCanonicalizer`. "passthrough" leaves targets unchanged. Every parameter
        `boundary` of it that is "auto" follows from the shapes of `X` and `y`: "circular" along an
        axis where they agree, else "zero".
    symmetries : {"auto", "fourier", "phase"}, default="auto"
        Symmetries that `score` registers over: shift, flip and phase, or the phase only. "auto"
        decides at `fit`, by whether the magnitudes correlate with those of the objects.
    check_inverse : bool, default=True
        Whether `fit` transforms some targets back to compare them with the objects.

    Attributes
    ----------
    regressor_, transformer_ : estimator
        Fitted clones; `transformer_` is "passthrough" if there is no transformer.
    boundary_ : tuple of {"zero", "circular"}, one for each object axis
        Boundary of the shifts that `score` registers over.
    symmetries_ : {"fourier", "phase"}
        Symmetries that `score` registers over.
    object_shape_, target_shape_ : tuple of int
        Shapes of one object and of one transformed target.
    n_features_in_ : int
        Number of features that the regressor saw in `fit`.

    Warns
    -----
    UserWarning
        If targets that are transformed back differ from `y` by more than the symmetries, for
        example in their unit because a step has no inverse.

    Examples
    --------
    >>> from skpr import SymmetryCanonicalizer
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> objects = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    >>> magnitudes = np.array([[3.0, 1.0], [3.0, 1.0]])
    >>> neighbours = KNeighborsRegressor(n_neighbors=2)
    >>> model = SymmetryBreakingRegressor(neighbours, SymmetryCanonicalizer())
    >>> model.fit(magnitudes, objects).score(magnitudes, objects)
    1.0

    Steps after the canonicalizer are inverted, so targets can be flattened for the regressors of
    scikit-learn:

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
        r"""Reconstruct objects from magnitudes.

        Parameters
        ----------
        X : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes.

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*object_shape)
            Predictions of the regressor, in the type it returns, with the steps of the transformer
            inverted.
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
                    "'passthrough'"
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
        """Refuse a transformer that was changed before training continues."""
        if isinstance(transformer, str) or isinstance(self.transformer_, str):
            same = transformer is self.transformer_ or transformer == self.transformer_
        else:
            same = is_clone_of(self.transformer_, transformer)
            changed = changed_parameters(self.transformer_, transformer) if same else {}
            # "auto" was replaced at fit by what the shapes determine
            same = same and all(value == "auto" for value in changed.values())
        if not same:
            raise ValueError(
                "transformer was changed since the first fit, but training continues on targets "
                "of the fitted one; fit a clone of this estimator"
            )

    def _check_inverse(self, y, targets):
        """Transform some targets back, and compare them with the objects.

        A wrong shape is refused, and so are targets of other magnitudes for a regressor that
        iterates with these. Other differences beyond the symmetries only warn.
        """
        rows = np.unique(np.linspace(0, len(y) - 1, N_COMPARED).astype(int))
        objects, some = picked(y, rows), picked(targets, rows)
        back = inverted(self.transformer_, some)
        shape = tuple(back.shape[1:])
        if shape != self.object_shape_:
            raise ValueError(
                f"the transformer makes targets of shape {self.target_shape_} of objects of shape "
                f"{self.object_shape_}, and transforms them back to shape {shape}; give the step "
                "that changes the shape an inverse_transform"
            )
        change = (
            change_beyond_symmetries(objects, back, self.symmetries_) if self.check_inverse else 0.0
        )
        side = side_of_flattened(y) if change > GREATEST_CHANGE else 0
        if side:
            warnings.warn(
                f"y of shape {tuple(y.shape)} looks like flattened images of {side} x {side}, "
                "which the transformer takes for signals: targets differ from them by "
                f"{change:.0%} beyond the symmetries; give images and their magnitudes, and "
                "flatten them in a pipeline with the regressor and in a last step of the "
                "transformer, with an inverse_transform",
                UserWarning,
                stacklevel=5,
            )
        elif change > GREATEST_CHANGE:
            warnings.warn(
                f"targets that are transformed back differ from y by {change:.0%} beyond "
                f"{CHANGES[self.symmetries_]}, or pass check_inverse=False",
                UserWarning,
                stacklevel=5,
            )
        elif self.target_shape_ == shape and any(map(iterates, parts_of(self._given_regressor()))):
            change = change_beyond_symmetries(objects, some, self.symmetries_)
            if change > GREATEST_CHANGE:
                raise ValueError(
                    "the regressor iterates with the magnitudes of the objects, but those of the "
                    f"targets that the transformer makes differ from them by {change:.0%}; put "
                    "RefinedRegressor around SymmetryBreakingRegressor instead"
                )


def iterates(estimator):
    """Return whether an estimator iterates with magnitudes.

    Its targets must then have the magnitudes that it is given.
    """
    return hasattr(estimator, "retrieve") or getattr(estimator, "refiner", None) is not None
