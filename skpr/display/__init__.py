"""Pictures, in scikit-learn's Display manner: `from_estimator` or `from_predictions`, then
`figure_`.
"""

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
