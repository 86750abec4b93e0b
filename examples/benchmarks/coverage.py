"""Coverage of the 90 % intervals from `skpr.iterative.uncertainty`.

Eight blobs (`blobs/blobs32.npz` in the folder SKPR_DATA; crystals without it) and eight strained
crystals are retrieved with default settings and unknown supports. After registration to fractions
of a pixel, the table gives the fraction of an object's pixels, among those above 2 % of its
maximum, whose interval holds the true value. For real pixels the interval extends over 1.645
standard deviations. For complex pixels the modulus of the difference must be below 1.517 standard
deviations: both parts share one variance, so the modulus follows a Rayleigh distribution.

    SKPR_DATA=path/to/data python examples/benchmarks/coverage.py
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
from skpr.iterative import combine_reconstructions, uncertainty

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--photons", type=float, nargs="+", default=[1e5, 1e6, 1e7])
parser.add_argument("--objects", type=int, default=8)
parser.add_argument("--iterations", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.set_num_threads(1)
n = arguments.objects
file = Path(os.environ.get("SKPR_DATA", ".")) / "blobs" / "blobs32.npz"
sets = {"strained crystals": make_crystals(n, shape=(32, 32), max_phase=2.0, random_state=1).data}
if file.exists():
    sets = {"blobs": np.load(file)["objects"][:n].astype(np.float64), **sets}
else:
    sets = {
        "crystals": make_crystals(n, shape=(32, 32), random_state=0).data.astype(np.float64),
        **sets,
    }

print(
    f"{'':<20}{'photons':>8}{'mean':>8}{'least':>8}{'most':>8}{'retrieval [s]':>15}"
    f"{'deviations [s]':>16}"
)
for name, objects in sets.items():
    clean = FourierMagnitude().fit_transform(objects)
    for n_photons in arguments.photons:
        measured = PhotonNoise(n_photons, random_state=arguments.seed).fit_transform(clean)
        truths = objects * np.sqrt(n_photons / np.square(clean).sum(axis=(1, 2)))[:, None, None]
        retriever = IterativePhaseRetrieval(
            n_iter=arguments.iterations, random_state=arguments.seed, device="cpu"
        )
        start = time.perf_counter()
        found = retriever.fit(measured).retrieve(measured)
        middle = time.perf_counter()
        deviations = uncertainty(retriever, measured, found)
        seconds = middle - start, time.perf_counter() - middle
        shares = []
        for truth, x, deviation in zip(truths, found.objects, deviations, strict=True):
            pair = np.stack([x, truth.astype(x.dtype)])
            truth = combine_reconstructions(pair, errors=[0.0, 1.0], subpixel=True).registered[1]
            inside = np.abs(truth) > 0.02 * np.abs(truth).max()
            within = np.abs(x - truth) <= (1.517 if np.iscomplexobj(x) else 1.645) * deviation
            shares.append(within[inside].mean())
        print(
            f"{name:<20}{n_photons:>8.0e}{np.mean(shares):>8.3f}{min(shares):>8.2f}"
            f"{max(shares):>8.2f}{seconds[0]:>15.0f}{seconds[1]:>16.0f}",
            flush=True,
        )
