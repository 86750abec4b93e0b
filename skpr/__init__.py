"""Phase retrieval in scikit-learn's language.

The package holds symmetry-broken networks and classical algorithms.
"""

from ._homes import settle
from ._interrupt import raise_at_interrupts  # before all libraries
from ._lazy import LazyBatch
from .augmentation import ShiftFlipAugmenter
from .canonicalization import SymmetryCanonicalizer
from .composition import (
    PhaseRetrievalPipeline,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    make_phase_retriever,
)
from .display import (
    ConvergenceDisplay,
    ReconstructionDisplay,
    ResolutionDisplay,
    RetrievalDisplay,
    TrainingDisplay,
)
from .fourier import FourierMagnitude
from .gaussian import GaussianMagnitude
from .iterative import IterativePhaseRetrieval
from .neural import PhaseRetrievalRegressor

__all__ = [
    "ConvergenceDisplay",
    "FourierMagnitude",
    "GaussianMagnitude",
    "IterativePhaseRetrieval",
    "LazyBatch",
    "PhaseRetrievalPipeline",
    "PhaseRetrievalRegressor",
    "ReconstructionDisplay",
    "RefinedRegressor",
    "ResolutionDisplay",
    "RetrievalDisplay",
    "ShiftFlipAugmenter",
    "SymmetryBreakingRegressor",
    "SymmetryCanonicalizer",
    "TrainingDisplay",
    "make_phase_retriever",
]

__version__ = "0.1.0"

settle(
    *(
        f"skpr.{name}"
        for name in (
            "augmentation",
            "canonicalization",
            "composition",
            "detector",
            "iterative",
            "neural",
        )
    )
)

raise_at_interrupts()
