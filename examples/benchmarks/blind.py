"""Retrieval of unknown objects by defaults, compared with chosen settings.

The patterns of 128 x 128 pixels are mixed: crystals and strained crystals, cells, blobs
(`blobs/blobs32.npz` in the folder SKPR_DATA; left out without it), and particles of 5 to 20 pixels,
real and complex. They have 1e4 to 1e8 photons, half of them with a beam stop. Every row retrieves
each pattern separately, from 8 starts. "no setting" decides everything from the pattern. The other
rows are given the kind of object, and a threshold and final width for shrinkwrap; they keep the
start with the smallest Fourier error. Only the true objects tell which of these settings is best.
An object is solved if its relative error, after registration to fractions of a pixel, is at most
`--solved`.

    SKPR_DATA=path/to/data python examples/benchmarks/blind.py
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import make_pipeline

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_cells, make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.iterative import combine_reconstructions

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--patterns", type=int, default=200)
parser.add_argument("--settings", nargs="*", default=["0.1,1.5", "0.15,1.5", "0.2,1.5"])
parser.add_argument("--iterations", type=int, default=500)
parser.add_argument("--solved", type=float, nargs="+", default=[0.05, 0.02, 0.01])
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.set_num_threads(1)
HALF = 64
file = Path(os.environ.get("SKPR_DATA", ".")) / "blobs" / "blobs32.npz"
BLOBS = np.load(file)["objects"].astype(np.float64) if file.exists() else None
KINDS = ["crystal", "complex crystal", "cell", "small", "complex small"] + ["blob"] * (
    BLOBS is not None
)


def drawn(kind, rng):
    """Draw an object of a kind in its frame."""
    max_phase = float(rng.uniform(1, 3)) if kind.startswith("complex") else 0.0
    seed = int(rng.integers(2**31))
    if kind == "blob":
        return BLOBS[rng.integers(len(BLOBS))]
    size = (
        max(8, int(rng.integers(5, 21) / 0.7))
        if kind.endswith("small")
        else int(rng.integers(24, HALF))
    )
    if kind == "cell":
        x = make_cells(1, shape=(size, size), random_state=seed).data[0]
    else:
        x = make_crystals(1, shape=(size, size), max_phase=max_phase, random_state=seed).data[0]
    return np.pad(x if max_phase else x.real, (0, HALF - size))


def measured(x, rng):
    """Simulate a pattern of the object."""
    noise = PhotonNoise(10 ** rng.uniform(4, 8), random_state=int(rng.integers(2**31)))
    steps = [FourierMagnitude(), noise] + [BeamStop(int(rng.integers(2, 6)))] * int(rng.integers(2))
    return make_pipeline(*steps).fit_transform(x[None])


def error(x, found):
    """Compute the relative error modulo symmetries and subpixel shifts."""
    pair = np.stack([x.astype(found.dtype), found])
    moved = combine_reconstructions(pair, errors=[0.0, 1.0], subpixel=True).registered[1]
    norms = np.vdot(x, x).real * np.vdot(moved, moved).real
    return 1 - abs(np.vdot(x, moved)) ** 2 / norms if norms else 1.0


rng = np.random.default_rng(arguments.seed)
names = [KINDS[number % len(KINDS)] for number in range(arguments.patterns)]
objects = [drawn(name, rng) for name in names]
patterns = [measured(x, rng) for x in objects]
settings = {"no setting": {}}
for text in arguments.settings:
    threshold, width = (float(value) for value in text.split(","))
    settings[f"threshold {threshold}, width {width}"] = {
        "support": "shrinkwrap",
        "threshold": threshold,
        "shrinkwrap_sigma": (3.0, width),
    }

print(f"{'':<30}" + "".join(f"{f'<= {limit}':>9}" for limit in arguments.solved), end="")
print("   by kind at the first limit: " + ", ".join(KINDS) + "    s per pattern")
for name, given in settings.items():
    errors, start = [], time.perf_counter()
    for x, pattern in zip(objects, patterns, strict=True):
        truth = (
            {"constraints": "complex" if np.iscomplexobj(x) else "non_negative", "n_starts": 8}
            if given
            else {}
        )
        retriever = IterativePhaseRetrieval(
            n_iter=arguments.iterations, random_state=arguments.seed, device="cpu", **given, **truth
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # patterns with few photons
            found = retriever.fit(pattern).predict(pattern)[0]
        errors.append(error(x, found))
    errors = np.array(errors)
    shares = "".join(f"{np.mean(errors <= limit):>9.3f}" for limit in arguments.solved)
    by_kind = " ".join(
        f"{np.mean(errors[np.array(names) == kind] <= arguments.solved[0]):.2f}" for kind in KINDS
    )
    print(
        f"{name:<30}{shares}   {by_kind}   {(time.perf_counter() - start) / len(errors):.1f}",
        flush=True,
    )
