"""Objects at fractions of a pixel, with targets at whole and at fractions of a pixel.

Digits are placed anywhere on a grid four times as fine, upright or turned by 180 degrees, blurred,
and averaged over the pixels of a detector. A network is trained on raw objects, and on canonical
forms by shifts to whole pixels and by shifts that are refined to fractions. Its error is the
distance to the true object relative to its norm, after registration to fractions of a pixel; all
are means over the test objects and, with their range, over seeds.

    PYTHONPATH=. python examples/benchmarks/subpixel.py
"""

import argparse

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom

from skpr import (
    FourierMagnitude,
    PhaseRetrievalRegressor,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
)
from skpr.datasets import load_digit_objects
from skpr.symmetry import flip, register

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--blur", type=float, nargs="+", default=[0.3, 0.6, 1.0], help="in pixels")
parser.add_argument("--train", type=int, default=1400)
parser.add_argument("--test", type=int, default=300)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--module", default="mlp", choices=("mlp", "unet"))
parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
arguments = parser.parse_args()

torch.set_num_threads(1)
FRAME, FINER, WIDTH = 24, 4, 16  # pixels of the frame, finer pixels in each, pixels of a digit
FRACTIONS = np.arange(-10, 11) / 20


def continuous(blur, random):
    """Draw digits at random places of a fine grid, as a detector sees them."""
    digits = load_digit_objects(image_size=WIDTH).data
    digits = digits[random.permutation(len(digits))[: arguments.train + arguments.test]]
    fine = np.zeros((len(digits), FRAME * FINER, FRAME * FINER), np.float32)
    size = WIDTH * FINER
    for place, digit in zip(fine, digits, strict=True):
        row, column = random.integers(8, FRAME * FINER - size - 8, 2)
        turned = digit[::-1, ::-1] if random.random() < 0.5 else digit
        place[row : row + size, column : column + size] = zoom(turned, FINER, order=1)
    blurred = gaussian_filter(fine, (0, blur * FINER, blur * FINER))
    pixels = blurred.reshape(len(digits), FRAME, FINER, FRAME, FINER).mean(axis=(2, 4))
    pixels[pixels < 1e-3 * pixels.max()] = 0
    return pixels


def distance(found, truth):
    """Return the relative distance after registration to fractions of a pixel."""
    best = np.inf
    norm = np.linalg.norm(truth)
    frequencies = np.fft.fftfreq(2 * FRAME)
    ramps = np.exp(-2j * np.pi * np.outer(frequencies, FRACTIONS))
    for upright in (found, flip(found[None])[0]):
        coarse = register(upright[None], truth[None], flip=False)[0][0]
        spectrum = np.fft.fft2(coarse, (2 * FRAME, 2 * FRAME))
        product = spectrum * np.fft.fft2(truth, (2 * FRAME, 2 * FRAME)).conj()
        scores = np.einsum("ij,ia,jb->ab", product, ramps, ramps, optimize=True).real
        a, b = np.unravel_index(scores.argmax(), scores.shape)
        moved = np.fft.ifft2(spectrum * ramps[:, a, None] * ramps[None, :, b]).real
        best = min(best, np.linalg.norm(moved[:FRAME, :FRAME] - truth))
    return best / norm


print(f"{arguments.module}, {arguments.train} training and {arguments.test} test objects")
print(f"{'blur':<6}{'targets':<12}{'variance':>9}{'magnitudes':>12}{'error':>9}{'range':>18}")
for blur in arguments.blur:
    objects = continuous(blur, np.random.default_rng(0))
    magnitudes = FourierMagnitude(oversampling=2).fit_transform(objects)
    train, test = slice(arguments.train), slice(arguments.train, None)
    truth = objects[test]
    for name, canonicalizer in (
        ("raw", None),
        ("whole", SymmetryCanonicalizer()),
        ("fractions", SymmetryCanonicalizer(subpixel=True)),
    ):
        errors = []
        for seed in arguments.seeds:
            network = PhaseRetrievalRegressor(
                arguments.module,
                max_epochs=arguments.epochs,
                random_state=seed,
                device="cpu",
                verbose=0,
            )
            model = SymmetryBreakingRegressor(network, canonicalizer or "passthrough")
            found = model.fit(magnitudes[train], objects[train]).predict(magnitudes[test])
            errors.append(
                np.mean([distance(*pair) for pair in zip(found, objects[test], strict=True)])
            )
        variance = change = ""
        if canonicalizer is not None:
            moved = canonicalizer.fit(objects[train]).transform(objects)
            made = FourierMagnitude(oversampling=2).fit_transform(moved)
            change = f"{np.linalg.norm(made - magnitudes) / np.linalg.norm(magnitudes):.4f}"
            variance = f"{canonicalizer.variance_:.4f}"
        print(
            f"{blur:<6}{name:<12}{variance:>9}{change:>12}{np.mean(errors):>9.4f}"
            f"{min(errors):>9.4f}{max(errors):>9.4f}",
            flush=True,
        )
