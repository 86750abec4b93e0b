"""Base class of all detector steps, and parsing of their parameters."""

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
from .._callers import is_nested
from .._lazy import LazyBatch, map_batch
from .._tensors import to_tensor, usual_device
from .._validation import warn_user
from ..measurement import check_centring
from ._given import are_counted, warn_of_given, warn_of_little_left

if TYPE_CHECKING:
    from .._typing import Batch, Self


LOOKED_AT = 64  # number of patterns that are checked


class DetectorStep(BatchTransformer):
    """Base class of transformers of magnitudes.

    A subclass defines the method `_act`, which transforms a chunk of magnitudes.
    """

    _shape_attribute = _fitted_attribute = "fourier_shape_"
    _accepts_nan = True
    _draws_pixels = False  # whether the step draws a random number for every pixel
    _exposes = (
        False  # whether the step simulates the exposure, so that its input must be magnitudes
    )
    _reads_counts = False  # whether the step reads squared magnitudes as counts
    _precedes_counting = False  # whether the step must act before photons are counted
    _needs_centre = False  # whether the step depends on the position of zero frequency

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        r"""Check the parameters and store the shape of the arrays.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes; NaN at missing pixels.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid, or magnitudes are negative or infinite.
        """
        X = self._checked(X, reset=True)
        with usual_device():
            self._check_parameters(self.fourier_shape_)
        check_random_state(getattr(self, "random_state", None))
        return self

    def transform(self, X: Batch) -> Any:
        r"""Apply the detector effect to magnitudes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes in the precision of `X`; :class:`Binning` and :class:`Cropping` change the
            shape.

        Raises
        ------
        ValueError
            If a parameter is not valid, magnitudes are negative or infinite, or their shape differs
            from the fitted one.

        Warns
        -----
        UserWarning
            If zero frequency plainly is not where the step expects it, if `X` looks like
            intensities or objects, if photons are already counted that the step should precede, and
            if next to nothing is left of the patterns.
        """
        check_is_fitted(self)
        with usual_device():
            self._check_parameters(self.fourier_shape_)
        if self._draws_pixels and isinstance(X, np.memmap):
            X = np.asarray(X)
        X = self._checked(X, reset=False)
        if self._draws_pixels and isinstance(X, LazyBatch):
            raise TypeError(
                f"{type(self).__name__} draws random pixels at every call, so {X!r} would change "
                "each time it is read; give this step to the regressor as detector=..., or "
                "transform an array in memory"
            )
        if self._needs_centre and not is_nested():
            name, is_parameter = type(self).__name__, hasattr(self, "centered")
            check_centring(X, getattr(self, "centered", True), name, is_parameter=is_parameter)
        if self._exposes and not is_nested():
            warn_of_given(X, type(self).__name__)
        if self._precedes_counting and not is_nested() and are_counted(X):
            self._warn_of_counts(X)
        # a LazyBatch is read later, and must not see parameters that are changed until then
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

    def _warn_of_counts(self, X):
        """Warn that the photons of the patterns are already counted."""
        name = type(self).__name__
        warn_user(
            f"X passed to {name} is already counted: its squares are whole numbers. {name} must "
            "act on the expected magnitudes, so give it before PhotonNoise"
        )

    def _check_something_left(self, given, made):
        """Warn if nothing is left of the patterns; return whether it warned."""
        given, made = given.flatten(1), made.flatten(1)
        lit = (given > 0).any(dim=1)
        gone = lit & ~(made > 0).any(dim=1)
        empty = len(lit) > 1 and bool(lit.any()) and bool((gone == lit).all())
        if empty:
            left = "unmeasured" if made[gone].isnan().all() else "zero or unmeasured"
            largest = float(given[gone].nan_to_num(0.0).amax())
            warn_user(
                f"{type(self).__name__} leaves nothing of the patterns: every pixel is {left} "
                f"afterwards. The largest magnitude was {largest:.3g}, and the step reads squared "
                "magnitudes as counts"
            )
        return empty

    def _drawn(self, X):
        """Return the function to map over chunks, and the draws per sample.

        The draws are passed to the function, split in the same way as the samples.
        """
        return self._act, ()

    def _checked(self, X, reset):
        X, facts = inspect_fitted_magnitudes(self, X, reset=reset)
        if not self._accepts_nan and facts.n_nan:
            raise ValueError(
                f"Input X contains NaN: {type(self).__name__} mixes neighbouring pixels; hide "
                "pixels in a later step"
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = self._accepts_nan
        return tags


def seeded_generator(rng, X):
    """Return a torch generator on the device of `X`, seeded by `rng`."""
    device = X.device if isinstance(X, torch.Tensor) else "cpu"
    return torch.Generator(device=device).manual_seed(int(rng.randint(2**31 - 1)))


def entries(value):
    """Return the entries of a list, tuple or 1-D array, else None."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return tuple(value.tolist())
    return tuple(value) if isinstance(value, list | tuple) else None


def one_an_axis(value, n_axes):
    """Return one value for each axis, given for all axes or for each."""
    return entries(value) or (value,) * n_axes


def is_number(value, kind=Real, *, above=None, at_least=None, at_most=math.inf):
    """Return whether a value is a finite number within bounds.

    Booleans are not numbers.
    """
    if not isinstance(value, kind) or isinstance(value, bool) or not abs(value) < math.inf:
        return False
    return (value > above if above is not None else value >= at_least) and value <= at_most


def is_range(value, kind=Real, **bounds):
    """Return whether a value is a number or an ordered pair within bounds."""
    pair = entries(value) or (value, value)
    return len(pair) == 2 and all(is_number(v, kind, **bounds) for v in pair) and pair[0] <= pair[1]


def lowest_and_highest(value):
    """Return the ends of a range; both equal a single number."""
    return entries(value) or (value, value)
