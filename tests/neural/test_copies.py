import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.neural._copies import cube_group, turned


@pytest.mark.parametrize(
    ("object_shape", "fourier_shape", "n_elements"),
    [
        ((4,), (8,), 2),
        ((4, 4), (8, 8), 8),
        ((4, 4), (8, 9), 4),
        ((4, 5), (8, 8), 4),
        ((3, 3, 3), (6, 6, 6), 48),
        ((3, 4, 3), (6, 6, 6), 16),
    ],
)
def test_only_equal_axes_are_exchanged(object_shape, fourier_shape, n_elements):
    group = cube_group(object_shape, fourier_shape)
    assert len(set(group)) == n_elements


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(
    ("object_shape", "fourier_shape"), [((5,), (9,)), ((4, 4), (9, 9)), ((3, 3, 3), (6, 6, 6))]
)
def test_magnitudes_of_a_turned_object_are_the_turned_magnitudes(
    centered, object_shape, fourier_shape
):
    objects = torch.rand(2, *object_shape, dtype=torch.complex128)
    simulate = FourierMagnitude(fourier_shape=fourier_shape, centered=centered).fit(objects)
    magnitudes = simulate.transform(objects)
    for element in cube_group(object_shape, fourier_shape):
        np.testing.assert_allclose(
            simulate.transform(turned(objects, element)),
            turned(magnitudes, element, spectrum=True, centered=centered),
            atol=1e-12,
        )


@pytest.mark.parametrize("shape", [(5,), (4, 4), (3, 3, 3)])
@pytest.mark.parametrize("spectrum", [True, False])
def test_turning_back_undoes_turning(shape, spectrum):
    batch = torch.rand(2, *shape)
    for element in cube_group(shape, shape):
        there = turned(batch, element, spectrum=spectrum)
        back = turned(there, element, spectrum=spectrum, back=True)
        torch.testing.assert_close(back, batch)
