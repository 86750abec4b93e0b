"""Errors in Fourier space, which require no truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .._arrays import check_batch, check_non_negative
from .._callers import is_inside_estimator, is_nested
from .._tensors import energy, map_chunks, space_axes
from .._validation import check_flag
from ..measurement import Grid, blur, check_centring, coherence_transfer
from ._forms import warn_of_forms
from ._input import as_numpy, averaged, check_averaging, peak_exponents, scaled, wide

if TYPE_CHECKING:
    from .._typing import Batch

TOLERANCE = 1e-6  # rounding of eigenvalues, relative to the largest entry


def fourier_error(
    magnitudes: Batch,
    objects: Batch,
    *,
    coherence: Any = None,
    centered: bool = True,
    multioutput: str = "uniform_average",
    sample_weight: Any = None,
) -> Any:
    r"""Misfit of reconstructions to measured magnitudes.

    It is `chi = | |F x| - b | / |b|` over the measured pixels. Because it requires no truth, it may
    be used to choose between reconstructions.

    Parameters
    ----------
    magnitudes : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        Measured magnitudes; NaN where unmeasured.
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Reconstructions, in the unit of an unnormalised DFT.
    coherence : array-like of shape (n_samples, n_axes, n_axes), optional
        Covariance of each pattern's coherence kernel in Fourier pixels squared, as
        :class:`~skpr.iterative.Retrieval` has it; full coherence if not given.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean or one value per sample.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        For shapes that do not fit each other, negative magnitudes, or a pattern without a measured
        pixel.

    Warns
    -----
    UserWarning
        If the magnitudes plainly are intensities or logarithms, or have another unit than the
        objects.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> x = np.array([[0.0, 1.0, 2.0, 0.0]])
    >>> fourier_error(FourierMagnitude().fit_transform(x), x[:, ::-1])
    0.0
    """
    return _misfits(_chi, magnitudes, objects, coherence, centered, multioutput, sample_weight)


def _chi(measured, misfit):
    norm = energy(measured)
    return torch.where(
        norm > 0, (energy(misfit) / torch.where(norm > 0, norm, 1.0)).sqrt(), energy(misfit).sqrt()
    )


def r_factor(
    magnitudes: Batch,
    objects: Batch,
    *,
    coherence: Any = None,
    centered: bool = True,
    multioutput: str = "uniform_average",
    sample_weight: Any = None,
) -> Any:
    r"""Crystallographic R-factor of reconstructions.

    It is `sum | |F x| - b | / sum b` over the measured pixels.

    Parameters
    ----------
    magnitudes : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        Measured magnitudes; NaN where unmeasured.
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Reconstructions, in the unit of an unnormalised DFT.
    coherence : array-like of shape (n_samples, n_axes, n_axes), optional
        Covariance of each pattern's coherence kernel in Fourier pixels squared, as
        :class:`~skpr.iterative.Retrieval` has it; full coherence if not given.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean or one value per sample.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the mean.

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        For shapes that do not fit each other, negative magnitudes, or a pattern without a measured
        pixel.

    Warns
    -----
    UserWarning
        If the magnitudes plainly are intensities or logarithms, or have another unit than the
        objects.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> x = np.array([[0.0, 1.0, 2.0, 0.0]])
    >>> r_factor(FourierMagnitude().fit_transform(x), 1.1 * x)
    0.1
    """
    return _misfits(_r_factor, magnitudes, objects, coherence, centered, multioutput, sample_weight)


def _r_factor(measured, misfit):
    axes = space_axes(measured)
    total = measured.sum(dim=axes)
    return misfit.abs().sum(dim=axes) / torch.where(total > 0, total, 1.0)


def _misfits(measure, magnitudes, objects, coherence, centered, multioutput, sample_weight):
    """Apply a measure to the misfit of each sample.

    The measure is given patterns at unit peak and misfits in the same unit, both 0 where
    unmeasured.
    """
    magnitudes, objects, grid = measured_and_objects(magnitudes, objects, centered)
    if not is_nested(2):
        warn_of_forms(magnitudes, objects, grid)
    weights = check_averaging(multioutput, sample_weight, len(magnitudes))
    covariances = (
        [] if coherence is None else [_checked_coherence(coherence, grid, len(magnitudes))]
    )

    def value(measured, x, *kernels):
        measured, known, exponents = at_unit_peak_where_known(measured)
        dark = ~known.flatten(1).any(dim=1)
        computed = computed_magnitudes(grid, x, exponents, *kernels)
        found = measure(measured, torch.where(known, computed - measured, 0.0))
        # without light in the pattern the misfit is not a ratio, but in the unit of the objects
        lit = measured.flatten(1).amax(dim=1) > 0
        return torch.where(
            dark, torch.nan, torch.where(lit, found, found * torch.exp2(exponents.double()))
        )

    values = map_chunks(
        value, magnitudes, objects, *covariances, values_per_sample=4 * grid.n_pixels
    )
    if np.isnan(values).any():
        raise ValueError(
            f"magnitudes contain NaN in every pixel of {int(np.isnan(values).sum())} of "
            f"{len(values)} patterns: nothing was measured there; leave such patterns out"
        )
    return averaged(values, multioutput, weights)


def measured_and_objects(magnitudes, objects, centered):
    """Return checked magnitudes, objects and their grid."""
    centered = check_flag("centered", centered)
    magnitudes = check_batch(
        magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan"
    )
    check_non_negative(magnitudes, "a Fourier metric")
    magnitudes, objects = as_numpy(magnitudes), as_numpy(check_batch(objects, name="objects"))
    if len(magnitudes) != len(objects) or magnitudes.ndim != objects.ndim:
        way = (
            "np.broadcast_to(pattern, (n_objects, *pattern.shape)) for one pattern and several "
            "objects"
        )
        way = (
            "objects[:, 0] for several starts of each pattern"
            if objects.ndim > magnitudes.ndim
            else way
        )
        raise ValueError(
            f"{len(magnitudes)} magnitudes do not match {len(objects)} objects: magnitudes have "
            f"shape {magnitudes.shape} and objects {objects.shape}; give one pattern per object, "
            f"such as {way}"
        )
    if not is_inside_estimator():
        check_centring(magnitudes, centered, "a Fourier metric")
    return magnitudes, objects, Grid(objects.shape[1:], magnitudes.shape[1:], centered)


def at_unit_peak_where_known(measured):
    """Return patterns at unit peak, known pixels and exponents.

    Patterns are in double precision and 0 where unmeasured.
    """
    known = ~measured.isnan()
    measured = torch.where(known, measured, 0.0)
    exponents = peak_exponents(measured)
    return wide(scaled(measured, exponents)), known, exponents


def computed_magnitudes(grid, objects, exponents, covariances=None):
    """Compute magnitudes in units of `2^e`.

    They are in double precision and in the grid's layout.
    """
    own = peak_exponents(objects)
    computed = wide(grid.magnitudes(scaled(objects, own)))
    if covariances is not None:
        transfers = coherence_transfer(covariances, grid.fourier_shape, computed)
        computed = blur(computed.square(), transfers).sqrt()
    return scaled(computed, exponents - own)


def _checked_coherence(coherence, grid, n_samples):
    if isinstance(coherence, str):
        raise ValueError(
            f"coherence={coherence!r} is not valid; give the covariances of the kernels that a "
            "retrieval estimated, its attribute coherence"
        )
    covariances = np.asarray(as_numpy(coherence), dtype=float)
    n_axes = len(grid.fourier_shape)
    if covariances.shape != (n_samples, n_axes, n_axes):
        raise ValueError(
            f"coherence has shape {covariances.shape}; give one covariance per pattern, of shape "
            f"{(n_samples, n_axes, n_axes)}"
        )
    if not np.isfinite(covariances).all():
        raise ValueError(
            "coherence contains NaN or infinity; leave out the starts that did not finish"
        )
    if (np.linalg.eigvalsh(covariances) < -TOLERANCE * np.abs(covariances).max()).any():
        raise ValueError(
            "coherence contains matrices that are not covariances: widths squared must be >= 0"
        )
    return covariances
