"""Canonical representatives of symmetry orbits."""

from ._canonicalizer import SymmetryCanonicalizer

__all__ = ["SymmetryCanonicalizer"]
