"""Natural images from noisy magnitudes, by iterations and by a network that improves their starts.

Grey images of the Berkeley segmentation data set (`natural/train400_180x180.npz` in the folder
SKPR_DATA) are cropped and measured on a Fourier grid of twice their size, in the box of the crop as
the only support. The noise is that of prNet (2025): `y^2 = a^2 + alpha a n` with standard normal
`n` and `a = |F x| / 2`, where `F` is orthonormal and `x` has grey values from 0 to 255. Images are
split before they are cropped: the first 340 are trained on, the next 20 served to choose settings,
and the last 40 are tested on. One network, trained on crops of 64 x 64 at alpha = 3, serves all
sizes and all noise.

    SKPR_DATA=path/to/data python examples/benchmarks/natural.py --model natural.model

PSNR (dB, after shift and flip) and SSIM are means over the test crops. With `--model` the trained
network is written to that file, or read from it where it exists; a checkpoint beside it resumes an
interrupted training.
"""

import argparse
import os
import pickle
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.composition import NetworkRefiner
from skpr.metrics import orbit_psnr, orbit_ssim
from skpr.neural import EstimateRegressor

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
parser.add_argument("--alphas", type=float, nargs="+", default=[2.0, 3.0, 4.0, 0.0])
parser.add_argument("--crops", type=int, nargs="+", default=[100, 40], help="per size, to test on")
parser.add_argument("--train-crops", type=int, default=1600)
parser.add_argument("--train-alpha", type=float, default=3.0)
parser.add_argument("--epochs", type=int, default=13)
parser.add_argument(
    "--training-rounds", type=int, default=0, help="rounds of new starts to train on, too"
)
parser.add_argument("--starts", type=int, default=8)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument(
    "--split", choices=["test", "choice"], default="test", help="images to score on"
)
parser.add_argument("--rows", nargs="+", help="names of rows of the table; by default all")
parser.add_argument("--model", type=Path, help="file of the trained network")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.set_num_threads(1)
IMAGES = np.load(Path(os.environ["SKPR_DATA"]) / "natural" / "train400_180x180.npz")["images"]
SPLITS = {"train": IMAGES[:340], "choice": IMAGES[340:360], "test": IMAGES[360:]}
TRAINED_SIZE = 64


def cropped(images, n_crops, size, random):
    """Cut random squares out of images, in turn, with values from 0 to 1."""
    crops = np.empty((n_crops, size, size), np.float32)
    for number, image in enumerate(np.resize(np.arange(len(images)), n_crops)):
        row, column = random.integers(0, np.array(images[image].shape) - size + 1)
        crops[number] = images[image][row : row + size, column : column + size] / 255
    return crops


def measured(objects, alpha, random):
    """Simulate magnitudes with prNet's noise, in the unit of the objects."""
    magnitudes = FourierMagnitude(oversampling=2).fit_transform(objects)
    unit = 255 / 2 / (2 * objects.shape[1])  # grey values, halved, of an orthonormal transform
    a = magnitudes * unit
    squares = a**2 + alpha * a * random.standard_normal(a.shape)
    return (np.sqrt(np.maximum(squares, 0)) / unit).astype(np.float32)


def trained_network():
    """Train the network, or read a trained one."""
    path = arguments.model
    if path is not None and path.exists():
        return pickle.loads(path.read_bytes())
    random = np.random.default_rng(arguments.seed)
    objects = cropped(SPLITS["train"], arguments.train_crops, TRAINED_SIZE, random)
    refiner = NetworkRefiner(
        EstimateRegressor(
            max_epochs=arguments.epochs,
            device="cpu",
            verbose=True,
            checkpoint=None if path is None else path.with_suffix(".checkpoint"),
        ),
        n_training_rounds=arguments.training_rounds,
        random_state=arguments.seed,
    )
    start = time.perf_counter()
    refiner.fit(measured(objects, arguments.train_alpha, random), objects)
    print(f"{len(objects)} crops: {(time.perf_counter() - start) / 60:.1f} min", flush=True)
    if path is not None:
        path.write_bytes(pickle.dumps(refiner.network_))
    return refiner.network_


def iterations():
    """Return the estimators without a network by name."""
    shared = {"device": "cpu", "random_state": arguments.seed}
    return {
        "HIO 500, one start": IterativePhaseRetrieval("hio", n_starts=1, **shared),
        "HIO 500, best of 3": IterativePhaseRetrieval("hio", n_starts=3, **shared),
        "default, one start": IterativePhaseRetrieval(n_starts=1, **shared),
        "default, best of 3": IterativePhaseRetrieval(n_starts=3, **shared),
    }


def refiners(network):
    """Return the estimators with a trained network by name."""

    def refiner(n_starts, n_rounds, average=False):
        copied = pickle.loads(pickle.dumps(network)).set_params(average=average)
        settings = {"n_starts": n_starts, "n_rounds": n_rounds, "random_state": arguments.seed}
        return NetworkRefiner(FrozenEstimator(copied), device="cpu", **settings)

    starts, rounds = arguments.starts, arguments.rounds
    return {
        "network, one start": refiner(1, 0),
        f"network, {starts} starts": refiner(starts, 0),
        f"network, {starts} starts, 1 round": refiner(starts, 1),
        f"network, {starts} starts, {rounds} rounds": refiner(starts, rounds),
        "the same, eight copies": refiner(starts, rounds, average=True),
    }


def main():
    found = iterations()
    if not arguments.rows or not set(arguments.rows) <= set(found):
        found |= refiners(trained_network())
    chosen = [name for name in found if not arguments.rows or name in arguments.rows]
    print(f"{'':<34}{'size':>5}{'alpha':>7}{'PSNR':>8}{'+-':>6}{'SSIM':>8}{'s':>8}")
    for size, n_crops in zip(arguments.sizes, arguments.crops, strict=False):
        for alpha in arguments.alphas:
            random = np.random.default_rng(arguments.seed + 1)
            objects = cropped(SPLITS[arguments.split], n_crops, size, random)
            magnitudes = measured(objects, alpha, random)
            known = cropped(SPLITS["train"], 16, size, random)  # for their shape and unit
            examples = measured(known, alpha, random), known
            for name in chosen:
                estimator = found[name].fit(*examples)
                start = time.perf_counter()
                images = np.clip(estimator.predict(magnitudes), 0, 1)
                seconds = (time.perf_counter() - start) / n_crops
                scores = {"data_range": 1.0, "multioutput": "raw_values"}
                psnr = orbit_psnr(objects, images, **scores)
                ssim = orbit_ssim(objects, images, **scores).mean()
                error = psnr.std() / np.sqrt(n_crops)
                print(
                    f"{name:<34}{size:>5}{alpha:>7g}{psnr.mean():>8.2f}{error:>6.2f}{ssim:>8.3f}"
                    f"{seconds:>8.2f}",
                    flush=True,
                )


main()
