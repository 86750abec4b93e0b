"""Networks that map Fourier magnitudes to objects, and the skorch regressor that trains them."""

from ._losses import MeanSquaredError, OrbitLoss, RelativeSquaredError
from ._networks import MLP, UNet
from ._regressor import PhaseRetrievalRegressor
from ._training import SymmetricError

__all__ = [
    "MLP",
    "MeanSquaredError",
    "OrbitLoss",
    "PhaseRetrievalRegressor",
    "RelativeSquaredError",
    "SymmetricError",
    "UNet",
]
