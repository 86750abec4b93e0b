"""Network architectures: normalised magnitudes in, objects at unit norm out.

A module is constructed with `fourier_shape`, `object_shape` and `n_channels` (1 for real objects, 2 for the real and
imaginary parts of complex ones) and maps features of shape (n_samples, *fourier_shape) to
(n_samples, n_channels, *object_shape). A module with a true attribute `uses_magnitudes` is called with the magnitudes
themselves as a second argument, scaled to an object of unit norm, so that it can hold its estimate against them.
"""

import math

import torch
from torch import nn

from ..fourier import from_spectrum, to_spectrum

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOLINGS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


class MLP(nn.Module):
    """Multilayer perceptron from the spectrum to the image.

    Real objects have symmetric magnitudes, of which it sees one half.

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
    """

    def __init__(
        self, fourier_shape, object_shape, n_channels=1, hidden_width=1536, n_hidden_layers=3, dropout=0.0
    ):
        super().__init__()
        self.n_columns = fourier_shape[-1] // 2 + 1 if n_channels == 1 else fourier_shape[-1]
        self.output_shape = (n_channels, *object_shape)
        widths = [math.prod(fourier_shape[:-1]) * self.n_columns] + [hidden_width] * n_hidden_layers
        layers = []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.output_shape)))

    def forward(self, features):
        """Map features (n_samples, *fourier_shape) to objects (n_samples, n_channels, *object_shape)."""
        # in FFT order and centred alike, the first m // 2 + 1 columns hold each pair k, -k once
        half = features[..., : self.n_columns]
        return self.layers(half.flatten(1)).view(-1, *self.output_shape)


class UNet(nn.Module):
    """A perceptron's image, refined by small U-Nets that see where it disagrees with the measured magnitudes.

    Convolutions cannot read a spectrum: every Fourier pixel concerns the whole image. So a fully connected front end
    makes a first image `x`; then each of `n_refinements` stages computes the image `P x` that has the measured
    magnitudes and the phases of `F x` (one Fourier-magnitude projection), and a U-Net turns `x` and `P x - x` into a
    correction of `x`.

    Parameters
    ----------
    fourier_shape, object_shape : tuple of int
    n_channels : {1, 2}
        1 for real, 2 for complex objects.
    hidden_width, n_hidden_layers, dropout
        Of the front end, an :class:`MLP`.
    width : int
        Feature maps of the U-Nets at their finest level.
    n_refinements : int
        Number of stages.
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
        width=32,
        n_refinements=1,
        centered=True,
    ):
        super().__init__()
        self.fourier_shape = tuple(fourier_shape)
        self.object_shape = tuple(object_shape)
        self.centered = centered
        self.front = MLP(fourier_shape, object_shape, n_channels, hidden_width, n_hidden_layers, dropout)
        self.refinements = nn.ModuleList(
            _Refinement(len(object_shape), n_channels, width) for _ in range(n_refinements)
        )

    def forward(self, features, magnitudes):
        """Map features and magnitudes (n_samples, *fourier_shape) to (n_samples, n_channels, *object_shape)."""
        images = self.front(features)
        if self.centered:
            magnitudes = torch.fft.ifftshift(magnitudes, dim=tuple(range(1, magnitudes.ndim)))
        for refinement in self.refinements:
            disagreement = self._projected(images.detach(), magnitudes) - images.detach()
            images = images + refinement(torch.cat([images, disagreement], dim=1))
        return images

    def _projected(self, images, magnitudes):
        """The images with the measured Fourier magnitudes, cut to the frame."""
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            real = images.shape[1] == 1
            objects = images[:, 0] if real else torch.complex(images[:, 0], images[:, 1])
            spectrum = to_spectrum(objects, self.fourier_shape)
            measured = magnitudes[..., : spectrum.shape[-1]]
            # a soft quotient: near zeros of the spectrum the phase means nothing, and its gradient explodes
            corrected = from_spectrum(
                spectrum * (measured / (spectrum.abs() + 1e-3)), self.fourier_shape, real=real
            )
            corrected = corrected[(slice(None), *(slice(n) for n in self.object_shape))]
        return corrected[:, None] if real else torch.stack([corrected.real, corrected.imag], dim=1)


class _Refinement(nn.Module):
    """A U-Net of two levels below half resolution, whose last layer starts at zero."""

    def __init__(self, n_axes, n_channels, width):
        super().__init__()
        convolution = CONVOLUTIONS[n_axes]
        self.down = convolution(2 * n_channels, width, kernel_size=2, stride=2)
        self.fine = nn.Sequential(_convolved(n_axes, width, width), _convolved(n_axes, width, width))
        self.pool = POOLINGS[n_axes](2)
        self.coarse = nn.Sequential(
            _convolved(n_axes, width, 2 * width), _convolved(n_axes, 2 * width, 2 * width)
        )
        self.merge = nn.Sequential(_convolved(n_axes, 3 * width, width), _convolved(n_axes, width, width))
        self.up = TRANSPOSED[n_axes](width, n_channels, kernel_size=2, stride=2)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        if n_axes == 2:  # a third faster on a CPU
            self.to(memory_format=torch.channels_last)

    def forward(self, images):
        shape = images.shape[2:]
        spare = [pad for n in reversed(shape) for pad in (0, -n % 4)]
        fine = self.fine(self.down(nn.functional.pad(images, spare)))
        coarse = nn.functional.interpolate(self.coarse(self.pool(fine)), scale_factor=2)
        return self.up(self.merge(torch.cat([fine, coarse], dim=1)))[
            (slice(None), slice(None), *(slice(n) for n in shape))
        ]


def _convolved(n_axes, n_in, n_out):
    return nn.Sequential(CONVOLUTIONS[n_axes](n_in, n_out, kernel_size=3, padding=1), nn.GELU())


MODULES = {"mlp": MLP, "unet": UNet}
