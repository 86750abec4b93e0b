"""Transformers of targets: their checks, steps and inverses."""

import copy

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from .._tensors import along_samples, inner, space_axes, to_tensor, unit
from .._validation import UNDOES_BREAKING, short
from ..augmentation import RandomDeformation
from ..canonicalization import SymmetryCanonicalizer
from ..symmetry import orbit_distance

N_COPIED, N_COPIES = 4, 6  # objects by which a step is judged, and copies of each
APART = 0.05  # relative difference of copies from which a step has changed them
MOVED = 0.3  # a change is a move if the distance of orbits is below this share of the difference


def check_keeps_magnitudes(transformer):
    """Refuse a step that deforms objects at random.

    The magnitudes of a deformed object are not those that were measured.

    Raises
    ------
    ValueError
        If a step of `transformer` is a RandomDeformation.
    """
    for step in plain_steps(transformer):
        if isinstance(step, RandomDeformation):
            raise ValueError(
                f"the step {short(step)} of transformer deforms targets, so their magnitudes are "
                "no longer those in X; give it to the network, as in "
                "PhaseRetrievalRegressor(augmenter=RandomDeformation()), which simulates the "
                "magnitudes of the deformed objects"
            )


def check_stays_canonical(transformer, y):
    """Refuse a step after a canonicalizer that moves objects at random.

    Such a step turns copies of one canonical object into different members of its orbit.

    Raises
    ------
    ValueError
        If a step moves copies of some objects of `y` within their orbits.
    """
    steps = list(plain_steps(transformer))
    canonical = [
        number for number, step in enumerate(steps) if isinstance(step, SymmetryCanonicalizer)
    ]
    if not canonical or canonical[-1] == len(steps) - 1:
        return
    batch = picked(y, np.unique(np.linspace(0, len(y) - 1, N_COPIED).astype(int)))
    # copies of the steps, because this trial must not advance their random numbers
    for number, step in enumerate(copy.deepcopy(steps)):
        batch = step.transform(batch)
        if number == canonical[-1]:
            batch = (
                batch.repeat_interleave(N_COPIES, 0)
                if isinstance(batch, torch.Tensor)
                else batch.repeat(N_COPIES, 0)
            )
        elif number > canonical[-1] and _are_members(batch):
            raise ValueError(
                f"the step {short(steps[number])} of transformer, behind the canonicalizer, "
                f"{UNDOES_BREAKING}"
            )


def _are_members(batch):
    """Return whether copies have become different members of their orbits."""
    if (
        not isinstance(batch, np.ndarray | torch.Tensor)
        or not 2 <= batch.ndim <= 4
        or len(batch) % N_COPIES
    ):
        return False
    copies = to_tensor(batch).detach().cpu()
    copies = copies.to(torch.complex128 if copies.is_complex() else torch.float64)
    first = copies[::N_COPIES].repeat_interleave(N_COPIES, 0)
    norms = first.flatten(1).norm(dim=1)
    apart = (copies - first).flatten(1).norm(dim=1)
    if not (apart > APART * norms).any():
        return False
    distances = [
        orbit_distance(copies, first, phase=True, boundary=boundary)
        for boundary in ("zero", "circular")
    ]
    return bool(
        ((apart > APART * norms) & (torch.minimum(*distances).double() < MOVED * apart)).any()
    )


def plain_steps(transformer):
    """Generate the steps of a transformer, with nested pipelines flattened."""
    if isinstance(transformer, Pipeline):
        for _, step in transformer.steps:
            yield from plain_steps(step)
    elif transformer is not None and not isinstance(transformer, str):
        yield transformer


def with_boundary(transformer, boundary):
    """Set every parameter `boundary` of a transformer that is "auto"."""
    names = [
        name
        for name, value in transformer.get_params().items()
        if name.split("__")[-1] == "boundary" and isinstance(value, str) and value == "auto"
    ]
    value = boundary[0] if len(set(boundary)) == 1 else boundary
    return transformer.set_params(**dict.fromkeys(names, value)) if names else transformer


def inverted(transformer, batch):
    """Invert the steps of a transformer, last one first.

    Steps without an inverse are skipped.
    """
    if transformer is None or isinstance(transformer, str):
        return batch
    if isinstance(transformer, Pipeline):
        for _, step in reversed(transformer.steps):
            batch = inverted(step, batch)
        return batch
    return (
        transformer.inverse_transform(batch) if hasattr(transformer, "inverse_transform") else batch
    )


def picked(batch, rows):
    """Return some samples of a batch, in memory.

    A tensor stays a tensor; an array or a batch on disk becomes an array.
    """
    return (
        batch[torch.from_numpy(rows)].detach()
        if isinstance(batch, torch.Tensor)
        else np.asarray(batch[rows])
    )


def change_beyond_symmetries(objects, others, symmetries):
    """Return the relative distance of objects beyond symmetries.

    Objects are compared in a form that the symmetries do not change. For "fourier" it is the
    modulus of the discrete Fourier transform on the objects' own grid, which no shift changes,
    whether it wraps around or keeps the content inside. For "phase" it is the object at the best
    phase.
    """
    wide = [to_tensor(batch).detach().cpu() for batch in (objects, others)]
    wide = [batch.to(torch.complex128 if batch.is_complex() else torch.float64) for batch in wide]
    peak = wide[0].abs().max()
    first, second = (batch / peak if peak > 0 else batch for batch in wide)
    if symmetries == "fourier":
        first, second = (
            torch.fft.fftn(batch, dim=space_axes(batch)).abs() for batch in (first, second)
        )
    else:
        second = second * along_samples(unit(inner(second, first.to(second.dtype))), second)
    norm = torch.linalg.vector_norm(first)
    return float(torch.linalg.vector_norm(first - second) / norm) if norm > 0 else 0.0
