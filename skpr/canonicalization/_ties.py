"""Ties: how equal candidates are told apart in a way that every member of an orbit agrees on.

Symmetric, periodic or empty objects have several equally good representatives. Any rule that picks
"the first" depends on where the object happened to lie, so equal candidates (within
`tie_tolerance`) are compared by their correlation with one fixed irregular pattern instead: a
property of the candidate alone. Two candidates that still tie are the same image. The pattern is
complex for complex objects, because `|<x, p>| = |<conj x, p>|` for every real `p`."""

from functools import lru_cache

import numpy as np
import torch


def tie_tolerance(dtype):
    """Relative difference below which scores computed in float64 from values of `dtype` count as
    equal.

    Above the rounding of the values themselves, which a global phase changes, and far below any
    real preference."""
    return 2e-6 if dtype in (torch.float32, torch.complex64) else 1e-10


def weakest_harmonic(dtype):
    """Modulus of a harmonic, relative to the sum, below which its phase says nothing.

    The rounding of values of `dtype` turns weaker ones by a good part of a pixel.
    """
    return 1e-4 if dtype in (torch.float32, torch.complex64) else 1e-9


@lru_cache(maxsize=32)
def _pattern(shape, is_complex):
    pattern = np.random.RandomState(20200).standard_normal(shape)
    return (
        pattern + 1j * np.random.RandomState(20201).standard_normal(shape)
        if is_complex
        else pattern
    )


def generic_pattern(x):
    """A fixed irregular pattern of the shape of the objects `x`, in float64 or complex128, as one
    sample.
    """
    return torch.as_tensor(_pattern(tuple(x.shape[1:]), x.is_complex()), device=x.device)[None]


def to_double(x):
    """The same values in float64 or complex128."""
    return x.to(torch.complex128 if x.is_complex() else torch.float64)
