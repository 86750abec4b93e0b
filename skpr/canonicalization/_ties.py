"""Tie-breaking that is the same for every member of an orbit.

Symmetric, periodic or empty objects have several equally good representatives. A rule that picks
the first of them depends on where the object happens to lie. Candidates that are equal within
`tie_tolerance` are therefore compared by their correlation with one fixed irregular pattern, which
is a property of the candidate alone. Two candidates that still tie are the same image up to the
phase. Where the phase is not broken, the real parts of the correlations tell these apart. The
pattern is complex for complex objects, because `|<x, p>| = |<conj x, p>|` for every real `p`.
"""

from functools import lru_cache

import numpy as np
import torch


def tie_tolerance(dtype):
    """Return the relative difference below which scores count as equal.

    The scores are computed in float64 from values of `dtype`. The tolerance exceeds the rounding of
    these values, which changes with a global phase, and is far below any real preference.
    """
    return 2e-6 if dtype in (torch.float32, torch.complex64) else 1e-10


def weakest_harmonic(dtype):
    """Return the smallest relative modulus of a harmonic with a useful phase.

    It is relative to the sum of the values. The rounding of values of `dtype` changes the phase of
    weaker harmonics by a good part of a pixel.
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
    """Return the fixed irregular pattern for the shape of the objects `x`.

    It is a batch of one sample, in float64 or complex128.
    """
    return torch.as_tensor(_pattern(tuple(x.shape[1:]), x.is_complex()), device=x.device)[None]


def to_double(x):
    """Convert values to float64 or complex128."""
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def as_reference(template, x):
    """Convert a template to the type of the objects `x`.

    For real objects, whose phase is a sign, the real part of a complex template decides.
    """
    return (template if x.is_complex() else template.real).to(x.dtype)
