"""Classical phase retrieval by projections, and its estimator."""

from ..measurement import (
    project_amplitude,
    project_magnitudes,
    project_non_negative,
    project_real,
    project_support,
)
from ._algorithms import ALGORITHMS, hybrid_input_output
from ._combination import Combination, combine_reconstructions
from ._results import Retrieval
from ._retrieval import IterativePhaseRetrieval
from ._starts import CombinedStarts, combine_starts
from ._uncertainty import uncertainty

__all__ = [
    "ALGORITHMS",
    "Combination",
    "CombinedStarts",
    "IterativePhaseRetrieval",
    "Retrieval",
    "combine_reconstructions",
    "combine_starts",
    "hybrid_input_output",
    "project_amplitude",
    "project_magnitudes",
    "project_non_negative",
    "project_real",
    "project_support",
    "uncertainty",
]
