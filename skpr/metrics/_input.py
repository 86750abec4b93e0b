"""Input and output of metrics: checks, scaling, averages."""

from __future__ import annotations

import math

import numpy as np
import torch

from .._arrays import check_batch
from .._tensors import along_samples, space_axes
from .._validation import check_choice, short


def checked_pair(y_true, y_pred, names=("y_true", "y_pred")):
    """Return truth and prediction as checked arrays."""
    truth, prediction = (
        as_numpy(check_batch(y, name=name)) for y, name in zip((y_true, y_pred), names, strict=True)
    )
    if truth.shape != prediction.shape:
        raise ValueError(
            f"{names[0]} has shape {truth.shape} but {names[1]} has shape {prediction.shape}"
            f"{_way_out(dict(zip(names, (truth, prediction), strict=True)))}"
        )
    return truth, prediction


def _way_out(names):
    """Advice for the usual reasons why two shapes differ.

    It is empty if none of them applies.
    """
    for name, other in (tuple(names), tuple(names)[::-1]):
        short, long = names[name].shape, names[other].shape
        if short == long[1:]:
            return f": {name} has no axis of samples; pass {name}[None]"
        if short[1:] == long[1:] and short[0] == 1:
            return f": to compare one object with several, pass np.broadcast_to({name}, {long})"
        if len(short) + 1 == len(long) and short[1:] == long[2:]:
            return (
                f": {other} has one axis too many; pass one object per sample, such as "
                f"{other}[:, 0]"
            )
    return ""


def check_averaging(multioutput, sample_weight, n_samples):
    """Check the parameters of averaging, and return weights.

    Metrics call it before they compute anything. Weights are an array, or None if not given.
    """
    check_choice("multioutput", multioutput, ("uniform_average", "raw_values"))
    if sample_weight is None:
        return None
    weights = (
        as_numpy(sample_weight)
        if isinstance(sample_weight, torch.Tensor)
        else np.asarray(sample_weight)
    )
    if weights.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight={short(sample_weight)} is not valid; give one number >= 0 per sample"
        )
    weights = weights.astype(float)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}; give one number per sample, shape "
            f"({n_samples},)"
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight is not valid; give finite numbers >= 0 that are not all 0")
    return weights


def averaged(values, multioutput, weights=None):
    """Return values per sample, or their mean."""
    values = as_numpy(values)
    return values if multioutput == "raw_values" else float(np.average(values, weights=weights))


def as_numpy(batch):
    """Return tensors as arrays, and anything else unchanged."""
    return batch.detach().cpu().resolve_conj().numpy() if isinstance(batch, torch.Tensor) else batch


def peak_exponents(*batches):
    """Exponent of each sample's largest value.

    The value is between `2^(e - 1)` and `2^e`; `e` is 0 for a dark sample.
    """
    return torch.frexp(torch.stack([_peaks(batch) for batch in batches]).amax(dim=0))[1].to(
        torch.int64
    )


def _peaks(x):
    parts = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
    return parts.abs().flatten(1).amax(dim=1).double()


def scaled(x, exponents):
    """Multiply each sample by `2^-e`, which is exact.

    Squares of values near 1 neither overflow nor vanish.
    """
    # in two steps, because 2^-e itself may be beyond the range of its type
    first = torch.div(exponents, 2, rounding_mode="floor")
    for part in (first, exponents - first):
        x = x * along_samples(torch.exp2(-part.double()).to(x.real.dtype), x)
    return x


def at_unit_peak(x):
    """Scale each sample by a power of two to a peak near 1."""
    return scaled(x, peak_exponents(x))


def wide(x):
    """Convert a tensor to double precision."""
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def values_of_correlations(batch):
    """Working set of the registration of one sample, in values."""
    return math.prod(batch.shape[1:]) * 2 ** len(space_axes(batch))
