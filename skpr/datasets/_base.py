"""Return type and folder that all data sets share."""

import os
from pathlib import Path

from sklearn.utils import Bunch


def as_bunch(objects, return_X_y, description, **more):
    """Return the objects as a Bunch or as a pair.

    In the Bunch they are both `data` and `target`. A phase retrieval model is fitted on `(objects,
    objects)`: its first step turns its input, the first of the two, into magnitudes.
    """
    if return_X_y:
        return objects, objects
    return Bunch(data=objects, target=objects, DESCR=description, **more)


def data_folder(data_home=None):
    """Return the folder that holds the data sets.

    It is `data_home` if given, else the environment variable SKPR_DATA, else ~/skpr_data.

    Examples
    --------
    >>> data_folder("somewhere").name
    'somewhere'
    """
    return Path(data_home or os.environ.get("SKPR_DATA") or Path.home() / "skpr_data").expanduser()
