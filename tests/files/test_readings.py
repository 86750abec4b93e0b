import h5py
import numpy as np
import pytest

from skpr.files import read_diffraction
from skpr.files._readings import chosen_frames, monitor_factors

STACK = np.random.default_rng(0).poisson(50, (4, 8, 9)).astype(float)


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (None, [0, 1, 2, 3]),
        (slice(1, None, 2), [1, 3]),
        ([3, 0], [3, 0]),
        ([-1], [3]),
        (np.array([1, 0, 0, 1]) > 0, [0, 3]),
    ],
)
def test_frames_are_selected_like_those_of_an_array(select, expected):
    found = read_diffraction(STACK, select=select)
    np.testing.assert_allclose(found.data**2, STACK[expected])
    assert found.frames.tolist() == expected


def test_a_monitor_is_taken_from_each_file_by_its_name(tmp_path):
    for number, values in enumerate(([1.0, 2, 3, 4], [4.0, 3, 2, 1])):
        with h5py.File(tmp_path / f"s_{number}.h5", "w") as file:
            file["data"], file["mon"], file["current"] = STACK, values, 1.0 + number
    files = str(tmp_path / "s_*.h5")
    found = read_diffraction(files, monitor="mon", select=[4, 5, 6, 7]).data
    np.testing.assert_allclose(found**2, STACK / (np.array([4, 3, 2, 1]) / 2.5)[:, None, None])
    found = read_diffraction(files, monitor="current").data
    np.testing.assert_allclose(found[[0, 4]] ** 2, STACK[0] * np.array([1.5, 0.75])[:, None, None])
    with h5py.File(tmp_path / "s_1.h5", "a") as file:
        del file["mon"]
    with pytest.raises(
        ValueError,
        match=r"s_1\.h5 holds nothing under the name 'mon'; every file must hold one number",
    ):
        read_diffraction(files, monitor="mon")


@pytest.mark.parametrize(
    "select", [[4], [-5], [0.5], "first", [[0]], slice(4, None), [True, False]]
)
def test_selections_that_leave_nothing_or_lead_outside_are_refused(select):
    with pytest.raises(
        ValueError, match="select=.* is not valid; (give a slice or a list of frames|it leaves)"
    ):
        chosen_frames(select, 4)


def test_frames_are_divided_by_the_monitor_over_its_mean():
    beam = np.array([1.0, 2.0, 3.0, 2.0])
    varied = STACK * beam[:, None, None]
    np.testing.assert_allclose(read_diffraction(varied, monitor=7 * beam).data ** 2, 2 * STACK)
    found = read_diffraction(varied, monitor=beam, select=[2, 0], frames="volume").data[0] ** 2
    np.testing.assert_allclose(found, 2 * STACK[[2, 0]])
    of_selected = (
        read_diffraction(varied, monitor=beam[[2, 0]], select=[2, 0], frames="volume").data[0] ** 2
    )
    np.testing.assert_array_equal(found, of_selected)


def test_the_dark_frame_is_subtracted_before_the_monitor_is_divided_out():
    beam = np.array([1.0, 2.0, 3.0, 2.0])
    varied = STACK * beam[:, None, None] + 100
    found = read_diffraction(varied, monitor=beam, dark=np.full((8, 9), 100.0))
    np.testing.assert_allclose(found.data**2, 2 * STACK)


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ([1, 2], r"monitor has shape \(2,\); give one number for each of 4 frames"),
        (np.ones((4, 2)), r"monitor has shape \(4, 2\)"),
        (
            [1, 0, 1, 1],
            "monitor=0.0 in frame 1 is not valid; give intensities > 0, and leave out frames "
            "without beam",
        ),
        ([1, 1, np.nan, 1], "monitor=nan in frame 2 is not valid"),
        ("gone", "monitor='gone' is not a name in the array; give a name in the file, or one"),
    ],
)
def test_a_monitor_that_is_none_is_refused(monitor, message):
    with pytest.raises(ValueError, match=message):
        read_diffraction(STACK, monitor=monitor)


def test_the_monitor_may_be_in_the_file(tmp_path):
    beam = np.array([1.0, 2.0, 3.0, 2.0])
    np.savez(tmp_path / "a.npz", counts=STACK * beam[:, None, None], beam=beam)
    np.testing.assert_allclose(
        read_diffraction(tmp_path / "a.npz", "counts", monitor="beam").data ** 2, 2 * STACK
    )
    assert monitor_factors(None, np.arange(4), 4, None) is None


@pytest.mark.parametrize("shape", [(4, 8, 9), (5, 7, 8)])
@pytest.mark.parametrize("frames", ["patterns", "volume", "sum"])
def test_patterns_in_fft_order_are_centred(shape, frames):
    stack = np.random.default_rng(1).random(shape)
    axes = (0, 1, 2) if frames == "volume" else (1, 2)
    found = read_diffraction(
        np.fft.ifftshift(stack, axes=axes), frames=frames, centered=False, crop=4, binning=2
    )
    expected = read_diffraction(stack, frames=frames, crop=4, binning=2)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-12)


def test_masks_of_patterns_in_fft_order_are_in_fft_order():
    mask = np.zeros((8, 9), bool)
    mask[0, 0] = True  # zero frequency, behind a beam stop
    found = read_diffraction(STACK, centered=False, mask=mask)
    assert np.argwhere(np.isnan(found.data[0])).tolist() == [[4, 4]]
    with pytest.raises(ValueError, match="center='max' is not valid for patterns in FFT order"):
        read_diffraction(STACK, centered=False, center="max")


def test_magnitudes_are_not_rooted_again():
    for frames in ("patterns", "sum"):
        counts = read_diffraction(STACK, frames=frames, binning=2).data
        found = read_diffraction(
            np.sqrt(STACK), frames=frames, binning=2, content="magnitudes"
        ).data
        np.testing.assert_allclose(found, counts)
    with pytest.raises(
        ValueError, match="content='magnitudes' excludes dark= and flat=, which correct counts"
    ):
        read_diffraction(STACK, content="magnitudes", dark=np.ones((8, 9)))


def test_values_that_are_called_magnitudes_are_doubted(tmp_path):
    np.savez(tmp_path / "a.npz", magnitudes=STACK)
    with pytest.warns(
        UserWarning, match="'magnitudes' in .* is read as counts, whose square roots are taken"
    ):
        read_diffraction(tmp_path / "a.npz")
    assert read_diffraction(tmp_path / "a.npz", content="magnitudes").data.max() == STACK.max()
    assert read_diffraction(tmp_path / "a.npz", content="counts").data.max() ** 2 == pytest.approx(
        STACK.max()
    )


def test_bytes_at_the_end_of_their_range_are_doubted():
    stack = STACK.astype("u1")
    stack[0, :2, 0] = 255
    with pytest.warns(
        UserWarning, match="2 readings of the array are 255, the largest value of a byte"
    ):
        read_diffraction(stack)
    assert np.isnan(read_diffraction(stack, saturation=255).data).sum() == 2
    assert not np.isnan(read_diffraction(stack, saturation=256).data).any()


def test_progress_is_shown_frame_by_frame(capsys):
    read_diffraction(STACK, verbose=True)
    assert "reading frames: 100%" in capsys.readouterr().err
    read_diffraction(STACK)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["dark", "flat"])
def test_flags_in_dark_frames_and_flat_fields_are_unmeasured(name):
    plane = np.full((2, 8, 9), 3, "u2")
    plane[:, 4, 4] = plane[0, 2, 2] = 65535
    for given in (plane, np.where(plane == 65535, np.inf, plane)):
        found = read_diffraction(STACK, **{name: given})
        assert np.argwhere(np.isnan(found.data[0])).tolist() == [[4, 4]]
        expected = STACK - 3 if name == "dark" else STACK
        np.testing.assert_allclose((found.data**2)[:, 2, 2], expected[:, 2, 2])


def test_a_dark_frame_that_exceeds_the_readings_is_doubted():
    with pytest.warns(
        UserWarning, match="100% of the readings of the array are below the dark frame, which holds"
    ):
        read_diffraction(STACK, dark=np.full((8, 9), 1e9))
    sparse = np.random.default_rng(0).poisson(0.02, (4, 64, 64))
    read_diffraction(
        sparse, dark=np.full((64, 64), 0.001)
    )  # nearly all are zero, and yet no less than expected


def test_a_monitor_that_is_not_valid_is_said_by_the_number_of_its_frame():
    with pytest.raises(ValueError, match="monitor=0.0 in frame 3 is not valid"):
        read_diffraction(STACK, monitor=[1, 1, 1, 0], select=[2, 3])


@pytest.mark.parametrize("frames", ["patterns", "volume"])
def test_planes_for_every_frame_belong_to_the_frames_of_the_file_in_any_order(frames):
    stack = np.random.default_rng(0).poisson(50, (4, 16, 18))
    mask = np.zeros(stack.shape, bool)
    mask[0, 3] = True
    kept = {"frames": frames, "hot_pixels": None}
    turned = read_diffraction(stack, mask=mask, select=slice(None, None, -1), **kept).data
    straight = read_diffraction(stack[::-1], mask=mask[::-1], **kept).data
    np.testing.assert_array_equal(turned, straight)
    factors = [1.0, 2.0, 3.0, 4.0]
    turned = read_diffraction(stack, monitor=factors, select=[3, 2, 1, 0], **kept).data
    straight = read_diffraction(stack[::-1], monitor=factors[::-1], **kept).data
    np.testing.assert_array_equal(turned, straight)
