"""Geometry of an experiment, in SI units.

It consists of the wavelength, distance, pixel size and angles, with the source of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._validation import check_number, warn_user
from ._units import QUANTITIES, si

LIGHT = 299792458.0  # m/s
PLANCK = 6.62607015e-34  # J s
SAME = 1e-3  # largest relative difference of two lengths that count as the same

ANGLES = {
    *(
        "alpha",
        "beta",
        "chi",
        "delta",
        "eta",
        "gamma",
        "kappa",
        "mu",
        "nu",
        "omega",
        "phi",
        "psi",
        "theta",
    ),
    *("tth", "two_theta", "twotheta", "detector_2theta", "rocking_angle", "del", "gam"),
    *("start_angle", "start_phi", "start_omega"),
}  # names of the angles of diffractometers


@dataclass(frozen=True)
class Geometry:
    """Geometry of an experiment, in SI units; None where unknown.

    Parameters
    ----------
    wavelength : float, optional
        Wavelength in metres.
    distance : float, optional
        Distance from the object to the detector, in metres.
    pixel_size : (float, float), optional
        Size of a detector pixel along height and width, in metres.
    angles : dict of str to float or tuple of float
        Angles of the diffractometer by name, in radians; one per frame if they differ between
        frames.
    sources : dict of str to str
        Origin of each quantity: the name of the data set or the key of the header.

    Examples
    --------
    >>> geometry = Geometry(wavelength=1.3776e-10, distance=1.5, pixel_size=(75e-6, 75e-6))
    >>> round(geometry.energy / 1.602176634e-19), geometry.binned((2, 2)).pixel_size
    (9000, (0.00015, 0.00015))
    """

    wavelength: float | None = None
    distance: float | None = None
    pixel_size: tuple[float, float] | None = None
    angles: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def energy(self) -> float | None:
        """Energy of a photon, in joules."""
        return None if self.wavelength is None else PLANCK * LIGHT / self.wavelength

    def binned(self, factors: tuple[int, ...]) -> Geometry:
        """Return the geometry of a pattern whose pixels are blocks of pixels.

        `factors` holds the number of pixels of a block along height and width; of a rocking curve,
        the number of frames before them. The angle of several frames is their mean.
        """
        angles, sizes = self.angles, self.pixel_size
        if len(factors) == 3 and factors[0] > 1:
            angles = {name: _of_blocks(angle, factors[0]) for name, angle in angles.items()}
        if sizes is not None:
            sizes = tuple(size * n for size, n in zip(sizes, factors[-2:], strict=True))
        return replace(self, pixel_size=sizes, angles=angles)

    def of_frames(self, numbers: Any, n_frames: int) -> Geometry:
        """Return the geometry of some of the frames.

        Angles that differ between frames are selected by the numbers of the frames.
        """
        angles = {
            name: tuple(angle[number] for number in numbers)
            if np.size(angle) == n_frames > 1
            else angle
            for name, angle in self.angles.items()
        }
        angles = {
            name: angle[0] if np.ndim(angle) and len(set(angle)) == 1 else angle
            for name, angle in angles.items()
        }
        return replace(self, angles=angles)

    def first_frames(self, n_frames: int) -> Geometry:
        """Return the geometry without the angles of later frames."""
        angles = {
            name: angle[:n_frames] if np.ndim(angle) else angle
            for name, angle in self.angles.items()
        }
        return replace(self, angles=angles)


def _of_blocks(angle, n_frames):
    """Return the mean angle of each complete block of frames."""
    n_blocks = len(angle) // n_frames if np.ndim(angle) else 0
    if n_blocks == 0:
        return float(np.mean(angle)) if np.ndim(angle) else angle
    means = np.reshape(angle[: n_blocks * n_frames], (n_blocks, n_frames)).mean(axis=1)
    return tuple(means.tolist()) if n_blocks > 1 else float(means[0])


def geometry_of_series(geometries, counts, names):
    """Combine the geometries of frames in several files.

    Lengths are those of the first file; angles are those of each frame.

    Parameters
    ----------
    geometries : list of Geometry
        Geometry of each file.
    counts : list of int
        Number of frames in each file.
    names : list
        Names of the files, for messages.

    Returns
    -------
    Geometry
        Angles that are missing in some file are left out.

    Warns
    -----
    UserWarning
        If the files state different lengths.

    Examples
    --------
    >>> first = Geometry(angles={"phi": 0.0, "chi": 1.5})
    >>> second = Geometry(angles={"phi": (0.1, 0.2), "chi": 1.5})
    >>> geometry_of_series([first, second], [1, 2], ["a.h5", "b.h5"]).angles
    {'phi': (0.0, 0.1, 0.2), 'chi': 1.5}
    """
    first = geometries[0]
    if len(geometries) == 1:
        return first
    for quantity in ("wavelength", "distance", "pixel_size"):
        said = getattr(first, quantity)
        for geometry, name in zip(geometries[1:], names[1:], strict=True):
            other = getattr(geometry, quantity)
            if None not in (said, other) and not np.allclose(said, other, rtol=SAME, atol=0):
                warn_user(
                    f"{quantity} differs between the files: {said!r} m in {names[0]}, {other!r} m "
                    f"in {name}; the value of the first file is returned"
                )
                break
    angles = {}
    for name in first.angles:
        parts = [geometry.angles.get(name) for geometry in geometries]
        values = [_repeated(part, count) for part, count in zip(parts, counts, strict=True)]
        if None not in values:
            joined = tuple(value for part in values for value in part)
            angles[name] = joined[0] if len(set(joined)) == 1 else joined
    return replace(first, angles=angles)


def _repeated(angle, count):
    """Return an angle for each frame of a file; None if it is unknown."""
    if angle is None or np.ndim(angle) == 0:
        return angle if angle is None else (angle,) * count
    return tuple(angle) if len(angle) == count else None


def check_geometry(wavelength=None, distance=None, pixel_size=None, geometry=None):
    """Return the geometry that parameters describe.

    Lengths that are given one by one take precedence over those of `geometry`.

    Raises
    ------
    ValueError
        If a length is not positive or not plausible, or `geometry` is not a Geometry.
    """
    if geometry is None:
        geometry = Geometry()
    if not isinstance(geometry, Geometry):
        raise ValueError(
            f"geometry={geometry!r} is not valid; give the geometry that read_diffraction "
            "returns, or wavelength, distance and pixel_size in metres"
        )
    given = {"wavelength": wavelength, "distance": distance, "pixel_size": pixel_size}
    given = {name: value for name, value in given.items() if value is not None}
    values = {
        name: getattr(geometry, name) for name in ("wavelength", "distance", "pixel_size")
    } | given
    sizes = values["pixel_size"]
    if sizes is not None and (np.ndim(sizes) != 1 or len(sizes) != 2):
        raise ValueError(f"pixel_size={sizes!r} is not valid; give a pair in metres")
    for name in ("wavelength", "distance"):
        values[name] = _length(name, values[name])
    values["pixel_size"] = (
        None if sizes is None else tuple(_length("pixel_size", size) for size in sizes)
    )
    return replace(geometry, **values, sources=geometry.sources | dict.fromkeys(given, "given"))


def _length(name, value):
    value = check_number(name, value, 0, closed="neither", optional=True, noun="metres")
    _, lowest, highest = QUANTITIES[name.replace("_", " ")]
    if value is not None and not lowest <= value <= highest:
        raise ValueError(
            f"{name}={value!r} is not plausible; give metres, from {lowest:g} to {highest:g}"
        )
    return value


def object_pixel_size(geometry, shape):
    r"""Compute the pixel size of an object that is retrieved from patterns.

    It is `wavelength distance / (m pixel_size)` for `m` pixels of the pattern along an axis.

    Parameters
    ----------
    geometry : Geometry
        Geometry of the experiment.
    shape : tuple of int
        Shape of a pattern, `fourier_shape`.

    Returns
    -------
    tuple of float or None
        Pixel size in metres along each axis. None where unknown: along the axis of a rocking curve,
        whose step depends on the diffractometer, and along every axis if the geometry is
        incomplete.

    Examples
    --------
    >>> geometry = Geometry(wavelength=1e-10, distance=2.0, pixel_size=(50e-6, 50e-6))
    >>> object_pixel_size(geometry, (256, 200))
    (1.5625e-08, 2e-08)
    """
    known = None not in (geometry.wavelength, geometry.distance, geometry.pixel_size)
    if not known or len(shape) < 2:
        return (None,) * len(shape)
    reach = geometry.wavelength * geometry.distance
    return (None,) * (len(shape) - 2) + tuple(
        reach / (m * size) for m, size in zip(shape[-2:], geometry.pixel_size, strict=True)
    )


def momentum_step(geometry):
    """Compute the change of momentum transfer from pixel to pixel.

    Near zero frequency it is `2 pi pixel_size / (wavelength distance)`.

    Parameters
    ----------
    geometry : Geometry
        Geometry of the experiment.

    Returns
    -------
    (float, float) or None
        Change in radians per metre along height and width; None if the geometry is incomplete.

    Examples
    --------
    >>> momentum_step(Geometry(wavelength=1e-10, distance=2.0, pixel_size=(50e-6, 50e-6)))
    (1570796.3267948965, 1570796.3267948965)
    """
    if None in (geometry.wavelength, geometry.distance, geometry.pixel_size):
        return None
    return tuple(
        2 * math.pi * size / (geometry.wavelength * geometry.distance)
        for size in geometry.pixel_size
    )


def radians(values, unit):
    """Convert angles to radians.

    Without a unit they are in degrees. One angle is returned if all are equal, and None if the unit
    is unknown.
    """
    step = si(1.0, unit, "angle") if unit else math.pi / 180
    if step is None:
        return None
    angles = tuple(float(value) if step == 1 else float(f"{value * step:.15g}") for value in values)
    return angles[0] if len(set(angles)) == 1 else angles
