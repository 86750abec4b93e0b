"""Shifts by fractions of a pixel, towards a template.

Measured and simulated objects lie at fractions of a pixel, and their magnitudes hardly tell which:
a shift by a fraction is a symmetry, up to the band edge. Shifts to whole pixels leave that part of
it unbroken.
"""

import torch

from .._tensors import along_samples, space_axes

STEPS_PER_PIXEL = 20
# Correlations that differ by less are equal; of equal ones that of a small shift is preferred.
TIE = 1e-9


def moved_by_fractions(x, template, boundary, moves=None):
    """Move objects by up to half a pixel per axis to where they match best.

    The correlation with the template is evaluated at the fractions alone, by a small matrix per
    axis (Guizar-Sicairos et al., 2008), and the shift is a phase ramp in Fourier space. It rings:
    a fraction of the values leaves the support, and objects of one sign are cut at 0 again.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, *object_shape)
        Objects that already match the template up to half a pixel.
    template : torch.Tensor of shape (1, *object_shape)
    boundary : tuple of {"zero", "circular"}
        Boundary along each axis.
    moves : tuple of bool, optional
        Whether objects are moved along each axis; along all by default.

    Returns
    -------
    torch.Tensor of shape (n_samples, *object_shape)
        Moved objects, whose gradients are kept. Those that match best where they are do not change.
    """
    axes, shape = space_axes(x), x.shape[1:]
    grid = [n if wraps == "circular" else 2 * n for n, wraps in zip(shape, boundary, strict=True)]
    spectrum = torch.fft.fftn(x.to(torch.complex128), s=grid, dim=axes)
    moves = (True,) * len(grid) if moves is None else moves
    target = torch.fft.fftn(template.to(torch.complex128), s=grid, dim=axes)
    shifts = best_fractions(spectrum.detach(), target, x, moves)
    for axis, size in enumerate(grid):
        turns = shifts[:, axis, None] * torch.fft.fftfreq(size, device=x.device, dtype=shifts.dtype)
        ramp = torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)
        spectrum = spectrum * ramp.view(
            [len(x)] + [-1 if a == axis else 1 for a in range(len(grid))]
        )
    moved = torch.fft.ifftn(spectrum, dim=axes)[(slice(None), *map(slice, shape))]
    if not x.is_complex():
        moved = moved.real
        flat = x.detach().flatten(1)
        lowest, highest = flat.amin(dim=1), flat.amax(dim=1)
        moved = torch.where(along_samples(lowest >= 0, moved), moved.clamp_min(0), moved)
        moved = torch.where(along_samples(highest <= 0, moved), moved.clamp_max(0), moved)
    stays = along_samples((shifts == 0).all(dim=1), x)
    return torch.where(stays, x, moved.to(x.dtype))


def best_fractions(spectrum, template, x, moves):
    """Return the fractions of a pixel at which objects match a template.

    Parameters
    ----------
    spectrum, template : torch.Tensor of shape (n_samples or 1, *grid), complex128
        Spectra of objects and template.
    x : torch.Tensor
        Objects, whose type tells whether the phase is free.
    moves : tuple of bool
        Whether objects are moved along each axis.

    Returns
    -------
    torch.Tensor of shape (n_samples, n_axes), float64
    """
    half = STEPS_PER_PIXEL // 2
    steps = torch.arange(-half, half + 1, device=spectrum.device, dtype=torch.float64)
    steps, product = steps / STEPS_PER_PIXEL, spectrum.conj() * template
    choices = [steps if one else steps.new_zeros(1) for one in moves]
    cost = product.new_zeros((), dtype=torch.float64)
    for fractions in choices:  # each contraction takes the first axis and puts its fractions last
        frequencies = torch.fft.fftfreq(
            product.shape[1], device=product.device, dtype=torch.float64
        )
        turns = 2 * torch.pi * torch.outer(frequencies, fractions)
        product = torch.tensordot(product, torch.polar(torch.ones_like(turns), turns), ([1], [0]))
        cost = cost[..., None] + fractions.square() + fractions / 7  # without ties of its own
    scores = (product if x.is_complex() else product.real).abs()  # whatever phase or sign
    largest = scores.flatten(1).amax(dim=1)
    best = (scores - TIE * along_samples(largest, scores) * cost).flatten(1).argmax(dim=1)
    places = torch.stack(torch.unravel_index(best, scores.shape[1:]), dim=1)
    shifts = torch.stack([f[places[:, axis]] for axis, f in enumerate(choices)], dim=1)
    return torch.where((largest > 0)[:, None], shifts, 0.0)
