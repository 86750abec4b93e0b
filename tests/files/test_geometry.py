import numpy as np
import pytest

from skpr.files import Geometry, momentum_step, object_pixel_size
from skpr.files._geometry import check_geometry, radians

WHOLE = Geometry(1.5e-10, 2.0, (5e-5, 6e-5), {"eta": 0.1}, {"wavelength": "header"})


def test_pixels_of_objects_follow_from_the_reach_of_the_detector():
    """The finest detail, two pixels, has the angle of the detector's edge."""
    height, width = object_pixel_size(WHOLE, (100, 200))
    assert height == pytest.approx(1.5e-10 * 2.0 / (100 * 5e-5))
    assert width == pytest.approx(1.5e-10 * 2.0 / (200 * 6e-5))
    assert momentum_step(WHOLE)[1] * 200 * width == pytest.approx(2 * np.pi)


def test_binning_makes_fewer_larger_pixels_of_the_same_object():
    binned = WHOLE.binned((2, 4))
    assert object_pixel_size(binned, (50, 50)) == pytest.approx(object_pixel_size(WHOLE, (100, 200)))
    assert Geometry().binned((2, 2)) == Geometry()


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
