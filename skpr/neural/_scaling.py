"""Scaling between raw magnitudes and a network, learned at fit.

A magnitude `b` of any exposure is first divided by its norm. By Parseval's theorem, this gives all
objects the same norm, so that the network need not learn brightness; the prediction is multiplied
by the brightness again. Where pixels are unmeasured (NaN), the norm is estimated from the measured
ones and from the share of the intensity that usually falls on them. A square root or logarithm then
compresses the dynamic range. Finally, each pixel is standardised over the training set, and
unmeasured pixels are set to their mean.
"""

import json
import math

import torch
from torch import nn

from .._facts import facts_of
from .._lazy import enough_of, some_of
from .._tensors import along_samples, chunks_of, energy, space_axes, to_tensor

SCALINGS = {"sqrt": torch.sqrt, "log": lambda b: torch.log1p(10 * b), None: lambda b: b}
MIN_SHARE = 1e-3  # smallest measured share of the intensity from which a norm is extrapolated
MAX_SAMPLES = 50_000  # maximum number of samples from which statistics are learned
LEAST_GAIN = 1e-30  # smallest ratio of object to magnitude norms that float32 can handle
# smallest batch: fewer samples take other code paths through FFT and matrix product, and unrolled
# iterations amplify the different rounding
LEAST_BATCH = 4
UNIT_NORM = 10.0  # norm of the objects that networks see and make, so that pixels are of order one


class ScaledNetwork(nn.Module):
    """Network inside its scaling, from raw magnitudes to objects.

    Its `state_dict` also holds the facts that it was built with, so that an equal network can be
    built from a file of weights alone.

    Parameters
    ----------
    network : torch.nn.Module
        Network with the interface of :mod:`._networks`; its output may also be complex, flat, or
        without the channel axis where there is one channel.
    object_shape : tuple of int
        Shape of one object.
    n_channels : {1, 2}
        Number of channels: 1 for real objects, 2 for complex ones.
    scaling : {"sqrt", "log", None}
        Function that compresses the dynamic range.
    statistics : dict
        Statistics from :func:`learn_scaling`.
    facts : dict, optional
        Further facts about the training, in types that JSON supports, stored with the weights.
    """

    def __init__(self, network, object_shape, n_channels, scaling, statistics, facts=None):
        super().__init__()
        self.network = network
        self.object_shape = tuple(object_shape)
        self.n_channels = n_channels
        self.scaling = scaling
        self.facts = facts or {}
        self.uses_magnitudes = bool(getattr(network, "uses_magnitudes", False))
        self.level_shapes = tuple(getattr(network, "level_shapes", ()))
        for name in ("mean", "deviation", "gain", "shares"):
            self.register_buffer(name, statistics[name])

    def forward(self, magnitudes):
        """Map magnitudes to objects (n_samples, *object_shape).

        A network with several outputs gives a tuple of such batches.
        """
        n_samples = len(magnitudes)
        if n_samples < LEAST_BATCH and not self.training:
            objects = self(at_least_a_batch(magnitudes))
            return (
                tuple(part[:n_samples] for part in objects)
                if isinstance(objects, tuple)
                else objects[:n_samples]
            )
        # pixels that were never measured in training have no statistics: they are ignored
        magnitudes = torch.where(self.shares > 0, magnitudes, torch.nan)
        unit, norms = unit_magnitudes(magnitudes, self.shares)
        features = ((SCALINGS[self.scaling](unit) - self.mean) / self.deviation).nan_to_num(0.0)
        output = self.network(features, unit) if self.uses_magnitudes else self.network(features)
        brightness = (self.gain * norms).view([-1] + [1] * len(self.object_shape))
        parts = output if isinstance(output, tuple) else (output,)
        coarser = self.level_shapes if isinstance(output, tuple) else ()
        images = [self._as_objects(part, coarser) for part in parts]
        if max(map(len, images)) != len(magnitudes):
            made = " and ".join(str(len(part)) for part in images)
            raise ValueError(
                f"{type(self.network).__name__} returned {made} images for {len(magnitudes)} "
                "samples"
            )
        objects = tuple(part * brightness[: len(part)] for part in images)
        return objects if isinstance(output, tuple) else objects[0]

    def target(self, objects, object_shape):
        """Compute what images of a coarser level are compared with."""
        return self.network.target(objects, object_shape)

    def _as_objects(self, output, coarser=()):
        """Convert a network's output to objects; refuse shapes but theirs.

        Images may also have the shape of a coarser level.
        """
        made = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        channels = (
            1 if isinstance(output, torch.Tensor) and output.is_complex() else self.n_channels
        )
        shape = made[2:] if made[2:] in coarser else self.object_shape
        shapes = [(channels, *shape), (channels * math.prod(shape),)]
        if channels == 1:
            shapes.append(shape)
        if made[1:] not in shapes:
            raise ValueError(
                f"{type(self.network).__name__} returned {made} for a batch; it must return a "
                f"tensor of shape {('n_samples', self.n_channels, *self.object_shape)}"
            )
        if output.is_complex() and self.n_channels == 1:
            raise ValueError(
                f"{type(self.network).__name__} returned complex images for real objects"
            )
        if output.is_complex():
            return output.to(torch.complex64).reshape(-1, *shape)
        output = output.float().reshape(-1, self.n_channels, *shape)
        return output[:, 0] if self.n_channels == 1 else torch.complex(output[:, 0], output[:, 1])

    # --- facts stored with the weights ------------------------------------------------------------

    def get_extra_state(self):
        """Return the facts about the network as JSON in a tensor."""
        own = {
            "object_shape": self.object_shape,
            "n_channels": self.n_channels,
            "magnitude_scaling": self.scaling,
        }
        return torch.tensor(list(json.dumps(own | self.facts).encode()), dtype=torch.uint8)

    def set_extra_state(self, state):
        """Refuse weights of a network that was built with other facts."""
        check_same_facts(stored_facts(state), stored_facts(self.get_extra_state()))

    def _load_from_state_dict(self, state_dict, prefix, *args):
        # old files of weights hold no facts
        state_dict.setdefault(f"{prefix}_extra_state", self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *args)


def at_least_a_batch(magnitudes):
    """Repeat magnitudes until they fill the smallest batch."""
    if len(magnitudes) >= LEAST_BATCH:
        return magnitudes
    return magnitudes[torch.arange(LEAST_BATCH, device=magnitudes.device) % len(magnitudes)]


def stored_facts(state):
    """Return the facts in a network's extra state as a dict."""
    facts = json.loads(bytes(state.tolist()).decode())
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }


def check_same_facts(saved, present):
    """Refuse weights of a network that was built with other facts."""
    for name, value in saved.items():
        if present.get(name, value) != value:
            raise ValueError(
                f"these weights are of a network with {name}={value!r}, and cannot be loaded into "
                f"one with {name}={present[name]!r}"
            )


def unit_magnitudes(magnitudes, shares=None):
    """Scale magnitudes to an object of norm `UNIT_NORM`.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes in any unit that float32 can hold; NaN where unmeasured.
    shares : torch.Tensor of shape (*fourier_shape,), optional
        Share of the intensity that usually falls on each pixel; the sum is 1.

    Returns
    -------
    unit : torch.Tensor of shape (n_samples, *fourier_shape)
        Scaled magnitudes; NaN where unmeasured.
    norms : torch.Tensor of shape (n_samples,)
        Divisors of the magnitudes; 0 for an empty pattern, which is not divided.
    """
    known = ~magnitudes.isnan()
    total = energy(torch.where(known, magnitudes, 0.0))
    # a GPU would have to wait for the answer whether all pixels are known
    if shares is not None and (magnitudes.device.type != "cpu" or not known.all()):
        axes = space_axes(magnitudes)
        measured = torch.where(known, shares, 0.0).sum(dim=axes, dtype=torch.float64)
        total = torch.where(
            known.flatten(1).all(dim=1), total, total / measured.clamp_min(MIN_SHARE)
        )
    norms = total.sqrt().to(magnitudes.dtype) / (
        math.sqrt(math.prod(magnitudes.shape[1:])) * UNIT_NORM
    )
    safe = torch.where(norms > 0, norms, 1.0)
    return magnitudes / along_samples(safe, magnitudes), norms


def learn_scaling(magnitudes, objects, scaling, detect=None, sample_weight=None):
    """Learn pixel statistics and the ratio of object to magnitude norms.

    The data are read in chunks; of more than 50,000 samples, 50,000 at even distances are used. Of
    samples that are drawn when they are read, 1,024 are enough. The ratio, called gain, is 1 for
    magnitudes of an unnormalised DFT.

    Parameters
    ----------
    magnitudes : ndarray or torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes of the training set; NaN where unmeasured.
    objects : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Objects of the training set.
    scaling : {"sqrt", "log", None}
        Function that compresses the dynamic range.
    detect : callable, optional
        Detector model, applied to the magnitudes first.
    sample_weight : ndarray of shape (n_samples,), optional
        Weight of each sample in the statistics.

    Returns
    -------
    dict
        Tensors `mean`, `deviation`, `shares` and `gain` for :class:`ScaledNetwork`, and the bool
        `unmeasured`: whether any pixel was unmeasured.

    Raises
    ------
    ValueError
        If objects and magnitudes are in units too far apart for float32.
    """
    shares = None
    # NaN may occur only in samples that the statistics leave out
    n_samples = enough_of(MAX_SAMPLES, magnitudes, objects)
    incomplete = len(magnitudes) > n_samples and facts_of(magnitudes).n_nan > 0
    magnitudes, objects = some_of(magnitudes, n_samples), some_of(objects, n_samples)
    weights = None if sample_weight is None else torch.as_tensor(some_of(sample_weight, n_samples))
    # shares depend on the norms, and norms of incomplete patterns depend on the shares: they are
    # computed in turns, and two passes after the first are accurate enough
    for _ in range(3):
        statistics = _PixelStatistics(scaling, shares)
        for part in chunks_of(len(magnitudes), 4 * math.prod(magnitudes.shape[1:])):
            batch = to_tensor(magnitudes[part]).float()
            statistics.add(
                batch if detect is None else detect(batch),
                to_tensor(objects[part]),
                _part(weights, part),
            )
        shares, incomplete = statistics.shares(), incomplete or statistics.unmeasured
        if not statistics.unmeasured:
            break
    return statistics.scaling() | {"shares": shares, "unmeasured": incomplete}


def _part(weights, part):
    return None if weights is None else weights[part]


class _PixelStatistics:
    """Weighted sums over the measured values of each pixel."""

    def __init__(self, scaling, shares):
        self.scale, self.known_shares = SCALINGS[scaling], shares
        self.count = self.total = self.squares = self.power = self.gains = self.n_lit = 0.0
        self.unmeasured = False

    def add(self, magnitudes, objects, weights):
        """Add a chunk of samples."""
        unit, norms = unit_magnitudes(magnitudes, self.known_shares)
        known = ~unit.isnan()
        self.unmeasured = self.unmeasured or not bool(known.all())
        weights = None if weights is None else weights.to(unit.device, torch.float64)

        def total(values):
            return (values if weights is None else values * along_samples(weights, values)).sum(
                dim=0
            )

        scaled = torch.where(known, self.scale(unit), 0.0).double()
        self.count = self.count + total(known)
        self.total = self.total + total(scaled)
        self.squares = self.squares + total(scaled.square())
        self.power = self.power + total(torch.where(known, unit, 0.0).double().square())
        lit = norms > 0
        ratios = energy(objects).sqrt().to(norms.device) / torch.where(lit, norms, 1.0)
        self.gains += float(total(torch.where(lit, ratios, 0.0))) / UNIT_NORM
        self.n_lit += float(total(lit))

    def shares(self):
        """Return the mean intensity of each pixel as a fraction of the sum.

        It is 0 for pixels that were never measured, and only for these.
        """
        power = self.power / self._counts()
        total = power.sum()
        shares = power / total if total > 0 else torch.full_like(power, 1 / power.numel())
        return torch.where(self.count > 0, shares.clamp_min(1e-30), 0.0).float()

    def _counts(self):
        return torch.where(self.count > 0, self.count, 1.0)

    def scaling(self):
        """Return mean, deviation and gain."""
        count = self._counts()
        mean = self.total / count
        deviation = (self.squares / count - mean.square()).clamp_min(0).sqrt()
        overall = float(deviation.mean())
        floor = 0.01 * overall if overall > 0 else 1.0
        # the network's objects have norm UNIT_NORM: the gain of one object is
        # |x| / (UNIT_NORM * norm)
        gain = self.gains / self.n_lit if self.gains > 0 else 1.0
        if not LEAST_GAIN < gain < 1 / LEAST_GAIN:
            raise ValueError(
                f"objects in y are about {gain:.1g} times as large as their magnitudes in X imply, "
                "a ratio that float32 cannot hold; give X and y in units closer to each other"
            )
        return {
            "mean": mean.float(),
            "deviation": (deviation + floor).float(),
            "gain": torch.tensor(gain, dtype=torch.float32),
        }
