import numpy as np
import pytest

from skpr import FourierMagnitude, ShiftFlipAugmenter
from skpr.augmentation import RandomDeformation, draw_elements, frame
from skpr.metrics import relative_error
from skpr.symmetry import content_box
from tests.conftest import random_objects, relative_difference, tolerance


def test_magnitudes_are_kept(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    augmenter = ShiftFlipAugmenter(random_phase=True, boundary=boundary, random_state=0)
    moved = augmenter.fit_transform(x)
    magnitude = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit(x)
    assert not np.array_equal(moved, x)
    assert relative_difference(magnitude.transform(moved), magnitude.transform(x)) < tolerance(dtype) / 10


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
        x, max_shift=0, flip_probability=probability, random_phase=False, boundary="circular", random_state=0
    )
    assert abs(int(element.flip.sum()) - expected) <= (0 if probability in (0, 1) else 40)


def test_frame_puts_the_object_in_the_middle():
    framed = ShiftFlipAugmenter(max_shift=0, flip_probability=0, frame_shape=42).fit_transform(np.ones((1, 28, 28)))
    assert framed.shape == (1, 42, 42)
    np.testing.assert_array_equal(framed, np.pad(np.ones((1, 28, 28)), ((0, 0), (7, 7), (7, 7))))
    np.testing.assert_array_equal(frame(np.ones((1, 2)), (2,)), np.ones((1, 2)))


def test_an_integer_seed_repeats_and_a_generator_goes_on():
    x = random_objects((8, 8), "float32")
    seeded = ShiftFlipAugmenter(random_state=3).fit(x)
    np.testing.assert_array_equal(seeded.transform(x), seeded.transform(x))
    running = ShiftFlipAugmenter(random_state=np.random.RandomState(3)).fit(x)
    first, second = running.transform(x), running.transform(x)
    np.testing.assert_array_equal(first, seeded.transform(x))
    assert not np.array_equal(first, second)


def test_real_objects_get_random_signs_and_complex_ones_random_phases():
    x = np.ones((50, 4))
    signs = ShiftFlipAugmenter(random_phase=True, random_state=0).fit_transform(x)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    phases = ShiftFlipAugmenter(random_phase=True, random_state=0).fit_transform(x.astype(complex))
    np.testing.assert_allclose(np.abs(phases), 1)
    assert np.ptp(np.angle(phases[:, 0])) > 5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_shift": -1}, "max_shift=-1 is not valid; give an integer >= 0 or None"),
        ({"max_shift": 1.5}, "max_shift=1.5 is not valid"),
        ({"flip_probability": 2}, "flip_probability=2 is not valid; give a number from 0 to 1"),
        ({"frame_shape": 3}, r"frame_shape=3 does not hold objects of shape \(4, 4\)"),
        ({"boundary": "open"}, "boundary='open' is not valid; choose 'zero' or 'circular'"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        ShiftFlipAugmenter(**parameters).fit(np.ones((2, 4, 4)))


def blob(shape):
    """A smooth object inside its frame, with no symmetry."""
    r = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    return np.exp(-8 * sum((x - 0.2 * k / (k + 1)) ** 2 * (1 + k) for k, x in enumerate(r)))[None]


@pytest.mark.parametrize("shape", [(40,), (28, 31), (13, 12, 14)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_deformed_objects_are_new_but_near(shape, dtype):
    x = np.repeat(blob(shape), 20, axis=0).astype(dtype)
    if x.dtype.kind == "c":
        x = x * np.exp(2j * x).astype(dtype)
    deformed = RandomDeformation(probability=1, random_state=0).fit_transform(x)
    assert deformed.dtype == x.dtype
    errors = relative_error(x, deformed, multioutput="raw_values")
    assert (errors > 1e-6).all()
    assert errors.mean() < 0.05
    assert np.ptp([np.abs(one).sum() for one in deformed]) > 0


@pytest.mark.parametrize("shape", [(9,), (8, 7), (4, 5, 6)])
def test_no_deformation_is_the_identity(shape):
    x = random_objects(shape, "float64")
    still = RandomDeformation(0, 0, 0, 0, probability=1).fit_transform(x)
    np.testing.assert_allclose(still, x, atol=1e-12)
    np.testing.assert_array_equal(RandomDeformation(probability=0).fit_transform(x), x)


def test_a_turn_turns_in_pixels_about_the_middle():
    x = np.zeros((1, 21, 41))
    x[0, 10, 30] = 1  # ten pixels from the middle along the longer axis
    turned = RandomDeformation(rotation=90, scale=0, shear=0, bend=0, probability=1, random_state=0).fit_transform(
        np.repeat(x, 50, axis=0)
    )
    where = np.stack(np.meshgrid(np.arange(21) - 10, np.arange(41) - 20, indexing="ij"))
    reach = np.sqrt((where**2).sum(axis=0))
    mean_reach = (turned * reach).sum(axis=(1, 2)) / turned.sum(axis=(1, 2))
    np.testing.assert_allclose(mean_reach, 10, atol=0.5)
    rows = (turned * where[0]).sum(axis=(1, 2)) / turned.sum(axis=(1, 2))
    assert rows.min() < -8
    assert rows.max() > 8


def test_deformations_come_as_often_as_asked_and_repeat():
    x = random_objects((8, 8), "float32", n_samples=400)
    deformation = RandomDeformation(probability=0.6, random_state=0).fit(x)
    deformed = deformation.transform(x)
    assert abs((deformed != x).any(axis=(1, 2)).mean() - 0.6) < 0.1
    np.testing.assert_array_equal(deformation.transform(x), deformed)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rotation": -1}, "rotation=-1 is not valid; give a number >= 0"),
        ({"bend": np.nan}, "bend=nan is not valid; give a number >= 0"),
        ({"scale": "little"}, "scale='little' is not valid; give a number >= 0"),
        ({"probability": 2}, "probability=2 is not valid; give a number from 0 to 1"),
    ],
)
def test_bad_deformations_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        RandomDeformation(**parameters).fit(np.ones((2, 4, 4)))
