"""Result of every data set, and the folder on disk that holds them."""

import os
from pathlib import Path

from sklearn.utils import Bunch


def as_bunch(objects, return_X_y, description, **more):
    """A Bunch whose `data` and `target` are both the objects, or that pair.

    A phase retrieval model is fitted on `(objects, objects)`: its first step turns the one into
    magnitudes."""
    if return_X_y:
        return objects, objects
    return Bunch(data=objects, target=objects, DESCR=description, **more)


def data_folder(data_home=None):
    """Folder of the data sets: `data_home`, else the environment variable SKPR_DATA, else
    ~/skpr_data.

    Examples
    --------
    >>> data_folder("somewhere").name
    'somewhere'
    """
    return Path(data_home or os.environ.get("SKPR_DATA") or Path.home() / "skpr_data").expanduser()
