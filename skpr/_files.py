"""Files that are written whole or not at all, and that say when they are damaged."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from .exceptions import ModelFileError

FORMAT = 1  # of what is inside a sealed file


def write_sealed(path, kind, content):
    """Write bytes under a line that says what they are, and a checksum.

    Parameters
    ----------
    path : path-like
        An existing file is replaced, in one step.
    kind : str
        One word.
    content : bytes

    Raises
    ------
    OSError
        If the file cannot be written; an old one is then still there.
    """
    path = Path(path)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(f"skpr {kind} {FORMAT}\n{hashlib.sha256(content).hexdigest()}\n".encode())
        file.write(content)


def read_sealed(path, kind):
    """What :func:`write_sealed` wrote.

    Raises
    ------
    ModelFileError
        For a file that is damaged, of another kind, or of a later format.
    OSError
        If it is missing or cannot be read.
    """
    with open(path, "rb") as file:
        header = file.readline(64)
        words = header.split()
        if len(words) != 3 or words[0] != b"skpr" or not words[2].isdigit() or not header.endswith(b"\n"):
            raise ModelFileError(f"{path} was not written by skpr, or is damaged: it begins with {header[:24]!r}")
        if words[1] != kind.encode():
            raise ModelFileError(f"{path} holds a skpr {words[1].decode(errors='replace')}, not a {kind}")
        if int(words[2]) > FORMAT:
            raise ModelFileError(
                f"{path} is of format {int(words[2])}, which a later skpr wrote; this one reads {FORMAT}"
            )
        checksum = file.readline(65)
        content = file.read()
    if checksum != f"{hashlib.sha256(content).hexdigest()}\n".encode() or int(words[2]) != FORMAT:
        raise ModelFileError(f"{path} is damaged: its checksum does not fit its {len(content)} bytes")
    return content


@contextlib.contextmanager
def written_whole(path):
    """A temporary name beside `path` that becomes `path` when all went well, and is gone when not."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
