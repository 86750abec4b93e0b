"""Base of all steps: validation, chunks, tags and the reading of parameters."""

from __future__ import annotations

import copy
import math
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._arrays import inspect_fitted_magnitudes
from .._base import BatchTransformer
from .._layout import is_nested
from .._lazy import LazyBatch, map_batch
from .._tensors import to_tensor, usual_device
from .._validation import warn_user
from ..measurement import check_centring
from ._given import warn_of_given, warn_of_little_left

if TYPE_CHECKING:
    from .._typing import Batch, Self


LOOKED_AT = 64  # patterns


class DetectorStep(BatchTransformer):
    """A transformer of magnitudes; what it does to a chunk of them is its method `_act`."""

    _shape_attribute = _fitted_attribute = "fourier_shape_"
    _accepts_nan = True
    _draws_pixels = False
    _exposes = False  # whether the step simulates the exposure, of what must be magnitudes
    _reads_counts = False  # whether squares of magnitudes are counts to the step
    _needs_centre = False  # whether the step goes by where zero frequency is

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
        with usual_device():
            self._check_parameters(self.fourier_shape_)
        check_random_state(getattr(self, "random_state", None))
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

        Raises
        ------
        ValueError
            For a parameter that is not valid, negative or infinite magnitudes, or another shape
            than fitted.

        Warns
        -----
        UserWarning
            For magnitudes that plainly have zero frequency elsewhere than the step takes it to be,
            for intensities or objects in their place, and for patterns of which next to nothing is
            left.
        """
        check_is_fitted(self)
        with usual_device():
            self._check_parameters(self.fourier_shape_)
        if self._draws_pixels and isinstance(X, np.memmap):
            X = np.asarray(X)
        X = self._checked(X, reset=False)
        if self._draws_pixels and isinstance(X, LazyBatch):
            raise TypeError(
                f"{type(self).__name__} draws every pixel anew: {X!r} would be another one each "
                f"time it is read; give "
                "this step to the regressor as detector=..., or transform an array in memory"
            )
        if self._needs_centre and not is_nested():
            name, is_parameter = type(self).__name__, hasattr(self, "centered")
            check_centring(X, getattr(self, "centered", True), name, is_parameter=is_parameter)
        if self._exposes and not is_nested():
            warn_of_given(X, type(self).__name__)
        # of a copy: what a LazyBatch is to be read with must not change with this step's parameters
        action, draws = copy.copy(self)._drawn(X)
        made = map_batch(action, X, *draws)
        if (
            not isinstance(made, LazyBatch)
            and tuple(made.shape) == tuple(X.shape)
            and not is_nested()
        ):
            given, left = to_tensor(X[:LOOKED_AT]).detach(), to_tensor(made[:LOOKED_AT]).detach()
            if not self._check_something_left(given, left) and self._reads_counts:
                warn_of_little_left(given, left, type(self).__name__)
        return made

    def _check_something_left(self, given, made):
        """Warn of patterns of which a step in another unit leaves nothing, and say whether it did."""
        given, made = given.flatten(1), made.flatten(1)
        lit = (given > 0).any(dim=1)
        gone = lit & ~(made > 0).any(dim=1)
        empty = len(lit) > 1 and bool(lit.any()) and bool((gone == lit).all())
        if empty:
            left = "unmeasured" if made[gone].isnan().all() else "zero or unmeasured"
            largest = float(given[gone].nan_to_num(0.0).amax())
            warn_user(
                f"{type(self).__name__} leaves nothing of the patterns: every pixel is {left} "
                f"afterwards, and the "
                f"largest magnitude was {largest:.3g}; squares of magnitudes are counts to it"
            )
        return empty

    def _drawn(self, X):
        """The action on a chunk of tensors, and what was drawn for each sample, cut along with the
        samples.
        """
        return self._act, ()

    def _checked(self, X, reset):
        X, facts = inspect_fitted_magnitudes(self, X, reset=reset)
        if not self._accepts_nan and facts.n_nan:
            raise ValueError(
                f"Input X contains NaN: {type(self).__name__} mixes neighbouring pixels; hide "
                f"pixels in a later step"
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = self._accepts_nan
        return tags


def seeded_generator(rng, X):
    """A torch generator where the magnitudes are, seeded from scikit-learn's."""
    device = X.device if isinstance(X, torch.Tensor) else "cpu"
    return torch.Generator(device=device).manual_seed(int(rng.randint(2**31 - 1)))


def entries(value):
    """Entries of a list, tuple or one-dimensional array; None for anything else."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return tuple(value.tolist())
    return tuple(value) if isinstance(value, list | tuple) else None


def one_an_axis(value, n_axes):
    """One value for each axis, given for all or for each."""
    return entries(value) or (value,) * n_axes


def is_number(value, kind=Real, *, above=None, at_least=None, at_most=math.inf):
    """Whether a value is a finite number within bounds; booleans are none."""
    if not isinstance(value, kind) or isinstance(value, bool) or not abs(value) < math.inf:
        return False
    return (value > above if above is not None else value >= at_least) and value <= at_most


def is_range(value, kind=Real, **bounds):
    """Whether a value is a number, or a pair of them in order, within bounds."""
    pair = entries(value) or (value, value)
    return len(pair) == 2 and all(is_number(v, kind, **bounds) for v in pair) and pair[0] <= pair[1]


def lowest_and_highest(value):
    """Ends of a range; both are the value where it is one number."""
    return entries(value) or (value, value)
