"""Validation of batches at the boundary of the package.

Every public function and estimator takes batches whose first axis counts samples and whose
remaining one to three axes are space. Internally, torch computes in the precision of the input;
results have the type of the input. The values are scanned once, and the findings
(:class:`~skpr._facts.Facts`) are passed on, so that no inner function scans them again.
"""

import numpy as np
import torch
from sklearn.utils.validation import check_array, validate_data

from ._containers import in_float, is_frame, unpacked
from ._facts import ROUNDING, Facts, facts_of
from ._layout import warn_of_layout
from ._lazy import LazyBatch

MAX_SAMPLE_AXES = 3


def check_batch(batch, *, name="X", allow_complex=True, ensure_all_finite=True):
    """Validate a batch of objects or magnitudes.

    Parameters
    ----------
    batch : array-like, torch.Tensor, data frame or array on disk
        Numbers of any real or complex type, of shape (n_samples, *sample_shape) with one to three
        sample axes. See Notes.
    name : str
        Name of the batch in error messages.
    allow_complex : bool
        Whether complex values are valid.
    ensure_all_finite : bool or "allow-nan"
        Whether NaN and infinity are refused, as in :func:`sklearn.utils.check_array`. With False
        the values are not scanned, and nothing is read from disk.

    Returns
    -------
    ndarray, torch.Tensor or LazyBatch
        Batch in float32, float64 or their complex counterparts; it is not copied if its type is one
        of them.

    Raises
    ------
    ValueError
        If the batch has wrong dimensions, no samples or an empty sample; or if it holds NaN or
        infinity, masked values where every value is needed, values beyond the range of float64, or
        unexpected complex values.
    TypeError
        If values are not numbers, or the container holds several arrays, a unit or a sparse array.

    Warns
    -----
    UserWarning
        If the batch seems to have an axis of channels, or to be one image; see
        :func:`~skpr._layout.warn_of_layout`.

    Notes
    -----
    Besides arrays and tensors, valid batches are lists of either, data frames, xarray's arrays, and
    arrays of any package that NumPy can read. Masked values count as missing and become NaN where
    NaN is valid. Dimensionless quantities are read as numbers; quantities with a unit are refused.
    Quantized tensors are dequantized. Names of axes and labels are ignored.
    """
    if ensure_all_finite is False:
        from_frame, batch = is_frame(batch), as_batch(batch, name=name)
        _check_complex_allowed(batch, name, allow_complex)
        if not from_frame:
            warn_of_layout(batch)
        return batch
    return inspect_batch(
        batch, name=name, allow_complex=allow_complex, ensure_all_finite=ensure_all_finite
    )[0]


def inspect_batch(batch, *, name="X", allow_complex=True, ensure_all_finite=True, warn=True):
    """Validate a batch and report the facts about its values.

    Parameters
    ----------
    batch, name, allow_complex, ensure_all_finite
        Parameters of :func:`check_batch`.
    warn : bool
        Whether to warn about the layout.

    Returns
    -------
    batch : ndarray, torch.Tensor or LazyBatch
    facts : Facts
    """
    from_frame = is_frame(batch)
    batch = _opened(batch, name, allow_nan=ensure_all_finite is not True)
    _check_complex_allowed(batch, name, allow_complex)
    if isinstance(batch, LazyBatch):
        facts = facts_of(batch)
    else:
        is_integer = _is_integer(batch)
        batch = in_float(batch, name)
        facts = facts_of(batch)._replace(is_integer=is_integer)
    _check_finite(facts, batch.shape, name, ensure_all_finite)
    if warn and not from_frame:
        warn_of_layout(batch)
    return batch, facts


def as_batch(batch, *, name="X"):
    """Validate the type and the shape of a batch, but not its values.

    Parameters
    ----------
    batch, name
        Parameters of :func:`check_batch`.

    Returns
    -------
    ndarray, torch.Tensor or LazyBatch
        Batch as :func:`check_batch` returns it; values may be NaN, infinite or complex.
    """
    batch = _opened(batch, name, allow_nan=True)
    return batch if isinstance(batch, LazyBatch) else in_float(batch, name)


def sample_shape_of(batch, *, name="X"):
    """Return the shape of one sample of any container."""
    return tuple((batch if hasattr(batch, "shape") else as_batch(batch, name=name)).shape[1:])


def _opened(batch, name, allow_nan):
    """Take a batch out of its container, and validate its shape."""
    batch = unpacked(batch, name, allow_nan=allow_nan)
    if not isinstance(batch, torch.Tensor | LazyBatch):
        batch = _checked_array(batch, name)
    _check_layout(tuple(batch.shape), name)
    return batch


def is_complex(batch):
    """Return whether an array, a tensor or a batch on disk is complex."""
    return batch.is_complex() if isinstance(batch, torch.Tensor) else batch.dtype.kind == "c"


def _checked_array(batch, name):
    """Validate an array of numbers by scikit-learn's rules.

    Complex numbers, which scikit-learn refuses, are accepted.
    """
    if getattr(getattr(batch, "dtype", None), "kind", "") == "c" or _is_extended(batch):
        return batch
    if isinstance(batch, np.ndarray):
        _check_layout(batch.shape, name)
    checks = {"dtype": "numeric", "allow_nd": True, "ensure_all_finite": False, "input_name": name}
    try:
        return np.asarray(check_array(batch, **checks))
    except (TypeError, ValueError, OverflowError) as error:
        if (
            getattr(getattr(batch, "dtype", None), "kind", "O") != "O"
        ):  # sparse arrays, matrices and text
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} holds objects that are not numbers: {error}") from error


def _is_extended(batch):
    return isinstance(batch, np.ndarray) and batch.dtype.kind == "V"  # bfloat16 and its like


def _is_integer(batch):
    if isinstance(batch, torch.Tensor):
        return not batch.dtype.is_floating_point and not batch.is_complex()
    return batch.dtype.kind in "biu"


def _check_complex_allowed(batch, name, allow_complex):
    if is_complex(batch) and not allow_complex:
        raise ValueError(
            f"Complex data not supported: {name} is {batch.dtype}, and magnitudes are real; pass "
            f"np.abs({name})"
        )


def _check_layout(shape, name):
    if len(shape) < 2:
        raise ValueError(
            f"{name} has shape {shape}: a batch is (n_samples, *sample_shape). Reshape your data "
            "to batch[None] if it is one sample"
        )
    if shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by "
            f"{name}."
        )
    if 0 in shape[1:]:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required on "
            f"every sample axis of {name}."
        )
    if len(shape) - 1 > MAX_SAMPLE_AXES:
        raise ValueError(
            f"{name} has shape {shape}: {len(shape) - 1} axes after the first; a batch is "
            f"(n_samples, *sample_shape) with 1, 2 or {MAX_SAMPLE_AXES} sample axes"
        )


def _check_finite(facts, shape, name, ensure_all_finite):
    n_nan = 0 if ensure_all_finite == "allow-nan" else facts.n_nan
    if ensure_all_finite and (n_nan or facts.n_infinite):
        found = {"NaN": n_nan, "infinity": facts.n_infinite}
        counted = " and ".join(
            f"{what} in {n} of {np.prod(shape)} values" for what, n in found.items() if n
        )
        raise ValueError(f"Input {name} contains {counted}")


def check_fitted_batch(estimator, X, *, reset, shape_attribute, **checks):
    """Validate `X` and the shape of its samples for an estimator.

    In `fit` (`reset=True`), `n_features_in_` and the attribute `shape_attribute` are set. Later
    calls raise a `ValueError` for samples of another shape.
    """
    return inspect_fitted_batch(
        estimator, X, reset=reset, shape_attribute=shape_attribute, **checks
    )[0]


def inspect_fitted_batch(estimator, X, *, reset, shape_attribute, positive=False, **checks):
    """Validate `X` for an estimator and report facts about its values.

    See :func:`check_fitted_batch`.

    Returns
    -------
    X : ndarray, torch.Tensor or LazyBatch
    facts : Facts
    """
    given, (X, facts) = X, inspect_batch(X, warn=reset, **checks)
    shape, fitted = tuple(X.shape[1:]), getattr(estimator, shape_attribute, None)
    if not reset and tuple(X.shape) == fitted:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {fitted}; if X is one sample, give X[None]"
        )
    # scikit-learn would compare the first sample axis only
    if not reset and len(shape) > 1 and shape != fitted:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {fitted}"
        )
    validate_data(estimator, given if is_frame(given) else X, reset=reset, skip_check_array=True)
    if positive:
        check_non_negative(facts, type(estimator).__name__)
    if reset:
        setattr(estimator, shape_attribute, shape)
    elif shape != fitted:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {fitted}"
        )
    return X, facts


def inspect_fitted_magnitudes(estimator, X, *, reset):
    """Validate magnitudes for an estimator and report facts about them.

    Missing pixels are NaN. The fitted shape is `fourier_shape_`.

    Returns
    -------
    X : ndarray, torch.Tensor or LazyBatch
    facts : Facts
    """
    return inspect_fitted_batch(
        estimator,
        X,
        reset=reset,
        shape_attribute="fourier_shape_",
        positive=True,
        allow_complex=False,
        ensure_all_finite="allow-nan",
    )


def check_fitted_magnitudes(estimator, X, *, reset):
    """Validate magnitudes as :func:`inspect_fitted_magnitudes` does."""
    return inspect_fitted_magnitudes(estimator, X, reset=reset)[0]


def check_non_negative(X, whom):
    """Refuse negative magnitudes, given the batch or the facts about it.

    Missing pixels (NaN) are accepted.
    """
    lowest = _facts_about(X).minimum
    if lowest < 0:
        raise ValueError(
            f"Negative values in data passed to {whom}: magnitudes are >= 0, the smallest here is "
            f"{lowest:.4g}"
        )


def check_some_measured(X, facts=None):
    """Refuse samples without any measured pixel."""
    facts = facts_of(X) if facts is None else facts
    if facts.n_hidden:
        raise ValueError(
            f"X contains NaN in every pixel of {facts.n_hidden} of {len(X)} samples, the first at "
            f"index {facts.first_hidden}: nothing was measured there; leave such samples out"
        )


def check_lit(name, batch, facts):
    """Refuse a training set that is zero everywhere."""
    if facts.largest == 0:
        raise ValueError(
            f"{name} is zero everywhere, in all of n_samples={len(batch)}: there is nothing to "
            "learn; check how it was loaded and cropped"
        )


def is_non_negative(batch):
    """Return whether objects are real and non-negative up to rounding.

    Negative values smaller than 1e-3 of the largest modulus count as rounding. An inverse
    transform, an interpolation or a retrieval leaves such values in place of zeros.

    Parameters
    ----------
    batch : Facts, ndarray, torch.Tensor or LazyBatch
        Objects, or the facts about them if they are known.
    """
    facts = _facts_about(batch)
    return bool(facts.minimum >= -ROUNDING * facts.largest)


def _facts_about(batch):
    return batch if isinstance(batch, Facts) else facts_of(batch)
