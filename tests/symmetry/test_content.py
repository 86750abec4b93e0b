import numpy as np
import pytest
import torch

from skpr import ShiftFlipAugmenter
from skpr.augmentation import draw_elements
from skpr.datasets import load_digit_objects, make_crystals
from skpr.symmetry import (
    act,
    background_level,
    content_box,
    shift,
    without_background,
)
from tests.symmetry.conftest import bright_objects, noise

SHAPES = [(40,), (24, 20), (12, 10, 14)]


def ramp(objects):
    return np.broadcast_to(
        np.linspace(0, 2, objects.shape[1]).reshape([-1] + [1] * (objects.ndim - 2)), objects.shape
    )


BACKGROUNDS = {
    "noise": noise,
    "clipped noise": lambda x: noise(x).real.clip(0),
    "pedestal": np.ones_like,
    "negative pedestal": lambda x: -np.ones_like(x),
    "ramp": ramp,
}


@pytest.mark.parametrize(
    "objects",
    [
        load_digit_objects().data,
        shift(load_digit_objects().data, [-1, -1]),
        ShiftFlipAugmenter(frame_shape=18, random_state=0).fit_transform(
            load_digit_objects().data[:300]
        ),
        make_crystals(60, shape=(20, 20), max_phase=2.0, random_state=0).data,
        make_crystals(200, shape=(32,), random_state=0).data,
        np.pad(make_crystals(60, shape=(16, 16), random_state=0).data, ((0, 0), (0, 8), (0, 8))),
        np.zeros((3, 8, 8)),
        np.eye(20)[:, None] * np.eye(20)[:, :, None],
    ],
    ids=["tight digits", "cut digits", "digits", "crystals", "1-D", "corner", "empty", "points"],
)
def test_objects_in_exact_darkness_are_left_alone(objects):
    assert background_level(objects) == 0.0
    np.testing.assert_array_equal(without_background(objects), objects)
    for found, expected in zip(
        content_box(objects), content_box(objects, background=0), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("structure", BACKGROUNDS)
def test_the_box_is_that_in_darkness_whatever_the_background(shape, dtype, structure):
    objects = bright_objects(shape, dtype)
    for level in (1e-12, 1e-9, 1e-4, 1e-2):
        found = objects + level * BACKGROUNDS[structure](objects)
        assert 0 < background_level(found) < 3 * level
        starts, sizes = content_box(found)
        same = (starts == content_box(objects)[0]).all(axis=1) & (
            sizes == content_box(objects)[1]
        ).all(axis=1)
        assert same.mean() > 0.9


@pytest.mark.parametrize("brightness", [1, 5])
def test_a_hot_pixel_is_no_content(brightness):
    objects = bright_objects((24, 24))
    noisy = objects + 1e-2 * noise(objects)
    starts, sizes = content_box(objects)
    for sample, start, size in zip(noisy, starts, sizes, strict=True):
        far = np.where(start > 12 - size / 2, 1, 22)
        sample[tuple(far)] = brightness
    assert background_level(noisy) == pytest.approx(1e-2, rel=0.3)
    np.testing.assert_array_equal(content_box(noisy)[1], sizes)


def test_objects_of_single_bright_pixels_are_found_above_a_background():
    objects = np.zeros((30, 20, 20))
    objects[:, 5, 6] = objects[:, 9, 12] = 1
    starts, sizes = content_box(objects + 1e-4 * noise(objects))
    np.testing.assert_array_equal(starts, np.tile([5, 6], (30, 1)))
    np.testing.assert_array_equal(sizes, np.tile([5, 7], (30, 1)))


def test_content_leaves_out_at_most_one_percent_of_the_energy_on_each_side():
    objects = bright_objects((24, 24)) + 0.05 * noise(np.zeros((24, 24, 24)))
    kept = without_background(objects, 0.05)
    strong = np.where(
        np.abs(objects) > 0.2 * np.abs(objects).max(axis=(1, 2), keepdims=True), objects, 0
    )
    energy = [(x**2).sum(axis=(1, 2)) for x in (kept, strong)]
    assert (energy[0] >= 0.95 * energy[1]).all()
    assert ((kept == objects) | (kept == 0)).all()


def test_tensors_and_files_are_read_as_arrays_are(tmp_path):
    objects = (bright_objects((16, 16)) + 1e-3).astype(np.float32)
    np.save(tmp_path / "objects.npy", objects)
    on_disk = np.load(tmp_path / "objects.npy", mmap_mode="r")
    tensor = torch.from_numpy(objects).requires_grad_()
    assert isinstance(without_background(tensor), torch.Tensor)
    for batch in (on_disk, tensor):
        assert background_level(batch) == background_level(objects)
        np.testing.assert_array_equal(content_box(batch)[0], content_box(objects)[0])
    np.testing.assert_array_equal(
        np.asarray(without_background(on_disk)), without_background(objects)
    )


def test_content_moves_with_the_object(object_shape, dtype):
    objects = bright_objects(object_shape, dtype).astype(dtype)
    noisy = (objects + 1e-2 * noise(objects)).astype(dtype)
    element = draw_elements(
        objects,
        max_shift=None,
        flip_probability=0.5,
        random_phase=False,
        boundary="zero",
        random_state=0,
    )
    level = background_level(noisy)
    moved = without_background(act(noisy, element), level)
    same = [
        np.array_equal(a, b)
        for a, b in zip(moved, act(without_background(noisy, level), element), strict=True)
    ]
    assert np.mean(same) > 0.9
