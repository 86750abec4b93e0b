"""Checks that all values of an HDF5 data set can be read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

from ._hdf5 import is_ours
from ._storage import SourceFiles, external_place, is_whole, source_place

PLUGIN_FILTERS = {
    305: "LZO",
    307: "bzip2",
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}


def check_complete(dataset, path, name=None):
    """Refuse a data set whose values are incomplete.

    HDF5 would fill missing values with zeros.

    Raises
    ------
    OSError
        If an external file or a source of a virtual data set is missing, or holds less than
        announced.
    ImportError
        If the data are compressed by a filter that is not installed.
    """
    name = (name or dataset.name).strip("/")
    _check_filters(dataset, path, name)
    folder = Path(dataset.file.filename).parent
    for file, offset, size in dataset.external or ():
        place = external_place(folder, os.fsdecode(file), offset, size)
        if not place.exists():
            raise OSError(f"{path} keeps {name!r} in {os.fsdecode(file)}, which does not exist")
        if not is_whole(place, offset, size):
            raise OSError(f"{path} keeps {name!r} in {os.fsdecode(file)}, which is truncated")
    if dataset.is_virtual:
        _check_sources(dataset, path, name)


def _check_filters(dataset, path, name):
    import h5py

    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, label = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            label = PLUGIN_FILTERS.get(code, os.fsdecode(label or b"") or "name unknown")
            raise ImportError(
                f"{path} holds {name!r} compressed by filter {code} ({label}), which is not "
                "installed; hdf5plugin provides the filters that detectors use: pip install "
                "'skpr[io]'"
            )


def _check_sources(dataset, path, name):
    """Check all sources of a virtual data set, recursively."""
    checked = set()
    with contextlib.closing(SourceFiles()) as sources:
        for source in dataset.virtual_sources():
            _check_one(dataset, source, path, name, sources, checked)


def _check_one(dataset, source, path, name, sources, checked):
    files = [source.file_name]
    if "%b" in source.file_name or "%b" in source.dset_name:
        # a family of any number of sources, of which the first must exist
        files = [source.file_name.replace("%b", "0")]
    for file in files:
        key = file, source.dset_name
        n_wanted = _last_index(source.src_space)
        if (*key, n_wanted) in checked:
            continue
        checked.add((*key, n_wanted))
        words = f"{path} assembles {name!r} from {source.dset_name} in {file}"
        if file == ".":
            _check_source(dataset.file, source, n_wanted, path, words)
            continue
        place = source_place(dataset, file)
        if place is None:
            raise OSError(f"{words}, which does not exist")
        try:
            _check_source(sources.open(place), source, n_wanted, path, words)
        except OSError as error:
            if is_ours(error):
                raise
            state = (
                "in use by another process" if "lock" in str(error) else f"not readable: {error}"
            )
            raise OSError(f"{words}, which is {state}") from error


def _check_source(file, source, n_wanted, path, words):
    import h5py

    held = file.get(source.dset_name.replace("%b", "0"))
    if not isinstance(held, h5py.Dataset):
        raise OSError(f"{words}, which holds no such data set")
    too_small = source.src_space.get_select_type() == h5py.h5s.SEL_ALL and held.size < _n_points(
        source.vspace
    )
    if too_small or any(has < wants for has, wants in zip(held.shape, n_wanted, strict=False)):
        raise OSError(f"{words}, which holds only {held.shape} of it")
    check_complete(held, path, source.dset_name)


def _n_points(space):
    """Return the number of points of a selection.

    For a selection without end, it is the number of points of one block.
    """
    try:
        return space.get_select_npoints()
    except (ValueError, RuntimeError):
        return int(np.prod(space.get_regular_hyperslab()[3], dtype=object))


def _last_index(space):
    """Return the shape that a selection needs; empty if it has no end."""
    try:
        return tuple(int(n) + 1 for n in space.get_select_bounds()[1])
    except (ValueError, RuntimeError, OverflowError):
        return ()
