"""HDF5 and the layout of CXI files (Maia, 2012, Nature Methods 9, 854): where data, mask and geometry are found."""

import contextlib

import numpy as np

LIGHT = 299792458.0  # m/s
PLANCK = 6.62607015e-34  # J s
CXI_DETECTOR = "entry_1/instrument_1/detector_1"
CXI_DATA = f"{CXI_DETECTOR}/data", "entry_1/data_1/data"
CXI_MASKS = f"{CXI_DETECTOR}/mask", "entry_1/data_1/mask"
# invalid, saturated, hot, dead, shadowed, to be ignored, bad, out of resolution, missing, noisy; the bits beyond these,
# and that of the peak mask, say what a pixel saw or was corrected for
CXI_BAD_BITS = 0x7FF & ~0x20


def import_h5py():
    """The optional dependency."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("reading and writing HDF5 and CXI needs h5py: pip install 'skpr[io]'") from error
    return h5py


@contextlib.contextmanager
def opened_hdf5(path):
    """An HDF5 file open for reading; what its library stumbles over becomes one `OSError`."""
    h5py = import_h5py()
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, MemoryError) as error:
        raise OSError(f"{path} cannot be read as HDF5: {error}; the file may be damaged or incomplete") from error


def read_hdf5(file, path, dataset):
    """Array of an open HDF5 file, and what a CXI layout says besides."""
    names = _datasets(file)
    if dataset is None:
        dataset = next((name for name in CXI_DATA if name in names), None)
        if "entry_1/image_1/data" in file and dataset != CXI_DATA[0]:
            raise ValueError(f"{path} holds reconstructions, which are no counts; read_reconstruction reads them")
    if dataset is None:
        names = [name for name in names if file[name].ndim in (2, 3) and file[name].dtype.kind in "uif"]
        if len(names) != 1:
            listed = ", ".join(map(repr, names)) or "none"
            raise ValueError(f"{path} holds {len(names)} arrays of frames; say which is the dataset: {listed}")
        dataset = names[0]
    if dataset.strip("/") not in names:
        raise ValueError(f"dataset={dataset!r} is not in {path}; there are {', '.join(map(repr, names)) or 'none'}")
    return file[dataset][()], _cxi_geometry(file)


def _datasets(file):
    """Names of all data sets, soft links to others left out."""
    names = []
    h5py = import_h5py()
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    linked = [name for name in CXI_DATA if name in file and name not in names]
    return names + [name for name in linked if isinstance(file[name], h5py.Dataset)]


def _cxi_geometry(file):
    found = {}
    for name in CXI_MASKS:
        if name in file:
            mask = np.asarray(file[name][()])
            if mask.ndim > 2:  # one mask a frame: what is bad in any of them
                mask = np.bitwise_or.reduce(mask.reshape(-1, *mask.shape[-2:]), axis=0)
            found["mask"] = (mask.astype(np.int64) & CXI_BAD_BITS) != 0
            break
    found["distance"] = _number(file, f"{CXI_DETECTOR}/distance")
    sizes = [_number(file, f"{CXI_DETECTOR}/{axis}_pixel_size") for axis in "yx"]
    found["pixel_size"] = None if None in sizes else tuple(sizes)
    source = "entry_1/instrument_1/source_1"
    wavelength, energy = (_number(file, f"{source}/{name}") for name in ("wavelength", "energy"))
    found["wavelength"] = PLANCK * LIGHT / energy if wavelength is None and energy else wavelength
    return found


def _number(file, name):
    if name not in file:
        return None
    return float(np.ravel(file[name][()])[0])
