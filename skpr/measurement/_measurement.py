"""Batch of measurements, with constraints on their objects."""

from __future__ import annotations

from copy import copy

import torch

from .._tensors import along_samples, times_power_of_two
from .._validation import check_choice, short
from ._grid import Grid
from ._half_spectra import counting_variances, friedel_mean
from ._iterate import Iterate, mixture
from ._kernel import Coherence
from ._likelihood import Likelihood
from ._moduli import has_gradient, moduli, squared_moduli
from ._normalization import near_one, sums_over_space
from ._projections import project_amplitude, project_non_negative, rescaled
from ._pruned import PrunedTransform, laid_out, selected

KINDS = "non_negative", "real", "complex"


class Measurement:
    """Magnitudes on their grid, with constraints on the objects.

    Solvers, losses and scores are all given a `Measurement`. Everything is computed at unit mean
    square: `scale` is the unit, and normalised objects have unit norm.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes; NaN where unmeasured. For real objects only the half spectrum is kept: the root
        mean square of each Friedel pair, which is the best estimate of one intensity from two
        counts, or the only value that was measured.
    object_shape : tuple of int
    kind : {"non_negative", "real", "complex"}
        Kind of the objects.
    bounds : (float, float), optional
        Bounds of the amplitude, in the units of the object.
    support : torch.Tensor of bool, shape (n_samples, *object_shape), optional
        Pixels where the object may be; the whole frame if not given.
    partially_coherent : bool, default=False
        Whether intensities are blurred by a kernel, whose initial width is zero.
    centered : bool, default=False
        Whether zero frequency is in the middle of the magnitudes, else at index 0.
    likelihood : Likelihood, optional
        Likelihood of photon counts; the amplitude loss if not given.
    assumed : {None, "complete", "incomplete"}, default=None
        Whether all pixels are measured, or some may not be. If it is given, the magnitudes must be
        near 1, and nothing that describes their noise is computed: a GPU is not waited for.

    Raises
    ------
    TypeError
        If the magnitudes are not a tensor.
    ValueError
        If the kind is not one of these, or the shapes do not fit each other.

    Attributes
    ----------
    grid : Grid
        Grid in FFT order, which all computations use.
    transform : PrunedTransform
        Transform pair between objects and spectra. Arrays of the shape of a spectrum have its
        layout in memory.
    object_shape : tuple of int
    inside : tuple of slice
        Index of the object frame within a batch of whole grids.
    magnitudes, weights : torch.Tensor of shape (n_samples, *columns)
        Normalised magnitudes in FFT order, 0 where unmeasured, and the number of pixels that each
        stands for.
    unmeasured : torch.Tensor of bool, or None if everything was measured
    scale : torch.Tensor of shape (n_samples,)
        Unit of the magnitudes.

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
        assumed=None,
    ):
        if not isinstance(magnitudes, torch.Tensor):
            raise TypeError(
                f"magnitudes={short(magnitudes)} is not a tensor; give "
                "torch.as_tensor(magnitudes), of shape (n_samples, *fourier_shape)"
            )
        check_choice("kind", kind, KINDS)
        layout = Grid(object_shape, magnitudes.shape[1:], centered)
        self.grid = Grid(layout.object_shape, layout.fourier_shape, centered=False)
        self.object_shape, self.inside = self.grid.object_shape, self.grid.inside
        self.transform = PrunedTransform(self.object_shape, self.grid.fourier_shape)
        self.kind, self.bounds, self.support = kind, bounds, support
        # division by a power of two is exact; squares of the quotients neither overflow nor vanish
        magnitudes, exponents = near_one(layout.to_fft_order(magnitudes), assumed)
        self.n_measured = self.spread = None
        if kind != "complex":
            magnitudes = self._paired(magnitudes, assumed)
        magnitudes = laid_out(magnitudes)
        unmeasured = magnitudes.isnan()
        known_complete = assumed == "complete" or assumed is None and not unmeasured.any()
        self.unmeasured = None if known_complete else unmeasured
        magnitudes = torch.where(unmeasured, 0.0, magnitudes)
        weights = torch.ones(magnitudes.shape[-1], dtype=magnitudes.dtype, device=magnitudes.device)
        if kind != "complex":
            weights[1 : (self.grid.fourier_shape[-1] + 1) // 2] = 2  # each stands for a pair
        self.weights = torch.where(unmeasured, 0.0, weights)
        norms = sums_over_space(self.weights * magnitudes.square())
        # any scale fits a zero pattern, whose object is zero; others are brought to unit mean
        # square, so that tolerances and steps do not depend on the unit of the detector
        scale = torch.where(norms > 0, norms.div(self.grid.n_pixels).sqrt(), 1.0)
        unit = scale.to(magnitudes.dtype)
        self.magnitudes = magnitudes / along_samples(unit, magnitudes)
        if self.spread is not None:
            self.spread = self.spread / along_samples(unit, magnitudes)
        self.scale = times_power_of_two(unit, exponents)
        squares = self.magnitudes.square()
        self.norms = sums_over_space(self.weights * squares).sqrt().to(magnitudes.dtype)
        self.pair_norms = sums_over_space(
            (self.weights if self.n_measured is None else self.n_measured) * squares
        )
        self.likelihood = Likelihood() if likelihood is None else likelihood
        self.coherence = (
            Coherence(self.magnitudes, self.grid.fourier_shape) if partially_coherent else None
        )

    def _paired(self, magnitudes, assumed):
        """Average Friedel pairs, and record how far they agree."""
        means, *others = friedel_mean(magnitudes, assumed)
        self.spread, self.n_measured = (None if v is None else laid_out(v) for v in others)
        return means

    @property
    def dtype(self):
        """Data type of the objects."""
        return (
            self.magnitudes.dtype.to_complex() if self.kind == "complex" else self.magnitudes.dtype
        )

    def __len__(self):
        return len(self.magnitudes)

    @property
    def support(self):
        """Pixels where the object may be, or None for the whole frame."""
        return self._support

    @support.setter
    def support(self, support):
        self._support, self._allowed = support, None

    def overwrite_support(self, support):
        """Take over the values of another support, in place."""
        self._support.copy_(support)
        if self._allowed is not None:
            self._allowed.copy_(support)

    def keep(self, index):
        """Keep only the patterns that an index selects, in place."""
        for name in ("magnitudes", "weights", "unmeasured", "spread", "n_measured"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, selected(value, index))
        for name in ("norms", "pair_norms", "scale", "support"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value[index])
        self.likelihood.keep(index)
        if self.coherence is not None:
            self.coherence.keep(index)

    def part(self, index):
        """Return the measurement of the patterns that an index selects."""
        found = copy(self)
        found.likelihood, found.coherence = copy(self.likelihood), copy(self.coherence)
        found.keep(index)
        return found

    def on_grid(self, values):
        """Return the iterate with given values in the frame, and 0 outside."""
        return Iterate(self.transform, values)

    def from_grid(self, values):
        """Return the iterate with given values on the whole grid."""
        # passes like those of the iterations, so that samples are rounded alike
        whole = PrunedTransform(self.grid.fourier_shape, self.grid.fourier_shape)
        return Iterate(self.transform, values[self.inside], [(1, whole.spectrum(values))])

    def to_magnitudes(self, x, least_modulus=None, overwrite=False):
        """Give an iterate the measured Fourier magnitudes.

        Parameters
        ----------
        x : Iterate
        least_modulus : float, optional
            Modulus up to which all are scaled alike, see :func:`rescaled`.
        overwrite : bool, default=False
            Whether `x` is not needed any more. Its spectrum may then be overwritten, which takes
            less time.

        Returns
        -------
        Iterate
        """
        arrays = [x.spectrum, self.magnitudes, self.unmeasured]
        if self.coherence is not None or has_gradient(x.spectrum):
            spectrum = rescaled(*arrays, self.coherence, least_modulus)
            return Iterate(self.transform, self.objects(spectrum), [(1, spectrum)])
        objects, spectrum = self.transform.rescaled(
            *arrays, least_modulus, real=self.kind != "complex", overwrite=overwrite
        )
        return Iterate(self.transform, objects, [(1, spectrum)])

    def relaxed(self, x, kept, added):
        """Give an iterate the measured magnitudes, and mix it with the result.

        Parameters
        ----------
        x : Iterate
            Iterate that is not needed any more. Its spectrum may be overwritten.
        kept, added : float
            Factors of `x` and of `P_M x` in the mixture.

        Returns
        -------
        projected : torch.Tensor of shape (n_samples, *object_shape)
            Values of `P_M x` inside the frame.
        relaxed : Iterate
            `kept x + added P_M x`.
        """
        if self.coherence is not None or has_gradient(x.spectrum):
            y = self.to_magnitudes(x)
            return y.inside, mixture((kept, x), (added, y))
        projected, terms = self.transform.relaxed(
            x.spectrum, self.magnitudes, self.unmeasured, kept, added, real=self.kind != "complex"
        )
        inside = (x.inside if kept == 1 else kept * x.inside).add(projected, alpha=added)
        return projected, Iterate(self.transform, inside, terms, x.age)

    def to_admissible(self, values):
        """Project values onto support, sign and bounds."""
        if self.kind == "non_negative":
            values = project_non_negative(values)
        if self.bounds is not None:
            scale = along_samples(self.scale, values)
            values = project_amplitude(values * scale, *self.bounds) / scale
        return values if self.support is None else values * self._allowed_like(values)

    def _allowed_like(self, values):
        """Return the support as numbers of the values' type.

        Products with numbers are several times faster than products with booleans.
        """
        if self._allowed is None or self._allowed.dtype != values.dtype:
            self._allowed = self.support.to(values.dtype)
        return self._allowed

    def admits(self, values):
        """Whether each value satisfies support, sign and bounds."""
        admitted = self.support
        if admitted is None:
            admitted = torch.ones((), dtype=torch.bool, device=values.device)
        if self.kind == "non_negative":
            admitted = admitted & (values >= 0)
        if self.bounds is not None:
            scaled = values * along_samples(self.scale, values)
            amplitude = scaled.abs() if scaled.is_complex() else scaled
            admitted = admitted & (amplitude >= self.bounds[0]) & (amplitude <= self.bounds[1])
        return admitted

    def where_admitted(self, tested, values, others):
        """Choose `values` where `tested` is admitted, and `others` elsewhere.

        The result is that of `torch.where(self.admits(tested), values, others)`, several times
        faster: weights of 0 and 1 are computed in vectors, and choices are not.
        """
        if self.bounds is not None:
            weights = self.admits(tested).to(values.dtype)
        elif self.kind == "non_negative":
            weights = torch.ge(tested.detach(), 0, out=torch.empty_like(values))
            weights = weights if self.support is None else weights.mul_(self._allowed_like(values))
        elif self.support is not None:
            weights = self._allowed_like(values)
        else:
            return values
        return torch.lerp(others, values, weights)

    def spectrum(self, objects):
        """Compute spectra in FFT order, half ones for real objects."""
        return self.transform.spectrum(objects)

    def objects(self, spectrum):
        """Compute objects from spectra, cut to their frame."""
        return self.transform.objects(spectrum, real=self.kind != "complex")

    def intensities(self, objects):
        """Compute the coherent intensities of objects."""
        return squared_moduli(self.spectrum(objects))

    def modelled(self, objects):
        """Compute magnitudes, blurred under partial coherence."""
        if self.coherence is None:
            return moduli(self.spectrum(objects))
        return self.coherence.blurred(self.intensities(objects)).sqrt()

    def misfit(self, objects):
        """Compute the squared misfit `| |F x| - b |^2 / |b|^2`.

        The sums are over measured pixels. For real objects `b` is the mean of each Friedel pair,
        because no object can fit the difference within a pair. Where all of `b` is 0, the numerator
        is returned.
        """
        return self._relative(self.weights * (self.modelled(objects) - self.magnitudes).square())

    def residual(self, objects):
        """Compute the square root of :meth:`misfit`.

        Iterations reduce it and compare it with their tolerance.
        """
        return self.misfit(objects).sqrt()

    def error(self, objects):
        """Compute the Fourier error `| |F x| - b | / |b|`.

        The sums are over measured pixels, including both pixels of a Friedel pair, so the value is
        that of :func:`skpr.metrics.fourier_error`. It is 0 where both magnitudes vanish.
        """
        return self.errors(objects)[1]

    def errors(self, objects):
        """Compute residual and Fourier error from one transform."""
        model = self.modelled(objects)
        squares = (model - self.magnitudes).square()
        residual = self._relative(self.weights * squares).sqrt()
        if self.spread is None and self.n_measured is None:
            return residual, residual
        weights = self.weights if self.n_measured is None else self.n_measured
        if self.spread is not None:
            # with b the root mean square of b1 and b2,
            # (m - b1)^2 + (m - b2)^2 = 2 (m - b)^2 + 4 m (b - (b1 + b2) / 2)
            squares = torch.addcmul(squares, model, self.spread, value=2)
        sums = sums_over_space(weights * squares)
        norms = self.pair_norms
        error = torch.where(norms > 0, sums / torch.where(norms > 0, norms, 1), sums).sqrt()
        return residual, error.to(residual.dtype)

    def relative_energy(self, objects):
        """Compute the energy of objects over the measured energy.

        Parseval's theorem gives it without a transform.
        """
        return self._relative(objects.square() * float(self.grid.n_pixels))

    def _relative(self, squares):
        sums = sums_over_space(squares).to(squares.dtype)
        return torch.where(
            self.norms > 0, sums / torch.where(self.norms > 0, self.norms, 1).square(), sums
        )

    def counting_noise(self, magnitudes, centered=False):
        """Compute the residual that photon counting causes.

        It is the expected residual of the true object.

        Parameters
        ----------
        magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
            Square roots of counts; NaN where unmeasured.
        centered : bool, default=False
            Whether zero frequency is in the middle.

        Returns
        -------
        torch.Tensor of shape (n_samples,)
        """
        layout = Grid(self.object_shape, self.grid.fourier_shape, centered)
        variances = counting_variances(layout.to_fft_order(magnitudes), self.kind)
        noise = sums_over_space(self.weights * variances).sqrt() / self.scale
        noise = torch.where(self.norms > 0, noise / torch.where(self.norms > 0, self.norms, 1), 0.0)
        return noise.to(self.norms.dtype)

    @property
    def measured_shares(self):
        """Measured fraction of each magnitude's pixels, or None.

        It is None if all pixels are measured.
        """
        if self.unmeasured is None and self.n_measured is None:
            return None
        weights = self.weights if self.n_measured is None else self.n_measured
        shares = weights.clone()
        if self.kind != "complex":
            shares[..., 1 : (self.grid.fourier_shape[-1] + 1) // 2] /= 2
        return shares

    def to_units(self, objects):
        """Convert normalised objects to measured units."""
        return objects * along_samples(self.scale, objects)

    def to_normalized(self, objects):
        """Convert objects in measured units to normalised ones."""
        return objects / along_samples(self.scale, objects)
