"""Directions of a detector in the laboratory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ._checks import check_angle, check_direction

if TYPE_CHECKING:
    import numpy.typing as npt


class DetectorDirections(NamedTuple):
    """Directions of a detector, in the laboratory's axes.

    Parameters
    ----------
    peak : array-like of shape (3,)
        Direction from the crystal to the pixel of the Bragg peak.
    rows : array-like of shape (3,)
        Direction in which the row number increases.
    columns : array-like of shape (3,)
        Direction in which the column number increases.

    Examples
    --------
    >>> DetectorDirections(peak=(0, 0, 1), rows=(0, -1, 0), columns=(1, 0, 0)).rows
    (0, -1, 0)
    """

    peak: npt.ArrayLike
    rows: npt.ArrayLike
    columns: npt.ArrayLike


def two_circle_detector(
    outer: float,
    inner: float,
    *,
    outer_axis: npt.ArrayLike = (0, 1, 0),
    inner_axis: npt.ArrayLike = (-1, 0, 0),
    peak: npt.ArrayLike = (0, 0, 1),
    rows: npt.ArrayLike = (0, -1, 0),
    columns: npt.ArrayLike = (1, 0, 0),
) -> DetectorDirections:
    r"""Compute the directions of a detector on an arm with two circles.

    The inner circle is mounted on the outer one: every direction `v` of the detector at zero angles
    becomes `R(outer_axis, outer) R(inner_axis, inner) v`. Axes are those at zero angles.

    The defaults are those of beamline 34-ID-C of the Advanced Photon Source, as in cohere-ui:
    `outer` is delta and `inner` is gamma. The axes are right-handed: z points downstream, y up, and
    x to the left for an observer who looks downstream. The diffracted beam has the direction
    `(sin delta cos gamma, sin gamma, cos delta cos gamma)`.

    Parameters
    ----------
    outer, inner : float
        Angles in radians, positive for a right-handed rotation about their axes.
    outer_axis, inner_axis : array-like of shape (3,)
        Axes of the circles.
    peak, rows, columns : array-like of shape (3,)
        Directions at zero angles; see :class:`DetectorDirections`. If frames were mirrored before
        they were saved, give the opposite `rows` or `columns`.

    Returns
    -------
    DetectorDirections
        Unit vectors.

    Raises
    ------
    ValueError
        If an angle is not a finite number or is more than a full turn, or a direction is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> two_circle_detector(np.pi / 2, 0.0).peak.round(12) + 0.0
    array([1., 0., 0.])
    """
    outer, inner = check_angle("outer", outer), check_angle("inner", inner)
    turn = Rotation.from_rotvec(outer * check_direction("outer_axis", outer_axis))
    turn = turn * Rotation.from_rotvec(inner * check_direction("inner_axis", inner_axis))
    directions = {"peak": peak, "rows": rows, "columns": columns}
    return DetectorDirections(
        *(turn.apply(check_direction(name, value)) for name, value in directions.items())
    )


def check_detector(detector):
    """Return the three unit vectors of a detector.

    Raises
    ------
    ValueError
        For what is not three directions, or a detector that is seen from the side.
    """
    try:
        directions = DetectorDirections(*detector)
    except TypeError:
        raise ValueError(
            f"detector={detector!r} is not valid; give DetectorDirections(peak, rows, columns)"
        ) from None
    units = [
        check_direction(f"detector.{name}", direction)
        for name, direction in zip(("peak", "rows", "columns"), directions, strict=True)
    ]
    if abs(np.linalg.det(units)) < 1e-3:
        raise ValueError(
            f"detector={tuple(unit.round(6).tolist() for unit in units)} has rows, columns and "
            "peak in one plane; give directions that span space"
        )
    return DetectorDirections(*units)
