"""Supports from the measurement, and shrinkwrap."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skpr.iterative._supports import autocorrelation_boxes, placed_boxes, shrinkwrap
from skpr.symmetry import content_box
from tests.conftest import random_objects


def test_autocorrelation_gives_the_extent_of_non_negative_objects(object_shape):
    objects = random_objects(object_shape, "float64")
    axes = tuple(range(1, objects.ndim))
    grid = tuple(2 * n for n in object_shape)
    magnitudes = torch.from_numpy(np.abs(np.fft.fftn(objects, s=grid, axes=axes)))
    sizes = autocorrelation_boxes(magnitudes, object_shape, 1e-9)
    assert np.array_equal(sizes.numpy(), content_box(objects)[1])


def test_boxes_lie_where_the_content_is(object_shape):
    objects = random_objects(object_shape, "float64")
    sizes = torch.from_numpy(content_box(objects)[1])
    mask = placed_boxes(sizes, object_shape, torch.from_numpy(objects)).numpy()
    assert not objects[~mask].any()
    assert np.array_equal(mask.reshape(len(mask), -1).sum(axis=1), sizes.prod(dim=1).numpy())


def test_boxes_without_content_lie_in_the_middle():
    mask = placed_boxes(torch.tensor([[2, 3]]), (6, 7))
    assert np.argwhere(mask[0].numpy()).min(axis=0).tolist() == [2, 2]
    assert mask.sum() == 6


@pytest.mark.parametrize("shape", [(20,), (20, 21), (12, 13, 14)], ids=str)
def test_shrinkwrap_is_a_threshold_on_a_gaussian_blur(shape):
    objects = random_objects(shape, "float64", 3)
    found = shrinkwrap(torch.from_numpy(objects), 1.0, 0.2).numpy()
    blurred = np.array([gaussian_filter(x, 1.0, mode="constant", truncate=3.0) for x in objects])
    axes = tuple(range(1, objects.ndim))
    level = 0.2 * blurred.max(axis=axes, keepdims=True)
    decided = np.abs(blurred - level) > 1e-9
    assert np.array_equal(found[decided], (blurred > level)[decided])


def test_a_higher_threshold_makes_a_smaller_support():
    objects = torch.from_numpy(random_objects((20, 20), "float64", 4))
    loose, tight = (shrinkwrap(objects, 1.5, threshold) for threshold in (0.05, 0.4))
    assert (tight <= loose).all()
    assert tight.sum() < loose.sum()


def test_an_autocorrelation_that_wraps_does_not_cut_the_object():
    objects = np.random.default_rng(0).uniform(0.5, 1, size=(3, 8, 8))
    magnitudes = torch.from_numpy(np.abs(np.fft.fft2(objects, s=(12, 12))))
    assert (autocorrelation_boxes(magnitudes, (8, 8), 1e-9) == 8).all()
