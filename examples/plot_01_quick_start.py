"""
Quick start: from Fourier magnitudes back to images
===================================================

A detector records `|F x|`. Shift the object, turn it by 180 degrees: the record is the same, so a
training set of unaligned objects asks a network to answer one question in many ways. We train the
same network twice, on raw objects and on one representative of each, and compare.

Run it with ``python examples/plot_01_quick_start.py``; it takes about a minute on two cores and
saves ``examples/figures/plot_01_quick_start.png``."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skpr import ReconstructionDisplay, ShiftFlipAugmenter, make_phase_retriever
from skpr.datasets import load_digit_objects
from skpr.metrics import orbit_psnr, relative_error

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--figures", type=Path, default=Path(__file__).parent / "figures")
arguments = parser.parse_args()

# %%
# The objects: 1,797 handwritten digits, each somewhere in a dark frame, half of them upside down.
# Nobody has aligned them, as nobody aligns crystals or cells before a beam.

digits = load_digit_objects().data
objects = ShiftFlipAugmenter(frame_shape=24, random_state=0).fit_transform(digits)
train, test = train_test_split(objects, test_size=300, random_state=0)

# %%
# The model: simulate the oversampled magnitudes, make the targets canonical, train a network from
# the one to the other. It is a scikit-learn pipeline, and symmetry breaking is one of its
# parameters.

canonical = make_phase_retriever(max_epochs=arguments.epochs, random_state=0)
raw = clone(canonical).set_params(retrieve__transformer__canonicalize="passthrough")

# %%
# Errors are measured modulo symmetries, for both alike: a reconstruction is right if it is right
# somewhere.

models = {"raw pairs": raw, "after symmetry breaking": canonical}
print(f"{'trained on':<26}{'relative error':>16}{'PSNR [dB]':>12}")
for name, model in models.items():
    prediction = model.fit(train, train).predict(test)
    error = relative_error(test, prediction)
    print(f"{name:<26}{error:>16.3f}{orbit_psnr(test, prediction, data_range=1.0):>12.1f}")

# %%
# What that looks like. The network trained on raw pairs answers with the blur of all
# representatives at once.

figure = plt.figure(figsize=(8, 10), layout="constrained")
for part, (name, model) in zip(figure.subfigures(2, 1), models.items(), strict=True):
    part.suptitle(f"Trained on {name}" if name == "raw pairs" else f"Trained {name}")
    ReconstructionDisplay.from_estimator(model, test, test, n_rows=3, axes=part.subplots(3, 4))
arguments.figures.mkdir(parents=True, exist_ok=True)
figure.savefig(arguments.figures / "plot_01_quick_start.png", dpi=80)
print(f"saved {arguments.figures / 'plot_01_quick_start.png'}")

# %%
# Magnitudes of a real detector need no simulation: ``canonical.reconstruct(magnitudes)``.
#
# Conclusion: the same network on the same images, a fraction of the error. Limits: these are small
# and simple images, free of noise; what remains is what a single pass of a small network cannot
# resolve.
