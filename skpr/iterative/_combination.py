"""Combination of several reconstructions of one pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from .._arrays import check_batch, check_non_negative, check_some_measured, inspect_batch
from .._layout import warn_of_layout
from .._validation import check_boundary, check_flag, check_number, short
from ..measurement import Grid, boundary_of
from ..metrics import fourier_error, phase_retrieval_transfer_function, relative_error
from ..symmetry import register
from ._agreement import agreement, misfits
from ._powers import exponent_of, times_power
from ._subpixel import registered_finely
from ._verdict import leading_modes

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

SAME = 0.5  # median Fourier error below which magnitudes plainly belong to the objects


class Combination(NamedTuple):
    r"""Combined reconstructions of one pattern, with their agreement.

    Attributes
    ----------
    object : ndarray of shape object_shape
        Mean of the consistent reconstructions, registered.
    registered : ndarray of shape (n_reconstructions, \*object_shape)
        All reconstructions, registered to the best one.
    correlations : ndarray of shape (n_reconstructions,)
        Modulus of each reconstruction's normalised correlation with the best one after
        registration; 1 for the best one itself.
    consistent : ndarray of shape (n_reconstructions,), bool
        Mask of the reconstructions with a correlation of at least `min_correlation`.
    frequencies, transfer_function : ndarray of shape (n_rings,), or None
        Frequencies in cycles per pixel, and the PRTF of all finished reconstructions (see
        :func:`skpr.metrics.phase_retrieval_transfer_function`), which is NaN on rings with too few
        counts. None without magnitudes.
    resolution : float or None
        Half-period resolution in pixels down to which the reconstructions agree; 1 where they agree
        at every frequency. NaN where no resolution can be given, see `reason`. None without
        magnitudes.
    reason : str
        Reason why `resolution` is NaN; empty where it is a number.
    floor : ndarray of shape (n_rings,), or None
        Threshold that the PRTF exceeds on a resolved ring. It is the larger of two values. The
        first is the PRTF of `n` reconstructions at the usual cut-off of 1/e, `sqrt(1/e^2 + (1 -
        1/e^2) / n)`. The second is the PRTF that unrelated objects reach, plus four standard
        deviations; the mean over five rings is compared with it.
    consistent_transfer_function : ndarray of shape (n_rings,), or None
        PRTF of the consistent reconstructions alone. It is biased, because these were selected for
        their agreement.
    modes : ndarray of shape (n_reconstructions, \*object_shape)
        Orthogonal modes of all finished reconstructions, ordered by singular value; the first is
        what most of them have in common.
    weights : ndarray of shape (n_reconstructions,)
        Share of the energy in each mode. The first weight is typically at least .95 for good
        reconstructions, and below .8 for failed ones (logs of PyNX's users).

    Examples
    --------
    >>> import numpy as np
    >>> from skpr.iterative import combine_reconstructions
    >>> objects = np.random.default_rng(0).random((1, 8, 8)).repeat(3, axis=0)
    >>> found = combine_reconstructions(objects)
    >>> int(found.consistent.sum()), found.object.shape
    (3, (8, 8))
    """

    object: Any
    registered: Any
    correlations: Any
    consistent: Any
    frequencies: Any
    transfer_function: Any
    resolution: Any
    reason: str = ""
    floor: Any = None
    consistent_transfer_function: Any = None
    modes: Any = None
    weights: Any = None

    def summary(self) -> str:
        """Return a sentence on how well the combined reconstructions agree.

        Returns
        -------
        str
        """
        n_agreeing, n = int(self.consistent.sum()), len(self.correlations)
        text = f"{n_agreeing} of {n} reconstructions agree"
        if n_agreeing == 1 < n:  # the best one itself
            text = f"none of {n - 1} reconstructions agrees with the best one"
        text = f"{text}; the first mode of all has {self.weights[0]:.0%}"
        if self.resolution is None:
            return text
        agreed = f"they agree down to half a period of {self.resolution:.2f} pixels"
        return f"{text}; {self.reason or agreed}"


def combine_reconstructions(
    objects: Batch,
    magnitudes: Batch | None = None,
    *,
    errors: Any = None,
    min_correlation: float = 0.95,
    subpixel: bool = False,
    boundary: Boundary | None = None,
    centered: bool | None = None,
) -> Combination | list[Combination]:
    r"""Register and average reconstructions, and judge their agreement.

    Independent runs end on different members of the orbit. After registration to the run with the
    smallest error, the runs agree on what the data determine (Shapiro et al., 2005; Chapman et al.,
    2006), and the mean of the consistent ones is returned.

    Agreement is evidence only where it exceeds chance. The resolution is therefore computed from
    all runs, not from those selected for their agreement. The agreement must exceed what
    registration alone produces between unrelated objects, and the resolution ends at the first ring
    without counts. Runs that do not explain the pattern have no resolution, and neither do runs of
    which at most half agree.

    Runs on the same counts also agree on their noise. The correlation of reconstructions from two
    halves of the counts does not have this weakness: see :func:`skpr.metrics.split_counts`.

    Parameters
    ----------
    objects : array-like of shape (n_reconstructions, \*object_shape), or Retrieval
        Reconstructions of one pattern from different starts, such as `retrieval.starts[0]`, or the
        result of a retrieval of several patterns.
    magnitudes : array-like of shape fourier_shape, optional
        Pattern from which PRTF and resolution are computed; NaN where unmeasured. With a Retrieval,
        its patterns, of shape (n_patterns, \*fourier_shape).
    errors : array-like of shape (n_reconstructions,), optional
        Fourier errors. The run with the smallest one is the reference; NaN marks a run that did not
        finish, which is left out. By default they are computed from `magnitudes`; without these,
        the run that agrees best with all others is the reference.
    min_correlation : float, default=0.95
        Correlation with the reference from which a reconstruction is consistent.
    subpixel : bool, default=False
        Whether to register to 1/20 of a pixel on the peak of the correlation (Guizar-Sicairos,
        Thurman and Fienup, 2008). Neither the magnitudes nor a loose support fix the position of an
        object to whole pixels.
    boundary : {"zero", "circular"} or sequence of these with one entry per axis, optional
        Boundary of shifts. By default it follows from the shapes of objects and magnitudes, and is
        "zero" without magnitudes.
    centered : bool, optional
        Whether zero frequency is in the middle of the magnitudes. By default that of the Retrieval,
        and True for other reconstructions.

    Returns
    -------
    Combination
        Mean, agreement and resolution of the reconstructions. For a Retrieval, a list with one
        Combination per pattern, whose reference is chosen by the free errors where there are any.

    Raises
    ------
    ValueError
        If shapes do not fit, several patterns are given, errors are negative or all NaN,
        `min_correlation` is outside 0 to 1, or `centered` is not that of the Retrieval.

    Examples
    --------
    >>> import numpy as np
    >>> runs = np.array([[0.0, 1.0, 2.0, 0.0], [2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    >>> found = combine_reconstructions(runs, errors=[0.01, 0.02, 0.5])
    >>> found.object, found.consistent
    (array([0., 1., 2., 0.]), array([ True,  True, False]))
    """
    if hasattr(objects, "starts"):
        settings = {"min_correlation": min_correlation, "subpixel": subpixel, "boundary": boundary}
        settings["centered"] = layout_of(objects, centered)
        return _of_each_pattern(objects, magnitudes, errors, **settings)
    objects = _as_array(inspect_batch(objects, name="objects", warn=False)[0])
    min_correlation = check_number("min_correlation", min_correlation, 0, 1)
    subpixel = check_flag("subpixel", subpixel)
    centered = check_flag("centered", True if centered is None else centered)
    if magnitudes is not None:
        magnitudes = _one_pattern(magnitudes, objects, centered)
    warn_of_layout(objects)
    if boundary is None:
        boundary = (
            "zero" if magnitudes is None else boundary_of(objects.shape[1:], magnitudes.shape)
        )
    boundary = check_boundary(boundary, objects.ndim - 1)
    if errors is None and magnitudes is not None and objects.any():
        # a start that was interrupted is zero everywhere
        empty = ~objects.reshape(len(objects), -1).any(axis=1)
        errors = np.where(empty, np.nan, misfits(magnitudes, objects, centered))
    finished, reference = _finished_and_best(objects, errors, boundary)
    registered = _registered(objects, objects[reference], boundary, subpixel)
    correlations = _correlations(registered, registered[reference], boundary)
    consistent = (correlations >= min_correlation) & finished
    consistent[reference] = True
    mean = (
        registered[consistent]
        .mean(axis=0, dtype=np.result_type(objects.dtype, np.float64))
        .astype(objects.dtype)
    )
    modes, weights = leading_modes(registered[finished])
    if magnitudes is None:
        return Combination(
            mean,
            registered,
            correlations,
            consistent,
            None,
            None,
            None,
            modes=modes,
            weights=weights,
        )
    runs = times_power(registered[finished], -exponent_of(registered))
    judged = agreement(magnitudes, runs, int(finished[:reference].sum()), boundary, centered)
    selected = phase_retrieval_transfer_function(
        magnitudes, registered[consistent], centered=centered
    )[1]
    return Combination(
        mean,
        registered,
        correlations,
        consistent,
        judged.frequencies,
        judged.transfer_function,
        judged.resolution,
        judged.reason,
        judged.floor,
        selected,
        modes,
        weights,
    )


def layout_of(found, centered=None):
    """Return whether the patterns of a Retrieval are centred.

    A value of `centered` that contradicts it is refused.
    """
    known = getattr(found, "centered", None)
    check_flag("centered", centered, optional=True)
    if known is not None and centered is not None and known != centered:
        raise ValueError(
            f"centered={centered} is not that of the Retrieval, whose patterns have "
            f"centered={known}; leave centered out"
        )
    return known if centered is None else centered


def _of_each_pattern(found, magnitudes, errors, **settings):
    """Combine the starts of each pattern of a retrieval."""
    n_patterns = len(found.starts)
    if errors is None:
        errors = found.start_errors if found.free_errors is None else found.free_errors
        errors = np.where(np.isnan(errors), found.start_errors, errors)
    if magnitudes is not None and len(magnitudes) != n_patterns:
        raise ValueError(
            f"magnitudes have shape {np.shape(magnitudes)}, but the Retrieval has {n_patterns} "
            "patterns; give the magnitudes of these patterns"
        )
    patterns = [None] * n_patterns if magnitudes is None else magnitudes
    return [
        combine_reconstructions(starts, pattern, errors=some, **settings)
        for starts, pattern, some in zip(found.starts, patterns, errors, strict=True)
    ]


def _as_array(batch):
    return (
        batch.detach().cpu().resolve_conj().numpy()
        if isinstance(batch, torch.Tensor)
        else np.asarray(batch)
    )


def _one_pattern(magnitudes, objects, centered):
    """Return the checked pattern, or refuse what does not fit."""
    pattern = _as_array(magnitudes)
    several = (
        f"magnitudes have shape {pattern.shape} and objects {objects.shape}; give one pattern and "
        "its reconstructions, such as magnitudes[0] and retrieval.starts[0]"
    )
    if pattern.ndim != objects.ndim - 1:
        raise ValueError(several)
    Grid(objects.shape[1:], pattern.shape, centered)
    checks = {"name": "magnitudes", "allow_complex": False, "ensure_all_finite": "allow-nan"}
    pattern = _as_array(check_batch(pattern[None], **checks))
    check_non_negative(pattern, "combine_reconstructions")
    check_some_measured(pattern)
    pattern = pattern[0]
    # by their shapes alone, n patterns with n objects each could also be one pattern of volumes
    if (
        pattern.ndim > 1
        and len(pattern) == len(objects)
        and _are_pairs(pattern, objects[:, 0], centered)
    ):
        raise ValueError(several)
    return pattern


def _are_pairs(magnitudes, objects, centered):
    """Return whether each pattern plainly belongs to the object of its index."""
    measured = ~np.isnan(magnitudes).reshape(len(magnitudes), -1).all(axis=1) & magnitudes.any(
        axis=tuple(range(1, magnitudes.ndim))
    )
    if not measured.any():
        return False
    found = fourier_error(
        magnitudes[measured], objects[measured], centered=centered, multioutput="raw_values"
    )
    return bool(np.median(found) < SAME)


def _finished_and_best(objects, errors, boundary):
    """Return which runs finished, and the index of the best of them."""
    if errors is None:
        # a start that was interrupted is zero everywhere
        finished = objects.reshape(len(objects), -1).any(axis=1)
        means = np.array([_correlations(objects, one, boundary).mean() for one in objects])
        return finished | ~finished.any(), int(np.where(finished, means, -1.0).argmax())
    errors = _as_array(errors)
    valid = errors.dtype.kind in "iuf" and errors.shape == (len(objects),)
    if not valid or (errors < 0).any() or not np.isfinite(errors).any():
        raise ValueError(
            f"errors={short(errors)} do not fit {len(objects)} reconstructions; give one Fourier "
            "error for each, NaN for a run that did not finish, such as retrieval.start_errors[0]"
        )
    return ~np.isnan(errors), int(np.nanargmin(errors))


def _registered(objects, reference, boundary, subpixel):
    """Move objects onto the reference; the sign of real ones is a symmetry."""
    # scaled by a power of 2, so that squares stay within range and no value is rounded
    exponent = exponent_of(objects)
    objects, reference = (times_power(values, -exponent) for values in (objects, reference))
    if subpixel:
        moved = registered_finely(objects, reference, boundary)
    else:
        moved, _ = register(objects, reference[None], phase=True, boundary=boundary)
    return times_power(moved, exponent)


def _correlations(objects, reference, boundary):
    truth = np.broadcast_to(reference, objects.shape)
    return np.sqrt(1 - relative_error(truth, objects, boundary=boundary, multioutput="raw_values"))
