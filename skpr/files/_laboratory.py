"""Voxel axes of a rocking curve, from the geometry that its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._validation import check_number, check_shape, short
from ..laboratory import momentum_transfer, reciprocal_steps, two_circle_detector, voxel_axes
from ._geometry import check_geometry

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._geometry import Geometry

UNEVEN = 0.05  # deviation of a step from the mean step; with more, the scan is not regular
LENGTHS = "wavelength", "distance", "pixel_size"


def laboratory_axes(
    geometry: Geometry,
    shape: tuple[int, int, int],
    *,
    rocking_axis: npt.ArrayLike,
    rocking_angle: str | None = None,
    rocking_step: float | None = None,
    circles: tuple[str, str] = ("delta", "gamma"),
) -> tuple[np.ndarray, np.ndarray]:
    """Compute voxel axes and momentum transfer of a rocking curve.

    The detector must be on an arm with two circles, as :func:`skpr.laboratory.two_circle_detector`
    has it by default, and the crystal must rotate about one axis from frame to frame. For other
    diffractometers, use :func:`skpr.laboratory.reciprocal_steps` and
    :func:`skpr.laboratory.voxel_axes`.

    Parameters
    ----------
    geometry : Geometry
        Geometry that :func:`read_diffraction` returns with the pattern, for the same binning and
        window.
    shape : (int, int, int)
        Number of frames, rows and columns of the pattern, `fourier_shape`.
    rocking_axis : array-like of shape (3,)
        Axis of the rotation, in the laboratory (z downstream, y up): an increasing angle rotates
        the crystal about it in the right-handed sense. It is `(0, 1, 0)` for theta of beamline
        34-ID-C.
    rocking_angle : str, optional
        Name of the angle that was scanned; by default the only one that differs between frames.
    rocking_step : float, optional
        Angle from frame to frame in radians, in place of that in the geometry.
    circles : (str, str)
        Names of the outer and the inner angle of the detector's arm.

    Returns
    -------
    axes : ndarray of shape (3, 3)
        Step from voxel to voxel along frames, rows and columns, one per row, in metres.
    q : ndarray of shape (3,)
        Momentum transfer of the Bragg peak, in radians per metre.

    Raises
    ------
    ValueError
        If the geometry lacks a length or an angle, the detector moved, or the scan is not regular.

    Examples
    --------
    >>> from skpr.files import Geometry
    >>> angles = {"delta": 0.52, "gamma": 0.29, "theta": (0.1, 0.1002, 0.1004)}
    >>> geometry = Geometry(1.3776e-10, 1.0, (55e-6, 55e-6), angles)
    >>> axes, q = laboratory_axes(geometry, (64, 128, 128), rocking_axis=(0, 1, 0))
    >>> float(round(2e10 * 3.1416 / (q @ q) ** 0.5, 2))  # spacing of the planes, in angstrom
    2.37
    >>> laboratory_axes(Geometry(1.4e-10), (64, 128, 128), rocking_axis=(0, 1, 0))
    Traceback (most recent call last):
    ValueError: geometry has no distance; set it with dataclasses.replace(geometry, distance=...)
    """
    geometry, shape = check_geometry(geometry=geometry), check_shape("shape", shape, 3)
    for name in LENGTHS:
        if getattr(geometry, name) is None:
            raise ValueError(
                f"geometry has no {name}; set it with dataclasses.replace(geometry, {name}=...)"
            )
    if not isinstance(circles, tuple | list) or len(circles) != 2:
        raise ValueError(
            f"circles={short(circles)} is not valid; give the names of the outer and the inner "
            "angle, ('delta', 'gamma')"
        )
    outer, inner = (_fixed_angle(geometry.angles, name) for name in circles)
    detector = two_circle_detector(outer, inner)
    if rocking_step is None:
        rocking_step = _step(geometry.angles, rocking_angle)
    steps = reciprocal_steps(
        detector,
        **{name: getattr(geometry, name) for name in LENGTHS},
        rocking_axis=rocking_axis,
        rocking_step=check_number("rocking_step", rocking_step, noun="radians"),
    )
    return voxel_axes(steps, shape), momentum_transfer(
        detector.peak, wavelength=geometry.wavelength
    )


def _fixed_angle(angles, name):
    """Angle of the detector's arm that is the same for all frames."""
    if name not in angles:
        raise ValueError(
            f"geometry has no angle {name!r} of the detector; it has {_listed(angles)}"
        )
    if np.ndim(angles[name]) != 0:
        raise ValueError(
            f"angle {name!r} of the detector differs from frame to frame, from "
            f"{min(angles[name]):.6g} to {max(angles[name]):.6g} radians; give a scan in which the "
            "detector rests"
        )
    return angles[name]


def _step(angles, name):
    """Step of the angle that was scanned."""
    scanned = [one for one, angle in angles.items() if np.ndim(angle) == 1 and len(angle) > 1]
    if name is None and len(scanned) != 1:
        raise ValueError(
            f"{len(scanned)} angles of geometry differ from frame to frame"
            f"{': ' if scanned else ''}{', '.join(scanned)}; give rocking_angle, one of them, or "
            "rocking_step in radians"
        )
    name = scanned[0] if name is None else name
    if name not in scanned:
        raise ValueError(
            f"rocking_angle={short(name)} does not differ from frame to frame in geometry, which "
            f"has {_listed(angles)}; give rocking_step in radians"
        )
    steps = np.diff(angles[name])
    if np.abs(steps - steps.mean()).max() > UNEVEN * abs(steps.mean()):
        raise ValueError(
            f"angle {name!r} has steps from {steps.min():.4g} to {steps.max():.4g} radians; give "
            "frames at even distances, or rocking_step"
        )
    return float(steps.mean())


def _listed(angles):
    return ", ".join(map(repr, angles)) or "no angles"
