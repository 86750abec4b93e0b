"""Iterative phase retrieval without oversampling, as Uelwer, Oberstrass and Harmeling (2020, 2021) score it.

The first 1,024 test images of Fashion-MNIST, 28 x 28 on a 28 x 28 Fourier grid, non-negative, 1,000 iterations from
random starts. The prediction and its 180-degree rotation are registered to the truth by circular cross-correlation,
then compared pixel by pixel. That the published figures come out shows that this package scores as they do.

    SKPR_DATA=path/to/data python examples/benchmarks/not_oversampled.py
"""

import argparse
import time

import numpy as np

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import fetch_fashion_mnist
from skpr.metrics import orbit_mean_squared_error, orbit_ssim
from skpr.symmetry import register

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=1024)
parser.add_argument("--iterations", type=int, default=1000)
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

PUBLISHED = {"hio": ".0646 / .160 / .440", "raar": ".0669 / .167 / .431"}
images = fetch_fashion_mnist("test").data[: arguments.images]
magnitudes = FourierMagnitude(oversampling=1).fit_transform(images)
print(f"{len(images)} images: MSE / MAE / SSIM (data range 2, as published), published, seconds")
for algorithm, beta in (("hio", 0.8), ("raar", 0.87), ("auto", None)):
    retriever = IterativePhaseRetrieval(
        algorithm, arguments.iterations, beta, tol=0, random_state=arguments.seed, device="cpu"
    ).fit(magnitudes, images)
    start = time.perf_counter()
    found = retriever.predict(magnitudes)
    seconds = time.perf_counter() - start
    error = orbit_mean_squared_error(images, found, boundary="circular")
    registered, _ = register(found, images, boundary="circular")
    similarity = orbit_ssim(images, found, data_range=2.0, boundary="circular")
    published = PUBLISHED.get(algorithm, "none")
    print(
        f"{algorithm:<6}{error:.4f} / {np.abs(registered - images).mean():.3f} / {similarity:.3f}   {published}"
        f"{seconds:>8.0f}",
        flush=True,
    )
