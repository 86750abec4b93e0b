r"""Errors modulo the symmetries of phase retrieval, errors in Fourier space, resolution, and
scorers.

A reconstruction is right if it is right up to shift, flip and global phase. Each prediction is
therefore registered to its truth (:func:`skpr.symmetry.register`) before it is scored, over all
shifts at once. Functions take the truth first, then the prediction, as scikit-learn's metrics do;
`multioutput="raw_values"` returns one value per sample.

Scorers for :class:`~sklearn.model_selection.GridSearchCV` are named as scikit-learn names its own:
`neg_relative_error_scorer`, `neg_orbit_mean_squared_error_scorer`, `orbit_psnr_scorer`,
`orbit_ssim_scorer`."""

from ._counts import split_counts
from ._errors import orbit_mean_squared_error, relative_error, success_rate
from ._fourier import fourier_error, r_factor
from ._images import orbit_psnr, orbit_ssim
from ._limit import NoiseLimit, noise_limit
from ._resolution import (
    fourier_ring_correlation,
    half_period_resolution,
    phase_retrieval_transfer_function,
)
from ._scorers import (
    OrbitScorer,
    fitted_symmetries,
    neg_orbit_mean_squared_error_scorer,
    neg_relative_error_scorer,
    orbit_psnr_scorer,
    orbit_ssim_scorer,
    seen_by_regressor,
    squared_correlation,
)

__all__ = [
    "NoiseLimit",
    "OrbitScorer",
    "fitted_symmetries",
    "fourier_error",
    "fourier_ring_correlation",
    "half_period_resolution",
    "neg_orbit_mean_squared_error_scorer",
    "neg_relative_error_scorer",
    "noise_limit",
    "orbit_mean_squared_error",
    "orbit_psnr",
    "orbit_psnr_scorer",
    "orbit_ssim",
    "orbit_ssim_scorer",
    "phase_retrieval_transfer_function",
    "r_factor",
    "relative_error",
    "seen_by_regressor",
    "split_counts",
    "squared_correlation",
    "success_rate",
]
