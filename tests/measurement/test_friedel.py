"""Friedel symmetry, which shows the kind of objects."""

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import PhotonNoise
from skpr.measurement import check_friedel_symmetry
from skpr.measurement._friedel import friedel_asymmetry

OBJECTS = {
    "digits": lambda: load_digit_objects().data[:40],
    "crystals": lambda: make_crystals(10, shape=(32, 32), max_phase=6.0, random_state=0).data,
    "volumes": lambda: make_crystals(4, shape=(12, 13, 14), random_state=0).data,
    "lines": lambda: make_crystals(10, shape=(48,), random_state=0).data,
}


@pytest.mark.parametrize("shape", [(100,), (10, 10), (20, 20), (8, 8, 8)], ids=str)
def test_noise_is_not_judged_by_its_symmetry(shape):
    rng = np.random.default_rng(0)
    for values in (
        rng.random((30, *shape)),
        np.abs(rng.normal(size=(30, *shape))),
        np.zeros((30, *shape)),
    ):
        check_friedel_symmetry(values, True, "real")


def test_patterns_of_complex_objects_are_told_from_those_of_real_ones():
    magnitudes = FourierMagnitude().fit_transform(OBJECTS["crystals"]())
    with pytest.warns(UserWarning, match="pass constraints='complex'"):
        check_friedel_symmetry(magnitudes, True, "non_negative")
    displaced = np.roll(FourierMagnitude().fit_transform(OBJECTS["digits"]()), 1, axis=1)
    with pytest.warns(UserWarning, match="where zero frequency lies"):
        check_friedel_symmetry(displaced, True, "non_negative")


@pytest.mark.parametrize("n_photons", [30, 1e2, 1e3, 1e5, None])
@pytest.mark.parametrize("name", ["digits", "volumes", "lines"])
def test_noise_does_not_make_real_objects_complex(name, n_photons):
    magnitudes = FourierMagnitude().fit_transform(OBJECTS[name]())
    if n_photons is not None:
        magnitudes = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    check_friedel_symmetry(magnitudes, True, "non_negative")


def test_single_patterns_of_complex_objects_are_told():
    mixed = FourierMagnitude(oversampling=1).fit_transform(
        make_crystals(20, shape=(32, 32), random_state=0).data
    )
    strained = FourierMagnitude(oversampling=1).fit_transform(OBJECTS["crystals"]())
    mixed[7] = max(
        strained, key=lambda one: friedel_asymmetry(torch.from_numpy(one[None]), True)[0]
    )
    with pytest.warns(UserWarning, match="1 of 20 patterns are not symmetric"):
        check_friedel_symmetry(mixed, True, "real")
