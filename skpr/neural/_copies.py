"""Turned and mirrored copies of objects and their magnitudes.

The orientation of an object is not lost in the measurement: the pattern of a turned object is the
turned pattern. A copy is therefore another pair of object and magnitudes.
"""

from itertools import permutations, product

import torch


def cube_group(object_shape, fourier_shape):
    """Return the symmetries of a grid: permuted and mirrored axes.

    Only axes of equal length, of the object and of its pattern, are exchanged. A square has 8
    elements and a cube 48.

    Returns
    -------
    list of (tuple of int, tuple of bool)
        Permutation of the axes, and whether each axis is mirrored afterwards.
    """
    lengths = list(zip(object_shape, fourier_shape, strict=True))
    n_axes = len(lengths)
    return [
        (order, mirrored)
        for order in permutations(range(n_axes))
        if [lengths[axis] for axis in order] == lengths
        for mirrored in product((False, True), repeat=n_axes)
    ]


def turned(batch, element, *, spectrum=False, centered=True, back=False):
    """Turn and mirror each sample of a batch.

    Parameters
    ----------
    batch : torch.Tensor of shape (n_samples, *shape)
        Objects or magnitudes.
    element : (tuple of int, tuple of bool)
        Element of :func:`cube_group`.
    spectrum : bool
        Whether samples are magnitudes, whose zero frequency stays in its place.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    back : bool
        Whether to apply the inverse.

    Returns
    -------
    torch.Tensor of shape (n_samples, *shape)
    """
    order, mirrored = element
    axes = [axis + 1 for axis, flips in enumerate(mirrored) if flips]
    if back:
        return _mirrored(batch, axes, spectrum, centered).permute(
            0, *(order.index(axis) + 1 for axis in range(len(order)))
        )
    return _mirrored(batch.permute(0, *(axis + 1 for axis in order)), axes, spectrum, centered)


def _mirrored(batch, axes, spectrum, centered):
    if not axes:
        return batch
    flipped = batch.flip(axes)
    if not spectrum:
        return flipped
    # reversal maps index i to n - 1 - i; frequencies need -i modulo n, about n // 2 if centred
    moved = [axis for axis in axes if not (centered and batch.shape[axis] % 2)]
    return torch.roll(flipped, [1] * len(moved), moved) if moved else flipped
