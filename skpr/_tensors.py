"""NumPy and torch together: views, precisions, devices and work in chunks."""

import contextlib

import numpy as np
import torch

from ._validation import short

CHUNK_VALUES = (
    1 << 19
)  # float32 values in the working set of one chunk: 2 MiB, about one core's cache


def space_axes(batch):
    """Axes of a batch that are space: all but the first."""
    return tuple(range(1, batch.ndim))


def float_dtype(dtype):
    """The precision in which values of a NumPy `dtype` are computed.

    Floating types of 32 and 64 bits and their complex pairs stay as they are; narrower floats,
    booleans and integers of up to 16 bits become float32, which holds them exactly; everything else
    becomes float64."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return np.dtype(np.complex64 if dtype.itemsize <= 8 else np.complex128)
    return np.dtype(np.float32 if np.can_cast(dtype, np.float32) else np.float64)


def to_tensor(array):
    """View an array as a tensor; copy it only where torch cannot view it."""
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
        "auto" is a GPU where there is one.

    Raises
    ------
    ValueError
        For what is not a device, and for a device that this machine, or this build of PyTorch, does
        not have.
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
    if device.type == "meta":  # it holds shapes and no values
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
    """Indices of at most so many samples, at even distances."""
    if n_samples <= at_most:
        return np.arange(n_samples)
    return np.arange(at_most) * (n_samples - 1) // max(at_most - 1, 1)


def picked(batch, rows):
    """Some samples of an array, a tensor or a batch on disk, as a tensor without gradient."""
    return to_tensor(
        batch[torch.from_numpy(rows)] if isinstance(batch, torch.Tensor) else batch[rows]
    ).detach()


def usual_device():
    """Context in which tensors are made on the CPU, whatever the user's default device is.

    Functions of arrays compute there, and those of tensors say where.
    """
    elsewhere = (
        torch.empty(0).device.type != "cpu"
    )  # torch.get_default_device forgets, in older versions, None
    return torch.device("cpu") if elsewhere else contextlib.nullcontext()


def chunks_of(n_samples, values_per_sample):
    """Slices of a batch that keep a chunk's working set near the cache."""
    length = max(1, CHUNK_VALUES // max(1, values_per_sample))
    return [slice(start, min(start + length, n_samples)) for start in range(0, n_samples, length)]


def map_chunks(function, *batches, values_per_sample=None):
    """Apply a batched torch function chunk by chunk.

    Parameters
    ----------
    function : callable
        Takes one tensor per batch, returns a tensor or a tuple of tensors with the chunk's length.
    *batches : ndarray or torch.Tensor of shape (n_samples, ...)
        Batches, cut along the first axis. If any is a tensor, the results are tensors and gradients
        are kept; otherwise they are arrays.
    values_per_sample : int, optional
        Size of the function's working set for one sample; the size of a sample of the first batch
        if not given.

    Returns
    -------
    ndarray, torch.Tensor or tuple of them
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


def energy(x):
    """Sum of `|x|^2` over space, squared and summed in float64: of float32 values none overflows or
    vanishes.
    """
    parts = real_parts(x)
    return parts.double().square().sum(dim=space_axes(parts))


def unit_scale(x):
    """Power of two that brings the largest real or imaginary part of each sample to between 1/2 and
    1.

    Multiplication by it is exact, so that products of scaled values neither overflow nor vanish and
    are otherwise those of the values themselves. It is 1 for samples that are 0, and stops short of
    numbers whose inverse overflows.

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
    """Real and imaginary parts along a last axis of their own; real values as they are."""
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def inner(x, y):
    """`<x, y> = sum conj(x) y` over space."""
    return (x.conj() * y).sum(dim=space_axes(x))


def unit(values):
    """`values / |values|`, and 1 where the value is 0 or too small to divide by; the sign, for real
    values.
    """
    if values.is_complex():
        none = values.real.abs() + values.imag.abs() < torch.finfo(values.real.dtype).tiny
        return torch.where(none, 1.0, torch.where(none, 1.0, values).sgn())
    return torch.where(values < 0, -1.0, 1.0).to(values.dtype)


def along_samples(values, x):
    return values.view([len(values)] + [1] * (x.ndim - 1))


def times_power_of_two(values, exponents):
    """Values times two to the power of integers, in the precision of the values: no digit is lost.

    `torch.ldexp` computes powers of integers in the default precision, whatever that of the values
    is."""
    return torch.ldexp(values, exponents.to(values.dtype))
