"""Phase retrieval without oversampling, against published errors.

The scores are those of Uelwer, Oberstrass and Harmeling (2020, 2021). Images of 28 x 28 pixels with
values from 0 to 1 are retrieved from noise-free magnitudes on a 28 x 28 Fourier grid; the first
1,024 test images are used. The prediction and its 180-degree rotation are registered to the truth
by circular cross-correlation, then compared pixel by pixel. The values of the network are clipped
to the range from 0 to 1. SSIM is given for a data range of 2, as published, and of 1.

    SKPR_DATA=path/to/data python examples/benchmarks/not_oversampled.py --train 30000

Three iterative algorithms from random starts take a quarter of a minute. With ``--train``, a
network (`make_phase_retriever(preset="accurate")`) is trained in about a quarter of an hour on two
cores, and tested by a single pass and with fine-tuning to each image. The number of fine-tuning
steps is chosen on 512 held-out training images.

Other sets of 28 x 28 images are ``--data nuclei``, from microscopy images that are split between
training and test set, or a path. The path may be a folder with the files
train-images-idx3-ubyte.gz and t10k-images-idx3-ubyte.gz, as for MNIST and its relatives, or an .npz
file with x_train and x_test.
"""

import argparse
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skpr import FourierMagnitude, IterativePhaseRetrieval, make_phase_retriever
from skpr.datasets import fetch_fashion_mnist, load_cells, read_idx_images
from skpr.metrics import orbit_mean_squared_error, orbit_ssim
from skpr.symmetry import register

PUBLISHED = {
    "hio": ".0646 / .160 / .440",
    "raar": ".0669 / .167 / .431",
    "network": ".0113 / .0497 / .809 (CPR-FS, 60,000 images)",
    "network, fine-tuned": ".0087 / .0412 / .858 (PRCGAN*, 60,000 images)",
}

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument(
    "--data",
    default="fashion-mnist",
    help="fashion-mnist, nuclei, or a folder or .npz file of images",
)
parser.add_argument("--images", type=int, default=1024, help="test images")
parser.add_argument("--iterations", type=int, default=1000)
parser.add_argument(
    "--train", type=int, default=0, help="training images of the network; 0 for none"
)
parser.add_argument(
    "--held-out",
    type=int,
    default=512,
    help="training images held out to choose the fine-tuning steps",
)
parser.add_argument(
    "--steps",
    type=int,
    nargs="+",
    default=(0, 5, 10, 20, 40, 80),
    help="numbers of fine-tuning steps to choose from",
)
parser.add_argument("--epochs", type=int, default=None, help="epochs; default: those of the preset")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument(
    "--keep",
    type=Path,
    default=None,
    help="folder of the fitted network, which is loaded if it exists",
)
arguments = parser.parse_args()


def nuclei():
    """Return training and test nuclei, from different microscopy images."""
    cells = load_cells((28, 28))
    split = GroupShuffleSplit(1, test_size=0.2, random_state=0).split(
        cells.data, groups=cells.image
    )
    return (cells.data[np.random.default_rng(0).permutation(part)] for part in next(split))


def stored(path):
    """Read images from a folder of idx files, or from an .npz file."""
    if path.is_dir():
        return (
            read_idx_images(path / f"{name}-images-idx3-ubyte.gz") for name in ("train", "t10k")
        )
    with np.load(path) as file:
        return file["x_train"], file["x_test"]


def images():
    """Return training and test images, float32 from 0 to 1."""
    if arguments.data == "fashion-mnist":
        parts = fetch_fashion_mnist("train").data, fetch_fashion_mnist("test").data
    else:
        parts = nuclei() if arguments.data == "nuclei" else stored(Path(arguments.data))
    parts = [
        part / np.float32(255) if part.dtype == np.uint8 else part.astype(np.float32)
        for part in parts
    ]
    if not all(part.min() >= 0 and part.max() <= 1 for part in parts):
        raise ValueError(f"--data {arguments.data} must hold bytes, or values from 0 to 1")
    return parts


def report(name, found, seconds):
    """Print a row."""
    error = orbit_mean_squared_error(test, found, boundary="circular")
    registered, _ = register(found, test, boundary="circular")
    similarities = [orbit_ssim(test, found, data_range=r, boundary="circular") for r in (2.0, 1.0)]
    published = PUBLISHED.get(name, "") if arguments.data == "fashion-mnist" else ""
    print(
        f"{name:<21}{error:.4f} / {np.abs(registered - test).mean():.4f} / {similarities[0]:.3f} "
        f"{similarities[1]:.3f}"
        f"{seconds:>8.0f}   {published}",
        flush=True,
    )


train, test = images()
test = test[: arguments.images]
magnitude = FourierMagnitude(oversampling=1).fit(test)
magnitudes = magnitude.transform(test)
print(f"{arguments.data}: {len(test)} test images")
print("MSE / MAE / SSIM (data range 2, 1), seconds, published")
for algorithm, beta in (("hio", 0.8), ("raar", 0.87), ("auto", None)):
    retriever = IterativePhaseRetrieval(
        algorithm, arguments.iterations, beta, tol=0, random_state=arguments.seed, device="cpu"
    ).fit(magnitudes, test)
    start = time.perf_counter()
    report(algorithm, retriever.predict(magnitudes), time.perf_counter() - start)

if arguments.train:
    # these images are upright and centred: no symmetry is left to break
    chosen = {} if arguments.epochs is None else {"max_epochs": arguments.epochs}
    model = make_phase_retriever(
        preset="accurate",
        oversampling=1,
        shift=None,
        flip=None,
        criterion="mse",
        random_state=arguments.seed,
        **chosen,
    )
    n_train = arguments.train
    if len(train) < n_train + arguments.held_out:  # hold out an eighth of a small set
        n_train = len(train) - min(arguments.held_out, max(1, len(train) // 8))
    objects, held_out = train[:n_train], train[n_train:][: arguments.held_out]
    start = time.perf_counter()
    settings = (Path(arguments.data).stem, len(objects), arguments.epochs, arguments.seed)
    path = arguments.keep and arguments.keep / f"{'_'.join(map(str, settings))}.joblib"
    if path and path.exists():
        model = joblib.load(path)
    else:
        model.fit(objects, objects)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            joblib.dump(model, path)
    print(
        f"network trained on {len(objects)} images in {time.perf_counter() - start:.0f} s",
        flush=True,
    )
    network = model[-1].regressor_
    b_held_out = magnitude.transform(held_out)
    errors = {}
    for steps in arguments.steps:
        found = network.set_params(tuning_steps=steps).predict(b_held_out).clip(0, 1)
        errors[steps] = orbit_mean_squared_error(held_out, found, boundary="circular")
    print("MSE on held-out training images by steps of fine-tuning: ", end="")
    best = min(errors, key=errors.get)
    print(
        ", ".join(f"{steps}: {error:.4f}" for steps, error in errors.items()),
        f"; chosen: {best}",
        flush=True,
    )
    for name, steps in (("network", 0), ("network, fine-tuned", best)):
        network.set_params(tuning_steps=steps)
        start = time.perf_counter()
        report(name, network.predict(magnitudes).clip(0, 1), time.perf_counter() - start)
