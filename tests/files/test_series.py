import h5py
import numpy as np
import pytest
import tifffile

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


def test_files_of_other_shapes_do_not_belong_together(tmp_path):
    for number, width in enumerate((9, 9, 8)):
        np.save(tmp_path / f"f{number}.npy", STACK[number, :, :width])
    with pytest.raises(
        ValueError,
        match=r"f2\.npy holds frames of shape \(8, 8\), .*f0\.npy of \(8, 9\): they do not",
    ):
        read_diffraction(str(tmp_path / "f*.npy"))


def test_files_may_hold_frames_stacks_and_types_of_their_own(tmp_path):
    flagged = STACK[0].astype("u2")
    flagged[0, 0] = 65535
    tifffile.imwrite(tmp_path / "f_9.tif", flagged)
    np.save(tmp_path / "f_10.npy", STACK[1:])
    found = read_diffraction([tmp_path / "f_9.tif", tmp_path / "f_10.npy"])
    assert found.data.shape == STACK.shape
    assert np.argwhere(np.isnan(found.data)).tolist() == [[0, 0, 0]]
    assert (
        found.DESCR == "3 diffraction patterns of shape (8, 9) from 2 files, f_9.tif and following"
    )


@pytest.mark.parametrize(
    ("name", "values", "option"),
    [
        ("is_fft_shifted", (0, 1), {"centered": True}),
        ("data_type", ("intensity", "amplitude"), {"content": "counts"}),
    ],
)
def test_files_of_different_kinds_are_not_read_alike(tmp_path, name, values, option):
    for number, value in enumerate(values):
        with h5py.File(tmp_path / f"c_{number}.cxi", "w") as file:
            image = file.create_group("entry_1/image_1")
            image["data"], image["data_space"], image[name] = STACK[0], "diffraction", value
    files = str(tmp_path / "c_*.cxi")
    with pytest.raises(
        ValueError,
        match=rf"of different kinds: {[*option][0]} is .* by .*c_0\.cxi, .* by .*c_1\.cxi",
    ):
        read_diffraction(files)
    assert len(read_diffraction(files, **option).data) == 2
