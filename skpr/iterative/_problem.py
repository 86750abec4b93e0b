"""One chunk of measurements with all that is known of their objects: what the algorithms project onto."""

import torch

from ..fourier import mirrored, to_spectrum
from ._coherence import Coherence
from ._projections import _with_magnitudes, project_amplitude, project_non_negative, project_support

KINDS = "non_negative", "real", "complex"


class Problem:
    """Magnitudes and constraints of a chunk.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        FFT order; NaN is unmeasured. Real objects keep the half spectrum: the root mean square of each Friedel pair,
        the best estimate of one intensity from two counts, or the one that was measured.
    object_shape : tuple of int
    kind : {"non_negative", "real", "complex"}
    bounds : (float, float) or None
        Of the amplitude, in the units of the object.
    support : torch.Tensor of bool, shape (n_samples, *object_shape), or None for the whole frame
    partially_coherent : bool
        Whether intensities are blurred by a kernel, which starts as none.
    """

    def __init__(self, magnitudes, object_shape, kind, bounds=None, support=None, partially_coherent=False):
        self.grid = tuple(magnitudes.shape[1:])
        self.object_shape = tuple(object_shape)
        self.inside = (slice(None), *(slice(n) for n in self.object_shape))
        self.kind = kind
        self.bounds = bounds
        self.support = support
        if kind != "complex":
            magnitudes = _friedel_mean(magnitudes)
        unmeasured = magnitudes.isnan()
        self.unmeasured = unmeasured if unmeasured.any() else None
        magnitudes = torch.where(unmeasured, 0.0, magnitudes)
        weights = torch.ones(magnitudes.shape[-1], dtype=magnitudes.dtype, device=magnitudes.device)
        if kind != "complex":
            weights[1 : (self.grid[-1] + 1) // 2] = 2  # each stands for a pair
        self.weights = torch.where(unmeasured, 0.0, weights)
        norms = (self.weights * magnitudes.square()).flatten(1).sum(1)
        # a zero pattern, however it is scaled, has the zero object; everything else is computed at unit mean square
        count = float(torch.Size(self.grid).numel())
        self.scale = torch.where(norms > 0, norms.double().div(count).sqrt(), 1.0).to(magnitudes.dtype)
        self.magnitudes = (magnitudes / self._along(self.scale, magnitudes)).contiguous()
        self.norms = (self.weights * self.magnitudes.square()).flatten(1).sum(1).sqrt()
        self.coherence = Coherence(self.magnitudes, self.grid) if partially_coherent else None

    @property
    def dtype(self):
        """Type of the objects."""
        return self.magnitudes.dtype.to_complex() if self.kind == "complex" else self.magnitudes.dtype

    def __len__(self):
        return len(self.magnitudes)

    def keep(self, index):
        """Leave only the samples of an index."""
        for name in ("magnitudes", "weights", "norms", "scale", "unmeasured", "support"):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, value[index])
        if self.coherence is not None:
            self.coherence.keep(index)

    def to_magnitudes(self, x, least_modulus=None):
        """Project whole grids onto the measurement; moduli are raised no more than from `least_modulus`."""
        return _with_magnitudes(x, self.magnitudes, self.unmeasured, self.coherence, least_modulus)

    def to_admissible(self, values):
        """Project values within the frame onto support, sign and bounds."""
        if self.kind == "non_negative":
            values = project_non_negative(values)
        if self.bounds is not None:
            lower, upper = self.bounds
            scale = self._along(self.scale, values)
            values = project_amplitude(values * scale, lower, upper) / scale
        return values if self.support is None else project_support(values, self.support)

    def admits(self, values):
        """Which values within the frame satisfy support, sign and bounds as they are."""
        admitted = torch.ones((), dtype=torch.bool, device=values.device) if self.support is None else self.support
        if self.kind == "non_negative":
            admitted = admitted & (values >= 0)
        if self.bounds is not None:
            scaled = values * self._along(self.scale, values)
            amplitude = scaled.abs() if scaled.is_complex() else scaled
            admitted = admitted & (amplitude >= self.bounds[0]) & (amplitude <= self.bounds[1])
        return admitted

    def on_grid(self, values):
        """Values within the frame, in the corner of dark grids."""
        x = values.new_zeros((len(values), *self.grid))
        x[self.inside] = values
        return x

    def intensities(self, objects):
        """Coherent intensities of objects."""
        return to_spectrum(objects, self.grid).abs().square()

    def misfit(self, objects):
        """`| |F x| - b |^2 / |b|^2` over measured pixels; what is to be 0 where all of `b` is."""
        if self.coherence is None:
            magnitudes = to_spectrum(objects, self.grid).abs()
        else:
            magnitudes = self.coherence.blurred(self.intensities(objects)).sqrt()
        return self._relative(self.weights * (magnitudes - self.magnitudes).square())

    def error(self, objects):
        """`| |F x| - b | / |b|` over measured pixels; 0 where both vanish."""
        return self.misfit(objects).sqrt()

    def relative_energy(self, objects):
        """Energy of objects relative to that of the measured one, by Parseval's theorem."""
        return self._relative(objects.square() * float(torch.Size(self.grid).numel()))

    def _relative(self, squares):
        squares = squares.flatten(1).sum(1)
        return torch.where(self.norms > 0, squares / torch.where(self.norms > 0, self.norms, 1).square(), squares)

    def counting_noise(self, magnitudes):
        """Fourier error that counting photons leaves to the true object; squares of the magnitudes given are counts."""
        variances = _counting_variances(magnitudes, self.kind)
        noise = (self.weights * variances).flatten(1).sum(1).sqrt() / self.scale
        return torch.where(self.norms > 0, noise / torch.where(self.norms > 0, self.norms, 1), 0.0)

    def to_units(self, objects):
        """Objects in the units of the measurement."""
        return objects * self._along(self.scale, objects)

    def to_normalized(self, objects):
        """Objects in the units of the iteration."""
        return objects / self._along(self.scale, objects)

    @staticmethod
    def _along(values, x):
        return values.view([-1] + [1] * (x.ndim - 1))


def _friedel_mean(magnitudes):
    """Root mean square of `b(k)` and `b(-k)` on the half spectrum; the measured one where the other is missing."""
    columns = magnitudes.shape[-1] // 2 + 1
    opposite = mirrored(magnitudes, centered=False)[..., :columns]
    direct = magnitudes[..., :columns]
    both = ((direct.square() + opposite.square()) / 2).sqrt()
    both = torch.where(direct == opposite, direct, both)  # squares would cost a noise-free pattern its last digits
    return torch.where(direct.isnan(), opposite, torch.where(opposite.isnan(), direct, both))


def _counting_variances(magnitudes, kind):
    """Expected `(sqrt(N) - sqrt(lambda))^2` of Poisson counts `N = b^2`, estimated from the counts; 0 where unmeasured.

    A quarter for many counts. Of few, `min(N, 1/4 + 1/N^2)` has a mean between .75 and 1.3 of it where `lambda` is
    above 0.1, and down to half of it, which is a little strict, where hardly any pixel has a count. Of a Friedel pair
    that was measured twice the counts add up, and the variance of their root mean square is half.
    """
    counts, n_readings = magnitudes.square(), 1
    if kind != "complex":
        opposite = mirrored(counts, centered=False)
        n_readings = 2.0 - (counts.isnan() | opposite.isnan()).to(counts.dtype)
        counts = torch.where(counts.isnan(), opposite, torch.where(opposite.isnan(), counts, counts + opposite))
    variances = torch.minimum(counts, 0.25 + counts.clamp_min(1e-3).square().reciprocal()) / n_readings
    columns = magnitudes.shape[-1] if kind == "complex" else magnitudes.shape[-1] // 2 + 1
    return variances[..., :columns].nan_to_num(0.0)
