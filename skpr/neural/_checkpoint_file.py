"""Checkpoint files: valid names, content, and refusal of others' files."""

import io
import json
import os
import pickle
from pathlib import Path

import torch

from .._files import read_sealed, write_sealed
from .._validation import short
from ..exceptions import ModelFileError

_LAYOUT = 2  # version of the content of a checkpoint
ANOTHER = "give this training another name, or delete that file"


def check_checkpoint_path(path):
    """Refuse invalid names of checkpoint files."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"checkpoint={short(path)} is not valid; give a path or None")
    path = os.fspath(path)
    try:
        place = Path(os.path.realpath(path))
        is_folder, is_file, is_there = place.is_dir(), place.is_file(), place.exists()
    except (OSError, ValueError) as error:  # too long, or with a null character
        raise ValueError(f"checkpoint={short(path)} is not the name of a file: {error}") from error
    if is_folder or not path:
        raise ValueError(f"checkpoint={short(path)} is a folder; give the name of a file in it")
    if is_there and not is_file:
        raise ValueError(f"checkpoint={short(path)} is not a regular file, which could be replaced")
    if not place.parent.is_dir():
        raise ValueError(f"checkpoint={short(path)} is in a folder that does not exist")


def read_checkpoint(path, identity):
    """Return the saved state of a training, if there is a file.

    Parameters
    ----------
    path : path-like
        Name of the file.
    identity : dict
        Identity of the training, from :func:`._identity.fit_identity`.

    Returns
    -------
    dict or None
        State from :func:`._training_state.training_state`, with the training's `seed`.

    Raises
    ------
    ModelFileError
        For a damaged file.
    ValueError
        For a checkpoint of another training.
    """
    if not os.path.exists(path):
        return None
    header, content = read_header(path)
    check_same(path, header, identity)
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from error
    return state | {"seed": header["seed"]}


def write_checkpoint(path, identity, seed, state, *, replace):
    """Write the state of a training under a header with its identity.

    Parameters
    ----------
    path : path-like
        Name of the file.
    identity : dict
        Identity of the training, from :func:`._identity.fit_identity`.
    seed : int
        Seed of the training.
    state : dict
        State from :func:`._training_state.training_state`.
    replace : bool
        Whether a file of this name is replaced.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If there is a file and it must not be replaced.
    """
    content = io.BytesIO()
    content.write(json.dumps(identity | {"layout": _LAYOUT, "seed": seed}).encode() + b"\n")
    torch.save(state, content)
    try:
        write_sealed(path, "checkpoint", content.getvalue(), replace=replace)
    except FileExistsError:
        raise ValueError(
            f"checkpoint={short(path)} was taken by another training: {ANOTHER}"
        ) from None


def read_header(path):
    """Return the header and the content of a checkpoint."""
    header, _, content = read_sealed(path, "checkpoint").partition(b"\n")
    try:
        header = json.loads(header)
        if header["layout"] != _LAYOUT:
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise ModelFileError(
            f"{path} was written by another version of skpr and cannot be resumed: {ANOTHER}"
        ) from error
    return header, content


def check_same(path, header, identity):
    """Refuse a checkpoint of another training."""
    there, here = header["parameters"], identity["parameters"]
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            found, asked = _around_difference(
                there.get(name, "<default>"), here.get(name, "<default>")
            )
            raise ValueError(
                f"checkpoint={str(path)!r} belongs to another fit, with {name}={found} and not "
                f"{asked}: {ANOTHER}"
            )
    if header["data"] != identity["data"]:
        raise ValueError(f"checkpoint={str(path)!r} belongs to a fit of other data: {ANOTHER}")


def file_signature(path):
    """Return numbers that identify a file's version, or None."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _around_difference(first, second, length=100):
    """Shorten two texts to the parts around their first difference."""
    if max(len(first), len(second)) <= length:
        return first, second
    start = max(0, len(os.path.commonprefix((first, second))) - length // 2)
    return tuple(
        f"{'...' if start else ''}{text[start : start + length]}"
        f"{'...' if len(text) > start + length else ''}"
        for text in (first, second)
    )
