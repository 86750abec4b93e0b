"""Time of an iteration, as a multiple of an FFT pair of its grid.

The pair is PyTorch's: rfftn and irfftn for non-negative objects, fftn and ifftn for complex ones,
of the same batch as a whole, on the full grid. Frames have half of the grid along each axis.
Retrievals of two lengths are timed in turn with the pair, in one thread; their difference contains
neither the start nor the end, but the tests of convergence. Each figure is the median over the
repeats.

    python examples/benchmarks/steps.py
"""

import argparse
import time

import numpy as np
import torch

from skpr import IterativePhaseRetrieval

SIZES = {  # number of patterns, side of the grid, number of axes
    "1 of 128^2": (1, 128, 2),
    "64 of 128^2": (64, 128, 2),
    "16 of 256^2": (16, 256, 2),
    "4 of 512^2": (4, 512, 2),
    "2 of 64^3": (2, 64, 3),
    "1 of 128^3": (1, 128, 3),
}
START = 10  # iterations of the shorter retrieval

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
parser.add_argument("--algorithms", nargs="+", default=["hio", "er", "apg", "ml"])
parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
parser.add_argument("--repeats", type=int, default=9)
parser.add_argument("--seconds", type=float, default=0.3, help="time of a retrieval, at the least")
arguments = parser.parse_args()
torch.set_num_threads(1)


def seconds_of(function, calls=1):
    """Return the time of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def transform_pair(batch, axes):
    """Transform a batch to Fourier space and back."""
    if batch.is_complex():
        torch.fft.ifftn(torch.fft.fftn(batch, dim=axes), dim=axes)
    else:
        torch.fft.irfftn(torch.fft.rfftn(batch, dim=axes), s=batch.shape[1:], dim=axes)


def pairs_per_iteration(algorithm, objects, grid):
    """Measure an iteration in pairs, and the time of a pair in microseconds per pattern."""
    axes = tuple(range(1, objects.ndim))
    magnitudes = np.abs(np.fft.fftn(objects, grid, axes)).astype(arguments.dtype)
    batch = torch.zeros(len(objects), *grid, dtype=torch.from_numpy(objects[:1]).dtype)
    batch[(slice(None), *(slice(n) for n in objects.shape[1:]))] = torch.from_numpy(objects)

    def pair():
        transform_pair(batch, axes)

    pair()
    calls = max(1, int(0.03 / seconds_of(pair)))
    more = 10 * max(1, round(arguments.seconds / seconds_of(pair, calls) / 10))
    retrievers = [
        IterativePhaseRetrieval(
            [(algorithm, length)],
            tol=0,
            n_starts=1,
            centered=False,
            object_shape=objects.shape[1:],
            constraints="complex" if batch.is_complex() else "non_negative",
            random_state=0,
            device="cpu",
        ).fit(magnitudes)
        for length in (START, START + more)
    ]
    ratios, units = [], []
    for _ in range(arguments.repeats):
        before = seconds_of(pair, calls)
        short, long = (seconds_of(lambda r=r: r.retrieve(magnitudes)) for r in retrievers)
        units.append((before + seconds_of(pair, calls)) / 2)
        ratios.append((long - short) / more / units[-1])
    return float(np.median(ratios)), float(np.median(units)) / len(objects) * 1e6


print(f"iterations in FFT pairs of the batch, {arguments.dtype}, median of {arguments.repeats}")
print(f"{'':<24}{'us per pair':>12}" + "".join(f"{name:>8}" for name in arguments.algorithms))
for label in ("real", "complex"):
    for name in arguments.sizes:
        n_patterns, side, n_axes = SIZES[name]
        random = np.random.default_rng(0)
        shape = (n_patterns, *[side // 2] * n_axes)
        objects = random.uniform(size=shape).astype(arguments.dtype)
        if label == "complex":
            objects = objects * np.exp(1j * random.uniform(size=shape).astype(arguments.dtype))
        found = [
            pairs_per_iteration(algorithm, objects, (side,) * n_axes)
            for algorithm in arguments.algorithms
        ]
        unit = np.median([unit for _, unit in found])
        line = "".join(f"{ratio:>8.2f}" for ratio, _ in found)
        print(f"{label + ', ' + name:<24}{unit:>12.0f}{line}", flush=True)
