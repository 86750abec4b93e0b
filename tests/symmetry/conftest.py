"""Objects on a background."""

import numpy as np

from tests.conftest import random_objects


def bright_objects(shape, dtype="float64", n_samples=24, seed=0):
    """Blocks of 0.5 to 1 times unit phases, at random places of a dark frame."""
    objects = random_objects(shape, dtype, n_samples, seed=seed)
    return np.where(
        objects == 0, 0, objects / np.maximum(np.abs(objects), 1e-9) * (1 + np.abs(objects)) / 2
    )


def noise(objects, seed=1):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal(objects.shape)
    return drawn + 1j * rng.standard_normal(objects.shape) if np.iscomplexobj(objects) else drawn
