"""Small objects, and small networks, for estimators made of estimators."""

import pytest

from skpr import ShiftFlipAugmenter
from skpr.datasets import load_digit_objects

SMALL = {
    "module__hidden_width": 16,
    "max_epochs": 1,
    "device": "cpu",
    "random_state": 0,
    "verbose": False,
}


@pytest.fixture(scope="package")
def digits():
    """Digits of 10 x 10 pixels anywhere in frames of 14 x 14, float32."""
    objects = load_digit_objects(image_size=10, return_X_y=True)[0][:240]
    return ShiftFlipAugmenter(frame_shape=14, random_state=0).fit_transform(objects)
