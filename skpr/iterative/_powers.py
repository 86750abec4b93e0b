"""Powers of 2 as units.

In such a unit, squares stay within range and no value is rounded.
"""

import numpy as np


def exponent_of(values):
    """Return the binary exponent of the largest part, real or imaginary.

    It is 0 for zeros.

    Examples
    --------
    >>> exponent_of(np.array([0.3, -6.0])), exponent_of(np.zeros(2))
    (3, 0)
    """
    parts = (values.real, values.imag) if np.iscomplexobj(values) else (values,)
    return int(np.frexp(max(float(np.abs(part).max(initial=0)) for part in parts))[1])


def times_power(values, exponent):
    """Multiply values by a power of 2 without rounding.

    It takes two steps, because the power itself may be out of range.

    Examples
    --------
    >>> times_power(np.array([3.0]), -2), times_power(np.array([1e-300]), 1990)
    (array([0.75]), array([1.12e+299]))
    """
    half = exponent // 2
    one = values.real.dtype.type
    return (values * one(2.0**half)) * one(2.0 ** (exponent - half))
