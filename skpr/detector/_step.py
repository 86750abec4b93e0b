"""What the steps share: validation, chunks, tags, and how parameters are read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_fitted_magnitudes
from .._lazy import LazyBatch, map_batch, summary_of

if TYPE_CHECKING:
    from .._typing import Batch, Self


class DetectorStep(TransformerMixin, BaseEstimator):
    """A transformer of magnitudes; what it does to a chunk of them is its method `_act`."""

    _accepts_nan = True
    _draws_pixels = False

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        r"""Check the parameters and learn the shape.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN where unmeasured.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a parameter that is not valid, or negative or infinite magnitudes.
        """
        X = self._checked(X, reset=True)
        self._check_parameters(tuple(X.shape[1:]))
        return self

    def transform(self, X: Batch) -> Any:
        r"""Act on magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*fourier_shape)
            In the precision of `X`; of another shape after :class:`Binning` and :class:`Cropping`.
        """
        check_is_fitted(self)
        if self._draws_pixels and isinstance(X, np.memmap):
            X = np.asarray(X)
        X = self._checked(X, reset=False)
        if self._draws_pixels and isinstance(X, LazyBatch):
            raise TypeError(
                f"{type(self).__name__} draws every pixel anew: {X!r} would be another one each time it is read; give "
                "this step to the regressor as detector=..., or transform an array in memory"
            )
        action, draws = self._drawn(X)
        return map_batch(action, X, *draws)

    def _drawn(self, X):
        """The action on a chunk of tensors, and what was drawn for each sample, cut along with the samples."""
        return self._act, ()

    def _checked(self, X, reset):
        X = check_fitted_magnitudes(self, X, reset=reset)
        if not self._accepts_nan and summary_of(X).n_nan:
            raise ValueError(
                f"Input X contains NaN: {type(self).__name__} mixes neighbouring pixels; hide pixels in a later step"
            )
        return X

    def __sklearn_is_fitted__(self):
        return hasattr(self, "fourier_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = self._accepts_nan
        tags.non_deterministic = getattr(self, "random_state", 0) is None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def seeded_generator(rng, X):
    """A torch generator where the magnitudes are, seeded from scikit-learn's."""
    device = X.device if isinstance(X, torch.Tensor) else "cpu"
    return torch.Generator(device=device).manual_seed(int(rng.randint(2**31 - 1)))


def one_an_axis(value, n_axes):
    return tuple(value) if isinstance(value, list | tuple) else (value,) * n_axes


def is_range(value, kind, above=None, at_least=None):
    """Whether a value is a number, or a pair of them in order, within its bound."""
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    numbers = all(isinstance(v, kind) and not isinstance(v, bool) and math.isfinite(v) for v in pair)
    if len(pair) != 2 or not numbers or pair[0] > pair[1]:
        return False
    return pair[0] > above if above is not None else pair[0] >= at_least
