"""Network architectures from magnitudes to objects.

A module is constructed with `fourier_shape`, `object_shape` and `n_channels` (1 for real objects, 2
for the real and imaginary parts of complex ones). It maps features of shape (n_samples,
*fourier_shape) to images of shape (n_samples, n_channels, *object_shape). The feature of an
unmeasured pixel is 0.

A module whose attribute `uses_magnitudes` is true receives the magnitudes as a second argument, so
that it can compare its estimate with them. They are scaled to those of an object of a fixed norm
and are NaN where unmeasured.

In training, a module may return a tuple of batches of images, each of which gets a loss. At least
one must cover the whole batch; others may cover its first samples only. A module with levels of
resolution lists the shapes of their objects in `level_shapes`. In training it may return images of
these shapes, which are compared with `module.target(objects, object_shape)`.
"""

import math
from numbers import Integral, Real

import torch
from torch import nn

from .._validation import short
from ..measurement import Measurement, mirrored, to_fft_order
from ._unrolled import Unrolled

# modulus of a normalised spectrum below which the gradient of a projection, which grows as 1 / |F|,
# is bounded
LEAST_MODULUS = 1e-3

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class MLP(nn.Module):
    """Multilayer perceptron from the spectrum to the image.

    Magnitudes of real objects are symmetric. For these, the network sees the mean of each Friedel
    pair, which is less noisy.

    Parameters
    ----------
    fourier_shape, object_shape : tuple of int
        Shapes of one magnitude and one object.
    n_channels : {1, 2}
        Number of output channels: 1 for real objects, 2 for complex ones.
    hidden_width : int
        Number of units in each hidden layer.
    n_hidden_layers : int
        Number of hidden layers.
    dropout : float
        Probability of dropping a hidden unit in training.
    unmeasured : bool
        Whether pixels may be unmeasured. The network then receives a mask as further input.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    polar : bool
        Whether the last layer outputs amplitude and phase of complex objects, instead of their real
        and imaginary parts.

    Examples
    --------
    >>> import torch
    >>> network = MLP((16, 16), (8, 8), hidden_width=32)
    >>> network(torch.rand(3, 16, 16), torch.rand(3, 16, 16)).shape
    torch.Size([3, 1, 8, 8])
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
        polar=True,
    ):
        super().__init__()
        check_counts(hidden_width=(hidden_width, 1), n_hidden_layers=(n_hidden_layers, 0))
        check_shares(dropout=dropout)
        self.is_half = n_channels == 1
        self.polar = polar and n_channels == 2
        self.unmeasured = unmeasured
        self.centered = centered
        self.output_shape = (n_channels, *object_shape)
        # in either layout, the first m // 2 + 1 columns hold at least one member of each pair k, -k
        self.n_columns = fourier_shape[-1] // 2 + 1 if self.is_half else fourier_shape[-1]
        n_features = math.prod(fourier_shape[:-1]) * self.n_columns
        widths = [n_features * (2 if unmeasured else 1)] + [hidden_width] * n_hidden_layers
        layers = []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.output_shape)))

    def forward(self, features, magnitudes, dropout=None):
        """Predict the channels of objects from features and magnitudes.

        A given `dropout` replaces the network's own, and acts outside of training, too.

        Returns
        -------
        torch.Tensor of shape (n_samples, n_channels, *object_shape)
        """
        known = None
        if self.unmeasured:
            known = (~magnitudes.isnan()).to(features.dtype)
        if self.is_half:
            features, known = self._friedel_means(features, known)
        inputs = (
            features.flatten(1)
            if known is None
            else torch.cat([features.flatten(1), known.flatten(1)], dim=1)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Dropout) and dropout is not None:
                inputs = nn.functional.dropout(inputs, dropout)
            else:
                inputs = layer(inputs)
        images = inputs.view(-1, *self.output_shape)
        return _from_polar(images) if self.polar else images

    def _friedel_means(self, features, known):
        """Return the mean and the measured share of each Friedel pair."""
        features = features + mirrored(features, self.centered)
        if known is None:
            return features[..., : self.n_columns] / 2, None
        known = (known + mirrored(known, self.centered))[..., : self.n_columns]
        return features[..., : self.n_columns] / known.clamp_min(1), known / 2


class UNet(nn.Module):
    """Perceptron whose image is refined by U-Nets and measured magnitudes.

    Convolutions cannot read a spectrum, because every Fourier pixel depends on the whole image. A
    fully connected front end therefore makes a first image, which several stages refine. Each stage
    has two steps:

    1. It drives its image towards the measured magnitudes. Where the spectrum is oversampled, it
       runs a few unrolled iterations of hybrid input-output (Fienup, 1982). These have no weights
       and cannot overfit. Without oversampling, the frame and positivity are too weak for them, and
       the stage applies the magnitude projection alone.
    2. A U-Net computes a correction. Its inputs are the image, the driven image, the change that
       one more projection would make, and the first image.

    In training, the front end and every stage have a loss of their own. The stages are trained
    together: gradients pass through the U-Nets and, without unrolled iterations, through the
    projections between them. No gradient passes back to the front end, which overfits long before
    the stages do. The stages learn from a front-end image made with dropout: its error on the
    training set is then about as large as that of a normal front-end image on new data.

    Parameters
    ----------
    fourier_shape, object_shape : tuple of int
        Shapes of one magnitude and one object.
    n_channels : {1, 2}
        Number of output channels: 1 for real objects, 2 for complex ones.
    hidden_width, n_hidden_layers, dropout
        Width, depth and dropout of the front end, an :class:`MLP`.
    n_stages : int
        Number of stages.
    width : int
        Number of feature maps at the finer level of each U-Net.
    n_projections : int or None
        Number of unrolled iterations in each stage. None means 20 where the Fourier grid is larger
        than the object, and 0 otherwise.
    beta : float
        Feedback parameter of the unrolled iterations.
    stage_dropout : float
        Probability of dropping a hidden unit of the front end when it makes the image that the
        stages learn from.
    stage_share : float
        Fraction of each batch, its first samples, on which the stages are trained. They cost more
        than the front end and need fewer samples.
    non_negative : bool
        Whether the first step of each stage also enforces non-negative values.
    unmeasured : bool
        Whether pixels may be unmeasured. The front end then receives a mask as further input.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    polar : bool
        Whether the front end outputs amplitude and phase of complex objects, instead of their real
        and imaginary parts.

    Examples
    --------
    >>> import torch
    >>> network = UNet((16, 16), (8, 8), hidden_width=32, width=8).eval()
    >>> network(torch.rand(3, 16, 16), torch.rand(3, 16, 16)).shape
    torch.Size([3, 1, 8, 8])
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
        n_stages=2,
        width=32,
        n_projections=None,
        beta=0.9,
        stage_dropout=0.15,
        stage_share=0.25,
        non_negative=False,
        unmeasured=False,
        centered=True,
        polar=True,
    ):
        super().__init__()
        check_counts(
            n_stages=(n_stages, 0), width=(width, 1), n_projections=(n_projections or 0, 0)
        )
        check_shares(stage_share, stage_dropout=stage_dropout)
        self.object_shape = tuple(object_shape)
        if n_projections is None:
            n_projections = 20 if tuple(fourier_shape) != self.object_shape else 0
        self.n_projections = n_projections
        self.unrolled = Unrolled(n_projections, beta)
        self.stage_dropout = stage_dropout
        self.stage_share = stage_share
        self.non_negative = non_negative and n_channels == 1
        self.centered = centered
        self.front = MLP(
            fourier_shape,
            object_shape,
            n_channels,
            hidden_width,
            n_hidden_layers,
            dropout,
            unmeasured,
            centered,
            polar,
        )
        self.stages = nn.ModuleList(
            _Correction(len(object_shape), 4 * n_channels, n_channels, width)
            for _ in range(n_stages)
        )

    def forward(self, features, magnitudes):
        """Predict the channels of objects from features and magnitudes.

        Returns
        -------
        torch.Tensor of shape (n_samples, n_channels, *object_shape)
            In training a tuple of them: the images of the stages from the last to the first, for
            the first samples of the batch only, then those of the front end for the whole batch.
        """
        if not self.training:
            first = self.front(features, magnitudes)
            return [first, *self._staged(first, magnitudes)][-1]
        first = self.front(features, magnitudes)
        part = slice(math.ceil(self.stage_share * len(features)))
        with torch.no_grad():
            guess = self.front(features[part], magnitudes[part], dropout=self.stage_dropout)
        return (*self._staged(guess, magnitudes[part])[::-1], first)

    def _staged(self, first, magnitudes):
        """Return the images after each stage."""
        first = first.float()
        if self.centered:
            magnitudes = to_fft_order(magnitudes)
        kind = "complex" if first.shape[1] == 2 else "non_negative" if self.non_negative else "real"
        assumed = assumed_of(magnitudes, self.front.unmeasured)
        problem = Measurement(magnitudes.to(first.dtype), self.object_shape, kind, assumed=assumed)
        images, stages = first, []
        for correction in self.stages:
            driven, disagreement = self._driven(images, problem)
            corrected = correction(torch.cat([driven, disagreement, images, first], dim=1))
            images = driven + disagreement / 2 + corrected.float()
            stages.append(images)
        return stages

    def _driven(self, images, problem):
        """Return driven images, and the change by one more projection."""
        with torch.autocast(images.device.type, enabled=False):
            values = problem.to_normalized(_as_objects(images))
            if self.n_projections:
                values = self.unrolled(problem.to_admissible(values.detach()), problem)
            driven = problem.to_admissible(values)
            projected = problem.to_magnitudes(problem.on_grid(driven), LEAST_MODULUS, True).inside
            return tuple(
                _as_channels(problem.to_units(one)) for one in (driven, projected - driven)
            )


class _Correction(nn.Module):
    """U-Net on two coarser levels, with zero output at first."""

    def __init__(self, n_axes, n_in, n_out, width):
        super().__init__()
        self.down = CONVOLUTIONS[n_axes](n_in, width, kernel_size=6, stride=2, padding=2)
        self.fine = _Residual(n_axes, width)
        self.pool = CONVOLUTIONS[n_axes](width, 2 * width, kernel_size=2, stride=2)
        self.coarse = nn.Sequential(_Residual(n_axes, 2 * width), _Residual(n_axes, 2 * width))
        self.unpool = TRANSPOSED[n_axes](2 * width, width, kernel_size=2, stride=2)
        self.merge = nn.Sequential(_Residual(n_axes, width), _Residual(n_axes, width))
        self.up = TRANSPOSED[n_axes](width, n_out, kernel_size=6, stride=2, padding=2)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        if n_axes == 2:  # a third faster
            self.to(memory_format=torch.channels_last)

    def forward(self, images):
        """Map n_in to n_out channels of images (n_samples, ..., *object_shape)."""
        shape = images.shape[2:]
        spare = [pad for n in reversed(shape) for pad in (0, -n % 4)]
        fine = self.fine(self.down(nn.functional.pad(images, spare)))
        corrections = self.up(self.merge(fine + self.unpool(self.coarse(self.pool(fine)))))
        return corrections[(slice(None), slice(None), *(slice(n) for n in shape))]


class _Residual(nn.Module):
    """Residual block of two convolutions, the identity at first."""

    def __init__(self, n_axes, width):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.first = CONVOLUTIONS[n_axes](width, width, kernel_size=3, padding=1)
        self.second = CONVOLUTIONS[n_axes](width, width, kernel_size=3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, maps):
        """Map (n_samples, width, *shape) to the same shape."""
        return maps + self.second(nn.functional.gelu(self.first(self.norm(maps))))


def assumed_of(magnitudes, unmeasured):
    """Return what a measurement assumes, so that a GPU is not waited for.

    `unmeasured` tells whether pixels may be unmeasured.
    """
    if magnitudes.device.type != "cuda":
        return None
    return "incomplete" if unmeasured else "complete"


def check_counts(**counts):
    """Refuse a module's options that are not integers, or too small.

    Each is given as a pair of its value and the lowest valid one.
    """
    for name, (value, lowest) in counts.items():
        is_integer = isinstance(value, Integral) and not isinstance(value, bool)
        if not (is_integer and value >= lowest):
            raise ValueError(
                f"module__{name}={short(value)} is not valid; give an integer >= {lowest}"
            )


def check_shares(stage_share=1.0, **others):
    """Refuse a module's options that are not fractions.

    `stage_share` may be 1 and not 0, the others 0 and not 1.
    """
    if not (isinstance(stage_share, Real) and 0 < stage_share <= 1):
        raise ValueError(
            f"module__stage_share={short(stage_share)} is not valid; give a number above 0, up to 1"
        )
    for name, value in others.items():
        if not (isinstance(value, Real) and 0 <= value < 1):
            raise ValueError(
                f"module__{name}={short(value)} is not valid; give a number from 0, below 1"
            )


def _from_polar(images):
    """Convert raw amplitudes and phases to real and imaginary parts."""
    amplitudes, phases = nn.functional.softplus(2 * images[:, 0] - 1) / 2, 2 * images[:, 1]
    return torch.stack([amplitudes * phases.cos(), amplitudes * phases.sin()], dim=1)


def _as_objects(images):
    return images[:, 0] if images.shape[1] == 1 else torch.complex(images[:, 0], images[:, 1])


def _as_channels(objects):
    return (
        torch.stack([objects.real, objects.imag], dim=1)
        if objects.is_complex()
        else objects[:, None]
    )
