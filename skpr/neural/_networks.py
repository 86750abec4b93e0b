"""Network architectures: normalised magnitudes in, objects at unit norm out.

A module is constructed with `fourier_shape`, `object_shape` and `n_channels` (1 for real objects, 2 for the real and
imaginary parts of complex ones) and maps features of shape (n_samples, *fourier_shape) to
(n_samples, n_channels, *object_shape). A feature is 0 where its pixel was not measured. A module with a true attribute
`uses_magnitudes` is called with the magnitudes themselves as a second argument, scaled to an object of unit norm and
NaN where unmeasured, so that it can hold its estimate against them. In training it may return a tuple of images, each
of which gets a loss; the first is the prediction.
"""

import math

import torch
from torch import nn

from ..fourier import mirrored
from ..iterative._algorithms import hybrid_input_output
from ..iterative._problem import Problem

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOLINGS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


class MLP(nn.Module):
    """Multilayer perceptron from the spectrum to the image.

    Real objects have symmetric magnitudes: it sees the mean of each Friedel pair, of which noise is less.

    Parameters
    ----------
    fourier_shape, object_shape : tuple of int
    n_channels : {1, 2}
        1 for real, 2 for complex objects.
    hidden_width : int
        Units in each hidden layer.
    n_hidden_layers : int
    dropout : float
        Probability of dropping a hidden unit in training.
    unmeasured : bool
        Whether some pixels may be unmeasured; the network then also sees which.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    polar : bool
        Whether the last layer makes amplitude and phase of complex objects, not real and imaginary part.
    """

    uses_magnitudes = True

    def __init__(
        self,
        fourier_shape,
        object_shape,
        n_channels=1,
        hidden_width=1536,
        n_hidden_layers=3,
        dropout=0.0,
        unmeasured=False,
        centered=True,
        polar=False,
    ):
        super().__init__()
        self.is_half = n_channels == 1
        self.polar = polar and n_channels == 2
        self.unmeasured = unmeasured
        self.centered = centered
        self.output_shape = (n_channels, *object_shape)
        # in FFT order and centred alike, the first m // 2 + 1 columns hold each pair k, -k once
        self.n_columns = fourier_shape[-1] // 2 + 1 if self.is_half else fourier_shape[-1]
        n_features = math.prod(fourier_shape[:-1]) * self.n_columns
        widths = [n_features * (2 if unmeasured else 1)] + [hidden_width] * n_hidden_layers
        layers = []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.output_shape)))

    def forward(self, features, magnitudes):
        """Map features and magnitudes (n_samples, *fourier_shape) to (n_samples, n_channels, *object_shape)."""
        known = None
        if self.unmeasured:
            known = (~magnitudes.isnan()).to(features.dtype)
        if self.is_half:
            features, known = self._friedel_means(features, known)
        inputs = features.flatten(1) if known is None else torch.cat([features.flatten(1), known.flatten(1)], dim=1)
        images = self.layers(inputs).view(-1, *self.output_shape)
        return _from_polar(images) if self.polar else images

    def _friedel_means(self, features, known):
        """Means over the measured ones of each pair, and the share of it that was measured."""
        features = features + mirrored(features, self.centered)
        if known is None:
            return features[..., : self.n_columns] / 2, None
        known = (known + mirrored(known, self.centered))[..., : self.n_columns]
        return features[..., : self.n_columns] / known.clamp_min(1), known / 2


class UNet(nn.Module):
    """A perceptron's image, driven towards the measured magnitudes, then cleaned by a U-Net.

    Convolutions cannot read a spectrum: every Fourier pixel concerns the whole image. So a fully connected front end
    makes a first image; a few unrolled steps of hybrid input-output (Fienup, 1982), which have nothing to learn and
    so nothing to overfit, pull it towards the measured magnitudes; and a U-Net turns both images, and where the second
    still disagrees with the measurement, into a correction.

    In training, the front end's image is a second output and has a loss of its own; the stages after it see its values
    and pass no gradient back through the phases of its spectrum, which are noise where the spectrum is weak.

    Parameters
    ----------
    fourier_shape, object_shape : tuple of int
    n_channels : {1, 2}
        1 for real, 2 for complex objects.
    hidden_width, n_hidden_layers, dropout, unmeasured, polar
        Of the front end, an :class:`MLP`.
    width : int
        Feature maps of the U-Net at its finest level.
    n_projections : int
        Unrolled steps between front end and U-Net.
    beta : float
        Feedback of these steps.
    non_negative : bool
        Whether they also ask for non-negative values, besides the frame as support.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    """

    uses_magnitudes = True

    def __init__(
        self,
        fourier_shape,
        object_shape,
        n_channels=1,
        hidden_width=1536,
        n_hidden_layers=3,
        dropout=0.0,
        width=24,
        n_projections=5,
        beta=0.9,
        non_negative=False,
        unmeasured=False,
        centered=True,
        polar=False,
    ):
        super().__init__()
        self.fourier_shape = tuple(fourier_shape)
        self.object_shape = tuple(object_shape)
        self.n_projections = n_projections
        self.beta = beta
        self.non_negative = non_negative and n_channels == 1
        self.centered = centered
        self.front = MLP(
            fourier_shape, object_shape, n_channels, hidden_width, n_hidden_layers, dropout, unmeasured, centered, polar
        )
        self.correction = _Correction(len(object_shape), 3 * n_channels, n_channels, width)

    def forward(self, features, magnitudes):
        """Map features and magnitudes (n_samples, *fourier_shape) to (n_samples, n_channels, *object_shape).

        In training a pair: the final images and the front end's.
        """
        first = self.front(features, magnitudes)
        with torch.no_grad(), torch.autocast(features.device.type, enabled=False):
            driven, disagreement = self._driven(first.float(), magnitudes)
        final = driven + self.correction(torch.cat([first.detach(), driven, disagreement], dim=1))
        return (final, first) if self.training else final

    def _driven(self, images, magnitudes):
        """Images after the unrolled steps, and what one more magnitude projection would change in them."""
        if self.centered:
            magnitudes = torch.fft.ifftshift(magnitudes, dim=tuple(range(1, magnitudes.ndim)))
        objects = images[:, 0] if images.shape[1] == 1 else torch.complex(images[:, 0], images[:, 1])
        problem = Problem(magnitudes.to(images.dtype), self.object_shape, self._kind(objects))
        inside = problem.inside
        estimate = problem.on_grid(problem.to_admissible(problem.to_normalized(objects)))
        for _ in range(self.n_projections):
            estimate, _ = hybrid_input_output(estimate, problem, self.beta, {})
        driven = problem.to_admissible(estimate[inside])
        disagreement = problem.to_magnitudes(problem.on_grid(driven))[inside] - driven
        return _as_channels(problem.to_units(driven)), _as_channels(problem.to_units(disagreement))

    def _kind(self, objects):
        if objects.is_complex():
            return "complex"
        return "non_negative" if self.non_negative else "real"


class _Correction(nn.Module):
    """A U-Net of two levels below full resolution, whose last layer starts at zero."""

    def __init__(self, n_axes, n_in, n_out, width):
        super().__init__()
        self.down = CONVOLUTIONS[n_axes](n_in, width, kernel_size=2, stride=2)
        self.fine = nn.Sequential(_convolved(n_axes, width, width), _convolved(n_axes, width, width))
        self.pool = POOLINGS[n_axes](2)
        self.coarse = nn.Sequential(_convolved(n_axes, width, 2 * width), _convolved(n_axes, 2 * width, 2 * width))
        self.merge = nn.Sequential(_convolved(n_axes, 3 * width, width), _convolved(n_axes, width, width))
        self.up = TRANSPOSED[n_axes](width, n_out, kernel_size=2, stride=2)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        if n_axes == 2:  # a third faster on a CPU
            self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Map (n_samples, n_in, *object_shape) to (n_samples, n_out, *object_shape)."""
        shape = images.shape[2:]
        spare = [pad for n in reversed(shape) for pad in (0, -n % 4)]
        fine = self.fine(self.down(nn.functional.pad(images, spare)))
        coarse = nn.functional.interpolate(self.coarse(self.pool(fine)), scale_factor=2)
        corrections = self.up(self.merge(torch.cat([fine, coarse], dim=1)))
        return corrections[(slice(None), slice(None), *(slice(n) for n in shape))]


def _convolved(n_axes, n_in, n_out):
    return nn.Sequential(CONVOLUTIONS[n_axes](n_in, n_out, kernel_size=3, padding=1), nn.GELU())


def _from_polar(images):
    """Real and imaginary parts of amplitudes and phases; untrained ones are small and positive."""
    amplitudes, phases = nn.functional.softplus(2 * images[:, 0] - 1) / 2, 2 * images[:, 1]
    return torch.stack([amplitudes * phases.cos(), amplitudes * phases.sin()], dim=1)


def _as_channels(objects):
    return torch.stack([objects.real, objects.imag], dim=1) if objects.is_complex() else objects[:, None]


MODULES = {"mlp": MLP, "unet": UNet}
