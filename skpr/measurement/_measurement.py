"""A batch of measurements with all that is known of their objects: what solvers, losses and scores
are handed.
"""

from __future__ import annotations

import torch

from .._tensors import along_samples, times_power_of_two
from .._validation import check_choice, short
from ._grid import Grid
from ._kernel import Coherence
from ._likelihood import Likelihood
from ._projections import (
    exponents_of,
    project_amplitude,
    project_non_negative,
    project_support,
    with_magnitudes,
)
from ._transform import mirrored

KINDS = "non_negative", "real", "complex"
HARMLESS = 16  # of two: exponents that leave squares and their sums far from both ends of a float32
ROUNDING = 64  # precisions by which the two of a pair may differ and still be the same


class Measurement:
    """Magnitudes on their grid, and what is known of the objects.

    Everything is computed at unit mean square: `scale` is the unit, and objects of unit norm fit
    it.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        NaN is unmeasured. Real objects keep the half spectrum: the root mean square of each Friedel
        pair, the best estimate of one intensity from two counts, or the one that was measured.
    object_shape : tuple of int
    kind : {"non_negative", "real", "complex"}
    bounds : (float, float), optional
        Bounds of the amplitude, in the units of the object.
    support : torch.Tensor of bool, shape (n_samples, *object_shape), optional
        Pixels where the object may be; the whole frame if not given.
    partially_coherent : bool, default=False
        Whether intensities are blurred by a kernel, which starts as none.
    centered : bool, default=False
        Whether zero frequency is in the middle of the magnitudes, else at index 0.
    likelihood : Likelihood, optional
        That of photon counts; the amplitude loss if not given.

    Raises
    ------
    TypeError
        For magnitudes that are no tensor.
    ValueError
        For a kind that is none of these, or shapes that do not fit each other.

    Attributes
    ----------
    grid : Grid
        In FFT order, as all computations are.
    object_shape : tuple of int
    inside : tuple of slice
        Index of the objects' frame within a batch of whole grids.
    magnitudes, weights : torch.Tensor of shape (n_samples, *columns)
        Normalised magnitudes in FFT order, 0 where unmeasured, and how often each counts.
    unmeasured : torch.Tensor of bool, or None where everything was measured
    scale : torch.Tensor of shape (n_samples,)

    Examples
    --------
    >>> measurement = Measurement(torch.tensor([[2.0, 1.0, 0.0, 1.0]]), (2,), "real")
    >>> measurement.error(measurement.to_normalized(torch.tensor([[1.0, 1.0]]))).round(decimals=2)
    tensor([0.2400])
    """

    def __init__(
        self,
        magnitudes,
        object_shape,
        kind,
        bounds=None,
        support=None,
        partially_coherent=False,
        centered=False,
        likelihood=None,
    ):
        if not isinstance(magnitudes, torch.Tensor):
            raise TypeError(
                f"magnitudes={short(magnitudes)} are no tensor; give torch.as_tensor(magnitudes), "
                f"of shape (n_samples, "
                "*fourier_shape)"
            )
        check_choice("kind", kind, KINDS)
        layout = Grid(object_shape, magnitudes.shape[1:], centered)
        self.grid = Grid(layout.object_shape, layout.fourier_shape, centered=False)
        self.object_shape, self.inside = self.grid.object_shape, self.grid.inside
        self.kind = kind
        self.bounds = bounds
        self.support = support
        # a power of two loses no digit, and squares of what is left neither overflow nor vanish
        magnitudes, exponents = _near_one(layout.to_fft_order(magnitudes))
        self.n_measured = None
        self.spread = None
        if kind != "complex":
            magnitudes = self._paired(magnitudes)
        unmeasured = magnitudes.isnan()
        self.unmeasured = unmeasured if unmeasured.any() else None
        magnitudes = torch.where(unmeasured, 0.0, magnitudes)
        weights = torch.ones(magnitudes.shape[-1], dtype=magnitudes.dtype, device=magnitudes.device)
        if kind != "complex":
            weights[1 : (self.grid.fourier_shape[-1] + 1) // 2] = 2  # each stands for a pair
        self.weights = torch.where(unmeasured, 0.0, weights)
        norms = _sums(self.weights * magnitudes.square())
        # a zero pattern, however it is scaled, has the zero object; everything else is computed at
        # unit mean square
        scale = torch.where(norms > 0, norms.div(self.grid.n_pixels).sqrt(), 1.0)
        unit = scale.to(magnitudes.dtype)
        self.magnitudes = (magnitudes / along_samples(unit, magnitudes)).contiguous()
        if self.spread is not None:
            self.spread = self.spread / along_samples(unit, magnitudes)
        self.scale = times_power_of_two(unit, exponents)
        squares = self.magnitudes.square()
        self.norms = _sums(self.weights * squares).sqrt().to(magnitudes.dtype)
        self.pair_norms = _sums(
            (self.weights if self.n_measured is None else self.n_measured) * squares
        )
        self.likelihood = Likelihood() if likelihood is None else likelihood
        self.coherence = (
            Coherence(self.magnitudes, self.grid.fourier_shape) if partially_coherent else None
        )

    def _paired(self, magnitudes):
        """Friedel means of full patterns, noting which pairs disagree and which are only half
        known.
        """
        means, self.spread, self.n_measured = _friedel_mean(magnitudes)
        return means

    @property
    def dtype(self):
        """Type of the objects."""
        return (
            self.magnitudes.dtype.to_complex() if self.kind == "complex" else self.magnitudes.dtype
        )

    def __len__(self):
        return len(self.magnitudes)

    def keep(self, index):
        """Leave only the samples of an index."""
        names = (
            "magnitudes",
            "weights",
            "norms",
            "pair_norms",
            "scale",
            "unmeasured",
            "support",
            "spread",
            "n_measured",
        )
        for name in names:
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value[index])
        self.likelihood.keep(index)
        if self.coherence is not None:
            self.coherence.keep(index)

    def to_magnitudes(self, x, least_modulus=None):
        """Project whole grids onto the measurement; moduli are raised no more than from
        `least_modulus`.
        """
        return with_magnitudes(x, self.magnitudes, self.unmeasured, self.coherence, least_modulus)

    def to_admissible(self, values):
        """Project values within the frame onto support, sign and bounds."""
        if self.kind == "non_negative":
            values = project_non_negative(values)
        if self.bounds is not None:
            lower, upper = self.bounds
            scale = along_samples(self.scale, values)
            values = project_amplitude(values * scale, lower, upper) / scale
        return values if self.support is None else project_support(values, self.support)

    def admits(self, values):
        """Which values within the frame satisfy support, sign and bounds as they are."""
        admitted = (
            torch.ones((), dtype=torch.bool, device=values.device)
            if self.support is None
            else self.support
        )
        if self.kind == "non_negative":
            admitted = admitted & (values >= 0)
        if self.bounds is not None:
            scaled = values * along_samples(self.scale, values)
            amplitude = scaled.abs() if scaled.is_complex() else scaled
            admitted = admitted & (amplitude >= self.bounds[0]) & (amplitude <= self.bounds[1])
        return admitted

    def on_grid(self, values):
        """Values within the frame, in the corner of dark grids."""
        x = values.new_zeros((len(values), *self.grid.fourier_shape))
        x[self.inside] = values
        return x

    def intensities(self, objects):
        """Coherent intensities of objects."""
        return self.grid.spectrum(objects).abs().square()

    def modelled(self, objects):
        """Magnitudes that objects would have, blurred where the illumination is partially coherent."""
        if self.coherence is None:
            return self.grid.spectrum(objects).abs()
        return self.coherence.blurred(self.intensities(objects)).sqrt()

    def misfit(self, objects):
        """`| |F x| - b |^2 / |b|^2` over measured pixels; what is to be 0 where all of `b` is.

        Of real objects `b` is the mean of each Friedel pair, whose disagreement no object can mend.
        """
        return self._relative(self.weights * (self.modelled(objects) - self.magnitudes).square())

    def residual(self, objects):
        """Square root of :meth:`misfit`: what iterations reduce, and what their tolerance is
        compared with.
        """
        return self.misfit(objects).sqrt()

    def error(self, objects):
        """Fourier error `| |F x| - b | / |b|` over all measured pixels, both of a Friedel pair; 0
        where both vanish.

        The value of :func:`skpr.metrics.fourier_error`.
        """
        return self.errors(objects)[1]

    def errors(self, objects):
        """Residual and Fourier error, from one transform."""
        model = self.modelled(objects)
        squares = (model - self.magnitudes).square()
        residual = self._relative(self.weights * squares).sqrt()
        if self.spread is None and self.n_measured is None:
            return residual, residual
        weights = self.weights if self.n_measured is None else self.n_measured
        if self.spread is not None:
            # (m - b1)^2 + (m - b2)^2 = 2 (m - b)^2 + 4 m (b - (b1 + b2) / 2), b the root mean
            # square of the two
            squares = torch.addcmul(squares, model, self.spread, value=2)
        sums = _sums(weights * squares)
        norms = self.pair_norms
        error = torch.where(norms > 0, sums / torch.where(norms > 0, norms, 1), sums).sqrt()
        return residual, error.to(residual.dtype)

    def relative_energy(self, objects):
        """Energy of objects relative to that of the measured one, by Parseval's theorem."""
        return self._relative(objects.square() * float(self.grid.n_pixels))

    def _relative(self, squares):
        sums = _sums(squares).to(squares.dtype)
        return torch.where(
            self.norms > 0, sums / torch.where(self.norms > 0, self.norms, 1).square(), sums
        )

    def counting_noise(self, magnitudes, centered=False):
        """Residual that counting photons leaves to the true object; squares of the magnitudes given
        are counts.
        """
        layout = Grid(self.object_shape, self.grid.fourier_shape, centered)
        variances = _counting_variances(layout.to_fft_order(magnitudes), self.kind)
        noise = _sums(self.weights * variances).sqrt() / self.scale
        noise = torch.where(self.norms > 0, noise / torch.where(self.norms > 0, self.norms, 1), 0.0)
        return noise.to(self.norms.dtype)

    @property
    def measured_shares(self):
        """Share of the pixels that each magnitude stands for that were measured, or None where all
        were.
        """
        if self.unmeasured is None and self.n_measured is None:
            return None
        weights = self.weights if self.n_measured is None else self.n_measured
        shares = weights.clone()
        if self.kind != "complex":
            shares[..., 1 : (self.grid.fourier_shape[-1] + 1) // 2] /= 2
        return shares

    def to_units(self, objects):
        """Objects in the units of the measurement."""
        return objects * along_samples(self.scale, objects)

    def to_normalized(self, objects):
        """Objects in the units of the iteration."""
        return objects / along_samples(self.scale, objects)


def _sums(values):
    """Sums over space in double precision: the same whatever the batch, and differentiable."""
    rows = values.sum(
        -1, keepdim=True
    )  # in their own precision: a conversion of all values would cost as much again
    return rows.flatten(1).sum(1, dtype=torch.float64)


def _near_one(magnitudes):
    """Magnitudes divided by a power of two, where squares need it, that brings their largest near
    1; its exponents.
    """
    peaks = magnitudes.nan_to_num(0.0).flatten(1).amax(dim=1)
    exponents = exponents_of(peaks)
    if bool((exponents.abs() <= HARMLESS).all()):
        return magnitudes, torch.zeros_like(exponents)
    return times_power_of_two(magnitudes, -along_samples(exponents, magnitudes)), exponents


def _friedel_mean(magnitudes):
    """Friedel pairs `b(k)`, `b(-k)` on the half spectrum.

    Returns
    -------
    means : torch.Tensor
        Root mean square of each pair; the measured one where the other is missing.
    spread : torch.Tensor or None
        Root mean square less mean of each pair, 0 where one is missing; None where they agree but
        for rounding.
    n_measured : torch.Tensor or None
        Measured pixels that each value stands for; None where all are measured.
    """
    last = magnitudes.shape[-1]
    columns = last // 2 + 1
    opposite = mirrored(magnitudes, centered=False)[..., :columns]
    direct = magnitudes[..., :columns]
    both = ((direct.square() + opposite.square()) / 2).sqrt()
    means = torch.where(
        direct == opposite, direct, both
    )  # squares would cost a noise-free pattern its last digits
    n_measured = None
    known = ~(direct.isnan() | opposite.isnan())
    if not known.all():
        means = torch.where(direct.isnan(), opposite, torch.where(opposite.isnan(), direct, means))
        n_measured = (~direct.isnan()).to(magnitudes.dtype)
        n_measured[..., 1 : (last + 1) // 2] += (~opposite[..., 1 : (last + 1) // 2].isnan()).to(
            magnitudes.dtype
        )
    # computed magnitudes agree but for rounding, and need no second sum
    difference = direct - opposite
    if not (difference.abs() > ROUNDING * torch.finfo(both.dtype).eps * both).any():
        return means, None, n_measured
    # a difference of squares, which rounding does not spoil
    total = both + (direct + opposite) / 2
    return (
        means,
        (difference.square() / 4 / torch.where(total > 0, total, 1.0)).nan_to_num(0.0),
        n_measured,
    )


def _counting_variances(magnitudes, kind):
    """Expected `(sqrt(N) - sqrt(lambda))^2` of Poisson counts `N = b^2`, estimated from the counts;
    0 where unmeasured.

    A quarter for many counts. Of few, `min(N, 1/4 + 1/N^2)` has a mean between .75 and 1.3 of it
    where `lambda` is above 0.1, and down to half of it, which is a little strict, where hardly any
    pixel has a count. Of a Friedel pair that was measured twice the counts add up, and the variance
    of their root mean square is half."""
    counts, n_readings = magnitudes.square(), 1
    if kind != "complex":
        opposite = mirrored(counts, centered=False)
        n_readings = 2.0 - (counts.isnan() | opposite.isnan()).to(counts.dtype)
        counts = torch.where(
            counts.isnan(), opposite, torch.where(opposite.isnan(), counts, counts + opposite)
        )
    variances = (
        torch.minimum(counts, 0.25 + counts.clamp_min(1e-3).square().reciprocal()) / n_readings
    )
    columns = magnitudes.shape[-1] if kind == "complex" else magnitudes.shape[-1] // 2 + 1
    return variances[..., :columns].nan_to_num(0.0)
