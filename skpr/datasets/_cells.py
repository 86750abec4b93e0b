"""Cell nuclei cut out of fluorescence microscopy images."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import find_objects, label

from .._validation import check_count, check_flag, check_float_dtype, check_shape
from ._base import as_bunch, data_folder

if TYPE_CHECKING:
    import numpy.typing as npt

    from .._typing import FilePath

_FILE = "dsb2018_256x256.npz"
_MARGIN = 8  # width in pixels of the margin around a nucleus that its background is taken from
_ALL_NEIGHBOURS = np.ones((3, 3))


def load_cells(
    shape: tuple[int, int] = (64, 64),
    *,
    data_home: FilePath | None = None,
    min_area: int = 100,
    dtype: npt.DTypeLike = np.float32,
    return_X_y: bool = False,
) -> Any:
    """Load cell nuclei from the images of the 2018 Data Science Bowl.

    Each object is the contrast of one nucleus to its surroundings: the difference between its
    intensity and the nearby background, divided by the largest such difference. The peak is
    therefore 1, even where the microscope shows dark nuclei on a bright ground, and the object is 0
    outside the mask of the nucleus. Nuclei that touch the border of their image, consist of several
    pieces or do not differ from their background are left out.

    Parameters
    ----------
    shape : tuple of int, default=(64, 64)
        Height and width of the frame. The bounding box of each nucleus is placed in its middle, and
        nuclei larger than the frame are left out. Half of the nuclei are at most 18 pixels long;
        one in a hundred is longer than 32.
    data_home : path-like, optional
        Folder that holds `cells/`; by default the environment variable SKPR_DATA, else ~/skpr_data.
    min_area : int, default=100
        Smallest area of a nucleus in pixels; smaller nuclei are left out.
    dtype : {numpy.float32, numpy.float64}
        Data type of the objects.
    return_X_y : bool, default=False
        Whether to return `(objects, objects)` instead of a Bunch.

    Returns
    -------
    Bunch or (ndarray, ndarray)
        `data` and `target`: the objects, of shape (n_samples, *shape), in the order of images and
        masks. `image`: index of the image that each nucleus comes from, of shape (n_samples,).
        Nuclei of one image resemble each other; training and test sets should therefore be split by
        image (:class:`sklearn.model_selection.GroupShuffleSplit`). `DESCR`: a description.

    Raises
    ------
    OSError
        If the file is missing or is not this data set.
    ValueError
        If a parameter is invalid or no nucleus is left.

    Notes
    -----
    `cells/dsb2018_256x256.npz` holds `images`, uint8 of shape (n_images, height, width), and
    `instances`, of the same shape: 0 for background and k for the k-th nucleus of an image. The
    images are those with 256 x 256 pixels in the stage 1 training set of BBBC038v1,
    https://bbbc.broadinstitute.org/BBBC038, released as CC0. Masks are as annotated: where the
    masks of neighbours overlapped, only a crescent is left of one of them. This affects fewer than
    one nucleus in 100.

    References
    ----------
    J. C. Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science
    Bowl", Nature Methods 16, 1247, 2019.

    Examples
    --------
    >>> from sklearn.model_selection import GroupShuffleSplit
    >>> cells = load_cells((32, 32))  # doctest: +SKIP
    >>> splits = GroupShuffleSplit(random_state=0).split(
    ...     cells.data, groups=cells.image
    ... )  # doctest: +SKIP
    >>> train, test = next(splits)  # doctest: +SKIP
    """
    shape, dtype = _checked(shape, min_area, dtype)
    check_flag("return_X_y", return_X_y)
    nuclei, origins = [], []
    for index, (image, instances) in enumerate(
        zip(*_read(data_folder(data_home) / "cells" / _FILE), strict=True)
    ):
        found = _nuclei(image.astype(np.float64), instances, shape, min_area)
        nuclei += found
        origins += [index] * len(found)
    if not nuclei:
        raise ValueError(
            f"shape={shape} and min_area={min_area} leave no nucleus; give a larger shape or a "
            f"smaller min_area"
        )
    objects = np.stack([_framed(nucleus, shape) for nucleus in nuclei]).astype(dtype)
    description = (
        f"{len(objects)} cell nuclei in frames of shape {shape} (BBBC038v1, Data Science Bowl "
        f"2018, CC0)"
    )
    return as_bunch(objects, return_X_y, description, image=np.array(origins))


def _nuclei(image, instances, shape, min_area):
    """Return the complete nuclei of one image that fit into a shape."""
    nuclei = []
    for number, box in enumerate(find_objects(instances), start=1):
        if box is None or not _is_inside(box, image.shape):
            continue
        mask = instances[box] == number
        if mask.sum() < min_area or any(n > m for n, m in zip(mask.shape, shape, strict=True)):
            continue
        if label(mask, _ALL_NEIGHBOURS)[1] == 1:
            nuclei.append(_contrast(image[box], mask, _background(image, instances, box)))
    return [nucleus for nucleus in nuclei if nucleus is not None]


def _is_inside(box, image_shape):
    return all(part.start > 0 and part.stop < n for part, n in zip(box, image_shape, strict=True))


def _background(image, instances, box):
    """Return the median background around a bounding box.

    The background consists of the pixels without a label; if there are none around the box, those
    of the whole image.
    """
    around = tuple(slice(max(part.start - _MARGIN, 0), part.stop + _MARGIN) for part in box)
    unlabelled = image[around][instances[around] == 0]
    return np.median(unlabelled if unlabelled.size else image[instances == 0])


def _contrast(image, mask, background):
    """Return the contrast of a nucleus, scaled to peak 1.

    The contrast is positive for dark nuclei as well as for bright ones. The result is None for a
    nucleus without contrast.
    """
    excess = image - background
    if np.median(excess[mask]) < 0:
        excess = -excess
    nucleus = np.where(mask, np.maximum(excess, 0), 0)
    peak = nucleus.max()
    return nucleus / peak if peak > 0 else None


def _framed(nucleus, shape):
    """Place a nucleus in the middle of a dark frame.

    If the number of spare pixels is odd, the additional pixel is at the end of the axis.
    """
    spare = [m - n for m, n in zip(shape, nucleus.shape, strict=True)]
    return np.pad(nucleus, [(n // 2, n - n // 2) for n in spare])


def _read(path):
    if not path.exists():
        raise OSError(
            f"{path} does not exist; set data_home or SKPR_DATA to the folder that holds "
            f"cells/{_FILE}"
        )
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            images, instances = arrays["images"], arrays["instances"]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise OSError(f"{path} is not an npz file of 'images' and 'instances': {error}") from error
    if images.ndim != 3 or images.shape != instances.shape:
        raise OSError(
            f"{path} holds images of shape {images.shape} and instances of shape {instances.shape}"
        )
    return images, instances


def _checked(shape, min_area, dtype):
    check_count("min_area", min_area)
    return check_shape("shape", shape, 2), check_float_dtype(dtype)
