"""Simulated objects: faceted crystals and cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from .._validation import check_count, check_flag, check_float_dtype, check_number, check_shape
from ._base import as_bunch

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import Seed


def make_crystals(
    n_samples: int = 100,
    *,
    shape: tuple[int, ...] = (64, 64),
    max_phase: float = 0.0,
    dtype: npt.DTypeLike = np.float32,
    return_X_y: bool = False,
    random_state: Seed = None,
) -> Any:
    """Simulate faceted crystals, optionally with a displacement phase.

    A crystal is the intersection of random half-spaces. It is uniform inside, its edges are one
    pixel wide, and its size, orientation and position are random, with the whole crystal inside the
    frame. The phase, as Bragg diffraction measures it, is a random smooth field; outside the
    crystal the object is zero.

    Parameters
    ----------
    n_samples : int, default=100
        Number of crystals.
    shape : tuple of int, default=(64, 64)
        Shape of the objects, with one to three axes of at least 8 pixels.
    max_phase : float, default=0.0
        Largest absolute value of the phase within a crystal, in radians; with 0 the objects are
        real and non-negative.
    dtype : {numpy.float32, numpy.float64}
        Precision of the objects; complex objects have the complex type of the same precision.
    return_X_y : bool, default=False
        Whether to return `(objects, objects)` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random objects.

    Returns
    -------
    Bunch or (ndarray, ndarray)
        `data` and `target`: the objects, of shape (n_samples, *shape). `DESCR`: a description.

    Examples
    --------
    >>> make_crystals(3, shape=(32, 32), max_phase=2.0, random_state=0).data.dtype
    dtype('complex64')
    """
    shape, dtype = _checked(n_samples, shape, dtype, return_X_y)
    max_phase = check_number("max_phase", max_phase, 0, noun="radians")
    rng = check_random_state(random_state)
    points = _pixel_coordinates(shape)
    objects = [_crystal(points, shape, max_phase, rng) for _ in range(n_samples)]
    dtype = np.result_type(dtype, np.complex64) if max_phase > 0 else dtype
    description = (
        f"{n_samples} simulated crystals of shape {shape}, phases up to {max_phase} radians"
    )
    return as_bunch(np.array(objects, dtype=dtype), return_X_y, description)


def make_cells(
    n_samples: int = 100,
    *,
    shape: tuple[int, ...] = (64, 64),
    dtype: npt.DTypeLike = np.float32,
    return_X_y: bool = False,
    random_state: Seed = None,
) -> Any:
    """Simulate biological cells with a nucleus and organelles.

    A cell has a soft body, a denser nucleus off its centre and three to eight organelles. Its place
    and orientation are random. Objects are real, between 0 and 1, and exactly 0 outside the cell.

    Parameters
    ----------
    n_samples : int, default=100
        Number of cells.
    shape : tuple of int, default=(64, 64)
        Shape of the objects, with one to three axes of at least 8 pixels.
    dtype : {numpy.float32, numpy.float64}
        Data type of the objects.
    return_X_y : bool, default=False
        Whether to return `(objects, objects)` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random objects.

    Returns
    -------
    Bunch or (ndarray, ndarray)
        `data` and `target`: the objects, of shape (n_samples, *shape). `DESCR`: a description.

    Examples
    --------
    >>> make_cells(3, shape=(32, 32), random_state=0).data.shape
    (3, 32, 32)
    """
    shape, dtype = _checked(n_samples, shape, dtype, return_X_y)
    rng = check_random_state(random_state)
    points = _pixel_coordinates(shape)
    objects = np.array([_cell(points, shape, rng) for _ in range(n_samples)], dtype=dtype)
    return as_bunch(objects, return_X_y, f"{n_samples} simulated cells of shape {shape}")


def _crystal(points, shape, max_phase, rng):
    radius, centre = _radius_and_centre(shape, 0.2, 0.35, rng)
    n_axes = len(shape)
    n_facets = rng.randint(2 * n_axes, 4 * n_axes + 1)
    normals = _spread_directions(n_facets, n_axes, rng)
    distances = radius * rng.uniform(0.55, 0.95, size=n_facets)
    # signed distance to the nearest facet; a sphere bounds polytopes that the facets leave open
    depth = np.min(distances - (points - centre) @ normals.T, axis=-1)
    depth = np.minimum(depth, radius - np.linalg.norm(points - centre, axis=-1))
    density = np.clip(depth + 0.5, 0, 1)
    if max_phase == 0:
        return density
    return density * np.exp(
        1j * max_phase * rng.uniform(0.3, 1) * _smooth_field((points - centre) / radius, rng)
    )


def _cell(points, shape, rng):
    radius, centre = _radius_and_centre(shape, 0.2, 0.35, rng)
    offsets = (points - centre) @ _random_rotation(len(shape), rng) / radius
    flattening = rng.uniform(0.6, 1.0, size=len(shape))
    wobble = 1 + 0.15 * _smooth_field(offsets, rng)
    body = _blob(offsets / flattening, wobble, softness=2 / radius)
    cell = 0.35 * body
    nucleus = rng.uniform(-0.3, 0.3, size=len(shape))
    cell += 0.4 * _blob((offsets - nucleus) / rng.uniform(0.25, 0.4), 1.0, softness=0.2)
    for _ in range(rng.randint(3, 9)):
        place = rng.uniform(-0.7, 0.7, size=len(shape)) * flattening
        cell += rng.uniform(0.1, 0.3) * _blob(
            (offsets - place) / rng.uniform(0.08, 0.18), 1.0, softness=0.5
        )
    return np.clip(cell * body, 0, 1)


def _blob(offsets, radius, softness):
    """Return 1 inside a radius and 0 outside, with a linear edge."""
    return np.clip((radius - np.linalg.norm(offsets, axis=-1)) / softness, 0, 1)


def _radius_and_centre(shape, smallest, largest, rng):
    """Draw the radius and centre of an object inside its frame."""
    size = np.array(shape)
    radius = rng.uniform(smallest, largest) * size.min()
    margin = np.minimum(1.25 * radius, (size - 1) / 2)
    return radius, rng.uniform(margin, size - 1 - margin)


def _smooth_field(offsets, rng, n_waves=4):
    """Draw a smooth field between -1 and 1, a sum of a few waves."""
    waves = rng.normal(scale=1.5, size=(n_waves, offsets.shape[-1]))
    field = np.sin(offsets @ waves.T + rng.uniform(0, 2 * np.pi, size=n_waves))
    return field @ rng.dirichlet(np.ones(n_waves))


def _spread_directions(n_directions, n_axes, rng):
    """Draw random unit vectors.

    In one and two dimensions they surround the origin, so that the facets enclose it.
    """
    if n_axes == 1:
        return np.array([[1.0], [-1.0]])[np.arange(n_directions) % 2]
    if n_axes == 2:
        step = 2 * np.pi / n_directions
        angles = step * (
            np.arange(n_directions) + rng.uniform(-0.35, 0.35, size=n_directions)
        ) + rng.uniform(0, step)
        return np.stack([np.sin(angles), np.cos(angles)], axis=1)
    directions = rng.normal(size=(n_directions, n_axes))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _random_rotation(n_axes, rng):
    rotation, _ = np.linalg.qr(rng.normal(size=(n_axes, n_axes)))
    return rotation


def _pixel_coordinates(shape):
    return np.stack(
        np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij"), axis=-1
    )


def _checked(n_samples, shape, dtype, return_X_y):
    check_count("n_samples", n_samples)
    check_flag("return_X_y", return_X_y)
    return check_shape("shape", shape, low=8), check_float_dtype(dtype)
