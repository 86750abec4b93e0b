"""What stands between a detector's numbers and a network: scaling and normalisation, learned at fit.

A magnitude `b` of any exposure is first divided by its norm: with Parseval's theorem that makes every object one of
unit norm, so brightness is not something a network has to learn, and the prediction is multiplied by the brightness
again. Square root or logarithm tame the dynamic range; each pixel is then standardised over the training set.
"""

import math

import torch
from torch import nn

from .._arrays import chunks_of, to_tensor
from ..symmetry import energy

SCALINGS = {"sqrt": torch.sqrt, "log": lambda b: torch.log1p(10 * b), None: lambda b: b}
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
        for name in ("mean", "deviation", "gain"):
            self.register_buffer(name, statistics[name])

    def forward(self, magnitudes):
        """Map magnitudes (n_samples, *fourier_shape) to objects (n_samples, *object_shape), or a tuple of them."""
        unit, norms = unit_magnitudes(magnitudes)
        features = (SCALINGS[self.scaling](unit) - self.mean) / self.deviation
        output = self.network(features, unit) if self.uses_magnitudes else self.network(features)
        brightness = (self.gain * norms).view([-1] + [1] * len(self.object_shape))
        if isinstance(output, tuple):
            return tuple(self._as_objects(images) * brightness for images in output)
        return self._as_objects(output) * brightness

    def _as_objects(self, output):
        if output.is_complex():
            return output.reshape(-1, *self.object_shape)
        output = output.float().reshape(-1, self.n_channels, *self.object_shape)
        return output[:, 0] if self.n_channels == 1 else torch.complex(output[:, 0], output[:, 1])


def unit_magnitudes(magnitudes):
    """Magnitudes of an object of norm `UNIT_NORM` under the unnormalised DFT, and what they were divided by."""
    n_pixels = math.prod(magnitudes.shape[1:])
    norms = energy(magnitudes).sqrt().to(magnitudes.dtype) / (math.sqrt(n_pixels) * UNIT_NORM)
    safe = torch.where(norms > 0, norms, 1.0)
    return magnitudes / safe.view([-1] + [1] * (magnitudes.ndim - 1)), norms


def learn_scaling(magnitudes, objects, scaling):
    """Mean and deviation of each scaled pixel, and the ratio of object norms to magnitude norms.

    One pass in chunks; the gain is 1 for magnitudes of an unnormalised DFT and whatever it needs to be for others.
    """
    total, squares, gains, n_lit = 0.0, 0.0, 0.0, 0
    for part in chunks_of(len(magnitudes), 4 * math.prod(magnitudes.shape[1:])):
        unit, norms = unit_magnitudes(to_tensor(magnitudes[part]).float())
        scaled = SCALINGS[scaling](unit).double()
        total = total + scaled.sum(dim=0)
        squares = squares + scaled.square().sum(dim=0)
        lit = norms > 0
        object_norms = energy(to_tensor(objects[part])).sqrt()
        gains += float((object_norms.to(norms.device)[lit] / norms[lit]).sum()) / UNIT_NORM
        n_lit += int(lit.sum())
    mean = total / len(magnitudes)
    deviation = (squares / len(magnitudes) - mean.square()).clamp_min(0).sqrt()
    overall = float(deviation.mean())
    floor = 0.01 * overall if overall > 0 else 1.0
    return {
        "mean": mean.float(),
        "deviation": (deviation + floor).float(),
        # the network's objects have norm UNIT_NORM, so the gain of one object is |x| / (UNIT_NORM * norm)
        "gain": torch.tensor(gains / max(n_lit, 1) if gains > 0 else 1.0, dtype=torch.float32),
    }
