"""Supports from the measurement, and shrinkwrap."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skpr import FourierMagnitude
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
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
    found = shrinkwrap(
        torch.from_numpy(objects), torch.ones(len(objects)), torch.full((len(objects),), 0.2)
    ).numpy()
    blurred = np.array([gaussian_filter(x, 1.0, mode="constant", truncate=3.0) for x in objects])
    axes = tuple(range(1, objects.ndim))
    level = 0.2 * blurred.max(axis=axes, keepdims=True)
    decided = np.abs(blurred - level) > 1e-9
    assert np.array_equal(found[decided], (blurred > level)[decided])


def test_every_sample_has_its_own_width_and_threshold():
    objects = torch.from_numpy(random_objects((20, 21), "float64", 3))
    sigma, threshold = torch.tensor([0.5, 1.0, 3.0]), torch.tensor([0.3, 0.1, 0.2])
    together = shrinkwrap(objects, sigma, threshold)
    for i in range(3):
        assert torch.equal(
            together[i : i + 1],
            shrinkwrap(objects[i : i + 1], sigma[i : i + 1], threshold[i : i + 1]),
        )


def test_a_higher_threshold_makes_a_smaller_support():
    objects = torch.from_numpy(random_objects((20, 20), "float64", 4))
    loose, tight = (
        shrinkwrap(objects, *torch.tensor([[1.5], [threshold]]).expand(2, len(objects)))
        for threshold in (0.05, 0.4)
    )
    assert (tight <= loose).all()
    assert tight.sum() < loose.sum()


def test_an_autocorrelation_that_wraps_does_not_cut_the_object():
    objects = np.random.default_rng(0).uniform(0.5, 1, size=(3, 8, 8))
    magnitudes = torch.from_numpy(np.abs(np.fft.fft2(objects, s=(12, 12))))
    assert (autocorrelation_boxes(magnitudes, (8, 8), 1e-9) == 8).all()


@pytest.mark.parametrize("n_photons", [1e4, 1e5, 1e6, 1e7])
@pytest.mark.parametrize("shape", [(32, 32), (24, 24, 24)], ids=str)
def test_noise_neither_fills_nor_empties_the_boxes(shape, n_photons):
    objects = make_crystals(6, shape=shape, random_state=0).data
    magnitudes = FourierMagnitude(centered=False).fit_transform(objects)
    measured = torch.from_numpy(PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes))
    excess = autocorrelation_boxes(measured, shape).numpy() - content_box(objects)[1]
    assert excess.min() >= -2
    assert np.median(excess) <= 3


def test_objects_that_fill_their_frame_keep_it_whatever_the_noise():
    objects = np.random.default_rng(0).random((6, 24, 24)) + 0.2
    for fourier_shape in ((48, 48), (47, 47)):
        magnitudes = FourierMagnitude(fourier_shape=fourier_shape, centered=False).fit_transform(
            objects
        )
        for measured in (magnitudes, PhotonNoise(1e5, random_state=0).fit_transform(magnitudes)):
            assert (autocorrelation_boxes(torch.from_numpy(measured), (24, 24)) == 24).all()
