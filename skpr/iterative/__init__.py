"""Classical phase retrieval: projections, the algorithms made of them, and their estimator."""

from ._combination import Combination, combine_reconstructions
from ._projections import project_amplitude, project_magnitudes, project_non_negative, project_real, project_support
from ._results import Retrieval
from ._retrieval import IterativePhaseRetrieval

__all__ = [
    "Combination",
    "IterativePhaseRetrieval",
    "Retrieval",
    "combine_reconstructions",
    "project_amplitude",
    "project_magnitudes",
    "project_non_negative",
    "project_real",
    "project_support",
]
