import numpy as np
import pytest

from skpr import FourierMagnitude
from skpr.datasets import make_crystals
from skpr.metrics import fourier_error, r_factor

OBJECTS = make_crystals(3, shape=(12, 12), random_state=0).data
MAGNITUDES = FourierMagnitude().fit_transform(OBJECTS)


@pytest.mark.parametrize("measure", [fourier_error, r_factor])
@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (MAGNITUDES**2, "if they are intensities, pass np.sqrt"),
        (np.log1p(MAGNITUDES), r"if they are logarithms, pass np.expm1\(magnitudes\)"),
        (MAGNITUDES / 24, "magnitudes are 0.0417 times those of the objects"),
        (1e30 * MAGNITUDES, r"magnitudes are 1e\+30 times those of the objects"),
    ],
    ids=["intensities", "logarithms", "unitary", "large"],
)
def test_patterns_in_another_form_get_a_word(measure, patterns, message):
    with pytest.warns(UserWarning, match=message):
        measure(patterns, OBJECTS)


@pytest.mark.parametrize("measure", [fourier_error, r_factor])
def test_noise_gaps_and_other_objects_need_no_word(measure):
    noisy = np.abs(MAGNITUDES + np.random.default_rng(0).normal(size=MAGNITUDES.shape))
    noisy[:, 12] = np.nan
    assert measure(noisy, OBJECTS) < 0.3
    measure(MAGNITUDES[::-1], OBJECTS)
    measure(MAGNITUDES, np.zeros_like(OBJECTS))
    measure(2 * MAGNITUDES, OBJECTS)
