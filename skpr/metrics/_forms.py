"""Warnings about patterns in another form than magnitudes of the objects."""

from __future__ import annotations

import math

import numpy as np

from .._tensors import to_tensor
from .._validation import warn_user
from ._input import peak_exponents, scaled, wide

LOOKED_AT = 4  # patterns, evenly spaced
LARGEST = 1 << 24  # maximum number of pixels of patterns that are looked at
UNIT = 4.0  # ratio of magnitudes; a larger one, or its inverse, is another unit
# Gain in cosine similarity, and similarity, that another form of the pattern must reach; noise and
# partial coherence change less.
MARGIN, LIKENESS = 0.05, 0.99
LOGARITHMS = (  # expression that undoes a logarithm, its base, and the largest plausible value
    ("np.expm1(magnitudes)", math.e, 80.0),
    ("10**magnitudes", 10.0, 40.0),
    ("np.exp2(magnitudes) - 1", 2.0, 80.0),
    ("np.exp(magnitudes / 2)", math.exp(0.5), 80.0),
    ("10**(magnitudes / 20)", 10**0.05, 400.0),
)


def warn_of_forms(magnitudes, objects, grid):
    """Warn where patterns plainly are another form of those of the objects.

    They may be intensities, logarithms, or magnitudes in another unit.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_samples, *fourier_shape)
        Patterns; NaN where unmeasured.
    objects : ndarray of shape (n_samples, *object_shape)
        Reconstructions.
    grid : Grid
        Grid of the objects and their patterns.
    """
    n_rows = min(LOOKED_AT, LARGEST // max(1, grid.n_pixels))
    rows = np.unique(np.linspace(0, len(objects) - 1, n_rows).astype(int)) if n_rows else []
    for row in rows:
        known = ~np.isnan(magnitudes[row])
        pattern = np.where(known, magnitudes[row], 0.0).astype(float)
        x = to_tensor(objects[row : row + 1])
        own = peak_exponents(x)
        moduli = np.where(known, wide(grid.magnitudes(scaled(x, own))).numpy()[0], 0.0)
        peak = int(np.frexp(pattern.max(initial=0.0))[1])
        measured = np.ldexp(pattern, -peak)
        if warned_of_form(pattern, measured, moduli):
            return
        norm = float((moduli**2).sum())
        ratio = float((measured * moduli).sum()) / norm if norm > 0 else 0.0
        ratio = math.ldexp(ratio, int(np.clip(peak - int(own[0]), -1000, 1000)))
        if cosine(moduli, measured) > LIKENESS and not 1 / UNIT <= ratio <= UNIT:
            warn_user(
                f"magnitudes are {ratio:.3g} times those of the objects: objects are compared in "
                f"the unit of an unnormalised DFT; multiply them by {ratio:.3g} if the magnitudes "
                "have another unit"
            )
            return


def warned_of_form(pattern, measured, moduli):
    """Warn where a pattern holds intensities or logarithms."""
    given = cosine(moduli, measured)
    if given > LIKENESS or not measured.any():
        return False
    ways = {"np.sqrt(magnitudes)": np.sqrt(measured)}
    for way, base, largest in LOGARITHMS:
        if pattern.max() < largest:
            powers = base**pattern
            ways[way] = powers - 1 if "1" in way else powers
    for way, values in ways.items():
        if cosine(moduli, np.where(pattern > 0, values / values.max(), 0.0)) > max(
            given + MARGIN, LIKENESS
        ):
            kind = "intensities" if "sqrt" in way else "logarithms"
            warn_user(
                f"{way} are closer to the moduli of the reconstructions' spectra than the "
                f"magnitudes themselves: if they are {kind}, pass {way}"
            )
            return True
    return False


def cosine(first, second):
    norms = math.sqrt((first**2).sum() * (second**2).sum())
    return (first * second).sum() / norms if norms > 0 else 0.0
