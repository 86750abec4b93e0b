"""Bridge between NumPy and torch: views, precisions, devices and chunks."""

import contextlib
import os
import warnings

import numpy as np
import torch

from ._validation import short

CHUNK_VALUES = 1 << 19  # values in the working set of a chunk; 2 MiB in float32, about one cache
LARGER_ON_GPU = 64  # size of a chunk on a GPU, relative to one on the CPU
PROCESS = os.getpid()
PAYS_ON_GPU = 1 << 24  # values; smaller working sets of arrays stay on the CPU


def space_axes(batch):
    """Return the axes of a batch that are space: all but the first."""
    return tuple(range(1, batch.ndim))


def float_dtype(dtype):
    """Return the precision in which values of a NumPy dtype are processed.

    Floating types of 32 and 64 bits and their complex counterparts are unchanged. Narrower floats,
    booleans and integers of up to 16 bits become float32, which represents them exactly. All other
    types become float64, or complex128 if they are complex.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return np.dtype(np.complex64 if dtype.itemsize <= 8 else np.complex128)
    return np.dtype(np.float32 if np.can_cast(dtype, np.float32) else np.float64)


def to_tensor(array):
    """View an array as a tensor; copy it only if torch cannot view it."""
    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array)
    if array.dtype.char in "gG":  # extended precision, which PyTorch does not have
        array = array.astype(array.dtype.char.replace("g", "d").replace("G", "D"))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    odd = any(stride < 0 or stride % array.itemsize for stride in array.strides)
    if odd or not array.flags.writeable or not array.flags.aligned:
        array = array.copy()
    return torch.from_numpy(array)


def resolve_device(device):
    """Return the name of a torch device that exists here.

    Parameters
    ----------
    device : "auto", str or torch.device
        Device; "auto" is a GPU if there is one, else the CPU.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If `device` is not a device, or this machine or this build of PyTorch does not have it.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if not isinstance(device, str | torch.device | int) or isinstance(device, bool):
        raise ValueError(f"device={short(device)} is not a device; {_VALID_DEVICES}")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={short(device)} is not a device; {_VALID_DEVICES}") from error
    if not _exists(found):
        here = ", ".join(repr(name) for name in _devices_here())
        raise ValueError(
            f"device={str(device)!r} does not exist here; choose 'auto' or one of {here}"
        )
    return str(found)


_VALID_DEVICES = "choose 'auto', 'cpu', 'cuda', 'cuda:0', 'mps' or a torch.device"


def _exists(device):
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "meta":  # it holds shapes but no values
        return False
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError):
        return False
    return True


def _devices_here():
    gpus = (
        [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def even_rows(n_samples, at_most):
    """Return evenly spaced indices of at most `at_most` samples."""
    if n_samples <= at_most:
        return np.arange(n_samples)
    return np.arange(at_most) * (n_samples - 1) // max(at_most - 1, 1)


def picked(batch, rows):
    """Return samples of any batch as a tensor without gradient."""
    return to_tensor(
        batch[torch.from_numpy(rows)] if isinstance(batch, torch.Tensor) else batch[rows]
    ).detach()


def usual_device():
    """Return a context in which new tensors are on the CPU by default.

    It overrides the user's default device: functions of arrays compute on the CPU, and functions of
    tensors name their device.
    """
    # in older versions torch.get_default_device does not see a default that was reset to None
    elsewhere = torch.empty(0).device.type != "cpu"
    return torch.device("cpu") if elsewhere else contextlib.nullcontext()


def chunks_of(n_samples, values_per_sample):
    """Cut a batch into slices whose working set is about one cache."""
    length = max(1, CHUNK_VALUES // max(1, values_per_sample))
    return [slice(start, min(start + length, n_samples)) for start in range(0, n_samples, length)]


def map_chunks(function, *batches, values_per_sample=None):
    """Apply a batched torch function chunk by chunk.

    Parameters
    ----------
    function : callable
        Function that takes one tensor per batch and returns a tensor, or a tuple of tensors, with
        the chunk's length.
    *batches : ndarray or torch.Tensor of shape (n_samples, ...)
        Batches to cut along the first axis. If any is a tensor, the results are tensors and
        gradients are kept; otherwise they are arrays.
    values_per_sample : int, optional
        Size of the function's working set for one sample; by default the size of a sample of the
        first batch.

    Returns
    -------
    ndarray, torch.Tensor or tuple of them
        Results for the whole batch.
    """
    with usual_device():
        return _mapped(function, batches, values_per_sample)


def _mapped(function, batches, values_per_sample):
    n_samples = batches[0].shape[0]
    if values_per_sample is None:
        values_per_sample = int(np.prod(batches[0].shape[1:]))
    slices = chunks_of(n_samples, values_per_sample)
    if any(isinstance(batch, torch.Tensor) for batch in batches):
        device = next(batch.device for batch in batches if isinstance(batch, torch.Tensor))
        if device.type != "cpu":
            slices = chunks_of(n_samples, max(1, values_per_sample // LARGER_ON_GPU))
        results = [function(*(to_tensor(b[part]).to(device) for b in batches)) for part in slices]
        return _joined(results, torch.cat)
    with torch.no_grad():
        device = _device_for(n_samples * values_per_sample)
        if device != "cpu":
            larger = chunks_of(n_samples, max(1, values_per_sample // LARGER_ON_GPU))
            try:
                return _mapped_arrays(function, batches, larger, device)
            except torch.OutOfMemoryError:
                warnings.warn(
                    f"the free memory of {device} is too small for chunks of {larger[0].stop} "
                    "samples; they are processed on the CPU",
                    UserWarning,
                    stacklevel=5,
                )
        return _mapped_arrays(function, batches, slices, "cpu")


def _mapped_arrays(function, batches, slices, device):
    """Apply a function to chunks of arrays, on a device."""
    out, gather = None, _gather if device == "cpu" else _Later().gather
    for part in slices:
        result = function(*(_sent(to_tensor(b[part]), device) for b in batches))
        pieces = result if isinstance(result, tuple) else (result,)
        if out is None:
            out = tuple(_empty_like_batch(piece, slices[-1].stop) for piece in pieces)
        gather(out, part, pieces)
    if device != "cpu":
        gather(out, None, None)
    return _repacked(out, result)


def _sent(values, device):
    """Copy values to a device without waiting."""
    if torch.device(device).type != "cuda":
        return values.to(device, non_blocking=True)
    # the GPU reads pinned memory by itself, several times faster than other memory
    pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return pinned.copy_(values).to(device, non_blocking=True)


class _Later:
    """Gathering of results one chunk late.

    A GPU works on a chunk while the results of the last one are copied.
    """

    waiting = None

    def gather(self, out, part, pieces):
        if pieces is not None and pieces[0].device.type == "cuda":
            pinned = [torch.empty(p.shape, dtype=p.dtype, pin_memory=True) for p in pieces]
            pieces = [a.copy_(b, non_blocking=True) for a, b in zip(pinned, pieces, strict=True)]
            arrived = torch.cuda.Event()
            arrived.record()
        else:
            arrived = None
        if self.waiting is not None:
            before, part_before, pieces_before = self.waiting
            if before is not None:
                before.synchronize()
            _gather(out, part_before, pieces_before)
        self.waiting = arrived, part, pieces


def _gather(out, part, pieces):
    for whole, piece in zip(out, pieces, strict=True):
        torch.from_numpy(whole)[part].copy_(piece)


def _device_for(n_values):
    """Return the device on which a function of arrays is computed fastest."""
    is_forked = os.getpid() != PROCESS  # a forked process cannot use the GPU of its parent
    if n_values < PAYS_ON_GPU or is_forked or not torch.cuda.is_available():
        return "cpu"
    return "cuda"


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


def energy(x):
    """Sum `|x|^2` over space, in float64.

    Squares of float32 values therefore neither overflow nor vanish.
    """
    parts = real_parts(x)
    return parts.double().square().sum(dim=space_axes(parts))


def unit_scale(x):
    """Compute a power of two that scales each sample to about 1.

    It brings the largest real or imaginary part to between 1/2 and 1. Multiplication by it is
    exact, so products of scaled values neither overflow nor vanish, and have the digits of the
    original products. It is 1 for samples that are 0, and limited to numbers whose inverse does not
    overflow.

    Returns
    -------
    torch.Tensor of shape (n_samples, 1, ...), real, without gradient
    """
    parts = real_parts(x.detach())
    peaks = parts.abs().amax(dim=space_axes(parts))
    exponents = torch.frexp(peaks).exponent
    most = 126 if peaks.dtype == torch.float32 else 1022
    return along_samples(
        times_power_of_two(torch.ones_like(peaks), -exponents.clamp(-most, most)), x
    )


def real_parts(x):
    """Return the real and imaginary parts along a new last axis.

    Real values are returned unchanged.
    """
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def inner(x, y):
    """Compute the inner product `<x, y> = sum conj(x) y` over space."""
    return (x.conj() * y).sum(dim=space_axes(x))


def unit(values):
    """Compute `values / |values|`, which is the sign of real values.

    The result is 1 where a value is 0 or too small to divide by.
    """
    if values.is_complex():
        none = values.real.abs() + values.imag.abs() < torch.finfo(values.real.dtype).tiny
        return torch.where(none, 1.0, torch.where(none, 1.0, values).sgn())
    return torch.where(values < 0, -1.0, 1.0).to(values.dtype)


def along_samples(values, x):
    return values.view([len(values)] + [1] * (x.ndim - 1))


def times_power_of_two(values, exponents):
    """Multiply values by integer powers of two, in their own precision.

    No digit is lost. With integer exponents `torch.ldexp` would compute the powers in the default
    precision, whatever that of the values.
    """
    return torch.ldexp(values, exponents.to(values.dtype))
