"""Fisher information about an object in photon counts.

The covariance of the best unbiased estimate follows from the matrix or from random draws.
Everything is in units of the object's norm and of `4 n_photons`. For an object of norm 1 on `M`
Fourier pixels, with `z = F x`, `u = z / |z|` and weights `w` that are 1 for pure counts, the matrix
is `G = J^T W J / M` with `J_k = Re(conj(u_k) F_k)`. Unknowns are the values of the support's
pixels; for complex objects, all real parts followed by all imaginary parts.
"""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import scipy.fft
from scipy.linalg import blas, eigvalsh, eigvalsh_tridiagonal, lapack
from scipy.sparse.linalg import LinearOperator, eigsh

from ._efficiency import count_efficiency

DARK = 1e-10  # modulus relative to the brightest; the phase of a darker pixel is rounding
SINGULAR = 1e-10  # eigenvalue relative to the largest; a smaller one is taken for 0
RESIDUAL = 1e-6  # residual of conjugate gradients relative to the right-hand side
MOST_STEPS = 5_000  # maximum number of steps of conjugate gradients
VALUES = 1 << 22  # values on the Fourier grids of vectors that are solved for together
SEED = 0


class Spread(NamedTuple):
    """Covariance of the best unbiased estimate.

    It is in units of the object's norm squared and of `1 / (4 n_photons)`.

    Attributes
    ----------
    variances : ndarray of shape (n_pixels,)
        Variance of each pixel; for complex objects the sum over real and imaginary part.
    across, along : float
        Variance orthogonal to the object, and along it (that is, of its scale).
    condition : float
        Largest over smallest eigenvalue of the Fisher matrix, without the global phase.
    n_null : int
        Number of null directions found, beside the global phase.
    """

    variances: np.ndarray
    across: float
    along: float
    condition: float
    n_null: int


class Information:
    """Fisher information about one object.

    Parameters
    ----------
    x : ndarray of shape object_shape, float64 or complex128
        Object of norm 1.
    support : ndarray of bool of shape object_shape
        Pixels whose values are unknown.
    fourier_shape : tuple of int
    n_photons : float
        Photons that the object scatters onto all pixels.
    known : ndarray of bool of shape fourier_shape
        Measured pixels, in FFT order.
    background : ndarray of shape fourier_shape, or float
        Expected counts that do not depend on the object, in FFT order.
    readout_noise : float
        Standard deviation in counts.
    """

    def __init__(
        self, x, support, fourier_shape, n_photons, known, background=0.0, readout_noise=0.0
    ):
        self.x, self.support, self.fourier_shape = x, support, fourier_shape
        self.is_complex = x.dtype.kind == "c"
        self.n_pixels = int(support.sum())
        z = scipy.fft.fftn(x, s=fourier_shape)
        moduli = np.abs(z)
        signal = n_photons * moduli**2 / z.size
        total = signal + background
        # a dark pixel without background has the full weight: the first count it sees shows that
        # there is light, whatever its phase
        share = np.where(total > 0, signal / np.where(total > 0, total, 1.0), 1.0)
        self.weights = known * share * count_efficiency(total, readout_noise)
        dark = moduli <= DARK * moduli.max()
        self.phases = np.where(dark, 0.0, z / np.where(dark, 1.0, moduli))

    @property
    def n_unknowns(self):
        """Number of real unknowns."""
        return self.n_pixels * (1 + self.is_complex)

    @cached_property
    def direction(self):
        """The object itself as a vector of unknowns."""
        return self._unknowns(self.x)

    @cached_property
    def phase_direction(self):
        """Change of a complex object under its global phase.

        No magnitude shows this change. It is None for real objects.
        """
        return self._unknowns(1j * self.x) if self.is_complex else None

    @cached_property
    def _least_curvature(self):
        """Smallest curvature that is not taken for 0."""
        # the curvature along the object is a lower bound of the largest eigenvalue
        return SINGULAR * float((self.product(self.direction[None]) @ self.direction)[0])

    def matrix(self):
        """Compute the Fisher matrix.

        Returns
        -------
        ndarray of shape (n_unknowns, n_unknowns)
        """
        shape = self.support.shape
        spans = [np.arange(1 - n, n) for n in shape]
        sizes = [2 * n - 1 for n in shape]
        pixels = np.ravel_multi_index(np.nonzero(self.support), sizes)
        # Re(a) Re(b) = Re(a conj(b) + a b) / 2: each entry depends on the difference of two pixels
        # (through the transform of the weights) and on their sum (through that of w conj(u)^2)
        differences = self._transformed(self.weights, spans)
        sums = self._transformed(
            self.weights * self.phases.conj() ** 2,
            [span + n - 1 for span, n in zip(spans, shape, strict=True)],
        )
        middle = np.ravel_multi_index([n - 1 for n in shape], sizes)
        by_difference = np.subtract.outer(pixels, pixels - middle)
        matrix = np.empty((self.n_unknowns, self.n_unknowns))
        n = self.n_pixels
        matrix[:n, :n] = differences.real[by_difference]
        if self.is_complex:
            matrix[n:, n:] = matrix[:n, :n]
            matrix[:n, n:] = differences.imag[by_difference]
        del by_difference
        by_sum = np.add.outer(pixels, pixels)
        if self.is_complex:
            matrix[n:, n:] -= sums.real[by_sum]
            matrix[:n, n:] -= sums.imag[by_sum]
            matrix[n:, :n] = matrix[:n, n:].T
        matrix[:n, :n] += sums.real[by_sum]
        return matrix

    def _transformed(self, values, spans):
        """Half the normalised transform at given lags, raveled."""
        found = scipy.fft.fftn(values) / (2 * values.size)
        return found[
            np.ix_(*(span % m for span, m in zip(spans, self.fourier_shape, strict=True)))
        ].ravel()

    @cached_property
    def _half(self):
        """Weights and phases of the full or half spectrum.

        Both halves of the spectrum of a real object change alike, so their weights are averaged.
        """
        if self.is_complex:
            return self.weights, self.phases
        axes = tuple(range(self.weights.ndim))
        both = (self.weights + np.roll(np.flip(self.weights), 1, axes)) / 2
        half = (..., slice(self.fourier_shape[-1] // 2 + 1))
        return both[half], self.phases[half]

    def product(self, vectors):
        """Multiply vectors by the Fisher matrix.

        Parameters
        ----------
        vectors : ndarray of shape (n_vectors, n_unknowns)

        Returns
        -------
        ndarray of shape (n_vectors, n_unknowns)
        """
        weights, phases = self._half
        axes = tuple(range(1, 1 + self.x.ndim))
        objects = np.zeros((len(vectors), *self.x.shape), self.x.dtype)
        objects[:, self.support] = self._values(vectors)
        if self.is_complex:
            spectra = scipy.fft.fftn(objects, s=self.fourier_shape, axes=axes)
        else:
            spectra = scipy.fft.rfftn(objects, s=self.fourier_shape, axes=axes)
        # a change s of the spectrum shows as u Re(conj(u) s); where the spectrum has no phase u,
        # the average over all phases is s / 2
        dark = phases == 0
        seen = phases * (phases.conj() * spectra).real
        seen[:, dark] = spectra[:, dark] / 2
        seen *= weights
        if self.is_complex:
            back = scipy.fft.ifftn(seen, axes=axes)
        else:
            back = scipy.fft.irfftn(seen, s=self.fourier_shape, axes=axes)
        return self._seen(back)

    def _seen(self, grids):
        """Extract the unknowns from whole grids, one row each."""
        inside = grids[(slice(None), *(slice(n) for n in self.x.shape))][:, self.support]
        return (
            np.concatenate([inside.real, inside.imag], axis=1) if self.is_complex else inside.real
        )

    def _unknowns(self, x):
        values = x[self.support]
        return np.concatenate([values.real, values.imag]) if self.is_complex else values

    def _values(self, vectors):
        if not self.is_complex:
            return vectors
        return vectors[:, : self.n_pixels] + 1j * vectors[:, self.n_pixels :]

    def _per_pixel(self, variances):
        return variances.reshape(1 + self.is_complex, self.n_pixels).sum(axis=0)

    def spread_by_matrix(self):
        """Compute the covariance by inverting the matrix.

        Returns
        -------
        Spread
        """
        if not self.weights.any():
            return singular(self.n_pixels, self.n_unknowns - self.is_complex)
        matrix = self.matrix().T  # in the order of LAPACK, which would copy it for every product
        largest = _largest_eigenvalue(matrix)
        if self.is_complex:
            # the null direction of the phase is given a large eigenvalue, so that the matrix can be
            # inverted; its share of the inverse is subtracted below
            matrix += largest * np.outer(self.phase_direction, self.phase_direction)
        inverse, failed = lapack.dpotrf(matrix, lower=1)
        if not failed:
            inverse, failed = lapack.dpotri(inverse, lower=1, overwrite_c=1)
        if not failed:
            condition = largest * _largest_eigenvalue(inverse)
            if condition * SINGULAR < 1:
                variances = inverse.diagonal()
                if self.is_complex:
                    variances = variances - self.phase_direction**2 / largest
                along = float(self.direction @ blas.dsymv(1.0, inverse, self.direction, lower=1))
                across = max(float(variances.sum()) - along, 0.0)
                return Spread(self._per_pixel(variances), across, along, condition, 0)
        n_null = int((eigvalsh(matrix) < SINGULAR * largest).sum())
        return singular(self.n_pixels, max(n_null, 1))

    def spread_by_sampling(self, n_draws):
        """Estimate the covariance from random draws.

        For standard normal numbers `e`, the covariance of `G^-1 J^T W^(1/2) e` is the inverse of
        `G` (Papandreou and Yuille, 2010). The variance along the object is exact.

        Parameters
        ----------
        n_draws : int

        Returns
        -------
        Spread
        """
        rng = np.random.default_rng(SEED)
        # random signs have components along every direction, so a null space shows in their solve
        found, condition = self._solved(rng.choice([-1.0, 1.0], size=(1, self.n_unknowns)))
        along = None if found is None else self._solved(self.direction[None])[0]
        squares, across = np.zeros(self.n_unknowns), 0.0
        at_once = max(1, VALUES // math.prod(self.fourier_shape))
        for start in range(0, n_draws, at_once):
            draws = (
                None
                if along is None
                else self._solved(self._drawn(min(at_once, n_draws - start), rng))[0]
            )
            if draws is None:
                return singular(self.n_pixels, 1)
            squares += (draws**2).sum(axis=0)
            across += (
                (draws - np.outer(draws @ self.direction, self.direction)) ** 2
            ).sum() / n_draws
        along = float(along[0] @ self.direction)
        return Spread(self._per_pixel(squares / n_draws), float(across), along, condition, 0)

    def _drawn(self, n_draws, rng):
        """Draw random vectors whose covariance is the matrix."""
        noise = rng.standard_normal((n_draws, *self.fourier_shape)) * self.phases
        dark = self.phases == 0
        size = (2, n_draws, int(dark.sum()))
        noise[:, dark] = np.sqrt(0.5) * (
            rng.standard_normal(size) * np.array([1, 1j])[:, None, None]
        ).sum(axis=0)
        axes = tuple(range(1, noise.ndim))
        back = scipy.fft.ifftn(np.sqrt(self.weights) * noise, axes=axes, norm="ortho")
        return self._seen(back)

    def _solved(self, vectors):
        """Solve `G y = v`, and estimate the condition of `G`.

        The solution is None if a direction has no curvature, or the steps do not suffice.
        """
        residuals = self._without_phase(vectors)
        solutions, directions = np.zeros_like(residuals), residuals.copy()
        squares = (residuals**2).sum(axis=1)
        ends = RESIDUAL**2 * squares
        lengths, ratios = [], []
        while (going := squares > ends).any() and len(lengths) < MOST_STEPS:
            moved = self._without_phase(self.product(directions))
            curvatures = (directions * moved).sum(axis=1)
            if (curvatures <= self._least_curvature * (directions**2).sum(axis=1))[going].any():
                return None, math.inf
            steps = np.divide(squares, curvatures, out=np.zeros_like(squares), where=going)
            solutions += steps[:, None] * directions
            residuals -= steps[:, None] * moved
            before, squares = squares, (residuals**2).sum(axis=1)
            growths = np.divide(squares, before, out=np.zeros_like(squares), where=going)
            directions = residuals + growths[:, None] * directions
            lengths.append(steps[0])
            ratios.append(growths[0])
        if len(lengths) == MOST_STEPS:
            return None, math.inf
        return solutions, _condition(lengths, ratios)

    def _without_phase(self, vectors):
        if not self.is_complex:
            return vectors.copy()
        return vectors - np.outer(vectors @ self.phase_direction, self.phase_direction)


def singular(n_pixels, n_null):
    """Return the infinite spread of an undetermined object.

    Parameters
    ----------
    n_pixels, n_null : int
        Number of pixels, and number of directions that are not determined.

    Returns
    -------
    Spread
    """
    return Spread(np.full(n_pixels, np.inf), math.inf, math.inf, math.inf, n_null)


def _largest_eigenvalue(matrix):
    """Largest eigenvalue of a symmetric matrix.

    Only its lower triangle is read.
    """
    if len(matrix) < 3:
        return float(eigvalsh(matrix)[-1])
    start = np.random.default_rng(SEED).standard_normal(len(matrix))
    product = LinearOperator(matrix.shape, partial(blas.dsymv, 1.0, matrix, lower=1), dtype=float)
    return float(eigsh(product, k=1, v0=start, tol=1e-3, return_eigenvectors=False)[0])


def _condition(lengths, ratios):
    """Condition of a matrix, from steps of conjugate gradients."""
    # steps and ratios are the entries of the Lanczos matrix, whose extreme eigenvalues approach
    # those of the matrix
    done = next((i for i, length in enumerate(lengths) if length == 0), len(lengths))
    lengths, ratios = np.array(lengths[:done]), np.array(ratios[:done])
    if not done:
        return 1.0
    diagonal = 1 / lengths
    diagonal[1:] += ratios[:-1] / lengths[:-1]
    values = eigvalsh_tridiagonal(diagonal, np.sqrt(ratios[:-1]) / lengths[:-1])
    return float(values[-1] / values[0])
