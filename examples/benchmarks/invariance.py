"""Invariance of every canonicalization strategy on Fashion-MNIST.

Each of 10,000 images in a 42 x 42 frame is moved to random members of its orbit, by any integer
shift that keeps its content inside and by flips, and canonicalized. The table counts violations of
`c(g x) = c(x)`: images whose representative differs by more than 1e-4 (float32) or 1e-8 (float64).
It also counts images whose magnitudes change by more than 1e-5 or 1e-10. With `--phase`, the images
are first multiplied by a smooth complex phase, and the members by random global phases.

    SKPR_DATA=... python examples/benchmarks/invariance.py
"""

import argparse
import itertools

import numpy as np
import torch

from skpr import FourierMagnitude, SymmetryCanonicalizer
from skpr.augmentation import draw_elements, frame
from skpr.datasets import fetch_fashion_mnist
from skpr.symmetry import act

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--images", type=int, default=10_000)
parser.add_argument("--members", type=int, default=2)
parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
parser.add_argument("--phase", action="store_true")
arguments = parser.parse_args()
torch.set_num_threads(1)

images = frame(fetch_fashion_mnist("test").data[: arguments.images], (42, 42)).astype(
    arguments.dtype
)
if arguments.phase:
    ramp = np.linspace(-1, 1, 42)
    images = images * np.exp(1j * (ramp[:, None] ** 2 + 0.7 * np.sin(3 * ramp) + images)).astype(
        np.result_type(images.dtype, np.complex64)
    )
limit, magnitude_limit = (1e-4, 1e-5) if arguments.dtype == "float32" else (1e-8, 1e-10)
magnitude = FourierMagnitude(fourier_shape=84).fit(images)


def differences(a, b):
    """Return the largest difference per sample, relative to its maximum."""
    return np.abs(a - b).max(axis=(1, 2)) / np.abs(b).max(axis=(1, 2))


def largest_magnitude_change(a, b):
    """Compare the magnitudes of two batches, in slices to save memory."""
    parts = [slice(i, i + 1000) for i in range(0, len(a), 1000)]
    return np.concatenate(
        [differences(magnitude.transform(a[p]), magnitude.transform(b[p])) for p in parts]
    )


print(f"{len(images)} images, {images.dtype}, {arguments.members} members of each orbit")
print(
    f"{'shift':<10}{'flip':<12}{'failures':>9}{'worst':>10}{'|F| fails':>11}{'worst |F|':>11}"
    f"{'variance':>10}"
)
total = 0
for shift, flip in itertools.product(
    ("box", "centroid", "template", None),
    ("moment", "principal", "bispectrum", "fourier", "template", None),
):
    canonicalizer = SymmetryCanonicalizer(shift, flip).fit(images[:2000])
    representatives = canonicalizer.transform(images)
    failed, worst = np.zeros(len(images), dtype=bool), 0.0
    for member in range(arguments.members):
        element = draw_elements(
            images,
            max_shift=None if shift else 0,
            flip_probability=0.5 if flip else 0.0,
            random_phase=arguments.phase,
            boundary="zero",
            random_state=member,
        )
        change = differences(canonicalizer.transform(act(images, element)), representatives)
        failed |= change > limit
        worst = max(worst, change.max())
    moved = largest_magnitude_change(representatives, images)
    total += failed.sum() + (moved > magnitude_limit).sum()
    print(
        f"{shift!s:<10}{flip!s:<12}{failed.sum():>9}{worst:>10.1e}"
        f"{(moved > magnitude_limit).sum():>11}"
        f"{moved.max():>11.1e}{canonicalizer.variance_:>10.4f}",
        flush=True,
    )
print(f"failures in all: {total}")
