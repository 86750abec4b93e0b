import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from tests.files.conftest import written

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")


def test_the_name_that_is_given_comes_first(tmp_path):
    path = written(tmp_path / "a.h5", data=STACK, pixel_mask=np.full((8, 9), 4))
    assert read_diffraction(path, "pixel_mask", mask=False).data.max() == 2
    assert read_diffraction(path, "/pixel_mask", mask=False).data.max() == 2


def test_names_of_several_are_read_in_their_order(tmp_path):
    path = written(tmp_path / "a.h5", a=STACK[:1], b=STACK[1:], c=STACK)
    found = read_diffraction(path, ["b", "a"])
    np.testing.assert_allclose(found.data**2, STACK[[1, 2, 0]], rtol=1e-6)
    assert found.dataset == ["b", "a"]


def test_a_group_may_be_named(tmp_path):
    path = written(tmp_path / "a.h5", scan_1__data=STACK, scan_2__data=STACK + 1)
    np.testing.assert_allclose(read_diffraction(path, "scan_2").data ** 2, STACK + 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (None, r"holds 2 arrays that could be the frames; .* 'a' \(3, 8, 9\), 'b' \(2, 3, 8, 9\)"),
        ("gone", "dataset='gone' is not in .*; there are 'a', 'b'"),
        (["a", "gone"], "dataset='gone' is not in"),
        (3, "dataset=3 is not valid; give the name of a data set or a list of names"),
        ([], r"dataset=\[\] is not valid"),
    ],
)
def test_what_is_not_clear_is_said_with_the_candidates(tmp_path, dataset, message):
    path = written(tmp_path / "a.h5", a=STACK, b=np.ones((2, 3, 8, 9)))
    with pytest.raises(ValueError, match=message):
        read_diffraction(path, dataset)


def test_a_mask_alone_is_not_taken_without_its_name(tmp_path):
    path = written(tmp_path / "a.h5", mask=STACK)
    with pytest.raises(
        ValueError,
        match=r"like frames, but its name says that it is something else; .* 'mask' \(3, 8, 9\)",
    ):
        read_diffraction(path)


def test_a_linked_part_that_is_missing_is_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data_000001"] = STACK
        file["entry/data/data_000002"] = h5py.ExternalLink("a_000002.h5", "/entry/data/data")
        file["entry/instrument/detector/pixel_mask"] = np.ones((8, 9), "u4")
    with pytest.raises(
        OSError,
        match=r"data_000002' leads to a_000002\.h5 \(/entry/data/data\), which does not exist",
    ):
        read_diffraction(tmp_path / "a.h5")
    assert (
        read_diffraction(tmp_path / "a.h5", "entry/data/data_000001", mask=False).data.shape
        == STACK.shape
    )


def test_candidates_that_are_linked_are_listed(tmp_path):
    written(tmp_path / "b.h5", there=STACK)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"] = STACK + 1
        file["two"] = h5py.ExternalLink("b.h5", "/there")
        file["three"] = h5py.ExternalLink("c.h5", "/there")
    with pytest.raises(
        ValueError, match=r"'one' \(3, 8, 9\), 'three' \(leads to c\.h5 .*\), 'two' \(3, 8, 9\)"
    ):
        read_diffraction(tmp_path / "a.h5")


def test_two_entries_are_not_guessed_between(tmp_path):
    path = written(tmp_path / "a.h5", entry_a__data__data=STACK, entry_b__data__data=STACK + 1)
    with pytest.raises(ValueError, match="'entry_a/data/data' .*, 'entry_b/data/data'"):
        read_diffraction(path)


@pytest.mark.parametrize("with_data", [False, True])
@pytest.mark.parametrize(
    ("plane", "name"),
    [("mask", "mask"), ("mask", "cal/pixel_mask"), ("dark", "dark"), ("flat", "entry/flatfield")],
)
def test_a_file_of_planes_is_read_by_their_names(tmp_path, plane, name, with_data):
    values = np.full((8, 9), 0.0 if plane == "mask" else 1.0)
    values[2] += 1
    path = written(
        tmp_path / "cal.h5", **{name: values}, **({"entry__data__data": STACK} if with_data else {})
    )
    expected = read_diffraction(STACK, **{plane: values}).data
    if with_data and plane != "mask":
        with pytest.warns(
            UserWarning, match=f"{plane}= reads '{name}' of .*, not 'entry/data/data'"
        ):
            found = read_diffraction(STACK, **{plane: path})
    else:
        found = read_diffraction(STACK, **{plane: path})
    np.testing.assert_array_equal(found.data, expected)


def test_a_file_of_planes_under_another_name_is_read_where_it_is_clear(tmp_path):
    path = written(tmp_path / "bad.h5", bad_pixels=np.eye(8, 9))
    assert read_diffraction(STACK, mask=path).unmeasured == {"masked": 3 * 8}
    with pytest.raises(
        ValueError, match=r"holds no array that is clearly meant as dark=; .* 'mask' \(8, 9\)"
    ):
        read_diffraction(STACK, dark=written(tmp_path / "mask.h5", mask=np.eye(8, 9)))


def test_a_map_of_the_scan_that_is_the_default_is_said(tmp_path):
    path = written(
        tmp_path / "mesh.nxs",
        entry__plot__roi=np.ones((10, 12)),
        entry__pilatus__frames=np.ones((120, 8, 9)),
    )
    with h5py.File(path, "a") as file:
        file.attrs["default"], file["entry"].attrs["default"] = "entry", "plot"
        for name, kind in (("entry", "NXentry"), ("entry/plot", "NXdata")):
            file[name].attrs["NX_class"] = kind
        file["entry/plot"].attrs["signal"] = "roi"
    with pytest.warns(
        UserWarning, match=r"'entry/plot/roi' \(10, 12\) .* map of a scan: 'entry/pilatus/frames'"
    ):
        read_diffraction(path)
    assert read_diffraction(path, "entry/pilatus/frames").data.shape == (120, 8, 9)


def test_frames_before_a_missing_part_are_read_where_they_are_selected(tmp_path):
    for number in (1, 2):
        written(tmp_path / f"part_{number}.h5", data=STACK + number)
    with h5py.File(tmp_path / "master.h5", "w") as file:
        for number in (1, 2, 3):
            file[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(f"part_{number}.h5", "data")
        file["entry/omega"] = np.arange(9.0)
        file["entry/omega"].attrs["units"] = "rad"
    for select in (None, [6], [-1], slice(7), slice(None)):
        with pytest.raises(
            OSError,
            match=r"'entry/data/data_000003' leads to part_3.h5 .*; select= reads the 6 frames",
        ):
            read_diffraction(tmp_path / "master.h5", select=select)
    found = read_diffraction(tmp_path / "master.h5", select=[0, 5])
    np.testing.assert_allclose(found.data**2, [STACK[0] + 1.0, STACK[2] + 2.0], rtol=1e-5)
    assert found.geometry.angles == {"omega": (0.0, 5.0)}
    assert len(read_diffraction(tmp_path / "master.h5", select=slice(2, 6)).data) == 4


def test_links_to_themselves_are_passed_over(tmp_path):
    path = written(tmp_path / "a.h5", entry__data__data=STACK)
    with h5py.File(path, "a") as file:
        for name, target in (
            ("data", "/data"),
            ("entry/data/data_2", "/entry/b"),
            ("entry/b", "/entry/data/data_2"),
        ):
            file[name] = h5py.SoftLink(target)
    np.testing.assert_allclose(read_diffraction(path).data ** 2, STACK, rtol=1e-5)
    with pytest.raises(OSError, match="a.h5: 'entry/b' is a link that leads back to itself"):
        read_diffraction(path, "entry/b")
