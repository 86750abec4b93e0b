"""What stands between a detector's numbers and a network: scaling and normalisation, learned at fit.

A magnitude `b` of any exposure is first divided by its norm: with Parseval's theorem that makes every object one of
unit norm, so brightness is not something a network has to learn, and the prediction is multiplied by the brightness
again. Where pixels are unmeasured (NaN), the norm is estimated from the others and from the share of the intensity
that usually falls on them. Square root or logarithm tame the dynamic range; each pixel is then standardised over the
training set, and an unmeasured one takes its mean.
"""

import math

import torch
from torch import nn

from .._lazy import some_of, summary_of
from .._tensors import chunks_of, space_axes, to_tensor
from ..symmetry import energy

SCALINGS = {"sqrt": torch.sqrt, "log": lambda b: torch.log1p(10 * b), None: lambda b: b}
MIN_SHARE = 1e-3  # a pattern of which less than this is measured has no norm to go by
MAX_SAMPLES = 50_000  # that statistics are learned from
UNIT_NORM = 10.0  # networks see and make objects of this norm: pixels of order one


class ScaledNetwork(nn.Module):
    """A network inside its scaling: raw magnitudes in, objects in their own units out.

    Parameters
    ----------
    network : torch.nn.Module
        See :mod:`._networks` for its interface; its output may also be complex, or lack the axis of one channel.
    object_shape : tuple of int
    n_channels : {1, 2}
    scaling : {"sqrt", "log", None}
    statistics : dict
        From :func:`learn_scaling`.
    """

    def __init__(self, network, object_shape, n_channels, scaling, statistics):
        super().__init__()
        self.network = network
        self.object_shape = tuple(object_shape)
        self.n_channels = n_channels
        self.scaling = scaling
        self.uses_magnitudes = bool(getattr(network, "uses_magnitudes", False))
        for name in ("mean", "deviation", "gain", "shares"):
            self.register_buffer(name, statistics[name])

    def forward(self, magnitudes):
        """Map magnitudes (n_samples, *fourier_shape) to objects (n_samples, *object_shape), or a tuple of them."""
        # what a pixel that was never measured in training says, nothing was learned of
        magnitudes = torch.where(self.shares > 0, magnitudes, torch.nan)
        unit, norms = unit_magnitudes(magnitudes, self.shares)
        features = ((SCALINGS[self.scaling](unit) - self.mean) / self.deviation).nan_to_num(0.0)
        output = self.network(features, unit) if self.uses_magnitudes else self.network(features)
        brightness = (self.gain * norms).view([-1] + [1] * len(self.object_shape))
        images = [self._as_objects(part) for part in (output if isinstance(output, tuple) else (output,))]
        if max(map(len, images)) != len(magnitudes):
            made = " and ".join(str(len(part)) for part in images)
            raise ValueError(f"{type(self.network).__name__} made {made} images of {len(magnitudes)} samples")
        objects = tuple(part * brightness[: len(part)] for part in images)
        return objects if isinstance(output, tuple) else objects[0]

    def _as_objects(self, output):
        if output.is_complex():
            return output.reshape(-1, *self.object_shape)
        output = output.float().reshape(-1, self.n_channels, *self.object_shape)
        return output[:, 0] if self.n_channels == 1 else torch.complex(output[:, 0], output[:, 1])


def unit_magnitudes(magnitudes, shares=None):
    """Magnitudes of an object of norm `UNIT_NORM` under the unnormalised DFT, and what they were divided by.

    `shares`, of shape fourier_shape and sum 1, says how much of the intensity usually falls on each pixel; NaN, where
    a pixel is unmeasured, stays NaN.
    """
    known = ~magnitudes.isnan()
    total = energy(torch.where(known, magnitudes, 0.0))
    if shares is not None and not known.all():
        measured = torch.where(known, shares, 0.0).sum(dim=space_axes(magnitudes), dtype=torch.float64)
        total = total / measured.clamp_min(MIN_SHARE)
    norms = total.sqrt().to(magnitudes.dtype) / (math.sqrt(math.prod(magnitudes.shape[1:])) * UNIT_NORM)
    safe = torch.where(norms > 0, norms, 1.0)
    return magnitudes / safe.view([-1] + [1] * (magnitudes.ndim - 1)), norms


def learn_scaling(magnitudes, objects, scaling, detect=None):
    """Shares, mean and deviation of each pixel, and the ratio of object norms to magnitude norms.

    Passes in chunks, over 50,000 samples at even distances where there are more; the gain is 1 for magnitudes of an
    unnormalised DFT and whatever it needs to be for others.

    Parameters
    ----------
    magnitudes : ndarray or torch.Tensor of shape (n_samples, *fourier_shape)
    objects : ndarray or torch.Tensor of shape (n_samples, *object_shape)
    scaling : {"sqrt", "log", None}
    detect : callable, optional
        What happens to magnitudes before a network sees them.

    Returns
    -------
    dict
        `mean`, `deviation`, `shares` and `gain`, as :class:`ScaledNetwork` wants them, and `unmeasured`: whether there
        was any unmeasured pixel.
    """
    shares = None
    incomplete = len(magnitudes) > MAX_SAMPLES and summary_of(magnitudes).n_nan > 0  # if only in others
    magnitudes, objects = some_of(magnitudes, MAX_SAMPLES), some_of(objects, MAX_SAMPLES)
    # a share is known once norms are, and norms of incomplete patterns once shares are: the second pass is near enough
    for _ in range(3):
        statistics = _PixelStatistics(scaling, shares)
        for part in chunks_of(len(magnitudes), 4 * math.prod(magnitudes.shape[1:])):
            batch = to_tensor(magnitudes[part]).float()
            statistics.add(batch if detect is None else detect(batch), to_tensor(objects[part]))
        shares, incomplete = statistics.shares(), incomplete or statistics.unmeasured
        if not statistics.unmeasured:
            break
    return statistics.scaling() | {"shares": shares, "unmeasured": incomplete}


class _PixelStatistics:
    """Sums over a training set, pixel by pixel, of what was measured."""

    def __init__(self, scaling, shares):
        self.scale, self.known_shares = SCALINGS[scaling], shares
        self.count = self.total = self.squares = self.power = self.gains = 0.0
        self.n_lit, self.unmeasured = 0, False

    def add(self, magnitudes, objects):
        """Take in a chunk."""
        unit, norms = unit_magnitudes(magnitudes, self.known_shares)
        known = ~unit.isnan()
        self.unmeasured = self.unmeasured or not bool(known.all())
        scaled = torch.where(known, self.scale(unit), 0.0).double()
        self.count = self.count + known.sum(dim=0)
        self.total = self.total + scaled.sum(dim=0)
        self.squares = self.squares + scaled.square().sum(dim=0)
        self.power = self.power + torch.where(known, unit, 0.0).double().square().sum(dim=0)
        lit = norms > 0
        object_norms = energy(objects).sqrt().to(norms.device)
        self.gains += float((object_norms[lit] / norms[lit]).sum()) / UNIT_NORM
        self.n_lit += int(lit.sum())

    def shares(self):
        """Mean intensity of each pixel as a fraction of the sum; 0 for one, and only one, that was never measured."""
        power = self.power / self.count.clamp_min(1)
        total = power.sum()
        shares = power / total if total > 0 else torch.full_like(power, 1 / power.numel())
        return torch.where(self.count > 0, shares.clamp_min(1e-30), 0.0).float()

    def scaling(self):
        """Mean, deviation and gain."""
        count = self.count.clamp_min(1)
        mean = self.total / count
        deviation = (self.squares / count - mean.square()).clamp_min(0).sqrt()
        overall = float(deviation.mean())
        floor = 0.01 * overall if overall > 0 else 1.0
        # the network's objects have norm UNIT_NORM, so the gain of one object is |x| / (UNIT_NORM * norm)
        gain = self.gains / max(self.n_lit, 1) if self.gains > 0 else 1.0
        return {
            "mean": mean.float(),
            "deviation": (deviation + floor).float(),
            "gain": torch.tensor(gain, dtype=torch.float32),
        }
