"""Complex crystals by networks, by refinement and from random starts.

The crystals have phases of several radians, random shifts, flips and a random global phase; the
Fourier grid is twice as wide as their frame. One network is trained on raw pairs and one after
symmetry breaking. The predictions of both start the same iterations with shrinkwrap. Random starts
get as many iterations, and five times as many; starts that solve the coarse problem first get as
many after that. Frames of more than 48 x 48 pixels, and volumes, need a network of several levels
of resolution, which `module="unet"` chooses.
"""

import argparse
import itertools
import resource
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    LazyBatch,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
)
from skpr.datasets import make_crystals, make_lazy_batch
from skpr.metrics import relative_error

CHUNK = 250  # crystals that one process makes at a time
DRAWN = 8  # crystals drawn by one call when they are read; to move one takes as long as to move all
LARGE = 1 << 30  # bytes of magnitudes; more are simulated batch by batch
STARTS = {
    "random": ("random starts", "auto", 1, "random"),
    "longer": ("random starts", "auto", 5, "random"),
    "hio": ("random starts, HIO", "hio", 5, "random"),
    "coarse": ("coarse starts", "auto", 1, "coarse"),
}
STILL = {"max_shift": 0, "flip_probability": 0.0}
VARIANTS = {
    "none": STILL,
    "flip": STILL | {"flip_probability": 0.5},
    "shift": STILL | {"max_shift": None},
    "phase": STILL | {"random_phase": True},
    "all": {"random_phase": True},
}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--train", type=int, default=10000, help="training crystals")
parser.add_argument(
    "--drawn",
    action="store_true",
    help="draw training crystals when they are read; --train is then the number drawn in an epoch",
)
parser.add_argument("--test", type=int, default=200, help="test crystals")
parser.add_argument(
    "--side",
    "--size",
    type=int,
    default=64,
    help="width of a crystal's frame in pixels; the Fourier grid is twice as wide",
)
parser.add_argument("--axes", type=int, default=2, choices=(1, 2, 3), help="dimensions of space")
parser.add_argument("--max-phase", type=float, default=3.0, help="largest phase in radians")
parser.add_argument("--module", default="unet", choices=("mlp", "unet"))
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--batch", type=int, default=128, help="crystals in a training batch")
parser.add_argument(
    "--share", type=float, default=0.25, help="share of a batch that the stages are trained on"
)
parser.add_argument(
    "--iterations",
    type=int,
    nargs="*",
    default=(300,),
    help="iterations from networks and from other starts",
)
parser.add_argument(
    "--starts",
    nargs="*",
    default=tuple(STARTS),
    choices=STARTS,
    help="starts of iterations alone; 'longer' and 'hio' get five times the last --iterations",
)
parser.add_argument(
    "--trainings", nargs="*", default=("raw", "canonical"), choices=("raw", "canonical")
)
parser.add_argument(
    "--variants",
    nargs="*",
    default=("all",),
    choices=VARIANTS,
    help="symmetries that crystals are moved by, in training and test sets",
)
parser.add_argument(
    "--keep", type=Path, help="folder of fitted networks; those found there are not trained again"
)
parser.add_argument("--threads", type=int, help="torch threads")
parser.add_argument("--jobs", type=int, default=1, help="processes that make crystals")
parser.add_argument("--device", default="auto")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
if arguments.threads:
    torch.set_num_threads(arguments.threads)
shape = (arguments.side,) * arguments.axes


def chunk(n_samples, shape, max_phase, movement, random_state):
    """Draw crystals at random places on their orbits."""
    objects = make_crystals(
        n_samples, shape=shape, max_phase=max_phase, random_state=random_state
    ).data
    return ShiftFlipAugmenter(**movement, random_state=random_state).fit_transform(objects)


def crystals(n_samples, variant, seed):
    """Draw crystals in several processes."""
    sizes = [min(CHUNK, n_samples - start) for start in range(0, n_samples, CHUNK)]
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(sizes))
    parts = joblib.Parallel(arguments.jobs)(
        joblib.delayed(chunk)(size, shape, arguments.max_phase, VARIANTS[variant], one)
        for size, one in zip(sizes, seeds.tolist(), strict=True)
    )
    return np.concatenate(parts)


def drawn(n_samples, variant, seed):
    """Return crystals that are drawn when they are read."""
    settings = {"shape": shape, "max_phase": arguments.max_phase, "movement": VARIANTS[variant]}
    return make_lazy_batch(chunk, n_samples, block_size=DRAWN, random_state=seed, **settings)


def pairs(objects):
    """Return magnitudes and objects, on the GPU if a network is trained there."""
    if isinstance(objects, LazyBatch):
        return FourierMagnitude().fit_transform(objects), objects
    if arguments.device.startswith("cuda"):
        objects = torch.as_tensor(objects, device=arguments.device)
    elif 4 * len(objects) * (2 * arguments.side) ** arguments.axes > LARGE:
        return FourierMagnitude().fit_transform(LazyBatch(objects)), objects
    return FourierMagnitude().fit_transform(objects), objects


def fitted(training, variant):
    """Return a network trained on raw or canonical objects, and the seconds."""
    settings = (
        training,
        variant,
        arguments.module,
        "x".join(map(str, shape)),
        arguments.max_phase,
        arguments.train,
        arguments.epochs,
        arguments.share,
    )
    if arguments.drawn:
        settings += ("drawn",)
    name = f"complex_crystals_{'_'.join(map(str, settings))}_{arguments.seed}.joblib"
    path = arguments.keep / name if arguments.keep else None
    if path is not None and path.exists():
        return joblib.load(path)
    network = PhaseRetrievalRegressor(
        arguments.module,
        max_epochs=arguments.epochs,
        batch_size=arguments.batch,
        device=arguments.device,
        random_state=arguments.seed,
        verbose=True,
        **{"module__stage_share": arguments.share} if arguments.module == "unet" else {},
    )
    transformer = SymmetryCanonicalizer() if training == "canonical" else "passthrough"
    start = time.perf_counter()
    make = drawn if arguments.drawn else crystals
    train = make(arguments.train, variant, arguments.seed + 1)
    print(f"crystals made in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    start = time.perf_counter()
    model = SymmetryBreakingRegressor(network, transformer).fit(*pairs(train))
    found = model, time.perf_counter() - start
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        joblib.dump(found, path)
    return found


def report(start, n_iter, objects, seconds):
    """Print a row of the table."""
    errors = relative_error(unseen, objects, multioutput="raw_values")
    solved = 100 * (errors <= 0.01).mean()
    print(
        f"{start:<24}{n_iter:>10}{errors.mean():>10.4f}{np.median(errors):>12.6f}{solved:>8.1f} "
        f"%{seconds:>9.0f}",
        flush=True,
    )


def refiner(n_iter):
    """Return iterations with shrinkwrap.

    The threshold and the width were chosen on crystals of another seed.
    """
    return IterativePhaseRetrieval(
        n_iter=n_iter,
        support="shrinkwrap",
        threshold=0.2,
        shrinkwrap_sigma=(2.0, 0.7),
        constraints="complex",
        random_state=arguments.seed,
        device=arguments.device,
    )


unseen = crystals(arguments.test, arguments.variants[-1], arguments.seed + 2)
measured = FourierMagnitude().fit_transform(unseen)
print(
    f"{arguments.train} training and {arguments.test} test crystals of "
    f"{' x '.join(map(str, shape))}, phases up to {arguments.max_phase} radians, "
    f"{arguments.module}, {arguments.epochs} epochs{', drawn when read' * arguments.drawn}"
)
print(f"{'start':<24}{'iterations':>10}{'mean':>10}{'median':>12}{'<= .01':>10}{'[s]':>9}")

# %%
# Networks: a single pass, then the same iterations from each prediction. The measured magnitudes
# are the same for every variant.

for variant, training in itertools.product(arguments.variants, arguments.trainings):
    model, seconds = fitted(training, variant)
    predicted = model.predict(measured)
    name = "symmetry-broken network" if training == "canonical" else "raw network"
    if len(arguments.variants) > 1:
        name = f"{training} network, {variant}"
    report(name, 0, predicted, seconds)
    for n_iter in arguments.iterations:
        start = time.perf_counter()
        refined = refiner(n_iter).fit(measured, unseen).retrieve(measured, init=predicted).objects
        report(name, n_iter, refined, time.perf_counter() - start)
    n_weights = sum(weights.numel() for weights in model.regressor_.module_.parameters())
    print(f"{n_weights / 1e6:.1f} million weights", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"at most {peak:.1f} GiB so far", file=sys.stderr, flush=True)

# %%
# Random starts, with as many iterations and with five times as many. Starts that solve the coarse
# problem first.

for starts in arguments.starts:
    name, algorithm, times, kind = STARTS[starts]
    for n_iter in arguments.iterations if times == 1 else (times * arguments.iterations[-1],):
        start = time.perf_counter()
        found = (
            refiner(n_iter)
            .set_params(algorithm=algorithm, start=kind)
            .fit(measured, unseen)
            .predict(measured)
        )
        report(name, n_iter, found, time.perf_counter() - start)
