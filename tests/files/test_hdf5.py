import os
import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest

from skpr.files import read_diffraction
from tests import scripts

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)

WRITER = """
import sys, h5py, numpy as np
file = h5py.File(sys.argv[1], "w", libver=sys.argv[2] if sys.argv[2] != "none" else None)
file["data"] = np.ones((4, 64, 64), "u4")
if sys.argv[3] == "swmr":
    file.swmr_mode = True
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="locks of other systems")
@pytest.mark.parametrize(
    ("version", "mode"), [("none", "alone"), ("latest", "alone"), ("latest", "swmr")]
)
def test_a_file_in_use_is_told_from_a_damaged_one(tmp_path, version, mode):
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", WRITER, str(path), version, mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        if mode == "swmr":
            assert read_diffraction(path).data.shape == (4, 64, 64)
        else:
            with pytest.raises(OSError, match="is in use by another process") as caught:
                read_diffraction(path)
            assert "damaged" not in str(caught.value)
        writer.stdin.close()
        writer.wait()
    assert read_diffraction(path).data.shape == (4, 64, 64)


@pytest.mark.slow
def test_filters_are_registered_by_reading(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=STACK, **hdf5plugin.LZ4())
    code = (
        "import sys; from skpr.files import read_diffraction; assert 'hdf5plugin' not in "
        "sys.modules; "
        "print(read_diffraction(sys.argv[1]).data.shape)"
    )
    (tmp_path / "script.py").write_text(code)
    assert scripts.run(tmp_path / "script.py", tmp_path / "a.h5", folder=tmp_path) == "(4, 8, 8)\n"


def test_a_truncated_file_says_so(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data"] = STACK
    path.write_bytes(path.read_bytes()[:2500])
    with pytest.raises(
        OSError, match=r"a\.h5 cannot be read as HDF5: it is truncated to 2500 bytes"
    ):
        read_diffraction(path)
