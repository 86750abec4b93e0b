"""Weights, memory and time of `"unet"` from small patterns to large ones.

Each size is trained for one epoch on complex crystals, in a process of its own whose largest memory
is reported, together with the memory of that process before the training. The Fourier grid is twice
as wide as the frame.
"""

import argparse
import math
import multiprocessing
import resource
import time

import torch

from skpr import FourierMagnitude, LazyBatch, PhaseRetrievalRegressor
from skpr.datasets import make_crystals

SIZES = (28, 28), (64, 64), (128, 128), (256, 256), (32, 32, 32), (64, 64, 64)
PIXELS = 1 << 21  # object pixels of a training batch at most

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument(
    "--shapes",
    nargs="*",
    default=["x".join(map(str, shape)) for shape in SIZES],
    help="shapes of the objects, as 128x128",
)
parser.add_argument("--train", type=int, default=128, help="training objects at most")
parser.add_argument("--batch", type=int, default=64, help="objects in a training batch at most")
parser.add_argument(
    "--max-phase", type=float, default=3.0, help="phase in radians; 0 for real ones"
)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--device", default="cpu")
parser.add_argument("--seed", type=int, default=0)


def gigabytes():
    """Return the largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measured(shape, arguments):
    """Train and predict at one size, and print a row."""
    torch.set_num_threads(arguments.threads)
    n_pixels = math.prod(shape)
    batch = max(4, min(arguments.batch, PIXELS // n_pixels))
    n_train = max(2 * batch, min(arguments.train, 8 * PIXELS // n_pixels))
    objects = make_crystals(
        n_train, shape=shape, max_phase=arguments.max_phase, random_state=arguments.seed
    ).data
    magnitudes = FourierMagnitude().fit_transform(LazyBatch(objects))
    before = gigabytes()
    network = PhaseRetrievalRegressor(
        "unet",
        max_epochs=2,
        batch_size=batch,
        device=arguments.device,
        random_state=arguments.seed,
        verbose=0,
    ).fit(magnitudes, objects)
    training = network.history[-1]["dur"] / n_train  # the first epoch makes plans and graphs
    after = gigabytes()
    patterns = magnitudes[:batch].read("cpu")
    network.predict(patterns)
    start = time.perf_counter()
    network.predict(patterns)
    prediction = (time.perf_counter() - start) / batch
    module = network.module_.network
    levels = len(getattr(module, "levels", (None,)))
    weights = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    print(
        f"{' x '.join(map(str, shape)):<14}{levels:>7}{weights:>10.1f}{batch:>7}{before:>10.1f}"
        f"{after:>10.1f}{1e3 * training:>12.1f}{1e3 * prediction:>12.1f}"
        f"{1e6 * training / n_pixels:>10.2f}{1e6 * prediction / n_pixels:>10.2f}",
        flush=True,
    )


if __name__ == "__main__":
    arguments = parser.parse_args()
    print(
        f"{'object':<14}{'levels':>7}{'weights':>10}{'batch':>7}{'memory [GiB]':>20}"
        f"{'time per sample [ms]':>24}{'per pixel [us]':>20}\n"
        f"{'':<14}{'':>7}{'[million]':>10}{'':>7}{'before':>10}{'training':>10}"
        f"{'training':>12}{'predict':>12}{'training':>10}{'predict':>10}",
        flush=True,
    )
    context = multiprocessing.get_context("spawn")
    for text in arguments.shapes:
        shape = tuple(int(size) for size in text.split("x"))
        process = context.Process(target=measured, args=(shape, arguments))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{text} failed with exit code {process.exitcode}")
