import fabio
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._header import geometry_of_header

PILATUS = """# Detector: PILATUS 1M, S/N 10-0120
# Pixel_size 172e-6 m x 173e-6 m
# Exposure_time 0.98 s
# Wavelength 0.9793 A
# Detector_distance 0.25 m
# Start_angle 10.0000 deg.
# Chi 90.0000 deg."""


def test_pilatus_writes_units_behind_its_numbers():
    found = geometry_of_header({"_array_data.header_contents": PILATUS})
    assert (found.wavelength, found.distance, found.pixel_size) == (
        9.793e-11,
        0.25,
        (1.73e-4, 1.72e-4),
    )
    assert found.angles == {
        "start_angle": pytest.approx(np.deg2rad(10)),
        "chi": pytest.approx(np.pi / 2),
    }
    assert found.sources["distance"] == "Detector_distance"
    lines = dict(line[2:].split(" ", 1) for line in PILATUS.splitlines()[1:])
    assert geometry_of_header(lines) == found


def test_edf_of_the_esrf_is_in_metres_and_lists_its_motors(tmp_path):
    header = {
        "SampleDistance": "1.5",
        "WaveLength": "1.3776e-10",
        "PSize_1": "5.5e-05",
        "PSize_2": "5e-05",
    }
    header |= {"motor_mne": "eta phi thx", "motor_pos": "1.5 2.0 3.0"}
    path = str(tmp_path / "a.edf")
    fabio.edfimage.EdfImage(np.ones((4, 4), "u2"), header=header).write(path)
    with fabio.open(path) as image:
        found = geometry_of_header(image.header)
    assert (found.wavelength, found.distance, found.pixel_size) == (1.3776e-10, 1.5, (5e-5, 5.5e-5))
    assert found.angles == pytest.approx({"eta": np.deg2rad(1.5), "phi": np.deg2rad(2)})


@pytest.mark.parametrize(
    "header",
    [
        {
            "pixelsize_x": "79346",
            "pixelsize_y": "79346",
            "xtal_to_detector": "150000",
            "source_wavelength": "97930",
        },
        {"PixelLength": 0.079346, "PixelHeight": 0.079346, "Wavelength": 0.9793, "Distance": 150.0},
        {
            "SIZE1": "64",
            "BYTE_ORDER": "little_endian",
            "PIXEL_SIZE": "0.079346",
            "DISTANCE": "150",
            "WAVELENGTH": "0.9793",
        },
    ],
    ids=["MAR CCD", "MAR 345", "ADSC"],
)
def test_formats_with_units_of_their_own_are_told_apart(header):
    found = geometry_of_header(header)
    assert found.wavelength == pytest.approx(9.793e-11)
    assert found.distance == pytest.approx(0.15)
    assert found.pixel_size == pytest.approx((7.9346e-5, 7.9346e-5))


def test_headers_that_say_nothing_have_an_empty_geometry():
    for header in (
        {},
        {"title": "wavelength"},
        {"WaveLength": "unknown", "PSize_1": "0", "Distance": "-1"},
    ):
        found = geometry_of_header(header)
        assert (found.wavelength, found.distance, found.pixel_size, found.angles) == (
            None,
            None,
            None,
            {},
        )


def test_an_energy_is_a_wavelength_and_nonsense_is_said():
    assert geometry_of_header({"Energy": "9.0 keV"}).wavelength == pytest.approx(
        1.3776e-10, rel=1e-5
    )
    with pytest.warns(
        UserWarning, match="the distance 1500, without a unit and so in m, is not plausible"
    ):
        assert geometry_of_header({"SampleDistance": "1500"}).distance is None


def test_every_file_of_a_rocking_curve_has_its_own_angle(tmp_path):
    for number in range(12):
        header = {
            "motor_mne": "eta phi",
            "motor_pos": f"{0.1 * number:.3f} 2.0",
            "SampleDistance": "1.5",
        }
        image = fabio.edfimage.EdfImage(np.full((8, 8), 4 + number, "u2"), header=header)
        image.write(str(tmp_path / f"scan_{number}.edf"))
    found = read_diffraction(tmp_path / "scan_*.edf", frames="volume")
    np.testing.assert_allclose(
        found.geometry.angles["eta"], np.deg2rad(0.1 * np.arange(12)), atol=1e-12
    )
    some = read_diffraction(tmp_path / "scan_*.edf", select=[3, 5])
    assert some.geometry.angles["eta"] == pytest.approx(np.deg2rad([0.3, 0.5]))
    assert found.geometry.angles["phi"] == pytest.approx(np.deg2rad(2))
    assert found.distance == 1.5
