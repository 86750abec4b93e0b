"""Names of the data sets in an HDF5 file, including links."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ._numbered import natural

MANY = 100_000  # maximum number of names in a file that are collected


class Found(NamedTuple):
    """Name in a file, with facts about the data set that it leads to.

    The data set itself is opened only when it is needed, because a master file may link more files
    than a process can open at once.
    """

    name: str
    root: Any = None
    shape: tuple | None = None
    kind: str = ""  # kind of the NumPy type; empty for HDF5 types that NumPy lacks
    identity: tuple = ()
    missing: str = ""
    external: bool = False

    @classmethod
    def of(cls, name, root, dataset):
        """Collect the facts about a data set."""
        try:
            kind = dataset.dtype.kind
        except TypeError:
            kind = ""
        return cls(name, root, dataset.shape, kind, identity(dataset))

    @property
    def dataset(self):
        """Data set, opened."""
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
    """Return the address of an object, the same for all its names."""
    import h5py

    return item.file.filename, h5py.h5o.get_info(item.id).addr


def walk(group, name="", root=None, above=(), found=None):
    """Return the names of all data sets in a group, including links.

    Parameters
    ----------
    group : h5py.Group
        Group to search.
    name : str
        Name of the group, relative to the root.
    root : h5py.Group, optional
        Group that names are relative to; by default `group`.
    above : tuple
        Identities of the groups above, to detect links that lead back.
    found : list of Found, optional
        List to extend.

    Returns
    -------
    list of Found
        Data sets, and broken links.
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
        except RuntimeError:  # soft links that form a cycle
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
    """Describe the target of a broken link."""
    import h5py

    link = group.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        folder = Path(group.file.filename).parent
        file = folder / link.filename
        if not file.exists():
            return f"{link.filename} ({link.path}), which does not exist"
        if "lock" in str(error):
            return f"{link.filename} ({link.path}), which is in use by another process"
        return f"{link.path} in {link.filename}, which cannot be read: {_plain(error)}"
    if isinstance(link, h5py.SoftLink):
        return f"{link.path}, which does not exist"
    return f"an object that cannot be read: {_plain(error)}"


def _plain(error):
    return str(error).strip("'\"")
