"""Time of a reconstruction by networks and by iterations.

Images of Fashion-MNIST, 28 x 28 in a 42 x 42 frame on a 96 x 96 Fourier grid, are shifted and
flipped. The table gives the training time and the images per second of each network, for a single
pass and with iterations after it. It then gives the number of iterations from random starts that
reach the same mean error on the same test objects. Prediction times exclude training, and are
measured with PyTorch's default device and number of threads.

    SKPR_DATA=path/to/data python examples/benchmarks/cost.py
"""

import argparse
import time
from functools import partial

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
)
from skpr.datasets import fetch_fashion_mnist
from skpr.metrics import relative_error

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--train", type=int, default=20000)
parser.add_argument("--images", type=int, default=1000)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--iterations", type=int, default=100, help="iterations after the network")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()


def framed(images, seed):
    """Shift images in a frame, and flip half of them."""
    return ShiftFlipAugmenter(frame_shape=42, max_shift=7, random_state=seed).fit_transform(images)


def timed(function, repeats=3):
    """Return the result of a function, and the median time in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, float(np.median(seconds))


objects = framed(fetch_fashion_mnist("train").data[: arguments.train], arguments.seed + 1)
test = framed(fetch_fashion_mnist("test").data[: arguments.images], arguments.seed + 2)
magnitude = FourierMagnitude(fourier_shape=96).fit(objects)
b, b_test = magnitude.transform(objects), magnitude.transform(test)
device = "GPU" if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
print(f"{len(objects)} training and {len(test)} test objects, {arguments.epochs} epochs, {device}")
print(f"{'':<44}{'error':>8}{'training [s]':>14}{'images/s':>10}", flush=True)
targets = {}


def report(name, found, training, seconds):
    """Print a row and return its error."""
    error = relative_error(test, found)
    rate = f"{len(test) / seconds:.0f}" if seconds else ""
    print(f"{name:<44}{error:>8.4f}{training:>14}{rate:>10}", flush=True)
    return error


def iterated(n_iter, init=None, **parameters):
    """Reconstruct the test objects by a number of iterations."""
    retriever = IterativePhaseRetrieval(
        n_iter=n_iter, tol=0, random_state=arguments.seed, **parameters
    )
    return retriever.fit(b_test, test).retrieve(b_test, init=init).objects


for module in ("mlp", "unet"):
    network = PhaseRetrievalRegressor(
        module, max_epochs=arguments.epochs, random_state=arguments.seed
    )
    start = time.perf_counter()
    model = SymmetryBreakingRegressor(network).fit(b, objects)
    training = f"{time.perf_counter() - start:.0f}"
    found, seconds = timed(lambda model=model: model.predict(b_test))
    targets[module] = report(f"{module}, single pass", found, training, seconds)
    some = b_test[:50]
    _, single = timed(lambda model=model, some=some: [model.predict(one[None]) for one in some])
    print(f"{'  one image at a time':<66}{len(some) / single:>10.0f}", flush=True)
    iterations = f"{arguments.iterations} iterations"
    polished, after = timed(lambda found=found: iterated(arguments.iterations, found), repeats=1)
    targets[f"{module}, refined"] = report(
        f"{module}, then {iterations}", polished, training, seconds + after
    )

# fewest iterations at which random starts reach the error of each network, among numbers that grow
# by a quarter
ladder = [int(round(10 * 1.25**k)) for k in range(25)]
for algorithm in ("hio", "auto"):
    goals = sorted(targets.items(), key=lambda item: -item[1])
    for n_iter in ladder:
        found, seconds = timed(partial(iterated, n_iter, algorithm=algorithm), repeats=1)
        error = relative_error(test, found)
        while goals and error <= goals[0][1]:
            report(f"{algorithm}, {n_iter} iterations, as {goals[0][0]}", found, "", seconds)
            goals = goals[1:]
        if not goals:
            break
    for name, _ in goals:
        report(f"{algorithm}, {n_iter} iterations, not yet as {name}", found, "", seconds)
