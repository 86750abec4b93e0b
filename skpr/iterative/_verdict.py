"""Verdict on whether the reconstructions of a pattern can be trusted."""

import numpy as np

from ._subpixel import registered_finely

# a pattern is good from the first limit and failed below the second: share explained of the
# structure in held-out pixels, and weight of the first mode of the better half of the starts (logs
# of PyNX's users)
EXPLAINED = 0.8, 0.5
LEADING = 0.95, 0.8
VERDICTS = "good", "doubtful", "failed", "undecided"


def leading_modes(objects):
    """Return the modes of registered reconstructions, and their weights.

    Parameters
    ----------
    objects : ndarray of shape (n_reconstructions, *object_shape)

    Returns
    -------
    modes : ndarray of shape (n_reconstructions, *object_shape)
        Orthogonal modes in the unit of the objects, by singular value; the first is what most
        reconstructions have in common.
    weights : ndarray of shape (n_reconstructions,)
        Share of the total energy in each mode: 1 and zeros for equal reconstructions.
    """
    flat = objects.reshape(len(objects), -1)
    unit = np.abs(flat).max() or 1.0
    _, values, modes = np.linalg.svd(flat / unit, full_matrices=False)
    energies = values**2
    total = energies.sum()
    weights = energies / total if total > 0 else np.zeros(len(values))
    modes = (values[:, None] / np.sqrt(len(flat)) * modes * unit).astype(objects.dtype)
    # there are no more modes than pixels; missing ones are zero
    missing = len(objects) - len(modes)
    modes = np.pad(modes, ((0, missing), (0, 0))).reshape(objects.shape)
    return modes, np.pad(weights, (0, missing))


def judged(starts, free_errors, explained):
    """Return the verdict on one pattern, and the figures it rests on.

    Parameters
    ----------
    starts : ndarray of shape (n_starts, *object_shape)
    free_errors, explained : ndarray of shape (n_starts,)
        Fields of the Retrieval for this pattern.

    Returns
    -------
    verdict : {"good", "doubtful", "failed", "undecided"}
    share : float
        Median share explained by the better half of the starts; NaN where noise hides all structure
        in the held-out pixels.
    weight : float
        Weight of the first mode of these starts; NaN for a single start.
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
    is_good = share >= EXPLAINED[0] and weight >= LEADING[0]  # NaN is no agreement
    return "good" if is_good else "doubtful", share, weight


def in_words(verdict, share, weight, n_starts):
    """Describe the verdict on a pattern in one line."""
    parts = []
    if np.isnan(share):
        parts.append("held-out pixels show hardly more than noise")
    else:
        explained = f"explains {min(share, 1):.0%} of the structure in held-out pixels"
        parts.append(explained if share > 0 else "contradicts the held-out pixels")
    if not np.isnan(weight):
        parts.append(f"the better half of {n_starts} starts have {weight:.0%} in common")
    elif verdict == "doubtful":
        parts.append("a single start has no other to agree with")
    return f"{verdict}: {'; '.join(parts)}"
