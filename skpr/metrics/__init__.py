r"""Metrics modulo symmetries, resolution and scorers.

A reconstruction is correct if it is correct up to shift, flip and global phase. Each prediction is
therefore registered to its truth over all shifts (:func:`skpr.symmetry.register`) before it is
scored. Functions take the truth first, then the prediction, as scikit-learn's metrics do.
`multioutput="raw_values"` returns one value per sample.

Scorers for :class:`~sklearn.model_selection.GridSearchCV` follow scikit-learn's naming:
`neg_relative_error_scorer`, `neg_orbit_mean_squared_error_scorer`, `orbit_psnr_scorer`,
`orbit_ssim_scorer`.
"""

from ._counts import split_counts
from ._errors import orbit_mean_squared_error, relative_error, success_rate
from ._fitted import fitted_symmetries, seen_by_regressor
from ._fourier import fourier_error, r_factor
from ._images import orbit_psnr, orbit_ssim
from ._limit import NoiseLimit, noise_limit
from ._resolution import (
    fourier_ring_correlation,
    half_period_resolution,
    phase_retrieval_transfer_function,
)
from ._scorers import (
    OrbitScoreMixin,
    OrbitScorer,
    neg_orbit_mean_squared_error_scorer,
    neg_relative_error_scorer,
    orbit_psnr_scorer,
    orbit_ssim_scorer,
    squared_correlation,
)

__all__ = [
    "NoiseLimit",
    "OrbitScoreMixin",
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
