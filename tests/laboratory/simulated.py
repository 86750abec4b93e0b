"""A strained, faceted crystal in the laboratory, seen by an oblique rocking curve, and what can be
measured of it: directions of its facets, and its strain.
"""

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import erf

from skpr.laboratory import momentum_transfer, reciprocal_steps, two_circle_detector, voxel_axes

WAVELENGTH = 1.3776e-10  # metres, 9 keV
PIXEL = 55e-6
EDGE = 15e-9  # width of the crystal's edge, half a voxel


def setting(shape, rocking_step=1.87e-4, distance=0.667, rows=(0, -1, 0), delta=0.52, gamma=0.295):
    """Voxel axes and momentum transfer of a (111) reflection of gold at 9 keV."""
    detector = two_circle_detector(delta, gamma, rows=rows)
    steps = reciprocal_steps(
        detector,
        wavelength=WAVELENGTH,
        distance=distance,
        pixel_size=(PIXEL, PIXEL),
        rocking_axis=(0, 1, 0),
        rocking_step=rocking_step,
    )
    return voxel_axes(steps, shape), momentum_transfer(detector.peak, wavelength=WAVELENGTH)


def places(axes, shape):
    """Places of voxels along any axes, voxel `n // 2` at the origin."""
    numbers = [np.arange(n) - n // 2 for n in shape]
    return np.stack(np.meshgrid(*numbers, indexing="ij"), axis=-1) @ axes


class Crystal:
    """Truncated octahedron, turned, whose phase has several wraps."""

    def __init__(self, size, q, max_phase, seed=0):
        corners = np.stack(np.meshgrid(*[[1, -1]] * 3), axis=-1).reshape(-1, 3) / np.sqrt(3)
        turn = Rotation.random(random_state=seed)
        self.normals = turn.apply(np.concatenate([corners, np.eye(3), -np.eye(3)]))
        spread = np.random.default_rng(seed).uniform(0.9, 1.1, size=14)
        self.distances = size * spread * np.repeat([1, 1.35], [8, 6])
        self.q, self.size, self.max_phase = q, size, max_phase
        self.along = q / np.linalg.norm(q)
        across = np.cross(self.along, [0.3, 0.5, 0.8])
        self.across = across / np.linalg.norm(across)

    def depth(self, r):
        return (self.distances - r @ self.normals.T).min(axis=-1)

    def __call__(self, r):
        t, w = r @ self.along / self.size, r @ self.across / self.size
        phase = np.sin(1.5 * t + 0.7 * w) + 0.5 * t * w + 0.4 * np.cos(2 * w)
        density = 0.5 * (1 + erf(self.depth(r) / (np.sqrt(2) * EDGE)))
        return density * np.exp(1j * self.max_phase * phase)

    def strain(self, r):
        """`-d phase / d r_Q / |Q|`."""
        t, w = r @ self.along / self.size, r @ self.across / self.size
        slope = self.max_phase * (1.5 * np.cos(1.5 * t + 0.7 * w) + 0.5 * w) / self.size
        return -slope / np.linalg.norm(self.q)


def surface(amplitudes, voxel):
    """Places, on the lines of a grid, at which amplitudes pass half of their median."""
    level = 0.5 * np.median(amplitudes[amplitudes > 0.5 * amplitudes.max()])
    r, found = places(voxel * np.eye(3), amplitudes.shape), []
    for axis in range(3):
        values = np.moveaxis(amplitudes, axis, 0)
        low, high = values[:-1], values[1:]
        crossed = (low >= level) != (high >= level)
        points = np.moveaxis(r, axis, 0)[:-1][crossed]
        points[:, axis] += voxel * ((level - low[crossed]) / (high - low)[crossed])
        found.append(points)
    return np.concatenate(found)


def facet_errors(amplitudes, voxel, crystal):
    """Angles in degrees between planes fitted to the facets, edges left out, and the true ones."""
    points, margin = surface(amplitudes, voxel), 2.5 * voxel
    slack = np.abs(crystal.distances - points @ crystal.normals.T)
    nearest, in_order = slack.argmin(axis=1), np.sort(slack, axis=1)
    clear = (in_order[:, 1] > margin) & (in_order[:, 0] < margin)
    errors = []
    for facet, normal in enumerate(crystal.normals):
        own = points[clear & (nearest == facet)]
        if len(own) > 40:
            fitted = np.linalg.svd(own - own.mean(axis=0), full_matrices=False)[2][2]
            errors.append(np.rad2deg(np.arccos(min(1.0, abs(fitted @ normal)))))
    return np.array(errors)
