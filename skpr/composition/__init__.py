"""Estimators composed of other estimators.

Regressors on symmetry-broken targets, regressors with refined predictions, and the whole pipeline.
"""

from ._factory import PRESETS, make_phase_retriever
from ._network_refiner import NetworkRefiner
from ._pipeline import PhaseRetrievalPipeline
from ._posterior import PosteriorRefiner
from ._refined import RefinedRegressor
from ._retrieved_target import RetrievedTargetRegressor
from ._symmetry_breaking import SymmetryBreakingRegressor

__all__ = [
    "PRESETS",
    "NetworkRefiner",
    "PhaseRetrievalPipeline",
    "PosteriorRefiner",
    "RefinedRegressor",
    "RetrievedTargetRegressor",
    "SymmetryBreakingRegressor",
    "make_phase_retriever",
]
