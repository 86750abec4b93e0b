import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")
MARKED = np.eye(8, 9, dtype="u1")


@pytest.fixture
def write(tmp_path):
    def written(**arrays):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["entry/data/data"] = STACK
            for name, values in arrays.items():
                file[f"entry/data/{name}"] = values
        return tmp_path / "a.h5"

    return written


@pytest.mark.parametrize("name", ["bad_pixels", "valid", "hot", "mask_1", "beamstop", "Good"])
@pytest.mark.parametrize("values", [MARKED, MARKED.ravel(), np.stack([MARKED] * 3), MARKED > 0])
def test_a_mask_of_another_name_is_not_passed_over_in_silence(write, name, values):
    path = write(**{name: values})
    with pytest.warns(UserWarning, match=f"holds 'entry/data/{name}' beside the frames"):
        found = read_diffraction(path)
    assert not np.isnan(found.data).any()
    read_diffraction(path, mask=False)
    read_diffraction(path, mask=MARKED)


def test_a_mask_without_two_axes_is_not_passed_over_in_silence(write):
    with pytest.warns(UserWarning, match="'entry/data/mask' beside the frames"):
        read_diffraction(write(mask=MARKED.ravel()))


def test_a_second_mask_beside_the_frames_gets_a_word_and_a_copy_none(write):
    read_diffraction(write(mask=MARKED, pixel_mask=MARKED))
    with pytest.warns(UserWarning, match="'entry/data/pixel_mask' .* is not used besides the mask"):
        read_diffraction(write(mask=MARKED, pixel_mask=MARKED[::-1]))


@pytest.mark.parametrize("value", [0, 1])
def test_masks_that_mark_no_pixel_need_no_word(write, value):
    read_diffraction(write(bad_pixels=np.full((8, 9), value, "u1")))


@pytest.mark.parametrize("name", ["bad_pixels_table", "dark_flat_field"])
def test_arrays_of_other_shapes_need_no_word(write, name):
    read_diffraction(write(**{name: np.ones((5, 2))}))


def test_dark_frames_of_another_name_are_not_passed_over_in_silence(write):
    path = write(background=np.full((8, 9), 10.0))
    with pytest.warns(UserWarning, match="'entry/data/background' .* its name, as dark="):
        read_diffraction(path)
    corrected = read_diffraction(path, dark="entry/data/background").data
    np.testing.assert_allclose(corrected**2, STACK - 10.0, rtol=1e-5)


@pytest.mark.parametrize("name", ["scaling_factor", "data_scaling_factor", "scale_factor"])
def test_a_scale_that_is_not_applied_gets_a_word(write, name):
    path = write()
    with h5py.File(path, "a") as file:
        group = file["entry/data"]
        group.attrs["signal"] = "data"
        if name == "scale_factor":
            group["data"].attrs[name], group["data"].attrs["add_offset"] = [0.5], -2.0
        else:
            group[name], group["offset"] = 0.5, -2.0
    with pytest.warns(UserWarning, match="states a factor of 0.5 and an offset of -2 for 'entry/"):
        found = read_diffraction(path)
    np.testing.assert_allclose(found.data**2, STACK, rtol=1e-5)


def test_a_scale_of_one_and_an_offset_of_a_detector_need_no_word(write):
    path = write(scaling_factor=1.0)
    with h5py.File(path, "a") as file:
        file["entry/data/offset"] = 3.0  # of no signal
    read_diffraction(path)
