import numpy as np
import pytest

from skpr.files._frames import ArrayFrames, JoinedFrames, RawFrames, stack_axes

STACK = np.arange(2 * 5 * 6, dtype=np.int16).reshape(2, 5, 6)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 24), (None, 0, 1)),
        ((3, 20, 24), (0, 1, 2)),
        ((98, 98, 1), (None, 0, 1)),
        ((1, 20, 24), (None, 1, 2)),
        ((1, 3, 20, 24), (1, 2, 3)),
        ((3, 1, 20, 24), (0, 2, 3)),
        ((3, 20, 24, 1), (0, 1, 2)),
        ((4, 20, 24), (0, 1, 2)),
        ((3, 4, 4), (0, 1, 2)),
    ],
)
def test_axes_of_length_one_are_left_out_wherever_they_are(shape, axes):
    assert stack_axes(shape, "a.npy") == axes


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((24,), "give a frame or a stack of frames"),
        ((2, 3, 20, 24), "give a frame or a stack of frames"),
        ((5, 1, 24), "frames one pixel wide"),
        ((20, 1), "frames one pixel wide"),
        ((1, 1, 24), "frames one pixel wide"),
        ((200, 2, 1, 24), "frames one pixel wide"),
        ((20, 24, 3), "a colour picture or frames 3 pixels wide, not patterns"),
        ((64, 64, 2), "a colour picture or frames 2 pixels wide, not patterns"),
        ((3, 20, 24, 4), "give a frame or a stack of frames"),
        ((0, 20, 24), "no pixel"),
    ],
)
def test_other_shapes_are_refused_by_their_shape(shape, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        stack_axes(shape, "a.npy")
    assert str(shape) in str(caught.value)


def test_windows_are_those_of_the_array(tmp_path):
    STACK.astype(">i2").tofile(tmp_path / "a.raw")
    raw = RawFrames(tmp_path / "a.raw", 0, np.dtype(">i2"), (2, 1, 5, 6), "a.raw")
    for frames in (
        raw,
        ArrayFrames(STACK[:, None], "array"),
        JoinedFrames([ArrayFrames(x, "x") for x in STACK]),
    ):
        assert frames.shape == (2, 5, 6)
        np.testing.assert_array_equal(frames.frame(1, slice(1, 4), slice(2, 6)), STACK[1, 1:4, 2:6])
        np.testing.assert_array_equal(frames.mean(), STACK.mean(axis=0))


def test_a_file_that_ends_too_early_is_truncated(tmp_path):
    STACK.tofile(tmp_path / "a.raw")
    frames = RawFrames(tmp_path / "a.raw", 4, STACK.dtype, STACK.shape, "a.raw")
    with pytest.raises(OSError, match=r"a\.raw is truncated: frame 1 of 2 is incomplete"):
        frames.frame(1)


def test_stacks_of_several_shapes_are_not_joined():
    with pytest.raises(
        ValueError, match=r"b holds frames of shape \(6, 5\), a of \(5, 6\): they do not belong"
    ):
        JoinedFrames([ArrayFrames(STACK, "a"), ArrayFrames(STACK.swapaxes(1, 2), "b")])
