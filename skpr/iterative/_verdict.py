"""The verdict on the reconstructions of a pattern: whether they are to be trusted, in words."""

import numpy as np

from ._subpixel import registered_finely

EXPLAINED = (
    0.8,
    0.5,
)  # share of what the pixels held out show: good above the first, failed below the second
LEADING = (
    0.95,
    0.8,
)  # weight of the first mode of the better half of the starts, likewise (logs of PyNX's users)
VERDICTS = "good", "doubtful", "failed", "undecided"


def leading_modes(objects):
    """Modes of registered reconstructions and their weights, by singular values.

    Parameters
    ----------
    objects : ndarray of shape (n_reconstructions, *object_shape)

    Returns
    -------
    modes : ndarray of shape (n_reconstructions, *object_shape)
        Orthogonal; the first is what most of them have in common. In the unit of the objects.
    weights : ndarray of shape (n_reconstructions,)
        Share of the energy of all that each has: 1 and zeros for equal ones.
    """
    flat = objects.reshape(len(objects), -1)
    unit = np.abs(flat).max() or 1.0
    _, values, modes = np.linalg.svd(flat / unit, full_matrices=False)
    energies = values**2
    total = energies.sum()
    weights = energies / total if total > 0 else np.zeros(len(values))
    modes = (values[:, None] / np.sqrt(len(flat)) * modes * unit).astype(objects.dtype)
    missing = len(objects) - len(
        modes
    )  # of objects with fewer pixels than there are reconstructions
    modes = np.pad(modes, ((0, missing), (0, 0))).reshape(objects.shape)
    return modes, np.pad(weights, (0, missing))


def judged(starts, free_errors, explained):
    """Verdict on one pattern, with the figures it goes by.

    Parameters
    ----------
    starts : ndarray of shape (n_starts, *object_shape)
    free_errors, explained : ndarray of shape (n_starts,)

    Returns
    -------
    verdict : {"good", "doubtful", "failed", "undecided"}
    share : float
        Median share explained of the better half of the starts; NaN where noise hides what there is
        to explain.
    weight : float
        Weight of their first mode; NaN for a single start.
    """
    order = np.argsort(free_errors, kind="stable")[: max(2, (len(starts) + 1) // 2)]
    order = order[np.isfinite(free_errors[order])]
    if not len(order) or not starts[order[0]].any():
        return "undecided", np.nan, np.nan
    known = explained[order][np.isfinite(explained[order])]
    share = float(np.median(known)) if len(known) else np.nan
    weight = np.nan
    if len(order) > 1:
        boundary = ("zero",) * (starts.ndim - 1)
        weight = float(
            leading_modes(registered_finely(starts[order], starts[order[0]], boundary))[1][0]
        )
    if share < EXPLAINED[1] or weight < LEADING[1]:
        return "failed", share, weight
    if np.isnan(share):
        return "undecided", share, weight
    is_good = share >= EXPLAINED[0] and not weight < LEADING[0]
    return "good" if is_good else "doubtful", share, weight


def in_words(verdict, share, weight, n_starts):
    """One line on a pattern."""
    parts = []
    if np.isnan(share):
        parts.append("pixels held out show hardly more than noise")
    else:
        explained = f"explains {min(share, 1):.0%} of what pixels held out show"
        parts.append(explained if share > 0 else "contradicts the pixels held out")
    if not np.isnan(weight):
        parts.append(f"the better half of {n_starts} starts have {weight:.0%} in common")
    return f"{verdict}: {'; '.join(parts)}"
