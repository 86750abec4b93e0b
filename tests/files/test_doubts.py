import numpy as np
import pytest

from skpr.files import read_diffraction


@pytest.mark.parametrize("shape", [(24, 32, 6), (64, 64, 16), (40, 24, 5)])
def test_frames_along_the_last_axis_get_a_word(shape):
    stack = np.random.default_rng(0).poisson(50, shape)
    n, height, width = shape
    with pytest.warns(
        UserWarning, match=f"read as {n} frames of {height} x {width} pixels; if it holds {width} f"
    ):
        read_diffraction(stack)
    assert read_diffraction(np.moveaxis(stack, -1, 0)).data.shape == (width, n, height)


@pytest.mark.parametrize("shape", [(6, 24, 32), (24, 24, 24), (64, 64, 32), (100, 24, 6)])
def test_frames_of_other_shapes_are_usual(shape):
    read_diffraction(np.random.default_rng(0).poisson(50, shape))


def test_strips_in_files_of_their_own_are_frames(tmp_path):
    for number in range(24):
        np.save(tmp_path / f"strip_{number}.npy", np.full((24, 5), 7))
    assert read_diffraction(f"{tmp_path}/*.npy").data.shape == (24, 24, 5)


COUNTS = np.random.default_rng(0).poisson(20, (5, 16, 18))


@pytest.mark.parametrize(
    "options", [{}, {"frames": "sum"}, {"frames": "volume"}, {"binning": 2}, {"crop": 12}]
)
def test_square_roots_of_counts_get_a_word(options):
    roots = np.sqrt(COUNTS).astype("float32")
    options = {**options, "binning": (2,) * 3} if options == {"frames": "volume"} else options
    with pytest.warns(UserWarning, match="are square roots of whole numbers.*content='magnitudes'"):
        read_diffraction(roots, **options)
    read_diffraction(roots, **options, content="counts")
    found = read_diffraction(roots, **options, content="magnitudes")
    expected = read_diffraction(COUNTS, **options)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-5)


def test_results_of_the_reader_that_are_read_again_get_a_word():
    with pytest.warns(UserWarning, match="square roots of whole numbers"):
        read_diffraction(read_diffraction(COUNTS).data)


def test_whole_numbers_that_are_negative_by_noise_get_a_word():
    readings = COUNTS[0] - 18
    assert 0.1 < (readings < 0).mean() < 0.5
    with pytest.warns(UserWarning, match="are negative and treated as unmeasured; negative='keep'"):
        read_diffraction(readings)
    flags = COUNTS[0].copy()
    flags[:3], flags[4, :6] = -1, -2
    read_diffraction(flags)


def test_dark_frames_that_leave_no_count_get_a_word():
    with pytest.warns(
        UserWarning, match="no reading of .* exceeds the dark frame, which leaves no"
    ):
        assert not read_diffraction(COUNTS[0], dark=COUNTS[0]).data.any()
    read_diffraction(np.zeros((8, 8), int), dark=np.zeros((8, 8)))


def test_windows_far_beyond_the_detector_get_a_word():
    with pytest.warns(UserWarning, match="of the window of 150 x 150 pixels lies on the frames of"):
        read_diffraction(COUNTS, crop=150)
    assert read_diffraction(COUNTS[0], center=(0, 0)).data.shape == (1, 16, 18)
