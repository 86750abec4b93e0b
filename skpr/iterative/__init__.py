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
from ._uncertainty import uncertainty

__all__ = [
    "ALGORITHMS",
    "Combination",
    "IterativePhaseRetrieval",
    "Retrieval",
    "combine_reconstructions",
    "hybrid_input_output",
    "project_amplitude",
    "project_magnitudes",
    "project_non_negative",
    "project_real",
    "project_support",
    "uncertainty",
]
