import numpy as np
import pytest

from skpr.files._corrections import (
    Corrections,
    Tally,
    corrected,
    judged,
    relative_sensitivity,
    summed,
)


def summed_frames(frames):
    return summed(lambda *window: (frame[window] for frame in frames))


def test_dark_frames_are_subtracted_and_the_flat_field_divided():
    frame = np.array([[12.0, 7.0, 1.0, 5.0]])
    planes = Corrections(dark=np.full((1, 4), 2.0), sensitivity=np.array([[2.0, 1.0, 1.0, 0.01]]))
    np.testing.assert_array_equal(corrected(frame, planes), [[5, 5, -1, np.nan]])


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("u1", True), ("u2", False), ("i2", False), ("u4", False), ("i4", False), ("u8", False)],
)
def test_the_largest_value_of_an_integer_type_is_a_flag(dtype, kept):
    frame = np.array([[np.iinfo(dtype).max, 3]], dtype=dtype)
    tally = Tally()
    values = corrected(frame, Corrections(), tally=tally)
    assert np.isnan(values[0]).tolist() == [not kept, False]
    assert tally.reasons.get("flagged", 0) == (not kept)


def test_sixteen_bits_count_to_their_end_where_saturation_is_beyond():
    frame = np.array([[65535, 3]], dtype="u2")
    assert corrected(frame, Corrections(saturation=70000))[0, 0] == 65535
    assert np.isnan(corrected(frame.astype("u4") * 65537, Corrections(saturation=1e12))[0, 0])


@pytest.mark.parametrize("dtype", ["u4", "u8", "i8", "f4", "f8"])
def test_flags_of_a_counter_of_32_bits_are_flags_in_every_type(dtype):
    frame = np.array([[2**32 - 1, 2**32 - 2, 3]], dtype=dtype)
    assert np.isnan(corrected(frame, Corrections())[0]).tolist() == [True, True, False]
    np.testing.assert_array_equal(corrected(np.array([[1, 2]], "f2"), Corrections()), [[1, 2]])


def test_each_unmeasured_pixel_has_one_reason():
    frame = np.array([[-1, 9, 4, 5, np.inf]])
    tally = Tally()
    planes = Corrections(
        mask=np.array([[True, False, True, False, False]]), saturation=9, highest=4.5
    )
    values = corrected(frame, planes, tally=tally)
    assert np.isnan(values).all()
    assert tally.reasons == {"not finite": 1, "negative": 1, "saturated": 2, "masked": 1}


@pytest.mark.parametrize(
    ("negative", "expected"), [("unmeasured", np.nan), ("zero", -2), ("keep", -5)]
)
def test_negative_readings_have_the_meaning_that_is_said(negative, expected):
    values = corrected(
        np.array([[-3.0, 4.0]]), Corrections(negative=negative, dark=np.full((1, 2), 2.0))
    )
    np.testing.assert_array_equal(values, [[expected, 2]])


def test_magnitudes_are_squared_once():
    np.testing.assert_array_equal(
        corrected(np.array([[2.0, 3.0]]), Corrections(content="magnitudes")), [[4, 9]]
    )


def test_a_flat_field_is_relative_to_its_median():
    np.testing.assert_array_equal(
        relative_sensitivity([[2, 4, 8, 0, 4]], float), [[0.5, 1, 2, 0, 1]]
    )
    with pytest.raises(ValueError, match="flat has no positive value"):
        relative_sensitivity(np.zeros((2, 2)), float)


def test_what_is_below_the_threshold_is_zero_and_noise_is_kept_for_sums():
    values = np.array([-2.0, 1.0, 3.0, np.nan])
    np.testing.assert_array_equal(judged(values.copy(), 2), [0, 0, 3, np.nan])
    np.testing.assert_array_equal(judged(values.copy()), [0, 1, 3, np.nan])
    np.testing.assert_array_equal(judged(values.copy(), keep=True), values)


def test_exposures_with_gaps_add_up_as_if_without():
    frames = np.stack([np.full((4, 4), 10.0), np.full((4, 4), 30.0)])
    frames[0, 0, 0] = frames[:, 1, 1] = np.nan
    total = summed_frames(frames)
    assert total[0, 0] == pytest.approx(40, rel=0.01)
    assert total[2, 2] == 40
    assert np.isnan(total[1, 1])


def test_a_frame_that_measured_nothing_does_not_count_as_an_exposure():
    frames = np.ones((3, 4, 4))
    frames[2] = np.nan
    np.testing.assert_array_equal(summed_frames(frames), np.full((4, 4), 2.0))


def test_pixels_that_no_two_frames_share_have_equal_exposures():
    frames = np.array([[[4.0, np.nan]], [[np.nan, 6.0]]])
    with pytest.warns(
        UserWarning,
        match="measured in all frames of the frames: their exposures .* monitor=",
    ):
        np.testing.assert_array_equal(summed_frames(frames), [[8.0, 12.0]])
    np.testing.assert_array_equal(summed(lambda *window: iter(frames), equal=True), [[8.0, 12.0]])


def test_frames_are_read_once_where_nothing_is_missing_in_some():
    passes = []

    def frames(*window):
        passes.append(window)
        return iter(np.ones((3, 2, 2)))

    summed(frames)
    assert len(passes) == 1


def test_shares_of_exposures_are_those_of_whole_frames():
    frames = np.random.default_rng(0).poisson(20, (5, 8, 8)) * np.arange(1.0, 6)[:, None, None]
    frames[1, :3, :3] = frames[3, 1] = np.nan
    whole = summed_frames(frames)
    for window in (
        (slice(0, 3), slice(0, 3)),
        (slice(1, 2), slice(0, 8)),
        (slice(4, 8), slice(4, 8)),
    ):
        found = summed(lambda *part: (frame[part] for frame in frames), window)
        np.testing.assert_allclose(found, whole[window], rtol=1e-12)


def test_a_flat_field_that_is_not_finite_measures_nothing():
    flat = relative_sensitivity(np.array([[2.0, np.inf, np.nan, 2.0, 4.0]]), float)
    values = corrected(np.full((1, 5), 6.0), Corrections(sensitivity=flat))
    np.testing.assert_array_equal(values, [[6, np.nan, np.nan, 6, 3]])
