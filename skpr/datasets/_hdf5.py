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
    values = _linked(file, dataset)
    if values is None:
        raise ValueError(f"dataset={dataset!r} is not in {path}; there are {', '.join(map(repr, names)) or 'none'}")
    return values[()], _cxi_geometry(file)


def _datasets(file):
    """Names of all data sets, soft links to others left out."""
    names = []
    h5py = import_h5py()
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names + [name for name in CXI_DATA if name not in names and _linked(file, name) is not None]


def _linked(file, name):
    """The data set of a name, through links of any kind; None where there is none, or a link that leads nowhere."""
    if not isinstance(name, str) or not name.strip("/"):
        return None
    item = file.get(name)
    return item if isinstance(item, import_h5py().Dataset) else None


def _cxi_geometry(file):
    found = {}
    for name in CXI_MASKS:
        if _linked(file, name) is not None:
            mask = np.asarray(file[name][()])
            if mask.dtype.kind == "f":  # bits that some program wrote as floats; what is none is bad
                mask = np.where(np.isfinite(mask), mask, 1)
            mask = mask.astype(np.int64)
            if mask.ndim > 2:  # one mask a frame: what is bad in any of them
                mask = np.bitwise_or.reduce(mask.reshape(-1, *mask.shape[-2:]), axis=0)
            found["mask"] = (mask & CXI_BAD_BITS) != 0
            break
    found["distance"] = _number(file, f"{CXI_DETECTOR}/distance")
    sizes = [_number(file, f"{CXI_DETECTOR}/{axis}_pixel_size") for axis in "yx"]
    found["pixel_size"] = None if None in sizes else tuple(sizes)
    source = "entry_1/instrument_1/source_1"
    wavelength, energy = (_number(file, f"{source}/{name}") for name in ("wavelength", "energy"))
    found["wavelength"] = PLANCK * LIGHT / energy if wavelength is None and energy else wavelength
    return found


def _number(file, name):
    item = _linked(file, name)
    if item is None or item.dtype.kind not in "uif" or not item.size:
        return None
    return float(np.ravel(item[()])[0])
