"""Facet angles and strain of a simulated crystal, brought from oblique voxels to the laboratory.

A truncated octahedron with a smooth strain is built in the laboratory and seen as a (111)
reflection of gold at 9 keV by a detector at two angles, whose voxels are up to 17 degrees from
orthogonal. What is measured of it is the part of its far field in the window of the pattern: the
crystal is sampled three times as finely, and harmonics beyond the window are left out (--sampled
leaves them in, as aliases). Three ways lead to the orthogonal grid: `to_laboratory`, and SciPy's
interpolation of real and imaginary part, linear and by cubic splines, with the mean phase ramp
taken out before and put back after.

Printed are the relative error of the object (against the true crystal, whose harmonics beyond the
window no method can know), the angles between fitted and true facets in degrees, and the relative
root mean square error of the strain without that of the ramp, in all voxels above a quarter of the
largest amplitude and in those more than two voxels deep.

    python examples/benchmarks/laboratory.py
"""

import argparse
import time

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from scipy.special import erf

from skpr.laboratory import (
    momentum_transfer,
    reciprocal_steps,
    strain,
    to_laboratory,
    two_circle_detector,
    voxel_axes,
)

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--shape", type=int, nargs=3, default=(64, 80, 80), help="of the pattern")
parser.add_argument("--phases", type=float, nargs="+", default=[4, 8, 14], help="largest, radians")
parser.add_argument("--ramps", type=float, nargs="+", default=[0, 0.1], help="cycles per voxel")
parser.add_argument("--sampled", action="store_true", help="keep harmonics beyond the window")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()
torch.set_num_threads(1)
shape = tuple(arguments.shape)

# %%
# Diffractometer: pixels and angular steps that give voxels of some 26 nm along all axes.

wavelength, pixel_size, voxel = 1.3776e-10, 55e-6, 26e-9
detector = two_circle_detector(np.deg2rad(30), np.deg2rad(16.92))
q = momentum_transfer(detector.peak, wavelength=wavelength)
steps = reciprocal_steps(
    detector,
    wavelength=wavelength,
    distance=voxel * shape[1] * pixel_size / wavelength,
    pixel_size=(pixel_size, pixel_size),
    rocking_axis=(0, 1, 0),
    rocking_step=2 * np.pi / (shape[0] * voxel * np.linalg.norm(np.cross(q, (0, 1, 0)))),
)
axes = voxel_axes(steps, shape)
size = 0.26 * voxel * min(shape)  # from the middle of the crystal to a facet


def places(axes, shape):
    """Places of voxels along any axes, voxel `n // 2` at the origin."""
    numbers = [np.arange(n) - n // 2 for n in shape]
    return np.stack(np.meshgrid(*numbers, indexing="ij"), axis=-1) @ axes


class Crystal:
    """Truncated octahedron with a smooth phase, to be evaluated anywhere."""

    def __init__(self, max_phase, ramp):
        corners = np.stack(np.meshgrid(*[[1, -1]] * 3), axis=-1).reshape(-1, 3) / np.sqrt(3)
        turn = Rotation.random(random_state=arguments.seed)
        spread = np.random.default_rng(arguments.seed).uniform(0.9, 1.1, size=14)
        self.normals = turn.apply(np.concatenate([corners, np.eye(3), -np.eye(3)]))
        self.distances = size * spread * np.repeat([1, 1.35], [8, 6])
        self.max_phase, self.ramp = max_phase, ramp
        self.along = q / np.linalg.norm(q)
        across = np.cross(self.along, [0.3, 0.5, 0.8])
        self.across = across / np.linalg.norm(across)

    def depth(self, r):
        depth = np.inf  # one facet after the other: all at once take fourteen times the memory
        for normal, distance in zip(self.normals, self.distances, strict=True):
            depth = np.minimum(depth, distance - r @ normal)
        return depth

    def __call__(self, r):
        t, w = r @ self.along / size, r @ self.across / size
        phase = np.sin(1.5 * t + 0.7 * w) + 0.5 * t * w + 0.4 * np.cos(2 * w)
        density = 0.5 * (1 + erf(self.depth(r) / (np.sqrt(2) * voxel / 2)))
        return density * np.exp(1j * (self.max_phase * phase + r @ self.ramp))

    def strain(self, r):
        t, w = r @ self.along / size, r @ self.across / size
        slope = self.max_phase * (1.5 * np.cos(1.5 * t + 0.7 * w) + 0.5 * w) / size
        return -slope / np.linalg.norm(q)


def measured(crystal):
    """The crystal on oblique voxels, of the harmonics within the window of the pattern."""
    if arguments.sampled:
        return crystal(places(axes, shape)).astype(np.complex64)
    fine = crystal(places(axes / 3, [3 * n for n in shape]))
    spectrum = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(fine)))
    window = tuple(slice(3 * n // 2 - n // 2, 3 * n // 2 - n // 2 + n) for n in shape)
    kept = np.fft.ifftn(np.fft.ifftshift(spectrum[window]))
    return (np.fft.fftshift(kept) / 27).astype(np.complex64)


# %%
# Ways to the orthogonal grid.


def by_splines(x, r, order):
    """SciPy's interpolation, the mean phase ramp taken out before and put back after."""
    numbers = r @ np.linalg.inv(axes) + [n // 2 for n in shape]
    pairs = [
        (np.moveaxis(x, axis, 0)[1:] * np.moveaxis(x, axis, 0)[:-1].conj()).sum()
        for axis in range(3)
    ]
    ramp = np.angle(pairs)
    flat = x * np.exp(-1j * places(np.eye(3), shape) @ ramp)
    real, imaginary = (
        map_coordinates(part, np.moveaxis(numbers, -1, 0), order=order, mode="grid-constant")
        for part in (flat.real, flat.imag)
    )
    return (real + 1j * imaginary) * np.exp(1j * (numbers - [n // 2 for n in shape]) @ ramp)


def ways(x):
    """Name, object on the grid, and seconds, of each way; and the places of the grid."""
    start = time.perf_counter()
    found = to_laboratory(x[None], axes)
    seconds = time.perf_counter() - start
    r = places(np.diag(found.voxel_size), found.objects.shape[1:])
    results = [("to_laboratory", found.objects[0], seconds)]
    for name, order in (("linear", 1), ("cubic splines", 3)):
        start = time.perf_counter()
        results.append((name, by_splines(x, r, order), time.perf_counter() - start))
    return results, r, found.voxel_size[0]


# %%
# What comes out.


def facet_errors(amplitudes, r, step, crystal):
    """Angles in degrees between planes fitted to the facets, edges left out, and the true ones."""
    level = 0.5 * np.median(amplitudes[amplitudes > 0.5 * amplitudes.max()])
    points = []
    for axis in range(3):
        values = np.moveaxis(amplitudes, axis, 0)
        low, high = values[:-1], values[1:]
        crossed = (low >= level) != (high >= level)
        found = np.moveaxis(r, axis, 0)[:-1][crossed]
        found[:, axis] += step * (level - low[crossed]) / (high - low)[crossed]
        points.append(found)
    points, margin = np.concatenate(points), 2.5 * step
    slack = np.abs(crystal.distances - points @ crystal.normals.T)
    nearest, in_order = slack.argmin(axis=1), np.sort(slack, axis=1)
    clear = (in_order[:, 1] > margin) & (in_order[:, 0] < margin)
    errors = []
    for facet, normal in enumerate(crystal.normals):
        own = points[clear & (nearest == facet)]
        if len(own) > 40:
            fitted = np.linalg.svd(own - own.mean(axis=0), full_matrices=False)[2][2]
            errors.append(np.rad2deg(np.arccos(min(1.0, abs(fitted @ normal)))))
    return np.array(errors or [np.nan])


def relative(errors, values):
    return np.linalg.norm(errors) / np.linalg.norm(values)


print(f"voxel axes [nm]: {np.round(axes * 1e9, 1).tolist()}")
print(
    f"{'phase':>6}{'ramp':>6}  {'':<15}{'object':>8}{'facets':>8}{'mean':>7}{'worst':>7}"
    f"{'strain':>8}{'deep':>8}{'[s]':>7}"
)
for max_phase in arguments.phases:
    for cycles in arguments.ramps:
        ramp = 2 * np.pi * cycles * np.linalg.inv(axes)[:, 1]  # along the rows of the detector
        crystal = Crystal(max_phase, ramp)
        results, r, step = ways(measured(crystal))
        truth, expected, depth = crystal(r), crystal.strain(r), crystal.depth(r)
        for name, found, seconds in results:
            angles = facet_errors(np.abs(found), r, step, crystal)
            strains = strain(found[None], step, q)[0] + ramp @ q / (q @ q)
            inside = np.isfinite(strains)
            deep = inside & (depth > 2 * step)
            shares = [
                relative((strains - expected)[part], expected[part]) for part in (inside, deep)
            ]
            print(
                f"{max_phase:>6g}{cycles:>6g}  {name:<15}{relative(found - truth, truth):>8.4f}"
                f"{len(angles):>8}{angles.mean():>7.3f}{angles.max():>7.3f}"
                f"{shares[0]:>8.4f}{shares[1]:>8.4f}{seconds:>7.1f}",
                flush=True,
            )
