"""Network from coarse to fine, whose weights do not grow with the pattern."""

import inspect
import math

import torch
from torch import nn

from ..measurement import Measurement, to_fft_order
from ._levels import Level, middles, support_of
from ._networks import (
    LEAST_MODULUS,
    MLP,
    UNet,
    _as_channels,
    _as_objects,
    _Correction,
    assumed_of,
    check_counts,
    check_shares,
)
from ._unrolled import Unrolled

# inputs and outputs of the perceptron at most: with the usual width, it has 26 million weights
MOST_UNITS = 14_000
SIGMA = 1.0  # width in pixels of the Gaussian that blurs an image before its support is taken
THRESHOLD = 0.15  # fraction of the largest blurred modulus above which a pixel is in the support


class MultiLevelUNet(nn.Module):
    """Perceptron for the central spectrum, refined from level to level.

    Only the phases of the central spectrum must be learned; iterations find the others from there.
    A perceptron sees the middle of the spectrum and makes the object's low pass on larger pixels.
    Each further level has twice the resolution, up to that of the object. It begins with the
    interpolated image of the level before. The stages of a level have two steps each:

    1. A few unrolled iterations of hybrid input-output (Fienup, 1982) drive the image towards the
       measured magnitudes of this level. For complex objects and for real ones that may be
       negative, the support is that of the image, by shrinkwrap (Marchesini et al., 2003).
    2. A U-Net computes a correction. Its inputs are the image, the driven image, the change that
       one more projection would make, the first image of the level, its modulus and the support.

    The number of weights does not depend on the size of large patterns: each level adds some
    hundred thousand. In training, the perceptron and every stage have a loss of their own, against
    the low pass of the object, and no gradient passes from one to the other.

    Parameters
    ----------
    fourier_shape, object_shape : tuple of int
        Shapes of one magnitude and one object.
    n_channels : {1, 2}
        Number of output channels: 1 for real objects, 2 for complex ones.
    hidden_width, n_hidden_layers, dropout
        Width, depth and dropout of the perceptron, an :class:`MLP`.
    n_stages : int
        Number of stages at the lowest resolution, at least 1.
    n_finer_stages : int
        Number of stages at each further level, at least 1.
    width : int
        Number of feature maps at the finer level of each U-Net.
    n_projections : int or None
        Number of unrolled iterations in each stage. None means 20 where the Fourier grid is larger
        than the object, and 0 otherwise.
    beta : float
        Feedback parameter of the unrolled iterations.
    threshold : float or None
        Fraction of the largest blurred modulus above which a pixel is in the support; 0 for the
        whole frame. None means 0.15 for oversampled patterns of complex objects and of real ones
        that may be negative, and 0 otherwise.
    stage_dropout : float
        Probability of dropping a hidden unit of the perceptron when it makes the image that the
        stages learn from.
    stage_share : float
        Fraction of each batch, its first samples, on which the stages of the first two levels are
        trained. It is halved for each further level, down to a single sample.
    non_negative : bool
        Whether the first step of each stage also enforces non-negative values.
    unmeasured : bool
        Whether pixels may be unmeasured. The perceptron then receives a mask as further input.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    polar : bool
        Whether the perceptron outputs amplitude and phase of complex objects, instead of their real
        and imaginary parts.

    Attributes
    ----------
    levels : list of Level
        Levels from the lowest resolution to the full one.
    level_shapes : list of tuple of int
        Shapes of their images.

    Examples
    --------
    >>> import torch
    >>> network = MultiLevelUNet((256, 256), (128, 128), hidden_width=32, width=8).eval()
    >>> [level.object_shape for level in network.levels]
    [(64, 64), (128, 128)]
    >>> network(torch.rand(1, 256, 256), torch.rand(1, 256, 256)).shape
    torch.Size([1, 1, 128, 128])
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
        n_finer_stages=1,
        width=32,
        n_projections=None,
        beta=0.9,
        threshold=None,
        stage_dropout=0.15,
        stage_share=0.25,
        non_negative=False,
        unmeasured=False,
        centered=True,
        polar=True,
    ):
        super().__init__()
        check_counts(
            n_stages=(n_stages, 1),
            n_finer_stages=(n_finer_stages, 1),
            width=(width, 1),
            n_projections=(n_projections or 0, 0),
        )
        check_shares(stage_share, stage_dropout=stage_dropout, threshold=threshold or 0.0)
        is_oversampled = tuple(fourier_shape) != tuple(object_shape)
        self.kind = "complex" if n_channels == 2 else "non_negative" if non_negative else "real"
        if n_projections is None:
            n_projections = 20 if is_oversampled else 0
        if threshold is None:
            threshold = THRESHOLD if is_oversampled and self.kind != "non_negative" else 0.0
        self.n_projections, self.threshold = n_projections, threshold
        self.unrolled = Unrolled(n_projections, beta)
        self.stage_dropout, self.stage_share = stage_dropout, stage_share
        self.centered = centered
        self.levels = levels_of(fourier_shape, object_shape, n_channels, unmeasured)
        self.level_shapes = [level.object_shape for level in self.levels]
        coarsest = self.levels[0]
        # images of the coarsest level then have about the norm that the perceptron is made for
        self.unit = math.sqrt(math.prod(fourier_shape) / math.prod(coarsest.fourier_shape))
        self.front = MLP(
            coarsest.fourier_shape,
            coarsest.object_shape,
            n_channels,
            hidden_width,
            n_hidden_layers,
            dropout,
            unmeasured,
            False,
            polar,
        )
        n_in = 4 * n_channels + 2
        counts = [n_stages] + [n_finer_stages] * (len(self.levels) - 1)
        self.stages = nn.ModuleList(
            nn.ModuleList(
                _Correction(len(object_shape), n_in, n_channels, width) for _ in range(count)
            )
            for count in counts
        )

    def forward(self, features, magnitudes):
        """Predict the channels of objects from features and magnitudes.

        Returns
        -------
        torch.Tensor of shape (n_samples, n_channels, *object_shape)
            In training a tuple: the images of all stages from the last to the first, for the first
            samples of the batch only, then those of the perceptron for the whole batch. Images have
            the shapes of their levels.
        """
        if self.centered:
            features, magnitudes = to_fft_order(features), to_fft_order(magnitudes)
        coarsest = self.levels[0]
        seen = coarsest.cut(features), coarsest.cut(magnitudes)
        first = self.front(*seen)
        images, made = first.float(), [first]
        if self.training:
            part = slice(math.ceil(self.stage_share * len(features)))
            magnitudes = magnitudes[part]
            with torch.no_grad():
                guess = self.front(*(one[part] for one in seen), dropout=self.stage_dropout)
            images = guess.float()
        for number, (level, corrections) in enumerate(zip(self.levels, self.stages, strict=True)):
            if number:
                images = level.lifted(images, self.levels[number - 1])
            if self.training and number > 1:  # as many pixels as at the level before, or twice
                part = slice(max(1, len(images) // 2))
                images, magnitudes = images[part], magnitudes[part]
            problem = Measurement(
                self.unit * level.magnitudes(magnitudes).to(images.dtype),
                level.object_shape,
                self.kind,
                assumed=assumed_of(magnitudes, self.front.unmeasured),
            )
            start = images
            for correction in corrections:
                images = self._corrected(images, start, problem, correction)
                made.append(images)
                images = images.detach()
        if not self.training:
            return made[-1] / self.unit
        return tuple(one / self.unit for one in made[::-1])

    def target(self, objects, object_shape):
        """Compute the low passes that the images of a level are compared with.

        Parameters
        ----------
        objects : torch.Tensor of shape (n_samples, *object_shape of the network)
            Real or complex objects.
        object_shape : tuple of int
            Shape of the images of the level.

        Returns
        -------
        torch.Tensor of shape (n_samples, *object_shape)
        """
        level = next(one for one in self.levels if one.object_shape == tuple(object_shape))
        return _as_objects(level.low_pass(_as_channels(objects)))

    def _corrected(self, images, start, problem, correction):
        """Return images after one stage."""
        if self.threshold:
            problem.support = support_of(images, SIGMA, self.threshold)
        driven, change = self._driven(images, problem)
        modulus = images.detach().square().sum(dim=1, keepdim=True).sqrt()
        inside = torch.ones_like(modulus)
        if self.threshold:
            inside = inside * problem.support[:, None]
        seen = torch.cat([driven, change, images, start, modulus, inside], dim=1)
        return driven + change / 2 + correction(seen).float()

    @torch.no_grad()
    def _driven(self, images, problem):
        """Return driven images, and the change by one more projection."""
        with torch.autocast(images.device.type, enabled=False):
            values = problem.to_admissible(problem.to_normalized(_as_objects(images)))
            if self.n_projections:
                values = problem.to_admissible(self.unrolled(values, problem))
            projected = problem.to_magnitudes(problem.on_grid(values), LEAST_MODULUS, True).inside
            return [_as_channels(problem.to_units(one)) for one in (values, projected - values)]


def levels_of(fourier_shape, object_shape, n_channels=1, unmeasured=False):
    """Return the levels of a network, the coarsest first.

    The last one has the full resolution. The coarsest is the finest one whose spectrum and image a
    perceptron can afford.

    Examples
    --------
    >>> [level.fourier_shape for level in levels_of((256, 256), (128, 128), 2)]
    [(64, 64), (128, 128), (256, 256)]
    >>> [level.fourier_shape for level in levels_of((64, 64), (32, 32), 2)]
    [(64, 64)]
    """
    levels = []
    for shape in middles(fourier_shape):
        level = Level(shape, object_shape, fourier_shape)
        levels.insert(0, level)
        columns = shape[-1] if n_channels == 2 else shape[-1] // 2 + 1
        n_features = math.prod(shape[:-1]) * columns * (2 if unmeasured else 1)
        if n_features + n_channels * math.prod(level.object_shape) <= MOST_UNITS:
            break
    return levels


def unet_for(fourier_shape, object_shape, n_channels=1, unmeasured=False, **options):
    """Build the U-Net that suits the shapes.

    It is a :class:`UNet` where its perceptron can see the whole spectrum, and a
    :class:`MultiLevelUNet` otherwise.

    Parameters
    ----------
    fourier_shape, object_shape, n_channels, unmeasured, **options
        Arguments of both classes.

    Examples
    --------
    >>> type(unet_for((16, 16), (8, 8))).__name__, type(unet_for((256, 256), (96, 96))).__name__
    ('UNet', 'MultiLevelUNet')
    """
    has_grid = len(fourier_shape) == len(object_shape)
    levels = levels_of(fourier_shape, object_shape, n_channels, unmeasured) if has_grid else [None]
    kind = UNet if len(levels) == 1 else MultiLevelUNet
    return kind(
        fourier_shape, object_shape, n_channels=n_channels, unmeasured=unmeasured, **options
    )


unet_for.__signature__ = inspect.signature(UNet)  # names are checked before anything is built
MODULES = {"mlp": MLP, "unet": unet_for}
NETWORKS = {"mlp": (MLP,), "unet": (UNet, MultiLevelUNet)}  # classes that each name stands for
