"""Memory that an array needs, and whether there is as much."""

import os
from pathlib import Path

GIB = 1 << 30
GROUPS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)  # limits of a container


def check_fits(
    name,
    shape,
    itemsize,
    ways="choose frames by select=, a window by center= and crop=, or frames='sum'",
):
    """Refuse an array larger than the free memory, before it is read.

    Raises
    ------
    MemoryError
        With the size, and ways to need less.
    """
    needed = itemsize
    for n in shape:
        needed *= int(n)
    free = free_memory()
    if free is not None and needed > free:
        raise MemoryError(
            f"{name} needs {needed / GIB:.3g} GiB of memory for an array of shape {tuple(shape)}, "
            f"and {free / GIB:.3g} "
            f"GiB are free; {ways}"
        )


def free_memory():
    """Bytes that this process may still take; None if the system is silent."""
    try:
        with open("/proc/meminfo") as file:
            sizes = dict(line.split(":", 1) for line in file)
        free = int(sizes["MemAvailable"].split()[0]) * 1024
        return min(free, _most_of_group(free))
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _most_of_group(otherwise):
    """Limit of the container in bytes, or a given number if there is none."""
    for limit in GROUPS:
        try:
            return int(Path(limit).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return otherwise
