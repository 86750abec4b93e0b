"""Networks trained on Fashion-MNIST, tested on other images and few photons.

Images of 28 x 28 pixels lie in a 42 x 42 frame on a 96 x 96 Fourier grid, shifted by up to 7 pixels
either way, and half of them are flipped. One network is trained on exact magnitudes, another on
patterns of 1e3 to 1e7 photons, whose noise is redrawn for every batch. They are tested on the test
images of Fashion-MNIST, on the bundled handwritten digits, enlarged to 28 x 28, and on nuclei of
28 x 28 from microscopy images. The last two kinds are absent from the training set.

    SKPR_DATA=path/to/data python examples/benchmarks/generalization.py

It takes about a quarter of an hour on two cores. ``--keep folder`` saves the networks in a folder,
and loads them from there if they exist.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
from scipy.ndimage import zoom

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
)
from skpr.datasets import fetch_fashion_mnist, load_cells, load_digit_objects
from skpr.detector import PhotonNoise
from skpr.metrics import relative_error

PHOTONS = (1e3, 1e4, 1e5, 1e6, 1e7)

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--train", type=int, default=20000)
parser.add_argument("--images", type=int, default=1000, help="test objects of each kind")
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--module", choices=["mlp", "unet"], default="unet")
parser.add_argument("--iterations", type=int, default=300)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--keep", type=Path, default=None, help="folder of fitted networks")
arguments = parser.parse_args()


def framed(images, seed):
    """Shift images in a frame, and flip half of them."""
    return ShiftFlipAugmenter(frame_shape=42, max_shift=7, random_state=seed).fit_transform(images)


def trained(name, detector):
    """Train a refined network on canonical objects, or load a saved one."""
    settings = (name, arguments.module, arguments.train, arguments.epochs, arguments.seed)
    path = arguments.keep and arguments.keep / f"{'_'.join(map(str, settings))}.joblib"
    if path and path.exists():
        return joblib.load(path)
    objects = framed(fetch_fashion_mnist("train").data[: arguments.train], arguments.seed + 1)
    network = PhaseRetrievalRegressor(
        arguments.module,
        max_epochs=arguments.epochs,
        detector=detector,
        random_state=arguments.seed,
    )
    start = time.perf_counter()
    model = RefinedRegressor(SymmetryBreakingRegressor(network)).fit(
        magnitude.fit_transform(objects), objects
    )
    print(f"network, {name} training: {time.perf_counter() - start:.0f} s", flush=True)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(model, path)
    return model


def test_sets():
    """Return up to `--images` objects of each kind, in frames."""
    digits = load_digit_objects().data
    digits = zoom(digits, (1, 28 / digits.shape[1], 28 / digits.shape[2]), order=1).clip(0)
    kinds = {
        "fashion": fetch_fashion_mnist("test").data,
        "digits": digits,
        "nuclei": load_cells((28, 28)).data,
    }
    orders = {
        name: np.random.default_rng(0).permutation(len(images)) for name, images in kinds.items()
    }
    return {
        name: framed(kinds[name][order[: arguments.images]], arguments.seed + 2)
        for name, order in orders.items()
    }


def iterated(magnitudes, objects, init, **parameters):
    """Run iterations from a prediction, or from random starts."""
    retriever = IterativePhaseRetrieval(
        n_iter=arguments.iterations, n_starts=1, random_state=arguments.seed, **parameters
    )
    return retriever.fit(magnitudes, objects).retrieve(magnitudes, init=init).objects


magnitude = FourierMagnitude(fourier_shape=96)
networks = {
    "exact": trained("exact", None),
    "noisy": trained("noisy", PhotonNoise((PHOTONS[0], PHOTONS[-1]))),
}
settle = {"algorithm": "apg", "tol": "poisson"}  # small steps that stop at the noise level
for kind, objects in test_sets().items():
    exact = magnitude.fit_transform(objects)
    patterns = [
        PhotonNoise(n, random_state=arguments.seed).fit_transform(exact) for n in PHOTONS
    ] + [exact]
    print(f"\n{kind}, {len(objects)} objects: mean relative error by photons per pattern")
    print(f"{'':<34}" + "".join(f"{n:>9.0e}" for n in PHOTONS) + f"{'exact':>9}", flush=True)
    rows = {
        f"network, {name} training": [model.regressor_.predict(b) for b in patterns]
        for name, model in networks.items()
    }
    passes = list(rows.items())
    for name, model in networks.items():
        rows[f"network, {name} training, refined"] = [model.predict(b) for b in patterns]
    for name, found in passes:
        rows[f"{name}, iterated"] = [
            iterated(b, objects, x) for b, x in zip(patterns, found, strict=True)
        ]
        counted = zip(patterns[:-1], found, strict=False)  # exact magnitudes have no noise level
        rows[f"{name}, settled"] = [iterated(b, objects, x, **settle) for b, x in counted]
    rows["random starts, iterated"] = [iterated(b, objects, None) for b in patterns]
    for name, found in rows.items():
        print(
            f"{name:<34}" + "".join(f"{relative_error(objects, x):>9.4f}" for x in found),
            flush=True,
        )
