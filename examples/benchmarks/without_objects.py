"""Networks trained without objects, beside the same networks trained with them.

Training objects are shifted and flipped at random; crystals also have a random phase. One network
is given the objects, the other none: its targets are retrieved from the magnitudes it is trained
on, by the defaults of RetrievedTargetRegressor. All else is equal, and nothing was chosen on test
objects. Photons are drawn once for each pattern, in training and in test.

    SKPR_DATA=path/to/data python examples/benchmarks/without_objects.py

Errors are relative errors modulo symmetries on test objects. Their quotient is that of the network
without objects and the one with them; 1.1 at most is the aim for exact magnitudes. `guessed` is the
error that `score(X)` reports without any object, on the test patterns that it retrieves itself.
"""

import argparse
import tempfile
import time

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
)
from skpr.composition import RetrievedTargetRegressor
from skpr.datasets import fetch_fashion_mnist, load_digit_objects, make_crystals
from skpr.detector import PhotonNoise
from skpr.metrics import relative_error

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
DATA = "digits", "fashion-mnist", "crystals"
parser.add_argument("--data", nargs="+", default=DATA, choices=DATA)
parser.add_argument(
    "--photons",
    type=float,
    nargs="+",
    default=[0.0, 1e5, 1e4],
    help="per pattern; 0 for exact magnitudes",
)
parser.add_argument("--train", type=int, default=1400, help="training patterns")
parser.add_argument("--test", type=int, default=300, help="test patterns")
parser.add_argument("--module", default="mlp", choices=("mlp", "unet"))
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument(
    "--targets",
    nargs="+",
    default=("canonical", "orbit"),
    choices=("canonical", "orbit"),
    help="canonical targets, or a loss that is minimised over the symmetries",
)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

torch.set_num_threads(1)
TIMED = 64  # patterns whose retrieval is timed


def drawn_objects(name, n_samples):
    """Return objects at random places on their orbits, and their grid."""
    random = np.random.RandomState(arguments.seed)
    if name == "digits":  # 16 x 16 in 24 x 24, on 48 x 48
        images, frame, grid = load_digit_objects().data, 24, 48
    elif name == "fashion-mnist":  # 28 x 28 in 42 x 42, on 96 x 96, as in the paper
        images, frame, grid = fetch_fashion_mnist().data, 42, 96
    else:  # phases of several radians, in 32 x 32 on 64 x 64
        images = make_crystals(n_samples, shape=(32, 32), max_phase=3.0, random_state=random).data
        frame, grid = 32, 64
    images = images[random.permutation(len(images))[:n_samples]]
    anywhere = ShiftFlipAugmenter(
        frame_shape=frame, random_phase=np.iscomplexobj(images), random_state=arguments.seed
    )
    return anywhere.fit_transform(images), grid


def measured(objects, grid, photons):
    """Simulate magnitudes: exact, or roots of counts."""
    magnitudes = FourierMagnitude(fourier_shape=grid).fit_transform(objects)
    if not photons:
        return magnitudes
    return PhotonNoise(photons, random_state=arguments.seed).fit_transform(magnitudes)


def regressor(targets):
    """Return the regressor that both trainings share."""
    network = PhaseRetrievalRegressor(
        arguments.module,
        criterion="orbit" if targets == "orbit" else "relative",
        max_epochs=arguments.epochs,
        random_state=arguments.seed,
        device="cpu",
    )
    return network if targets == "orbit" else SymmetryBreakingRegressor(network)


def report_retrieval(label, model, magnitudes, objects):
    """Print how the objects were retrieved, and the processor time it takes."""
    names, counts = np.unique(model.verdicts_, return_counts=True)
    accepted = model.accepted_
    error = relative_error(objects[accepted], model.targets_[accepted])
    verdicts = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    start = time.process_time()
    model.retriever_.retrieve(magnitudes[:TIMED], judge=True)
    seconds = (time.process_time() - start) / len(magnitudes[:TIMED])
    print(
        f"{label} retrieved: {verdicts}; error of those trained on {error:.4f}; "
        f"{1e3 * seconds:.0f} ms per pattern",
        flush=True,
    )


def compare(name, photons, cache):
    """Print the rows of one kind of objects and one exposure."""
    objects, grid = drawn_objects(name, arguments.train + arguments.test)
    magnitudes = measured(objects, grid, photons)
    train, test = slice(None, -arguments.test), slice(-arguments.test, None)
    label = f"{name:<14}{f'{photons:g}' if photons else 'exact':>8}"
    unknown = np.full_like(objects[train], np.nan)  # tells the frame and the kind of object only
    for number, targets in enumerate(arguments.targets):
        with_objects = regressor(targets).fit(magnitudes[train], objects[train])
        without = RetrievedTargetRegressor(
            regressor(targets), memory=cache, random_state=arguments.seed
        )
        without.fit(magnitudes[train], unknown)
        if number == 0:
            report_retrieval(label, without, magnitudes[train], objects[train])
        errors = [
            relative_error(objects[test], model.predict(magnitudes[test]))
            for model in (with_objects, without)
        ]
        guessed = 1 - without.score(magnitudes[test])
        print(
            f"{label}  {arguments.module:<7}{targets:<10}{errors[0]:>8.4f}{errors[1]:>9.4f}"
            f"{errors[1] / errors[0]:>10.3f}{guessed:>9.4f}",
            flush=True,
        )


def main():
    begin = time.perf_counter()
    print(
        f"{'data':<14}{'photons':>8}  {'module':<7}{'targets':<10}{'with':>8}{'without':>9}", end=""
    )
    print(f"{'quotient':>10}{'guessed':>9}")
    with tempfile.TemporaryDirectory() as cache:
        for photons in arguments.photons:
            for name in arguments.data:
                compare(name, photons, cache)
    print(f"{(time.perf_counter() - begin) / 60:.1f} min")


main()
