"""Sum of a stack of frames that is larger than memory.

The script writes sparse files of ``--gigabytes`` to ``--folder``: a NumPy file, a contiguous HDF5
file and a chunked one. It reads each in a separate process by
`read_diffraction(frames="sum", crop=256)`, which sums a window of 256 x 256 pixels. It prints the
time, the memory after importing the package, and the peak memory.

    python examples/benchmarks/stack_larger_than_memory.py --folder /scratch
"""

import argparse
import itertools
import resource
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np

SHAPE = (4362, 4148)  # a detector of 18 million pixels
LAYOUTS = "npy", "hdf5", "hdf5 in chunks"
CHUNK = 1, 512, 512

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--folder", type=Path, required=True)
parser.add_argument("--gigabytes", type=float, default=20.0)
parser.add_argument("--verbose", action="store_true", help="show progress")
parser.add_argument("--read", help=argparse.SUPPRESS)  # set for the reading process
arguments = parser.parse_args()


def write(path, layout):
    """Write a sparse file with a few counts in its first and last frames."""
    n_frames = max(2, round(arguments.gigabytes * 1e9 / (4 * np.prod(SHAPE))))
    middle = tuple(slice(n // 2, n // 2 + 4) for n in SHAPE)
    if layout == "npy":
        stack = np.lib.format.open_memmap(path, "w+", np.uint32, (n_frames, *SHAPE))
        stack[(0, *middle)] = stack[(-1, *middle)] = 50
        return
    import h5py

    with h5py.File(path, "w") as file:
        kept = {"chunks": CHUNK, "compression": "gzip"} if layout == "hdf5 in chunks" else {}
        stack = file.create_dataset("entry/data/data", (n_frames, *SHAPE), np.uint32, **kept)
        # chunks that were never written count as unmeasured: write zeros, compressed only once
        if kept:
            zeros = zlib.compress(bytes(4 * int(np.prod(CHUNK))))
            for place in itertools.product(*map(range, [0] * 3, stack.shape, CHUNK)):
                stack.id.write_direct_chunk(place, zeros)
        stack[(0, *middle)] = stack[(n_frames - 1, *middle)] = 50


def peak_gigabytes():
    """Return the peak memory of this process in gigabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if arguments.read:
    from skpr.files import read_diffraction

    before, began = peak_gigabytes(), time.perf_counter()
    total = (
        read_diffraction(arguments.read, frames="sum", crop=256, verbose=arguments.verbose).data[0]
        ** 2
    )
    assert total.shape == (256, 256)
    assert np.isclose(total.sum(), 2 * 16 * 50)
    print(f"{time.perf_counter() - began:8.1f} {before:16.2f} {peak_gigabytes():10.2f}")
else:
    print(
        f"{'layout':16}{'size [GB]':>10}{'read in [s]':>12}{'imported [GB]':>15}{'most [GB]':>11}"
    )
    for layout in LAYOUTS:
        path = arguments.folder / f"stack.{'npy' if layout == 'npy' else 'h5'}"
        try:
            write(path, layout)
            command = [
                sys.executable,
                __file__,
                "--folder",
                str(arguments.folder),
                "--read",
                str(path),
            ]
            command += ["--verbose"] * arguments.verbose
            found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            print(f"{layout:16}{path.stat().st_size / 1e9:10.1f}    {found}", end="", flush=True)
        finally:
            path.unlink(missing_ok=True)
