"""Speed of the transformers and of a training epoch, against references.

The transformers process 10,000 float32 objects of 42 x 42 pixels. Their reference is a real FFT and
its inverse (torch) of the same batch, zero-padded to the Fourier grid of 84 x 84; the bounds refer
to it. A second column uses the same pair in chunks of 64, which stay in the cache. An epoch of the
regressor is compared with a hand-written torch loop over the same network, batches and data. All
figures are ratios of medians over several alternating runs with one thread.

    python examples/benchmarks/speed.py
"""

import argparse
import statistics
import time

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
)
from skpr.datasets import load_digit_objects

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--objects", type=int, default=10_000)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--train", type=int, default=4_000, help="number of pairs in a training epoch")
parser.add_argument("--device", default="cpu", help="device of the training epoch")
arguments = parser.parse_args()
torch.set_num_threads(1)


def timed(function):
    """Return the seconds of one call."""
    if arguments.device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if arguments.device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


digits = load_digit_objects(image_size=24).data
digits = digits[np.random.default_rng(0).integers(len(digits), size=arguments.objects)]
objects = ShiftFlipAugmenter(frame_shape=42, random_state=0).fit_transform(digits)
tensor = torch.from_numpy(objects)


def transform_pair(chunk):
    """Compute a real FFT and its inverse on the padded grid."""
    for part in tensor.split(chunk):
        torch.fft.irfft2(torch.fft.rfft2(part, s=(84, 84)), s=(84, 84))


template = SymmetryCanonicalizer().fit(objects[:2000])
centroid = SymmetryCanonicalizer("centroid", None).fit(objects)
magnitude = FourierMagnitude().fit(objects)
tasks = {
    "pair, one batch": lambda: transform_pair(len(objects)),
    "pair, chunks": lambda: transform_pair(64),
    "template transform": lambda: template.transform(objects),
    "centroid transform": lambda: centroid.transform(objects),
    "FourierMagnitude": lambda: magnitude.transform(objects),
}
times = {name: [] for name in tasks}
for task in tasks.values():
    task()
for _ in range(arguments.repeats):
    for name, task in tasks.items():
        times[name].append(timed(task))
medians = {name: statistics.median(values) for name, values in times.items()}
batch, chunks = medians["pair, one batch"], medians["pair, chunks"]
print(
    f"{len(objects)} objects of 42 x 42; FFT pair on 84 x 84: {batch:.3f} s as one batch, "
    f"{chunks:.3f} s in chunks"
)
print(f"{'':<22}{'/ one batch':>12}{'/ chunks':>10}{'bound':>8}")
for name, bound in [
    ("template transform", 3.0),
    ("centroid transform", 1.0),
    ("FourierMagnitude", 1.2),
]:
    print(f"{name:<22}{medians[name] / batch:>12.2f}{medians[name] / chunks:>10.2f}{bound:>8}")

# --- one training epoch ---------------------------------------------------------------------------

objects = objects[: arguments.train]
magnitudes = FourierMagnitude(fourier_shape=96).fit_transform(objects)
for module in ("mlp", "unet"):
    net = PhaseRetrievalRegressor(
        module, max_epochs=1, mixed_precision=False, device=arguments.device, random_state=0
    )
    net.fit(magnitudes, objects)

    def epoch_by_hand(net=net):
        """Train for an epoch by a plain loop with shuffling and clipping."""
        device = next(net.module_.parameters()).device
        X, y = torch.from_numpy(magnitudes), torch.from_numpy(objects)
        weights, options = (
            net.module_.parameters(),
            {"weight_decay": 0.2, "betas": (0.9, 0.99), "fused": True},
        )
        optimizer = torch.optim.AdamW(weights, lr=net.lr, **options)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, net.lr, total_steps=-(-len(X) // net.batch_size)
        )
        net.module_.train()
        for index in torch.randperm(len(X)).split(net.batch_size):
            optimizer.zero_grad()
            prediction, target = net.module_(X[index].to(device)), y[index].to(device)
            outputs = prediction if isinstance(prediction, tuple) else (prediction,)
            loss = sum(net.criterion_(output, target[: len(output)]) for output in outputs)
            loss.backward()
            loss.item()
            torch.nn.utils.clip_grad_norm_(net.module_.parameters(), 0.5)
            optimizer.step()
            schedule.step()

    ratios = []
    for _ in range(arguments.repeats):
        by_hand = timed(epoch_by_hand)
        net.partial_fit(magnitudes, objects)
        ratios.append(net.history[-1, "dur"] / by_hand)
    print(
        f"training epoch, {module:<6}{statistics.median(ratios):>12.2f} of a hand-written loop, "
        "bound 1.1"
    )
