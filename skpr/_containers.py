"""Extraction of batches from the containers of users.

A container may carry more than its values. Where this changes their meaning (a mask, a unit, a
scale), it is either honoured or refused by name. Gradients are kept. Names of axes, labels and
coordinates are ignored.
"""

import os
from collections.abc import Iterator, Mapping

import numpy as np
import scipy.sparse
import torch
import torch.utils.data

from ._lazy import LazyBatch, is_on_disk
from ._store import is_closed
from ._tensors import float_dtype


def unpacked(batch, name, *, allow_nan=False):
    """Take a batch out of its container.

    Parameters
    ----------
    batch : object
    name : str
        Name of the batch in error messages.
    allow_nan : bool
        Whether masked values become NaN; otherwise an array with masked values is refused.

    Returns
    -------
    ndarray, torch.Tensor, LazyBatch or data frame
        Batch; tensors are dense, and arrays are of class `numpy.ndarray` and hold numbers or text.
    """
    if isinstance(batch, torch.Tensor):
        return _tensor(batch, name, allow_nan)
    if is_on_disk(batch):
        return _on_disk(batch, name)
    if is_frame(batch):
        return _frame(batch, name)
    _refuse_collections(batch, name)
    if _package(batch) == "xarray":  # axis labels and coordinates do not change values
        return unpacked(batch.data, name, allow_nan=allow_nan)
    batch = _without_unit(batch, name)
    if _is_masked(batch):
        return _filled(batch, name, allow_nan)
    if isinstance(batch, list | tuple):
        return _stacked(batch, name, allow_nan)
    if isinstance(batch, np.matrix) or scipy.sparse.issparse(batch):
        return batch  # scikit-learn refuses these with a message of its own
    return _array(batch, name, allow_nan)


def is_frame(batch):
    """Return whether a batch is a data frame: typed columns."""
    if isinstance(batch, torch.Tensor) or is_on_disk(batch):
        return False
    return hasattr(batch, "shape") and hasattr(batch, "columns") and not hasattr(batch, "dtype")


def _package(thing):
    return type(thing).__module__.split(".")[0]


def _frame(frame, name):
    """Return the frame, or its values if scikit-learn would refuse it."""
    types = list(getattr(frame, "dtypes", ()))
    kinds = {getattr(dtype, "kind", "") for dtype in types}
    if kinds & set("mM"):
        raise TypeError(f"{name} is a data frame with dates or times; give real or complex numbers")
    if 0 in frame.shape:
        return np.empty(frame.shape)
    sparse = any(hasattr(dtype, "fill_value") for dtype in types)
    if kinds & set("cO") or sparse or not hasattr(frame, "iloc"):  # no "iloc": not from pandas
        return _array(frame, name, allow_nan=True)
    return frame


def _refuse_collections(batch, name):
    if isinstance(batch, str | bytes | os.PathLike):
        raise TypeError(
            f"{name}={batch!r} is text, not a batch; load the file first, for instance with "
            "numpy.load"
        )
    if batch is None or isinstance(batch, set | frozenset | Iterator):
        found = "None" if batch is None else f"a {type(batch).__name__}"
        raise TypeError(f"{name} is {found}; give an array of shape (n_samples, *sample_shape)")
    if isinstance(batch, torch.utils.data.Dataset | torch.utils.data.DataLoader):
        raise TypeError(
            f"{name} is a {type(batch).__name__}; give its samples as one array or tensor"
        )
    dtype = getattr(batch, "dtype", None)
    names = dtype.names if isinstance(dtype, np.dtype) else None
    if names is None and isinstance(batch, Mapping):
        names = [str(key) for key in batch]
    fields = getattr(batch, "_fields", None)
    if isinstance(batch, tuple) and fields:  # a named tuple, as retrieve returns it
        names = list(fields)
    if names is not None:
        first = repr(names[0]) if names else "'name'"
        way = f"{name}.{fields[0]}" if fields else f"{name}[{first}]"
        listed = ", ".join(repr(one) for one in names[:8]) + (", ..." if len(names) > 8 else "")
        raise TypeError(
            f"{name} is a {type(batch).__name__} that holds several arrays ({listed}); give one "
            f"of them, such as {way}"
        )


def _without_unit(batch, name):
    """Return the bare values of a dimensionless quantity.

    A quantity with a unit is refused, because the results would lose the unit.
    """
    unit = getattr(batch, "units", getattr(batch, "unit", None))
    if unit is None or isinstance(batch, type) or callable(unit):
        return batch
    way = next((way for way in ("magnitude", "value") if hasattr(batch, way)), None)
    if str(unit) not in ("", "dimensionless", "1"):
        bare = f"{name}.{way}" if way else f"numpy.asarray({name})"
        raise TypeError(
            f"{name} is a {type(batch).__name__} in units of {str(unit)!r}, which results would "
            f"not keep; give its values in a unit of your choice, {bare}"
        )
    return getattr(batch, way) if way else batch


def _is_masked(batch):
    if isinstance(batch, np.ma.MaskedArray):
        return True
    mask = getattr(batch, "mask", None)
    return isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == np.shape(batch)


def _filled(batch, name, allow_nan):
    """Return the values of a masked array, NaN where they are masked."""
    mask = (
        np.ma.getmaskarray(batch)
        if isinstance(batch, np.ma.MaskedArray)
        else np.asarray(batch.mask)
    )
    # NumPy's masked arrays have `data`, Astropy's have `unmasked`
    values = np.asarray(batch.unmasked if hasattr(batch, "unmasked") else batch.data)
    n_masked = int(mask.sum())
    if n_masked and not allow_nan:
        raise ValueError(
            f"{name} is a masked array with {n_masked} of {mask.size} values masked, and every "
            f"value is needed here; give {name}.filled(...) with a value of your choice"
        )
    if not n_masked:
        return _array(values, name, allow_nan)
    values = _array(values, name, allow_nan)
    return np.where(
        mask, values.dtype.type(np.nan) if values.dtype.kind in "fc" else np.float32(np.nan), values
    )


def _on_disk(batch, name):
    if not isinstance(batch, LazyBatch) and not is_closed(batch):
        _refuse_collections(batch, name)
    try:
        return LazyBatch(batch)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


def _stacked(batch, name, allow_nan):
    """Stack a list of samples into one array or tensor."""
    if any(isinstance(one, list | tuple) or _holds_values(one) for one in batch[:1]):
        parts = [unpacked(one, name, allow_nan=allow_nan) for one in batch]
        shapes = {tuple(part.shape) for part in parts}
        if len(shapes) > 1:
            _refuse_ragged(name, shapes)
        if all(isinstance(part, torch.Tensor) for part in parts):
            dtype = parts[0].dtype
            for part in parts:
                dtype = torch.promote_types(dtype, part.dtype)
            return torch.stack([part.to(parts[0].device, dtype) for part in parts])
        return _array(np.stack([_as_numpy(part) for part in parts]), name, allow_nan)
    return _array(batch, name, allow_nan)


def _holds_values(one):
    """Return whether an entry of a list is an array, not a number."""
    return isinstance(one, torch.Tensor) or (
        not isinstance(one, np.generic) and hasattr(one, "__array__")
    )


def _as_numpy(part):
    return part.detach().cpu().numpy() if isinstance(part, torch.Tensor) else np.asarray(part)


def _refuse_ragged(name, shapes):
    first, second, *_ = sorted(shapes)
    raise ValueError(
        f"{name} has samples of different shapes, such as {first} and {second}; give samples of "
        "one shape"
    )


def _array(batch, name, allow_nan):
    """Convert a batch to a plain array of numbers or text."""
    try:
        array = np.asarray(batch)
    except ValueError as error:
        if "inhomogeneous" in str(error):
            raise ValueError(
                f"{name} has samples of different shapes; give samples of one shape"
            ) from error
        raise
    except Exception as error:
        raise TypeError(
            f"{name} is a {type(batch).__name__}, which NumPy cannot read: {error}"
        ) from error
    if array.dtype.kind == "O" and array.ndim == 0:
        raise TypeError(
            f"{name} is a {type(batch).__name__}, which NumPy cannot read; give its values as an "
            "array"
        )
    if array.dtype.kind == "O":
        return _of_objects(array, name, allow_nan)
    if array.dtype.kind in "mMT" or (
        array.dtype.kind == "V" and not np.can_cast(array.dtype, np.float32)
    ):
        raise TypeError(f"{name} holds values of type {array.dtype}; give real or complex numbers")
    return array


def _of_objects(array, name, allow_nan):
    """Convert an array of Python objects to numbers where possible.

    Scikit-learn refuses all other objects later.
    """
    values = array.ravel().tolist()
    if (
        array.ndim == 1
        and len(values)
        and all(isinstance(v, list | tuple) or _holds_values(v) for v in values)
    ):
        return _stacked(values, name, allow_nan)
    if any(isinstance(value, complex | np.complexfloating) for value in values):
        try:
            return array.astype(np.complex128)
        except TypeError as error:
            raise TypeError(f"{name} holds objects that are not numbers: {error}") from error
    if any(type(value).__name__ == "NAType" for value in values):  # missing values of pandas
        values = [np.nan if type(value).__name__ == "NAType" else value for value in values]
        return np.array(values, dtype=object).reshape(array.shape)
    return array


def _tensor(batch, name, allow_nan):
    """Convert a tensor to a plain dense tensor; the gradient is kept."""
    if batch.is_nested:
        raise TypeError(
            f"{name} is a nested tensor, whose samples differ in shape; give samples of one shape"
        )
    if batch.layout != torch.strided:
        raise TypeError(
            f"{name} is not a dense tensor but of layout {batch.layout}; give {name}.to_dense()"
        )
    if batch.device.type == "meta":
        raise ValueError(
            f"{name} is a tensor on the device 'meta', which holds no values; give it on a device "
            "that does"
        )
    if hasattr(batch, "full_tensor"):
        raise TypeError(
            f"{name} is a {type(batch).__name__}, of which this process holds only a part; give "
            f"{name}.full_tensor()"
        )
    if hasattr(batch, "get_mask"):
        n_masked = int((~batch.get_mask()).sum())
        if n_masked and not allow_nan:
            raise ValueError(
                f"{name} is a masked tensor with {n_masked} of {batch.numel()} values masked, and "
                f"every value is needed here; give {name}.to_tensor(...) with a value of your "
                "choice"
            )
        values = _tensor_in_float(batch.get_data(), name)
        return torch.where(batch.get_mask(), values, torch.nan)
    if type(batch) is not torch.Tensor:
        batch = batch.as_subclass(torch.Tensor)
    if batch.is_quantized:
        batch = batch.dequantize()
    if any(name is not None for name in getattr(batch, "names", ())):
        batch = batch.rename(None)
    return batch.resolve_conj().resolve_neg()


_NARROW = torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16


def _tensor_in_float(batch, name):
    if batch.dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        return batch
    try:
        if batch.is_complex():
            return batch.to(torch.complex64)
        narrow = batch.dtype.is_floating_point or batch.dtype in _NARROW
        return batch.to(torch.float32 if narrow else torch.float64)
    except (RuntimeError, NotImplementedError) as error:
        raise TypeError(
            f"{name} holds values of type {batch.dtype}; give real or complex numbers"
        ) from error


def in_float(array, name):
    """Convert values to the precision of :func:`float_dtype`.

    Values beyond the range of float64 are refused.
    """
    if isinstance(array, torch.Tensor):
        return _tensor_in_float(array, name)
    dtype = float_dtype(array.dtype)
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore", under="ignore"):
        converted = array.astype(dtype)
    if array.dtype.itemsize > dtype.itemsize:
        lost = np.isfinite(array) & ~np.isfinite(converted)
        vanished = (array != 0).any() and not (converted != 0).any()
        if lost.any() or vanished:
            raise ValueError(
                f"{name} holds values of {array.dtype} beyond the range of {dtype}, in which they "
                "are processed; rescale it"
            )
    return converted
