import contextlib
import os
import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest

from skpr.files import _hdf5, read_diffraction

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)

WRITER = """
import sys, h5py, numpy as np
file = h5py.File(sys.argv[1], "w", libver=sys.argv[2] if sys.argv[2] != "none" else None)
file["data"] = np.ones((4, 64, 64), "u4")
if sys.argv[3] == "swmr":
    file.swmr_mode = True
print("open", flush=True)
sys.stdin.read()
"""


def test_a_numbered_family_of_sources_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (0, 1):
        with h5py.File(f"block-{number}.h5", "w") as file:
            file["data"] = STACK + number
    space = h5py.h5s.create_simple(STACK.shape, (h5py.h5s.UNLIMITED, 8, 8))
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (4, 1, 1), STACK.shape)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"block-%b.h5", b"data", h5py.h5s.create_simple(STACK.shape))
    with h5py.File("a.h5", "w") as file:
        whole = h5py.h5s.create_simple(STACK.shape, (h5py.h5s.UNLIMITED, 8, 8))
        h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT32, whole, properties)
    np.testing.assert_allclose(read_diffraction("a.h5").data ** 2, np.concatenate([STACK, STACK + 1.0]), rtol=1e-5)
    with h5py.File("block-0.h5", "w") as file:
        file["data"] = STACK[:1]
    with pytest.raises(OSError, match="data in block-%b.h5|data in block-0.h5, which holds only"):
        read_diffraction("a.h5")


def test_raw_values_beside_the_file_are_found_from_any_folder(tmp_path, monkeypatch):
    STACK.tofile(tmp_path / "raw.bin")
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        for name, shape in (("entry/data", STACK.shape), ("bg", (8, 8))):
            file.create_dataset(name, shape, "u4", external=[("raw.bin", 0, int(np.prod(shape)) * 4)])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (STACK + 7).tofile("raw.bin")
    np.testing.assert_allclose(read_diffraction(tmp_path / "a.h5", "entry/data").data ** 2, STACK, rtol=1e-5)
    found = read_diffraction(tmp_path / "a.h5", "entry/data", dark="bg", negative="keep")
    np.testing.assert_allclose(found.data**2, STACK - STACK[0].astype(float), rtol=1e-5)
    (tmp_path / "raw.bin").write_bytes(b"")
    np.testing.assert_allclose(read_diffraction(tmp_path / "a.h5", "entry/data").data ** 2, STACK + 7.0, rtol=1e-5)


def test_a_data_set_without_values_is_no_damage(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = h5py.Empty("f4")
    with pytest.raises(ValueError, match="'data' in .* holds no values: it is of HDF5's empty kind"):
        read_diffraction(tmp_path / "a.h5", "data")


def virtual(path, sources, n_frames=1, target=slice(None)):
    """A virtual data set of sources with so many frames each."""
    layout = h5py.VirtualLayout((n_frames * len(sources), 8, 8), "u4")
    height = len(range(*target.indices(8)))
    for number, name in enumerate(sources):
        layout[number * n_frames : (number + 1) * n_frames, target] = h5py.VirtualSource(
            name, "data", (n_frames, height, 8)
        )
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("entry/data/data", layout, fillvalue=0)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="locks of other systems")
@pytest.mark.parametrize(("version", "mode"), [("none", "alone"), ("latest", "alone"), ("latest", "swmr")])
def test_a_file_in_use_is_told_from_a_damaged_one(tmp_path, version, mode):
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", WRITER, str(path), version, mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        if mode == "swmr":
            assert read_diffraction(path).data.shape == (4, 64, 64)
        else:
            with pytest.raises(OSError, match="is in use by another process") as caught:
                read_diffraction(path)
            assert "damaged" not in str(caught.value)
        writer.stdin.close()
        writer.wait()
    assert read_diffraction(path).data.shape == (4, 64, 64)


def test_a_filter_that_is_not_installed_is_named(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("entry/data", data=STACK, **hdf5plugin.Bitshuffle())
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code != 32008)
    message = r"'entry/data' compressed by filter 32008 \(Bitshuffle\), which is not installed; hdf5plugin has"
    with pytest.raises(ImportError, match=message):
        read_diffraction(tmp_path / "a.h5")


@pytest.mark.slow
def test_filters_are_registered_by_reading(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=STACK, **hdf5plugin.LZ4())
    code = "import sys; from skpr.files import read_diffraction; print(read_diffraction(sys.argv[1]).data.shape)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.h5"], capture_output=True, text=True, check=True)
    assert done.stdout == "(4, 8, 8)\n"


def test_a_virtual_data_set_without_a_source_is_refused(tmp_path):
    for name in ("a.h5", "b.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = STACK[:1]
    virtual(tmp_path / "inner.h5", ["a.h5", "b.h5"])
    with h5py.File(tmp_path / "inner.h5", "a") as file:
        file["data"] = file["entry/data/data"]
    virtual(tmp_path / "v.h5", ["inner.h5"], 2)
    np.testing.assert_allclose(read_diffraction(tmp_path / "v.h5").data ** 2, STACK[[0, 0]], rtol=1e-6)
    os.remove(tmp_path / "b.h5")  # two levels down
    with pytest.raises(OSError, match=r"puts 'data' together from data in b\.h5, which is not there"):
        read_diffraction(tmp_path / "v.h5")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"data": STACK[:1]}, r"which holds only \(1, 8, 8\) of it"),
        ({"other": STACK}, "which holds no such data set"),
        (None, "which is not readable"),
    ],
)
def test_a_virtual_data_set_with_less_than_announced_is_refused(tmp_path, content, reason):
    if content is None:
        (tmp_path / "a.h5").write_bytes(b"no HDF5")
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.update(content)
    virtual(tmp_path / "v.h5", ["a.h5"], 2)
    with pytest.raises(OSError, match=reason):
        read_diffraction(tmp_path / "v.h5")


def test_what_no_source_fills_is_a_gap(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK[:2, :5]
    virtual(tmp_path / "v.h5", ["a.h5"], 2, slice(2, 7))
    found = read_diffraction(tmp_path / "v.h5")
    assert np.isnan(found.data[0]).all(axis=1).tolist() == [True, True, False, False, False, False, False, True]
    assert found.unmeasured == {"masked": 2 * 3 * 8}


@pytest.mark.parametrize("size", [None, 100])
def test_external_storage_must_be_whole(tmp_path, size):
    raw = tmp_path / "a.raw"
    raw.write_bytes(STACK.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", STACK.shape, STACK.dtype, external=[(str(raw), 0, STACK.nbytes)])
    raw.unlink() if size is None else raw.write_bytes(raw.read_bytes()[:size])
    with pytest.raises(OSError, match=r"a\.raw, which is (not there|truncated)"):
        read_diffraction(tmp_path / "a.h5")


def test_links_are_followed_but_not_in_circles(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/b/data"] = STACK
        file["a/b/up"] = h5py.SoftLink("/a")
        file["a/same"] = file["a/b"]
        file["gone"] = h5py.ExternalLink("gone.h5", "/x")
        names = {one.name: one for one in _hdf5.walk(file)}
    assert set(names) == {"a/b/data", "a/same/data", "gone"}
    assert names["gone"].missing == "gone.h5 (/x), which is not there"


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="limits of other systems")
def test_a_master_may_link_more_files_than_may_be_open(tmp_path):
    resource = pytest.importorskip("resource")
    with h5py.File(tmp_path / "master.h5", "w") as file:
        for number in range(40):
            with h5py.File(tmp_path / f"{number}.h5", "w") as linked:
                linked["data"] = STACK[:1] + number
            file[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(f"{number}.h5", "/data")
    n_open, (soft, hard) = len(os.listdir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, hard))
    try:
        found = read_diffraction(tmp_path / "master.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_allclose(found.data[:, 0, 0] ** 2, np.arange(40), rtol=1e-6)


def test_frames_that_share_a_chunk_are_decompressed_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=STACK, chunks=(3, 8, 8), compression="gzip")
        frames = _hdf5.DatasetFrames(file["data"], tmp_path / "a.h5")
        for number in range(4):
            np.testing.assert_array_equal(frames.frame(number, slice(2, 5), slice(1, 8)), STACK[number, 2:5, 1:])
        assert frames.step == 3


def test_a_truncated_file_says_so(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data"] = STACK
    path.write_bytes(path.read_bytes()[:2500])
    with pytest.raises(OSError, match=r"a\.h5 cannot be read as HDF5: it is truncated, 2500 bytes are there"):
        read_diffraction(path)


def test_numbers_in_names_are_in_their_own_order():
    assert sorted(["f10", "f9", "f1_2", "e"], key=_hdf5.natural) == ["e", "f1_2", "f9", "f10"]


def test_a_source_is_looked_for_where_hdf5_does(tmp_path, monkeypatch):
    """Of a relative path the last part alone is no place: HDF5 would fill in zeros."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK
    virtual(tmp_path / "v.h5", ["raw/a.h5"], 4)
    with pytest.raises(OSError, match=r"from data in raw/a\.h5, which is not there"):
        read_diffraction(tmp_path / "v.h5")
    virtual(tmp_path / "moved.h5", ["/nowhere/raw/a.h5"], 4)
    np.testing.assert_allclose(read_diffraction(tmp_path / "moved.h5").data ** 2, STACK, rtol=1e-6)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link.h5").symlink_to(tmp_path / "moved.h5")
    np.testing.assert_allclose(read_diffraction(tmp_path / "elsewhere" / "link.h5").data ** 2, STACK, rtol=1e-6)
    monkeypatch.setenv("HDF5_VDS_PREFIX", str(tmp_path / "elsewhere") + os.pathsep + str(tmp_path))
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_allclose(read_diffraction(tmp_path / "moved.h5").data ** 2, STACK, rtol=1e-6)


def test_raw_values_are_looked_for_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.raw").write_bytes(STACK.tobytes())
    (tmp_path / "a.raw").write_bytes(STACK.tobytes()[:100])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", STACK.shape, STACK.dtype, external=[("a.raw", 0, STACK.nbytes)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"a\.raw, which is truncated"):
        read_diffraction("a.h5")
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_allclose(read_diffraction("../a.h5").data ** 2, STACK, rtol=1e-6)


def written_where(tmp_path, fill, name="v.h5", **options):
    """Whether each reading of a virtual data set counts as measured; `fill` maps sources into its layout."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK + 1
    layout = h5py.VirtualLayout(STACK.shape, "u4", **options)
    fill(layout, h5py.VirtualSource("a.h5", "data", STACK.shape))
    with h5py.File(tmp_path / name, "w") as file:
        file.create_virtual_dataset("data", layout, fillvalue=0)
        raw = file["data"][()]
    found = read_diffraction(tmp_path / name, hot_pixels=None)
    np.testing.assert_allclose(np.nan_to_num(found.data) ** 2, raw, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(found.data), raw == 0)
    return raw > 0


def test_unfilled_parts_of_every_shape_are_unmeasured(tmp_path):
    def columns(layout, source):
        layout[:, :, ::2] = source[:, :, ::2]

    def blocks(layout, source):
        layout[:, [0, 1, 5]] = source[:, [0, 1, 5]]

    def modules(layout, source):
        layout[:, :3], layout[:2, 4:] = source[:, :3], source[1:3, 4:]
        layout[3, 6:, 2:5] = source[0, :2, :3]

    assert [written_where(tmp_path, fill).mean() for fill in (columns, blocks, modules)] == [
        1 / 2,
        3 / 8,
        (4 * 24 + 2 * 32 + 6) / 256,
    ]


def test_frames_that_no_source_fills_are_unmeasured_and_said(tmp_path):
    def half(layout, source):
        layout[:2] = source[:2]

    with pytest.warns(UserWarning, match=r"2 of 4 frames of .*v\.h5 were never written \(2, 3\).*; select= leaves"):
        written_where(tmp_path, half)
    assert not np.isnan(read_diffraction(tmp_path / "v.h5", select=[0, 1]).data).any()


def test_sources_that_grow_fill_as_much_as_they_hold(tmp_path):
    for name, n_frames in (("long.h5", 4), ("short.h5", 2)):
        with h5py.File(tmp_path / name, "w") as file:
            file.create_dataset("data", data=STACK[:n_frames, :4] + 1, maxshape=(None, 4, 8))
    layout = h5py.VirtualLayout(STACK.shape, "u4", maxshape=(None, 8, 8))
    for number, name in enumerate(("long.h5", "short.h5")):
        source = h5py.VirtualSource(name, "data", (4, 4, 8), maxshape=(None, 4, 8))
        layout[: h5py.h5s.UNLIMITED, 4 * number : 4 * number + 4] = source[: h5py.h5s.UNLIMITED]
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("data", layout, fillvalue=0)
    unmeasured = np.isnan(read_diffraction(tmp_path / "v.h5").data)
    assert unmeasured[2:, 4:].all()
    assert unmeasured.sum() == 2 * 4 * 8


def test_a_file_that_a_family_lacks_fills_nothing(tmp_path):
    for number in (0, 1, 3):
        with h5py.File(tmp_path / f"a_{number}.h5", "w") as file:
            file["data"] = np.full((2, 8, 8), number + 1, "u4")
    with h5py.File(tmp_path / "v.h5", "w") as file:
        space = h5py.h5s.create_simple((8, 8, 8), (h5py.h5s.UNLIMITED, 8, 8))
        space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (2, 1, 1), (2, 8, 8))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_virtual(space, b"a_%b.h5", b"data", h5py.h5s.create_simple((2, 8, 8)))
        whole = h5py.h5s.create_simple((8, 8, 8), (h5py.h5s.UNLIMITED, 8, 8))
        h5py.h5d.create(file.id, b"data", h5py.h5t.STD_U32LE, whole, plist)
    counts = np.repeat([1.0, 2, np.nan, 4], 2)
    with h5py.File(tmp_path / "v.h5") as file:
        n_frames = len(file["data"])
    assert n_frames in (4, 8)  # as far as HDF5 looks behind the missing file
    with contextlib.ExitStack() as stack:
        if n_frames == 8:
            stack.enter_context(pytest.warns(UserWarning, match=r"2 of 8 frames .* were never written \(4, 5\)"))
        found = read_diffraction(tmp_path / "v.h5")
    np.testing.assert_allclose(found.data[:, 0, 0] ** 2, counts[:n_frames], rtol=1e-6)


def test_unwritten_parts_of_sources_are_unmeasured(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("data", (4, 4, 8), "u4", chunks=(1, 2, 8))
        data[:3], data[3, :2] = 1, 1
    virtual(tmp_path / "inner.h5", ["a.h5"], 4, slice(2, 6))
    with h5py.File(tmp_path / "inner.h5", "a") as file:
        file["data"] = h5py.SoftLink("/entry/data/data")
    virtual(tmp_path / "v.h5", ["inner.h5"], 4)
    unmeasured = np.isnan(read_diffraction(tmp_path / "v.h5").data)
    assert unmeasured[:, [0, 1, 6, 7]].all()
    assert unmeasured[3, 4:].all()
    assert unmeasured.sum() == 4 * 32 + 16


def test_frames_of_an_aborted_scan_are_unmeasured_and_said(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (50, 8, 8), "u4", chunks=(1, 4, 8))[:4] = STACK
        file.create_dataset("none", (2, 8, 8), "u4")
    with pytest.warns(UserWarning, match=r"46 of 50 frames of .*a\.h5 were never written \(4, 5, 6, 7, 8 and more\)"):
        found = read_diffraction(tmp_path / "a.h5", "data")
    assert np.isnan(found.data).any(axis=(1, 2)).tolist() == [False] * 4 + [True] * 46
    with pytest.raises(ValueError, match="has no measured pixel: nothing was ever written to its frames"):
        read_diffraction(tmp_path / "a.h5", "none")


def test_a_master_that_announces_more_frames_than_there_are_is_doubted(tmp_path):
    with h5py.File(tmp_path / "a_master.h5", "w") as file:
        file["entry/data/data_000001"] = STACK
        specific = file.create_group("entry/instrument/detector/detectorSpecific")
        specific["nimages"], specific["ntrigger"] = 2, 3
    with pytest.warns(UserWarning, match=r"a_master\.h5 announces 6 frames and holds 4: .*; select=slice\(4\) says"):
        read_diffraction(tmp_path / "a_master.h5")
    read_diffraction(tmp_path / "a_master.h5", select=slice(4))
    read_diffraction(tmp_path / "a_master.h5", "entry/data/data_000001")
