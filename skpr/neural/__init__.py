"""Networks from Fourier magnitudes to objects, and their regressor."""

from ._checkpoint import TrainingCheckpoint
from ._losses import MeanSquaredError, OrbitLoss, RelativeSquaredError
from ._networks import MLP, MODULES, UNet
from ._regressor import PhaseRetrievalRegressor
from ._training import SymmetricError

__all__ = [
    "MLP",
    "MODULES",
    "MeanSquaredError",
    "OrbitLoss",
    "PhaseRetrievalRegressor",
    "RelativeSquaredError",
    "SymmetricError",
    "TrainingCheckpoint",
    "UNet",
]
