"""Reconstructions from photon counts, compared with the noise limit.

Non-negative blobs (`blobs/blobs32.npz` in the folder SKPR_DATA), 64 x 64 on a Fourier grid of 128 x
128, are retrieved from random starts with default settings, in loose boxes and in their true
supports. The noise limit is that of the true supports (`skpr.metrics.noise_limit`). For a box there
is none, because a shift by a fraction of a pixel changes no magnitude to first order. PSNR is
therefore given after registration to whole pixels and after registration to fractions. An object is
solved if its PSNR after registration to whole pixels is at least 30 dB.

    SKPR_DATA=path/to/data python examples/benchmarks/photons.py
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.detector import PhotonNoise
from skpr.iterative import combine_reconstructions
from skpr.metrics import noise_limit, orbit_psnr

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--photons", type=float, nargs="+", default=[1e4, 1e5, 1e6, 1e7])
parser.add_argument("--objects", type=int, default=32)
parser.add_argument("--iterations", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.set_num_threads(1)
data = np.load(Path(os.environ["SKPR_DATA"]) / "blobs" / "blobs32.npz")
objects, boxes = (
    data["objects"][: arguments.objects].astype(np.float64),
    data["supports"][: arguments.objects],
)
clean = FourierMagnitude(oversampling=2).fit_transform(objects)
WAYS = {
    "default": {},
    "one start": {"n_starts": 1},
    "one start, noise='gaussian'": {"n_starts": 1, "noise": "gaussian"},
}


def psnr(found, n_photons):
    """Compute PSNR after registration to whole pixels, and to fractions."""
    # magnitudes are roots of counts, with the same total in every pattern
    found = found * np.sqrt(np.square(clean).sum(axis=(1, 2)) / n_photons)[:, None, None]
    whole = orbit_psnr(objects, found, data_range=1.0, multioutput="raw_values")
    moved = [
        combine_reconstructions(
            np.stack([truth, one]), errors=[0.0, 1.0], subpixel=True
        ).registered[1]
        for truth, one in zip(objects, found, strict=True)
    ]
    return whole, orbit_psnr(objects, np.stack(moved), data_range=1.0, multioutput="raw_values")


print(
    f"{'photons':>8} {'support':<8}{'':<30}{'bound':>7}{'whole':>8}{'fraction':>10}{'solved':>8}"
    f"{'[s]':>7}"
)
for n_photons in arguments.photons:
    measured = PhotonNoise(n_photons, random_state=arguments.seed).fit_transform(clean)
    bound = np.median(noise_limit(objects, n_photons=n_photons, support="content").psnr(1.0))
    for support, masks in (("box", boxes), ("true", objects > 0)):
        for name, settings in WAYS.items():
            retriever = IterativePhaseRetrieval(
                n_iter=arguments.iterations,
                support=masks,
                random_state=arguments.seed,
                device="cpu",
                **settings,
            )
            start = time.perf_counter()
            found = retriever.fit(measured, objects).predict(measured)
            seconds = time.perf_counter() - start
            whole, fraction = psnr(found, n_photons)
            row = f"{n_photons:>8.0e} {support:<8}{name:<30}{bound:>7.1f}{np.median(whole):>8.1f}"
            row += f"{np.median(fraction):>10.1f}"
            print(f"{row}{(whole >= 30).sum():>5} of {len(objects)}{seconds:>7.1f}", flush=True)
