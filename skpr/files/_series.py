"""Frames of several files as one stack."""

from __future__ import annotations

import contextlib

import numpy as np

from ._geometry import geometry_of_series
from ._paths import file_names
from ._sources import open_source


class Series:
    """Frames of several files, opened one at a time.

    Parameters
    ----------
    path : path-like, list of path-like, or ndarray
        File, files or readings in memory. A name with `*`, `?` or `[` is a pattern if no file has
        this name.
    dataset : str or list of str, optional
        Names of the data sets in each file.
    select : slice or list of int, optional
        Frames that will be read.
    is_volume : bool
        Whether the frames are planes of one pattern.
    format : str, default="auto"
        Name of a registered reader.
    """

    def __init__(self, path, dataset=None, select=None, is_volume=False, format="auto"):
        self.paths, self.dataset, self.format = file_names(path, is_volume), dataset, format
        self.current, self.number = None, None
        self.counts, self.geometries, self.times = [], [], []
        self.said = {"content": {}, "centered": {}}
        try:
            for number in range(len(self.paths)):
                source = self.source(number)
                if not self.counts:
                    self.shape, self.content, self.centered = (
                        source.frames.shape,
                        source.content,
                        source.centered,
                    )
                    self.names, self.dtype, self.first_name = (
                        source.names,
                        source.frames.dtype,
                        source.path,
                    )
                elif source.frames.shape[1:] != self.shape[1:]:
                    raise ValueError(
                        f"{source.path} holds frames of shape {source.frames.shape[1:]}, "
                        f"{self.paths[0]} of {self.shape[1:]}: they do not belong to one stack"
                    )
                if source.frames.dtype.itemsize > self.dtype.itemsize:
                    self.dtype = source.frames.dtype
                self.counts.append(source.frames.shape[0])
                self.geometries.append(source.geometry())
                self.times.append(source.times())
                for name, values in self.said.items():
                    values.setdefault(getattr(source, name), source.path)
                if source.lacking and number < len(self.paths) - 1:
                    raise OSError(source.lacking)
            self.ends = np.cumsum(self.counts)
            self.shape = (int(self.ends[-1]), *self.shape[1:])
            self.lacking = source.lacking
            if self.lacking and not _ends_before(select, self.shape[0]):
                raise OSError(f"{self.lacking}; select= reads the {self.shape[0]} frames before")
        except BaseException:
            self.close()
            raise

    def agreed(self, name):
        """Return the `content` or `centered` that all files state.

        Raises
        ------
        ValueError
            If the files contradict each other.
        """
        if len(self.said[name]) > 1:
            words = ", ".join(f"{value!r} by {path}" for value, path in self.said[name].items())
            raise ValueError(
                f"the files are of different kinds: {name} is {words}; read them separately, or "
                f"pass {name}="
            )
        return getattr(self, name)

    def geometry(self):
        """Return the geometry in the files, with the angles of every frame."""
        found = geometry_of_series(self.geometries, self.counts, self.paths)
        return found.first_frames(self.shape[0]) if self.lacking else found

    def values(self, name):
        """Return the numbers under a name in all files, one per frame.

        None if the first file does not have the name.
        """
        found = self.source(0).values(name)
        if found is None or len(self.paths) == 1:
            return found
        joined = []
        for number, count in enumerate(self.counts):
            source = self.source(number)
            values = source.values(name)
            if values is None or np.size(values) not in (1, count):
                held = "nothing" if values is None else f"an array of shape {np.shape(values)}"
                raise ValueError(
                    f"{source.path} holds {held} under the name {name!r}; every file must hold "
                    f"one number for each of its {count} frames"
                )
            joined.append(np.broadcast_to(np.ravel(values), count))
        return np.concatenate(joined)

    def source(self, number):
        """Open one of the files, and close the one before."""
        if number != self.number:
            self.close()
            self.current = open_source(self.paths[number], self.dataset, format=self.format)
            self.number = number
        return self.current

    def locate(self, frame):
        """Return the file of a frame, open, and its number there."""
        number = int(np.searchsorted(self.ends, frame, side="right"))
        source = self.source(number)
        return source, frame - int(self.ends[number]) + source.frames.shape[0]

    def close(self):
        """Close the open file."""
        if self.current is not None:
            with contextlib.suppress(Exception):
                self.current.close()
        self.current, self.number = None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _ends_before(select, n_frames):
    """Return whether all selected frames are among the first ones."""
    if isinstance(select, slice):
        ends = select.start or 0, select.stop
        return (
            all(isinstance(n, int) and 0 <= n <= n_frames for n in ends) and (select.step or 1) > 0
        )
    wanted = np.asarray(select)
    return (
        wanted.ndim == 1
        and wanted.dtype.kind in "iu"
        and bool(((wanted >= 0) & (wanted < n_frames)).all())
    )
