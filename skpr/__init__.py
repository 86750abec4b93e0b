"""Phase retrieval in scikit-learn's language: networks trained on symmetry-broken objects."""

from .augmentation import ShiftFlipAugmenter
from .canonicalization import SymmetryCanonicalizer
from .composition import SymmetryBreakingRegressor, make_phase_retriever
from .display import ReconstructionDisplay
from .fourier import FourierMagnitude
from .neural import PhaseRetrievalRegressor

__all__ = [
    "FourierMagnitude",
    "PhaseRetrievalRegressor",
    "ReconstructionDisplay",
    "ShiftFlipAugmenter",
    "SymmetryBreakingRegressor",
    "SymmetryCanonicalizer",
    "make_phase_retriever",
]

__version__ = "0.1.0"
