import numpy as np
import pytest
import torch

from skpr.laboratory._checks import check_axes, check_direction, check_sizes, check_vector


@pytest.mark.parametrize(
    "value", [(1, 2), (0, 0, 0), (1, np.nan, 0), (1, np.inf, 0), "up", None, (1j, 0, 0), ((1, 2),)]
)
def test_vectors_are_three_finite_numbers_that_are_not_all_zero(value):
    with pytest.raises(ValueError, match=r"beam=.* is not valid; give 3 finite numbers"):
        check_vector("beam", value)


def test_directions_have_unit_length_however_long_they_came():
    for scale in (1e-200, 1.0, 1e200):
        np.testing.assert_allclose(
            check_direction("beam", (3 * scale, 0, 4 * scale)), (0.6, 0, 0.8)
        )
    assert check_direction("beam", torch.tensor([0, 2, 0]))[1] == 1


@pytest.mark.parametrize(
    "value", [np.eye(2), np.ones(3), np.full((3, 3), np.nan), "axes", [[1], [2, 3], [4]]]
)
def test_axes_are_a_square_of_finite_numbers(value):
    with pytest.raises(ValueError, match=r"axes=.* is not valid; give 3 vectors of 3 finite"):
        check_axes("axes", value)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e12])
def test_axes_in_one_plane_are_singular_in_any_unit(scale):
    flat = scale * np.array([[1, 0, 1], [0, 1, 1], [1, 1, 2]])
    with pytest.raises(ValueError, match=r"axes=.* is singular; give 3 linearly independent"):
        check_axes("axes", flat)
    with pytest.raises(ValueError, match="singular"):
        check_axes("axes", np.zeros((3, 3)))
    oblique = scale * np.array([[1, 0, 0], [5, 1, 0], [0, 5, 1]])
    np.testing.assert_array_equal(check_axes("axes", oblique), oblique)


@pytest.mark.parametrize("value", [0, -1e-9, np.nan, (1e-9, 1e-9, 0), "5 nm"])
def test_sizes_are_positive(value):
    with pytest.raises(ValueError, match=r"voxel_size=.* is not valid; give metres > 0"):
        check_sizes("voxel_size", value)


def test_there_is_a_size_for_each_axis():
    with pytest.raises(ValueError, match=r"voxel_size=\(1, 2\) is not valid; .* each of 3 axes"):
        check_sizes("voxel_size", (1, 2))


@pytest.mark.parametrize("value", [np.full(2, 5e-9), torch.full((2,), 5e-9), [5e-9, 5e-9], 5e-9])
def test_sizes_come_from_any_container(value):
    assert check_sizes("voxel_size", value, 2) == pytest.approx((5e-9, 5e-9))


@pytest.mark.parametrize("value", [((1, 2), 3), np.ones((2, 2)), "ab"], ids=str)
def test_sizes_of_another_form_are_refused(value):
    with pytest.raises(ValueError, match="voxel_size=.* is not valid; give"):
        check_sizes("voxel_size", value, 2)
