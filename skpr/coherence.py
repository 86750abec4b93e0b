"""Functions for partial coherence, defined in :mod:`skpr.measurement`."""

from .measurement import blur, coherence_transfer, covariance_of_widths, lag_fractions

__all__ = ["blur", "coherence_transfer", "covariance_of_widths", "lag_fractions"]
