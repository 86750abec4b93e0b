"""
A measured crystal
==================

From the raw rocking curve of a Bragg experiment to a three-dimensional crystal: correct the frames,
retrieve from many random starts with shrinkwrap as one batch, register the starts modulo shift,
flip and phase, average them, and ask how far the result can be trusted. The true crystal is not
known. The result is therefore judged by the Fourier error on measured pixels, the same error on
pixels held out of the retrieval, and the agreement of independent starts.

The data are one gold crystal measured at beamline 34-ID-C of the Advanced Photon Source at 9 keV,
the example data of cohere-ui: ``SKPR_DATA`` names the folder that holds
``bragg-cdi/S0054_rocking.npz`` and ``whitefield.tif``. Without it the script simulates a rocking
curve, and says so.

``SKPR_DATA=path/to/data python examples/plot_05_measured_crystal.py`` takes some three minutes on
two cores."""

import argparse
import resource
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import resample
from sklearn.pipeline import make_pipeline

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
)
from skpr.datasets import data_folder, make_crystals
from skpr.detector import Cropping, MissingPixels, PartialCoherence, PhotonNoise
from skpr.files import read_diffraction
from skpr.iterative import combine_reconstructions
from skpr.metrics import fourier_error

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--starts", type=int, default=10, help="independent random starts")
parser.add_argument("--iterations", type=int, default=400, help="from random starts; fewer refine")
parser.add_argument(
    "--coherence", choices=["gaussian", "full"], default="gaussian", help="of the illumination"
)
parser.add_argument("--size", type=int, default=128, help="pixels of the pattern along each axis")
parser.add_argument(
    "--train", type=int, default=3000, help="simulated crystals for the network; 0 leaves it out"
)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--figures", type=Path, default=Path(__file__).parent / "figures")
arguments = parser.parse_args()
began = time.perf_counter()
n, half = arguments.size, arguments.size // 2

# %%
# The rocking curve: successive frames are planes of one three-dimensional pattern. Correct for the
# detector's sensitivity, treat single counts as background, centre the Bragg peak and crop.

folder = data_folder() / "bragg-cdi"
if (folder / "S0054_rocking.npz").exists():
    # the flat field is of the whole chip, whose first 256 rows and columns the frames show
    pattern = read_diffraction(
        folder / "S0054_rocking.npz",
        frames="volume",
        flat=folder / "whitefield.tif",
        roi=(0, 0),
        threshold=2,
        center="max",
        crop=n,
    ).data
    source = "measured"
else:
    crystal = make_crystals(
        1, shape=(half, half, half), max_phase=1.5, random_state=arguments.seed
    ).data
    detector = make_pipeline(
        FourierMagnitude(), PartialCoherence(0.4), PhotonNoise(3e7, random_state=arguments.seed)
    )
    pattern = detector.fit_transform(crystal)
    source = "SIMULATED, for want of data"
print(f"{source}: pattern of shape {pattern.shape[1:]}, {np.nansum(pattern**2):.3g} counts")
held_out = MissingPixels(fraction=0.05, random_state=arguments.seed)

# %%
# Independent starts and their agreement. The illumination is only partially coherent, and each
# start estimates its own kernel. Starts must be registered before they are compared, because they
# end on different members of one orbit.


def judged(name, patterns, objects, coherence):
    """Print Fourier errors on the pixels that were used, and on those that were not."""
    used = held_out.fit_transform(patterns)
    unused = np.where(np.isnan(used), patterns, np.nan)
    errors = [
        fourier_error(
            np.broadcast_to(b, (len(objects), *b.shape[1:])), objects, coherence=coherence
        )
        for b in (used, unused)
    ]
    ratio = errors[1] / errors[0]
    print(
        f"{name:<20} Fourier error {errors[0]:.3f}, on held-out pixels {errors[1]:.3f}: "
        f"{ratio:.2f} x"
    )


def correlations(objects):
    """Correlation of each pair, as they are: 1 for equal ones, 0 for a phase a quarter of a turn
    off.
    """
    flat = objects.reshape(len(objects), -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return (flat @ flat.conj().T).real


def mean_agreement(objects):
    """Mean correlation of two different ones."""
    return correlations(objects)[np.triu_indices(len(objects), 1)].mean()


def resolved(runs):
    """Half period to which reconstructions agree, or why there is none."""
    return runs.reason or f"they agree down to half a period of {runs.resolution:.2f} pixels"


def many_starts(name, patterns, threshold, sigma):
    """Retrieve one pattern from many starts, say how they agree, and combine them."""
    retriever = IterativePhaseRetrieval(
        [("hio", arguments.iterations * 4 // 5), ("er", arguments.iterations // 5)],
        support="shrinkwrap",
        threshold=threshold,
        shrinkwrap_sigma=sigma,
        coherence=arguments.coherence,
        constraints="complex",
        n_starts=arguments.starts,
        random_state=arguments.seed,
    )
    used = held_out.fit_transform(patterns)
    start = time.perf_counter()
    found = retriever.fit(used).retrieve(used)
    seconds = time.perf_counter() - start
    runs = combine_reconstructions(
        found.starts[0], used[0], errors=found.start_errors[0], subpixel=True
    )
    canonical = SymmetryCanonicalizer().fit_transform(found.starts[0])
    agreements = [
        mean_agreement(objects) for objects in (found.starts[0], canonical, runs.registered)
    ]
    print(f"\n{name}: {arguments.starts} starts, {seconds:.0f} s")
    kernels = None if found.coherence is None else found.coherence[0]
    judged("  all starts, mean", patterns, found.starts[0], kernels)
    print(
        f"  pairs of starts correlate by {agreements[0]:.2f} as they are, {agreements[1]:.2f} "
        f"canonicalised, "
        f"{agreements[2]:.2f} registered"
    )
    print(f"  registered to the best: {np.sort(runs.correlations).round(3)}")
    print(
        f"  {(runs.correlations >= 0.95).sum()} of {arguments.starts} agree by .95; "
        f"{resolved(runs)}"
    )
    if kernels is not None:
        widths = np.sqrt(np.diagonal(kernels[np.argmin(found.start_errors[0])])).round(2)
        print(f"  kernel of the best, widths in Fourier pixels: {widths}")
    return found, runs


slice2d = pattern[:, half]
found_slice, slice_runs = many_starts("middle slice", slice2d, threshold=0.15, sigma=(3.0, 1.0))
coarse = Cropping(half).fit_transform(pattern)
found_volume, volume_runs = many_starts(
    f"volume, central {half}^3", coarse, threshold=0.15, sigma=(1.5, 0.7)
)

# %%
# The whole volume, with pixels half as large, starting from the best consistent starts of its
# middle.

best = np.argsort(found_volume.start_errors[0])
best = best[volume_runs.consistent[best]][:3]
finer = volume_runs.registered[best]
for axis in (1, 2, 3):
    finer = resample(finer, half, axis=axis)
refiner = IterativePhaseRetrieval(
    [("raar", max(1, arguments.iterations // 4)), ("er", max(1, arguments.iterations // 8))],
    support="shrinkwrap",
    threshold=0.06,
    shrinkwrap_sigma=(2.0, 1.0),
    shrinkwrap_interval=10,
    coherence=arguments.coherence,
    constraints="complex",
    random_state=arguments.seed,
)
used = np.repeat(held_out.fit_transform(pattern), len(finer), axis=0)
start = time.perf_counter()
fine = refiner.fit(used).retrieve(used, init=finer.astype(np.complex64))
print(f"\nvolume, {n}^3: {len(finer)} refined, {time.perf_counter() - start:.0f} s")
judged(
    "  all, mean", pattern, fine.objects, None if fine.coherence is None else fine.coherence[:, 0]
)
fine_runs = combine_reconstructions(fine.objects, used[0], errors=fine.errors, subpixel=True)
print(f"  registered to the best: {np.sort(fine_runs.correlations).round(3)}")
print(f"  {resolved(fine_runs)}; PRTF shell by shell:")
shells = np.rint(
    n * np.sqrt(sum(np.fft.fftfreq(n)[index] ** 2 for index in np.indices(pattern.shape[1:])))
).astype(int)
shells = np.fft.fftshift(shells)
counts = np.array([np.nanmean(pattern[0][shells == shell] ** 2) for shell in range(half + 1)])
print("    cycles/pixel   PRTF   counts a pixel")
for shell in range(0, half + 1, max(1, n // 16)):
    frequency, value = fine_runs.frequencies[shell], fine_runs.transfer_function[shell]
    print(f"    {frequency:12.3f} {value:6.2f} {counts[shell]:16.3g}")

# %%
# A network trained on simulated crystals, with noise and partial coherence, also gives a start for
# the slice. It sees the central part of the slice.

middle = Cropping(half).fit_transform(slice2d)
histories = {}
if arguments.train:
    simulated = make_crystals(
        arguments.train, shape=(half // 2, half // 2), max_phase=2.0, random_state=1
    ).data
    simulated = ShiftFlipAugmenter(random_phase=True, random_state=2).fit_transform(simulated)
    detector = make_pipeline(PartialCoherence(0.3), PhotonNoise((1e5, 1e7)))
    network = PhaseRetrievalRegressor(
        max_epochs=arguments.epochs, detector=detector, random_state=arguments.seed
    )
    start = time.perf_counter()
    model = SymmetryBreakingRegressor(network).fit(
        FourierMagnitude().fit_transform(simulated), simulated
    )
    print(f"\nnetwork: {arguments.train} simulated crystals, {time.perf_counter() - start:.0f} s")
    guess = model.predict(np.nan_to_num(middle))
    retriever = IterativePhaseRetrieval(
        [("hio", arguments.iterations * 4 // 5), ("er", arguments.iterations // 5)],
        support="shrinkwrap",
        threshold=0.15,
        shrinkwrap_sigma=(2.0, 1.0),
        coherence=arguments.coherence,
        constraints="complex",
        n_starts=arguments.starts,
        random_state=arguments.seed,
    )
    used = held_out.fit_transform(middle)
    for name, init in (("random starts", None), ("network starts", guess)):
        found = retriever.fit(used).retrieve(used, init=init, return_history=True)
        histories[name] = found.history[0]
        checkpoints = [min(k, arguments.iterations) for k in (10, 50, 100, arguments.iterations)]
        medians = np.median(found.history[0], axis=0)
        steps = ", ".join(f"{medians[k - 1]:.3f} after {k}" for k in checkpoints)
        runs = combine_reconstructions(
            found.starts[0], used[0], errors=found.start_errors[0], subpixel=True
        )
        print(
            f"  {name:<15} median Fourier error {steps}; {(runs.correlations >= 0.95).sum()} "
            f"agree by .95"
        )
    print(f"  the network's guess itself: {fourier_error(middle, guess):.3f}")

# %%
# The figure: patterns, amplitudes and phases through the middle of the crystal, agreement of starts
# and PRTF.


def through_the_middle(crystal):
    """Slices through the centre of mass, one an axis, with the mean phase taken off."""
    crystal = crystal * np.exp(-1j * np.angle((crystal * np.abs(crystal)).sum()))
    weights = np.abs(crystal) ** 2
    places = [
        int(
            round(
                np.average(
                    np.arange(size), weights=weights.sum(tuple(a for a in range(3) if a != axis))
                )
            )
        )
        for axis, size in enumerate(crystal.shape)
    ]
    return [trimmed(np.take(crystal, place, axis=axis)) for axis, place in enumerate(places)]


def trimmed(plane, margin=4):
    """The part of a plane that holds the crystal."""
    rows, columns = np.nonzero(np.abs(plane) > 0.1 * np.abs(plane).max())
    window = [slice(max(0, k.min() - margin), k.max() + margin + 1) for k in (rows, columns)]
    return plane[tuple(window)]


figure, axes = plt.subplots(3, 4, figsize=(13, 9), layout="constrained")
planes = [np.take(pattern[0], half, axis=axis) for axis in range(3)]
slices = through_the_middle(fine_runs.object)
for column in range(3):
    axes[0, column].imshow(np.log10(planes[column] ** 2 + 1), cmap="magma")
    axes[0, column].set_title(
        f"{source.split(',')[0].lower()} counts, log, plane {column + 1}", fontsize=9
    )
    axes[1, column].imshow(np.abs(slices[column]), cmap="inferno")
    axes[1, column].set_title("amplitude", fontsize=9)
    phase = np.where(
        np.abs(slices[column]) > 0.25 * np.abs(slices[column]).max(),
        np.angle(slices[column]),
        np.nan,
    )
    shown = axes[2, column].imshow(phase, cmap="twilight", vmin=-np.pi, vmax=np.pi)
    axes[2, column].set_title("phase [rad]", fontsize=9)
for ax in axes[:, :3].flat:
    ax.set_xticks([])
    ax.set_yticks([])
figure.colorbar(shown, ax=axes[2, 2])
pairs = found_volume.starts[0], volume_runs.registered
for label, objects in zip(("as they come", "registered"), pairs, strict=True):
    to_best = np.sort(correlations(objects)[np.argmin(found_volume.start_errors[0])])
    axes[0, 3].plot(to_best, "o-", label=label)
axes[0, 3].axhline(0.95, color="grey", lw=0.8)
axes[0, 3].set(title="correlation with the best start", xlabel="start", ylim=(-1, 1.05))
axes[0, 3].legend(fontsize=8)
for label, runs in (
    (f"{n}^3, {len(finer)} refined", fine_runs),
    (f"central {half}^3", volume_runs),
    ("slice", slice_runs),
):
    # all in the pixels of the whole pattern's object
    scale = 0.5 if runs is volume_runs else 1.0
    axes[1, 3].plot(runs.frequencies * scale, runs.transfer_function, label=label)
axes[1, 3].axhline(np.exp(-1), color="grey", lw=0.8)
axes[1, 3].set(title="PRTF", xlabel="cycles per pixel", ylim=(0, 1.05))
axes[1, 3].legend(fontsize=8)
for label, history in histories.items():
    axes[2, 3].semilogy(np.median(history, axis=0), label=label)
axes[2, 3].set(title="slice: median Fourier error", xlabel="iteration")
if histories:
    axes[2, 3].legend(fontsize=8)
arguments.figures.mkdir(parents=True, exist_ok=True)
path = arguments.figures / "plot_05_measured_crystal.png"
figure.savefig(path, dpi=80)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(f"\nsaved {path}; {time.perf_counter() - began:.0f} s in all, at most {peak:.1f} GB")

# %%
# Conclusion: the printed figures show how well starts agree after registration, and that they do
# not agree without it. Limits: shells with less than a photon per speckle have no PRTF, because
# runs agree on noise as they do on a signal. The three refined runs started from consistent ones,
# and agree more than independent runs would. Pixels are those of the rocking curve, whose axes are
# not at right angles in space: shapes are sheared until they are mapped to the laboratory's axes.
# Agreement of starts is no proof, because all share the support rule and the corrections. The
# network saves only the first tens of iterations.
