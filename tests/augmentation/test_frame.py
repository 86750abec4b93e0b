import numpy as np

from skpr import ShiftFlipAugmenter
from skpr.augmentation import frame


def test_frame_puts_the_object_in_the_middle():
    framed = ShiftFlipAugmenter(max_shift=0, flip_probability=0, frame_shape=42).fit_transform(
        np.ones((1, 28, 28))
    )
    assert framed.shape == (1, 42, 42)
    np.testing.assert_array_equal(framed, np.pad(np.ones((1, 28, 28)), ((0, 0), (7, 7), (7, 7))))
    np.testing.assert_array_equal(frame(np.ones((1, 2)), (2,)), np.ones((1, 2)))
