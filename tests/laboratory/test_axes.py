import numpy as np
import pytest

from skpr.laboratory import voxel_axes
from skpr.laboratory._axes import plane_spacings


@pytest.mark.parametrize("shape", [(12,), (12, 9), (12, 9, 20)], ids=str)
def test_axes_are_dual_to_the_steps_of_the_whole_pattern(shape):
    steps = np.random.default_rng(0).normal(size=(len(shape),) * 2) * 1e6
    axes = voxel_axes(steps, shape)
    duality = axes @ (np.array(shape)[:, None] * steps).T
    np.testing.assert_allclose(duality, 2 * np.pi * np.eye(len(shape)), atol=1e-12)
    volumes = abs(np.linalg.det(axes)) * np.prod(shape) * abs(np.linalg.det(steps))
    assert volumes == pytest.approx((2 * np.pi) ** len(shape))


def test_more_pixels_of_the_same_pattern_make_smaller_voxels():
    steps = 1e6 * np.random.default_rng(1).normal(size=(3, 3))
    np.testing.assert_allclose(
        voxel_axes(steps, (10, 10, 20))[2], voxel_axes(steps, (10, 10, 10))[2] / 2
    )


def test_planes_are_half_a_period_of_the_pattern_apart():
    steps, shape = 1e6 * np.random.default_rng(2).normal(size=(3, 3)), (8, 9, 10)
    reach = np.array(shape) * np.linalg.norm(steps, axis=1) / 2
    np.testing.assert_allclose(plane_spacings(voxel_axes(steps, shape)), np.pi / reach)


def test_steps_in_one_plane_are_refused():
    with pytest.raises(ValueError, match=r"steps=.* is singular; give 3 linearly independent"):
        voxel_axes([[1, 0, 0], [0, 1, 0], [1, 1, 0]], (8, 8, 8))
    with pytest.raises(ValueError, match=r"shape=\(8, 0, 8\) is not valid"):
        voxel_axes(np.eye(3), (8, 0, 8))


def test_steps_in_another_unit_than_radians_per_metre_get_a_word():
    steps = 1e6 * np.eye(3)
    assert voxel_axes(steps, (32, 48, 48)).max() < 1e-6
    with pytest.warns(UserWarning, match="voxels of steps are 196 m apart; give steps in radians"):
        voxel_axes(steps / 1e9, (32, 48, 48))
