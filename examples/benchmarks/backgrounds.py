"""Effect of a background on the canonical forms of objects.

Digits, nuclei (where SKPR_DATA holds `cells/`) and crystals, real and complex, lie anywhere in
their frame. They get backgrounds of several levels and structures, or are retrieved from their
magnitudes. `SymmetryCanonicalizer` canonicalizes each set with its defaults and with
`background=0`, where every nonzero pixel counts as content. The columns compare the result with
that of the same objects without background:

- `level`: fitted `background_`, as a fraction of the maximum;
- `variance`: `variance_` of the canonical set;
- `dark`: `variance_` of the same objects without background;
- `differs`: fraction of objects whose representative is shifted or flipped differently than without
  background;
- `moves`: fraction of objects whose representative changes when they are shifted or flipped inside
  the frame;
- `lost`: largest fraction of its energy that an object loses, `lost_energy_`;
- `error`, with `--train` and two-dimensional objects: mean relative error of a perceptron trained
  on exact magnitudes and the canonical set, on unseen objects without background;
- `own`: the same error of a perceptron trained on the same objects, canonicalized by the shifts and
  flips found without background. It is the part of the error that is due to the objects themselves.

    SKPR_DATA=path/to/data python examples/benchmarks/backgrounds.py --train 40
"""

import argparse
import os

import numpy as np
import torch

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
)
from skpr.augmentation import draw_elements
from skpr.datasets import load_cells, load_digit_objects, make_crystals
from skpr.detector import PhotonNoise
from skpr.metrics import relative_error
from skpr.symmetry import act, register

KINDS = ("digits", "nuclei", "crystals", "complex crystals", "crystals 1-D", "crystals 3-D")

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument(
    "--objects", type=int, default=300, help="objects of each kind; always 1,400 with --train"
)
parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
parser.add_argument("--train", type=int, default=0, help="epochs of the networks; 0 for none")
parser.add_argument(
    "--iterations", type=int, default=300, help="iterations of the retrievals; 0 for none"
)
parser.add_argument("--shift", default="template", choices=("template", "centroid", "box"))
parser.add_argument(
    "--flip",
    default="template",
    choices=("template", "principal", "moment", "bispectrum", "fourier"),
)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
torch.set_num_threads(1)

digits = load_digit_objects().data
framed = ShiftFlipAugmenter(frame_shape=24, random_state=arguments.seed)


def objects_of(kind, n, seed=0):
    """Draw objects anywhere in a dark frame."""
    if kind == "digits":
        return framed.fit_transform(digits[seed * 1400 :][:n])
    if kind == "nuclei":
        nuclei = load_cells((32, 32)).data
        step = max(1, len(nuclei) // 2 // n)
        return ShiftFlipAugmenter(random_state=arguments.seed).fit_transform(
            nuclei[seed :: 2 * step][:n]
        )
    shape = {"crystals 1-D": (64,), "crystals 3-D": (14, 14, 14)}.get(kind, (24, 24))
    max_phase = 2.0 if kind == "complex crystals" else 0.0
    return make_crystals(
        n, shape=shape, max_phase=max_phase, random_state=arguments.seed + seed
    ).data


def peaks(objects):
    """Return the largest modulus of each object, broadcastable to objects."""
    return np.abs(objects).max(axis=tuple(range(1, objects.ndim)), keepdims=True)


def noise(objects, level):
    """Add Gaussian noise to every pixel."""
    rng = np.random.default_rng(arguments.seed)
    drawn = rng.standard_normal(objects.shape)
    if np.iscomplexobj(objects):
        drawn = (drawn + 1j * rng.standard_normal(objects.shape)) / np.sqrt(2)
    return objects + level * peaks(objects) * drawn


def clipped(objects, level):
    """Add Gaussian noise clipped at 0, as left by non-negative retrievals."""
    rng = np.random.default_rng(arguments.seed)
    return objects + level * peaks(objects) * rng.standard_normal(objects.shape).clip(0)


def pedestal(objects, level):
    """Add a constant."""
    return objects + level * peaks(objects)


def ramp(objects, level):
    """Add a ramp that rises from 0 to `level` across the frame."""
    rising = np.linspace(0, 1, objects.shape[1]).reshape([-1] + [1] * (objects.ndim - 2))
    return objects + level * peaks(objects) * rising


def hot(objects, level):
    """Add noise, and set one pixel of each object to its maximum."""
    rng = np.random.default_rng(arguments.seed + 1)
    noisy = noise(objects, level)
    places = tuple(rng.integers(0, n, len(objects)) for n in objects.shape[1:])
    noisy[(np.arange(len(objects)), *places)] = peaks(objects).ravel()
    return noisy


def elements(objects, seed):
    """Draw shifts and flips that keep objects inside the frame."""
    return draw_elements(
        objects,
        max_shift=None,
        flip_probability=0.5,
        random_phase=False,
        boundary="zero",
        random_state=seed,
    )


def retrieved(objects, photons):
    """Retrieve objects from magnitudes, and register the true ones onto them.

    Objects that the registration would move out of the frame are left out.
    """
    magnitudes = FourierMagnitude().fit_transform(objects)
    if photons:
        magnitudes = PhotonNoise(photons, random_state=arguments.seed).fit_transform(magnitudes)
    support = (
        {"support": "shrinkwrap", "threshold": 0.2}
        if np.iscomplexobj(objects)
        else {"support": "frame"}
    )
    retrieval = IterativePhaseRetrieval(
        n_iter=arguments.iterations, random_state=arguments.seed, **support
    )
    found = retrieval.fit(magnitudes, objects).predict(magnitudes)
    dark, _ = register(objects, found, phase=True)
    kept = np.isclose(energies(dark), energies(objects), rtol=1e-4)
    return found[kept], dark[kept]


def energies(objects):
    """Return the sum of the squared modulus of each object."""
    return (np.abs(objects) ** 2).sum(axis=tuple(range(1, objects.ndim)))


def done(canonicalizer, objects):
    """Return the representatives, and the symmetry that leads to each."""
    representatives = canonicalizer.transform(objects)
    return representatives, register(objects, representatives, phase=True)[1]


def share_of_others(found, expected):
    """Return the fraction of objects that are shifted or flipped."""
    errors = relative_error(expected, found, shift=False, flip=False, multioutput="raw_values")
    return np.mean(errors > 1e-3)


def in_line(found, expected):
    """Register the mean of `found` onto that of `expected`; move all alike."""
    element = register(found.mean(axis=0)[None], expected.mean(axis=0)[None], phase=True)[1]
    return act(found, type(element)(*(np.repeat(part, len(found), axis=0) for part in element)))


def row(name, objects, dark, **parameters):
    """Canonicalize objects with a background, and print a row.

    The same objects without background are `dark`.
    """
    strategies = {"shift": arguments.shift, "flip": arguments.flip}
    reference = SymmetryCanonicalizer(**strategies, background=0).fit(dark)
    canonicalizer = SymmetryCanonicalizer(**strategies, **parameters).fit(objects)
    _, element = done(canonicalizer, objects)
    found = act(dark, element)
    differs = share_of_others(in_line(found, reference.transform(dark)), reference.transform(dark))
    other = elements(dark, arguments.seed + 2)
    _, after = done(canonicalizer, act(objects, other))
    moves = share_of_others(act(act(dark, other), after), found)
    errors = ""
    if arguments.train and dark.ndim == 3:
        placed = act(objects, done(reference, dark)[1])
        errors = (
            f"{trained(canonicalizer.transform(objects), dark):>8.4f}{trained(placed, dark):>8.4f}"
        )
    print(
        f"{name:<26}{canonicalizer.background_:>9.1e}{canonicalizer.variance_:>10.4f}"
        f"{reference.variance_:>9.4f}"
        f"{differs:>9.3f}{moves:>8.3f}{canonicalizer.lost_energy_:>9.1e}{errors}",
        flush=True,
    )


def trained(representatives, dark):
    """Train a network on representatives; return its error on unseen objects."""
    magnitude = FourierMagnitude()
    network = PhaseRetrievalRegressor(
        "mlp",
        module__hidden_width=512,
        max_epochs=arguments.train,
        random_state=arguments.seed,
        verbose=False,
    )
    network.fit(magnitude.fit_transform(dark), representatives)
    return relative_error(unseen, network.predict(magnitude.transform(unseen)))


print(f"shift={arguments.shift!r}, flip={arguments.flip!r}")
for kind in arguments.kinds:
    if kind == "nuclei" and "SKPR_DATA" not in os.environ:
        continue
    dark = objects_of(kind, 1400 if arguments.train else arguments.objects)
    unseen = objects_of(kind, 397, seed=1) if arguments.train else None
    # float32 cannot hold a background of 1e-12
    wide = dark.astype(np.result_type(dark.dtype, np.float64))
    print(f"\n{kind}, {len(dark)} of {' x '.join(map(str, dark.shape[1:]))}")
    print(
        f"{'':<26}{'level':>9}{'variance':>10}{'dark':>9}{'differs':>9}{'moves':>8}{'lost':>9}",
        end="",
    )
    print(f"{'error':>8}{'own':>8}" if arguments.train and dark.ndim == 3 else "")
    row("exact darkness", dark, dark)
    for level in (1e-12, 1e-9, 1e-6, 1e-3, 1e-2):
        row(f"noise {level:.0e}", noise(wide, level), wide)
    row("noise 1e-02, background=0", noise(dark, 1e-2), dark, background=0)
    for structure in (clipped, pedestal, ramp, hot):
        row(f"{structure.__name__} 1e-02", structure(dark, 1e-2).astype(dark.dtype), dark)
    # a shift brings in zeros on one side, so the background is not uniform
    shifted = elements(dark, arguments.seed + 3)
    row("noise 1e-02, then shifted", act(noise(dark, 1e-2), shifted), act(dark, shifted))
    if arguments.iterations and dark.ndim == 3:
        for photons in (None, 1e6, 1e5):
            found, truth = retrieved(dark, photons)
            row(
                f"retrieved, {photons:.0e} photons" if photons else "retrieved, exact", found, truth
            )
