"""Exposure times of the frames of a file."""

from __future__ import annotations

import numpy as np

from .._validation import warn_user
from ._header import entries_of
from ._units import with_unit

IN_FILES = "count_time", "exposure_time", "acquisition_time", "integration_time"  # of HDF5
IN_HEADERS = "exposure_time", "count_time", "exposuretime", "exptime"
SPREAD = 0.01  # relative range of times that count as equal


def times_in_file(groups, n_frames):
    """Return the exposure times that HDF5 groups state.

    Parameters
    ----------
    groups : iterable of h5py.Group
        Groups that belong to the frames, the nearest first.
    n_frames : int

    Returns
    -------
    (str, ndarray) or None
        Name, and one time for each frame.
    """
    import h5py

    for group in groups:
        for name in IN_FILES:
            item = group.get(name)
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "uif":
                continue
            if item.size in (1, n_frames):
                return item.name.strip("/"), np.broadcast_to(np.ravel(item[()]), n_frames)
    return None


def times_in_header(header, n_frames):
    """Return the exposure time that the header of an image states.

    Parameters
    ----------
    header : mapping of str to str
    n_frames : int

    Returns
    -------
    (str, ndarray) or None
        Key, and the time, repeated for each frame.

    Examples
    --------
    >>> times_in_header({"Exposure_time": "0.5 s"}, 2)
    ('Exposure_time', array([0.5, 0.5]))
    """
    entries = entries_of(header)
    for key in IN_HEADERS:
        if key in entries and (found := with_unit(entries[key][1])) is not None:
            return entries[key][0], np.full(n_frames, found[0])
    return None


def warn_of_times(times, numbers, name):
    """Warn if the planes of one volume were exposed for different times.

    Parameters
    ----------
    times : list of (str, ndarray) or None
        Names and exposure times in each file, None where a file states none.
    numbers : ndarray of int
        Frames of the volume.
    name : str
        Name of the frames, for the message.

    Warns
    -----
    UserWarning
    """
    if not times or any(found is None for found in times):
        return
    chosen = np.concatenate([values for _, values in times]).astype(float)[numbers]
    if not np.isfinite(chosen).all() or np.ptp(chosen) <= SPREAD * np.abs(chosen).max():
        return
    of_all = times[0][0] if len({key for key, _ in times}) == 1 else "the exposure times"
    warn_user(
        f"the planes of {name} were exposed for {chosen.min():g} to {chosen.max():g} according to "
        f"{of_all!r}, but are joined as if for the same time; pass these times as monitor="
    )
