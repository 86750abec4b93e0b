"""Files that are written whole or not at all, and that say when they are damaged."""

import contextlib
import hashlib
import os
import platform
import re
import secrets
import stat
from functools import cache
from pathlib import Path

from .exceptions import ModelFileError

FORMAT = 1  # of the content of a sealed file
_TEMPORARY = re.compile(
    r"\.skpr-([0-9a-f]{12})-([0-9]+)-[0-9a-f]{16}\.tmp"
)  # machine, process, random


def write_sealed(path, kind, content, *, replace=True):
    """Write bytes under a line that says what they are, and a checksum.

    Parameters
    ----------
    path : path-like
    kind : str
        One word.
    content : bytes
    replace : bool
        Whether an existing file is replaced, in one step.

    Raises
    ------
    FileExistsError
        If there is a file and it must not be replaced.
    OSError
        If the file cannot be written; an old one is then still there.
    """
    with written_whole(Path(path), replace=replace) as temporary, open(temporary, "wb") as file:
        file.write(f"skpr {kind} {FORMAT}\n{hashlib.sha256(content).hexdigest()}\n".encode())
        file.write(content)


def read_sealed(path, kind):
    """Return the bytes that :func:`write_sealed` wrote.

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
        if (
            len(words) != 3
            or words[0] != b"skpr"
            or not words[2].isdigit()
            or not header.endswith(b"\n")
        ):
            raise ModelFileError(
                f"{path} was not written by skpr, or is damaged: it begins with {header[:24]!r}"
            )
        if words[1] != kind.encode():
            raise ModelFileError(
                f"{path} holds a skpr {words[1].decode(errors='replace')}, not a {kind}"
            )
        if int(words[2]) > FORMAT:
            raise ModelFileError(
                f"{path} is of format {int(words[2])}, which a later skpr wrote; this one reads "
                f"{FORMAT}"
            )
        checksum = file.readline(65)
        content = file.read()
    if checksum != f"{hashlib.sha256(content).hexdigest()}\n".encode() or int(words[2]) != FORMAT:
        raise ModelFileError(
            f"{path} is damaged: its checksum does not fit its {len(content)} bytes"
        )
    return content


@contextlib.contextmanager
def written_whole(path, *, replace=True):
    """Within, a temporary name beside `path`, which becomes `path` if all goes well and is removed
    if not.

    The file gets the permissions of the one that it replaces, or those of any new file. A link is
    followed."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {target.parent}")
    temporary = target.with_name(f".skpr-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        os.close(
            os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        )  # less the process's mask
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        yield os.fspath(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        _put(temporary, target, replace)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def remove_stale(folder):
    """Remove what processes of this package that are no longer alive had half written in a folder.

    A name tells machine and process. Files of another machine, of a process that lives, or that do
    not begin as a sealed file does are left alone."""
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            named = _TEMPORARY.fullmatch(path.name)
            if (
                named
                and named[1] == _machine()
                and not _is_alive(int(named[2]))
                and _begins_sealed(path)
            ):
                path.unlink()


def _put(temporary, target, replace):
    """Give a file its name, with the permissions of the one it replaces; `FileExistsError` if it
    must not.
    """
    if replace:
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.replace(temporary, target)
    else:
        os.remove(temporary)


@cache
def _machine():
    """Digest of the machine, and of the namespace in which process numbers mean something."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:12]


def _is_alive(process):
    """Whether there is such a process, or whether nobody can tell."""
    if os.name != "posix":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _begins_sealed(path):
    """Whether a regular file begins like a sealed one, or is shorter than its first word."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return b"skpr ".startswith(file.read(5))
    except OSError:
        return False
