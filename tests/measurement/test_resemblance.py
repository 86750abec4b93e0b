"""Distinction between magnitudes and objects."""

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import load_digit_objects, make_crystals
from skpr.measurement import resemble_magnitudes

OBJECTS = {
    "digits": lambda: load_digit_objects().data[:40],
    "crystals": lambda: make_crystals(10, shape=(32, 32), max_phase=6.0, random_state=0).data,
    "volumes": lambda: make_crystals(4, shape=(12, 13, 14), random_state=0).data,
}


@pytest.mark.parametrize("name", ["digits", "crystals", "volumes"])
def test_objects_do_not_resemble_magnitudes(name):
    objects = OBJECTS[name]()
    assert not resemble_magnitudes(objects)
    real = np.abs(objects)
    for centered in (True, False):
        assert resemble_magnitudes(FourierMagnitude(centered=centered).fit_transform(real))


def test_airy_discs_and_centrosymmetric_textures_are_no_magnitudes():
    distance = np.hypot(*np.mgrid[-16:16, -16:16])
    discs = np.stack([np.abs(np.sinc(distance / k)) for k in np.linspace(2, 5, 10)])
    textures = np.random.default_rng(0).random((10, 33, 33))
    textures += textures[:, ::-1, ::-1]
    textures[:, 16, 16] += 2
    for objects in (discs, textures):
        assert not resemble_magnitudes(objects)


def test_symmetric_objects_are_no_magnitudes():
    distance = np.hypot(*np.indices((24, 24)) - 12.0)
    for one in (np.zeros((24, 24)), np.ones((24, 24)), distance == 0, distance < 6):
        assert not resemble_magnitudes(one[None].repeat(4, axis=0).astype(float))
