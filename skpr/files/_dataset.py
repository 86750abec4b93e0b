"""Frames of an HDF5 data set, read one at a time."""

from __future__ import annotations

import numpy as np

from ._complete import check_complete
from ._frames import ArrayFrames
from ._hdf5 import hdf5_trouble
from ._storage import beside_its_file

BLOCK_BYTES = 1 << 26  # maximum size of the frames of a chunk that are kept for the next reads


class DatasetFrames(ArrayFrames):
    """Frames of an HDF5 data set whose values can all be read.

    Parameters
    ----------
    dataset : h5py.Dataset
        Data set of frames.
    path : Path
        Path of the file, for messages.
    name : str, optional
        Name of the data set in messages; by default the path.
    found : Found, optional
        Record by which the data set is opened again after :meth:`rest`.

    Raises
    ------
    OSError, ImportError
        If sources, external files or filters of the data set are missing.
    """

    def __init__(self, dataset, path, name=None, found=None):
        super().__init__(dataset, name or path)
        check_complete(dataset, path)
        self.array = dataset = beside_its_file(dataset)
        self.path, self.found, self.block = path, found, None
        axis = self.axes[0]
        self.step = 1
        if axis is not None and dataset.chunks:
            frame_bytes = max(self.shape[1] * self.shape[2] * self.dtype.itemsize, 1)
            self.step = max(1, min(dataset.chunks[axis], BLOCK_BYTES // frame_bytes))

    def frame(self, number, rows=slice(None), columns=slice(None)):
        """Return the readings of one frame, or of a window of it."""
        with hdf5_trouble(self.path):
            if self.array is None:
                self.array = beside_its_file(self.found.dataset)
            if self.step == 1:
                return super().frame(number, rows, columns)
            first = number - number % self.step
            key = first, rows.indices(self.shape[1]), columns.indices(self.shape[2])
            # decompress all frames of a chunk together, so that each chunk is decompressed once
            if self.block is None or self.block[0] != key:
                values = self.array[self._index(slice(first, first + self.step), rows, columns)]
                self.block = key, np.asarray(values)
            return self.block[1][number - first]

    def rest(self):
        """Release the data set and the file that it is linked from."""
        if self.found is not None:
            self.array = self.block = None
