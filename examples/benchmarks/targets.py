"""Targets against losses: what breaks the symmetries of a training set best?

Objects lie anywhere on their orbits (shift, flip and, if complex, phase). The same network is
trained on

- raw objects and canonical ones, by the mean squared error;
- the orbit loss, which moves the target of each sample to the prediction;
- canonical objects first, and the orbit loss in the last third of the epochs;
- a loss on the phases of the spectrum, after the target was moved in the same way, as for networks
  that predict these phases;
- magnitudes alone: the distance between those of the prediction and of the target.

Two errors are given: the plain distance to the canonical object, and the relative error modulo
symmetries. Both are means over test objects and over seeds, with the range of the latter.

    PYTHONPATH=. python examples/benchmarks/targets.py
    PYTHONPATH=. python examples/benchmarks/targets.py --data crystals
"""

import argparse
import time

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
)
from skpr.datasets import load_digit_objects, make_crystals
from skpr.metrics import relative_error
from skpr.neural import OrbitLoss
from skpr.symmetry import register

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", default="digits", choices=("digits", "crystals"))
parser.add_argument("--frame", type=int, default=24, help="pixels; the grid is twice as wide")
parser.add_argument("--train", type=int, default=1400)
parser.add_argument("--test", type=int, default=300)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--module", default="mlp", choices=("mlp", "unet"))
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
parser.add_argument("--device", default="auto")
arguments = parser.parse_args()

torch.set_num_threads(1)


def spectra(objects):
    """Compute spectra on a grid of twice the frame."""
    axes = tuple(range(1, objects.ndim))
    return torch.fft.fftn(objects, s=[2 * n for n in objects.shape[1:]], dim=axes)


class SpectralPhaseLoss(torch.nn.Module):
    """Distance between the phases of spectra, weighted by the target's magnitudes.

    The target is moved on its orbit to the prediction first.
    """

    def forward(self, prediction, target):
        """Compute the loss of objects of shape (n_samples, *object_shape)."""
        target = register(target, prediction.detach())[0]
        found, wanted = spectra(prediction), spectra(target)
        moduli = wanted.abs()
        floor = 1e-3 * moduli.flatten(1).amax(dim=1).view(-1, *[1] * (moduli.ndim - 1))
        difference = found / (found.abs() + floor) - wanted / (moduli + floor)
        size = (prediction - target).abs().square().mean() / target.abs().square().mean()
        return (moduli * difference.abs().square()).sum() / moduli.sum() + size


class MagnitudeLoss(torch.nn.Module):
    """Squared distance between magnitudes, relative to those of the target."""

    def forward(self, prediction, target):
        """Compute the loss of objects of shape (n_samples, *object_shape)."""
        found, wanted = spectra(prediction).abs(), spectra(target).abs()
        return (found - wanted).square().sum() / wanted.square().sum()


# %%
# Objects on their orbits, and their representatives.

n_samples, shape = arguments.train + arguments.test, (arguments.frame,) * 2
if arguments.data == "digits":
    digits = load_digit_objects().data
    chosen = np.random.default_rng(0).permutation(len(digits))[:n_samples]
    objects = ShiftFlipAugmenter(frame_shape=shape, max_shift=4, random_state=0).fit_transform(
        digits[chosen]
    )
else:
    crystals = make_crystals(n_samples, shape=shape, max_phase=3.0, random_state=0).data
    objects = ShiftFlipAugmenter(random_phase=True, random_state=0).fit_transform(crystals)
magnitudes = FourierMagnitude().fit_transform(objects)
train, test = slice(arguments.train), slice(arguments.train, None)
canonical = SymmetryCanonicalizer().fit(objects[train]).transform(objects)

# %%
# Trainings. Each has parts: share of the epochs, targets and loss.

TRAININGS = {
    "raw": [(1.0, objects, "mse")],
    "canonical": [(1.0, canonical, "mse")],
    "orbit loss": [(1.0, objects, OrbitLoss)],
    "canonical, then orbit loss": [(2 / 3, canonical, "mse"), (1 / 3, canonical, OrbitLoss)],
    "spectral phases": [(1.0, objects, SpectralPhaseLoss)],
    "magnitudes alone": [(1.0, objects, MagnitudeLoss)],
}
print(
    f"{arguments.data} in {arguments.frame} x {arguments.frame}, {arguments.train} training and "
    f"{arguments.test} test objects, {arguments.module}, {arguments.epochs} epochs"
)
print(f"{'training':<28}{'plain':>8}{'modulo symmetries':>19}{'range':>16}{'[s]':>7}")
for name, parts in TRAININGS.items():
    plain, adjusted, start = [], [], time.perf_counter()
    for seed in arguments.seeds:
        network = None
        for share, targets, loss in parts:
            epochs = max(1, round(share * arguments.epochs))
            settings = {"criterion": loss, "max_epochs": epochs}
            if network is None:
                network = PhaseRetrievalRegressor(
                    arguments.module,
                    random_state=seed,
                    device=arguments.device,
                    verbose=0,
                    **settings,
                ).fit(magnitudes[train], targets[train])
            else:
                network.set_params(**settings)
                network.partial_fit(magnitudes[train], targets[train])
        found = network.predict(magnitudes[test])
        distances = np.abs(found - canonical[test]).reshape(len(found), -1)
        norms = np.linalg.norm(canonical[test].reshape(len(found), -1), axis=1)
        plain.append(np.mean(np.linalg.norm(distances, axis=1) / norms))
        adjusted.append(relative_error(objects[test], found))
    seconds = (time.perf_counter() - start) / len(arguments.seeds)
    print(
        f"{name:<28}{np.mean(plain):>8.3f}{np.mean(adjusted):>19.4f}{min(adjusted):>9.4f}"
        f"{max(adjusted):>8.4f}{seconds:>6.0f}",
        flush=True,
    )
