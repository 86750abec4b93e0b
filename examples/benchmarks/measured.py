"""Retrieval of a measured crystal from its pattern alone, by defaults.

The pattern is the rocking curve of `plot_05_measured_crystal.py` (`bragg-cdi` in the folder
SKPR_DATA): its middle slice of 128^2, its central 64^3, and the whole volume of 128^3, which is
retrieved once from each of three seeds. Three more patterns must be recognised as invalid: the
slice with shuffled pixels, the slice with a hot pixel, and noise. Errors on held-out pixels are
Fourier errors.

    SKPR_DATA=path/to/data python examples/benchmarks/measured.py
"""

import argparse
import time
import warnings

import numpy as np
import torch

from skpr import IterativePhaseRetrieval
from skpr.datasets import data_folder
from skpr.files import read_diffraction
from skpr.iterative import combine_reconstructions

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--starts", type=int, default=10)
parser.add_argument("--iterations", type=int, default=500)
parser.add_argument("--size", type=int, default=128, help="width of the volume in pixels")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.set_num_threads(1)
warnings.simplefilter("ignore", UserWarning)  # for the invalid patterns
folder, n = data_folder() / "bragg-cdi", arguments.size
volume = read_diffraction(
    folder / "S0054_rocking.npz",
    frames="volume",
    flat=folder / "whitefield.tif",
    roi=(0, 0),
    threshold=2,
    center="max",
    crop=n,
).data
rng = np.random.default_rng(arguments.seed)
slice2d = volume[:, n // 2]
middle = slice(n // 4, n // 4 + n // 2)
hot = slice2d.copy()
hot[0, n // 5, n // 3] = 20 * np.nanmax(hot)
patterns = {
    f"slice, {n}^2": slice2d,
    f"volume, central {n // 2}^3": volume[:, middle, middle, middle],
    "slice, shuffled": rng.permutation(slice2d.ravel()).reshape(slice2d.shape),
    "slice, a hot pixel": hot,
    "noise": np.sqrt(rng.exponential(size=slice2d.shape)),
}
for name, pattern in patterns.items():
    start = time.perf_counter()
    retriever = IterativePhaseRetrieval(
        n_starts=arguments.starts, n_iter=arguments.iterations, random_state=arguments.seed
    ).fit(pattern)
    found = retriever.retrieve(pattern)
    runs = combine_reconstructions(found, pattern, subpixel=True)[0]
    print(f"{name}: {time.perf_counter() - start:.0f} s, {retriever.constraints_}")
    print(f"  {found.summary()}")
    print(f"  error on held-out pixels {np.sort(found.free_errors[0]).round(3)}")
    n_alike = int((runs.correlations >= 0.95).sum())
    print(f"  {n_alike} of {arguments.starts} agree by .95: {np.sort(runs.correlations).round(3)}")
    print(f"  {runs.reason or f'half a period of {runs.resolution:.2f} pixels'}", flush=True)

start = time.perf_counter()
objects = []
for seed in range(arguments.seed, arguments.seed + 3):
    retriever = IterativePhaseRetrieval(n_starts=3, n_iter=arguments.iterations, random_state=seed)
    objects.append(retriever.fit(volume).predict(volume)[0])
    print(f"volume, {n}^3, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
runs = combine_reconstructions(np.stack(objects), volume[0], subpixel=True)
print(f"  registered to the best: {np.sort(runs.correlations).round(3)}")
