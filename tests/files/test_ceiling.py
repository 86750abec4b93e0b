import numpy as np
import pytest

from skpr.files import read_diffraction

COUNTS = np.random.default_rng(0).poisson(50, (2, 16, 18))


def with_gap(value, dtype, columns=slice(4, 6)):
    frames = COUNTS.astype(dtype)
    frames[:, :, columns] = value
    return frames


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        (4095, "u2", "64 readings of the array are 4095, the largest value of 12 bits"),
        (65535, "i4", "65535, the largest value of 16 bits"),
        (65535, "f4", "65535, the largest value of 16 bits"),
        (2**31 - 1, "i8", "2147483647, the largest value of 31 bits"),
        (2**31, "f4", "2147483648, more than detectors count"),
        (2**64 - 2, "u8", "more than detectors count"),
        (1e30, "f8", "more than detectors count"),
    ],
)
def test_flags_and_limits_that_the_type_hides_get_a_word(value, dtype, words):
    frames = with_gap(value, dtype)
    with pytest.warns(UserWarning, match=words) as caught:
        read_diffraction(frames)
    limit = str(caught[0].message).partition("saturation=")[2].partition(" ")[0]
    marked = read_diffraction(frames, saturation=float(limit))
    assert np.isnan(marked.data).sum() == 64


@pytest.mark.parametrize("value", [4094, 100, 2.0**29])
def test_other_largest_readings_are_counts(value):
    assert not np.isnan(read_diffraction(with_gap(value, "f8")).data).any()


def test_few_equal_readings_are_chance():
    frames = COUNTS.copy()
    frames[0, 3, 3:6] = 4095
    read_diffraction(frames, hot_pixels=None)
    frames[1, 3, 3] = 4095
    with pytest.warns(UserWarning, match="4 readings of the array are 4095"):
        read_diffraction(frames, hot_pixels=None)


def test_magnitudes_have_no_bits():
    read_diffraction(with_gap(1023, "f8"), content="magnitudes")


def test_readings_that_are_left_out_already_need_no_word():
    mask = np.zeros((16, 18), bool)
    mask[:, 4:6] = True
    read_diffraction(with_gap(4095, "i4"), mask=mask)
