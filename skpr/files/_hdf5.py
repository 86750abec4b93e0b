"""HDF5 files: opened, walked through along their links, and read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._validation import warn_user
from ._frames import ArrayFrames, stack_axes

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MANY = 100_000  # names in a file, beyond which nobody looks
BLOCK_BYTES = 1 << 26  # of frames that share a chunk, kept while the next ones are asked for
PLUGIN_FILTERS = {
    305: "LZO",
    307: "bzip2",
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}


def import_h5py():
    """Import the optional dependency, and the filters of hdf5plugin."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("reading and writing HDF5 and CXI needs h5py: pip install 'skpr[io]'") from error
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401  importing registers its filters
    return h5py


def is_hdf5(path):
    """Whether a file has the signature of HDF5, possibly after a user block."""
    size, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while place + len(SIGNATURE) <= size:
            file.seek(place)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


def open_hdf5(path):
    """Open an HDF5 file for reading, also one whose writer allows readers.

    Raises
    ------
    OSError
        If another process is writing it, or it is truncated or damaged.
    """
    h5py = import_h5py()
    try:
        return h5py.File(path, "r")
    except OSError as error:
        trouble = error
    text = str(trouble)
    if "already open for write" in text or "consistency flags" in text:
        with contextlib.suppress(OSError):
            return h5py.File(path, "r", libver="latest", swmr=True)
        raise OSError(
            f"{path} is in use by another process that writes it, or was left open by one that ended (h5clear -s, a "
            "program of HDF5, closes it then)"
        ) from trouble
    if "unable to lock file" in text:
        if _errno(text) in (errno.EAGAIN, errno.EACCES, None):
            raise OSError(
                f"{path} is in use by another process, which may be writing it; read it when that has closed it, or "
                "set the environment variable HDF5_USE_FILE_LOCKING=FALSE to read what is on the disk by now"
            ) from trouble
        with contextlib.suppress(OSError):  # a file system that knows no locks
            return h5py.File(path, "r", locking=False)
    raise _unreadable(path, trouble) from trouble


@contextlib.contextmanager
def hdf5_trouble(path):
    """Turn errors of the library into one `OSError`."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, UnicodeError) as error:
        if isinstance(error, OSError) and "HDF5" not in str(error) and _is_ours(error):
            raise
        raise _unreadable(path, error) from error


@contextlib.contextmanager
def opened_hdf5(path):
    """An HDF5 file open for reading within."""
    with contextlib.closing(open_hdf5(path)) as file, hdf5_trouble(path):
        yield file


def _unreadable(path, error):
    text = str(error)
    if isinstance(error, PermissionError):
        return OSError(f"{path} cannot be read: permission denied")
    if "truncated file" in text:
        return OSError(
            f"{path} cannot be read as HDF5: it is truncated, {os.path.getsize(path)} bytes are there ({text})"
        )
    return OSError(f"{path} cannot be read as HDF5: {text}; the file may be damaged or incomplete")


def _is_ours(error):
    return error.errno is None and not str(error).startswith(("Unable", "Can't", "[Errno"))


def _errno(text):
    found = re.search(r"errno = (\d+)", text)
    return int(found[1]) if found else None


class Found(NamedTuple):
    """A name in a file, and facts about the data set that it leads to.

    The data set itself is opened when it is asked for: a master may link more files than may be open at once.
    """

    name: str
    root: Any = None
    shape: tuple | None = None
    kind: str = ""  # of the type, as NumPy's; empty for types of HDF5 that NumPy has not
    identity: tuple = ()
    missing: str = ""
    external: bool = False

    @classmethod
    def of(cls, name, root, dataset):
        """Facts about a data set."""
        try:
            kind = dataset.dtype.kind
        except TypeError:
            kind = ""
        return cls(name, root, dataset.shape, kind, identity(dataset))

    @property
    def dataset(self):
        """The data set, open."""
        return self.root[self.name]

    @property
    def parent(self):
        """Name of the group."""
        return self.name.rpartition("/")[0]

    @property
    def last(self):
        """Name within the group."""
        return self.name.rpartition("/")[2]


def identity(item):
    """Place of an object, the same for all names and links that lead to it."""
    import h5py

    return item.file.filename, h5py.h5o.get_info(item.id).addr


def walk(group, name="", root=None, above=(), found=None):
    """Names of all data sets in a group, along links of every kind.

    Parameters
    ----------
    group : h5py.Group
    name : str
        Name of the group from the root.
    root : h5py.Group, optional
        Group that names begin from; the group itself if not given.

    Returns
    -------
    list of Found
        Links that lead nowhere among them.
    """
    import h5py

    found = [] if found is None else found
    root = group if root is None else root
    above = (*above, identity(group))
    for key in sorted(group, key=natural):
        if len(found) >= MANY:
            break
        path = f"{name}/{key}" if name else key
        try:
            item = group[key]
        except RuntimeError:  # links that lead to each other, and to nothing else
            continue
        except (KeyError, OSError) as error:
            outside = isinstance(group.get(key, getlink=True), h5py.ExternalLink)
            found.append(Found(path, missing=_target(group, key, error), external=outside))
            continue
        if isinstance(item, h5py.Dataset):
            found.append(Found.of(path, root, item))
        elif isinstance(item, h5py.Group) and identity(item) not in above:
            walk(item, path, root, above, found)
    return found


def _target(group, key, error):
    """Words for the place that a link leads to."""
    import h5py

    link = group.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        folder = Path(group.file.filename).parent
        file = folder / link.filename
        if not file.exists():
            return f"{link.filename} ({link.path}), which is not there"
        if "lock" in str(error):
            return f"{link.filename} ({link.path}), which is in use by another process"
        return f"{link.path} in {link.filename}, which cannot be read: {_plain(error)}"
    if isinstance(link, h5py.SoftLink):
        return f"{link.path}, which is not there"
    return f"something that cannot be read: {_plain(error)}"


def _plain(error):
    return str(error).strip("'\"")


def natural(name):
    """Key to sort names by, in which 10 comes after 9."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", str(name))]


class DatasetFrames(ArrayFrames):
    """Frames of an HDF5 dataset, whose sources, filters and files are there.

    Parameters
    ----------
    dataset : h5py.Dataset
    path : Path
        File, for messages.
    name : str, optional
        Words for the data set in messages; the file if not given.
    found : Found, optional
        Way to open the data set again after it was let go.
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
        """Readings of one frame, or of a window of it."""
        with hdf5_trouble(self.path):
            if self.array is None:
                self.array = beside_its_file(self.found.dataset)
            if self.step == 1:
                return super().frame(number, rows, columns)
            first = number - number % self.step
            key = first, rows.indices(self.shape[1]), columns.indices(self.shape[2])
            if self.block is None or self.block[0] != key:  # frames of a chunk are decompressed together, and once
                values = self.array[self._index(slice(first, first + self.step), rows, columns)]
                self.block = key, np.asarray(values)
            return self.block[1][number - first]

    def rest(self):
        """Let the data set go, and with it the file that it is linked from."""
        if self.found is not None:
            self.array = self.block = None


def beside_its_file(dataset):
    """A data set, whose external files are looked for beside its own file and not in the working directory.

    It is opened again for that, and the given one is closed.
    """
    folder = Path(dataset.file.filename).parent
    if not dataset.external or not all(
        _is_whole(folder / os.fsdecode(file), *part) for file, *part in dataset.external
    ):
        return dataset
    import h5py

    file, name = dataset.file.id, dataset.name.encode()
    dataset.id.close()
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(b"${ORIGIN}")
    return h5py.Dataset(h5py.h5d.open(file, name, access))


def check_complete(dataset, path, name=None):
    """Refuse a data set that HDF5 would fill with zeros or cannot decompress.

    Raises
    ------
    OSError
        If a virtual data set's source or an external file is missing, or holds less than is announced.
    ImportError
        If the data are compressed by a filter that is not installed.
    """
    name = (name or dataset.name).strip("/")
    _check_filters(dataset, path, name)
    folder = Path(dataset.file.filename).parent
    for file, offset, size in dataset.external or ():
        place = _external_place(folder, os.fsdecode(file), offset, size)
        if not place.exists():
            raise OSError(f"{path} keeps {name!r} in {os.fsdecode(file)}, which is not there")
        if not _is_whole(place, offset, size):
            raise OSError(f"{path} keeps {name!r} in {os.fsdecode(file)}, which is truncated")
    if dataset.is_virtual:
        _check_sources(dataset, path, name)


class _Sources:
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


def _check_sources(dataset, path, name):
    """Open every source of a virtual data set, and theirs."""
    checked = set()
    with contextlib.closing(_Sources()) as sources:
        for source in dataset.virtual_sources():
            _check_one(dataset, source, path, name, sources, checked)


def _check_one(dataset, source, path, name, sources, checked):
    files = [source.file_name]
    if "%b" in source.file_name or "%b" in source.dset_name:
        files = [source.file_name.replace("%b", "0")]  # as many as there are; the first must be
    for file in files:
        key = file, source.dset_name
        n_wanted = _last_index(source.src_space)
        if (*key, n_wanted) in checked:
            continue
        checked.add((*key, n_wanted))
        words = f"{path} puts {name!r} together from {source.dset_name} in {file}"
        if file == ".":
            _check_source(dataset.file, source, n_wanted, path, words)
            continue
        place = _source_place(dataset, file)
        if place is None:
            raise OSError(f"{words}, which is not there")
        try:
            _check_source(sources.open(place), source, n_wanted, path, words)
        except OSError as error:
            if _is_ours(error):
                raise
            state = "in use by another process" if "lock" in str(error) else f"not readable: {error}"
            raise OSError(f"{words}, which is {state}") from error


def _source_place(dataset, file):
    """Path of a source, searched as HDF5 does; None if there is no such file.

    A relative path is one from the folder; of an absolute path that leads nowhere, the last part is looked for, too.
    """
    folder = Path(dataset.file.filename).parent
    prefixes = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(folder)).split(os.pathsep)
    relative = Path(file).name if os.path.isabs(file) else file
    places = [Path(file)] if os.path.isabs(file) else []
    places += [Path(prefix) / relative for prefix in prefixes if prefix]
    linked = Path(os.path.realpath(dataset.file.filename)).parent  # where a link to the file leads
    places += [folder / relative, Path(relative), linked / relative]
    return next((place for place in places if place.exists()), None)


def _external_place(folder, file, offset, size):
    """Path of a file of raw values: beside the file that names it, else where HDF5 looks, in the working directory."""
    prefix = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", str(folder))
    return folder / file if _is_whole(folder / file, offset, size) else Path(prefix) / file


def _is_whole(place, offset, size):
    """Whether there is a file that holds so many bytes from a place on; for no end, whether there is one."""
    return place.exists() and (size >= 1 << 62 or place.stat().st_size >= offset + size)


def _check_source(file, source, n_wanted, path, words):
    import h5py

    held = file.get(source.dset_name.replace("%b", "0"))
    if not isinstance(held, h5py.Dataset):
        raise OSError(f"{words}, which holds no such data set")
    too_small = source.src_space.get_select_type() == h5py.h5s.SEL_ALL and held.size < _n_points(source.vspace)
    if too_small or any(has < wants for has, wants in zip(held.shape, n_wanted, strict=False)):
        raise OSError(f"{words}, which holds only {held.shape} of it")
    check_complete(held, path, source.dset_name)


def _n_points(space):
    """Number of points of a selection; of one block of a selection without end."""
    try:
        return space.get_select_npoints()
    except (ValueError, RuntimeError):
        return int(np.prod(space.get_regular_hyperslab()[3], dtype=object))


def _last_index(space):
    """Size along each axis that a selection needs; empty if it has no end."""
    try:
        return tuple(int(n) + 1 for n in space.get_select_bounds()[1])
    except (ValueError, RuntimeError, OverflowError):
        return ()


def _check_filters(dataset, path, name):
    import h5py

    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, label = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            label = PLUGIN_FILTERS.get(code, os.fsdecode(label or b"") or "of no known name")
            raise ImportError(
                f"{path} holds {name!r} compressed by filter {code} ({label}), which is not installed; hdf5plugin has "
                "those of detectors: pip install 'skpr[io]'"
            )


class Gaps:
    """Pixels of a data set that nothing was written to, frame by frame.

    Parameters
    ----------
    groups : list of list of ndarray of bool
        Products of rows, columns and frames that were written: for each, one vector for each axis of the data set.
    axes : tuple of (int or None)
        Axes of frames, height and width.
    shape : tuple of int
        Number of frames, height, width.
    """

    def __init__(self, groups, axes, shape):
        self.shape, self.last = shape, (None, None)
        vectors = [[np.ones(1, bool) if axis is None else group[axis] for axis in axes] for group in groups]
        self.frames = np.array([frames for frames, _, _ in vectors]).reshape(len(vectors), shape[0])
        self.planes = [(rows, columns) for _, rows, columns in vectors]

    def of(self, number):
        """Pixels of a frame that nothing was written to; None if all were written."""
        key = self.frames[:, number].tobytes()
        if key != self.last[0]:
            gaps = np.ones(self.shape[1:], bool)
            for index in np.flatnonzero(self.frames[:, number]):
                gaps[np.ix_(*self.planes[index])] = False
            self.last = key, gaps if gaps.any() else None
        return self.last[1]


class JoinedGaps:
    """Gaps of several data sets, one behind the other."""

    def __init__(self, parts, counts):
        self.parts, self.ends = parts, np.cumsum(counts)

    def of(self, number):
        """Pixels of a frame that nothing was written to; None if all were written."""
        part = int(np.searchsorted(self.ends, number, side="right"))
        first = int(self.ends[part - 1]) if part else 0
        return None if self.parts[part] is None else self.parts[part].of(number - first)


def uncovered(parts, shape):
    """Pixels of each frame that nothing was written to; None if all were written.

    Parameters
    ----------
    parts : list of Found
        Data sets whose frames follow each other.
    shape : tuple of int
        Number of frames, height, width.

    Returns
    -------
    JoinedGaps or None
    """
    gaps = [unwritten(part.dataset) for part in parts]
    if all(one is None for one in gaps):
        return None
    counts = []
    for part in parts:
        axis = stack_axes(part.shape, part.name)[0]
        counts.append(1 if axis is None else part.shape[axis])
    return JoinedGaps(gaps, counts)


def unwritten(dataset):
    """Pixels of a stack of frames that nothing was written to; None if all were written.

    HDF5 reads there the fill value, zero as a rule, which nobody measured. Such are the places of a virtual data set
    that no source fills, and chunks that were never written, as after a scan that was aborted.
    """
    groups = _written(dataset)
    if groups is None:
        return None
    axes = stack_axes(dataset.shape, dataset.name)
    return Gaps(list(groups.values()), axes, tuple(1 if axis is None else dataset.shape[axis] for axis in axes))


def _written(dataset):
    """Places of a data set that were written: products of one vector for each axis, by key; None for all."""
    if not dataset.size:
        return None
    if dataset.is_virtual:
        return _written_by_sources(dataset)
    if dataset.external:
        return None
    if dataset.chunks is None:
        return None if dataset.id.get_storage_size() else {}
    counts = [-(-n // step) for n, step in zip(dataset.shape, dataset.chunks, strict=True)]
    if dataset.id.get_num_chunks() >= np.prod(counts, dtype=float):
        return None
    groups, offsets = {}, []
    if hasattr(dataset.id, "chunk_iter"):
        dataset.id.chunk_iter(lambda chunk: offsets.append(chunk.chunk_offset))
    else:
        offsets = [dataset.id.get_chunk_info(n).chunk_offset for n in range(dataset.id.get_num_chunks())]
    offsets = np.array(offsets, dtype=int).reshape(-1, len(counts))
    along = _frame_axis(dataset.shape)
    for others in np.unique(np.delete(offsets, along, axis=1), axis=0):  # chunks that differ in their frames only
        firsts = offsets[(np.delete(offsets, along, axis=1) == others).all(axis=1)][:, along]
        starts = [[n] for n in others]
        starts.insert(along, firsts)
        places = [
            np.add.outer(np.asarray(first), np.arange(step)).ravel()
            for first, step in zip(starts, dataset.chunks, strict=True)
        ]
        _add(groups, dataset.shape, [place[place < n] for place, n in zip(places, dataset.shape, strict=True)])
    return groups


def _frame_axis(shape):
    """Axis along which products are joined: the first that is longer than one."""
    return next((axis for axis, n in enumerate(shape) if n > 1), 0)


def _add(groups, shape, places):
    """Add the product of indices along each axis to those that were written."""
    if not all(len(place) for place in places):
        return
    vectors = []
    for place, n in zip(places, shape, strict=True):
        vectors.append(np.zeros(n, bool))
        vectors[-1][place] = True
    long = _frame_axis(shape)
    key = tuple(vector.tobytes() for axis, vector in enumerate(vectors) if axis != long)
    if key in groups:
        groups[key][long] |= vectors[long]
    else:
        groups[key] = vectors


def _written_by_sources(dataset):
    """Places of a virtual data set that sources fill, where those were written themselves."""
    groups = {}
    with contextlib.closing(_Sources()) as sources:
        for source in dataset.virtual_sources():
            _add_targets(groups, dataset, source, sources)
    whole = len(groups) == 1 and all(vector.all() for vector in next(iter(groups.values())))
    return None if whole else groups


def _add_targets(groups, dataset, source, sources):
    """Add what one source, or each of a numbered family, fills."""
    for number, target in _targets(source, dataset.shape):
        names = [source.file_name, source.dset_name]
        if number is not None:
            names = [name.replace("%b", str(number)) for name in names]
        if names[0] == ".":
            _add_source(groups, dataset.shape, target, source, dataset.file.get(names[1]))
            continue
        place = _source_place(dataset, names[0])
        if place is not None:  # the first of a numbered family is there: that was checked
            with contextlib.suppress(OSError):
                _add_source(groups, dataset.shape, target, source, sources.open(place).get(names[1]))


def _targets(source, shape):
    """Products of indices that a source fills, each with its number in a family of sources or None."""
    products = _products(source.vspace, shape)
    if "%b" not in source.file_name + source.dset_name:
        return [(None, product) for product in products]
    start, stride, count, block = source.vspace.get_regular_hyperslab()
    axis = max(range(len(shape)), key=lambda a: count[a])  # without an end
    (product,) = products
    found = []
    for number in range(-(-(shape[axis] - start[axis]) // stride[axis])):
        first = start[axis] + number * stride[axis]
        part = np.arange(first, min(first + block[axis], shape[axis]))
        found.append((number, [part if a == axis else place for a, place in enumerate(product)]))
    return found


def _products(space, shape):
    """Selection in an array as products of indices along each axis."""
    import h5py

    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_NONE:
        return []
    if kind == h5py.h5s.SEL_ALL:
        return [[np.arange(n) for n in shape]]
    if not space.is_regular_hyperslab():
        blocks = np.asarray(space.get_select_hyper_blocklist()).astype(int)
        return [[np.arange(a, b + 1) for a, b in zip(first, last, strict=True)] for first, last in blocks]
    product = []
    for start, stride, count, block, n in zip(*space.get_regular_hyperslab(), shape, strict=True):
        firsts = np.arange(start, n, stride)[: min(count, n)]
        place = (firsts[:, None] + np.arange(min(block, n))).ravel()
        product.append(place[place < n])
    return [product]


def _add_source(groups, shape, target, source, held):
    """Add what a source fills, as far as that was written itself."""
    import h5py

    if not isinstance(held, h5py.Dataset):
        return
    inner = _written(held)
    origins = _products(source.src_space, held.shape)
    ours = [axis for axis, place in enumerate(target) if len(place) > 1]
    fits = len(origins) == 1
    if fits:
        theirs = [axis for axis, place in enumerate(origins[0]) if len(place) > 1]
        if _is_endless(source.vspace) and len(target) == len(origins[0]):  # as far as the source reaches by now
            target = [a[: len(b)] for a, b in zip(target, origins[0], strict=True)]
            origins = [[b[: len(a)] for a, b in zip(target, origins[0], strict=True)]]
            ours = theirs = range(len(target))
        fits = [len(target[axis]) for axis in ours] == [len(origins[0][axis]) for axis in theirs]
    if inner is None:
        return _add(groups, shape, target)
    if not fits:
        warn_user(
            f"{held.name.strip('/')!r} in {held.file.filename} is not written everywhere, and put together so that it "
            "is not plain where; its unwritten pixels count as measured, as what HDF5 fills in"
        )
        return _add(groups, shape, target)
    for vectors in inner.values():
        if all(vectors[axis][place[0]] for axis, place in enumerate(origins[0]) if axis not in theirs and len(place)):
            part = list(target)
            for own, other in zip(ours, theirs, strict=True):
                part[own] = target[own][vectors[other][origins[0][other]]]
            _add(groups, shape, part)
    return None


def _is_endless(space):
    try:
        space.get_select_bounds()
    except (ValueError, RuntimeError, OverflowError):
        return True
    return False


def announced_frames(file, parts):
    """Number of frames that the master of an Eiger detector announces; None if it does not."""
    import h5py

    instrument = file.get(f"{parts[0].name.split('/')[0]}/instrument")
    if not isinstance(instrument, h5py.Group):
        return None
    for name in instrument:
        specific = instrument.get(f"{name}/detectorSpecific")
        if isinstance(specific, h5py.Group) and "nimages" in specific:
            numbers = [specific[key][()] for key in ("nimages", "ntrigger") if key in specific]
            if all(np.size(n) == 1 and np.asarray(n).dtype.kind in "uif" for n in numbers):
                return int(np.prod([float(np.ravel(n)[0]) for n in numbers]))
    return None
