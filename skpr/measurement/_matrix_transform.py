"""Pruned transforms as products with matrices, for GPUs.

A pass of a GPU's FFT library reads and writes the whole array, and pruning, scaling and adding are
passes of their own. One kernel that multiplies by a matrix of the discrete Fourier transform does
all of that while it reads and writes each value once. Products with matrices of some hundred rows
cost its tensor cores less than that reading and writing.

Spectra lie in memory as in :mod:`skpr.measurement._pruned`: with their axes in reverse order. Each
pass transforms one axis and moves it last.
"""

import importlib
import math
from functools import lru_cache

import torch

LONGEST = 1024  # pixels along an axis; the cost of a product grows with its square
ALIGNED = 32  # rows of matrices are padded to a multiple of this length
FIRST_WITH_TF32 = 8, 0  # compute capability


def is_served(values, fourier_shape):
    """Whether a transform of these values is computed by matrices."""
    return (
        values.device.type == "cuda"
        and values.dtype in (torch.float32, torch.complex64)
        and max(fourier_shape) <= LONGEST
        and _has_kernel(values.device)
    )


@lru_cache(maxsize=16)
def _has_kernel(device):
    """Whether the kernel runs on a GPU: whether Triton is there."""
    if torch.cuda.get_device_capability(device) < FIRST_WITH_TF32:
        return False
    try:
        importlib.import_module("triton")
    except ImportError:
        return False
    return True


def _multiply(*arguments, **options):
    from ._matrix_kernel import multiply  # Triton is not everywhere

    return multiply(*arguments, **options)


def spectrum_of(objects, fourier_shape, terms=(), out=None, multiply=_multiply):
    """Compute spectra, and add others.

    Parameters
    ----------
    objects : torch.Tensor of shape (n_samples, *object_shape)
    fourier_shape : tuple of int
    terms : sequence of (float, torch.Tensor of shape (n_samples, *reversed columns))
        At most two spectra to add, with their factors.
    out : torch.Tensor of shape (n_samples, *reversed columns), contiguous, optional
        Tensor that receives the sum; it may be the first of the terms.
    multiply : callable, optional
        Product with a matrix, see :func:`skpr.measurement._matrix_kernel.multiply`.

    Returns
    -------
    torch.Tensor of shape (n_samples, *reversed columns)
    """
    shape, real = objects.shape[1:], not objects.is_complex()
    columns = (*fourier_shape[:-1], fourier_shape[-1] // 2 + 1) if real else fourier_shape
    values = objects.contiguous()
    for axis in reversed(range(len(shape))):
        is_first, is_last = axis == len(shape) - 1, axis == 0
        matrices = matrices_of(
            shape[axis],
            columns[axis],
            fourier_shape[axis],
            "forward of real" if real and is_first else "forward",
            str(values.device),
        )
        made = (len(objects), *shape[:axis], *reversed(columns[axis:]))
        values = multiply(
            values.view(-1, shape[axis])
            if is_first
            else values.view(-1, shape[axis], math.prod(columns[axis + 1 :])),
            matrices,
            out
            if is_last and out is not None
            else torch.empty(made, dtype=objects.dtype.to_complex(), device=objects.device),
            terms=terms if is_last else (),
        )
    return values


def objects_of(spectrum, object_shape, fourier_shape, real, rescaling=None, multiply=_multiply):
    """Compute objects from spectra, cut to their frame.

    Parameters
    ----------
    spectrum : torch.Tensor of shape (n_samples, *reversed columns), contiguous
    object_shape, fourier_shape : tuple of int
    real : bool
        Whether the objects are real, and the spectra half ones.
    rescaling : tuple, optional
        Magnitudes that the spectra receive first, see
        :func:`skpr.measurement._matrix_kernel.multiply`.
    multiply : callable, optional

    Returns
    -------
    torch.Tensor of shape (n_samples, *object_shape)
    """
    columns, values = tuple(reversed(spectrum.shape[1:])), spectrum
    for axis in range(len(columns)):
        is_first, is_real = axis == 0, real and axis == len(columns) - 1
        matrices = matrices_of(
            columns[axis],
            object_shape[axis],
            fourier_shape[axis],
            "inverse to real" if is_real else "inverse",
            str(values.device),
        )
        made = (len(spectrum), *reversed(columns[axis + 1 :]), *object_shape[: axis + 1])
        dtype = spectrum.dtype.to_real() if is_real else spectrum.dtype
        values = multiply(
            values.view(-1, columns[axis])
            if is_first
            else values.view(-1, columns[axis], math.prod(object_shape[:axis])),
            matrices,
            torch.empty(made, dtype=dtype, device=spectrum.device),
            rescaling=rescaling if is_first else None,
        )
    return values


@lru_cache(maxsize=64)
def matrices_of(n_in, n_out, size, kind, device):
    """Return the matrix of a pruned transform along one axis, in two halves.

    Parameters
    ----------
    n_in, n_out : int
        Number of pixels that are not 0, and of those to compute.
    size : int
        Number of pixels of the grid.
    kind : {"forward", "forward of real", "inverse", "inverse to real"}
        Direction. An inverse to real values takes a half spectrum.
    device : str

    Returns
    -------
    torch.Tensor of shape (2 or 4, width, n_padded), float32
        Matrices of the real and, where the input is complex, of the imaginary parts. Complex output
        has real and imaginary parts in turn, so its width is `2 n_out`. Of each matrix, the nearest
        numbers of 11 bits come first, and the rest follows.

    Examples
    --------
    >>> matrices_of(2, 2, 4, "forward of real", "cpu")[0, :, :2].round()
    tensor([[ 1.,  1.],
            [-0., -0.],
            [ 1.,  0.],
            [-0., -1.]])
    """
    turns = torch.outer(torch.arange(n_out), torch.arange(n_in)) % size
    angles = 2 * math.pi / size * turns.double()
    cos, sin = angles.cos(), angles.sin()
    if kind.startswith("inverse"):
        cos, sin = cos / size, -sin / size
    if kind == "inverse to real":
        weights = torch.full((n_in,), 2.0, dtype=torch.float64)  # each stands for a pair
        weights[0] = 1
        if size % 2 == 0 and n_in == size // 2 + 1:
            weights[-1] = 1
        parts = [cos * weights, sin * weights]
    else:
        parts = [torch.stack([cos, -sin], dim=1).flatten(0, 1)]
        if kind != "forward of real":
            parts.append(torch.stack([sin, cos], dim=1).flatten(0, 1))
    halves = []
    for part in parts:
        padded = torch.nn.functional.pad(part, (0, -n_in % ALIGNED))
        single = padded.float()
        high = ((single.view(torch.int32) + 0x1000) & -8192).view(torch.float32)
        halves += [high, (padded - high).float()]
    return torch.stack(halves).to(device)
