"""Logarithms to any usual base are recognised, with and without photon noise."""

import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import PhotonNoise, Quantization
from skpr.measurement import check_logarithms

X = 10 * FourierMagnitude().fit_transform(load_digit_objects().data[:6])
LOGARITHMS = {
    "np.expm1(X)": np.log1p,
    "np.sqrt(np.expm1(X))": lambda x: np.log1p(x**2),
    "10**X - 1": lambda x: np.log10(1 + x),
    "np.sqrt(10**(X / 10) - 1)": lambda x: 10 * np.log10(1 + x**2),
    "10**(X / 20) - 1": lambda x: 20 * np.log10(1 + x),
    "np.exp2(X) - 1": lambda x: np.log2(1 + x),
}


@pytest.mark.parametrize("way", LOGARITHMS)
@pytest.mark.parametrize("photons", [1e3, 1e5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logarithms_of_counted_patterns_are_told_how_to_be_undone(way, photons, dtype):
    counted = PhotonNoise(photons, random_state=0).fit_transform(X.astype(dtype))
    counted[:, 3:5] = np.nan
    with pytest.warns(
        UserWarning, match="look like logarithms: undone, their squares are counts"
    ) as caught:
        assert check_logarithms(LOGARITHMS[way](counted).astype(dtype), "iterations")
    assert str(caught[0].message).endswith(f"pass {way}")


@pytest.mark.parametrize("way", LOGARITHMS)
def test_logarithms_of_patterns_without_noise_are_told(way):
    with pytest.warns(UserWarning, match="look like logarithms"):
        assert check_logarithms(LOGARITHMS[way](X.astype(float)), "iterations")


@pytest.mark.parametrize("unit", [1e-20, 0.01, 1.0, 1e20])
@pytest.mark.parametrize("photons", [None, 10, 1e3, 1e7])
def test_magnitudes_are_no_logarithms(unit, photons):
    for magnitudes in (
        X,
        FourierMagnitude().fit_transform(make_crystals(4, shape=(9, 16), random_state=0).data),
    ):
        given = (
            magnitudes
            if photons is None
            else PhotonNoise(photons, random_state=0).fit_transform(magnitudes)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not check_logarithms(unit * given, "iterations")
            assert not check_logarithms(unit * Quantization().fit_transform(given), "iterations")
            assert not check_logarithms(unit * np.rint(given), "iterations")


def test_iterations_tell_of_decibels():
    counted = PhotonNoise(1e4, random_state=0).fit_transform(X)
    with pytest.warns(
        UserWarning,
        match=r"passed to IterativePhaseRetrieval look like logarithms.*pass 10\*\*\(X / 20",
    ):
        IterativePhaseRetrieval().fit(20 * np.log10(1 + counted))
