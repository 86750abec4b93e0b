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


@pytest.mark.parametrize(
    "others", [{"energy": 9.0}, {"positions": np.ones((3, 2))}, {"mask": np.eye(16, 18), "t": [1]}]
)
@pytest.mark.parametrize("name", ["data", "Data", "frames"])
def test_the_stack_is_found_among_other_arrays(tmp_path, name, others):
    np.savez(tmp_path / "a.npz", **others, **{name: STACK})
    with pytest.warns(
        UserWarning,
        match=rf"'{name}' is read from .*; its other arrays are not used: '{[*others][0]}' \(",
    ):
        found = read_diffraction(tmp_path / "a.npz")
    np.testing.assert_allclose(found.data**2, STACK, rtol=1e-5)
    assert found.dataset == [name]


def test_several_stacks_are_listed_with_their_shapes(tmp_path):
    np.savez(tmp_path / "a.npz", x=STACK, y=STACK[0], e=9.0)
    with pytest.raises(
        ValueError, match=r"3 arrays; name one .*: 'x' \(3, 16, 18\), 'y' \(16, 18\), 'e' \(\)"
    ):
        read_diffraction(tmp_path / "a.npz")


@pytest.mark.parametrize("dataset", [3, [], ["x", 3], b"x"])
def test_what_is_no_name_of_an_array_is_refused(tmp_path, dataset):
    np.savez(tmp_path / "a.npz", x=STACK)
    with pytest.raises(
        ValueError, match="dataset=.* is not valid; give the name of an array or a list of names"
    ):
        read_diffraction(tmp_path / "a.npz", dataset)


def test_planes_are_found_by_their_names(tmp_path):
    dark, bad = np.full((16, 18), 2.0), np.eye(16, 18)
    np.savez(tmp_path / "cal.npz", dark=dark, flat=np.ones((16, 18)), mask=bad)
    np.savez(tmp_path / "bad.npz", data=STACK, mask=bad)
    found = read_diffraction(STACK, dark=tmp_path / "cal.npz", mask=tmp_path / "bad.npz")
    np.testing.assert_array_equal(found.data, read_diffraction(STACK, dark=dark, mask=bad).data)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "text.zip"])
def test_files_of_something_else_are_not_called_damaged(tmp_path, name):
    objects = np.array([STACK, None], dtype=object)
    if name == "text.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("readme.txt", "no array")
    else:
        {"a.npy": np.save, "a.npz": np.savez}[name](tmp_path / name, objects)
    with pytest.raises(
        OSError, match="holds Python objects; save an array|an archive of 'readme.txt', without any"
    ) as caught:
        read_diffraction(tmp_path / name)
    assert "damaged" not in str(caught.value)
