"""Batches larger than memory, read and computed part by part."""

import os
import threading
from collections import OrderedDict
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.mixins import NDArrayOperatorsMixin

from ._tensors import float_dtype, map_chunks, to_tensor

BLOCK_BYTES = 1 << 20  # what is read from a file at once
POOL_BYTES = 1 << 28  # of a file's samples held in memory, for shuffling them or reading them again
RUN = 64  # neighbours, in a sample of a larger batch
READ_VALUES = 1 << 22  # float32 values of one step through a batch: 16 MiB


class LazyBatch(NDArrayOperatorsMixin):
    r"""Batch larger than memory: an array on disk and the steps applied to it.

    Estimators take it in place of an array. Transformers return another such batch at once: objects
    are read, moved and transformed only when the network needs the next few. Indexing samples, as
    cross-validation does, gives a smaller such batch and reads nothing. `numpy.asarray`, arithmetic
    and `batch[i]` read the samples they need.

    Memory maps, HDF5 and zarr datasets and dask arrays that are passed to an estimator are wrapped
    automatically. Wrap one yourself before its samples are split (a fold of a memory map is a copy
    in memory), or to have it checked for NaN and infinity once instead of by each step.

    Pickles hold the place of a memory map or of an HDF5 dataset, so that other processes read the
    same file. A copy-on-write memory map is pickled by value, because its changes are in memory
    only.

    Parameters
    ----------
    array : numpy.memmap, h5py.Dataset, zarr.Array, dask.array.Array or alike, of shape (n_samples, \*sample_shape)
        Anything with `shape`, `dtype` and slices along its first axis. Samples are read in blocks,
        which are multiples of the array's own chunks. Masked values are read as NaN.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        float32, float64 or their complex pairs, whatever type the file holds.
    ndim, size, nbytes : int
        Like those of an array in memory.
    facts : Facts or None
        Facts about the values, noted by the first estimator or function that has scanned them.

    Examples
    --------
    >>> import numpy as np, tempfile, pathlib
    >>> from skpr import FourierMagnitude
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(pathlib.Path(folder) / "objects.npy", np.ones((1000, 8, 8), dtype=np.float32))
    ...     objects = LazyBatch(np.load(pathlib.Path(folder) / "objects.npy", mmap_mode="r"))
    ...     magnitudes = FourierMagnitude().fit_transform(objects)
    ...     print(magnitudes.shape, magnitudes[:3].shape, float(magnitudes[0].max()))
    (1000, 16, 16) (3, 16, 16) 64.0
    """

    def __init__(self, array: Any) -> None:
        if isinstance(array, LazyBatch):
            vars(self).update(vars(array))  # what is known about the values, too
            return
        if not is_on_disk(array) and type(array) not in (np.ndarray, np.memmap):
            raise TypeError(
                f"array={type(array).__name__} is not an array on disk; give a numpy.memmap, an "
                f"h5py.Dataset, a "
                "zarr.Array or a dask.array.Array"
            )
        if is_closed(array):
            raise ValueError(_CLOSED)
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"array holds values of type {array.dtype}; give real or complex numbers"
            )
        if len(array.shape) == 0:
            raise ValueError("array has shape (): a batch is (n_samples, *sample_shape)")
        if not all(isinstance(n, Integral) for n in array.shape):
            raise ValueError(
                f"array has shape {array.shape}, which is not known yet; call its "
                f"compute_chunk_sizes()"
            )
        self._store, self._rows, self._steps = _Store(array), range(array.shape[0]), ()

    facts = None

    @classmethod
    def _of(cls, store, rows, steps):
        batch = cls.__new__(cls)
        batch._store, batch._rows, batch._steps = store, rows, steps
        return batch

    # --- what an array has ------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, and the shape of one."""
        return len(self._rows), *(self._steps[-1].shape if self._steps else self._store.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Precision of what is read."""
        return self._steps[-1].dtype if self._steps else float_dtype(self._store.dtype)

    @property
    def is_integer(self) -> bool:
        """Whether integers or booleans are on disk, and nothing is done to them."""
        return not self._steps and self._store.dtype.kind in "biu"

    @property
    def ndim(self) -> int:
        """Number of axes, that of the samples included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Number of bytes that the whole batch would take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self):
        return f"LazyBatch(shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):
            if len(index) != 2 or index[1] is not Ellipsis:
                raise IndexError(f"only samples can be picked, along the first axis: got {index!r}")
            index = index[0]
        if isinstance(index, Integral) and not isinstance(index, bool):
            return np.asarray(self[[int(index)]])[0]
        index = _checked_index(index, len(self))
        if isinstance(index, slice):
            rows = self._rows[index]
        else:
            rows = (
                np.asarray(self._rows)[index]
                if not isinstance(self._rows, range)
                else _picked(self._rows, index)
            )
        part = self._of(self._store, rows, tuple(step.of(index) for step in self._steps))
        if self.facts is not None:
            part.facts = self.facts.of_part()
        return part

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(
                "a batch on disk cannot be seen as an array without reading it: copy=False is not "
                "possible"
            )
        out = np.empty(self.shape, self.dtype)
        for part in self.parts():
            out[part] = self[part].read().numpy()
        return out if dtype is None else out.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """Arithmetic reads the whole batch."""
        return getattr(ufunc, method)(
            *(np.asarray(x) if isinstance(x, LazyBatch) else x for x in inputs), **kwargs
        )

    # --- reading ----------------------------------------------------------------------------------

    def read(self, device: str | torch.device = "cpu") -> torch.Tensor:
        """Read, move to a device and compute there: a tensor of the whole batch."""
        values = to_tensor(self._store.read(self._rows)).to(device)
        with torch.no_grad():
            for step in self._steps:
                values = step.function(
                    values, *(to_tensor(argument).to(device) for argument in step.arguments)
                )
        return values

    def mapped(self, function, *arguments, facts=None):
        """Batch that a function makes of this one when it is read.

        Parameters
        ----------
        function : callable
            Function of tensors; it must be picklable.
        *arguments : ndarray or torch.Tensor of shape (n_samples, ...)
            Further arguments of each sample, held in memory.
        facts : Facts, optional
            Facts about the values, if they are known.
        """
        arguments = tuple(np.asarray(argument) for argument in arguments)
        batch = self._of(
            self._store, self._rows, (*self._steps, _Step(function, arguments, None, None))
        )
        first = batch[:1].read().numpy()
        batch._steps = (*self._steps, _Step(function, arguments, first.shape[1:], first.dtype))
        batch.facts = facts
        return batch

    def parts(self):
        """Slices of the batch that are read one after the other in a pass over it."""
        length = max(1, READ_VALUES // max(1, self.size // max(1, len(self))))
        length = (
            -(-length // self.block_rows) * self.block_rows if length > self.block_rows else length
        )
        return [
            slice(start, min(start + length, len(self))) for start in range(0, len(self), length)
        ]

    @property
    def block_rows(self):
        """Samples that are read at once."""
        return self._store.block_rows

    @property
    def block_numbers(self):
        """Number of the block that holds each sample, of shape (n_samples,)."""
        return np.asarray(self._rows) // self._store.block_rows

    @property
    def pool_rows(self):
        """Samples that are held in memory to be shuffled."""
        return self._store.pool_rows


class _Step(NamedTuple):
    """Function of samples, with its arguments and the type of its result."""

    function: object
    arguments: tuple
    shape: tuple
    dtype: object

    def of(self, index):
        return self._replace(arguments=tuple(argument[index] for argument in self.arguments))


class _Store:
    """Array on disk, read in blocks; all batches made of it share the latest."""

    def __init__(self, array, place=None):
        self.array, self.place = array, place
        self.shape, self.dtype = (
            tuple(array.shape),
            np.dtype(array.dtype),
        )  # which a closed file does not tell
        row_bytes = max(1, int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize)
        chunk = _chunk_rows(array)
        self.block_rows = chunk * max(1, BLOCK_BYTES // row_bytes // chunk)
        self.pool_rows = max(self.block_rows, POOL_BYTES // row_bytes)
        self.blocks, self.lock = OrderedDict(), threading.Lock()

    def read(self, rows):
        """Samples, copied, in the precision in which they are computed."""
        out = np.empty((len(rows), *self.shape[1:]), float_dtype(self.dtype))
        with np.errstate(over="ignore"):  # what float64 does not hold is found as infinity
            if isinstance(
                self.array, np.ndarray
            ):  # the operating system keeps what was read of a memory map
                out[...] = self.array[_as_slice(rows)]
                return out
            rows = np.asarray(rows)
            numbers, places = np.unique(rows // self.block_rows, return_inverse=True)
            for order, number in enumerate(numbers.tolist()):
                wanted = places == order
                out[wanted] = self._block(number)[rows[wanted] - number * self.block_rows]
        return out

    def _block(self, number):
        with self.lock:
            if number in self.blocks:
                self.blocks.move_to_end(number)
                return self.blocks[number]
        if is_closed(self.array):
            raise ValueError(_CLOSED)
        start = number * self.block_rows
        block = _in_memory(self.array[start : min(start + self.block_rows, self.shape[0])])
        with self.lock:
            self.blocks[number] = block
            while len(self.blocks) > self.pool_rows // self.block_rows + 2:
                self.blocks.popitem(last=False)
        return block

    def __getstate__(self):
        """Place of the array, not its values."""
        return {"array": _Place.of(self.array) if self.place is None else self.place}

    def __setstate__(self, state):
        array = state["array"]
        self.__init__(*((array.opened(), array) if isinstance(array, _Place) else (array,)))


class _Place(NamedTuple):
    """Place of a memory map or of an HDF5 dataset on disk."""

    filename: str
    dataset: object = None
    layout: object = None

    @classmethod
    def of(cls, array):
        """Place of an array, or an array to be pickled by value."""
        if _module(array) == "h5py":
            if is_closed(array):
                raise ValueError(_CLOSED)
            filename = os.path.abspath(array.file.filename)
            if not os.path.exists(filename):  # the file is in memory
                return array[()]
            if array.file.mode != "r":
                array.file.flush()
            return cls(filename, array.name)
        if not isinstance(array, np.memmap) or array.filename is None:
            return array
        if array.mode == "c":  # changes are in memory only
            return np.array(array)
        root = array
        while isinstance(root.base, np.memmap):
            root = root.base
        first = (
            root.offset + array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        )
        return cls(
            os.path.abspath(array.filename), None, (array.dtype, first, array.shape, array.strides)
        )

    def opened(self):
        """The array, for reading."""
        try:
            return self._opened()
        except (OSError, ValueError, KeyError) as error:
            raise OSError(
                f"{self.filename}, which a pickled batch was read from, cannot be opened again "
                f"for reading: {error}"
            ) from error

    def _opened(self):
        if self.dataset is not None:
            import h5py

            return h5py.File(self.filename, "r")[self.dataset]
        dtype, first, shape, strides = self.layout
        reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
        start = first + sum(step for step in reach if step < 0)
        stop = first + sum(step for step in reach if step > 0) + dtype.itemsize
        held = np.memmap(self.filename, np.uint8, "r", start, (stop - start,))
        return np.ndarray(shape, dtype, held, first - start, strides)


def is_on_disk(array):
    """Whether an array is, or should be, a :class:`LazyBatch`.

    Memory maps should be, and arrays of HDF5, zarr and dask.
    """
    if isinstance(array, LazyBatch):
        return True
    if isinstance(array, np.memmap):
        # what joblib has mapped for its worker processes was in memory before
        return array.filename is not None and "joblib_memmapping_folder" not in str(array.filename)
    if _module(array) not in ("h5py", "zarr", "dask"):
        return False
    return is_closed(array) or all(hasattr(array, name) for name in ("shape", "dtype"))


def is_closed(array):
    """Whether an array is a dataset of an HDF5 file that has been closed."""
    return _module(array) == "h5py" and type(array).__name__ == "Dataset" and not array


_CLOSED = "the HDF5 file of this dataset is closed; keep it open for as long as the batch is read"


def _in_memory(block):
    """Values of a block as a plain array: NaN where they are masked."""
    block = block.compute() if hasattr(block, "compute") else block
    if isinstance(block, np.ma.MaskedArray):
        return block.astype(float_dtype(block.dtype)).filled(np.nan)
    return np.asarray(block)


def map_batch(function, *batches, values_per_sample=None, facts=None):
    """Apply :func:`map_chunks`, on a :class:`LazyBatch` as it is read."""
    if isinstance(batches[0], LazyBatch):
        return batches[0].mapped(function, *batches[1:], facts=facts)
    return map_chunks(function, *batches, values_per_sample=values_per_sample)


def some_of(batch, max_samples):
    """Take at most so many samples (None for all).

    They are runs of neighbours, which are read together, at even distances.
    """
    if max_samples is None or len(batch) <= max_samples:
        return batch
    run = max(1, min(RUN, max_samples // 16))
    starts = np.linspace(0, len(batch) - run, max_samples // run).astype(np.int64)
    return batch[(starts[:, None] + np.arange(run)).ravel()]


def _module(array):
    return type(array).__module__.split(".")[0]


def _chunk_rows(array):
    chunks = getattr(array, "chunks", None)
    if not chunks or isinstance(array, np.ndarray):
        return 1
    first = chunks[0]
    return int(max(first) if isinstance(first, tuple) else first)


def _checked_index(index, n_samples):
    """A slice, or an array of integers in range."""
    if isinstance(index, slice):
        return index
    index = np.asarray(index)
    if index.dtype == bool:
        if index.shape != (n_samples,):
            raise IndexError(f"a mask of shape {index.shape} does not fit {n_samples} samples")
        return index.nonzero()[0]
    if index.ndim != 1 or (len(index) and index.dtype.kind not in "iu"):
        raise IndexError(
            f"only samples can be picked, by integers, masks and slices: got {index!r}"
        )
    index = index.astype(np.int64)
    if len(index) and not (-n_samples <= index.min() and index.max() < n_samples):
        raise IndexError(f"samples {index.min()} to {index.max()} were asked for, of {n_samples}")
    return np.where(index < 0, index + n_samples, index)


def _picked(rows, index):
    return rows.start + rows.step * index


def _as_slice(rows):
    """Consecutive rows as a slice, which a memory map reads without copying."""
    if isinstance(rows, range):
        return slice(rows.start, rows.stop, rows.step) if rows.step > 0 else np.asarray(rows)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
