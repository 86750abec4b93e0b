"""Batches larger than memory, read or drawn, and processed in parts."""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.mixins import NDArrayOperatorsMixin

from ._drawn import DrawnArray
from ._store import CLOSED, Store, is_closed, package_of
from ._tensors import float_dtype, map_chunks, to_tensor

RUN = 64  # number of neighbouring samples in each run of a subset
DRAWN = 1024  # largest number of drawn samples that statistics are learned from
READ_VALUES = 1 << 22  # number of values per step of a pass over a batch; 16 MiB in float32


class LazyBatch(NDArrayOperatorsMixin):
    r"""Lazy batch: an array on disk, with the steps applied when it is read.

    Estimators accept it in place of an array. Transformers return another such batch immediately:
    objects are read, moved and transformed only when the network needs them. Indexing samples, as
    cross-validation does, returns a smaller such batch and reads nothing. `numpy.asarray`,
    arithmetic and `batch[i]` read the samples they need.

    Memory maps, HDF5 and zarr datasets and dask arrays that are passed to an estimator are wrapped
    automatically. Wrap an array yourself before its samples are split (a fold of a memory map is a
    copy in memory), or to have it checked for NaN and infinity only once rather than by each step.
    :func:`skpr.datasets.make_lazy_batch` returns a batch of simulated objects, which are drawn when
    they are read.

    A pickle holds the location of a memory map or an HDF5 dataset, so that other processes read the
    same file. A copy-on-write memory map is pickled by value, because its changes are in memory
    only.

    Parameters
    ----------
    array : numpy.memmap, h5py.Dataset, zarr.Array, dask.array.Array or similar
        Array of shape (n_samples, \*sample_shape) with `shape`, `dtype` and slicing along its first
        axis. Samples are read in blocks, which are multiples of the array's own chunks. Masked
        values are read as NaN.

    Attributes
    ----------
    shape : tuple of int
        Number of samples, and the shape of one.
    dtype : numpy.dtype
        Precision of the values: float32, float64 or their complex counterparts, whatever type the
        file holds.
    ndim, size, nbytes : int
        Dimensions and size, like those of an array in memory.
    facts : Facts or None
        Facts about the values, set by the first estimator or function that scans them.

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
            vars(self).update(vars(array))  # including the facts about its values
            return
        if not is_on_disk(array) and type(array) not in (np.ndarray, np.memmap):
            raise TypeError(
                f"array={type(array).__name__} is not an array on disk; give a numpy.memmap, an "
                "h5py.Dataset, a zarr.Array or a dask.array.Array"
            )
        if is_closed(array):
            raise ValueError(CLOSED)
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"array holds values of type {array.dtype}; give real or complex numbers"
            )
        if len(array.shape) == 0:
            raise ValueError("array has shape (): a batch is (n_samples, *sample_shape)")
        if not all(isinstance(n, Integral) for n in array.shape):
            raise ValueError(
                f"array has shape {array.shape}, which is not known yet; call its "
                "compute_chunk_sizes()"
            )
        self._store, self._rows, self._steps = Store(array), range(array.shape[0]), ()

    facts = None

    @classmethod
    def _of(cls, store, rows, steps):
        batch = cls.__new__(cls)
        batch._store, batch._rows, batch._steps = store, rows, steps
        return batch

    # --- attributes of an array -------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of samples, and the shape of one."""
        return len(self._rows), *(self._steps[-1].shape if self._steps else self._store.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Precision of the values that are read."""
        return self._steps[-1].dtype if self._steps else float_dtype(self._store.dtype)

    @property
    def is_integer(self) -> bool:
        """Whether the batch is unprocessed integers or booleans on disk."""
        return not self._steps and self._store.dtype.kind in "biu"

    @property
    def is_drawn(self) -> bool:
        """Whether samples are drawn when they are read."""
        return self._store.is_drawn

    @property
    def drawn_by(self):
        """Arguments that determine the drawn samples, and their indices."""
        source = self._store.array
        return source.draw, source.seed, source.settings, source.block_size, np.asarray(self._rows)

    @property
    def ndim(self) -> int:
        """Number of axes, including that of the samples."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Number of bytes that the whole batch would need in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self):
        return f"LazyBatch(shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, tuple):
            if len(index) != 2 or index[1] is not Ellipsis:
                raise IndexError(f"only the first axis, of samples, can be indexed: got {index!r}")
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
                "a batch on disk cannot become an array without being read: copy=False is not "
                "possible"
            )
        out = np.empty(self.shape, self.dtype)
        for part in self.parts():
            out[part] = self[part].read().numpy()
        return out if dtype is None else out.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """Apply arithmetic, which reads the whole batch."""
        return getattr(ufunc, method)(
            *(np.asarray(x) if isinstance(x, LazyBatch) else x for x in inputs), **kwargs
        )

    # --- reading ----------------------------------------------------------------------------------

    def read(self, device: str | torch.device = "cpu") -> torch.Tensor:
        """Read the whole batch as a tensor, processed on a device."""
        values = to_tensor(self._store.read(self._rows)).to(device)
        with torch.no_grad():
            for step in self._steps:
                values = step.function(
                    values, *(to_tensor(argument).to(device) for argument in step.arguments)
                )
        if self.facts is not None:
            self.facts.check(values)
        return values

    def mapped(self, function, *arguments, facts=None):
        """Return a lazy batch that applies a function whenever it is read.

        Parameters
        ----------
        function : callable
            Function of tensors; it must be picklable.
        *arguments : ndarray or torch.Tensor of shape (n_samples, ...)
            Further arguments for each sample, kept in memory.
        facts : Facts, optional
            Facts about the resulting values, if they are known.

        Returns
        -------
        LazyBatch
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
        """Return the slices of the batch that a pass over it reads in turn."""
        length = max(1, READ_VALUES // max(1, self.size // max(1, len(self))))
        length = (
            -(-length // self.block_rows) * self.block_rows if length > self.block_rows else length
        )
        return [
            slice(start, min(start + length, len(self))) for start in range(0, len(self), length)
        ]

    @property
    def block_rows(self):
        """Number of samples that are read at once."""
        return self._store.block_rows

    @property
    def block_numbers(self):
        """Index of the block that holds each sample, of shape (n_samples,)."""
        return np.asarray(self._rows) // self._store.block_rows

    @property
    def pool_rows(self):
        """Number of samples that are kept in memory for shuffling."""
        return self._store.pool_rows


class _Step(NamedTuple):
    """Function of samples, its arguments and the type of its result."""

    function: object
    arguments: tuple
    shape: tuple
    dtype: object

    def of(self, index):
        return self._replace(arguments=tuple(argument[index] for argument in self.arguments))


def is_on_disk(array):
    """Return whether an array is, or should become, a :class:`LazyBatch`.

    Memory maps and arrays of HDF5, zarr and dask should, and arrays that are drawn when read.
    """
    if isinstance(array, LazyBatch | DrawnArray):
        return True
    if isinstance(array, np.memmap):
        # joblib maps arrays for its worker processes that were in memory before
        return array.filename is not None and "joblib_memmapping_folder" not in str(array.filename)
    if package_of(array) not in ("h5py", "zarr", "dask"):
        return False
    return is_closed(array) or all(hasattr(array, name) for name in ("shape", "dtype"))


def map_batch(function, *batches, values_per_sample=None, facts=None):
    """Apply :func:`map_chunks`, to a :class:`LazyBatch` when it is read."""
    if isinstance(batches[0], LazyBatch):
        return batches[0].mapped(function, *batches[1:], facts=facts)
    return map_chunks(function, *batches, values_per_sample=values_per_sample)


def enough_of(max_samples, *batches):
    """Return the number of samples to learn statistics from, None for all.

    It is `max_samples`, but smaller for drawn samples: each of them has to be drawn first.
    """
    drawn = [batch for batch in batches if isinstance(batch, LazyBatch) and batch.is_drawn]
    if not drawn:
        return max_samples
    most = min(DRAWN, *(batch.pool_rows for batch in drawn))
    return most if max_samples is None else min(max_samples, most)


def some_of(batch, max_samples):
    """Return at most `max_samples` samples (None for all).

    They are evenly spaced runs of neighbouring samples, each of which is read at once.
    """
    if max_samples is None or len(batch) <= max_samples:
        return batch
    run = max(1, min(RUN, max_samples // 16))
    starts = np.linspace(0, len(batch) - run, max_samples // run).astype(np.int64)
    return batch[(starts[:, None] + np.arange(run)).ravel()]


def _checked_index(index, n_samples):
    """Return an index as a slice or as an array of integers in range."""
    if isinstance(index, slice):
        return index
    index = np.asarray(index)
    if index.dtype == bool:
        if index.shape != (n_samples,):
            raise IndexError(f"a mask of shape {index.shape} does not fit {n_samples} samples")
        return index.nonzero()[0]
    if index.ndim != 1 or (len(index) and index.dtype.kind not in "iu"):
        raise IndexError(
            f"samples can be indexed by integers, masks and slices only: got {index!r}"
        )
    index = index.astype(np.int64)
    if len(index) and not (-n_samples <= index.min() and index.max() < n_samples):
        raise IndexError(
            f"samples {index.min()} to {index.max()} are out of range for {n_samples} samples"
        )
    return np.where(index < 0, index + n_samples, index)


def _picked(rows, index):
    return rows.start + rows.step * index
