"""Validators that refuse a parameter by name and list valid values.

Each returns the value in its plain form, so that an estimator only needs
`n = check_count("n_starts", self.n_starts)`.
"""

import inspect
import math
import re
import sys
import warnings
from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np

BOUNDARIES = "zero", "circular"
LONGEST = 80  # largest number of characters of a value in a message
CLOSED = "both", "left", "right", "neither"
UNDOES_BREAKING = (
    "moves objects within their orbits, which undoes symmetry breaking: magnitudes do not "
    "distinguish the members of an orbit; move objects before they are made canonical, with "
    "transformer=make_pipeline(ShiftFlipAugmenter(...), SymmetryCanonicalizer()) of a "
    "SymmetryBreakingRegressor"
)


def short(value):
    """Return a short text for a value in a message.

    It is the `repr`, without addresses in memory, cut if it is long. Long arrays are described by
    their shape and type, classes and functions by their names.

    Examples
    --------
    >>> short(np.float16), short(len), short(range(3))
    ('numpy.float16', 'len', 'range(0, 3)')
    """
    if isinstance(value, type) or inspect.isroutine(value):
        module = getattr(value, "__module__", None)
        text = f"{module}.".removeprefix("None.").removeprefix("builtins.") + value.__qualname__
    else:
        text = " ".join(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)).split())
    if len(text) > LONGEST and hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{type(value).__name__} of shape {tuple(value.shape)}, {value.dtype}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def check_choice(name, value, choices):
    """Refuse a value outside `choices`, and list the valid ones."""
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    ):
        *first, last = [repr(choice) if choice is not None else "None" for choice in choices]
        raise ValueError(f"{name}={short(value)} is not valid; choose {', '.join(first)} or {last}")
    return value


def check_boundary(boundary, n_axes=None):
    """Refuse a boundary other than "zero", "circular" or one per axis.

    Returns
    -------
    tuple of str or str
        Boundary of each of the `n_axes` axes; if `n_axes` is not given, the boundary unchanged.
    """
    if isinstance(boundary, list | tuple):
        for one in boundary:
            check_choice("boundary", one, BOUNDARIES)
        if n_axes is not None and len(boundary) != n_axes:
            raise ValueError(
                f"boundary={short(boundary)} has {len(boundary)} entries for objects with "
                f"{n_axes} axes"
            )
        return tuple(boundary)
    check_choice("boundary", boundary, BOUNDARIES)
    return boundary if n_axes is None else (boundary,) * n_axes


def resolve_boundary(boundary, n_axes):
    """Return the boundary along each axis, where "auto" means "zero".

    It does for estimators that do not know the shape of the magnitudes.
    """
    if not isinstance(boundary, list | tuple):
        check_choice("boundary", boundary, ("auto", *BOUNDARIES))
    return check_boundary(
        "zero" if isinstance(boundary, str) and boundary == "auto" else boundary, n_axes
    )


def check_number(
    name, value, low=None, high=None, *, closed="both", integer=False, optional=False, noun=None
):
    """Refuse values that are not finite numbers in an interval.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        Value to check. Numbers of Python and NumPy are valid; booleans, text, arrays and NaN are
        not.
    low, high : float, optional
        Ends of the interval, which is unbounded where they are not given.
    closed : {"both", "left", "right", "neither"}
        Ends that belong to the interval.
    integer : bool
        Whether the number must be of an integer type; 32.0 is refused, too.
    optional : bool
        Whether None is valid.
    noun : str, optional
        Name of valid values in the message, such as "counts"; by default "a number" or "an
        integer".

    Returns
    -------
    int, float or None

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_number("beta", 0.9, 0, 1, closed="right")
    0.9
    >>> check_number("beta", 0, 0, 1, closed="right")
    Traceback (most recent call last):
    ValueError: beta=0 is not valid; give a number with 0 < beta <= 1
    """
    if value is None and optional:
        return None
    kind = Integral if integer else Real
    below, above = closed in ("both", "left"), closed in ("both", "right")
    valid = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    valid = valid and (low is None or value > low or (below and value == low))
    valid = valid and (high is None or value < high or (above and value == high))
    if not valid:
        noun = noun or ("an integer" if integer else "a number")
        interval = _interval(name, low, high, below, above)
        raise ValueError(
            f"{name}={short(value)} is not valid; give "
            f"{noun}{interval}{' or None' if optional else ''}"
        )
    return int(value) if integer else float(value)


def _interval(name, low, high, below, above):
    if low is None and high is None:
        return ""
    if high is None:
        return f" {'>=' if below else '>'} {low}"
    if low is None:
        return f" {'<=' if above else '<'} {high}"
    if below and above:
        return f" from {low} to {high}"
    return f" with {low} {'<=' if below else '<'} {name} {'<=' if above else '<'} {high}"


def check_count(name, value, *, low=1, optional=False):
    """Refuse values that are not integers of at least `low`.

    Examples
    --------
    >>> check_count("n_iter", 2.5)
    Traceback (most recent call last):
    ValueError: n_iter=2.5 is not valid; give an integer >= 1
    """
    return check_number(name, value, low, integer=True, optional=optional)


def check_shape(name, value, n_axes=None, *, low=1):
    """Refuse values that are not one integer size for each axis.

    Sizes are never rounded: floats are refused, even 32.0.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : int or sequence of int
        Sizes to check; a single integer is the size along every axis.
    n_axes : int, optional
        Number of axes; if not given, `value` must be a sequence of one to three sizes.
    low : int
        Smallest valid size.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_shape("frame_shape", 24, 2)
    (24, 24)
    >>> check_shape("frame_shape", (24.7, 24), 2)
    Traceback (most recent call last):
    ValueError: frame_shape=(24.7, 24) is not valid; give an integer >= 1, or one for each of 2 axes
    """
    if isinstance(value, Real) and n_axes is not None:
        sizes = (value,) * n_axes
    else:
        sizes = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else ()
    valid_length = len(sizes) == n_axes if n_axes is not None else 1 <= len(sizes) <= 3
    integers = all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes)
    if valid_length and integers and all(n >= low for n in sizes):
        return tuple(int(n) for n in sizes)
    if n_axes is None:
        valid = f"one to three integers >= {low}"
        if isinstance(value, Integral):
            valid += f", ({value}, {value}) for two axes"
    else:
        valid = f"an integer >= {low}" + (
            f", or one for each of {n_axes} axes" if n_axes > 1 else ""
        )
    raise ValueError(f"{name}={short(value)} is not valid; give {valid}")


def check_float_dtype(dtype):
    """Refuse types that are neither single nor double precision.

    Integers, for example, would truncate fractions.

    Returns
    -------
    numpy.dtype

    Examples
    --------
    >>> check_float_dtype("int32")
    Traceback (most recent call last):
    ValueError: dtype='int32' is not valid; choose numpy.float32 or numpy.float64
    """
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in (np.float32, np.float64):  # np.dtype(None) is float64
        raise ValueError(
            f"dtype={short(dtype)} is not valid; choose numpy.float32 or numpy.float64"
        )
    return found


def check_flag(name, value, *, optional=False):
    """Refuse values other than True, False and, if `optional`, None.

    Examples
    --------
    >>> check_flag("flip", "no")
    Traceback (most recent call last):
    ValueError: flip='no' is not valid; choose True or False
    """
    if value is None and optional:
        return None
    if not isinstance(value, bool | np.bool_):
        raise ValueError(
            f"{name}={short(value)} is not valid; choose "
            f"{'True, False or None' if optional else 'True or False'}"
        )
    return bool(value)


def warn_user(message, category=UserWarning):
    """Warn with the line of the user's code that led here.

    It is the nearest line outside this package and the libraries that call it.
    """
    level, frame = 1, sys._getframe()
    while (
        frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _LIBRARIES
    ):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


_LIBRARIES = "skpr", "sklearn", "skorch", "joblib", "torch"
