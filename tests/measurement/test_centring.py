"""What a pattern tells of its centre, and of the objects it is of."""

import warnings

import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import check_centring, check_friedel_symmetry, resemble_magnitudes
from skpr.measurement._centring import friedel_asymmetry

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


def test_symmetric_objects_are_no_magnitudes():
    distance = np.hypot(*np.indices((24, 24)) - 12.0)
    for one in (np.zeros((24, 24)), np.ones((24, 24)), distance == 0, distance < 6):
        assert not resemble_magnitudes(one[None].repeat(4, axis=0).astype(float))
