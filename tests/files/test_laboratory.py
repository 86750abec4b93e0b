import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from skpr.files import Geometry, laboratory_axes, read_diffraction
from skpr.laboratory import momentum_transfer, reciprocal_steps, two_circle_detector, voxel_axes

THETA = tuple(0.1 + 2e-4 * np.arange(5))
ANGLES = {"delta": 0.52, "gamma": 0.29, "chi": 1.5, "theta": THETA}
WHOLE = Geometry(1.3776e-10, 0.9, (55e-6, 60e-6), ANGLES)
SHAPE = (32, 40, 48)
VERTICAL = {"rocking_axis": (0, 1, 0)}


def expected(step=2e-4, pixel_size=(55e-6, 60e-6)):
    detector = two_circle_detector(0.52, 0.29)
    lengths = {"wavelength": 1.3776e-10, "distance": 0.9, "pixel_size": pixel_size}
    steps = reciprocal_steps(detector, **lengths, rocking_step=step, **VERTICAL)
    return voxel_axes(steps, SHAPE), momentum_transfer(detector.peak, wavelength=1.3776e-10)


@pytest.mark.parametrize(
    "options", [{}, {"rocking_angle": "theta"}, {"rocking_step": 2e-4}], ids=str
)
def test_axes_are_those_of_the_angles(options):
    axes, q = laboratory_axes(WHOLE, SHAPE, **VERTICAL, **options)
    np.testing.assert_allclose(axes, expected()[0], rtol=1e-9)
    np.testing.assert_allclose(q, expected()[1])


def test_a_step_that_is_given_comes_first_and_needs_no_scanned_angle():
    axes, _ = laboratory_axes(
        replace(WHOLE, angles={"delta": 0.52, "gamma": 0.29}), SHAPE, rocking_step=-3e-4, **VERTICAL
    )
    np.testing.assert_allclose(axes, expected(-3e-4)[0])


def test_circles_have_the_names_of_the_beamline():
    angles = {"nu": 0.52, "del": 0.29, "eta": THETA}
    axes, _ = laboratory_axes(
        replace(WHOLE, angles=angles), SHAPE, circles=("nu", "del"), **VERTICAL
    )
    np.testing.assert_allclose(axes, expected()[0], rtol=1e-9)


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        for name, value, unit in (
            ("entry/instrument/detector/distance", 0.9, "m"),
            ("entry/instrument/detector/y_pixel_size", 55e-6, "m"),
            ("entry/instrument/detector/x_pixel_size", 60e-6, "m"),
            ("entry/instrument/source/wavelength", 1.3776e-10, "m"),
            ("entry/sample/theta", THETA, "rad"),
            ("entry/sample/delta", 0.52, "rad"),
            ("entry/sample/gamma", 0.29, "rad"),
        ):
            file[name] = value
            file[name].attrs["units"] = unit
        counts = np.random.default_rng(0).poisson(20, (5, 16, 16)).astype(np.uint32)
        file["entry/instrument/detector/data"] = counts
        for name, kind in (
            ("entry", "NXentry"),
            ("entry/instrument", "NXinstrument"),
            ("entry/instrument/detector", "NXdetector"),
            ("entry/instrument/source", "NXsource"),
            ("entry/sample", "NXsample"),
        ):
            file[name].attrs["NX_class"] = kind
    return path


def test_the_geometry_of_a_file_leads_to_the_axes(scan):
    binned = (110e-6, 120e-6)
    found = read_diffraction(
        scan, frames="volume", crop=(4, 16, 16), binning=(1, 2, 2), center=(2, 8, 8)
    )
    assert found.data.shape[2:] == (8, 8)
    axes, _ = laboratory_axes(found.geometry, SHAPE, **VERTICAL)
    np.testing.assert_allclose(axes, expected(pixel_size=binned)[0], rtol=1e-9)


def test_binned_frames_are_further_apart(scan):
    options = {"frames": "volume", "crop": (4, 16, 16), "center": (2, 8, 8), "resample": False}
    shapes = {1: (4, 16, 16), 2: (2, 8, 8)}
    axes = {
        factor: laboratory_axes(
            read_diffraction(scan, binning=factor, **options).geometry, shape, **VERTICAL
        )[0]
        for factor, shape in shapes.items()
    }
    np.testing.assert_allclose(axes[2], axes[1], rtol=1e-9)  # the same extent, so the same voxels


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"distance": None}, {}, "geometry has no distance; set it with dataclasses.replace"),
        ({"wavelength": None}, {}, "geometry has no wavelength; set it"),
        ({"pixel_size": None}, {}, "geometry has no pixel_size; set it"),
        ({"angles": {}}, {}, "geometry has no angle 'delta' of the detector; it has no angles"),
        (
            {"angles": {"delta": 0.5, "theta": THETA}},
            {},
            "geometry has no angle 'gamma' of the detector; it has 'delta', 'theta'",
        ),
        ({"angles": ANGLES | {"delta": THETA}}, {}, "angle 'delta' of the detector differs from"),
        (
            {"angles": ANGLES | {"theta": 0.1}},
            {},
            "0 angles of geometry differ from frame to frame",
        ),
        (
            {"angles": ANGLES | {"phi": THETA}},
            {},
            "2 angles of geometry differ from frame to frame: theta, phi; give rocking_angle",
        ),
        ({}, {"rocking_angle": "chi"}, "rocking_angle='chi' does not differ from frame to frame"),
        (
            {"angles": ANGLES | {"theta": (0.1, 0.2, 0.4)}},
            {},
            "angle 'theta' has steps from 0.1 to",
        ),
        ({}, {"rocking_step": 0}, "rocking_step=0.* leaves the momentum transfer"),
        ({}, {"circles": "delta"}, "circles='delta' is not valid; give the names of the outer"),
        ({}, {"circles": None}, "circles=None is not valid"),
        (
            {"angles": ANGLES | {"delta": (30.0, 31.0)}},
            {},
            "'delta' of the detector differs from frame to frame, from 30 to 31 radians",
        ),
        ({"angles": ANGLES | {"delta": 30.0}}, {}, "outer=30.0 is more than a full turn"),
        ({}, {"rocking_axis": (0, 0, 0)}, "rocking_axis=.* is not valid"),
    ],
    ids=str,
)
def test_what_is_missing_or_wrong_is_told_in_one_sentence(change, options, message):
    with pytest.raises(ValueError, match=message):
        laboratory_axes(replace(WHOLE, **change), SHAPE, **VERTICAL | options)
    with pytest.raises(ValueError, match="geometry=.* is not valid; give the geometry that"):
        laboratory_axes(ANGLES, SHAPE, **VERTICAL)


@pytest.mark.skipif(
    "SKPR_DATA" not in os.environ, reason="SKPR_DATA is not set: no measured crystal"
)
def test_the_measured_crystal_has_no_angles_and_says_so():
    path = Path(os.environ["SKPR_DATA"]) / "bragg-cdi" / "S0054_rocking.npz"
    found = read_diffraction(path, frames="volume", select=slice(90, 110), center="max", crop=64)
    known = replace(found.geometry, wavelength=1.3776e-10, distance=1.0, pixel_size=(55e-6, 55e-6))
    with pytest.raises(ValueError, match="geometry has no wavelength"):
        laboratory_axes(found.geometry, (20, 64, 64), **VERTICAL)
    with pytest.raises(ValueError, match="geometry has no angle 'delta' of the detector; it has"):
        laboratory_axes(known, (20, 64, 64), **VERTICAL)
