"""Canonical representatives of symmetry orbits."""

from ._canonicalizer import SymmetryCanonicalizer
from ._search import Strategies

__all__ = ["Strategies", "SymmetryCanonicalizer"]
