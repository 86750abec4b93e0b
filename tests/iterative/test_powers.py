import numpy as np
import pytest

from skpr.iterative._powers import exponent_of, times_power


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16"])
def test_every_value_can_be_brought_near_1_and_back_without_rounding(dtype):
    limits = np.finfo(dtype)
    for peak in (limits.max, limits.tiny, 3.0):
        values = np.array([peak, -peak / 2, 0], dtype)
        values = values * np.dtype(dtype).type(1j) if values.dtype.kind == "c" else values
        exponent = exponent_of(values)
        near = times_power(values, -exponent)
        assert near.dtype == values.dtype
        assert 0.5 <= np.abs(near).max() < 1
        np.testing.assert_array_equal(times_power(near, exponent), values)
