"""Names of the data sets in an HDF5 file, found along links of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ._numbered import natural

MANY = 100_000  # names in a file, beyond which nobody looks


class Found(NamedTuple):
    """A name in a file, and facts about the data set that it leads to.

    The data set itself is opened when it is asked for: a master may link more files than may be
    open at once."""

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
