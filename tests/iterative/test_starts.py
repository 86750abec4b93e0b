import numpy as np
import pytest
import torch

from skpr.iterative import combine_starts
from skpr.symmetry import GroupElement, act

SHAPES = [(9,), (7, 8), (5, 6, 4)]


def starts_of(shape, *, is_complex, n_samples=3, n_starts=4, seed=0):
    """Noisy members of the orbits of random objects off the middle, and their errors."""
    rng = np.random.default_rng(seed)
    inner = tuple(n - 2 for n in shape)

    def drawn(*more):
        values = rng.random((*more, *inner))
        return values + 1j * rng.random((*more, *inner)) if is_complex else values

    objects = drawn(n_samples)[:, None] + 0.05 * drawn(n_samples, n_starts)
    framed = np.zeros((n_samples, n_starts, *shape), objects.dtype)
    framed[(slice(None), slice(None), *(slice(1, n - 1) for n in shape))] = objects
    return framed, rng.random((n_samples, n_starts))


def on_orbit(starts, *, shift, flip):
    """The starts, all but the first of each pattern moved on their orbits."""
    n_axes = starts.ndim - 2
    moved = starts.copy()
    for number in range(1, starts.shape[1]):
        n = len(starts)
        element = GroupElement(
            shift=np.full((n, n_axes), shift * (-1) ** number),
            flip=np.full(n, flip and number % 2 == 1),
            phase=np.ones(n),
        )
        moved[:, number] = act(starts[:, number], element)
    return moved


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(("shift", "flip"), [(1, False), (0, True), (1, True)])
def test_statistics_do_not_depend_on_where_the_other_starts_are(shape, is_complex, shift, flip):
    starts, errors = starts_of(shape, is_complex=is_complex)
    errors[:, 0] = 0.0
    moved = on_orbit(starts, shift=shift, flip=flip)
    assert not np.allclose(moved, starts)
    expected, found = combine_starts(starts, errors), combine_starts(moved, errors)
    for name in ("best", "mean", "spread", "registered"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-12)
    # noise turns the phase of a complex start a little, and registration turns it back
    tolerance = 0.01 if is_complex else 1e-7
    np.testing.assert_allclose(found.mean, starts.mean(axis=1), atol=tolerance)
    np.testing.assert_allclose(found.spread, starts.std(axis=1), atol=tolerance)


def test_phases_of_complex_starts_are_registered():
    starts, errors = starts_of((7, 8), is_complex=True)
    errors[:, 0] = 0.0
    turned = starts * np.exp(1j * np.arange(4))[None, :, None, None]
    expected = combine_starts(starts, errors)
    np.testing.assert_allclose(combine_starts(turned, errors).mean, expected.mean, atol=0.02)
    assert combine_starts(turned, errors).spread.max() < 0.1 < np.abs(turned.std(axis=1)).max()


@pytest.mark.parametrize("is_complex", [False, True])
def test_a_mirrored_best_start_mirrors_the_statistics(is_complex):
    starts, errors = starts_of((7, 8), is_complex=is_complex)
    mirrored = starts[:, :, ::-1, ::-1].conj()
    expected, found = combine_starts(starts, errors), combine_starts(mirrored, errors)
    np.testing.assert_allclose(found.mean, expected.mean[:, ::-1, ::-1].conj(), atol=1e-12)
    np.testing.assert_allclose(found.spread, expected.spread[:, ::-1, ::-1], atol=1e-12)


def test_the_best_start_is_the_one_with_the_smallest_error():
    starts, errors = starts_of((7, 8), is_complex=False)
    found = combine_starts(starts, errors)
    np.testing.assert_array_equal(found.best, starts[np.arange(3), errors.argmin(axis=1)])


def test_only_the_best_and_finished_starts_enter_the_mean():
    starts, errors = starts_of((7, 8), is_complex=False)
    errors[:] = [0.1, 0.2, np.nan, 0.3]
    finished = combine_starts(starts, errors)
    np.testing.assert_allclose(finished.mean, starts[:, [0, 1, 3]].mean(axis=1), atol=1e-12)
    two = combine_starts(starts, errors, n_best=2)
    np.testing.assert_allclose(two.mean, starts[:, :2].mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(two.spread, starts[:, :2].std(axis=1), atol=1e-7)
    many = combine_starts(starts, errors, n_best=9)
    np.testing.assert_allclose(many.mean, finished.mean)


def test_results_do_not_depend_on_the_rest_of_the_batch():
    starts, errors = starts_of((7, 8), is_complex=True)
    together, alone = combine_starts(starts, errors), combine_starts(starts[1:2], errors[1:2])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one[1:2], other, atol=1e-12)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_units_scale_the_statistics(unit):
    starts, errors = starts_of((7, 8), is_complex=False)
    expected = combine_starts(starts.astype(np.float32), errors)
    found = combine_starts((starts * unit).astype(np.float32), errors)
    for name in ("best", "mean", "spread"):
        values = getattr(found, name)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values / np.float32(unit), getattr(expected, name), atol=1e-5)


def test_tensors_come_back_as_tensors():
    starts, errors = starts_of((7, 8), is_complex=True)
    found = combine_starts(torch.as_tensor(starts), torch.as_tensor(errors))
    assert all(isinstance(part, torch.Tensor) for part in found)
    np.testing.assert_allclose(found.mean.numpy(), combine_starts(starts, errors).mean)


def test_circular_shifts_are_registered_where_they_wrap():
    starts, errors = starts_of((8,), is_complex=False)
    errors[:, 0] = 0.0
    moved = starts.copy()
    moved[:, 1:] = np.roll(moved[:, 1:], 3, axis=2)
    found = combine_starts(moved, errors, boundary="circular")
    np.testing.assert_allclose(found.mean, starts.mean(axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("starts", "errors", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), "starts have shape .2, 3."),
        (np.ones((2, 3, 4)), np.ones(2), "do not fit starts of 2 patterns with 3 starts each"),
        (np.ones((2, 3, 4)), -np.ones((2, 3)), "one error >= 0 for each start"),
        (np.ones((1, 2, 4)), np.full((1, 2), np.nan), "errors are all NaN for pattern 0"),
        (np.full((1, 2, 4), np.nan), np.ones((1, 2)), "starts contains NaN"),
        ([np.ones((2, 3, 4)), np.ones(2)], np.ones((2, 3)), "are not one array; give .*.starts$"),
    ],
)
def test_wrong_input_is_refused(starts, errors, message):
    with pytest.raises(ValueError, match=message):
        combine_starts(starts, errors)


def test_a_wrong_number_of_starts_is_refused():
    with pytest.raises(ValueError, match="n_best=0"):
        combine_starts(np.ones((2, 3, 4)), np.ones((2, 3)), n_best=0)


def test_a_default_device_of_the_user_does_not_matter():
    starts = np.random.default_rng(0).random((2, 3, 6))
    expected = combine_starts(starts, np.ones((2, 3)))
    with torch.device("meta"):
        found = combine_starts(starts, np.ones((2, 3)))
    np.testing.assert_array_equal(found.mean, expected.mean)
