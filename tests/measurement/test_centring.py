"""Check of the position of zero frequency in patterns."""

import warnings

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import check_centring

OBJECTS = {
    "digits": lambda: load_digit_objects().data[:40],
    "crystals": lambda: make_crystals(10, shape=(32, 32), max_phase=6.0, random_state=0).data,
    "volumes": lambda: make_crystals(4, shape=(12, 13, 14), random_state=0).data,
    "lines": lambda: make_crystals(10, shape=(48,), random_state=0).data,
}


@pytest.fixture(params=list(OBJECTS))
def objects(request):
    return OBJECTS[request.param]()


@pytest.mark.parametrize("oversampling", [1, 1.5, 2])
@pytest.mark.parametrize("centered", [True, False])
def test_patterns_in_the_other_layout_are_told(objects, centered, oversampling):
    magnitudes = FourierMagnitude(oversampling, centered=centered).fit_transform(objects)
    noisy = BeamStop(3, centered=centered).fit_transform(
        PhotonNoise(1e3, random_state=0).fit_transform(magnitudes)
    )
    for patterns in (magnitudes, noisy, torch.from_numpy(magnitudes)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_centring(patterns, centered, "a network")
        with pytest.warns(UserWarning, match=f"pass centered={centered}"):
            check_centring(patterns, not centered, "a network")


def test_one_axis_in_the_other_layout_is_named():
    magnitudes = np.fft.ifftshift(FourierMagnitude().fit_transform(OBJECTS["digits"]()), axes=2)
    with pytest.warns(UserWarning, match="along axis 2"):
        check_centring(magnitudes, True, "a network", kind="non_negative")


def test_gratings_and_tilted_crystals_are_centred():
    crystals, n = make_crystals(10, shape=(24, 24), random_state=0).data, np.arange(24)
    window = np.exp(-np.square(n - 11.5) / 40)
    waves = np.stack([np.cos(np.pi * n[:, None] + k * n) for k in np.linspace(0.1, 0.5, 10)])
    for objects in (crystals * np.exp(2.5j * n), window[:, None] * window * waves):
        check_centring(FourierMagnitude().fit_transform(objects), True, "a network")


@pytest.mark.parametrize("shape", [(100,), (10, 10), (20, 20), (8, 8, 8)], ids=str)
def test_noise_is_not_judged(shape):
    rng = np.random.default_rng(0)
    for values in (
        rng.random((30, *shape)),
        np.abs(rng.normal(size=(30, *shape))),
        np.zeros((30, *shape)),
    ):
        check_centring(values, True, "a network")
