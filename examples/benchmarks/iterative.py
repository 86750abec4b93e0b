"""Speed and quality of all iterative algorithms and of other packages.

The objects are non-negative blobs (`blobs/blobs32.npz` in the folder SKPR_DATA), 64 x 64 on a
Fourier grid of 128 x 128, with loose boxes as supports. An object is solved if its PSNR after
registration is at least 30 dB. Times per iteration are multiples of the time of one complex64
transform pair of the batch of 64 by scipy.fft with one thread, measured alongside. Packages that
are not installed are reported and left out.

    SKPR_DATA=path/to/data python examples/benchmarks/iterative.py
"""

import argparse
import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import scipy.fft
import torch
from peers import PEERS

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.metrics import orbit_psnr

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--iterations", type=int, default=500)
parser.add_argument(
    "--repeats", type=int, default=7, help="number of timings, whose median is printed"
)
parser.add_argument("--seeds", type=int, nargs="+", default=[0])
parser.add_argument("--skip-quality", action="store_true")
arguments = parser.parse_args()

torch.set_num_threads(1)
data = np.load(Path(os.environ["SKPR_DATA"]) / "blobs" / "blobs32.npz")
objects, supports = data["objects"], data["supports"]
clean = FourierMagnitude(oversampling=2).fit_transform(objects)
noisy = np.fft.fftshift(data["magnitudes_1e6_photons"], axes=(1, 2))
n = arguments.iterations
ALGORITHMS = {
    "auto": "auto",
    "hio, last tenth er": [("hio", n - n // 10, 0.9), ("er", n // 10)],
    "hio": "hio",
    "er": "er",
    "hpr": "hpr",
    "raar": "raar",
    "dm": "dm",
    "dm, beta 0.75": [("dm", n, 0.75)],
    "apg": "apg",
    "admm": "admm",
}


def retrieve(algorithm, magnitudes, targets, masks, seed=0, **settings):
    """Retrieve every object from its magnitudes."""
    settings = {"n_starts": 1} | settings
    retriever = IterativePhaseRetrieval(
        algorithm, n_iter=n, support=masks, random_state=seed, device="cpu", **settings
    )
    return retriever.fit(magnitudes, targets).retrieve(magnitudes).objects


def quality(found):
    """Return the median PSNR and the number of solved objects."""
    values = orbit_psnr(objects, found, data_range=1.0, multioutput="raw_values")
    return f"{np.median(values):6.1f}, {(values >= 30).sum():2d}"


def transform_pair(batch):
    """Return the unit of time: seconds of a complex transform and inverse."""
    start = time.perf_counter()
    scipy.fft.ifft2(scipy.fft.fft2(batch, workers=1), workers=1)
    return time.perf_counter() - start


def time_per_iteration(algorithm, complex_objects=False):
    """Measure the time per iteration in units of a transform pair.

    Retrievals of two lengths are timed; their difference does not contain the start.
    """
    batch = np.concatenate([objects, objects])
    masks = np.concatenate([supports, supports])
    targets = batch.astype(np.complex64) if complex_objects else batch
    magnitudes = FourierMagnitude(oversampling=2).fit_transform(targets)
    values = np.zeros(magnitudes.shape, dtype=np.complex64) + magnitudes
    name, beta = (algorithm, None) if isinstance(algorithm, str) else algorithm[0][::2]
    n_iter, ratios = min(60, arguments.iterations), []
    for _ in range(arguments.repeats + 1):
        unit = min(transform_pair(values) for _ in range(3))
        seconds = []
        for length in (10, 10 + n_iter):
            retriever = IterativePhaseRetrieval(
                name, length, beta, support=masks, tol=0, random_state=0, device="cpu"
            ).fit(magnitudes, targets)
            start = time.perf_counter()
            retriever.retrieve(magnitudes)
            seconds.append(time.perf_counter() - start)
        ratios.append((seconds[1] - seconds[0]) / n_iter / unit)
    return float(np.median(ratios[1:]))


if not arguments.skip_quality:
    print(f"{n} iterations, seeds {arguments.seeds}: median PSNR [dB], solved of {len(objects)}")
    print(
        f"{'algorithm':<22}{'seed':>5}{'1 start':>13}{'best of 4':>13}{'1e6 photons':>13}{'s':>7}",
        flush=True,
    )
    for name, algorithm in ALGORITHMS.items():
        for seed in arguments.seeds:
            start = time.perf_counter()
            one = quality(retrieve(algorithm, clean, objects, supports, seed))
            seconds = time.perf_counter() - start
            four = quality(retrieve(algorithm, clean, objects, supports, seed, n_starts=4))
            # the noisy magnitudes come from an orthonormal transform, which makes them 128 times
            # smaller
            photons = quality(retrieve(algorithm, 128 * noisy, objects, supports, seed))
            print(f"{name:<22}{seed:>5}{one:>13}{four:>13}{photons:>13}{seconds:>7.1f}", flush=True)
    # reference for packages without positivity
    one, photons = (
        quality(
            np.abs(
                retrieve(
                    ALGORITHMS["hio, last tenth er"],
                    m,
                    objects,
                    supports,
                    arguments.seeds[0],
                    constraints="complex",
                )
            )
        )
        for m in (clean, 128 * noisy)
    )
    print(
        f"{'hio, er, no positivity':<22}{arguments.seeds[0]:>5}{one:>13}{'':>13}{photons:>13}",
        flush=True,
    )
    for name, run in PEERS.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name:<22} is not installed: left out")
            continue
        seed = arguments.seeds[0]
        start = time.perf_counter()
        one = quality(run(clean, supports, n, seed))
        seconds = time.perf_counter() - start
        # whole runs are timed, since almost all time of these packages is spent in iterations
        unit = min(
            transform_pair(np.concatenate([clean, clean]).astype(np.complex64)) for _ in range(5)
        )
        ratio = seconds / n / unit * 2
        photons = quality(run(128 * noisy, supports, n, seed))
        print(
            f"{name:<22}{seed:>5}{one:>13}{'':>13}{photons:>13}{seconds:>7.1f}  per iteration "
            f"{ratio:.2f}",
            flush=True,
        )

print(
    f"\ntime per iteration / scipy complex64 pair, batch of 64, one thread, median of "
    f"{arguments.repeats}"
)
for name in ("hio", "er", "hpr", "raar", "dm", "dm, beta 0.75", "apg", "admm"):
    print(f"{name:<22}{time_per_iteration(ALGORITHMS[name]):>8.2f}", flush=True)
ratio = time_per_iteration(ALGORITHMS["hio"], complex_objects=True)
print(f"{'hio, complex objects':<22}{ratio:>8.2f}")
