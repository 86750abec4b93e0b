"""The form of patterns: squares of the roots of counts are whole numbers up to rounding."""

import re
import warnings

import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import make_crystals
from skpr.detector import BeamStop, PartialCoherence, PhotonNoise
from skpr.measurement import check_not_intensities, form_of

CLEAN = FourierMagnitude().fit_transform(make_crystals(4, shape=(16, 16), random_state=0).data)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_photons", [1e4, 1e6, 1e8])
def test_squared_roots_of_counts_are_told_as_intensities(n_photons, dtype):
    roots = PhotonNoise(n_photons, random_state=0).fit_transform(CLEAN.astype(dtype))
    with pytest.warns(UserWarning, match=r"look like intensities.*np.sqrt\(X\)"):
        assert check_not_intensities(roots**2, "iterations")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not check_not_intensities(roots, "iterations")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4, 1e6, 1e9])
def test_magnitudes_in_any_unit_are_no_counts(unit, dtype):
    noisy = CLEAN + 0.1 * np.random.default_rng(0).random(CLEAN.shape)
    assert form_of((unit * noisy).astype(dtype)) == "magnitudes"


SMALL = np.random.default_rng(0).random((8, 8, 8))
MAGNITUDES = FourierMagnitude().fit_transform(SMALL)
OTHER_FORMS = {
    "np.expm1(X)": np.log1p(MAGNITUDES),
    "np.sqrt(np.expm1(X))": np.log1p(MAGNITUDES**2),
    "10**X - 1": np.log10(1 + MAGNITUDES),
    "10**(X / 20) - 1": 20 * np.log10(1 + MAGNITUDES),
    "X**2": np.sqrt(MAGNITUDES),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_objects_tell_other_forms_even_of_small_patterns(form, dtype):
    X = OTHER_FORMS[form].astype(dtype)
    with pytest.warns(UserWarning, match=f"; pass {re.escape(form)}$"):
        assert check_not_intensities(X, "a network", SMALL)
    stopped = BeamStop(3).fit_transform(X)
    with pytest.warns(UserWarning, match="is much closer to"):
        assert check_not_intensities(stopped, "a network", SMALL)


def test_the_objects_leave_noisy_logarithms_to_the_counts():
    counted = PhotonNoise(300, random_state=0).fit_transform(MAGNITUDES)
    with pytest.warns(UserWarning, match=r"undone, their squares are counts; pass np.expm1\(X\)"):
        assert check_not_intensities(np.log1p(counted), "a network", SMALL)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    "step",
    [*map(PartialCoherence, (0.3, 1.0, 2.0)), PhotonNoise(300, random_state=0), None],
    ids=str,
)
@pytest.mark.parametrize("oversampling", [1, 2])
def test_blurred_noisy_and_clipped_magnitudes_are_no_other_form(step, unit, oversampling):
    X = FourierMagnitude(oversampling=oversampling).fit_transform(SMALL)
    X = np.minimum(X, X.max() / 5) if step is None else step.fit_transform(X)
    assert not check_not_intensities(unit * X, "a network", SMALL)
