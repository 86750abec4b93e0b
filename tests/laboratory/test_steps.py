import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from skpr.laboratory import (
    DetectorDirections,
    momentum_transfer,
    reciprocal_steps,
    to_laboratory,
    two_circle_detector,
    voxel_axes,
)
from tests.laboratory.simulated import places

LENGTHS = {"wavelength": 1.4e-10, "distance": 0.8, "pixel_size": (55e-6, 75e-6)}
SCAN = {"rocking_axis": (0.1, 1.0, -0.2), "rocking_step": 2e-4}
TILTED = DetectorDirections((0.3, 0.2, 1), (0, -1, 0), (1, 0, 0.4))
DETECTORS = {
    "perpendicular": two_circle_detector(0.5, 0.2),
    "mirrored": two_circle_detector(0.5, 0.2, rows=(0, 1, 0)),
    "tilted": TILTED,
}
every_detector = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


def exact_momentum(detector, frame, row, column, rocking_step=SCAN["rocking_step"]):
    """Momentum transfer of a pixel, in the axes of the crystal in the middle of the scan."""
    peak, rows, columns = (np.array(v) / np.linalg.norm(v) for v in detector)
    height, width = LENGTHS["pixel_size"]
    place = LENGTHS["distance"] * peak + row * height * rows + column * width * columns
    q = place / np.linalg.norm(place) - (0, 0, 1)
    axis = np.array(SCAN["rocking_axis"]) / np.linalg.norm(SCAN["rocking_axis"])
    turn = Rotation.from_rotvec(frame * rocking_step * axis)
    return 2 * np.pi / LENGTHS["wavelength"] * turn.inv().apply(q)


@every_detector
def test_steps_are_derivatives_of_the_exact_momentum_transfer(detector):
    steps = reciprocal_steps(detector, **LENGTHS, **SCAN)
    for step, one in zip(steps, np.eye(3), strict=True):
        forth, back = exact_momentum(detector, *one), exact_momentum(detector, *-one)
        np.testing.assert_allclose(step, (forth - back) / 2, rtol=1e-5, atol=1e-6 * abs(step).max())


def test_steps_are_those_of_another_package():
    """Figures of xrayutilities 1.8 for beamline 34-ID-C, with the circles of cohere-ui: theta, chi
    and phi of 2.3, 90 and -5.1 degrees, delta and gamma of 30.1 and 14.3, 9 keV, 0.5 m, 55 um,
    steps of 0.01 degrees of theta and, with the axis that theta and chi turn, of phi.
    """
    wavelength, theta = 12398.419843320026 / 9000 * 1e-10, np.deg2rad(2.3)
    detector = two_circle_detector(np.deg2rad(30.1), np.deg2rad(14.3))
    setting = {"wavelength": wavelength, "distance": 0.5, "pixel_size": (55e-6, 55e-6)}
    setting["rocking_step"] = np.deg2rad(0.01)
    phi_axis = np.cos(theta), 0, -np.sin(theta)  # y, turned by chi about -z, then by theta about y
    by_theta = reciprocal_steps(detector, **setting, rocking_axis=(0, 1, 0))
    by_phi = reciprocal_steps(detector, **setting, rocking_axis=phi_axis)
    expected = [
        [1.28683138e6, 0, 3.86851664e6],
        [6.21475730e5, -4.86160365e6, 1.07210189e6],
        [4.34051084e6, 0, -2.51610613e6],
    ]
    np.testing.assert_allclose(by_theta, expected, rtol=1e-6, atol=1)
    np.testing.assert_allclose(by_phi[0], [-7.89073e4, -1.130544198e6, -1.964620235e6], rtol=1e-6)
    q = momentum_transfer(detector.peak, wavelength=wavelength)
    np.testing.assert_allclose(q, [2.21649677e10, 1.12655204e10, -7.37300073e9], rtol=1e-6)


def test_momentum_transfer_obeys_braggs_law():
    angle = 0.6  # two theta
    q = momentum_transfer((np.sin(angle), 0, np.cos(angle)), wavelength=1.5e-10, beam=(0, 0, 7))
    assert np.linalg.norm(q) == pytest.approx(4 * np.pi * np.sin(angle / 2) / 1.5e-10)


@every_detector
@pytest.mark.parametrize("rocking_step", [4e-4, -4e-4])
def test_far_fields_of_scatterers_lead_back_to_their_places(detector, rocking_step):
    """Exact amplitudes on pixels, of scatterers that turn with the crystal, both ways round."""
    shape = (24, 28, 26)
    scan = SCAN | {"rocking_step": rocking_step}
    axes = voxel_axes(reciprocal_steps(detector, **LENGTHS, **scan), shape)
    scatterers = np.array([[5.0, 2, -4], [-3, 4, 1], [1, -6, 3]]) @ axes
    numbers = places(np.eye(3), shape).reshape(-1, 3)
    q = np.array([exact_momentum(detector, *number, rocking_step) for number in numbers])
    far_field = np.exp(-1j * q @ scatterers.T).sum(axis=1).reshape(shape)
    near_field = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(far_field)))
    found = to_laboratory(near_field[None], axes)
    amplitudes, r = (
        np.abs(found.objects[0]),
        places(np.diag(found.voxel_size), found.objects.shape[1:]),
    )
    for scatterer in scatterers:
        near = np.linalg.norm(r - scatterer, axis=-1) < 4 * max(found.voxel_size)
        brightest = r[near][amplitudes[near].argmax()]
        assert np.abs(brightest - scatterer).max() < 1.01 * max(found.voxel_size)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"wavelength": 0}, "wavelength=0 is not valid; give metres with 0 <"),
        ({"distance": np.nan}, "distance=nan is not valid; give metres with 0 <"),
        ({"pixel_size": 55e-6}, "pixel_size=5.5e-05 is not valid; give a pair in metres"),
        ({"pixel_size": (55e-6, 0)}, "pixel_size=0 is not valid; give metres with 0 <"),
        (
            {"wavelength": 0.138},
            "wavelength=0.138 is not valid; give metres with 0 < wavelength <=",
        ),
        ({"distance": 1500}, "distance=1500 is not valid; give metres"),
        ({"pixel_size": (55, 55)}, "pixel_size=55 is not valid; give metres"),
        ({"rocking_step": 20}, r"rocking_step=20 is more than a full turn; .*deg2rad\(20\)"),
        ({"rocking_step": 0}, "rocking_step=0 about .* leaves the momentum transfer"),
        ({"rocking_step": None}, "rocking_step=None is not valid; give radians other than 0"),
        ({"rocking_axis": (0, 0, 0)}, "rocking_axis=.* is not valid; give 3 finite numbers"),
        ({"beam": (0, 1)}, "beam=.* is not valid; give 3 finite numbers"),
    ],
    ids=str,
)
def test_mistakes_are_told(given, message):
    with pytest.raises(ValueError, match=message):
        reciprocal_steps(TILTED, **LENGTHS | SCAN | given)


def test_a_rotation_about_the_momentum_transfer_is_no_rocking_curve():
    q = momentum_transfer(TILTED.peak, wavelength=1e-10)
    with pytest.raises(ValueError, match="give an angle other than 0 and an axis that is not para"):
        reciprocal_steps(TILTED, **LENGTHS, rocking_axis=q, rocking_step=1e-4)


def test_without_a_momentum_transfer_there_is_no_rocking_curve():
    forward = two_circle_detector(0, 0)
    with pytest.raises(ValueError, match="leaves the momentum transfer .* where it is"):
        reciprocal_steps(forward, **LENGTHS, rocking_axis=(0, 1, 0), rocking_step=1e-4)


@pytest.mark.parametrize("change", [{"rocking_step": 0.02}, {"distance": 500.0}])
def test_steps_of_very_different_length_are_doubted(change):
    given = {**LENGTHS, "rocking_axis": (0, 1, 0), "rocking_step": 1e-4} | change
    with pytest.warns(UserWarning, match="times that from pixel to pixel.*rocking_step is in rad"):
        reciprocal_steps(TILTED, **given)
