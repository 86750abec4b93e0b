"""
Quick start: from Fourier magnitudes back to images
===================================================

A detector records `|F x|`. A shifted object, or one turned by 180 degrees, leaves the same record,
so a training set of unaligned objects asks a network to answer one question in many ways. We train
the same network twice, on raw objects and on one representative of each, and compare.

Run it with ``python examples/plot_01_quick_start.py``. It takes less than a minute on one core and
saves ``examples/figures/plot_01_quick_start.png``.
"""

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
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--figures", type=Path, default=Path(__file__).parent / "figures")
arguments = parser.parse_args()

# %%
# The objects: 1,797 handwritten digits, each somewhere in a dark frame, half of them upside down.
# They are not aligned, just as crystals or cells in a beam are not.

digits = load_digit_objects().data
objects = ShiftFlipAugmenter(frame_shape=24, random_state=0).fit_transform(digits)
train, test = train_test_split(objects, test_size=300, random_state=0)

# %%
# The model simulates oversampled magnitudes, makes the targets canonical, and trains a network from
# the former to the latter. It is a scikit-learn pipeline, and symmetry breaking is one of its
# parameters. Half the default width halves the time and costs a tenth of the accuracy;
# ``verbose=True`` shows progress also where the output is not a terminal.

canonical = make_phase_retriever(
    max_epochs=arguments.epochs, module__hidden_width=768, verbose=True, random_state=0
)
raw = clone(canonical).set_params(retrieve__transformer__canonicalize="passthrough")

# %%
# Errors of both are measured modulo symmetries: a reconstruction may be shifted or flipped.

models = {"raw pairs": raw, "after symmetry breaking": canonical}
lines = [f"{'trained on':<26}{'relative error':>16}{'PSNR [dB]':>12}"]
for name, model in models.items():
    prediction = model.fit(train, train).predict(test)
    error, psnr = relative_error(test, prediction), orbit_psnr(test, prediction, data_range=1.0)
    lines.append(f"{name:<26}{error:>16.3f}{psnr:>12.1f}")
print("\n".join(lines))

# %%
# The network trained on raw pairs answers with the blur of all representatives at once.

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
# Conclusion: the same network on the same images has a fraction of the error. Limits: the images
# are small, simple and free of noise. The remaining error is detail that a single pass of a small
# network cannot resolve.
