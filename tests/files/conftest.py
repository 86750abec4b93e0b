"""Files of HDF5 in the forms that detectors leave behind."""

import h5py


def virtual(path, sources, n_frames=1, target=slice(None)):
    """A virtual data set of sources with so many frames each."""
    layout = h5py.VirtualLayout((n_frames * len(sources), 8, 8), "u4")
    height = len(range(*target.indices(8)))
    for number, name in enumerate(sources):
        layout[number * n_frames : (number + 1) * n_frames, target] = h5py.VirtualSource(
            name, "data", (n_frames, height, 8)
        )
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("entry/data/data", layout, fillvalue=0)


def written(path, **arrays):
    """Write arrays to an HDF5 file; two underscores in a name stand for a slash."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path
