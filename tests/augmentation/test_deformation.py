import numpy as np
import pytest

from skpr.augmentation import RandomDeformation
from skpr.metrics import relative_error
from tests.conftest import random_objects


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
    turned = RandomDeformation(
        rotation=90, scale=0, shear=0, bend=0, probability=1, random_state=0
    ).fit_transform(np.repeat(x, 50, axis=0))
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
        ({"shear": True}, "shear=True is not valid; give a number >= 0"),
        ({"probability": None}, "probability=None is not valid; give a number from 0 to 1"),
        ({"random_state": 1.5}, "1.5 cannot be used to seed"),
    ],
)
def test_bad_deformations_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        RandomDeformation(**parameters).fit(np.ones((2, 4, 4)))
