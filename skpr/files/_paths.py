"""Files of a name, a list or a pattern."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import numpy as np

from .._validation import warn_user
from ._numbered import in_order


def file_names(path, is_volume=False):
    """Files of a name, a list as it is given, or a pattern in the order of numbers."""
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
            raise OSError(f"no file is called like {os.fspath(path)!r}")
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
            f"the planes of the volume follow each other as the list of files does, "
            f"{given[0].name}, {given[1].name} "
            "and so on, which is not the order of the numbers in their names"
        )
    return given


def _pattern(path):
    """A pattern in which brackets in the names of folders that exist stand for themselves."""
    folder, name = os.path.split(path)
    if not folder or folder == path:
        return path
    return os.path.join(glob.escape(folder) if os.path.isdir(folder) else _pattern(folder), name)
