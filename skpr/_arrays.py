"""The package's boundary: what batches may come in, and how numpy and torch meet.

Every public function and estimator takes batches whose first axis counts samples and whose remaining one to
three axes are space. Inside, torch computes in the input's own precision; what came in goes out.
"""

import numpy as np
import torch
from sklearn.utils.validation import check_array, validate_data

MAX_SAMPLE_AXES = 3
CHUNK_VALUES = 1 << 19  # float32 values in the working set of one chunk: 2 MiB, about one core's cache


def space_axes(batch):
    """Axes of a batch that are space: all but the first."""
    return tuple(range(1, batch.ndim))


def float_dtype(dtype):
    """The precision in which values of a NumPy `dtype` are computed.

    Floating types of 32 and 64 bits and their complex pairs stay as they are; narrower floats, booleans and
    integers of up to 16 bits become float32, which holds them exactly; everything else becomes float64.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return np.dtype(np.complex64 if dtype.itemsize <= 8 else np.complex128)
    return np.dtype(np.float32 if np.can_cast(dtype, np.float32) else np.float64)


def check_batch(batch, *, name="X", allow_complex=True, ensure_all_finite=True):
    """Validate a batch of objects or magnitudes.

    Parameters
    ----------
    batch : array-like or torch.Tensor of shape (n_samples, *sample_shape)
        One to three sample axes; numbers of any real or complex type.
    name : str
        What error messages call the batch.
    allow_complex : bool
        Whether complex values are valid.
    ensure_all_finite : bool or "allow-nan"
        Whether NaN and infinity are refused, as in :func:`sklearn.utils.check_array`.

    Returns
    -------
    ndarray or torch.Tensor
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
    if batch.ndim < 2:
        raise ValueError(
            f"{name} has shape {tuple(batch.shape)}: a batch is (n_samples, *sample_shape). Reshape your data to "
            "batch[None] if it is one sample"
        )
    if batch.shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={tuple(batch.shape)}) while a minimum of 1 is required.")
    _check_sample_axes(batch.shape, name)
    if not batch.dtype.is_floating_point and not batch.is_complex():
        small = torch.bool, torch.uint8, torch.int8, torch.int16
        batch = batch.to(torch.float32 if batch.dtype in small else torch.float64)
    elif batch.dtype in (torch.float16, torch.bfloat16):
        batch = batch.float()
    bad = torch.isinf(batch) if ensure_all_finite == "allow-nan" else ~torch.isfinite(batch)
    if ensure_all_finite and bad.any():
        raise ValueError(f"Input {name} contains NaN or infinity: {int(bad.sum())} of {batch.numel()} values.")
    return batch


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
    negative = X < 0
    if negative.any():
        raise ValueError(
            f"Negative values in data passed to {whom}: magnitudes are >= 0, the smallest here is "
            f"{float(X[negative].min()):.4g}"
        )


def check_some_measured(X):
    """Refuse samples of which no pixel was measured."""
    hidden = (X != X).reshape(len(X), -1).all(1)
    if hidden.any():
        raise ValueError(
            f"X contains NaN in every pixel of {int(hidden.sum())} of {len(X)} samples, the first at index "
            f"{int(to_tensor(hidden).int().argmax())}: nothing was measured there; leave such samples out"
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


def resolve_device(device):
    """Turn "auto", a name or a `torch.device` into the name of a torch device that exists here."""
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return str(torch.device(device))
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a device; choose 'auto', 'cpu', 'cuda', 'cuda:0', 'mps' or a torch.device"
        ) from error


def to_tensor(array):
    """A torch view of an array, copied only where torch cannot view it; tensors pass through."""
    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def chunks_of(n_samples, values_per_sample):
    """Slices of a batch that keep a chunk's working set near the cache."""
    length = max(1, CHUNK_VALUES // max(1, values_per_sample))
    return [slice(start, min(start + length, n_samples)) for start in range(0, n_samples, length)]


def map_chunks(function, *batches, values_per_sample=None):
    """Apply a batched torch function chunk by chunk: numpy in, numpy out; tensors in, tensors out.

    Parameters
    ----------
    function : callable
        Takes one tensor per batch, returns a tensor or a tuple of tensors with the chunk's length.
    *batches : ndarray or torch.Tensor of shape (n_samples, ...)
        Cut along the first axis. If any is a tensor, the result is tensors and gradients are kept.
    values_per_sample : int, optional
        Size of the function's working set for one sample; the size of a sample of the first batch if not given.

    Returns
    -------
    ndarray, torch.Tensor or tuple of them
    """
    n_samples = batches[0].shape[0]
    if values_per_sample is None:
        values_per_sample = int(np.prod(batches[0].shape[1:]))
    slices = chunks_of(n_samples, values_per_sample)
    if any(isinstance(batch, torch.Tensor) for batch in batches):
        device = next(batch.device for batch in batches if isinstance(batch, torch.Tensor))
        if device.type != "cpu":
            slices = chunks_of(n_samples, max(1, values_per_sample // 64))
        results = [function(*(to_tensor(b[part]).to(device) for b in batches)) for part in slices]
        return _joined(results, torch.cat)
    out = None
    with torch.no_grad():
        for part in slices:
            result = function(*(to_tensor(batch[part]) for batch in batches))
            pieces = result if isinstance(result, tuple) else (result,)
            if out is None:
                out = tuple(_empty_like_batch(piece, n_samples) for piece in pieces)
            for whole, piece in zip(out, pieces, strict=True):
                torch.from_numpy(whole)[part].copy_(piece)
    return _repacked(out, result)


def _empty_like_batch(piece, n_samples):
    dtype = torch.empty(0, dtype=piece.dtype).numpy().dtype
    return np.empty((n_samples, *piece.shape[1:]), dtype=dtype)


def _joined(results, join):
    first = results[0]
    if not isinstance(first, tuple):
        return join(results)
    return _repacked(tuple(join(parts) for parts in zip(*results, strict=True)), first)


def _repacked(parts, template):
    if not isinstance(template, tuple):
        return parts[0]
    return type(template)(*parts) if hasattr(template, "_fields") else tuple(parts)
