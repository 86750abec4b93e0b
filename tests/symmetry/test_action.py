import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skpr import FourierMagnitude, LazyBatch
from skpr.symmetry import GroupElement, act, flip, invert, register, rotate_phase, shift
from tests.conftest import random_members, random_objects, relative_difference, tolerance


def test_magnitudes_do_not_change_along_the_orbit(object_shape, dtype, boundary):
    x = random_objects(object_shape, dtype, boundary=boundary)
    moved = random_members(x, boundary)
    magnitude = FourierMagnitude(oversampling=2 if boundary == "zero" else 1).fit(x)
    assert not np.array_equal(moved, x)
    assert (
        relative_difference(magnitude.transform(moved), magnitude.transform(x))
        < tolerance(dtype) / 10
    )


def test_shift_moves_content_and_fills_with_zeros():
    x = np.arange(1.0, 7.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(shift(x, [1, -1]), [[[0, 0, 0], [2, 3, 0]]])
    np.testing.assert_array_equal(shift(x, [[1, -1]], "circular"), np.roll(x, (1, -1), axis=(1, 2)))


def test_flip_reverses_space_and_conjugates():
    x = np.array([[1 + 2j, 3.0], [4j, 5.0]])
    np.testing.assert_array_equal(flip(x), [[3, 1 - 2j], [5, -4j]])
    np.testing.assert_array_equal(flip(x, [False, True]), [[1 + 2j, 3], [5, -4j]])


def test_rotate_phase_keeps_precision_and_makes_real_objects_complex():
    x = np.ones((2, 3), dtype=np.float32)
    assert rotate_phase(x, [1.0, -1.0]).dtype == np.float32
    assert rotate_phase(x, np.array([1j, -1j])).dtype == np.complex64
    assert rotate_phase(x.astype(np.complex64), [1.0, -1.0]).dtype == np.complex64


@settings(max_examples=60, deadline=None)
@given(
    shifts=st.lists(st.integers(-20, 20), min_size=2, max_size=2),
    flips=st.booleans(),
    turn=st.floats(0, 6.28),
    seed=st.integers(0, 2**16),
)
def test_inverse_elements_undo(shifts, flips, turn, seed):
    x = random_objects((6, 7), "complex128", n_samples=3, boundary="circular", seed=seed)
    element = GroupElement(
        np.tile(shifts, (3, 1)), np.full(3, flips), np.full(3, np.exp(1j * turn))
    )
    back = act(act(x, element, "circular"), invert(element), "circular")
    np.testing.assert_allclose(back, x, atol=1e-12)


NUMBERS = [
    "bool",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "uint64",
    "float16",
    "longdouble",
    ">f4",
    "object",
]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_any_type_are_moved_in_floating_point(dtype):
    x = np.array([[0, 1, 0, 0], [1, 1, 0, 0]]).astype(dtype)
    assert shift(x, [1]).tolist() == [[0, 0, 1, 0], [0, 1, 1, 0]]
    assert flip(x, [True, False]).tolist() == [[0, 0, 1, 0], [1, 1, 0, 0]]
    negative = rotate_phase(x, [-1, 1])
    assert negative.tolist() == [[0, -1, 0, 0], [1, 1, 0, 0]]
    assert negative.dtype.kind == "f"
    element = GroupElement([[1], [0]], [True, False], [-1, 1])
    assert act(x, element).tolist() == [[0, 0, 0, -1], [1, 1, 0, 0]]


def test_lists_and_tensors_of_integers_are_objects_too():
    assert shift([[1, 2, 3]], [1]).tolist() == [[0, 1, 2]]
    assert rotate_phase(torch.tensor([[200, 100]], dtype=torch.uint8), [-1.0]).tolist() == [
        [-200, -100]
    ]
    assert isinstance(flip(torch.tensor([[1, 2]])), torch.Tensor)


def test_gradients_pass_through_the_action():
    x = torch.rand(2, 3, 4, dtype=torch.complex128, requires_grad=True)
    phases = torch.exp(1j * torch.rand(2, dtype=torch.float64))
    element = GroupElement(torch.tensor([[1, 0], [-1, 2]]), torch.tensor([True, False]), phases)
    assert torch.autograd.gradcheck(lambda x: act(x, element, ("circular", "zero")), (x,))


def test_objects_on_disk_stay_there_until_they_are_read(tmp_path):
    x = random_objects((5, 6), "float32")
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    on_disk = LazyBatch(mapped)
    lazy = act(on_disk, GroupElement(np.ones((24, 2), int), np.ones(24, bool), -np.ones(24)))
    assert isinstance(lazy, LazyBatch)
    assert on_disk.facts is None  # nothing was read to find out what the values are
    np.testing.assert_array_equal(np.asarray(lazy), -shift(flip(x), [1, 1]))
    assert isinstance(shift(mapped, [1, 1]), np.ndarray)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 2, 3],), ValueError, r"shifts has shape \(3,\); these objects need shape \(2, 2\)"),
        (([0.5, 1.0],), TypeError, "shifts must be integer numbers of pixels; got float64"),
        (([True, False],), TypeError, "shifts must be integer numbers of pixels; got bool"),
        (([[1, 2], [3]],), ValueError, "shifts is not a rectangular array"),
        (
            (np.uint64([2**63, 1]),),
            ValueError,
            "shifts holds 9223372036854775808, more pixels than int64 can count",
        ),
        (([1, 1], "wrap"), ValueError, "boundary='wrap' is not valid; choose 'zero' or 'circular'"),
        (
            ([1, 1], ("zero", "wrap")),
            ValueError,
            "boundary='wrap' is not valid; choose 'zero' or 'circular'",
        ),
        (
            ([1, 1], ["zero"]),
            ValueError,
            r"boundary=\['zero'\] has 1 entries for objects with 2 axes",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        shift(np.zeros((2, 4, 4)), *arguments)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"shift": [[0.5], [1.0]]},
            TypeError,
            "element.shift must be integer numbers of pixels; got float64",
        ),
        (
            {"shift": [[0]]},
            ValueError,
            r"element.shift has shape \(1, 1\); these objects need shape \(2, 1\)",
        ),
        (
            {"flip": [0, 2]},
            ValueError,
            "element.flip is int64, not bool; give one True or False for each object",
        ),
        ({"flip": torch.tensor([1.0, 0.0])}, ValueError, "element.flip is torch.float32, not bool"),
        (
            {"phase": [1.0, 2.5]},
            ValueError,
            "element.phase holds 2.5, whose modulus is not 1; give exp",
        ),
        (
            {"phase": [np.pi, 1j]},
            ValueError,
            "element.phase holds 3.14159.*, whose modulus is not 1",
        ),
        ({"phase": [np.nan, 1]}, ValueError, "element.phase holds nan, whose modulus is not 1"),
        (
            {"phase": torch.tensor([0.0, 1.0])},
            ValueError,
            "element.phase holds 0, whose modulus is not 1",
        ),
        (
            {"phase": ["1", "1"]},
            ValueError,
            "element.phase is <U1; give unit complex numbers, or 1 and -1",
        ),
    ],
)
def test_group_elements_are_checked_field_by_field(changes, error, message):
    element = GroupElement([[0], [1]], [True, False], [1.0, -1.0])._replace(**changes)
    with pytest.raises(error, match=message):
        act(np.ones((2, 3)), element)
    if "shape" not in message:
        with pytest.raises(error, match=message):
            invert(element)


def test_what_register_returns_is_not_an_element():
    returned = register(np.eye(3), np.eye(3))
    for function in (lambda: act(np.eye(3), returned), lambda: invert(returned)):
        with pytest.raises(TypeError, match="element is of type tuple; give a GroupElement"):
            function()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_objects_without_a_value_are_refused(wrong):
    x = np.array([[0.0, wrong]])
    element = GroupElement([[0]], [True], [1.0])
    for function in (
        lambda: shift(x, [1]),
        lambda: flip(x),
        lambda: rotate_phase(x, [1.0]),
        lambda: act(x, element),
        lambda: flip(torch.from_numpy(x)),
    ):
        with pytest.raises(ValueError, match="objects contains"):
            function()


def test_inverses_of_lists_and_tensors():
    element = invert(GroupElement([[1], [2]], [True, False], [1j, 1j]))
    assert element.shift.tolist() == [[1], [-2]]
    assert element.phase.tolist() == [1j, -1j]
    tensors = invert(
        GroupElement(
            torch.tensor([[3]], dtype=torch.uint8), torch.tensor([False]), torch.tensor([1.0])
        )
    )
    assert tensors.shift.tolist() == [[-3]]
