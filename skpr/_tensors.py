"""How NumPy and torch meet: views without copies, precisions, devices, and work in chunks."""

import numpy as np
import torch

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
