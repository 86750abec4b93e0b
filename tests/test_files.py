"""Files that are written completely or not at all, and leave other files alone."""

import os
import stat
import subprocess
import sys

import pytest

from skpr import _files
from skpr._files import read_sealed, remove_stale, write_sealed


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def left_by(process, folder, content=b"skpr checkpoint 1\n", machine=None, word="0123456789abcdef"):
    """A temporary file of a process."""
    path = folder / f".skpr-{machine or _files._machine()}-{process}-{word}.tmp"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def dead():
    """Number of a process that is no longer there."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_new_file_has_the_permissions_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        write_sealed(tmp_path / "a", "model", b"x")
        (tmp_path / "b").write_bytes(b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "b") == 0o640


def test_the_mask_of_the_process_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "umask", lambda mask: pytest.fail("other threads would write with another mask")
    )
    write_sealed(tmp_path / "a", "model", b"x")
    assert read_sealed(tmp_path / "a", "model") == b"x"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    write_sealed(tmp_path / "a", "model", b"x")
    (tmp_path / "a").chmod(0o600)
    write_sealed(tmp_path / "a", "model", b"y")
    assert mode(tmp_path / "a") == 0o600


def test_a_link_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "there" / "b")
    write_sealed(tmp_path / "a", "model", b"x")
    assert (tmp_path / "a").is_symlink()
    assert read_sealed(tmp_path / "there" / "b", "model") == b"x"


def test_a_folder_that_is_missing_is_named_and_not_the_temporary_file(tmp_path):
    with pytest.raises(OSError, match=r"x cannot be written: there is no folder .*gone$"):
        _files.write_sealed(tmp_path / "gone" / "x", "model", b"")


def test_a_folder_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
        write_sealed(tmp_path, "model", b"x")


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none"])
def test_a_file_that_must_not_be_replaced_stays(links, tmp_path, monkeypatch):
    if not links:
        monkeypatch.setattr(
            os, "link", lambda *paths: (_ for _ in ()).throw(PermissionError("no links here"))
        )
    write_sealed(tmp_path / "a", "model", b"x", replace=False)
    with pytest.raises(FileExistsError):
        write_sealed(tmp_path / "a", "model", b"y", replace=False)
    assert read_sealed(tmp_path / "a", "model") == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="nobody can tell there whether a process lives")
def test_what_a_dead_process_left_is_removed_and_nothing_else(dead, tmp_path):
    stale = left_by(dead, tmp_path), left_by(dead, tmp_path, b"", word="2" * 16)
    kept = [
        left_by(os.getpid(), tmp_path),
        left_by(dead, tmp_path, machine="0" * 12),
        left_by(dead, tmp_path, b"something else", word="3" * 16),
        tmp_path / f".skpr-{_files._machine()}-{dead}.tmp",
        tmp_path / f".skpr-{_files._machine()}-{dead}-0123456789abcdef.tmp.bak",
        tmp_path / ".run.bak",
    ]
    for path in kept[3:]:
        path.write_bytes(b"skpr mine")
    folder = tmp_path / f".skpr-{_files._machine()}-{dead}-1111111111111111.tmp"
    folder.mkdir()
    remove_stale(tmp_path)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in [*kept, folder])
