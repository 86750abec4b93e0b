"""Network that improves estimates of objects by the measured magnitudes.

Estimates are real or complex batches of shape (n_samples, *object_shape). Their statistics are the
`best`, `mean` and `spread` of several starts (:func:`skpr.iterative.combine_starts`).
"""

import torch
from torch import nn

from .._tensors import along_samples, energy
from .._validation import check_count
from ..measurement import Measurement
from ._copies import turned
from ._networks import _as_channels, _as_objects, _Correction


class EstimateUNet(nn.Module):
    """Unrolled projections and U-Nets that improve an estimate.

    The statistics of several starts show where the starts disagree, and hence where they are wrong.
    Each stage takes two steps:

    1. Projected gradient steps on the amplitude loss `| |F x| - b |^2 / 2`, each of which is a step
       of error reduction (Fienup, 1982). They show what the measured magnitudes ask for, and pass
       no gradient. Started from a noisy estimate, they also fit the noise.
    2. A U-Net computes a correction of the estimate. Its inputs are the estimate, the driven
       estimate, and the best start, mean and spread.

    Samples are divided by the root mean square of their best start, so that units do not matter.
    If the best start is 0, as it is for dark patterns, the estimate is returned. No weight
    depends on the shapes: a trained network can be used for objects of any size.

    Parameters
    ----------
    object_shape : tuple of int
        Shape of one object; only its number of axes matters.
    n_channels : {1, 2}
        Number of channels: 1 for real objects, 2 for complex ones.
    non_negative : bool
        Whether the gradient steps also enforce non-negative values.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    n_stages : int
        Number of stages.
    width : int
        Number of feature maps at the finer level of each U-Net.
    n_steps : int
        Number of gradient steps in each stage.

    Examples
    --------
    >>> import torch
    >>> network = EstimateUNet((8, 8), width=8).eval()
    >>> images = torch.rand(3, 8, 8)
    >>> network(torch.rand(3, 16, 16), images, images, images).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        object_shape,
        n_channels=1,
        non_negative=False,
        centered=True,
        n_stages=3,
        width=48,
        n_steps=3,
    ):
        super().__init__()
        check_count("module__n_stages", n_stages)
        check_count("module__width", width)
        check_count("module__n_steps", n_steps, low=0)
        self.kind = "complex" if n_channels == 2 else "non_negative" if non_negative else "real"
        self.centered, self.n_steps = centered, n_steps
        self.stages = nn.ModuleList(
            _Correction(len(object_shape), 4 * n_channels + 1, n_channels, width)
            for _ in range(n_stages)
        )

    def forward(self, magnitudes, best, mean, spread, estimate=None):
        """Improve estimates of objects.

        Parameters
        ----------
        magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
            Magnitudes; NaN where unmeasured.
        best, mean, spread : torch.Tensor of shape (n_samples, *object_shape)
            Statistics of the starts, in the unit of the magnitudes.
        estimate : torch.Tensor of shape (n_samples, *object_shape), optional
            Estimate to improve; the mean by default.

        Returns
        -------
        torch.Tensor of shape (n_samples, *object_shape)
            Improved estimates. In training a tuple of them, one per stage, from the last to the
            first.
        """
        size = (energy(best) / best[0].numel()).sqrt().to(best.real.dtype)
        scale = along_samples(torch.where(size > 0, size, 1.0), best)
        is_lit = along_samples(size > 0, best)[:, None]  # without a scale there is no correction
        context = torch.cat(
            [*(_as_channels(one / scale) for one in (best, mean)), (spread / scale)[:, None]], dim=1
        )
        problem = Measurement(magnitudes, best.shape[1:], self.kind, centered=self.centered)
        images = _as_channels((mean if estimate is None else estimate) / scale)
        stages = []
        for correction in self.stages:
            driven = self._driven(images, problem, scale)
            corrected = correction(torch.cat([images, driven, context], dim=1))
            images = images + torch.where(is_lit, corrected.float(), 0.0)
            stages.append(_as_objects(images) * scale)
        return tuple(stages[::-1]) if self.training else stages[-1]

    def _driven(self, images, problem, scale):
        """Return images after the gradient steps."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            values = problem.to_normalized(_as_objects(images) * scale)
            for _ in range(self.n_steps):
                # where a pixel is unmeasured, the estimate's own spectrum is kept
                values = problem.to_magnitudes(problem.on_grid(values), overwrite=True).inside
                values = problem.to_admissible(values)
            return _as_channels(problem.to_units(values) / scale)


class AveragedCopies(nn.Module):
    """Average of a network over turned and mirrored copies of its input.

    The average turns and mirrors with the estimates, and its error is a little smaller.

    Parameters
    ----------
    network : EstimateUNet
    elements : list of (tuple of int, tuple of bool)
        Permutations and mirrorings of the axes, see :func:`._copies.cube_group`.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    """

    def __init__(self, network, elements, centered):
        super().__init__()
        self.network, self.elements, self.centered = network, elements, centered

    def forward(self, magnitudes, *estimates):
        """Return the mean of the outputs, turned back."""
        total = 0.0
        for element in self.elements:
            copies = (turned(one, element) for one in estimates)
            made = self.network(
                turned(magnitudes, element, spectrum=True, centered=self.centered), *copies
            )
            total = total + turned(made, element, back=True)
        return total / len(self.elements)
