"""
Few photons and a beam stop
===========================

A detector counts photons, and a beam stop shields it from the direct beam. Every pixel is therefore
noisy, and the brightest part of a pattern is not measured. This example compares methods under both
conditions. The iterations take the magnitudes as exact and know only the frame of the objects and
that they are non-negative. The networks have learned from objects. One network serves all exposures
and stops, because noise and stop are redrawn for every batch of its training.

``python examples/plot_06_photons_and_beam_stop.py`` runs on the bundled digits in about five
minutes. For Fashion-MNIST, run::

    python examples/plot_06_photons_and_beam_stop.py --data fashion-mnist --module unet \\
        --train 12000
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
)
from skpr.datasets import fetch_fashion_mnist, load_digit_objects
from skpr.detector import BeamStop, PhotonNoise
from skpr.metrics import relative_error

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--data", choices=["digits", "fashion-mnist"], default="digits")
parser.add_argument("--train", type=int, default=1400)
parser.add_argument("--test", type=int, default=200)
parser.add_argument(
    "--epochs", type=int, default=None, help="default: 60 for digits, 12 for fashion-mnist"
)
parser.add_argument("--module", choices=["mlp", "unet"], default="mlp")
parser.add_argument("--iterations", type=int, default=500)
parser.add_argument(
    "--photons",
    type=float,
    nargs="+",
    default=[1e3, 1e4, 1e5, 1e6, 1e7, np.inf],
    help="photons per pattern; inf for exact magnitudes",
)
parser.add_argument("--stop", type=int, default=5, help="width of the beam stop in pixels")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--figures", type=Path, default=Path(__file__).parent / "figures")
arguments = parser.parse_args()

# %%
# Objects lie anywhere in their frame, upright or flipped.

if arguments.data == "digits":
    images = load_digit_objects().data
    images = images[np.random.default_rng(0).permutation(len(images))]
    train, test = images[: arguments.train], images[arguments.train :][: arguments.test]
    frame, fourier_shape, epochs = 24, 48, arguments.epochs or 60
else:
    train = fetch_fashion_mnist("train").data[: arguments.train]
    test = fetch_fashion_mnist("test").data[1000:][: arguments.test]
    frame, fourier_shape, epochs = 42, 96, arguments.epochs or 12
objects = ShiftFlipAugmenter(frame_shape=frame, random_state=arguments.seed + 1).fit_transform(
    train
)
unseen = ShiftFlipAugmenter(frame_shape=frame, random_state=arguments.seed + 2).fit_transform(test)
forward = FourierMagnitude(fourier_shape=fourier_shape).fit(objects)
magnitudes, clean = forward.transform(objects), forward.transform(unseen)

# %%
# Two networks, with and without symmetry breaking, are trained for many exposures and stops.


def network(transformer):
    """Train a network on magnitudes with simulated detector effects."""
    detector = make_pipeline(PhotonNoise((1e4, 1e7)), BeamStop((0, 7), offset=1))
    regressor = PhaseRetrievalRegressor(
        arguments.module, max_epochs=epochs, detector=detector, random_state=arguments.seed
    )
    return RefinedRegressor(SymmetryBreakingRegressor(regressor, transformer)).fit(
        magnitudes, objects
    )


start = time.perf_counter()
networks = {
    "raw network": network("passthrough"),
    "symmetry-broken network": network(SymmetryCanonicalizer()),
}
seconds = time.perf_counter() - start
print(
    f"{arguments.data}: {len(objects)} training objects, {epochs} epochs, {seconds:.0f} s for two "
    "networks"
)

# %%
# All methods reconstruct the same patterns.


def measured(n_photons, stop):
    """Simulate the measured magnitudes of the test objects."""
    counted = clean
    if np.isfinite(n_photons):
        counted = PhotonNoise(n_photons, random_state=arguments.seed).fit_transform(clean)
    return BeamStop(stop, random_state=arguments.seed).fit_transform(counted) if stop else counted


def found_by(patterns):
    """Yield the name and the reconstructions of each method."""
    for algorithm in ("er", "hio", "hpr", "raar", "dm", "admm", "apg", "auto"):
        retriever = IterativePhaseRetrieval(
            algorithm, arguments.iterations, random_state=arguments.seed
        )
        yield algorithm, retriever.fit(patterns, unseen).predict(patterns)
    for name, model in networks.items():
        guess = model.regressor_.predict(patterns)
        yield name, guess
        yield f"{name}, refined", model.predict(patterns)
        for ending, algorithm, tol in (
            ("iterations", "auto", 1e-6),
            ("iterations to the noise", "auto", "poisson"),
            ("gradient to the noise", "apg", "poisson"),
        ):
            refiner = IterativePhaseRetrieval(
                algorithm, arguments.iterations, tol=tol, random_state=arguments.seed
            )
            yield (
                f"{name}, {ending}",
                refiner.fit(patterns, unseen).retrieve(patterns, init=guess).objects,
            )


errors = {}
for n_photons in arguments.photons:
    for name, reconstructions in found_by(measured(n_photons, arguments.stop)):
        errors.setdefault(name, []).append(relative_error(unseen, reconstructions))
print(f"\nmean relative error with a beam stop of {arguments.stop} x {arguments.stop}")
print(
    f"{'photons per pattern':<46}"
    + "".join(f"{n_photons:>9.0e}" for n_photons in arguments.photons)
)
for name, row in errors.items():
    print(f"{name:<46}" + "".join(f"{error:>9.4f}" for error in row))

print("\nsymmetry-broken network with other beam stops, 1e6 photons per pattern")
for stop in (0, 3, 5, 7, 9):
    error = relative_error(
        unseen, networks["symmetry-broken network"].regressor_.predict(measured(1e6, stop))
    )
    print(f"{stop} x {stop}: {error:.4f}")

# %%
# The figure shows the error of every method against the number of photons.

figure, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
for name, row in errors.items():
    style = "-o" if "network" in name else "--"
    last = 10 * max(filter(np.isfinite, arguments.photons), default=1.0)
    ax.loglog(
        [min(n_photons, last) for n_photons in arguments.photons],
        row,
        style,
        label=name,
        lw=2 if "network" in name else 1.2,
        ms=4,
    )
ax.set(
    xlabel="photons per pattern; last: exact magnitudes",
    ylabel="mean relative error modulo symmetries",
)
ax.set_title(f"{arguments.data}, beam stop of {arguments.stop} x {arguments.stop}", fontsize=10)
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
arguments.figures.mkdir(parents=True, exist_ok=True)
path = arguments.figures / f"plot_06_photons_and_beam_stop_{arguments.data}.png"
figure.savefig(path, dpi=80)
print(f"saved {path}")

# %%
# Conclusion: in a loose frame, the measured pixels do not determine those behind a beam stop.
# Iterations alone therefore do not improve with the number of photons. The network fills in the
# missing pixels from what it has learned about objects. Iterations that start from its prediction
# drift away from it. The refinement, which weights prediction and measurement by their noise,
# improves on the prediction at every exposure. Limits: the network fills in what is likely, not
# what was measured. For objects of another kind this is wrong.
