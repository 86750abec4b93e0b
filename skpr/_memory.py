"""Checks of arrays against the free memory."""

import os
from pathlib import Path

import torch

GIB = 1 << 30
# bytes of the largest block that the C library of Linux serves from memory that it keeps
LARGEST_KEPT = 31 << 20
# files that hold the memory limit of a container
GROUPS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


def check_fits(
    name,
    shape,
    itemsize,
    ways="choose frames by select=, a window by center= and crop=, or frames='sum'",
):
    """Refuse an array larger than the free memory.

    Raises
    ------
    MemoryError
        If the array is too large; the message states the size and ways to need less.
    """
    needed = itemsize
    for n in shape:
        needed *= int(n)
    free = free_memory()
    if free is not None and needed > free:
        raise MemoryError(
            f"{name} needs {needed / GIB:.3g} GiB of memory for an array of shape {tuple(shape)}, "
            f"but only {free / GIB:.3g} GiB are free; {ways}"
        )


def free_memory():
    """Return the number of free bytes of memory; None if unknown."""
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
    """Return the memory limit of the container, or `otherwise`."""
    for limit in GROUPS:
        try:
            return int(Path(limit).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return otherwise


def keep_freed_memory():
    """Let freed blocks of up to 31 MiB stay with the process.

    The C library of Linux returns freed blocks to the system, and every page of the next array then
    costs a page fault: for arrays of a few MiB that takes longer than to transform them. It keeps
    blocks no larger than the largest one freed so far, so one is allocated here and freed, without
    being written. At most twice that size is kept. Other systems are not affected.
    """
    torch.empty(LARGEST_KEPT, dtype=torch.uint8, device="cpu")
