import numpy as np
import pytest

from skpr.laboratory import DetectorDirections, two_circle_detector
from skpr.laboratory._detector import check_detector


def test_the_beam_leaves_by_the_angles_of_the_arm():
    delta, gamma = 0.52, 0.295
    peak = two_circle_detector(delta, gamma).peak
    expected = np.sin(delta) * np.cos(gamma), np.sin(gamma), np.cos(delta) * np.cos(gamma)
    np.testing.assert_allclose(peak, expected)


def test_directions_stay_perpendicular_and_keep_their_handedness():
    turned = np.stack(two_circle_detector(0.9, -0.4))
    np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    at_zero = np.stack(two_circle_detector(0.0, 0.0))
    assert np.linalg.det(turned) == pytest.approx(np.linalg.det(at_zero))


def test_the_inner_circle_turns_with_the_outer_one():
    found = two_circle_detector(np.pi / 2, 0.3, outer_axis=(0, 0, 1), inner_axis=(1, 0, 0))
    np.testing.assert_allclose(found.columns, (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(found.peak, (np.sin(0.3), 0, np.cos(0.3)), atol=1e-12)


def test_what_is_no_detector_is_refused():
    with pytest.raises(ValueError, match="outer='30' is not valid; give radians"):
        two_circle_detector("30", 0.0)
    with pytest.raises(ValueError, match="inner_axis=.* is not valid; give 3 finite numbers"):
        two_circle_detector(0.5, 0.0, inner_axis=(0, 0, 0))
    with pytest.raises(ValueError, match="detector=.* is not valid; give DetectorDirections"):
        check_detector(0.5)
    with pytest.raises(ValueError, match=r"detector\.rows=.* is not valid"):
        check_detector(DetectorDirections((0, 0, 1), (0, np.nan, 0), (1, 0, 0)))
    with pytest.raises(ValueError, match="rows, columns and peak in one plane"):
        check_detector(DetectorDirections((1, 1, 0), (0, 1, 0), (1, 0, 0)))


def test_degrees_are_no_radians():
    with pytest.raises(ValueError, match=r"inner=16.9 is more than a full turn; .*deg2rad\(16.9\)"):
        two_circle_detector(0.5, 16.9)
