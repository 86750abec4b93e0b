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
