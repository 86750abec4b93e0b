"""Files in which HDF5 data sets keep their values."""

from __future__ import annotations

import os
from pathlib import Path


class SourceFiles:
    """Files of sources, of which the last one stays open.

    Many sources of a virtual data set may be in the same file.
    """

    def __init__(self):
        self.place, self.file = None, None

    def open(self, place):
        """Return a file, open for reading."""
        import h5py

        if place != self.place:
            self.close()
            self.file = h5py.File(place, "r")
            self.place = place
        return self.file

    def close(self):
        """Close the last file."""
        if self.file is not None:
            self.file.close()
        self.place = self.file = None


def source_place(dataset, file):
    """Return the path of a source; None if it is missing.

    It is searched as HDF5 does. Relative paths are relative to the folder of the data set's file.
    If an absolute path does not exist, its last part is searched in the same places.
    """
    folder = Path(dataset.file.filename).parent
    prefixes = (
        os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(folder)).split(os.pathsep)
    )
    relative = Path(file).name if os.path.isabs(file) else file
    places = [Path(file)] if os.path.isabs(file) else []
    places += [Path(prefix) / relative for prefix in prefixes if prefix]
    linked = Path(os.path.realpath(dataset.file.filename)).parent  # target of a symbolic link
    places += [folder / relative, Path(relative), linked / relative]
    return next((place for place in places if place.exists()), None)


def external_place(folder, file, offset, size):
    """Return the path of a file of raw values.

    It is beside the file that names it, or else where HDF5 looks, in the working directory.
    """
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(folder))
    return folder / file if is_whole(folder / file, offset, size) else Path(prefix) / file


def is_whole(place, offset, size):
    """Return whether a file exists and is complete.

    It must hold `size` bytes from `offset` on; for a size without limit, it only has to exist.
    """
    return place.exists() and (size >= 1 << 62 or place.stat().st_size >= offset + size)


def beside_its_file(dataset):
    """Return a data set whose external files are beside its own file.

    By default, HDF5 looks for them in the working directory. The data set is therefore opened again
    with another prefix if all files are complete there, and the given one is closed.
    """
    folder = Path(dataset.file.filename).parent
    if not dataset.external or not all(
        is_whole(folder / os.fsdecode(file), *part) for file, *part in dataset.external
    ):
        return dataset
    import h5py

    file, name = dataset.file.id, dataset.name.encode()
    dataset.id.close()
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    return h5py.Dataset(h5py.h5d.open(file, name, access))
