import builtins
import platform
import subprocess
import sys

import h5py
import numpy as np
import pytest

from skpr import _memory
from skpr._memory import check_fits, free_memory
from skpr.files import read_diffraction


def test_what_is_larger_than_the_memory_is_refused_with_ways_to_need_less(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "data", shape=(2_000_000, 4362, 4148), dtype="u4", chunks=(1, 512, 512)
        )
        data[[0, -1], 2150:2250, 2050:2150] = 1
    message = (
        r"a\.h5 needs 1.35e\+05 GiB of memory .* GiB are free; choose frames by select=, a window "
        r"by .* frames='sum'"
    )
    with pytest.raises(MemoryError, match=message):
        read_diffraction(tmp_path / "a.h5")
    assert read_diffraction(
        tmp_path / "a.h5", select=[0, -1], crop=64, frames="sum"
    ).data.shape == (1, 64, 64)


@pytest.mark.parametrize("frames", ["patterns", "sum"])
def test_a_frame_of_any_declared_size_is_refused(tmp_path, frames):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", shape=(10**7, 10**7), dtype="u1", chunks=(1000, 1000))
    with pytest.raises(MemoryError, match="GiB of memory"):
        read_diffraction(tmp_path / "a.h5", frames=frames)


def test_memory_is_that_of_the_machine_where_it_does_not_say_what_is_free(monkeypatch):
    def fails(*_):
        raise OSError("no such file")

    assert free_memory() > 1 << 20
    monkeypatch.setattr(builtins, "open", fails)
    assert free_memory() > 1 << 20
    monkeypatch.setattr(_memory.os, "sysconf", fails)
    assert free_memory() is None
    check_fits("anything", (10**12, 10**12), 8)


def test_a_window_needs_the_memory_of_a_window(tmp_path, monkeypatch):
    stack = np.ones((20, 64, 64), "u2")
    np.save(tmp_path / "a.npy", stack)
    monkeypatch.setattr("skpr._memory.free_memory", lambda: 20 * 16 * 16 * 4)
    assert read_diffraction(tmp_path / "a.npy", crop=16).data.shape == (20, 16, 16)
    assert read_diffraction(tmp_path / "a.npy", crop=8, frames="sum").data.shape == (1, 8, 8)
    with pytest.raises(MemoryError, match="choose frames by select="):
        read_diffraction(tmp_path / "a.npy")


SCRIPT = """
import resource, torch
from skpr._memory import keep_freed_memory

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        first, second = torch.ones(3 << 20), torch.ones(3 << 20)
        del first, second
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
keep_freed_memory()
new_pages()
print(new_pages())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="other systems differ"
)
def test_freed_memory_stays_with_the_process():
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout
    assert int(printed) < 1000  # two arrays have 6,144 pages
