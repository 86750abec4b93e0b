import numpy as np
import pytest

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


def test_readings_in_memory_are_taken():
    np.testing.assert_allclose(
        read_diffraction(STACK, frames="sum").data[0] ** 2, STACK.sum(axis=0), rtol=1e-5
    )
    masked = np.ma.masked_greater(STACK, 55)
    np.testing.assert_array_equal(np.isnan(read_diffraction(masked).data), STACK > 55)
    assert read_diffraction(STACK).files == []
    with pytest.raises(ValueError, match="dataset='a' cannot be used with an array in memory"):
        read_diffraction(STACK, "a")
