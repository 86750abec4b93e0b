import contextlib

import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from tests.files.conftest import virtual

STACK = np.arange(4 * 8 * 8, dtype="u4").reshape(4, 8, 8)


def test_what_no_source_fills_is_a_gap(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK[:2, :5]
    virtual(tmp_path / "v.h5", ["a.h5"], 2, slice(2, 7))
    found = read_diffraction(tmp_path / "v.h5")
    assert np.isnan(found.data[0]).all(axis=1).tolist() == [
        True,
        True,
        False,
        False,
        False,
        False,
        False,
        True,
    ]
    assert found.unmeasured == {"masked": 2 * 3 * 8}


def written_where(tmp_path, fill, name="v.h5", **options):
    """Whether each reading of a virtual data set counts as measured; `fill` maps sources into its
    layout.
    """
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

    with pytest.warns(
        UserWarning,
        match=r"2 of 4 frames of .*v\.h5 were never written \(2, 3\).*; leave them out by select=",
    ):
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
            stack.enter_context(
                pytest.warns(UserWarning, match=r"2 of 8 frames .* were never written \(4, 5\)")
            )
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
    with pytest.warns(
        UserWarning,
        match=r"46 of 50 frames of .*a\.h5 were never written \(4, 5, 6, 7, 8 and more\)",
    ):
        found = read_diffraction(tmp_path / "a.h5", "data")
    assert np.isnan(found.data).any(axis=(1, 2)).tolist() == [False] * 4 + [True] * 46
    with pytest.raises(
        ValueError, match="has no measured pixel: nothing was ever written to its frames"
    ):
        read_diffraction(tmp_path / "a.h5", "none")
