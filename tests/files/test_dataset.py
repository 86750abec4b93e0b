import os

import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._dataset import DatasetFrames

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)


def test_a_data_set_without_values_is_no_damage(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = h5py.Empty("f4")
    with pytest.raises(
        ValueError, match="'data' in .* holds no values: its HDF5 dataspace is empty"
    ):
        read_diffraction(tmp_path / "a.h5", "data")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="limits of other systems")
def test_a_master_may_link_more_files_than_may_be_open(tmp_path):
    resource = pytest.importorskip("resource")
    with h5py.File(tmp_path / "master.h5", "w") as file:
        for number in range(40):
            with h5py.File(tmp_path / f"{number}.h5", "w") as linked:
                linked["data"] = STACK[:1] + number
            file[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(f"{number}.h5", "/data")
    n_open, (soft, hard) = (
        len(os.listdir("/proc/self/fd")),
        resource.getrlimit(resource.RLIMIT_NOFILE),
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, hard))
    try:
        found = read_diffraction(tmp_path / "master.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_allclose(found.data[:, 0, 0] ** 2, np.arange(40), rtol=1e-6)


def test_frames_that_share_a_chunk_are_decompressed_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=STACK, chunks=(3, 8, 8), compression="gzip")
        frames = DatasetFrames(file["data"], tmp_path / "a.h5")
        for number in range(4):
            np.testing.assert_array_equal(
                frames.frame(number, slice(2, 5), slice(1, 8)), STACK[number, 2:5, 1:]
            )
        assert frames.step == 3
