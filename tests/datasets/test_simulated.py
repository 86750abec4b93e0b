import numpy as np
import pytest

from skpr.datasets import make_cells, make_crystals
from skpr.symmetry import content_box

MAKERS = [make_crystals, make_cells]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("shape", [(40,), (32, 40), (20, 24, 28)])
def test_objects_lie_inside_a_dark_frame_at_random_places(make, shape):
    objects = make(40, shape=shape, random_state=0).data
    assert objects.shape == (40, *shape)
    assert objects.dtype == np.float32
    assert objects.min() == 0
    assert objects.max() <= 1
    starts, sizes = content_box(objects)
    assert (starts > 0).all()
    assert (starts + sizes < np.array(shape)).all()
    assert (sizes > 2).all()
    assert (np.ptp(starts, axis=0) > 3).all()


@pytest.mark.parametrize("make", MAKERS)
def test_seeds_repeat_and_objects_differ(make):
    first, second, other = (make(3, random_state=seed).data for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_crystals_have_the_phase_asked_for():
    crystals = make_crystals(20, max_phase=2.0, random_state=0).data
    assert crystals.dtype == np.complex64
    inside = np.abs(crystals) > 0
    largest = np.abs(np.angle(crystals[inside])).max()
    assert 0.5 < largest <= 2.0
    assert (
        make_crystals(1, max_phase=1, dtype=np.float64, random_state=0).data.dtype == np.complex128
    )
    # smooth: neighbours inside differ by little
    step = np.angle(crystals[:, 1:] * crystals[:, :-1].conj())
    assert np.abs(step[inside[:, 1:] & inside[:, :-1]]).max() < 0.8


def test_crystals_are_facets_of_uniform_density():
    crystals = make_crystals(20, random_state=0).data
    assert np.mean(crystals[crystals > 0] == 1) > 0.7


def test_cells_have_a_nucleus_denser_than_their_body():
    cells = make_cells(20, random_state=0).data
    bright = np.array([np.mean(cell[cell > 0] > 0.6) for cell in cells])
    assert ((bright > 0.01) & (bright < 0.6)).all()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples=0 is not valid; give an integer >= 1"),
        ({"shape": (4, 64)}, r"shape=\(4, 64\) is not valid; give one to three integers >= 8"),
        ({"shape": (8, 8, 8, 8)}, "give one to three integers"),
        (
            {"shape": 16},
            r"shape=16 is not valid; give one to three integers >= 8, \(16, 16\) for two axes",
        ),
        ({"shape": (16.0, 16)}, r"shape=\(16.0, 16\) is not valid; give one to three integers"),
        ({"n_samples": 10.0}, "n_samples=10.0 is not valid; give an integer >= 1"),
        ({"return_X_y": "no"}, "return_X_y='no' is not valid; choose True or False"),
        ({"dtype": "int32"}, "dtype='int32' is not valid; choose numpy.float32 or numpy.float64"),
        (
            {"dtype": complex},
            "dtype=complex is not valid; choose numpy.float32 or numpy.float64",
        ),
    ],
)
def test_bad_arguments_are_named(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("max_phase", [-1, np.inf, np.nan, True, "2"])
def test_phases_that_are_no_angles_are_named(max_phase):
    with pytest.raises(
        ValueError, match=f"max_phase={max_phase!r} is not valid; give radians >= 0"
    ):
        make_crystals(1, max_phase=max_phase)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("shape", [(8,), (8, 8), (9, 40), (8, 8, 9)])
def test_no_object_is_empty_however_small_its_frame(make, shape):
    objects = make(200, shape=np.array(shape), random_state=0).data
    assert (np.abs(objects).max(axis=tuple(range(1, objects.ndim))) > 0).all()
