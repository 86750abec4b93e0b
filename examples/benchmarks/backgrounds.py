"""Canonical forms of objects that are not exactly dark outside: what a background costs.

Digits, nuclei (where SKPR_DATA holds `cells/`) and crystals, real and complex, anywhere in their
frame, get backgrounds of several levels and structures, or are retrieved by the package from their
magnitudes. Each set is canonicalized by `SymmetryCanonicalizer`, as it is by default and with
`background=0`, to which all that is not 0 is content. Columns:

- `level`: the fitted `background_`, as a fraction of the maximum;
- `variance`: that of the canonical set, `variance_`, beside that of the same objects in exact
  darkness, `dark`;
- `differs`: share of objects whose representative is shifted or flipped otherwise than that of the
  object in darkness;
- `moves`: share of objects whose representative is another one after a shift and flip that keep the
  object inside;
- `lost`: largest fraction of its energy that an object loses, `lost_energy_`;
- `error`, with `--train`: mean relative error, on objects in darkness that the network has not
  seen, of a perceptron trained on the exact magnitudes and the canonical set, of 24 x 24 and 32 x
  32; the first row is in darkness;
- `own`: the same, of one trained on the same objects, moved to where they belong by what is known
  of those in darkness: the share of the error that comes with the objects, whoever canonicalizes
  them.

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
    "--objects", type=int, default=300, help="objects of each kind; 1,400 where networks train"
)
parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
parser.add_argument("--train", type=int, default=0, help="epochs of the networks; 0 for none")
parser.add_argument("--iterations", type=int, default=300, help="of the retrievals; 0 for none")
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
    """Objects anywhere in a dark frame; others for another seed."""
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
    """Largest modulus of each object, to be multiplied with objects."""
    return np.abs(objects).max(axis=tuple(range(1, objects.ndim)), keepdims=True)


def noise(objects, level):
    """Gaussian in every pixel."""
    rng = np.random.default_rng(arguments.seed)
    drawn = rng.standard_normal(objects.shape)
    if np.iscomplexobj(objects):
        drawn = (drawn + 1j * rng.standard_normal(objects.shape)) / np.sqrt(2)
    return objects + level * peaks(objects) * drawn


def clipped(objects, level):
    """Noise clipped at 0, as non-negative retrievals leave it; of complex objects, as it is."""
    rng = np.random.default_rng(arguments.seed)
    return objects + level * peaks(objects) * rng.standard_normal(objects.shape).clip(0)


def pedestal(objects, level):
    """The same everywhere."""
    return objects + level * peaks(objects)


def ramp(objects, level):
    """From nothing on one side of the frame to `level` on the other."""
    rising = np.linspace(0, 1, objects.shape[1]).reshape([-1] + [1] * (objects.ndim - 2))
    return objects + level * peaks(objects) * rising


def hot(objects, level):
    """Noise, and one pixel of each object as bright as its maximum."""
    rng = np.random.default_rng(arguments.seed + 1)
    noisy = noise(objects, level)
    places = tuple(rng.integers(0, n, len(objects)) for n in objects.shape[1:])
    noisy[(np.arange(len(objects)), *places)] = peaks(objects).ravel()
    return noisy


def elements(objects, seed):
    """Shifts and flips that keep objects in darkness inside the frame."""
    return draw_elements(
        objects,
        max_shift=None,
        flip_probability=0.5,
        random_phase=False,
        boundary="zero",
        random_state=seed,
    )


def retrieved(objects, photons):
    """What the package finds from magnitudes, and the objects registered onto it, without those not
    found inside.
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
    """Sum of the squared modulus of each object."""
    return (np.abs(objects) ** 2).sum(axis=tuple(range(1, objects.ndim)))


def done(canonicalizer, objects):
    """Representatives, and the shift and flip that led to each."""
    representatives = canonicalizer.transform(objects)
    return representatives, register(objects, representatives, phase=True)[1]


def share_of_others(found, expected):
    """Share of objects that lie elsewhere or the other way up."""
    errors = relative_error(expected, found, shift=False, flip=False, multioutput="raw_values")
    return np.mean(errors > 1e-3)


def in_line(found, expected):
    """One shift and flip for all, which brings the mean of the first onto that of the second."""
    element = register(found.mean(axis=0)[None], expected.mean(axis=0)[None], phase=True)[1]
    return act(found, type(element)(*(np.repeat(part, len(found), axis=0) for part in element)))


def row(name, objects, dark, **parameters):
    """Canonicalize objects with a background, of which `dark` are those without, and print what
    became of them.
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
    """Mean relative error, on unseen objects in darkness, of a network trained on representatives."""
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
    wide = dark.astype(
        np.result_type(dark.dtype, np.float64)
    )  # float32 cannot hold a background of 1e-12
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
    # a shift in the dark brings in zeros on one side
    shifted = elements(dark, arguments.seed + 3)
    row("noise 1e-02, then shifted", act(noise(dark, 1e-2), shifted), act(dark, shifted))
    if arguments.iterations and dark.ndim == 3:
        for photons in (None, 1e6, 1e5):
            found, truth = retrieved(dark, photons)
            row(
                f"retrieved, {photons:.0e} photons" if photons else "retrieved, exact", found, truth
            )
