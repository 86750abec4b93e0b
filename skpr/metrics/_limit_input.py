"""Checked input of the noise limit."""

from numbers import Real

import numpy as np

from .._arrays import check_batch, check_non_negative
from .._counts import counts_of
from .._validation import check_choice, check_number, check_shape, short
from ..measurement import oversampled_shape
from ._input import as_numpy

SUPPORTS = "frame", "content"


def checked_patterns(magnitudes, n_photons, fourier_shape, unmeasured, n_samples):
    """Return checked magnitudes, or None without any.

    Parameters that magnitudes determine are refused beside them.
    """
    if magnitudes is None:
        return None
    for name, value in {
        "n_photons": n_photons,
        "fourier_shape": fourier_shape,
        "unmeasured": unmeasured,
    }.items():
        if value is not None:
            raise ValueError(
                f"{name} and magnitudes are both given; magnitudes determine {name}: pass one of "
                "them"
            )
    patterns = check_batch(
        magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan"
    )
    check_non_negative(patterns, "noise_limit")
    if len(patterns) != n_samples:
        raise ValueError(
            f"there are {n_samples} objects and {len(patterns)} magnitudes; give one pattern per "
            "object"
        )
    return np.asarray(as_numpy(patterns), dtype=float)


def resolved_shape(fourier_shape, oversampling, object_shape):
    """Return the shape of a pattern.

    It follows from the oversampling if it is not given.
    """
    if fourier_shape is not None:
        return check_shape("fourier_shape", fourier_shape, len(object_shape))
    return oversampled_shape(object_shape, check_number("oversampling", oversampling, 1))


def checked_photons(n_photons, n_samples):
    """Return the photons per pattern, one number per sample."""
    if n_photons is None:
        raise ValueError(
            "n_photons is missing; give photons per pattern, or magnitudes that are roots of counts"
        )
    if isinstance(n_photons, Real):
        n_photons = check_number(
            "n_photons", n_photons, 0, closed="neither", noun="photons per pattern"
        )
    photons = np.asarray(as_numpy(n_photons))
    photons = photons.astype(float) if photons.dtype.kind in "iuf" else np.zeros(0)
    if photons.shape not in ((), (n_samples,)) or not (np.isfinite(photons) & (photons > 0)).all():
        raise ValueError(
            f"n_photons={short(n_photons)} is not valid; give photons per pattern > 0, one number "
            f"or {n_samples} numbers"
        )
    return np.broadcast_to(photons, (n_samples,)).tolist()


def checked_unmeasured(unmeasured, fourier_shape, n_samples):
    """Return missing pixels as booleans with a first axis."""
    if unmeasured is None:
        return np.zeros((1, *fourier_shape), dtype=bool)
    values = np.asarray(as_numpy(unmeasured))
    # zeros and ones may be a mask of either sense, and are refused
    if values.dtype.kind == "f" and not np.isin(values, (0, 1)).all():
        values = np.isnan(values)
    if values.dtype.kind != "b":
        raise ValueError(
            f"unmeasured={short(unmeasured)} is not valid; give booleans, True where nothing was "
            "measured, or an array that is NaN there"
        )
    return _per_sample("unmeasured", values, fourier_shape, n_samples)


def checked_background(background, fourier_shape, n_samples):
    """Return the expected background with a first axis."""
    values = np.asarray(as_numpy(background))
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            f"background={short(background)} is not valid; give counts >= 0, one number or one "
            "per pixel"
        )
    values = values.astype(float)
    return (
        np.full((1, *fourier_shape), values)
        if values.ndim == 0
        else _per_sample("background", values, fourier_shape, n_samples)
    )


def checked_supports(support, object_shape, n_samples):
    """Return supports with a first axis, or None for the content."""
    if isinstance(support, str):
        check_choice("support", support, SUPPORTS)
        return np.ones((1, *object_shape), dtype=bool) if support == "frame" else None
    values = np.asarray(as_numpy(support))
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"support={short(support)} is not valid; choose 'frame', 'content' or an array of "
            "booleans"
        )
    return _per_sample("support", values.astype(bool), object_shape, n_samples)


def signal_counts(patterns, background):
    """Return the photons of each pattern beyond the background."""
    totals = []
    for i, pattern in enumerate(patterns):
        known = ~np.isnan(pattern)
        counts = counts_of(pattern) if known.any() else None
        if counts is None:
            raise ValueError(
                f"squares of magnitudes[{i}] are not counts; give n_photons=..., "
                f"fourier_shape={pattern.shape} and, for missing pixels, "
                "unmeasured=np.isnan(magnitudes)"
            )
        light = np.broadcast_to(background[i % len(background)], pattern.shape)
        totals.append(float((counts - light)[known].sum()))
        if totals[-1] <= 0:
            raise ValueError(
                f"magnitudes[{i}] holds no counts beyond the background: nothing was scattered"
            )
    return totals


def _per_sample(name, values, shape, n_samples):
    """Add a first axis to values common to all samples."""
    if values.shape == shape:
        return values[None]
    if values.shape[1:] == shape and len(values) in (1, n_samples):
        return values
    raise ValueError(
        f"{name} has shape {values.shape}; give one of shape {shape} for all samples, or one per "
        f"sample, of shape {(n_samples, *shape)}"
    )
