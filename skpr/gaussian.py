"""Forward model of generalized phase retrieval with a Gaussian matrix."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._base import BatchTransformer
from ._lazy import map_batch
from ._tensors import to_tensor
from ._validation import check_count, check_flag, check_number
from .measurement import check_simulated, oversampled_shape

if TYPE_CHECKING:
    from ._typing import Batch, Seed, Self

__all__ = ["GaussianMagnitude", "draw_gaussian_matrix"]


def draw_gaussian_matrix(n_measurements, n_values, *, is_complex, random_state=None):
    """Draw a matrix of independent standard normal entries.

    Complex entries are circular, with `E |a|^2 = 1`.

    Parameters
    ----------
    n_measurements, n_values : int
        Numbers of rows and columns.
    is_complex : bool
        Whether entries are complex.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    ndarray of shape (n_measurements, n_values), float64 or complex128

    Raises
    ------
    ValueError
        If the number of rows or columns is not an integer of at least 1.

    Examples
    --------
    >>> draw_gaussian_matrix(6, 3, is_complex=False, random_state=0).shape
    (6, 3)
    """
    check_count("n_measurements", n_measurements)
    check_count("n_values", n_values)
    rng = check_random_state(random_state)
    matrix = rng.standard_normal((n_measurements, n_values))
    if check_flag("is_complex", is_complex):
        matrix = (matrix + 1j * rng.standard_normal((n_measurements, n_values))) / math.sqrt(2)
    return matrix


class GaussianMagnitude(BatchTransformer):
    r"""Simulate the magnitudes `|A x|` of random linear measurements.

    This is the forward model of generalized phase retrieval. The entries of `A` are independent
    standard normal, real for real objects and circular complex for complex ones, so that
    `E b_i^2 = |x|^2` for each measurement of `b = |A x|`. Each object is flattened to the vector of
    its `n` values.

    A random matrix has no shift or flip symmetry. Of the symmetries of the Fourier magnitude only
    the **phase** is left, `|A e^{i theta} x| = |A x|`, which is the sign for real objects. For
    almost every matrix, `b` determines the object up to the phase: from `m >= 2 n - 1` measurements
    if real (Balan, Casazza and Edidin, 2006), and from `m >= 4 n - 4` if complex (Conca et al.,
    2015). Tayal et al. (2020) introduced symmetry breaking on this model.

    Parameters
    ----------
    oversampling : float, default=4.0
        Number of measurements per value of an object, so that `m = ceil(oversampling * n)`.
    n_measurements : int, optional
        Number `m` of measurements; overrides `oversampling`.
    random_state : int, RandomState instance or None, default=None
        Seed of the matrix, which is drawn at every `fit`.

    Attributes
    ----------
    matrix_ : ndarray of shape (n_measurements, n_values), float64 or complex128
        Matrix `A`, complex if fitted on complex objects. Measurements are computed in the precision
        of the objects.
    object_shape_ : tuple of int
        Shape of one object.
    n_features_in_ : int
        Length of the objects' first axis.

    Notes
    -----
    A real matrix is not applied to complex objects, because `|A conj(x)| = |A x|` would be a
    further symmetry.

    :class:`skpr.SymmetryCanonicalizer` breaks the phase symmetry with `shift=None, flip=None`.

    References
    ----------
    K. Tayal, C.-H. Lai, V. Kumar, J. Sun, "Inverse Problems, Deep Learning, and Symmetry Breaking",
    2020, arXiv:2003.09077.

    R. Balan, P. Casazza, D. Edidin, "On signal reconstruction without phase", 2006.

    A. Conca, D. Edidin, M. Hering, C. Vinzant, "An algebraic characterization of injectivity in
    phase retrieval", 2015.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0], [-1.0, -2.0]])
    >>> GaussianMagnitude(oversampling=2, random_state=0).fit_transform(x).round(3)
    array([[2.564, 5.461, 0.087, 0.647],
           [2.564, 5.461, 0.087, 0.647]])
    """

    _fitted_attribute = "matrix_"
    _read_by_fit = "oversampling", "n_measurements"

    def __init__(
        self, oversampling: float = 4.0, n_measurements: Any = None, random_state: Seed = None
    ) -> None:
        self.oversampling = oversampling
        self.n_measurements = n_measurements
        self.random_state = random_state

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        r"""Learn the shape and draw the matrix.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*object_shape)
            Real or complex objects.
        y : array-like, optional
            Targets that a pipeline passes on; used only for the warning.

        Returns
        -------
        self

        Warns
        -----
        UserWarning
            If, in a pipeline, `y` plainly holds other objects than `X`.
        """
        X = self._checked(X, reset=True)
        if y is not None and self._is_step_of_targets():
            check_simulated(X, y, symmetries="phase")
        n_values = math.prod(self.object_shape_)
        self._remember_parameters()
        self.matrix_ = draw_gaussian_matrix(
            self._resolved_n_measurements(n_values),
            n_values,
            is_complex=to_tensor(X[:1]).is_complex(),
            random_state=self.random_state,
        )
        return self

    def transform(self, X: Batch) -> Any:
        r"""Compute the magnitudes of objects.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, \*object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, n_measurements)
            Magnitudes in the precision of `X`.

        Raises
        ------
        ValueError
            If objects hold NaN or infinity, have another shape than the fitted ones, or are complex
            while the fitted ones were real.
        """
        check_is_fitted(self)
        self._check_unchanged()
        X = self._checked(X, reset=False)
        sample = to_tensor(X[:1])
        matrix = torch.from_numpy(self.matrix_)
        if sample.is_complex() and not matrix.is_complex():
            raise ValueError(
                f"X is complex ({X.dtype}), but GaussianMagnitude was fitted on real objects and "
                "has a real matrix; fit it on complex ones"
            )
        dtype = sample.dtype.to_complex() if matrix.is_complex() else sample.dtype
        matrix = matrix.to(sample.device, dtype)
        magnitudes = partial(_magnitudes, matrix=matrix)
        return map_batch(magnitudes, X, values_per_sample=len(matrix))

    def _resolved_n_measurements(self, n_values):
        if self.n_measurements is None:
            return oversampled_shape(
                (n_values,), check_number("oversampling", self.oversampling, 1)
            )[0]
        return check_count("n_measurements", self.n_measurements)


def _magnitudes(objects, matrix):
    """Compute `|A x|` of a tensor of objects."""
    return (objects.flatten(1).to(matrix.dtype) @ matrix.to(objects.device).T).abs()
