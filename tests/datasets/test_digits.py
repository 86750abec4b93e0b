import numpy as np
import pytest

from skpr.datasets import load_digit_objects


@pytest.mark.parametrize("image_size", [8, 16, 21])
def test_digits_are_smooth_objects_on_a_dark_ground(image_size):
    bunch = load_digit_objects(image_size=image_size)
    assert bunch.data.shape == (1797, image_size, image_size)
    assert bunch.data.dtype == np.float32
    assert bunch.data.min() == 0
    assert bunch.data.max() == 1
    assert 0.2 < (bunch.data == 0).mean() < 0.8
    assert bunch.labels.shape == (1797,)
    assert bunch.target is bunch.data


def test_enlarging_keeps_the_picture():
    small, large = (load_digit_objects(image_size=n).data for n in (8, 16))
    coarse = large.reshape(-1, 8, 2, 8, 2).mean(axis=(2, 4))
    assert np.corrcoef(coarse.ravel(), small.ravel())[0, 1] > 0.98


def test_pairs_are_the_objects_twice():
    X, y = load_digit_objects(return_X_y=True)
    assert X is y


@pytest.mark.parametrize("image_size", [7, 16.5, 16.0, True, "16", np.inf])
def test_bad_sizes_are_named(image_size):
    with pytest.raises(
        ValueError, match=f"image_size={image_size!r} is not valid; give an integer >= 8"
    ):
        load_digit_objects(image_size=image_size)
