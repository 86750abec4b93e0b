"""Pixels of HDF5 data sets that nothing was written to."""

from __future__ import annotations

import contextlib

import numpy as np

from .._validation import warn_user
from ._frames import stack_axes
from ._storage import SourceFiles, source_place


class Gaps:
    """Pixels of a data set that nothing was written to, frame by frame.

    Parameters
    ----------
    groups : list of list of ndarray of bool
        Products of rows, columns and frames that were written: for each, one vector for each axis
        of the data set.
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

    HDF5 reads there the fill value, zero as a rule, which nobody measured. Such are the places of a
    virtual data set that no source fills, and chunks that were never written, as after a scan that
    was aborted."""
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
    """Places of a data set that were written: products of one vector for each axis, by key; None
    for all.
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
    for others in np.unique(
        np.delete(offsets, along, axis=1), axis=0
    ):  # chunks that differ in their frames only
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
    with contextlib.closing(SourceFiles()) as sources:
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
        place = source_place(dataset, names[0])
        if place is not None:  # the first of a numbered family is there: that was checked
            with contextlib.suppress(OSError):
                _add_source(
                    groups, dataset.shape, target, source, sources.open(place).get(names[1])
                )


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
        if _is_endless(source.vspace) and len(target) == len(
            origins[0]
        ):  # as far as the source reaches by now
            target = [a[: len(b)] for a, b in zip(target, origins[0], strict=True)]
            origins = [[b[: len(a)] for a, b in zip(target, origins[0], strict=True)]]
            ours = theirs = range(len(target))
        fits = [len(target[axis]) for axis in ours] == [len(origins[0][axis]) for axis in theirs]
    if inner is None:
        return _add(groups, shape, target)
    if not fits:
        warn_user(
            f"{held.name.strip('/')!r} in {held.file.filename} is not written everywhere, and put "
            f"together so that it "
            "is not plain where; its unwritten pixels count as measured, as what HDF5 fills in"
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
