"""Pixels of HDF5 data sets that were never written."""

from __future__ import annotations

import contextlib

import numpy as np

from .._validation import warn_user
from ._frames import stack_axes
from ._storage import SourceFiles, source_place


class Gaps:
    """Unwritten pixels of a data set by frame.

    Parameters
    ----------
    groups : list of list of ndarray of bool
        Written regions. Each is a product of index sets, one boolean vector per axis of the data
        set.
    axes : tuple of (int or None)
        Axes of frames, height and width.
    shape : tuple of int
        Number of frames, height, width.
    """

    def __init__(self, groups, axes, shape):
        self.shape, self.last = shape, (None, None)
        vectors = [
            [np.ones(1, bool) if axis is None else group[axis] for axis in axes] for group in groups
        ]
        self.frames = np.array([frames for frames, _, _ in vectors]).reshape(len(vectors), shape[0])
        self.planes = [(rows, columns) for _, rows, columns in vectors]

    def of(self, number):
        """Return the unwritten pixels of a frame; None if all were written."""
        key = self.frames[:, number].tobytes()
        if key != self.last[0]:
            gaps = np.ones(self.shape[1:], bool)
            for index in np.flatnonzero(self.frames[:, number]):
                gaps[np.ix_(*self.planes[index])] = False
            self.last = key, gaps if gaps.any() else None
        return self.last[1]


class JoinedGaps:
    """Unwritten pixels of several data sets, one after the other."""

    def __init__(self, parts, counts):
        self.parts, self.ends = parts, np.cumsum(counts)

    def of(self, number):
        """Return the unwritten pixels of a frame; None if all were written."""
        part = int(np.searchsorted(self.ends, number, side="right"))
        first = int(self.ends[part - 1]) if part else 0
        return None if self.parts[part] is None else self.parts[part].of(number - first)


def uncovered(parts, shape):
    """Find the unwritten pixels of data sets; None if all were written.

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
    """Find the unwritten pixels of a stack of frames; None for none.

    HDF5 returns the fill value there, usually zero, which is not a measurement. Unwritten are the
    parts of a virtual data set that no source fills, and chunks that were never stored, for
    instance because a scan was aborted.
    """
    groups = _written(dataset)
    if groups is None:
        return None
    axes = stack_axes(dataset.shape, dataset.name)
    return Gaps(
        list(groups.values()),
        axes,
        tuple(1 if axis is None else dataset.shape[axis] for axis in axes),
    )


def _written(dataset):
    """Return the written regions of a data set; None for all of it.

    Each region is a product of index sets, one boolean vector per axis.
    """
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
        offsets = [
            dataset.id.get_chunk_info(n).chunk_offset for n in range(dataset.id.get_num_chunks())
        ]
    offsets = np.array(offsets, dtype=int).reshape(-1, len(counts))
    along = _frame_axis(dataset.shape)
    # chunks that differ only in their frames form one product
    for others in np.unique(np.delete(offsets, along, axis=1), axis=0):
        firsts = offsets[(np.delete(offsets, along, axis=1) == others).all(axis=1)][:, along]
        starts = [[n] for n in others]
        starts.insert(along, firsts)
        places = [
            np.add.outer(np.asarray(first), np.arange(step)).ravel()
            for first, step in zip(starts, dataset.chunks, strict=True)
        ]
        _add(
            groups,
            dataset.shape,
            [place[place < n] for place, n in zip(places, dataset.shape, strict=True)],
        )
    return groups


def _frame_axis(shape):
    """Return the axis along which products are joined.

    It is the first axis longer than 1.
    """
    return next((axis for axis, n in enumerate(shape) if n > 1), 0)


def _add(groups, shape, places):
    """Add a product of indices to the written regions."""
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
    """Return the written regions of a virtual data set.

    None stands for all of it. They are the regions that its sources fill, as far as the sources
    were written themselves.
    """
    groups = {}
    with contextlib.closing(SourceFiles()) as sources:
        for source in dataset.virtual_sources():
            _add_targets(groups, dataset, source, sources)
    whole = len(groups) == 1 and all(vector.all() for vector in next(iter(groups.values())))
    return None if whole else groups


def _add_targets(groups, dataset, source, sources):
    """Add the regions that a source or a family of sources fills."""
    for number, target in _targets(source, dataset.shape):
        names = [source.file_name, source.dset_name]
        if number is not None:
            names = [name.replace("%b", str(number)) for name in names]
        if names[0] == ".":
            _add_source(groups, dataset.shape, target, source, dataset.file.get(names[1]))
            continue
        place = source_place(dataset, names[0])
        if place is not None:  # later members of a family may be missing; the first was checked
            with contextlib.suppress(OSError):
                _add_source(
                    groups, dataset.shape, target, source, sources.open(place).get(names[1])
                )


def _targets(source, shape):
    """Return the products of indices that a source fills.

    Each comes with its number in a family of sources, or None.
    """
    products = _products(source.vspace, shape)
    if "%b" not in source.file_name + source.dset_name:
        return [(None, product) for product in products]
    start, stride, count, block = source.vspace.get_regular_hyperslab()
    axis = max(range(len(shape)), key=lambda a: count[a])  # the axis without an end
    (product,) = products
    found = []
    for number in range(-(-(shape[axis] - start[axis]) // stride[axis])):
        first = start[axis] + number * stride[axis]
        part = np.arange(first, min(first + block[axis], shape[axis]))
        found.append((number, [part if a == axis else place for a, place in enumerate(product)]))
    return found


def _products(space, shape):
    """Return a selection as products of indices along each axis."""
    import h5py

    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_NONE:
        return []
    if kind == h5py.h5s.SEL_ALL:
        return [[np.arange(n) for n in shape]]
    if not space.is_regular_hyperslab():
        blocks = np.asarray(space.get_select_hyper_blocklist()).astype(int)
        return [
            [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
            for first, last in blocks
        ]
    product = []
    for start, stride, count, block, n in zip(*space.get_regular_hyperslab(), shape, strict=True):
        firsts = np.arange(start, n, stride)[: min(count, n)]
        place = (firsts[:, None] + np.arange(min(block, n))).ravel()
        product.append(place[place < n])
    return [product]


def _add_source(groups, shape, target, source, held):
    """Add the region that a source fills, as far as it was written."""
    import h5py

    if not isinstance(held, h5py.Dataset):
        return
    inner = _written(held)
    origins = _products(source.src_space, held.shape)
    ours = [axis for axis, place in enumerate(target) if len(place) > 1]
    fits = len(origins) == 1
    if fits:
        theirs = [axis for axis, place in enumerate(origins[0]) if len(place) > 1]
        # a selection without end is filled as far as the source reaches at present
        if _is_endless(source.vspace) and len(target) == len(origins[0]):
            target = [a[: len(b)] for a, b in zip(target, origins[0], strict=True)]
            origins = [[b[: len(a)] for a, b in zip(target, origins[0], strict=True)]]
            ours = theirs = range(len(target))
        fits = [len(target[axis]) for axis in ours] == [len(origins[0][axis]) for axis in theirs]
    if inner is None:
        return _add(groups, shape, target)
    if not fits:
        warn_user(
            f"{held.name.strip('/')!r} in {held.file.filename} is not written everywhere, and its "
            "place in the virtual data set is too complicated to tell which pixels are unwritten; "
            "they are read as measured, with HDF5's fill value"
        )
        return _add(groups, shape, target)
    for vectors in inner.values():
        if all(
            vectors[axis][place[0]]
            for axis, place in enumerate(origins[0])
            if axis not in theirs and len(place)
        ):
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
