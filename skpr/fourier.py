"""Forward model of coherent diffraction: Fourier magnitudes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch
from sklearn.utils.validation import check_is_fitted

from ._base import BatchTransformer
from ._layout import warn_of_flattened
from ._lazy import LazyBatch, map_batch
from ._validation import check_flag, short, warn_user
from .measurement import (
    Grid,
    are_magnitudes_of,
    check_simulated,
    fits,
    from_spectrum,
    full_magnitudes,
    mirrored,
    oversampled_shape,
    resemble_magnitudes,
    to_spectrum,
)

if TYPE_CHECKING:
    from ._typing import Batch, Self

__all__ = [
    "FourierMagnitude",
    "from_spectrum",
    "full_magnitudes",
    "mirrored",
    "oversampled_shape",
    "to_spectrum",
]


class FourierMagnitude(BatchTransformer):
    """Simulate the oversampled Fourier magnitude `|F x|` of objects.

    This is the amplitude that a detector records. Measured magnitudes must not pass through this
    step: leave it out of a fitted pipeline, as in `model[1:].predict(magnitudes)`.

    Parameters
    ----------
    oversampling : float, default=2.0
        Number of Fourier pixels per object pixel along each axis; the grid has
        `ceil(oversampling * n)` points. Retrieval needs about 2 (`m >= 2 n - 1`). With 1 the shift
        symmetry becomes circular.
    fourier_shape : int or tuple of int, optional
        Shape of the Fourier grid, at least that of the objects; overrides `oversampling`.
    centered : bool, default=True
        Whether zero frequency is in the middle (index `m // 2`), as on a detector, or at index 0,
        in FFT order.

    Attributes
    ----------
    object_shape_, fourier_shape_ : tuple of int
        Shapes of one object and of one magnitude.

    Examples
    --------
    >>> import numpy as np
    >>> FourierMagnitude().fit_transform(np.array([[1.0, 1.0]])).round(3)
    array([[0.   , 1.414, 2.   , 1.414]])
    """

    _fitted_attribute = "fourier_shape_"
    _read_by_fit = "oversampling", "fourier_shape"
    _fitted_on_patterns = False

    def __init__(
        self,
        oversampling: float = 2.0,
        fourier_shape: int | tuple[int, ...] | None = None,
        centered: bool = True,
    ) -> None:
        self.oversampling = oversampling
        self.fourier_shape = fourier_shape
        self.centered = centered

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Store the shapes of objects and magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)
            Real or complex objects.
        y : array-like or torch.Tensor, optional
            Targets of a pipeline. They are used only to detect that `X` already holds their
            magnitudes, or holds other objects.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the Fourier grid does not hold the objects, and if `X` holds the magnitudes of `y`.

        Warns
        -----
        UserWarning
            If `X` looks like magnitudes (symmetric about zero frequency, and brightest there); if
            signals look like flattened images; and if, in a pipeline, `y` plainly holds other
            objects than `X`.
        """
        X = self._checked(X, reset=True)
        check_flag("centered", self.centered)
        self._remember_parameters()
        self.fourier_shape_ = self._resolved_fourier_shape(tuple(X.shape[1:]))
        if y is not None and are_magnitudes_of(X, y):
            raise ValueError(
                "X holds the Fourier magnitudes of y, and FourierMagnitude would transform them "
                "again: fit a pipeline that simulates on objects, as in model.fit(objects, "
                "objects); fit measured magnitudes without this step, as in "
                "model[1:].fit(magnitudes, objects)"
            )
        if y is not None and self._is_step_of_targets():
            check_simulated(X, y)
        warn_of_flattened(X)
        self._fitted_on_patterns = resemble_magnitudes(X)
        if self._fitted_on_patterns:
            warn_user(
                "X looks like magnitudes, not like objects: it is symmetric about its middle and "
                "brightest there. Measured magnitudes must not be transformed again; leave this "
                "step out, as in model[1:].fit(magnitudes, objects)"
            )
        return self

    def transform(self, X: Batch) -> Any:
        """Compute the magnitudes of objects.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *fourier_shape_)
            Magnitudes in the precision of `X`.

        Raises
        ------
        ValueError
            If objects hold NaN or infinity, or have another shape than the fitted ones; and if a
            parameter is not valid, or was changed after `fit` and is read by `fit` only.

        Warns
        -----
        UserWarning
            If `X` looks like magnitudes (symmetric about zero frequency, and brightest there), and
            the fitted objects did not.
        """
        check_is_fitted(self)
        self._check_unchanged()
        check_flag("centered", self.centered)
        X = self._checked(X, reset=False)
        if not self._fitted_on_patterns and resemble_magnitudes(X):
            warn_user(
                "X looks like magnitudes, not like the objects that FourierMagnitude was fitted "
                "on: it is symmetric about its middle and brightest there. Measured magnitudes "
                "must not be transformed again; leave this step out, as in "
                "model[1:].predict(magnitudes)"
            )
        values = math.prod(self.fourier_shape_)
        facts = self._known_facts(X.facts, X.dtype) if isinstance(X, LazyBatch) else None
        return map_batch(self._magnitudes, X, values_per_sample=values, facts=facts)

    def _known_facts(self, objects, dtype):
        """Return facts about magnitudes without computing them, or None.

        Magnitudes are non-negative. They are known to be finite only if no sum can overflow.
        """
        largest = objects.largest * math.prod(self.object_shape_)
        safe = largest < 0.1 * float(
            torch.finfo(torch.float32 if dtype.itemsize <= 4 else torch.float64).max
        )
        return (
            objects._replace(minimum=0.0, largest=largest, is_integer=False)
            if safe and dtype.kind == "f"
            else None
        )

    def _magnitudes(self, objects):
        return Grid(self.object_shape_, self.fourier_shape_, self.centered).magnitudes(objects)

    def _checked(self, X, reset):
        try:
            return super()._checked(X, reset)
        except ValueError as error:
            made = vars(self).get("fourier_shape_")
            if (
                not reset
                and made != self.object_shape_
                and tuple(getattr(X, "shape", ()))[1:] == made
            ):
                raise ValueError(
                    f"{error}: FourierMagnitude takes objects, and {made} is the shape of their "
                    "magnitudes. If these are measured magnitudes, leave this step out, as in "
                    "model[1:].predict(magnitudes)"
                ) from error
            if "NaN" not in str(error):
                raise
            raise ValueError(
                f"{error}. FourierMagnitude takes objects. If these are measured magnitudes with "
                "missing pixels, leave this step out, as in model[1:].predict(magnitudes)"
            ) from error

    def _resolved_fourier_shape(self, object_shape):
        if self.fourier_shape is None:
            if not isinstance(self.oversampling, Real) or not 1 <= self.oversampling < math.inf:
                raise ValueError(
                    f"oversampling={short(self.oversampling)} is not valid; give a number >= 1"
                )
            return oversampled_shape(object_shape, self.oversampling)
        shape = self.fourier_shape
        shape = tuple(shape) if isinstance(shape, Iterable) else (shape,) * len(object_shape)
        if not fits(object_shape, shape):
            raise ValueError(
                f"fourier_shape={short(self.fourier_shape)} does not fit objects of shape "
                f"{object_shape}; give one integer per axis, each at least the object's size"
            )
        return tuple(int(m) for m in shape)
