"""Steps of a rocking curve in reciprocal space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._validation import short, warn_user
from ._checks import check_angle, check_direction, check_length
from ._detector import check_detector

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._detector import DetectorDirections

UNEQUAL = 30  # ratio of the steps along two axes; more is a mistake of units


def momentum_transfer(
    peak: npt.ArrayLike, *, wavelength: float, beam: npt.ArrayLike = (0, 0, 1)
) -> np.ndarray:
    """Compute the momentum transfer of the Bragg peak, `Q = k_f - k_i`.

    Parameters
    ----------
    peak : array-like of shape (3,)
        Direction from the crystal to the pixel of the Bragg peak; of any length.
    wavelength : float
        Wavelength in metres.
    beam : array-like of shape (3,)
        Direction of the incident beam; of any length.

    Returns
    -------
    ndarray of shape (3,)
        Momentum transfer in radians per metre, in the laboratory's axes; `2 pi / |Q|` is the
        spacing of the lattice planes.

    Raises
    ------
    ValueError
        If a length is not positive or has another unit, or a direction is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> q = momentum_transfer((0, 1, 0), wavelength=1e-10)
    >>> float(round(2 * np.pi / np.linalg.norm(q) * 1e10, 4))  # of the planes, in angstrom
    0.7071
    """
    wavelength = check_length("wavelength", wavelength)
    change = check_direction("peak", peak) - check_direction("beam", beam)
    return 2 * math.pi / wavelength * change


def reciprocal_steps(
    detector: DetectorDirections,
    *,
    wavelength: float,
    distance: float,
    pixel_size: tuple[float, float],
    rocking_axis: npt.ArrayLike,
    rocking_step: float,
    beam: npt.ArrayLike = (0, 0, 1),
) -> np.ndarray:
    r"""Compute the steps of a rocking curve in reciprocal space.

    With the wave number `k = 2 pi / wavelength`, the unit vector `n` to the Bragg peak and
    `Q = k_f - k_i`, a pixel of size `p` along the unit vector `d` is the step
    `k p (d - (n . d) n) / distance`: on the Ewald sphere, also where the detector is tilted. A
    rotation of the crystal by `rocking_step` about the unit vector `a` turns `Q` in the crystal's
    own axes the other way: the step from frame to frame is `rocking_step Q x a`. All steps are
    those at the Bragg peak, to first order in angles.

    Parameters
    ----------
    detector : DetectorDirections
        Directions of the detector, for example from :func:`two_circle_detector`.
    wavelength, distance : float
        Wavelength, and distance from the crystal to the pixel of the Bragg peak, in metres.
    pixel_size : (float, float)
        Size of a pixel along a column and along a row (height and width), in metres; multiply both
        by the binning of the frames.
    rocking_axis : array-like of shape (3,)
        Axis of the rotation of the crystal, in the laboratory.
    rocking_step : float
        Angle from frame to frame in radians, positive for a right-handed rotation of the crystal.
    beam : array-like of shape (3,)
        Direction of the incident beam.

    Returns
    -------
    ndarray of shape (3, 3)
        Steps in radians per metre, one per row: from frame to frame, from row to row and from
        column to column.

    Raises
    ------
    ValueError
        If a length is not positive or has another unit, a vector has no direction, or the rotation
        leaves the momentum transfer unchanged.

    Warns
    -----
    UserWarning
        If the step between frames is more than 30 times that between pixels, or less than a
        thirtieth of it: one of the units is then wrong.

    Notes
    -----
    A scan of the photon energy has steps `Q dE / E` from frame to frame. :func:`voxel_axes` takes
    any three vectors, including those of other scans.

    References
    ----------
    Maddali et al., J. Appl. Cryst. 53, 393 (2020); Pfeifer, thesis, University of
    Illinois (2005); for tilted detectors Maddali et al., Crystals 10, 1150 (2020).

    Examples
    --------
    >>> from skpr.laboratory import two_circle_detector
    >>> detector = two_circle_detector(0.5, 0.2)
    >>> steps = reciprocal_steps(
    ...     detector,
    ...     wavelength=1.4e-10,
    ...     distance=1.0,
    ...     pixel_size=(55e-6, 55e-6),
    ...     rocking_axis=(0, 1, 0),
    ...     rocking_step=1e-4,
    ... )
    >>> (steps / 1e6).round(3) + 0.0
    array([[ 0.628,  0.   ,  2.109],
           [ 0.235, -2.419,  0.43 ],
           [ 2.166,  0.   , -1.183]])
    """
    peak, *directions = check_detector(detector)
    q = momentum_transfer(peak, wavelength=wavelength, beam=beam)
    distance = check_length("distance", distance)
    if np.ndim(pixel_size) != 1 or len(pixel_size) != 2:
        raise ValueError(f"pixel_size={short(pixel_size)} is not valid; give a pair in metres")
    sizes = [check_length("pixel_size", p) for p in pixel_size]
    axis = check_direction("rocking_axis", rocking_axis)
    angle = check_angle("rocking_step", rocking_step, noun="radians other than 0")
    if angle == 0 or np.linalg.norm(np.cross(q, axis)) <= 1e-6 * np.linalg.norm(q):
        raise ValueError(
            f"rocking_step={rocking_step!r} about rocking_axis={short(rocking_axis)} leaves the "
            f"momentum transfer {short(q)} where it is; give an angle other than 0 and an axis "
            "that is not parallel to it"
        )
    scale = 2 * math.pi / (wavelength * distance)
    across = [
        scale * size * (along - (along @ peak) * peak)
        for size, along in zip(sizes, directions, strict=True)
    ]
    steps = np.stack([angle * np.cross(q, axis), *across])
    _doubt_units(steps)
    return steps


def _doubt_units(steps):
    """Warn of frames that are far further apart than pixels, or far less."""
    between, *across = np.linalg.norm(steps, axis=1)
    ratio = between / max(across)
    if not 1 / UNEQUAL < ratio < UNEQUAL:
        warn_user(
            f"the step of the momentum transfer from frame to frame is {ratio:.2g} times that from "
            "pixel to pixel, and rocking curves have similar ones: rocking_step is in radians, "
            "wavelength, distance and pixel_size are in metres"
        )
