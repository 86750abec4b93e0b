"""Arrays on disk, read in blocks and pickled by their location."""

import os
import threading
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from ._drawn import DrawnArray
from ._tensors import float_dtype

BLOCK_BYTES = 1 << 20  # size of the blocks in which a file is read
POOL_BYTES = 1 << 28  # size of the samples kept in memory, to shuffle them or to read them again
CLOSED = "the HDF5 file of this dataset is closed; keep it open for as long as the batch is read"


class Store:
    """Array on disk, or drawn when it is read, in blocks.

    All batches made from it share the cache of the latest blocks.
    """

    def __init__(self, array, place=None):
        self.array, self.place = array, place
        # kept, because they cannot be read from a closed file
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        row_bytes = max(1, int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize)
        chunk = _chunk_rows(array)
        self.is_drawn = isinstance(array, DrawnArray)
        # to draw takes longer than to call for one block more
        several = 1 if self.is_drawn else max(1, BLOCK_BYTES // row_bytes // chunk)
        self.block_rows = chunk * several
        self.pool_rows = max(self.block_rows, POOL_BYTES // row_bytes)
        self.blocks, self.lock = OrderedDict(), threading.Lock()

    def read(self, rows):
        """Return copies of samples in the precision of the computation."""
        out = np.empty((len(rows), *self.shape[1:]), float_dtype(self.dtype))
        with np.errstate(over="ignore"):  # values beyond the range of float64 become infinite
            if isinstance(self.array, np.ndarray):  # the operating system caches memory maps
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
            raise ValueError(CLOSED)
        start = number * self.block_rows
        block = _in_memory(self.array[start : min(start + self.block_rows, self.shape[0])])
        with self.lock:
            self.blocks[number] = block
            while len(self.blocks) > self.pool_rows // self.block_rows + 2:
                self.blocks.popitem(last=False)
        return block

    def __getstate__(self):
        """Return the location of the array instead of its values."""
        return {"array": Place.of(self.array) if self.place is None else self.place}

    def __setstate__(self, state):
        array = state["array"]
        self.__init__(*((array.opened(), array) if isinstance(array, Place) else (array,)))


class Place(NamedTuple):
    """Location of a memory map or an HDF5 dataset on disk."""

    filename: str
    dataset: object = None
    layout: object = None

    @classmethod
    def of(cls, array):
        """Return the location of an array, or an array to pickle by value."""
        if package_of(array) == "h5py":
            if is_closed(array):
                raise ValueError(CLOSED)
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
        """Open the array for reading."""
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


def is_closed(array):
    """Return whether an array is a dataset of a closed HDF5 file."""
    return package_of(array) == "h5py" and type(array).__name__ == "Dataset" and not array


def package_of(array):
    """Return the name of the package that defines the class of an array."""
    return type(array).__module__.split(".")[0]


def _in_memory(block):
    """Return a block as a plain array, NaN where values are masked."""
    block = block.compute() if hasattr(block, "compute") else block
    if isinstance(block, np.ma.MaskedArray):
        return block.astype(float_dtype(block.dtype)).filled(np.nan)
    return np.asarray(block)


def _chunk_rows(array):
    chunks = getattr(array, "chunks", None)
    if not chunks or isinstance(array, np.ndarray):
        return 1
    first = chunks[0]
    return int(max(first) if isinstance(first, tuple) else first)


def _as_slice(rows):
    """Return consecutive rows as a slice, which needs no copy."""
    if isinstance(rows, range):
        return slice(rows.start, rows.stop, rows.step) if rows.step > 0 else np.asarray(rows)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
