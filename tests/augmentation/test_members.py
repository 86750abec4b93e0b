import numpy as np
import pytest
import torch
from sklearn.utils import check_random_state

from skpr import FourierMagnitude, LazyBatch, ShiftFlipAugmenter
from skpr.augmentation import RandomDeformation, draw_elements, frame
from skpr.datasets import load_digit_objects
from skpr.symmetry import content_box
from tests.conftest import random_objects, relative_difference, tolerance


def test_magnitudes_are_kept(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    augmenter = ShiftFlipAugmenter(random_phase=True, boundary=boundary, random_state=0)
    moved = augmenter.fit_transform(x)
    magnitude = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit(x)
    assert not np.array_equal(moved, x)
    assert (
        relative_difference(magnitude.transform(moved), magnitude.transform(x))
        < tolerance(dtype) / 10
    )


def test_all_places_inside_the_frame_are_reached():
    x = np.zeros((600, 5, 6))
    x[:, 1:3, 2:4] = [[1, 2], [3, 4]]
    moved = ShiftFlipAugmenter(random_state=0).fit_transform(x)
    starts, sizes = content_box(moved)
    assert (sizes == 2).all()
    assert {tuple(s) for s in starts} == {(i, j) for i in range(4) for j in range(5)}


def test_max_shift_bounds_the_displacement():
    x = np.zeros((200, 11))
    x[:, 5] = 1
    moved = ShiftFlipAugmenter(max_shift=2, random_state=0).fit_transform(x)
    assert set(moved.argmax(axis=1)) == {3, 4, 5, 6, 7}


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0), (1.0, 400), (0.5, 200)])
def test_flips_come_as_often_as_asked(probability, expected):
    x = random_objects((7,), "float64", n_samples=400)
    element = draw_elements(
        x,
        max_shift=0,
        flip_probability=probability,
        random_phase=False,
        boundary="circular",
        random_state=0,
    )
    assert abs(int(element.flip.sum()) - expected) <= (0 if probability in (0, 1) else 40)


def test_an_integer_seed_repeats_and_a_generator_goes_on():
    x = random_objects((8, 8), "float32")
    seeded = ShiftFlipAugmenter(random_state=3).fit(x)
    np.testing.assert_array_equal(seeded.transform(x), seeded.transform(x))
    running = ShiftFlipAugmenter(random_state=check_random_state(3)).fit(x)
    first, second = running.transform(x), running.transform(x)
    np.testing.assert_array_equal(first, seeded.transform(x))
    assert not np.array_equal(first, second)


def test_real_objects_get_random_signs_and_complex_ones_random_phases():
    x = np.ones((50, 4))
    signs = ShiftFlipAugmenter(max_shift=0, random_phase=True, random_state=0).fit_transform(x)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    phases = ShiftFlipAugmenter(0, random_phase=True, random_state=0).fit_transform(
        x.astype(complex)
    )
    np.testing.assert_allclose(np.abs(phases), 1)
    assert np.ptp(np.angle(phases[:, 0])) > 5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_shift": -1}, "max_shift=-1 is not valid; give an integer >= 0 or None"),
        ({"max_shift": 1.5}, "max_shift=1.5 is not valid"),
        ({"flip_probability": 2}, "flip_probability=2 is not valid; give a number from 0 to 1"),
        ({"max_shift": True}, "max_shift=True is not valid"),
        (
            {"frame_shape": (24.7, 24)},
            r"frame_shape=\(24.7, 24\) is not valid; give an integer >= 1",
        ),
        (
            {"frame_shape": 24.0},
            "frame_shape=24.0 is not valid; give an integer >= 1, or one for each of 2 axes",
        ),
        ({"frame_shape": 3}, r"frame_shape=3 does not hold objects of shape \(4, 4\)"),
        ({"boundary": "open"}, "boundary='open' is not valid; choose 'auto', 'zero' or 'circular'"),
        ({"boundary": ("zero",)}, r"boundary=\('zero',\) has 1 entries for objects with 2 axes"),
        (
            {"background": 1},
            "background=1 is not valid; give 'auto' or a fraction of the maximum from 0 to below "
            "0.25",
        ),
        ({"max_shift": True}, "max_shift=True is not valid; give an integer >= 0 or None"),
        (
            {"flip_probability": True},
            "flip_probability=True is not valid; give a number from 0 to 1",
        ),
        ({"random_phase": "no"}, "random_phase='no' is not valid; choose True or False"),
        ({"random_state": "seed"}, "'seed' cannot be used to seed"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        ShiftFlipAugmenter(**parameters).fit(np.ones((2, 4, 4)))


@pytest.mark.parametrize("level", [1e-12, 1e-9, 1e-2])
def test_objects_on_a_background_are_shifted_as_in_the_dark(level):
    objects = frame(load_digit_objects().data[:200].astype(float), 24)
    noisy = objects + level * np.random.default_rng(0).standard_normal(objects.shape)
    augmenter = ShiftFlipAugmenter(random_state=0).fit(noisy)
    assert augmenter.background_ == pytest.approx(level / objects.max(axis=(1, 2)).mean(), rel=0.5)
    boxes = [content_box(batch, level)[0] for batch in (augmenter.transform(noisy), noisy)]
    assert (boxes[0] != boxes[1]).any(axis=1).mean() > 0.9
    # what is lost is background
    energies = [
        (np.clip(batch - 5 * level, 0, None) ** 2).sum(axis=(1, 2))
        for batch in (objects, augmenter.transform(noisy))
    ]
    np.testing.assert_allclose(energies[1], energies[0], rtol=0.02 + 20 * level)


def test_a_noisy_object_keeps_its_background_in_a_larger_frame():
    x = np.ones((30, 6, 6)) + 0.1 * np.random.default_rng(0).standard_normal((30, 6, 6))
    augmenter = ShiftFlipAugmenter(frame_shape=12, random_state=0).fit(x)
    assert augmenter.background_ == 0
    np.testing.assert_allclose(
        (augmenter.transform(x) ** 2).sum(axis=(1, 2)), (x**2).sum(axis=(1, 2))
    )


def test_objects_that_fill_their_frame_are_named():
    x = np.random.default_rng(0).random((20, 8, 8))
    with pytest.warns(
        UserWarning, match=r"fill their frame.*boundary='circular'.*frame_shape=.*background="
    ):
        augmenter = ShiftFlipAugmenter(flip_probability=0).fit(x)
    np.testing.assert_array_equal(augmenter.transform(x), x)
    for parameters in (
        {"max_shift": 0},
        {"frame_shape": 12},
        {"boundary": "circular"},
        {"background": 0},
    ):
        ShiftFlipAugmenter(**parameters).fit(x)


def test_later_objects_on_a_brighter_background_are_named():
    objects = frame(load_digit_objects().data[:100].astype(float), 24)
    augmenter = ShiftFlipAugmenter(random_state=0).fit(objects)
    with pytest.warns(
        UserWarning,
        match="5 of 5 objects have a background of about .*ShiftFlipAugmenter was fitted",
    ):
        augmenter.transform(objects[:5] + 1e-3)


def test_batches_on_disk_are_augmented_as_in_memory(tmp_path):
    noisy = frame(load_digit_objects().data[:100], 24) + np.float32(1e-3)
    np.save(tmp_path / "objects.npy", noisy)
    augmenter = ShiftFlipAugmenter(random_state=0).fit(noisy)
    on_disk = ShiftFlipAugmenter(random_state=0).fit_transform(
        np.load(tmp_path / "objects.npy", mmap_mode="r")
    )
    assert isinstance(on_disk, LazyBatch)
    np.testing.assert_array_equal(np.asarray(on_disk), augmenter.transform(noisy))


@pytest.mark.parametrize("max_shift", [None, 2])
@pytest.mark.parametrize("boundary", [("circular", "zero"), ("zero", "circular")], ids="-".join)
def test_each_axis_has_its_own_boundary(boundary, max_shift):
    x = random_objects((8, 9), "float64", n_samples=100)
    x = np.roll(x, 5, axis=1 + boundary.index("circular"))
    augmenter = ShiftFlipAugmenter(max_shift, boundary=boundary, random_state=0).fit(x)
    grid = [n if wraps == "circular" else 2 * n for n, wraps in zip((8, 9), boundary, strict=True)]
    magnitude = FourierMagnitude(fourier_shape=grid).fit(x)
    assert (
        relative_difference(magnitude.transform(augmenter.transform(x)), magnitude.transform(x))
        < 1e-9
    )
    assert augmenter.boundary_ == boundary
    assert len(np.unique(np.argmax(augmenter.transform(x).sum(axis=2), axis=1))) > 4


def test_parameters_that_were_changed_after_the_fit_are_checked():
    x = np.pad(np.ones((2, 2, 2)), ((0, 0), (1, 1), (1, 1)))
    with pytest.raises(ValueError, match="max_shift=-1 is not valid"):
        ShiftFlipAugmenter().fit(x).set_params(max_shift=-1).transform(x)
    with pytest.raises(ValueError, match="bend='much' is not valid"):
        RandomDeformation().fit(x).set_params(bend="much").transform(x)


def test_functions_take_what_estimators_take():
    np.testing.assert_array_equal(frame([[1, 2]], np.int64(4)), [[0, 1, 2, 0]])
    element = draw_elements(
        [[0, 1, 0]],
        max_shift=None,
        flip_probability=0,
        random_phase=False,
        boundary="auto",
        random_state=0,
    )
    assert abs(element.shift[0, 0]) <= 1
    with pytest.raises(ValueError, match="frame_shape=3 does not hold objects of shape"):
        frame(np.ones((1, 4)), 3)


@pytest.mark.parametrize(
    "container", [np.ndarray.tolist, lambda x: list(torch.from_numpy(x)), lambda x: x.astype("u1")]
)
def test_functions_take_what_transformers_take(container):
    objects = np.array([[0.0, 1.0, 2.0, 0.0]])
    np.testing.assert_array_equal(np.asarray(frame(container(objects), (6,))), frame(objects, (6,)))
    draw = {
        "max_shift": 1,
        "flip_probability": 0.5,
        "random_phase": False,
        "boundary": "zero",
        "random_state": 3,
    }
    found, expected = draw_elements(container(objects), **draw), draw_elements(objects, **draw)
    np.testing.assert_array_equal(found.shift, expected.shift)
