"""Files that HDF5 data sets keep their values in, looked for where HDF5 does."""

from __future__ import annotations

import os
from pathlib import Path


class SourceFiles:
    """Files of sources, of which the last stays open: many sources may be in one."""

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
    """Path of a source, searched as HDF5 does; None if there is no such file.

    A relative path is one from the folder; of an absolute path that leads nowhere, the last part is
    looked for, too."""
    folder = Path(dataset.file.filename).parent
    prefixes = (
        os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(folder)).split(os.pathsep)
    )
    relative = Path(file).name if os.path.isabs(file) else file
    places = [Path(file)] if os.path.isabs(file) else []
    places += [Path(prefix) / relative for prefix in prefixes if prefix]
    linked = Path(os.path.realpath(dataset.file.filename)).parent  # where a link to the file leads
    places += [folder / relative, Path(relative), linked / relative]
    return next((place for place in places if place.exists()), None)


def external_place(folder, file, offset, size):
    """Path of a file of raw values: beside the file that names it, else where HDF5 looks, in the
    working directory.
    """
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(folder))
    return folder / file if is_whole(folder / file, offset, size) else Path(prefix) / file


def is_whole(place, offset, size):
    """Whether there is a file that holds so many bytes from a place on; for no end, whether there
    is one.
    """
    return place.exists() and (size >= 1 << 62 or place.stat().st_size >= offset + size)


def beside_its_file(dataset):
    """A data set, whose external files are looked for beside its own file and not in the working
    directory.

    It is opened again for that, and the given one is closed.
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
