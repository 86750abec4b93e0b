"""Paths of the files that a name, a list or a pattern refers to."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import numpy as np

from .._validation import warn_user
from ._numbered import in_order


def file_names(path, is_volume=False):
    """Return the files of a name, a list or a pattern.

    A list is returned in its order; the files of a pattern are sorted by the numbers in their
    names. An array in memory is returned as the only entry.

    Raises
    ------
    OSError
        If no file matches a pattern.
    TypeError, ValueError
        If `path` is none of these.
    """
    if isinstance(path, np.ndarray):
        return [path]
    if isinstance(path, list | tuple):
        return _of_list(path, is_volume)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"path={type(path).__name__} is not valid; give a file, a pattern, a list of files or "
            f"an array"
        )
    if glob.has_magic(os.fspath(path)) and not Path(path).exists():
        pattern = _pattern(os.fspath(path))
        folder, name = os.path.split(pattern)
        found = glob.glob(pattern) or glob.glob(os.path.join(folder, name.replace("[", "[[]")))
        found = in_order([Path(one) for one in found])
        if not found:
            raise OSError(f"no file matches {os.fspath(path)!r}")
        return found
    return [Path(path)]


def _of_list(path, is_volume):
    if not path or not all(isinstance(one, str | os.PathLike) for one in path):
        if path and all(hasattr(one, "shape") for one in path):
            raise ValueError(
                f"path is a list of {len(path)} arrays; give one array, np.stack(path)"
            )
        kinds = ", ".join(dict.fromkeys(type(one).__name__ for one in path))
        words = f"a {type(path).__name__} of {kinds}" if path else repr(path)
        raise ValueError(
            f"path={words} is not valid; give a file, a pattern, a list of files or an array"
        )
    given = [Path(one) for one in path]
    if is_volume and given != in_order(given):
        warn_user(
            f"the planes of the volume are in the order of the list of files, {given[0].name}, "
            f"{given[1].name} and so on, which is not the order of the numbers in their names"
        )
    return given


def _pattern(path):
    """Escape brackets in those folders of a pattern that exist."""
    folder, name = os.path.split(path)
    if not folder or folder == path:
        return path
    return os.path.join(glob.escape(folder) if os.path.isdir(folder) else _pattern(folder), name)
