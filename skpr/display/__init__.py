"""Plots in the style of scikit-learn's Display classes."""

from ._convergence import ConvergenceDisplay
from ._reconstruction import ReconstructionDisplay
from ._resolution import ResolutionDisplay
from ._retrieval import RetrievalDisplay
from ._training import TrainingDisplay

__all__ = [
    "ConvergenceDisplay",
    "ReconstructionDisplay",
    "ResolutionDisplay",
    "RetrievalDisplay",
    "TrainingDisplay",
]
