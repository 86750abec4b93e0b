"""Networks from Fourier magnitudes to objects, and their regressor."""

from ._checkpoint import TrainingCheckpoint
from ._estimates import EstimateUNet
from ._improvement import EstimateRegressor
from ._losses import MeanSquaredError, OrbitLoss, RelativeDistance, RelativeSquaredError
from ._multilevel import MODULES, NETWORKS, MultiLevelUNet
from ._networks import MLP, UNet
from ._regressor import PhaseRetrievalRegressor
from ._training import SymmetricError

__all__ = [
    "MLP",
    "MODULES",
    "NETWORKS",
    "EstimateRegressor",
    "EstimateUNet",
    "MeanSquaredError",
    "MultiLevelUNet",
    "OrbitLoss",
    "PhaseRetrievalRegressor",
    "RelativeDistance",
    "RelativeSquaredError",
    "SymmetricError",
    "TrainingCheckpoint",
    "UNet",
]
