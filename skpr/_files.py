"""Atomically written files with a checksum."""

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

FORMAT = 1  # version of the format of sealed files
# Names of temporary files: machine, process and a random part.
_TEMPORARY = re.compile(r"\.skpr-([0-9a-f]{12})-([0-9]+)-[0-9a-f]{16}\.tmp")


def write_sealed(path, kind, content, *, replace=True):
    """Write bytes to a file with a header of their kind and checksum.

    Parameters
    ----------
    path : path-like
    kind : str
        Kind of the content, in one word.
    content : bytes
    replace : bool
        Whether to replace an existing file, in one step.

    Raises
    ------
    FileExistsError
        If the file exists and must not be replaced.
    OSError
        If the file cannot be written; an existing file is then left unchanged.
    """
    with written_whole(Path(path), replace=replace) as temporary, open(temporary, "wb") as file:
        file.write(f"skpr {kind} {FORMAT}\n{hashlib.sha256(content).hexdigest()}\n".encode())
        file.write(content)


def read_sealed(path, kind):
    """Return the bytes that :func:`write_sealed` wrote.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or of a later format.
    OSError
        If the file is missing or cannot be read.
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
                f"{path} has format {int(words[2])}, which a later version of skpr wrote; this one "
                f"reads format {FORMAT}"
            )
        checksum = file.readline(65)
        content = file.read()
    if checksum != f"{hashlib.sha256(content).hexdigest()}\n".encode() or int(words[2]) != FORMAT:
        raise ModelFileError(
            f"{path} is damaged: its checksum does not match its {len(content)} bytes"
        )
    return content


@contextlib.contextmanager
def written_whole(path, *, replace=True):
    """Yield a temporary name that becomes `path` on success.

    The temporary file lies in the same folder, and is removed on failure. The file gets the
    permissions of the file it replaces, or those of any new file. Links are followed.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {target.parent}")
    temporary = target.with_name(f".skpr-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        # the umask of the process reduces these permissions
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
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
    """Remove temporary files of dead processes from a folder.

    The names of these files contain the machine and the process. Files of another machine, of a
    running process, or without the header of a sealed file are left alone.
    """
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
    """Rename a temporary file to its target.

    It gets the permissions of the file it replaces. If it must not replace a file, a
    `FileExistsError` is raised.
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
    """Return a digest of the machine and the namespace of process ids."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:12]


def _is_alive(process):
    """Return whether a process is running, or may be."""
    if os.name != "posix":  # elsewhere signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _begins_sealed(path):
    """Return whether a regular file begins like a sealed one.

    A file shorter than the first word of the header counts if it matches so far.
    """
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return b"skpr ".startswith(file.read(5))
    except OSError:
        return False
