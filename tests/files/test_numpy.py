import zipfile

import numpy as np
import pytest

from skpr.files import read_diffraction

STACK = np.random.default_rng(0).poisson(50, (3, 16, 18)).astype("i4")


def test_sizes_beyond_the_file_are_not_believed(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(3, 16, 18)", b"(9, 96, 98)"))
    with pytest.raises(OSError, match=r"a\.npy cannot be read as NumPy data: it is truncated"):
        read_diffraction(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "counts.npy")
    with pytest.raises(OSError, match="'counts' is truncated, or its header is damaged"):
        read_diffraction(tmp_path / "a.npz")


def test_a_member_is_decompressed_as_far_as_it_is_needed(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", counts=STACK, other=np.asfortranarray(STACK))
    for select in ([2], [2, 0, 1], slice(0, 1)):
        found = read_diffraction(tmp_path / "a.npz", "counts", select=select).data ** 2
        np.testing.assert_allclose(found, STACK[select], rtol=1e-5)
    found = read_diffraction(tmp_path / "a.npz", "other").data ** 2  # by columns
    np.testing.assert_allclose(found, STACK, rtol=1e-5)


def test_several_arrays_may_be_named(tmp_path):
    np.savez(tmp_path / "a.npz", first=STACK[:1], second=STACK[1:])
    found = read_diffraction(tmp_path / "a.npz", ["second", "first"])
    np.testing.assert_allclose(found.data**2, STACK[[1, 2, 0]], rtol=1e-5)


def test_a_damaged_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, counts=STACK)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # not compressed: only the checksum knows
    path.write_bytes(content)
    with pytest.raises(OSError, match="cannot be read as NumPy data: Bad CRC-32"):
        read_diffraction(path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, counts=STACK)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory of the archive
    path.write_bytes(content)
    with pytest.raises(OSError, match="cannot be read as NumPy data: .*encrypted"):
        read_diffraction(path)


def test_an_archive_of_something_else_is_no_data(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    with pytest.raises(OSError, match="cannot be read as NumPy data"):
        read_diffraction(tmp_path / "a.npz")
