"""Partial coherence as functions, under the name they have always had; they live in
:mod:`skpr.measurement`.
"""

from .measurement import blur, coherence_transfer, covariance_of_widths, lag_fractions

__all__ = ["blur", "coherence_transfer", "covariance_of_widths", "lag_fractions"]
