import numpy as np
import pytest

from skpr.metrics._efficiency import count_efficiency


@pytest.mark.parametrize("readout_noise", [0.15, 0.5, 1.0, 3.0])
def test_readings_tell_no_more_than_counts_and_no_less_than_normal_ones(readout_noise):
    expected = np.geomspace(1e-10, 1e3, 60)
    found = count_efficiency(expected, readout_noise)
    normal = expected / (expected + readout_noise**2)
    assert (found >= normal).all()
    assert (found <= 1).all()
    np.testing.assert_allclose(found[expected > 20], normal[expected > 20], rtol=2e-3)


def test_sharp_readings_tell_what_counts_do_and_of_few_photons_the_known_limit():
    assert count_efficiency(np.array([0.0, 1e-6, 3.0]), 0.0).tolist() == [1, 1, 1]
    assert count_efficiency(np.array([0.1]), 0.1) == pytest.approx(1, abs=1e-3)
    # of the densities of one photon and none: the mean of (p_1 / p_0 - 1)^2 is exp(1 / sigma^2) - 1
    assert count_efficiency(np.array([1e-7]), 1.0) == pytest.approx(1e-7 * np.expm1(1.0), rel=1e-3)
