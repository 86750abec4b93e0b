from dataclasses import replace

import h5py
import numpy as np
import pytest

from skpr.files import Geometry, momentum_step, object_pixel_size, read_diffraction
from skpr.files._geometry import check_geometry, geometry_of_series, radians

WHOLE = Geometry(1.5e-10, 2.0, (5e-5, 6e-5), {"eta": 0.1}, {"wavelength": "header"})


def test_pixels_of_objects_follow_from_the_reach_of_the_detector():
    """The finest detail, two pixels, has the angle of the detector's edge."""
    height, width = object_pixel_size(WHOLE, (100, 200))
    assert height == pytest.approx(1.5e-10 * 2.0 / (100 * 5e-5))
    assert width == pytest.approx(1.5e-10 * 2.0 / (200 * 6e-5))
    assert momentum_step(WHOLE)[1] * 200 * width == pytest.approx(2 * np.pi)


def test_binning_makes_fewer_larger_pixels_of_the_same_object():
    binned = WHOLE.binned((2, 4))
    assert object_pixel_size(binned, (50, 50)) == pytest.approx(
        object_pixel_size(WHOLE, (100, 200))
    )
    assert Geometry().binned((2, 2)) == Geometry()


def test_the_angle_of_a_block_of_frames_is_their_mean():
    geometry = replace(WHOLE, angles={"eta": 0.1, "theta": (0.0, 0.2, 0.4, 0.6, 0.8)})
    binned = geometry.binned((2, 1, 2))
    assert binned.pixel_size == (5e-5, 12e-5)
    assert binned.angles == {"eta": 0.1, "theta": pytest.approx((0.1, 0.5))}
    assert geometry.binned((3, 1, 1)).angles["theta"] == pytest.approx(0.2)
    assert geometry.binned((8, 1, 1)).angles["theta"] == pytest.approx(0.4)
    assert geometry.binned((1, 2, 2)).angles == geometry.binned((2, 2)).angles == geometry.angles


def test_what_is_not_known_is_none():
    assert object_pixel_size(WHOLE, (30, 100, 200))[0] is None
    assert object_pixel_size(Geometry(wavelength=1e-10), (100, 200)) == (None, None)
    assert object_pixel_size(WHOLE, (100,)) == (None,)
    assert momentum_step(Geometry(distance=1.0)) is None
    assert Geometry().energy is None


def test_lengths_given_one_by_one_come_first():
    found = check_geometry(distance=1.0, geometry=WHOLE)
    assert (found.wavelength, found.distance, found.pixel_size, found.angles) == (
        1.5e-10,
        1.0,
        (5e-5, 6e-5),
        {"eta": 0.1},
    )
    assert found.sources == {"wavelength": "header", "distance": "given"}
    assert check_geometry() == Geometry()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wavelength": 1.54}, "wavelength=1.54 is not plausible; give metres, from 1e-13 to 0.01"),
        ({"distance": np.inf}, "distance=inf is not valid; give metres > 0"),
        ({"pixel_size": (5e-5, -5e-5)}, "pixel_size=-5e-05 is not valid; give metres > 0"),
        ({"pixel_size": 5e-5}, "pixel_size=5e-05 is not valid; give a pair in metres"),
        ({"pixel_size": (75, 75)}, "pixel_size=75.0 is not plausible"),
        (
            {"geometry": {"wavelength": 1e-10}},
            "geometry=.* is not valid; give the geometry that read_diffraction returns",
        ),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        check_geometry(**given)


def test_angles_without_a_unit_are_degrees_and_those_in_radians_stay_as_they_are():
    assert radians([180.0], None) == pytest.approx(np.pi)
    assert radians([0.1, 0.2], "rad") == (0.1, 0.2)
    assert radians([90.0, 90.0], "deg") == pytest.approx(np.pi / 2)


def test_every_file_says_the_angles_of_its_frames(tmp_path):
    for number in range(3):
        with h5py.File(tmp_path / f"s_{number}.h5", "w") as file:
            file["data"] = np.full((2, 8, 8), 4.0)
            for name, value in (
                ("phi", number),
                ("eta", [2.0 * number, 2.0 * number + 1]),
                ("chi", 5.0),
            ):
                file[f"entry/{name}"] = value
                file[f"entry/{name}"].attrs["units"] = "rad"
    found = read_diffraction(str(tmp_path / "s_*.h5")).geometry.angles
    assert found == {"phi": (0, 0, 1, 1, 2, 2), "eta": (0, 1, 2, 3, 4, 5), "chi": 5}
    assert read_diffraction(str(tmp_path / "s_*.h5"), select=[1, 4]).geometry.angles["eta"] == (
        1,
        4,
    )


@pytest.mark.parametrize("quantity", ["wavelength", "distance", "pixel_size"])
def test_lengths_that_differ_between_files_are_said(quantity):
    other = {"wavelength": 2e-10, "distance": 3.0, "pixel_size": (5e-5, 7e-5)}[quantity]
    files = [WHOLE, WHOLE, replace(WHOLE, **{quantity: other})]
    with pytest.warns(
        UserWarning,
        match=f"{quantity} differs between the files: .* in a.h5, .* in c.h5; the value of the",
    ):
        assert geometry_of_series(files, [1, 1, 1], ["a.h5", "b.h5", "c.h5"]) == WHOLE


def test_angles_that_a_file_does_not_say_are_left_out():
    files = [Geometry(angles={"phi": 0.1}), Geometry(), Geometry(angles={"phi": (0.1, 0.2)})]
    assert geometry_of_series(files[:2], [1, 1], ["a", "b"]).angles == {}
    assert geometry_of_series(files[::2], [1, 3], ["a", "c"]).angles == {}
