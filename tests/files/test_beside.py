import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._beside import plane_is_bad

STACK = np.random.default_rng(0).poisson(50, (3, 8, 9)).astype("u4")
CXI = "entry_1/instrument_1/detector_1/"
NEXUS = "entry/instrument/detector/"


@pytest.fixture
def write(tmp_path):
    def written(name="a.h5", data="entry/data/data", **arrays):
        with h5py.File(tmp_path / name, "w") as file:
            file[data] = STACK
            for key, values in arrays.items():
                file[key.replace("__", "/")] = values
        return tmp_path / name

    return written


def first_row(value, shape=(8, 9), dtype="u4"):
    mask = np.zeros(shape, dtype)
    mask[..., 0, :] = value
    return mask


@pytest.mark.parametrize(
    "name",
    [
        "entry__data__mask",
        "entry__instrument__detector__pixel_mask",
        "entry__instrument__detector__detectorSpecific__pixel_mask",
        "entry__instrument__eiger_detector__pixel_mask",
    ],
)
@pytest.mark.parametrize("bit", [1, 1 << 8, 1 << 31])
def test_masks_of_nexus_hide_every_pixel_with_a_bit(write, name, bit):
    found = read_diffraction(write(**{name: first_row(bit)}))
    assert np.isnan(found.data).sum() == 3 * 9
    assert found.unmeasured == {"masked": 27}
    assert name.replace("__", "/") in found.planes["mask"]


def test_masks_of_cxi_go_by_their_bits(write):
    mask = np.zeros((8, 9), "u4")
    mask[0, :4] = 1, 0x20, 0x800, 0x200
    found = read_diffraction(
        write("a.cxi", f"{CXI}data", **{f"{CXI}mask".replace("/", "__"): mask})
    )
    assert np.isnan(found.data[:, 0, :4]).tolist() == [[True, False, False, True]] * 3


@pytest.mark.parametrize(("frames", "n_missing"), [("patterns", 9), ("volume", 9), ("sum", 0)])
def test_a_mask_for_each_frame_hides_in_its_frame(write, frames, n_missing):
    mask = np.zeros(STACK.shape, "u1")
    mask[1, 0] = 1
    found = read_diffraction(write(entry__data__mask=mask), frames=frames)
    assert np.isnan(found.data).sum() == n_missing


def test_a_mask_of_another_shape_is_refused(write):
    with pytest.raises(
        ValueError,
        match=r"the mask 'entry/data/mask' in .* has shape \(5, 9\); give one value per pixel",
    ):
        read_diffraction(write(entry__data__mask=np.zeros((5, 9))))
    with pytest.raises(
        ValueError,
        match=r"mask .* has shape \(2, 8, 9\); give one plane, or one for each of 3 frames",
    ):
        read_diffraction(write(entry__data__mask=np.zeros((2, 8, 9))))


def test_masks_of_other_detectors_and_entries_are_not_used(write):
    bad = np.ones((8, 9), "u4")
    elsewhere = {
        "entry_2__instrument__detector__pixel_mask": bad,
        "entry__instrument__beam__mask": bad,
    }
    assert not np.isnan(read_diffraction(write(**elsewhere)).data).any()
    own = {
        "entry__instrument__detector_1__data_error": STACK,
        "entry__instrument__detector_2__pixel_mask": bad,
    }
    path = write("b.h5", "entry/instrument/detector_1/data", **own)
    assert not np.isnan(read_diffraction(path).data).any()
    two = {f"entry__instrument__detector_{number}__pixel_mask": bad for number in (1, 2)}
    with pytest.warns(
        UserWarning,
        match="holds 'entry/data/data' in none of its detectors, so their .* are not used",
    ):
        read_diffraction(write(**two))


def test_dark_frames_of_the_file_are_subtracted_unless_others_are_given(write):
    dark = np.stack([np.full((8, 9), 3.0), np.full((8, 9), 5.0)])
    path = write("a.cxi", f"{CXI}data", **{f"{CXI}data_dark".replace("/", "__"): dark})
    for given, level in ((None, 4), (False, 0), (np.full((8, 9), 10), 10), (f"{CXI}data_dark", 4)):
        found = read_diffraction(path, dark=given).data ** 2
        np.testing.assert_allclose(found, STACK - float(level), rtol=1e-5)
    assert set(read_diffraction(path).planes) == {"dark"}
    assert read_diffraction(path, dark=False).planes == {}


@pytest.mark.parametrize("applied", [None, True, False])
def test_a_flat_field_is_used_where_it_is_said_not_to_be_applied(write, applied):
    flat = np.linspace(1, 2, 72).reshape(8, 9)
    arrays = {"entry__instrument__detector__flatfield": flat}
    if applied is not None:
        arrays["entry__instrument__detector__flatfield_applied"] = applied
    path = write(**arrays)
    expected = STACK / (flat / np.median(flat)) if applied is False else STACK
    if applied is None:
        with pytest.warns(
            UserWarning, match="the flatfield .* is not used: the file does not say whether"
        ):
            found = read_diffraction(path)
        read_diffraction(path, flat=False)
    else:
        found = read_diffraction(path)
    np.testing.assert_allclose(found.data**2, expected, rtol=1e-5)


def test_eiger_detectors_multiply_by_their_flat_field(write):
    flat = np.linspace(1, 2, 72).reshape(8, 9)
    arrays = {"flatfield": flat, "flatfield_correction_applied": 0}
    path = write(
        **{
            f"entry__instrument__detector__detectorSpecific__{name}": x
            for name, x in arrays.items()
        }
    )
    found = read_diffraction(path).data ** 2
    np.testing.assert_allclose(found, STACK * flat * np.median(1 / flat), rtol=1e-5)


def test_an_image_without_the_sample_is_not_divided_by(write):
    white = {f"{CXI}data_white".replace("/", "__"): np.linspace(1, 2, 72).reshape(8, 9)}
    with pytest.warns(UserWarning, match="the data_white .* is not used"):
        found = read_diffraction(write("a.cxi", f"{CXI}data", **white))
    np.testing.assert_allclose(found.data**2, STACK, rtol=1e-5)


def test_the_range_of_the_detector_ends_where_the_file_says(write):
    found = read_diffraction(write(entry__instrument__detector__saturation_value=[50]))
    np.testing.assert_array_equal(np.isnan(found.data), STACK > 50)


def test_a_flag_of_sixteen_bits_is_one_in_a_deeper_type(write):
    path = write(entry__instrument__detector__bit_depth_image=16)
    with h5py.File(path, "a") as file:
        file["entry/data/data"][0, 0, 0] = 65535
    assert np.argwhere(np.isnan(read_diffraction(path).data)).tolist() == [[0, 0, 0]]


def test_masks_that_are_floats_are_bits_too():
    assert plane_is_bad(np.array([0.0, 1.0, np.nan, 2.0]), 1).tolist() == [False, True, True, False]


def test_fractions_in_a_mask_mark_bad_pixels():
    assert plane_is_bad(np.array([0.0, 0.3, -0.5, 1.5])).tolist() == [False, True, True, True]


@pytest.mark.parametrize("name", ["Mask", "PIXEL_MASK"])
def test_capitals_in_the_name_of_a_mask_do_not_matter(write, name):
    assert np.isnan(read_diffraction(write(**{f"entry__data__{name}": first_row(1)})).data).any()


def nexus_detectors(path, *names):
    with h5py.File(path, "a") as file:
        for name in names:
            file.require_group(f"entry/instrument/{name}").attrs["NX_class"] = "NXdetector"
    return path


def test_nothing_of_several_detectors_is_used_where_the_frames_are_in_none(write):
    values = {"waxs__saturation_value": 50.0, "waxs__dark": np.full((8, 9), 5.0)}
    path = write(**{f"entry__instrument__{name}": value for name, value in values.items()})
    with pytest.warns(
        UserWarning,
        match="in none of its detectors, .* 'entry/instrument/waxs/dark', '.*/saturation_value'",
    ):
        found = read_diffraction(nexus_detectors(path, "saxs", "waxs"))
    assert (found.unmeasured, found.planes) == ({}, {})
    np.testing.assert_allclose(found.data**2, STACK, rtol=1e-5)
    found = read_diffraction(path, dark="entry/instrument/waxs/dark", flat=False)
    np.testing.assert_allclose(found.data**2, STACK - 5.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "data"), [("diode", None), ("detector_7", np.ones(3)), ("ccd", np.ones((2, 5, 5)))]
)
def test_detectors_that_cannot_have_seen_the_frames_are_passed_over(write, name, data):
    arrays = {
        f"entry__instrument__{name}__saturation_value": 10.0,
        "entry__instrument__eiger__saturation_value": 60.0,
    }
    arrays |= {} if data is None else {f"entry__instrument__{name}__data": data}
    path = write(**arrays, **{"entry__data__x": 1.0})
    found = read_diffraction(nexus_detectors(path, name, "eiger"), "entry/data/data")
    np.testing.assert_array_equal(np.isnan(found.data), STACK > 60)


@pytest.mark.parametrize("is_copy", [True, False])
def test_a_detector_with_frames_of_its_own_is_another_one_unless_they_are_the_same(write, is_copy):
    arrays = {"data": STACK if is_copy else STACK + 1, "pixel_mask": first_row(1)}
    path = write(
        **{f"entry__instrument__detector__{name}": values for name, values in arrays.items()}
    )
    if is_copy:
        assert read_diffraction(path, "entry/data/data").unmeasured == {"masked": 27}
        return
    with pytest.warns(
        UserWarning, match="in none of its detectors, .* 'entry/instrument/detector/pixel_mask'"
    ):
        assert read_diffraction(path, "entry/data/data").unmeasured == {}


def test_a_group_of_detectors_is_none_of_them(write):
    path = write(entry__instrument__detectors__saxs__pixel_mask=first_row(1))
    with h5py.File(path, "a") as file:
        file["entry/instrument/detectors/saxs"].attrs["NX_class"] = "NXdetector"
    assert read_diffraction(path).unmeasured == {"masked": 27}


@pytest.mark.parametrize("name", [f"{CXI}mask", f"/{CXI}mask"])
def test_the_mask_of_a_cxi_file_is_the_same_by_its_name(write, name):
    mask = np.zeros((8, 9), "u4")
    mask[0, :4] = 1, 0x20, 0x800, 0x200
    path = write("a.cxi", f"{CXI}data", **{f"{CXI}mask".replace("/", "__"): mask}, my__mask_2=mask)
    np.testing.assert_array_equal(
        read_diffraction(path, mask=name).data, read_diffraction(path).data
    )
    assert read_diffraction(path, mask="my/mask_2").unmeasured == {"masked": 3 * 4}


def test_a_master_that_announces_more_frames_than_there_are_is_doubted(tmp_path):
    with h5py.File(tmp_path / "a_master.h5", "w") as file:
        file["entry/data/data_000001"] = STACK
        specific = file.create_group("entry/instrument/detector/detectorSpecific")
        specific["nimages"], specific["ntrigger"] = 2, 3
    with pytest.warns(
        UserWarning,
        match=r"a_master\.h5 announces 6 frames and holds 3: .*; select=slice\(3\) reads",
    ):
        read_diffraction(tmp_path / "a_master.h5")
    read_diffraction(tmp_path / "a_master.h5", select=slice(3))
    read_diffraction(tmp_path / "a_master.h5", "entry/data/data_000001")
