"""Template and direction that strategies learn from a training set."""

import math
from dataclasses import replace

import torch

from .._tensors import chunks_of, energy, to_tensor
from ..symmetry.core import turned
from ._flip_rules import odd_features, principal_direction
from ._search import canonical_phases, near_unit_scale, search_copy
from ._ties import to_double


def starting_strategies(strategies):
    """Replace templates by the rules that compute the first mean."""
    return replace(
        strategies,
        shift="centroid" if strategies.shift == "template" else strategies.shift,
        flip="principal" if strategies.flip == "template" else strategies.flip,
        phase="origin" if strategies.phase == "template" else strategies.phase,
        subpixel=False,
    )


def mean_of(X, moved, template, *, aligns_phases):
    """Average the representatives of a training set at unit norm.

    Parameters
    ----------
    X : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
    moved : callable
        Function that moves a batch to its representatives.
    template : ndarray of shape (*object_shape), or None
        Reference of the phases.
    aligns_phases : bool
        Whether phases are aligned for the average, because representatives keep theirs.

    Returns
    -------
    ndarray of shape (*object_shape), float64 or complex128
    """
    total = 0.0
    with torch.no_grad():
        for part in chunks_of(len(X), 2 * math.prod(X.shape[1:])):
            x = to_double(near_unit_scale(moved(to_tensor(X[part]))))
            if aligns_phases:
                reference = (
                    None if template is None else torch.as_tensor(template, device=x.device)[None]
                )
                x = turned(x, canonical_phases(x, reference))
            norms = energy(x).sqrt()
            x = x / torch.where(norms > 0, norms, 1.0).view([-1] + [1] * (x.ndim - 1))
            total = total + x.sum(dim=0)
    return (total / len(X)).cpu().numpy()


def fitted_direction(X, strategies):
    """Compute the principal direction of the odd features, in float64."""
    moment = 0.0
    with torch.no_grad():
        for part in chunks_of(len(X), 4 * math.prod(X.shape[1:])):
            seen = search_copy(to_tensor(X[part]), strategies)
            features = odd_features(to_double(seen), strategies.boundary)
            moment = moment + features.T @ features
    return principal_direction(moment).cpu().numpy()


def norm_of(mean):
    """Return the energy of a mean of objects of unit norm."""
    return float((abs(mean) ** 2).sum())
