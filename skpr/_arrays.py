"""The package's boundary: what batches may come in.

Every public function and estimator takes batches whose first axis counts samples and whose remaining one to
three axes are space. Inside, torch computes in the input's own precision; what came in goes out.
"""

import numpy as np
import torch
from sklearn.utils.validation import check_array, validate_data

from ._lazy import LazyBatch, is_on_disk, summary_of
from ._tensors import float_dtype

MAX_SAMPLE_AXES = 3


def check_batch(batch, *, name="X", allow_complex=True, ensure_all_finite=True):
    """Validate a batch of objects or magnitudes.

    Parameters
    ----------
    batch : array-like, torch.Tensor or array on disk of shape (n_samples, *sample_shape)
        One to three sample axes; numbers of any real or complex type.
    name : str
        What error messages call the batch.
    allow_complex : bool
        Whether complex values are valid.
    ensure_all_finite : bool or "allow-nan"
        Whether NaN and infinity are refused, as in :func:`sklearn.utils.check_array`.

    Returns
    -------
    ndarray, torch.Tensor or LazyBatch
        The batch in float32, float64 or their complex pairs; not copied where its type is one of them.

    Raises
    ------
    ValueError
        For wrong dimensions, no samples, an empty sample, NaN or infinity, or unexpected complex values.
    TypeError
        For values that are not numbers.
    """
    if isinstance(batch, torch.Tensor):
        return _check_tensor(batch, name, allow_complex, ensure_all_finite)
    if is_on_disk(batch):
        return _check_lazy(
            batch if isinstance(batch, LazyBatch) else LazyBatch(batch), name, allow_complex, ensure_all_finite
        )
    checks = {"dtype": None, "allow_nd": True, "ensure_all_finite": ensure_all_finite, "input_name": name}
    if not hasattr(batch, "dtype") and not hasattr(batch, "__dataframe__"):
        batch = np.asarray(batch)
    if getattr(getattr(batch, "dtype", None), "kind", "") == "c":
        _check_complex_allowed(batch.dtype, name, allow_complex)
        check_array(batch.real, **checks)
        check_array(batch.imag, **checks)
    else:
        batch = check_array(batch, **checks | {"dtype": "numeric"})
    _check_sample_axes(batch.shape, name)
    return np.asanyarray(batch, dtype=float_dtype(batch.dtype))


def _check_tensor(batch, name, allow_complex, ensure_all_finite):
    if batch.is_complex():
        _check_complex_allowed(batch.dtype, name, allow_complex)
    _check_layout(batch.shape, name)
    if not batch.dtype.is_floating_point and not batch.is_complex():
        small = torch.bool, torch.uint8, torch.int8, torch.int16
        batch = batch.to(torch.float32 if batch.dtype in small else torch.float64)
    elif batch.dtype in (torch.float16, torch.bfloat16):
        batch = batch.float()
    bad = torch.isinf(batch) if ensure_all_finite == "allow-nan" else ~torch.isfinite(batch)
    if ensure_all_finite and bad.any():
        raise ValueError(f"Input {name} contains NaN or infinity: {int(bad.sum())} of {batch.numel()} values.")
    return batch


def _check_lazy(batch, name, allow_complex, ensure_all_finite):
    _check_layout(batch.shape, name)
    if batch.dtype.kind == "c":
        _check_complex_allowed(batch.dtype, name, allow_complex)
    if not ensure_all_finite:
        return batch
    bad = batch.summary.n_infinite + (0 if ensure_all_finite == "allow-nan" else batch.summary.n_nan)
    if bad:
        raise ValueError(f"Input {name} contains NaN or infinity: {bad} of {batch.size} values.")
    return batch


def _check_layout(shape, name):
    if len(shape) < 2:
        raise ValueError(
            f"{name} has shape {tuple(shape)}: a batch is (n_samples, *sample_shape). Reshape your data to "
            "batch[None] if it is one sample"
        )
    if shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={tuple(shape)}) while a minimum of 1 is required.")
    _check_sample_axes(shape, name)


def _check_complex_allowed(dtype, name, allow_complex):
    if not allow_complex:
        raise ValueError(f"Complex data not supported: {name} is {dtype}, and magnitudes are real; pass np.abs({name})")


def _check_sample_axes(shape, name):
    shape = tuple(shape)
    if len(shape) - 1 > MAX_SAMPLE_AXES:
        raise ValueError(
            f"{name} has shape {shape}: {len(shape) - 1} axes after the first; a batch is "
            f"(n_samples, *sample_shape) with 1, 2 or {MAX_SAMPLE_AXES} sample axes"
        )
    if 0 in shape[1:]:
        raise ValueError(
            f"{name} has shape {shape}: 0 feature(s) while a minimum of 1 is required on every sample axis"
        )


def check_fitted_batch(estimator, X, *, reset, shape_attribute, positive=False, **checks):
    """Validate `X` for an estimator and remember, or compare with, the fitted sample shape.

    `fit` (`reset=True`) sets `n_features_in_` and the attribute `shape_attribute`; later calls raise a
    `ValueError` for samples of another shape.
    """
    given, X = X, check_batch(X, **checks)
    validate_data(estimator, given if hasattr(given, "shape") else X, reset=reset, skip_check_array=True)
    shape = tuple(X.shape[1:])
    if positive:
        check_non_negative(X, type(estimator).__name__)
    if reset:
        setattr(estimator, shape_attribute, shape)
    elif shape != getattr(estimator, shape_attribute):
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted on samples of shape "
            f"{getattr(estimator, shape_attribute)}"
        )
    return X


def check_fitted_magnitudes(estimator, X, *, reset):
    """Validate magnitudes for an estimator, NaN where unmeasured; the fitted shape is `fourier_shape_`."""
    return check_fitted_batch(
        estimator,
        X,
        reset=reset,
        shape_attribute="fourier_shape_",
        positive=True,
        allow_complex=False,
        ensure_all_finite="allow-nan",
    )


def check_non_negative(X, whom):
    """Refuse negative magnitudes; NaN is neither."""
    lowest = summary_of(X).minimum
    if lowest < 0:
        raise ValueError(
            f"Negative values in data passed to {whom}: magnitudes are >= 0, the smallest here is {lowest:.4g}"
        )


def check_some_measured(X):
    """Refuse samples of which no pixel was measured."""
    found = summary_of(X)
    if found.n_hidden:
        raise ValueError(
            f"X contains NaN in every pixel of {found.n_hidden} of {len(X)} samples, the first at index "
            f"{found.first_hidden}: nothing was measured there; leave such samples out"
        )


def check_choice(name, value, choices):
    """Refuse a value outside `choices`, saying which are valid."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        *first, last = [repr(choice) if choice is not None else "None" for choice in choices]
        raise ValueError(f"{name}={value!r} is not valid; choose {', '.join(first)} or {last}")
    return value


def check_boundary(boundary):
    """Refuse a boundary other than "zero" and "circular"."""
    return check_choice("boundary", boundary, ("zero", "circular"))
