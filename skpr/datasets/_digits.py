"""Handwritten digits of scikit-learn as smooth objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from .._validation import check_count, check_flag
from ._base import as_bunch


def load_digit_objects(*, image_size: int = 16, return_X_y: bool = False) -> Any:
    """Load the handwritten digits of scikit-learn, smoothly enlarged.

    The 1,797 objects are real and need no download.

    Parameters
    ----------
    image_size : int, default=16
        Height and width of the objects, at least 8; the 8 x 8 images are enlarged to this size by
        cubic splines.
    return_X_y : bool, default=False
        Whether to return `(objects, objects)` instead of a Bunch.

    Returns
    -------
    Bunch or (ndarray, ndarray)
        `data` and `target`: the objects, of shape (1797, image_size, image_size), float32 between 0
        and 1, exactly 0 around the digit. `labels`: the digits 0 to 9. `DESCR`: a description.

    Examples
    --------
    >>> objects = load_digit_objects().data
    >>> objects.shape, objects.dtype
    ((1797, 16, 16), dtype('float32'))
    """
    image_size = check_count("image_size", image_size, low=8)
    check_flag("return_X_y", return_X_y)
    digits = load_digits()
    factor = image_size / 8
    objects = zoom(
        digits.images / 16, (1, factor, factor), order=3, grid_mode=True, mode="grid-constant"
    )
    # cubic splines ring around the strokes: values below 2 % of the range are set to background
    objects = np.where(objects < 0.02, 0, np.clip(objects, 0, 1)).astype(np.float32)
    description = (
        f"1,797 handwritten digits (UCI, bundled with scikit-learn), enlarged to {image_size} x "
        f"{image_size}"
    )
    return as_bunch(objects, return_X_y, description, labels=digits.target)
