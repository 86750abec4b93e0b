"""Batches larger than memory: read, and computed, when a part of them is asked for."""

import os
from collections import OrderedDict
from functools import cached_property
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.mixins import NDArrayOperatorsMixin

from ._tensors import chunks_of, float_dtype, map_chunks, to_tensor

BLOCK_BYTES = 1 << 20  # what is read from a file at once
POOL_BYTES = 1 << 28  # of a file's samples held in memory, for shuffling them or reading them again
RUN = 64  # neighbours, in a sample of a larger batch
READ_VALUES = 1 << 22  # float32 values of one step through a batch: 16 MiB


class Summary(NamedTuple):
    """What a pass over a batch says of its values: the least one, and how many are NaN or infinite."""

    minimum: float
    n_nan: int
    n_infinite: int
    n_hidden: int  # samples that are NaN everywhere
    first_hidden: int
    largest: float  # modulus


class LazyBatch(NDArrayOperatorsMixin):
    r"""A batch larger than memory: an array on disk, or what transformers make of one.

    Estimators take it in place of an array, and transformers turn it into another such batch at once: objects are read,
    moved and transformed only as the network asks for its next few. Indexing samples, as cross-validation does, gives
    a smaller such batch and reads nothing; `numpy.asarray`, arithmetic and `batch[i]` read what is asked for.

    Memory maps, HDF5 and zarr datasets and dask arrays that are passed to an estimator become such batches by
    themselves. Wrap one yourself where its samples are split first (a fold of a memory map is a copy in memory), or
    to have it checked for NaN and infinity once, not by each step.

    Parameters
    ----------
    array : numpy.memmap, h5py.Dataset, zarr.Array, dask.array.Array or alike, of shape (n_samples, \*sample_shape)
        Anything with `shape`, `dtype` and slices along its first axis. Blocks of samples are read at once, in multiples
        of its own chunks.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        float32, float64 or their complex pairs, whatever is in the file.
    ndim, size, nbytes : int
        As of an array; `nbytes` is what it would take in memory.

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
        if not is_on_disk(array) and not isinstance(array, np.ndarray):
            raise TypeError(
                f"array={type(array).__name__} is not an array on disk; give a numpy.memmap, an h5py.Dataset, a "
                "zarr.Array or a dask.array.Array"
            )
        if len(array.shape) == 0:
            raise ValueError("array has shape (): a batch is (n_samples, *sample_shape)")
        self._store, self._rows, self._steps = _Store(array), range(array.shape[0]), ()

    @classmethod
    def _of(cls, store, rows, steps):
        batch = cls.__new__(cls)
        batch._store, batch._rows, batch._steps = store, rows, steps
        return batch

    # --- what an array has ---------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, and the shape of one."""
        return len(self._rows), *(self._steps[-1].shape if self._steps else self._store.array.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Precision of what is read."""
        return self._steps[-1].dtype if self._steps else float_dtype(self._store.array.dtype)

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
        """Bytes that the whole would take in memory."""
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
        if isinstance(index, Integral):
            return np.asarray(self[[int(index)]])[0]
        index = _checked_index(index, len(self))
        if isinstance(index, slice):
            rows = self._rows[index]
        else:
            rows = np.asarray(self._rows)[index] if not isinstance(self._rows, range) else _picked(self._rows, index)
        part = self._of(self._store, rows, tuple(step.of(index) for step in self._steps))
        known = self.__dict__.get("summary")
        if known is not None and known == known._replace(n_nan=0, n_infinite=0) and known.minimum >= 0:
            part.summary = known  # what holds for all samples holds for some
        return part

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(
                "a batch on disk cannot be seen as an array without reading it: copy=False is not possible"
            )
        out = np.empty(self.shape, self.dtype)
        for part in self._parts():
            out[part] = self[part].read().numpy()
        return out if dtype is None else out.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """Arithmetic reads the whole batch."""
        return getattr(ufunc, method)(*(np.asarray(x) if isinstance(x, LazyBatch) else x for x in inputs), **kwargs)

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, device: str | torch.device = "cpu") -> torch.Tensor:
        """Read, move to a device and compute there: a tensor of the whole batch."""
        # a copy: what is done to it is not to be done to the file
        values = np.array(self._store.read(self._rows), dtype=float_dtype(self._store.array.dtype), order="C")
        values = to_tensor(values).to(device)
        with torch.no_grad():
            for step in self._steps:
                values = step.function(values, *(to_tensor(argument).to(device) for argument in step.arguments))
        return values

    def mapped(self, function, *arguments, summary=None):
        """The batch that a function makes of this one, chunk by chunk, when it is read.

        Parameters
        ----------
        function : callable
            Of tensors, and picklable.
        *arguments : ndarray or torch.Tensor of shape (n_samples, ...)
            Further arguments of each sample, held in memory.
        summary : Summary, optional
            What is known about the values.
        """
        arguments = tuple(np.asarray(argument) for argument in arguments)
        batch = self._of(self._store, self._rows, (*self._steps, _Step(function, arguments, None, None)))
        first = batch[:1].read().numpy()
        batch._steps = (*self._steps, _Step(function, arguments, first.shape[1:], first.dtype))
        if summary is not None:
            batch.summary = summary
        return batch

    @cached_property
    def summary(self):
        """:class:`Summary` of the values, from one pass over all of them."""
        return _summarised((part, self[part].read()) for part in self._parts())

    @property
    def block_rows(self):
        """Samples that are read at once."""
        return self._store.block_rows

    @property
    def block_numbers(self):
        """Which block of the file each sample is in, ndarray of shape (n_samples,)."""
        return np.asarray(self._rows) // self._store.block_rows

    @property
    def pool_rows(self):
        """Samples that are held in memory to be shuffled."""
        return self._store.pool_rows

    def _parts(self):
        length = max(1, READ_VALUES // max(1, self.size // max(1, len(self))))
        length = -(-length // self.block_rows) * self.block_rows if length > self.block_rows else length
        return [slice(start, min(start + length, len(self))) for start in range(0, len(self), length)]


class _Step(NamedTuple):
    """A function of samples, its arguments for each of them, and what comes out."""

    function: object
    arguments: tuple
    shape: tuple
    dtype: object

    def of(self, index):
        return self._replace(arguments=tuple(argument[index] for argument in self.arguments))


class _Store:
    """An array on disk, read in blocks, of which the last are kept. Shared by all batches made of it."""

    def __init__(self, array):
        self.array = array
        row_bytes = max(1, int(np.prod(array.shape[1:], dtype=np.int64)) * np.dtype(array.dtype).itemsize)
        chunk = _chunk_rows(array)
        self.block_rows = chunk * max(1, BLOCK_BYTES // row_bytes // chunk)
        self.pool_rows = max(self.block_rows, POOL_BYTES // row_bytes)
        self.blocks = OrderedDict()

    def read(self, rows):
        """Samples, in the file's own precision."""
        if isinstance(self.array, np.ndarray):  # the operating system keeps what was read of a memory map
            return self.array[_as_slice(rows)]
        rows = np.asarray(rows)
        numbers, places = np.unique(rows // self.block_rows, return_inverse=True)
        out = np.empty((len(rows), *self.array.shape[1:]), self.array.dtype)
        for order, number in enumerate(numbers.tolist()):
            wanted = places == order
            out[wanted] = self._block(number)[rows[wanted] - number * self.block_rows]
        return out

    def _block(self, number):
        if number in self.blocks:
            self.blocks.move_to_end(number)
            return self.blocks[number]
        start = number * self.block_rows
        block = np.asarray(self.array[start : min(start + self.block_rows, self.array.shape[0])])
        self.blocks[number] = block
        while len(self.blocks) > self.pool_rows // self.block_rows + 2:
            self.blocks.popitem(last=False)
        return block

    def __getstate__(self):
        """Where the array is, rather than what is in it."""
        return {"array": _Place.of(self.array)}

    def __setstate__(self, state):
        array = state["array"]
        self.__init__(array.opened() if isinstance(array, _Place) else array)


class _Place(NamedTuple):
    """Where a memory map or an HDF5 dataset is on disk."""

    filename: str
    dataset: object = None
    layout: object = None

    @classmethod
    def of(cls, array):
        """The place of an array, or the array where it can be pickled itself."""
        if _module(array) == "h5py":
            return cls(os.path.abspath(array.file.filename), array.name)
        if isinstance(array, np.memmap) and array.filename is not None and array.flags.c_contiguous:
            root = array
            while isinstance(root.base, np.memmap):
                root = root.base
            start = root.offset + array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
            return cls(os.path.abspath(array.filename), None, (array.dtype, start, array.shape))
        return array

    def opened(self):
        """The array, for reading."""
        if self.dataset is not None:
            import h5py

            return h5py.File(self.filename, "r")[self.dataset]
        dtype, offset, shape = self.layout
        return np.memmap(self.filename, dtype, "r", offset, shape)


def is_on_disk(array):
    """Whether an array is a LazyBatch, or should be one: a memory map, or an array of HDF5, zarr or dask."""
    if isinstance(array, LazyBatch):
        return True
    if isinstance(array, np.memmap):
        # what joblib has mapped for its worker processes was in memory before
        return array.filename is not None and "joblib_memmapping_folder" not in str(array.filename)
    return _module(array) in ("h5py", "zarr", "dask") and all(hasattr(array, name) for name in ("shape", "dtype"))


def map_batch(function, *batches, values_per_sample=None, summary=None):
    """:func:`map_chunks`; where the first batch is a :class:`LazyBatch`, when the result is read."""
    if isinstance(batches[0], LazyBatch):
        return batches[0].mapped(function, *batches[1:], summary=summary)
    return map_chunks(function, *batches, values_per_sample=values_per_sample)


def some_of(batch, max_samples):
    """At most so many samples, in runs of neighbours, which are read together, at even distances; None for all."""
    if max_samples is None or len(batch) <= max_samples:
        return batch
    run = max(1, min(RUN, max_samples // 16))
    starts = np.linspace(0, len(batch) - run, max_samples // run).astype(np.int64)
    return batch[(starts[:, None] + np.arange(run)).ravel()]


def summary_of(batch):
    """:class:`Summary` of an array, a tensor or a :class:`LazyBatch`, in chunks."""
    if isinstance(batch, LazyBatch):
        return batch.summary
    chunks = chunks_of(len(batch), int(np.prod(batch.shape[1:], dtype=np.int64)) // 8)
    return _summarised((part, to_tensor(batch[part]).detach()) for part in chunks)


def _summarised(parts):
    minimum, n_nan, n_infinite, n_hidden, first_hidden, largest = np.inf, 0, 0, 0, -1, 0.0
    for part, values in parts:
        nan = values.isnan()
        n_infinite += int(values.isinf().sum())
        any_nan = bool(nan.any())
        if any_nan:
            n_nan += int(nan.sum())
            hidden = nan.flatten(1).all(1)
            if hidden.any() and first_hidden < 0:
                first_hidden = part.start + int(hidden.int().argmax())
            n_hidden += int(hidden.sum())
        largest = max(largest, float(values.abs().nan_to_num(0.0, posinf=torch.inf).max()))
        if values.is_complex():
            minimum = np.nan
        else:
            minimum = min(minimum, float((values.nan_to_num(torch.inf) if any_nan else values).min()))
    return Summary(minimum, n_nan, n_infinite, n_hidden, first_hidden, largest)


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
        raise IndexError(f"only samples can be picked, by integers, masks and slices: got {index!r}")
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
