"""Fisher information about an object in the counts of its Fourier magnitudes: by matrix, or by
random draws.

Everything is in the unit of the object's norm and of `4 n_photons`. With `z = F x` of an object of
norm 1 on `M` Fourier pixels, `u = z / |z|`, and weights `w` that are 1 for pure counts, the matrix
is `G = J^T W J / M` with `J_k = Re(conj(u_k) F_k)`. Unknowns are the values of the support's
pixels; of complex objects, their real parts and then their imaginary ones."""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import scipy.fft
from scipy.interpolate import PchipInterpolator
from scipy.linalg import blas, eigvalsh, eigvalsh_tridiagonal, lapack
from scipy.sparse.linalg import LinearOperator, eigsh

DARK = 1e-10  # of the brightest magnitude: below, the phase of a pixel is rounding
SINGULAR = 1e-10  # smallest eigenvalue relative to the largest that is told from 0
RESIDUAL = 1e-6  # of a solution by conjugate gradients, relative to the right-hand side
MOST_STEPS = 5_000  # of conjugate gradients
SHARP, BROAD = (
    0.1,
    4.0,
)  # read-out noise in counts: below, counts are read exactly; above, all noise is normal
FEWEST, MANY = 1e-9, 40.0  # expected counts between which their distribution matters
VALUES = 1 << 22  # of the Fourier grids of vectors that are solved for at once
SEED = 0


class Spread(NamedTuple):
    """Covariance of the best unbiased estimate, in the unit of the object's norm and of `1 / (4
    n_photons)`.

    Attributes
    ----------
    variances : ndarray of shape (n_pixels,)
        Variance of each pixel; of complex objects the sum of those of both parts.
    across, along : float
        Variance orthogonal to the object, and along it: that of its scale.
    condition : float
        Largest over smallest eigenvalue of the Fisher matrix, without the global phase.
    n_null : int
        Number of null directions that were found, beside the global phase.
    """

    variances: np.ndarray
    across: float
    along: float
    condition: float
    n_null: int


class Information:
    """Fisher matrix of one object.

    Parameters
    ----------
    x : ndarray of shape object_shape, float64 or complex128
        Object of norm 1.
    support : ndarray of bool of shape object_shape
    fourier_shape : tuple of int
    n_photons : float
        Photons that the object scatters, over all pixels.
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
        # of a dark pixel without background a count tells of any light at all, whatever its phase
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
        """Change of the object under its global phase, which no magnitude shows; None for real
        objects.
        """
        return self._unknowns(1j * self.x) if self.is_complex else None

    @cached_property
    def _least_curvature(self):
        """Curvature that is told from 0; that along the object is no larger than the largest."""
        return SINGULAR * float((self.product(self.direction[None]) @ self.direction)[0])

    def matrix(self):
        """The matrix, of shape (n_unknowns, n_unknowns)."""
        shape = self.support.shape
        spans = [np.arange(1 - n, n) for n in shape]
        sizes = [2 * n - 1 for n in shape]
        pixels = np.ravel_multi_index(np.nonzero(self.support), sizes)
        # of the transforms of weights and squared phases only what lies at differences and sums of
        # two pixels
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
        """Half the mean of values with the phases of each lag of the spans, raveled."""
        found = scipy.fft.fftn(values) / (2 * values.size)
        return found[
            np.ix_(*(span % m for span, m in zip(spans, self.fourier_shape, strict=True)))
        ].ravel()

    @cached_property
    def _half(self):
        """Weights and phases of the half spectrum of real objects, whose two halves add up; all, of
        complex ones.
        """
        if self.is_complex:
            return self.weights, self.phases
        axes = tuple(range(self.weights.ndim))
        both = (self.weights + np.roll(np.flip(self.weights), 1, axes)) / 2
        half = (..., slice(self.fourier_shape[-1] // 2 + 1))
        return both[half], self.phases[half]

    def product(self, vectors):
        """Products of the matrix with vectors of shape (n_vectors, n_unknowns): a transform pair
        each.
        """
        weights, phases = self._half
        axes = tuple(range(1, 1 + self.x.ndim))
        objects = np.zeros((len(vectors), *self.x.shape), self.x.dtype)
        objects[:, self.support] = self._values(vectors)
        if self.is_complex:
            spectra = scipy.fft.fftn(objects, s=self.fourier_shape, axes=axes)
        else:
            spectra = scipy.fft.rfftn(objects, s=self.fourier_shape, axes=axes)
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
        """Unknowns of grids of shape (n_vectors, *fourier_shape)."""
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
        """Covariance by inverting the matrix."""
        if not self.weights.any():
            return singular(self.n_pixels, self.n_unknowns - self.is_complex)
        matrix = self.matrix().T  # in the order of LAPACK, which would copy it for every product
        largest = _largest_eigenvalue(matrix)
        if (
            self.is_complex
        ):  # a large eigenvalue for the phase, which is taken out of the inverse again
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
        """Covariance by conjugate gradients: exact along the object, pixel by pixel from random
        draws.

        `G^-1 J^T W^(1/2) e`, with normal numbers `e`, has the inverse as covariance (Papandreou and
        Yuille, 2010)."""
        rng = np.random.default_rng(SEED)
        # a vector that is no image of the matrix tells whether there is a null space
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
        """Random vectors whose covariance is the matrix."""
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
        """Solutions of `G y = v` by conjugate gradients, and the condition that their steps show.

        None in place of solutions where a direction has no curvature, or the steps do not suffice.
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
    """Spread of an object of which some direction is not determined."""
    return Spread(np.full(n_pixels, np.inf), math.inf, math.inf, math.inf, n_null)


def _largest_eigenvalue(matrix):
    """Largest eigenvalue of a symmetric matrix, of which the lower triangle is read."""
    if len(matrix) < 3:
        return float(eigvalsh(matrix)[-1])
    start = np.random.default_rng(SEED).standard_normal(len(matrix))
    product = LinearOperator(matrix.shape, partial(blas.dsymv, 1.0, matrix, lower=1), dtype=float)
    return float(eigsh(product, k=1, v0=start, tol=1e-3, return_eigenvectors=False)[0])


def _condition(lengths, ratios):
    """Condition of the tridiagonal matrix of conjugate gradients, whose eigenvalues are those of
    the matrix.
    """
    done = next((i for i, length in enumerate(lengths) if length == 0), len(lengths))
    lengths, ratios = np.array(lengths[:done]), np.array(ratios[:done])
    if not done:
        return 1.0
    diagonal = 1 / lengths
    diagonal[1:] += ratios[:-1] / lengths[:-1]
    values = eigvalsh_tridiagonal(diagonal, np.sqrt(ratios[:-1]) / lengths[:-1])
    return float(values[-1] / values[0])


def count_efficiency(expected, readout_noise):
    """Information about the expectation of a count that is left after read-out noise, relative to
    the exact count's.

    With `p` the density of a reading, Poisson numbers plus normal noise, it is `expected E[(d log p
    / d expected)^2]`: 1 without read-out noise, and `expected / (expected + readout_noise^2)` where
    counts are many or the noise is broad. Between, it is integrated numerically; it is never
    smaller.

    Parameters
    ----------
    expected : ndarray
        Expected counts.
    readout_noise : float
        Standard deviation in counts.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> count_efficiency(np.array([0.1, 10.0]), 0.5).round(2)
    array([0.47, 0.98])
    """
    if readout_noise < SHARP:
        return np.ones_like(expected)
    with np.errstate(invalid="ignore"):
        normal = expected / (expected + readout_noise**2)
    if readout_noise > BROAD:
        return normal
    nodes = np.geomspace(FEWEST, MANY, 80)
    values = np.array([_integrated_efficiency(node, readout_noise) for node in nodes])
    table = PchipInterpolator(np.log(nodes), np.log(values))
    few = expected < FEWEST
    between = np.exp(table(np.log(np.clip(expected, FEWEST, MANY)))) * np.where(
        few, expected / FEWEST, 1.0
    )
    return np.where(expected > MANY, normal, np.clip(between, normal, 1.0))


def _integrated_efficiency(expected, sigma):
    numbers = np.arange(int(expected + 12 * math.sqrt(expected) + 20))
    logs = numbers * math.log(expected) - expected - np.array([math.lgamma(n + 1) for n in numbers])
    readings = np.arange(-8 * sigma, numbers[-1] + 8 * sigma, min(sigma, 1.0) / 4)
    kernel = np.exp(-0.5 * ((readings[:, None] - numbers) / sigma) ** 2) * np.exp(logs)
    density = kernel.sum(axis=1)
    slope = (kernel * (numbers / expected - 1)).sum(axis=1)
    seen = density > 0
    integral = (slope[seen] ** 2 / density[seen]).sum() * (readings[1] - readings[0])
    return expected * integral / (sigma * math.sqrt(2 * math.pi))
