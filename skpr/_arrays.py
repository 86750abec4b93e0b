"""The door: whatever a user holds becomes a checked batch.

Every public function and estimator takes batches whose first axis counts samples and whose
remaining one to three axes are space. Inside, torch computes in the input's own precision; what
came in goes out. The values are scanned once: what the scan finds (:class:`~skpr._facts.Facts`) is
handed down, and nobody below asks again."""

import numpy as np
import torch
from sklearn.utils.validation import check_array, validate_data

from ._containers import in_float, is_frame, unpacked
from ._facts import Facts, facts_of
from ._layout import warn_of_layout
from ._lazy import LazyBatch

MAX_SAMPLE_AXES = 3
ROUNDING = 1e-3  # of the largest modulus: negative values below it are zeros


def check_batch(batch, *, name="X", allow_complex=True, ensure_all_finite=True):
    """Validate a batch of objects or magnitudes.

    Parameters
    ----------
    batch : array-like, torch.Tensor, data frame or array on disk of shape (n_samples, *sample_shape)
        One to three sample axes; numbers of any real or complex type. See Notes.
    name : str
        Name of the batch in error messages.
    allow_complex : bool
        Whether complex values are valid.
    ensure_all_finite : bool or "allow-nan"
        Whether NaN and infinity are refused, as in :func:`sklearn.utils.check_array`. With False
        nobody looks at the values, and nothing is read from disk.

    Returns
    -------
    ndarray, torch.Tensor or LazyBatch
        The batch in float32, float64 or their complex pairs; not copied where its type is one of
        them.

    Raises
    ------
    ValueError
        For wrong dimensions, no samples, an empty sample, NaN or infinity, masked values where
        every value is needed, values beyond the range of float64, or unexpected complex values.
    TypeError
        For values that are not numbers, and for containers that hold several arrays, a unit or a
        sparse array.

    Warns
    -----
    UserWarning
        For an axis of channels, and for one image in place of a batch; see
        :func:`~skpr._layout.warn_of_layout`.

    Notes
    -----
    Besides arrays and tensors the door takes lists of either, data frames, xarray's arrays, and
    arrays of any package that NumPy can read. Masked values are unmeasured: NaN, where NaN is
    valid. Quantities without dimension are taken as numbers, those with a unit are refused.
    Quantized tensors are dequantized; names of axes and labels are ignored."""
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
        See :func:`check_batch`.
    warn : bool
        Whether to warn about its layout.

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
    """Take a batch through the door without looking at its values.

    Parameters
    ----------
    batch, name
        See :func:`check_batch`.

    Returns
    -------
    ndarray, torch.Tensor or LazyBatch
        Like that of :func:`check_batch`; values may be NaN, infinite or complex.
    """
    batch = _opened(batch, name, allow_nan=True)
    return batch if isinstance(batch, LazyBatch) else in_float(batch, name)


def sample_shape_of(batch, *, name="X"):
    """Shape of one sample of whatever a user holds."""
    return tuple((batch if hasattr(batch, "shape") else as_batch(batch, name=name)).shape[1:])


def _opened(batch, name, allow_nan):
    """A batch out of its container, in its own type and of a valid shape."""
    batch = unpacked(batch, name, allow_nan=allow_nan)
    if not isinstance(batch, torch.Tensor | LazyBatch):
        batch = _checked_array(batch, name)
    _check_layout(tuple(batch.shape), name)
    return batch


def is_complex(batch):
    """Whether an array, a tensor or a batch on disk is complex."""
    return batch.is_complex() if isinstance(batch, torch.Tensor) else batch.dtype.kind == "c"


def _checked_array(batch, name):
    """Array of numbers by scikit-learn's rules, which users know.

    Complex numbers, which scikit-learn refuses, pass.
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
            f"to batch[None] if it "
            "is one sample"
        )
    if shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by "
            f"{name}."
        )
    if 0 in shape[1:]:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required on "
            f"every sample axis of "
            f"{name}."
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
    """Validate `X` for an estimator, and its samples' shape.

    `fit` (`reset=True`) sets `n_features_in_` and the attribute `shape_attribute`; later calls
    raise a `ValueError` for samples of another shape."""
    return inspect_fitted_batch(
        estimator, X, reset=reset, shape_attribute=shape_attribute, **checks
    )[0]


def inspect_fitted_batch(estimator, X, *, reset, shape_attribute, positive=False, **checks):
    """Validate `X` for an estimator and report the facts about its values.

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
            f"samples of shape {fitted}; "
            "if X is one sample, give X[None]"
        )
    if (
        not reset and len(shape) > 1 and shape != fitted
    ):  # scikit-learn would count the last axis only
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
    """Validate magnitudes for an estimator and report the facts about them.

    Magnitudes are NaN where unmeasured; the fitted shape is `fourier_shape_`.

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

    Missing pixels (NaN) are no reason.
    """
    lowest = _facts_about(X).minimum
    if lowest < 0:
        raise ValueError(
            f"Negative values in data passed to {whom}: magnitudes are >= 0, the smallest here is "
            f"{lowest:.4g}"
        )


def check_some_measured(X, facts=None):
    """Refuse samples of which no pixel was measured."""
    facts = facts_of(X) if facts is None else facts
    if facts.n_hidden:
        raise ValueError(
            f"X contains NaN in every pixel of {facts.n_hidden} of {len(X)} samples, the first at "
            f"index "
            f"{facts.first_hidden}: nothing was measured there; leave such samples out"
        )


def check_lit(name, batch, facts):
    """Refuse a training set that is zero everywhere: nothing can be learned from it."""
    if facts.largest == 0:
        raise ValueError(
            f"{name} is zero everywhere, in all of n_samples={len(batch)}: there is nothing to "
            f"learn; check how it was "
            "loaded and cropped"
        )


def is_non_negative(batch):
    """Whether objects are real and not negative, but for rounding.

    Negative values smaller than 1e-3 of the largest modulus count as rounding: what an inverse
    transform, an interpolation or a retrieval leaves of zeros.

    Parameters
    ----------
    batch : Facts, ndarray, torch.Tensor or LazyBatch
        Objects, or the facts about them where they are known.
    """
    facts = _facts_about(batch)
    return bool(facts.minimum >= -ROUNDING * facts.largest)


def _facts_about(batch):
    return batch if isinstance(batch, Facts) else facts_of(batch)
