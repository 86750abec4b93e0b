"""Several reconstructions of one pattern: what they agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._arrays import check_batch
from ..metrics import phase_retrieval_transfer_function, relative_error
from ..symmetry import flip, register

if TYPE_CHECKING:
    from .._typing import Batch

STEPS_PER_PIXEL = 20


class Combination(NamedTuple):
    r"""What :func:`combine_reconstructions` found.

    Attributes
    ----------
    object : ndarray of shape object_shape
        Mean of the consistent reconstructions, registered.
    registered : ndarray of shape (n_reconstructions, \*object_shape)
        All of them, registered to the best one.
    correlations : ndarray of shape (n_reconstructions,)
        Modulus of the normalised correlation of each with the best one after registration; 1 for itself.
    consistent : ndarray of shape (n_reconstructions,), bool
        Those with a correlation of at least `min_correlation`.
    frequencies, transfer_function : ndarray of shape (n_rings,), or None
        PRTF of the consistent ones; frequencies in cycles per pixel. `None` without magnitudes.
    resolution : float or None
        Half period, in pixels, at which the PRTF beyond zero frequency first falls below 1/e; 1, one pixel, where it
        never does.

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


def combine_reconstructions(
    objects: Batch,
    magnitudes: Batch | None = None,
    *,
    errors: Any = None,
    min_correlation: float = 0.95,
    subpixel: bool = False,
    boundary: str = "zero",
    centered: bool = True,
) -> Combination:
    r"""Register reconstructions of one pattern modulo symmetries, and average the consistent ones.

    Independent runs end on different members of the orbit; registered to the one with the smallest error, what they
    agree on is what the data determine (Shapiro et al., 2005; Chapman et al., 2006).

    Parameters
    ----------
    objects : array-like of shape (n_reconstructions, \*object_shape)
        Reconstructions of one pattern, `retrieval.starts[0]` for instance.
    magnitudes : array-like of shape fourier_shape, optional
        The pattern, for PRTF and resolution; NaN where unmeasured.
    errors : array-like of shape (n_reconstructions,), optional
        Fourier errors: the smallest is the reference. The one that agrees best with all others if not given.
    min_correlation : float, default=0.95
        Agreement with the reference that makes a reconstruction consistent.
    subpixel : bool, default=False
        Whether to bring fractions of a pixel together, too: a support has room for an object between pixels, and so
        do the magnitudes. Found to 1/20 pixel on the correlation's peak (Guizar-Sicairos, Thurman and Fienup, 2008).
    boundary : {"zero", "circular"}, default="zero"
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.

    Returns
    -------
    Combination

    Raises
    ------
    ValueError
        For shapes that do not fit, errors that are all NaN, or a `min_correlation` outside 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> runs = np.array([[0.0, 1.0, 2.0, 0.0], [2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    >>> found = combine_reconstructions(runs, errors=[0.01, 0.02, 0.5])
    >>> found.object, found.consistent
    (array([0., 1., 2., 0.]), array([ True,  True, False]))
    """
    objects = np.asarray(check_batch(objects, name="objects"))
    if not 0 <= min_correlation <= 1:
        raise ValueError(f"min_correlation={min_correlation!r} is not valid; give a number from 0 to 1")
    if errors is None:
        reference = int(np.argmax([_correlations(objects, one, boundary).mean() for one in objects]))
    else:
        errors = np.asarray(errors, dtype=float)
        if errors.shape != (len(objects),) or np.isnan(errors).all():
            raise ValueError(f"errors={errors!r} do not fit {len(objects)} reconstructions; give one number for each")
        reference = int(np.nanargmin(errors))
    registered = (_registered_finely if subpixel else _registered)(objects, objects[reference], boundary)
    correlations = _correlations(registered, registered[reference], boundary)
    consistent = correlations >= min_correlation
    consistent[reference] = True
    frequencies = transfer = resolution = None
    if magnitudes is not None:
        frequencies, transfer = phase_retrieval_transfer_function(magnitudes, registered[consistent], centered=centered)
        below = np.flatnonzero(transfer[1:] < np.exp(-1))
        resolution = max(1.0, float(0.5 / frequencies[1:][below[0]])) if len(below) else 1.0
    return Combination(
        registered[consistent].mean(axis=0), registered, correlations, consistent, frequencies, transfer, resolution
    )


def _registered(objects, reference, boundary, **symmetries):
    """Objects moved onto the reference by whole pixels; the sign of real ones is a symmetry too."""
    return register(objects, reference[None], phase=True, boundary=boundary, **symmetries)[0]


def _registered_finely(objects, reference, boundary):
    """Objects moved onto the reference by fractions of a pixel.

    Which way up they are is decided last: of an object that is nearly its own flip, whole pixels may choose wrongly.
    """
    candidates = []
    for upright in (objects, flip(objects)):
        coarse = _registered(upright, reference, boundary, flip=False)
        candidates.append(np.stack([_moved_by_fraction(one, reference, boundary) for one in coarse]))
    axes = tuple(range(1, objects.ndim))
    distances = [(np.abs(candidate - reference) ** 2).sum(axis=axes, keepdims=True) for candidate in candidates]
    return np.where(distances[1] < distances[0], candidates[1], candidates[0])


def _moved_by_fraction(moving, reference, boundary):
    """Move an object by up to half a pixel an axis, and turn its phase, onto a reference; itself if that is nearest."""
    grid = [n if boundary == "circular" else 2 * n for n in moving.shape]
    spectrum = np.fft.fftn(moving, s=grid, axes=range(moving.ndim))
    product = spectrum.conj() * np.fft.fftn(reference, s=grid, axes=range(moving.ndim))
    fractions = np.arange(-STEPS_PER_PIXEL // 2, STEPS_PER_PIXEL // 2 + 1) / STEPS_PER_PIXEL
    for size in grid:  # each contraction takes the first axis and puts its fractions last
        product = np.tensordot(product, np.exp(2j * np.pi * np.outer(np.fft.fftfreq(size), fractions)), axes=(0, 0))
    best = np.unravel_index(np.abs(product).argmax(), product.shape)
    shift = fractions[list(best)]
    if not shift.any():
        return moving
    for axis, (size, fraction) in enumerate(zip(grid, shift, strict=True)):
        ramp = np.exp(-2j * np.pi * np.fft.fftfreq(size) * fraction)
        spectrum = spectrum * ramp.reshape([-1 if a == axis else 1 for a in range(moving.ndim)])
    moved = np.fft.ifftn(spectrum)[tuple(slice(n) for n in moving.shape)]
    if not np.iscomplexobj(moving):
        return moved.real.astype(moving.dtype)
    return (moved * np.exp(1j * np.angle(product[best]))).astype(moving.dtype)


def _correlations(objects, reference, boundary):
    truth = np.broadcast_to(reference, objects.shape)
    return np.sqrt(1 - relative_error(truth, objects, boundary=boundary, multioutput="raw_values"))
