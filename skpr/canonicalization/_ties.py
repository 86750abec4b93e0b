"""Ties: how equal candidates are told apart in a way that every member of an orbit agrees on.

Symmetric, periodic or empty objects have several equally good representatives. Any rule that picks "the first"
depends on where the object happened to lie, so equal candidates (within `tie_tolerance`) are compared by their
correlation with one fixed irregular pattern instead: a property of the candidate alone. Two candidates that still tie
are the same image.
"""

from functools import lru_cache

import numpy as np
import torch


def tie_tolerance(dtype):
    """Relative difference below which scores computed in float64 from values of `dtype` count as equal.

    Above the rounding of the values themselves, which a global phase changes, and far below any real preference.
    """
    return 2e-6 if dtype in (torch.float32, torch.complex64) else 1e-10


@lru_cache(maxsize=16)
def _pattern(shape):
    return np.random.RandomState(20200).standard_normal(shape)


def generic_pattern(shape, device):
    """A fixed irregular pattern of shape (1, *shape), float64."""
    return torch.as_tensor(_pattern(tuple(shape)), device=device)[None]


def to_double(x):
    """The same values in float64 or complex128."""
    return x.to(torch.complex128 if x.is_complex() else torch.float64)
