"""Check of training pairs: plain mistakes are warned of, and nothing else is."""

import numpy as np
import pytest

from skpr import FourierMagnitude, GaussianMagnitude
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import (
    BeamStop,
    Binning,
    Cropping,
    MissingPixels,
    PartialCoherence,
    PhotonNoise,
    Saturation,
)
from skpr.measurement import check_not_intensities, check_pairing

RANDOM = np.random.default_rng(0).random((24, 16, 16))
SETS = {
    "digits": load_digit_objects().data[:24],
    "crystals": make_crystals(24, shape=(24, 24), random_state=0).data,
    "strained": make_crystals(24, shape=(24, 24), max_phase=6.0, random_state=0).data,
    "random": RANDOM,
}
DETECTORS = {
    "photons": PhotonNoise(1e3, random_state=0),
    "few photons": PhotonNoise(20, random_state=0),
    "stop": BeamStop(5),
    "missing": MissingPixels(fraction=0.3, random_state=0),
    "coherence": PartialCoherence(1.0),
    "cropped": Cropping(16),
    "binned": Binning(2),
}
every_set = pytest.mark.parametrize("objects", SETS.values(), ids=SETS)


@every_set
@pytest.mark.parametrize("oversampling", [1, 1.5, 2])
@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)
def test_pairs_of_any_detector_pass(objects, oversampling, detector):
    x = FourierMagnitude(oversampling=oversampling).fit_transform(objects)
    check_pairing(x, objects, "a network")
    check_pairing(detector.fit_transform(x), objects, "a network")


@every_set
@pytest.mark.parametrize("oversampling", [1, 2])
@pytest.mark.parametrize("photons", [None, 1e4])
def test_permuted_samples_are_warned_of(objects, oversampling, photons):
    x = FourierMagnitude(oversampling=oversampling).fit_transform(objects)
    x = x if photons is None else PhotonNoise(photons, random_state=0).fit_transform(x)
    with pytest.warns(UserWarning, match="not pairs"):
        check_pairing(x, np.roll(objects, 5, axis=0), "a network")


@every_set
@pytest.mark.parametrize("oversampling", [1, 2])
@pytest.mark.parametrize("centered", [True, False])
def test_intensities_are_warned_of(objects, oversampling, centered):
    x = FourierMagnitude(oversampling=oversampling, centered=centered).fit_transform(objects)
    with pytest.warns(UserWarning, match=r"np\.sqrt\(X\)"):
        check_pairing(x**2, objects, "a network")
    if oversampling == 2:
        with pytest.warns(UserWarning, match=r"np\.sqrt\(X\)"):
            check_not_intensities(x**2, "iterations")
        check_not_intensities(x, "iterations")


@every_set
def test_what_is_no_magnitude_on_the_grid_is_not_judged(objects):
    x = FourierMagnitude().fit_transform(objects)
    low, high = x.min(axis=0), x.max(axis=0)
    for features in (np.sqrt(x), x - x.mean(axis=0), (x - low) / (high - low), np.log1p(x)):
        check_pairing(features, objects, "a network")
    check_pairing(
        GaussianMagnitude(n_measurements=1024, random_state=0).fit_transform(objects),
        objects,
        "a network",
    )
    for rotated in (objects[:5], np.repeat(objects[:1], 24, axis=0)):  # too few, or all the same
        x = FourierMagnitude().fit_transform(rotated)
        check_pairing(x, rotated[::-1], "a network")


def test_magnitudes_rounded_to_whole_numbers_are_none_where_objects_tell():
    objects = SETS["digits"]
    x = np.round(100 * FourierMagnitude().fit_transform(objects)).astype(np.uint16)
    check_pairing(x, objects, "a network")
    check_not_intensities(x, "iterations", objects)
    with pytest.warns(UserWarning, match="whole numbers up to"):
        check_not_intensities(x, "iterations")


def test_saturated_magnitudes_are_no_intensities():
    x = FourierMagnitude().fit_transform(SETS["digits"])
    check_pairing(Saturation(x.max() / 10).fit_transform(x), SETS["digits"], "a network")


def test_symmetric_smooth_objects_have_magnitudes():
    r = np.arange(16) - 8
    sizes = np.linspace(1, 3, 20)[:, None, None]
    x = FourierMagnitude().fit_transform(np.exp(-(r[:, None] ** 2 + r**2) / 2 / sizes**2))
    check_not_intensities(x, "iterations")
