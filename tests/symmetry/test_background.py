import numpy as np
import pytest

from skpr.symmetry import (
    background_level,
    background_levels,
    content_box,
    shift,
    without_background,
)
from tests.symmetry.conftest import bright_objects, noise


def test_a_shift_in_the_dark_does_not_hide_a_background():
    objects = bright_objects((24, 24))
    moved = shift(objects + 1e-3 * noise(objects), [2, -1])
    assert background_level(moved) == pytest.approx(1e-3, rel=0.3)
    np.testing.assert_array_equal(content_box(moved)[1], content_box(shift(objects, [2, -1]))[1])


def test_a_set_has_a_background_if_a_quarter_of_its_objects_do():
    objects = bright_objects((20, 20), n_samples=40)
    some = objects.copy()
    some[:9] += 1e-3
    assert background_level(some) == 0
    some[9:11] += 1e-3
    assert background_level(some) == pytest.approx(1e-3, rel=0.1)
    assert (background_levels(some)[11:] == 0).all()


def test_objects_without_a_dark_side_fill_their_frame():
    objects = np.random.default_rng(0).random((50, 12, 12))
    assert background_level(objects) > 0.1
    np.testing.assert_array_equal(without_background(objects), objects)
    np.testing.assert_array_equal(content_box(objects)[1], np.full((50, 2), 12))


@pytest.mark.parametrize("unit", [1e-30, 1e30, -1.0])
def test_levels_do_not_depend_on_the_unit(unit):
    objects = (bright_objects((16, 16)) + 1e-2).astype(np.float32)
    np.testing.assert_allclose(
        background_levels(objects * np.float32(unit)), background_levels(objects), rtol=1e-5
    )
    np.testing.assert_array_equal(
        content_box(objects * np.float32(unit))[0], content_box(objects)[0]
    )


def test_on_a_circle_the_darkest_lines_count():
    objects = np.roll(bright_objects((24, 24)), (7, 11), axis=(1, 2))
    assert background_level(objects, boundary="circular") == 0
    noisy = objects + 1e-3 * noise(objects)
    level = background_level(noisy, boundary="circular")
    assert level == pytest.approx(1e-3, rel=0.5)
    assert np.mean((without_background(noisy, boundary="circular") != 0) != (objects != 0)) < 1e-3
    assert background_level(np.random.default_rng(0).random((20, 16, 16)), boundary="circular") == 0


def test_along_circular_axes_sides_are_not_looked_at():
    objects = np.zeros((10, 12, 12))
    objects[:, :, 4:7] = 1
    assert background_level(objects, boundary=("circular", "zero")) == 0
    noisy = objects + 1e-6 * noise(objects)
    assert background_level(noisy, boundary=("circular", "zero")) == pytest.approx(1e-6, rel=0.3)
    np.testing.assert_array_equal(
        content_box(noisy, boundary=("circular", "zero"))[1], np.tile([12, 3], (10, 1))
    )


@pytest.mark.parametrize("background", [-0.1, 0.25, np.nan, True, "none", None])
def test_bad_backgrounds_are_named(background):
    with pytest.raises(
        ValueError,
        match=f"background={background!r} is not valid; give 'auto' or a fraction of the",
    ):
        content_box(np.ones((2, 4)), background)
