"""Kernel of a GPU that multiplies rows by a matrix.

The kernel needs Triton, which comes with PyTorch's builds for CUDA. Tensor cores multiply numbers
of 11 bits (TF32). Each number is therefore split in two, and three of the four products are added:
the sum has about the precision of float32 (Ootomo and Yokota, 2022).
"""

import torch
import triton
import triton.language as tl

MANY, SOME = 16384, 1024  # rows, that is columns of pixels in a batch of patterns


@triton.jit
def _parts(pairs):
    """Unpack real and imaginary parts from integers of 64 bits."""
    real = pairs.to(tl.int32).to(tl.float32, bitcast=True)
    return real, (pairs >> 32).to(tl.int32).to(tl.float32, bitcast=True)


@triton.jit
def _pairs(real, imag):
    """Pack real and imaginary parts into integers of 64 bits."""
    low = real.to(tl.uint32, bitcast=True).to(tl.int64)
    return (imag.to(tl.int32, bitcast=True).to(tl.int64) << 32) | low


@triton.jit
def _product(sums, values, matrices, places, valid, size):
    """Add the product of values and a matrix in two halves."""
    high = ((values.to(tl.int32, bitcast=True) + 0x1000) & -8192).to(tl.float32, bitcast=True)
    high_matrix = tl.trans(tl.load(matrices + places, mask=valid, other=0.0))
    low_matrix = tl.trans(tl.load(matrices + size + places, mask=valid, other=0.0))
    sums = tl.dot(values - high, high_matrix, sums, input_precision="tf32")
    sums = tl.dot(high, low_matrix, sums, input_precision="tf32")
    return tl.dot(high, high_matrix, sums, input_precision="tf32")


@triton.jit
def _multiply(
    source,
    matrices,
    target,
    magnitudes,
    unmeasured,
    rescaled,
    first,
    second,
    first_factor,
    second_factor,
    least_modulus,
    n_rows,
    n_columns,
    n_in,
    n_padded,
    width,
    ACROSS: tl.constexpr,
    COMPLEX: tl.constexpr,
    RESCALES: tl.constexpr,
    MASKED: tl.constexpr,
    N_TERMS: tl.constexpr,
    ROWS: tl.constexpr,
    INS: tl.constexpr,
    OUTS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Compute a block of ROWS x OUTS values of the target."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    outs = tl.program_id(1) * OUTS + tl.arange(0, OUTS)
    long_rows = rows.to(tl.int64)
    if ACROSS:
        base = (rows // n_columns).to(tl.int64) * n_columns * n_in + rows % n_columns
        step = n_columns
    else:
        base = long_rows * n_in
        step = 1
    size = n_padded * width
    sums = tl.zeros((ROWS, OUTS), dtype=tl.float32)
    for start in tl.range(0, n_in, INS, num_stages=STAGES):
        ins = start + tl.arange(0, INS)
        if ACROSS:  # neighbouring threads read neighbouring values
            places = base[None, :] + (ins * step)[:, None]
            valid = (rows < n_rows)[None, :] & (ins < n_in)[:, None]
        else:
            places = base[:, None] + ins[None, :]
            valid = (rows < n_rows)[:, None] & (ins < n_in)[None, :]
        inside = (outs < width)[:, None] & (ins < n_padded)[None, :]
        spots = outs[:, None] * n_padded + ins[None, :]
        # tensor cores truncate the sums that they accumulate, so each block starts from 0
        block = tl.zeros((ROWS, OUTS), dtype=tl.float32)
        if COMPLEX:
            real, imag = _parts(tl.load(source + places, mask=valid, other=0))
            if RESCALES:
                modulus = tl.sqrt(real * real + imag * imag)
                scale = tl.load(magnitudes + places, mask=valid, other=0.0)
                scale /= tl.maximum(modulus, least_modulus)
                if MASKED:
                    kept = tl.load(unmeasured + places, mask=valid, other=0)
                    scale = tl.where(kept != 0, 1.0, scale)
                real *= scale
                imag *= scale
                if tl.program_id(1) == 0:
                    tl.store(rescaled + places, _pairs(real, imag), mask=valid)
            if ACROSS:
                real = tl.trans(real)
                imag = tl.trans(imag)
            block = _product(block, real, matrices, spots, inside, size)
            block = _product(block, imag, matrices + 2 * size, spots, inside, size)
        else:
            values = tl.load(source + places, mask=valid, other=0.0)
            if ACROSS:
                values = tl.trans(values)
            block = _product(block, values, matrices, spots, inside, size)
        sums += block
    places = (long_rows * width)[:, None] + outs[None, :]
    valid = (rows < n_rows)[:, None] & (outs < width)[None, :]
    if N_TERMS > 0:
        sums += first_factor * tl.load(first + places, mask=valid, other=0.0)
    if N_TERMS > 1:
        sums += second_factor * tl.load(second + places, mask=valid, other=0.0)
    tl.store(target + places, sums, mask=valid)


def multiply(source, matrices, out, rescaling=None, terms=()):
    """Multiply rows or columns of an array by a matrix, on its GPU.

    Parameters
    ----------
    source : torch.Tensor of shape (n_rows, n_in) or (n_samples, n_in, n_columns)
        Contiguous array of float32 or complex64, whose rows or columns are multiplied.
    matrices : torch.Tensor of shape (2 or 4, width, n_padded)
        Matrix in two halves, that of the real parts before that of the imaginary ones.
    out : torch.Tensor of shape (..., width), contiguous
        Array that receives the products row by row. A complex one has width / 2 values.
    rescaling : tuple of (magnitudes, unmeasured or None, least_modulus, rescaled), optional
        Magnitudes that the source receives before the product, see :func:`rescaled`, and the array
        to which it is written then.
    terms : sequence of (float, torch.Tensor of the shape of `out`)
        At most two arrays to add, with their factors. One of them may be `out`.

    Returns
    -------
    torch.Tensor
        `out`
    """
    n_in, n_columns = (*source.shape[1:], 1)[:2]
    n_rows, (_, width, n_padded) = source.numel() // n_in, matrices.shape
    magnitudes, unmeasured, least_modulus, rescaled = rescaling or (None, None, 0.0, None)
    terms = [(factor, _real(term)) for factor, term in terms]
    n_terms = len(terms)
    (first_factor, first), (second_factor, second) = terms + [(0.0, matrices)] * (2 - n_terms)
    rows, ins, outs, warps, stages = block_shape(n_rows, width)
    grid = triton.cdiv(n_rows, rows), triton.cdiv(width, outs)
    with torch.cuda.device(source.device):
        _multiply[grid](
            _whole(source),
            matrices,
            _real(out),
            matrices if magnitudes is None else magnitudes,
            matrices if unmeasured is None else unmeasured.view(torch.uint8),
            matrices if rescaled is None else _whole(rescaled),
            first,
            second,
            first_factor,
            second_factor,
            least_modulus,
            n_rows,
            n_columns,
            n_in,
            n_padded,
            width,
            ACROSS=source.ndim == 3,
            COMPLEX=source.is_complex(),
            RESCALES=rescaling is not None,
            MASKED=unmeasured is not None,
            N_TERMS=n_terms,
            ROWS=rows,
            INS=ins,
            OUTS=outs,
            STAGES=stages,
            num_warps=warps,
        )
    return out


def block_shape(n_rows, width):
    """Return the shape of a block, (rows, ins, outs, warps, stages).

    Six shapes were tried on an H100; these were the fastest for many, some and few rows.
    """
    outs = 128 if width > 64 else 64
    if n_rows >= MANY:
        return 64, 16, outs, 4, 2
    if n_rows >= SOME:
        return 32, 16, outs, 4, 2
    return 16, 16, 64, 4, 2


def _whole(values):
    """View complex values as integers of 64 bits."""
    return values.view(torch.int64) if values.is_complex() else values


def _real(values):
    return torch.view_as_real(values) if values.is_complex() else values
