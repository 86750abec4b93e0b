import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skpr import ShiftFlipAugmenter, SymmetryCanonicalizer
from skpr.augmentation import RandomDeformation
from skpr.datasets import load_digit_objects, make_crystals
from skpr.measurement import check_simulated

REAL = load_digit_objects().data[:24]
COMPLEX = make_crystals(24, shape=(24, 24), max_phase=3.0, random_state=0).data
NOISE = np.random.default_rng(0).standard_normal(REAL.shape)
MIXED = np.random.default_rng(0).permuted(REAL.reshape(24, -1), axis=1).reshape(REAL.shape)


@pytest.mark.parametrize(
    "part", [np.abs, np.angle, np.real], ids=["moduli", "phases", "real parts"]
)
@pytest.mark.parametrize(
    "kind", [np.asarray, torch.from_numpy, list], ids=["array", "tensor", "list"]
)
@pytest.mark.parametrize("symmetries", ["fourier", "phase"])
def test_moduli_and_real_parts_of_targets_are_told_by_name(part, kind, symmetries):
    name = {np.abs: "moduli", np.angle: "phases", np.real: "real parts"}[part]
    batch = np.ascontiguousarray(part(COMPLEX))
    with pytest.warns(UserWarning, match=rf"^X holds the {name} of y.*fit\(objects, objects\)"):
        check_simulated(batch, kind(COMPLEX), symmetries)
    with pytest.warns(UserWarning, match=f"^y holds the {name} of X"):
        check_simulated(COMPLEX, kind(batch), symmetries)


@pytest.mark.parametrize("targets", [NOISE, MIXED], ids=["noise", "mixed"])
def test_targets_that_are_other_objects_are_told(targets):
    with pytest.warns(
        UserWarning, match=r"^X and y are plainly not the same objects: .* differ by \d+%"
    ):
        check_simulated(REAL, targets)


@pytest.mark.parametrize(
    "targets",
    [
        REAL,
        REAL.copy(),
        REAL + 0j,
        3 * REAL,
        -1j * REAL,
        SymmetryCanonicalizer().fit_transform(REAL),
        ShiftFlipAugmenter(boundary="circular", random_state=0).fit_transform(REAL),
        RandomDeformation(probability=1, random_state=0).fit_transform(REAL),
        REAL - REAL.mean(axis=(1, 2), keepdims=True),
        (REAL - REAL.mean()) / REAL.std(),
        REAL.max() - REAL,
        REAL + 0.1 * NOISE,
        REAL + REAL.std() * NOISE,
        np.sqrt(REAL),
        REAL > 0.5,
        np.array([gaussian_filter(one, 1.0) for one in REAL]),
        np.zeros_like(REAL),
        REAL * np.where(NOISE > 3, np.nan, 1),
        REAL.reshape(24, -1),
        np.arange(24),
        REAL[:3],
        ["a"] * 24,
        None,
    ],
)
def test_targets_that_are_the_same_objects_or_none_are_ordinary(targets):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_simulated(REAL, targets)
