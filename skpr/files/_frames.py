"""Stacks of raw frames that are read one at a time."""

from __future__ import annotations

import numpy as np

FEW = 4  # maximum length of the last axis, the colours, of a colour picture
WIDE = 8  # minimum length of the other axes of a colour picture


class Frames:
    """Stack of raw frames of shape (n_frames, height, width).

    Subclasses set `shape`, `dtype` and `name`, the name in messages, and define :meth:`frame`.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    name: str

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the uncorrected readings of one frame, or of a window of it."""
        raise NotImplementedError

    def rest(self):
        """Release resources that can be opened again."""

    def close(self):
        """Close everything that is open."""

    def mean(self):
        """Return the mean of all frames, in double precision."""
        total = np.zeros(self.shape[1:])
        for number in range(self.shape[0]):
            total += self.frame(number)
        return total / self.shape[0]


class ArrayFrames(Frames):
    """Frames of an array in memory, a memory map or an HDF5 data set.

    Axes of length one are ignored.
    """

    def __init__(self, array, name):
        if array.shape is None:
            raise ValueError(f"{name} holds no values: its HDF5 dataspace is empty (null)")
        self.array, self.name, self.dtype = array, name, check_real(array.dtype, name)
        self.n_axes = len(array.shape)
        self.axes = stack_axes(array.shape, name)
        self.shape = tuple(1 if axis is None else array.shape[axis] for axis in self.axes)

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        return np.asarray(self.array[self._index(number, rows, columns)])

    def _index(self, number, rows, columns):
        index = [0] * self.n_axes
        for axis, part in zip(self.axes, (number, rows, columns), strict=True):
            if axis is not None:
                index[axis] = part
        return tuple(index)


class RawFrames(Frames):
    """Uncompressed frames, contiguous in a file.

    Rows are read and not mapped, because every touched page of a memory map would count as memory
    in use.
    """

    def __init__(self, path, offset, dtype, shape, name):
        self.path, self.offset, self.dtype, self.name = path, offset, check_real(dtype, name), name
        axes = stack_axes(shape, name)
        self.shape = tuple(1 if axis is None else shape[axis] for axis in axes)

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        _, height, width = self.shape
        first, last, _ = rows.indices(height)
        place = self.offset + (number * height + first) * width * self.dtype.itemsize
        count = (last - first) * width
        with open(self.path, "rb") as file:
            file.seek(place)
            values = np.fromfile(file, self.dtype, count)
        if values.size < count:
            raise OSError(
                f"{self.path} is truncated: frame {number} of {self.shape[0]} is incomplete"
            )
        return values.reshape(-1, width)[:, columns]


class JoinedFrames(Frames):
    """Several stacks, one after the other."""

    def __init__(self, parts):
        self.parts, self.current, first = parts, 0, parts[0]
        for part in parts[1:]:
            if part.shape[1:] != first.shape[1:]:
                raise ValueError(
                    f"{part.name} holds frames of shape {part.shape[1:]}, {first.name} of "
                    f"{first.shape[1:]}: they do not belong to one stack"
                )
        self.ends = np.cumsum([part.shape[0] for part in parts])
        self.shape = (int(self.ends[-1]), *first.shape[1:])
        self.dtype, self.name = np.result_type(*(part.dtype for part in parts)), first.name

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        part = int(np.searchsorted(self.ends, number, side="right"))
        if part != self.current:
            self.parts[self.current].rest()
            self.current = part
        return self.parts[part].frame(
            number - int(self.ends[part]) + self.parts[part].shape[0], rows, columns
        )

    def close(self):
        """Close every part."""
        for part in self.parts:
            part.close()


def check_real(dtype, name):
    """Refuse data types that are not real numbers."""
    if dtype.kind not in "uifb":
        raise ValueError(f"{name} holds values of type {dtype}; counts are real numbers")
    return dtype


def stack_axes(shape, name):
    """Return the axes of frames, height and width of an array.

    Axes of length one are ignored. The axis of frames is None for a single frame.

    Raises
    ------
    ValueError
        If an array of this shape is not a frame or a stack of frames.

    Examples
    --------
    >>> stack_axes((1, 5, 64, 48), "a.h5"), stack_axes((98, 98, 1), "ring.h5")
    ((1, 2, 3), (None, 0, 1))
    """
    shape = tuple(int(n) for n in shape)
    if 0 in shape:
        raise ValueError(f"{name} holds an array of shape {shape}, which has no pixel")
    longer = [axis for axis, n in enumerate(shape) if n > 1]
    wanted = "give a frame or a stack of frames, (height, width) or (n_frames, height, width)"
    if len(shape) < 2 or len(longer) > 3:
        raise ValueError(f"{name} holds an array of shape {shape}; {wanted}")
    if len(longer) < 2 or longer[-1] != longer[-2] + 1:
        raise ValueError(
            f"{name} holds an array of shape {shape}: frames one pixel wide are not patterns; "
            f"{wanted}"
        )
    if (
        len(longer) == 3
        and shape[longer[-1]] <= FEW
        and min(shape[axis] for axis in longer[:-1]) >= WIDE
    ):
        raise ValueError(
            f"{name} holds an array of shape {shape}, a colour picture or frames "
            f"{shape[longer[-1]]} pixels wide, not patterns; {wanted}"
        )
    return (longer[0] if len(longer) == 3 else None), longer[-2], longer[-1]
