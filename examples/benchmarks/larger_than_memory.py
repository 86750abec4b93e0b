"""Training on a data set larger than memory.

The objects are read from one file, and their magnitudes are simulated batch by batch. The script
writes ``--gigabytes`` of random objects to ``--file`` (a NumPy or HDF5 file, by its suffix) unless
the file exists. It then fits `make_phase_retriever` to them in a process whose memory is limited to
``--limit`` gigabytes, and prints the peak memory and the error on objects that are not in the file.
With root access, the limit is that of a Linux control group, which also counts cached pages of the
file. Without it, the limit is that of the process's data segment.

    python examples/benchmarks/larger_than_memory.py --file /scratch/objects.npy
"""

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

GROUP = Path("/sys/fs/cgroup/memory/skpr-benchmark")  # version 1
GROUP2 = Path("/sys/fs/cgroup/skpr-benchmark")  # version 2
SHAPE = (64, 64)

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--file", type=Path, required=True)
parser.add_argument("--gigabytes", type=float, default=12.0)
parser.add_argument("--limit", type=float, default=4.0)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--width", type=int, default=256, help="hidden units of the perceptron")
# set by the script itself for the limited process
parser.add_argument("--limited", action="store_true", help=argparse.SUPPRESS)
arguments = parser.parse_args()


def objects(n_samples, seed):
    """Draw blobs with few degrees of freedom, anywhere in a dark frame."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(24)[:, None] - 11.5, np.arange(24)[None] - 11.5
    made = np.zeros((n_samples, *SHAPE), np.float32)
    for x in made:
        a, b, c = rng.uniform(0.5, 1.5, 3)
        turn = rng.uniform(0, np.pi)
        u, v = (
            np.cos(turn) * rows + np.sin(turn) * columns,
            np.cos(turn) * columns - np.sin(turn) * rows,
        )
        i, j = rng.integers(0, 40, 2)
        x[i : i + 24, j : j + 24] = np.exp(-((u / (6 * a)) ** 2) - (v / (2 * b)) ** 2) * (
            1 + 0.5 * np.tanh(c * u)
        )
    return made


def write(path):
    """Write the file in pieces, repeating the first 100,000 objects."""
    n_samples = int(arguments.gigabytes * 2**30 // (4 * np.prod(SHAPE)))
    pieces = [objects(1000, seed) for seed in range(min(100, n_samples // 1000 + 1))]
    with contextlib.ExitStack() as stack:
        if path.suffix == ".npy":
            array = np.lib.format.open_memmap(path, "w+", np.float32, (n_samples, *SHAPE))
        else:
            import h5py

            file = stack.enter_context(h5py.File(path, "w"))
            array = file.create_dataset("objects", (n_samples, *SHAPE), "f4", chunks=(64, *SHAPE))
        for number, start in enumerate(range(0, n_samples, 1000)):
            stop = min(start + 1000, n_samples)
            array[start:stop] = pieces[number % len(pieces)][: stop - start]


def fit():
    """Fit and test the model; this part runs in limited memory."""
    from skpr import make_phase_retriever
    from skpr.metrics import relative_error

    if arguments.file.suffix == ".npy":
        data = np.load(arguments.file, mmap_mode="r")
    else:
        import h5py

        data = h5py.File(arguments.file, "r")["objects"]
    print(
        f"{len(data)} objects of {data.shape[1:]}: {data.dtype.itemsize * data.size / 2**30:.1f} "
        "GiB",
        flush=True,
    )
    start = time.perf_counter()
    model = make_phase_retriever(
        max_epochs=arguments.epochs,
        module__hidden_width=arguments.width,
        random_state=0,
        device="cpu",
    ).fit(data, data)
    seconds = time.perf_counter() - start
    test = objects(500, 10**6)
    error = relative_error(test, model.predict(test))
    print(
        f"fitted in {seconds:.0f} s, {arguments.epochs * len(data) / seconds:.0f} objects "
        f"per second, error {error:.4f}"
    )
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own = int(status["RssAnon"].split()[0]) / 2**20 if "RssAnon" in status else float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"memory of the process: {own:.2f} GiB of its own at the end, at most {peak:.2f} GiB with "
        "the mapped file"
    )


def limit():
    """Limit the memory of this process, and return a description."""
    n_bytes = int(arguments.limit * 2**30)
    for group, name in ((GROUP, "memory.limit_in_bytes"), (GROUP2, "memory.max")):
        with contextlib.suppress(OSError):
            group.mkdir(exist_ok=True)
            (group / name).write_text(str(n_bytes))
            (group / "cgroup.procs").write_text(str(os.getpid()))
            return f"control group, {n_bytes / 2**30:.1f} GiB with the file's cached pages"
    resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))
    return f"data segment, {n_bytes / 2**30:.1f} GiB"


if arguments.limited:
    print(f"limit: {limit()}", flush=True)
    fit()
else:
    if not arguments.file.exists():
        write(arguments.file)
    # pages that the system has already cached would not count for the process: drop them
    with open(arguments.file, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    done = subprocess.run([sys.executable, *sys.argv, "--limited"])
    for group, name in ((GROUP, "memory.max_usage_in_bytes"), (GROUP2, "memory.peak")):
        with contextlib.suppress(OSError):
            print(f"control group: {int((group / name).read_text()) / 2**30:.2f} GiB at most")
            group.rmdir()
    sys.exit(done.returncode)
