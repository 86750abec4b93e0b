"""Several reconstructions of one pattern: what they agree on."""

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
from ._subpixel import registered_finely
from ._verdict import leading_modes

if TYPE_CHECKING:
    from .._typing import Batch, Boundary

SAME = 0.5  # Fourier error of objects that plainly have these magnitudes


class Combination(NamedTuple):
    r"""Result of :func:`combine_reconstructions`.

    Attributes
    ----------
    object : ndarray of shape object_shape
        Mean of the consistent reconstructions, registered.
    registered : ndarray of shape (n_reconstructions, \*object_shape)
        All reconstructions, registered to the best one.
    correlations : ndarray of shape (n_reconstructions,)
        Modulus of the normalised correlation of each with the best one after registration; 1 for
        itself.
    consistent : ndarray of shape (n_reconstructions,), bool
        Which have a correlation of at least `min_correlation`.
    frequencies, transfer_function : ndarray of shape (n_rings,), or None
        PRTF of all reconstructions that finished, see
        :func:`skpr.metrics.phase_retrieval_transfer_function`, NaN where a ring has too few counts;
        frequencies in cycles per pixel. None without magnitudes.
    resolution : float or None
        Half period, in pixels, down to which the reconstructions agree; 1, one pixel, where they do
        at every frequency. NaN where nothing can be said, see `reason`. None without magnitudes.
    reason : str
        Why `resolution` is NaN; empty where it is a number.
    floor : ndarray of shape (n_rings,), or None
        Value that the PRTF of a resolved ring exceeds. It is the larger of two: what phases as
        reproducible as 1/e, the usual cut-off, give for `n` reconstructions, `sqrt(1/e^2 + (1 -
        1/e^2) / n)`; and what unrelated objects reach, plus four standard deviations, with which
        the mean over five rings is compared.
    consistent_transfer_function : ndarray of shape (n_rings,), or None
        PRTF of the consistent reconstructions alone. Having been selected for their agreement, they
        agree.
    modes : ndarray of shape (n_reconstructions, \*object_shape)
        Orthogonal modes of all that finished, by singular values; the first is what most of them
        have in common.
    weights : ndarray of shape (n_reconstructions,)
        Share of the energy that each mode has. A first weight of .95 goes with good
        reconstructions, below .8 with failed ones (logs of PyNX's users).

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
        """Tell in words how far the reconstructions agree.

        Returns
        -------
        str
        """
        n = len(self.correlations)
        text = f"{int(self.consistent.sum())} of {n} reconstructions agree; their first mode has {self.weights[0]:.0%}"
        if self.resolution is None:
            return text
        return f"{text}; {self.reason or f'they agree down to half a period of {self.resolution:.2f} pixels'}"


def combine_reconstructions(
    objects: Batch,
    magnitudes: Batch | None = None,
    *,
    errors: Any = None,
    min_correlation: float = 0.95,
    subpixel: bool = False,
    boundary: Boundary | None = None,
    centered: bool = True,
) -> Combination | list[Combination]:
    r"""Register reconstructions of one pattern modulo symmetries, average the consistent ones, and
    judge the agreement.

    Independent runs end on different members of the orbit. Registered to the one with the smallest
    error, what they agree on is what the data determine (Shapiro et al., 2005; Chapman et al.,
    2006). Agreement is evidence only where it is more than chance. The resolution is therefore that
    of all runs, not of those that were selected for their agreement. It must exceed what
    registration alone brings about between unrelated objects, and it ends at the first ring without
    counts. Runs that do not explain the pattern, or of which no more than half agree, have none.

    Runs on the same counts also agree on their noise. The correlation of reconstructions from two
    halves of the counts does not have this weakness: see :func:`skpr.metrics.split_counts`.

    Parameters
    ----------
    objects : array-like of shape (n_reconstructions, \*object_shape), or Retrieval
        Reconstructions of one pattern from different starts, `retrieval.starts[0]` for instance; or
        the result of a retrieval of several patterns.
    magnitudes : array-like of shape fourier_shape, or (n_patterns, \*fourier_shape) with a Retrieval, optional
        The pattern, for PRTF and resolution; NaN where unmeasured.
    errors : array-like of shape (n_reconstructions,), optional
        Fourier errors: the smallest is the reference; NaN is a run that did not finish and is left
        out. If not given, they are computed from `magnitudes`; without these, the one that agrees
        best with all others is the reference.
    min_correlation : float, default=0.95
        Agreement with the reference that makes a reconstruction consistent.
    subpixel : bool, default=False
        Whether to bring fractions of a pixel together, too: a support has room for an object
        between pixels, and so do the magnitudes. Found to 1/20 pixel on the correlation's peak
        (Guizar-Sicairos, Thurman and Fienup, 2008).
    boundary : {"zero", "circular"} or sequence of these with one entry per axis, optional
        Boundary of shifts; by default that of the shapes of objects and magnitudes, "zero" without
        magnitudes.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.

    Returns
    -------
    Combination
        A list of them, one a pattern, for a Retrieval: judged by its free errors where it has them.

    Raises
    ------
    ValueError
        For shapes that do not fit, more than one pattern, errors that are negative or all NaN, or a
        `min_correlation` outside 0 to 1.

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
        return _of_each_pattern(objects, magnitudes, errors, centered=centered, **settings)
    objects = _as_array(inspect_batch(objects, name="objects", warn=False)[0])
    min_correlation = check_number("min_correlation", min_correlation, 0, 1)
    subpixel, centered = check_flag("subpixel", subpixel), check_flag("centered", centered)
    if magnitudes is not None:
        magnitudes = _one_pattern(magnitudes, objects, centered)
    warn_of_layout(objects)
    if boundary is None:
        boundary = (
            "zero" if magnitudes is None else boundary_of(objects.shape[1:], magnitudes.shape)
        )
    boundary = check_boundary(boundary, objects.ndim - 1)
    if errors is None and magnitudes is not None and objects.any():
        empty = ~objects.reshape(len(objects), -1).any(
            axis=1
        )  # a start that was interrupted is zero everywhere
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
    runs = _times_power(registered[finished], -_exponent(registered))
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


def _of_each_pattern(found, magnitudes, errors, **settings):
    """Combinations of the starts of each pattern of a retrieval."""
    n_patterns = len(found.starts)
    if errors is None:
        errors = found.start_errors if found.free_errors is None else found.free_errors
        errors = np.where(np.isnan(errors), found.start_errors, errors)
    if magnitudes is not None and len(magnitudes) != n_patterns:
        raise ValueError(
            f"magnitudes have shape {np.shape(magnitudes)}, but the Retrieval is of {n_patterns} "
            f"patterns; give those"
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
    """Return the checked pattern; refuse several, and one that does not fit the objects."""
    pattern = _as_array(magnitudes)
    several = (
        f"magnitudes have shape {pattern.shape} and objects {objects.shape}; give one pattern and "
        f"its "
        "reconstructions, such as magnitudes[0] and retrieval.starts[0]"
    )
    if pattern.ndim != objects.ndim - 1:
        raise ValueError(several)
    Grid(objects.shape[1:], pattern.shape, centered)
    checks = {"name": "magnitudes", "allow_complex": False, "ensure_all_finite": "allow-nan"}
    pattern = _as_array(check_batch(pattern[None], **checks))
    check_non_negative(pattern, "combine_reconstructions")
    check_some_measured(pattern)
    pattern = pattern[0]
    # n patterns of n samples with some starts each are, by their shapes, one pattern of volumes
    if (
        pattern.ndim > 1
        and len(pattern) == len(objects)
        and _are_pairs(pattern, objects[:, 0], centered)
    ):
        raise ValueError(several)
    return pattern


def _are_pairs(magnitudes, objects, centered):
    """Whether magnitudes are plainly those of the objects, one by one."""
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
        finished = objects.reshape(len(objects), -1).any(
            axis=1
        )  # a start that was interrupted is zero everywhere
        means = np.array([_correlations(objects, one, boundary).mean() for one in objects])
        return finished | ~finished.any(), int(np.where(finished, means, -1.0).argmax())
    errors = _as_array(errors)
    valid = errors.dtype.kind in "iuf" and errors.shape == (len(objects),)
    if not valid or (errors < 0).any() or not np.isfinite(errors).any():
        raise ValueError(
            f"errors={short(errors)} do not fit {len(objects)} reconstructions; give one Fourier "
            f"error for each, NaN "
            "for a run that did not finish, such as retrieval.start_errors[0]"
        )
    return ~np.isnan(errors), int(np.nanargmin(errors))


def _registered(objects, reference, boundary, subpixel):
    """Objects moved onto the reference; the sign of real ones is a symmetry too."""
    # in the unit of the largest value: objects keep their own, and squares stay within range
    exponent = _exponent(objects)
    objects, reference = (_times_power(values, -exponent) for values in (objects, reference))
    if subpixel:
        moved = registered_finely(objects, reference, boundary)
    else:
        moved, _ = register(objects, reference[None], phase=True, boundary=boundary)
    return _times_power(moved, exponent)


def _exponent(objects):
    """Exponent of 2 of the largest value of all objects."""
    return int(
        np.frexp(
            max(float(max(np.abs(one.real).max(), np.abs(one.imag).max())) for one in objects)
        )[1]
    )


def _times_power(values, exponent):
    """Values times a power of 2, exactly, in two steps because the power may be out of range."""
    half = exponent // 2
    return (values * values.real.dtype.type(2.0**half)) * values.real.dtype.type(
        2.0 ** (exponent - half)
    )


def _correlations(objects, reference, boundary):
    truth = np.broadcast_to(reference, objects.shape)
    return np.sqrt(1 - relative_error(truth, objects, boundary=boundary, multioutput="raw_values"))
