"""Long use of a model: many predictions, malformed inputs, damaged files.

The script makes a million predictions in a loop and prints the memory of the process along the way.
It then gives malformed inputs to every estimator and damaged files to the reader of models, and
counts how they were refused.

    python examples/benchmarks/endurance.py
"""

import argparse
import collections
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.augmentation import RandomDeformation
from skpr.detector import BeamStop, PhotonNoise
from skpr.exceptions import ModelFileError
from skpr.persistence import load_model, save_model

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--predictions", type=int, default=1_000_000)
parser.add_argument("--inputs", type=int, default=1000)
parser.add_argument("--files", type=int, default=200)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
rng = np.random.default_rng(arguments.seed)

objects = rng.random((500, 16, 16), dtype=np.float32)
magnitudes = FourierMagnitude().fit_transform(objects)
small = {"max_epochs": 1, "module__hidden_width": 64, "random_state": 0, "device": "cpu"}
network = PhaseRetrievalRegressor(**small).fit(magnitudes, objects)


def resident():
    """Return the resident memory of the process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


# %% A million predictions

start, done, marks = time.perf_counter(), 0, []
step = max(1, arguments.predictions // 10)
while done < arguments.predictions:
    batch = magnitudes[: rng.integers(1, len(magnitudes) + 1)]
    assert network.predict(batch).shape == (len(batch), 16, 16)
    done += len(batch)
    if done // step > len(marks):
        marks.append(resident())
print(f"{done} predictions in {time.perf_counter() - start:.0f} s")
print(
    "memory of the process after each tenth [MiB]:",
    " ".join(f"{mark:.0f}" for mark in marks),
    flush=True,
)

# %% Malformed inputs


def malformed(good, fits, takes_nan):
    """Return an invalid batch.

    Batches of another shape are valid for a fit, and all NaN for some transformers: these are not
    returned there.
    """
    bad = np.array(good[: rng.integers(1, 6)], dtype=np.float64)
    place = tuple(rng.integers(n) for n in bad.shape)
    kind = rng.choice(
        [k for k in range(16) if not (k == 4 and fits) and not (k == 3 and takes_nan)]
    )
    if kind < 3:
        bad[place] = (np.inf, -np.inf, 1e300 * 1e10)[kind]
        return bad
    if kind == 3:
        return np.full_like(bad, np.nan)
    if kind == 4:
        return bad[..., : rng.integers(1, bad.shape[-1])]
    if kind == 5:
        return bad[:, None, None]
    if kind == 6:
        return bad[0, 0]
    if kind == 7:
        return bad[:0]
    if kind == 8:
        return bad[:, :0]
    if kind == 9:
        return bad.astype(str)
    if kind == 10:
        return np.array([[{}, None], ["a", 3]], dtype=object)
    if kind == 11:
        return [[[1.0, 2.0], [3.0]], [[4.0]]]
    if kind == 12:
        return rng.choice(np.array([None, "magnitudes", 3, 2.5, {}], dtype=object))
    if kind == 13:
        return torch.full(bad.shape, torch.inf)
    if kind == 14:
        return torch.zeros(rng.integers(0, 2), *[2] * rng.integers(0, 6))[..., :0]
    return b"\x93NUMPY" + rng.bytes(20)


broken = SymmetryBreakingRegressor(PhaseRetrievalRegressor(**small), SymmetryCanonicalizer())
fitted = {
    "FourierMagnitude": (FourierMagnitude().fit(objects), objects),
    "GaussianMagnitude": (GaussianMagnitude(random_state=0).fit(objects), objects),
    "ShiftFlipAugmenter": (ShiftFlipAugmenter(random_state=0).fit(objects), objects),
    "RandomDeformation": (RandomDeformation(random_state=0).fit(objects), objects),
    "SymmetryCanonicalizer": (SymmetryCanonicalizer().fit(objects), objects),
    "PhotonNoise": (PhotonNoise(random_state=0).fit(magnitudes), magnitudes),
    "BeamStop": (BeamStop().fit(magnitudes), magnitudes),
    "PhaseRetrievalRegressor": (network, magnitudes),
    "SymmetryBreakingRegressor": (broken.fit(magnitudes, objects), magnitudes),
    "IterativePhaseRetrieval": (
        IterativePhaseRetrieval(n_iter=1, random_state=0).fit(magnitudes),
        magnitudes,
    ),
    "RefinedRegressor": (
        RefinedRegressor(broken, IterativePhaseRetrieval(n_iter=1, random_state=0)).fit(
            magnitudes, objects
        ),
        magnitudes,
    ),
    "Pipeline": (make_phase_retriever(**small).fit(objects, objects), objects),
}
outcomes, others = collections.Counter(), []
for _ in range(arguments.inputs):
    name = rng.choice(list(fitted))
    estimator, good = fitted[name]
    fits = rng.random() < 0.5
    bad = malformed(good, fits, takes_nan=name in ("PhotonNoise", "BeamStop"))
    act = estimator.predict if hasattr(estimator, "predict") else estimator.transform
    if fits:
        target = (
            objects[: len(bad)]
            if isinstance(bad, np.ndarray | torch.Tensor) and bad.ndim
            else objects
        )
        again = estimator.__class__(**estimator.get_params(deep=False))
        act = (
            (lambda bad, again=again, target=target: again.fit(bad, target))
            if hasattr(again, "predict")
            else again.fit
        )
    try:
        act(bad)
    except (ValueError, TypeError) as error:
        outcomes[type(error).__name__] += 1
    except Exception as error:  # the benchmark looks for these
        others.append((name, type(bad).__name__, getattr(bad, "shape", None), repr(error)[:200]))
    else:
        outcomes["accepted"] += 1
        others.append((name, type(bad).__name__, getattr(bad, "shape", None), "accepted"))
print(
    f"{arguments.inputs} malformed inputs: "
    + ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
)
for found in others:
    print("  ", *found)

# %% Damaged files

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.skpr"
    save_model(network, path)
    content = path.read_bytes()
    refused = 0
    for number in range(arguments.files):
        place = int(rng.integers(len(content)))
        path.write_bytes(
            (
                content[:place]
                + bytes([content[place] ^ (1 << int(rng.integers(8)))])
                + content[place + 1 :],
                content[:place],
                rng.bytes(int(rng.integers(4000))),
            )[number % 3]
        )
        try:
            load_model(path)
        except ModelFileError:
            refused += 1
print(f"{refused} of {arguments.files} damaged model files refused")
