"""Measurement: grid, transforms, projections, misfit, noise.

The functions `check_*` look at a few samples for mistakes that leave the input valid but make the
result wrong. Their parameter `whom` is the name of the estimator in the message. Most of them issue
a UserWarning and return whether they did. They stay silent if the samples prove nothing. A *batch*
is an ndarray, a torch.Tensor or a LazyBatch.
"""

from ._centring import check_centring
from ._coherence import blur, coherence_transfer, covariance_of_widths, lag_fractions
from ._counting import counting_units
from ._elsewhere import check_symmetric_elsewhere
from ._extent import check_extent
from ._forms import check_not_intensities, form_of
from ._friedel import check_friedel_symmetry, kinds_of
from ._grid import Grid, boundary_of, fits
from ._halves import check_not_halves
from ._iterate import Iterate, mixture
from ._likelihood import CountingNoise, Likelihood
from ._logarithms import check_logarithms, way_of_counts
from ._looks import look_at
from ._measurement import KINDS, Measurement
from ._noise import check_noise, photons_of
from ._orientation import check_orientation
from ._pairing import check_pairing
from ._pairs import Pairs, are_magnitudes_of, check_not_swapped, symmetries_of
from ._plateaus import check_centre, check_plateaus
from ._projections import (
    project_amplitude,
    project_magnitudes,
    project_non_negative,
    project_real,
    project_support,
)
from ._pruned import PrunedTransform, rounds_alone
from ._resemblance import are_plainly_magnitudes, is_no_pattern, resemble_magnitudes
from ._simulated import check_simulated
from ._transform import (
    from_spectrum,
    full_magnitudes,
    mirrored,
    oversampled_shape,
    to_centred,
    to_fft_order,
    to_spectrum,
)

__all__ = [
    "KINDS",
    "CountingNoise",
    "Grid",
    "Iterate",
    "Likelihood",
    "Measurement",
    "Pairs",
    "PrunedTransform",
    "are_magnitudes_of",
    "are_plainly_magnitudes",
    "blur",
    "boundary_of",
    "check_centre",
    "check_centring",
    "check_extent",
    "check_friedel_symmetry",
    "check_logarithms",
    "check_noise",
    "check_not_halves",
    "check_not_intensities",
    "check_not_swapped",
    "check_orientation",
    "check_pairing",
    "check_plateaus",
    "check_simulated",
    "check_symmetric_elsewhere",
    "coherence_transfer",
    "counting_units",
    "covariance_of_widths",
    "fits",
    "form_of",
    "from_spectrum",
    "full_magnitudes",
    "is_no_pattern",
    "kinds_of",
    "lag_fractions",
    "look_at",
    "mirrored",
    "mixture",
    "oversampled_shape",
    "photons_of",
    "project_amplitude",
    "project_magnitudes",
    "project_non_negative",
    "project_real",
    "project_support",
    "resemble_magnitudes",
    "rounds_alone",
    "symmetries_of",
    "to_centred",
    "to_fft_order",
    "to_spectrum",
    "way_of_counts",
]
