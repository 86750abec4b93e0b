import math
import warnings
from decimal import Decimal

import numpy as np
import pytest
import torch

from skpr._validation import (
    check_boundary,
    check_choice,
    check_count,
    check_flag,
    check_float_dtype,
    check_number,
    check_shape,
    resolve_boundary,
    short,
    warn_user,
)


class Plain:
    """A class whose instances have no `repr` of their own."""

    def method(self):
        pass


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (int, "int"),
        (np.float32, "numpy.float32"),
        (Plain, f"{__name__}.Plain"),
        (math.sqrt, "math.sqrt"),
        (Plain.method, f"{__name__}.Plain.method"),
        (Plain(), f"<{__name__}.Plain object>"),
        (np.ones((40, 40)), "<ndarray of shape (40, 40), float64>"),
        ("x" * 100, f"'{'x' * 76}..."),
    ],
)
def test_values_are_told_shortly_and_without_their_place_in_memory(value, text):
    assert short(value) == text


@pytest.mark.parametrize("value", ["open", None, 3])
def test_every_boundary_is_listed(value):
    with pytest.raises(ValueError, match="is not valid; choose 'auto', 'zero' or 'circular'"):
        resolve_boundary(value, 2)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), 0, np.int8(1)])
def test_numbers_of_python_and_numpy_are_numbers(value):
    assert check_number("beta", value, 0, 1) == value
    assert type(check_number("beta", value, 0, 1)) is float


@pytest.mark.parametrize(
    "value",
    [
        True,
        np.bool_(True),
        "0.5",
        None,
        math.nan,
        math.inf,
        -math.inf,
        1j,
        [0.5],
        np.array(0.5),
        Decimal("0.5"),
    ],
)
def test_what_is_not_a_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"beta=.* is not valid; give a number"):
        check_number("beta", value)


@pytest.mark.parametrize(
    ("arguments", "bad", "message"),
    [
        ({"low": 0}, -1, "x=-1 is not valid; give a number >= 0$"),
        ({"low": 0, "closed": "neither"}, 0, "x=0 is not valid; give a number > 0$"),
        ({"high": 3}, 4.5, "x=4.5 is not valid; give a number <= 3$"),
        ({"low": 0, "high": 1}, 1.5, "x=1.5 is not valid; give a number from 0 to 1$"),
        (
            {"low": 0, "high": 1, "closed": "left"},
            1,
            "x=1 is not valid; give a number with 0 <= x < 1$",
        ),
        (
            {"low": 0, "high": 1, "closed": "right"},
            0,
            "x=0 is not valid; give a number with 0 < x <= 1$",
        ),
        ({"low": 1, "integer": True}, 2.0, "x=2.0 is not valid; give an integer >= 1$"),
        ({"low": 1, "optional": True}, 0, "x=0 is not valid; give a number >= 1 or None$"),
    ],
)
def test_the_interval_is_told(arguments, bad, message):
    with pytest.raises(ValueError, match=message):
        check_number("x", bad, **arguments)


def test_optional_numbers_may_be_missing():
    assert check_number("x", None, 0, optional=True) is None
    assert check_count("x", None, optional=True) is None


@pytest.mark.parametrize("value", [1, np.int64(7), np.uint8(3)])
def test_counts_are_integers(value):
    assert check_count("n", value) == value
    assert type(check_count("n", value)) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, True, "3", None, np.float64(3)])
def test_what_is_not_a_count_is_refused(value):
    with pytest.raises(ValueError, match=r"n=.* is not valid; give an integer >= 1"):
        check_count("n", value)


@pytest.mark.parametrize(
    "value",
    [24, np.int64(24), (24, 24), [24, 24], np.array([24, 24]), torch.Size([24, 24])],
    ids=repr,
)
def test_a_shape_is_one_integer_or_one_for_each_axis(value):
    shape = check_shape("frame_shape", value, 2)
    assert shape == (24, 24)
    assert {type(size) for size in shape} == {int}


@pytest.mark.parametrize(
    "value",
    [
        (32.9, 32.2),
        (32.0, 32),
        32.0,
        32.9,
        (32,),
        (32, 32, 32),
        (0, 4),
        -1,
        True,
        (True, 4),
        "32",
        None,
        math.inf,
    ],
)
def test_sizes_are_never_rounded_or_made_up(value):
    with pytest.raises(
        ValueError, match=r"frame_shape=.* give an integer >= 1, or one for each of 2 axes"
    ):
        check_shape("frame_shape", value, 2)


def test_a_shape_of_any_number_of_axes_is_a_sequence():
    assert check_shape("shape", (64,)) == (64,)
    for value in (64, (), (8, 8, 8, 8), (7, 64)):
        with pytest.raises(
            ValueError, match=r"shape=.* is not valid; give one to three integers >= 8"
        ):
            check_shape("shape", value, low=8)


@pytest.mark.parametrize("value", [int, "bool", "complex64", None, "float16", "nonsense"])
def test_precisions_of_objects_are_single_and_double(value):
    assert check_float_dtype("f4") == np.float32
    with pytest.raises(
        ValueError, match=r"dtype=.* is not valid; choose numpy.float32 or numpy.float64"
    ):
        check_float_dtype(value)


def test_choices_are_listed():
    with pytest.raises(
        ValueError, match="shift='centre' is not valid; choose 'box', 'template' or None"
    ):
        check_choice("shift", "centre", ("box", "template", None))


def test_boundaries_are_one_for_all_axes_or_one_for_each():
    assert check_boundary("zero", 2) == ("zero", "zero")
    assert check_boundary(["circular", "zero"], 2) == ("circular", "zero")
    with pytest.raises(
        ValueError, match="boundary='wrap' is not valid; choose 'zero' or 'circular'"
    ):
        check_boundary("wrap")
    with pytest.raises(ValueError, match="has 1 entries for objects with 2 axes"):
        check_boundary(["zero"], 2)


def test_a_warning_points_at_the_line_of_the_user():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("look here")
    assert caught[0].filename == __file__
    assert caught[0].category is UserWarning


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_switches_come_back_as_python_booleans(value):
    assert check_flag("flip", value) is bool(value)
    assert check_flag("phase", None, optional=True) is None


@pytest.mark.parametrize("value", [1, 0.0, "no", None, [True], np.array([True, False])])
def test_switches_are_neither_numbers_nor_words(value):
    with pytest.raises(ValueError, match=r"flip=.* is not valid; choose True or False$"):
        check_flag("flip", value)
    if value is not None:
        with pytest.raises(ValueError, match=r"phase=.* is not valid; choose True, False or None$"):
            check_flag("phase", value, optional=True)
