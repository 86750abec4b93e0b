"""Random cut-outs of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from .._validation import check_count, check_flag, check_float_dtype, check_shape, short
from ._base import as_bunch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from .._typing import Seed


MOST_BYTES = 2  # size of integers whose range is that of images


def make_cutouts(
    n_samples: int = 100,
    *,
    images: npt.NDArray[Any] | Sequence[npt.NDArray[Any]],
    shape: tuple[int, ...] = (64, 64),
    flip: bool = False,
    rotate: bool = False,
    dtype: npt.DTypeLike = np.float32,
    return_X_y: bool = False,
    random_state: Seed = None,
) -> Any:
    r"""Cut objects out of images at random places.

    Image, place and orientation are uniformly distributed. Real values are kept; integers of a type
    with 8 or 16 bits are divided by the largest value of this type, 255 for uint8. To cut while a
    network is trained, give this function to :func:`make_lazy_batch`.

    Parameters
    ----------
    n_samples : int, default=100
        Number of objects.
    images : ndarray of shape (n_images, \*image_shape) or sequence of ndarray
        Real or complex images or volumes, each at least as large as `shape`. A memory map is read
        at the cut-outs only. Split images into those of training and test sets before cutting.
    shape : tuple of int, default=(64, 64)
        Shape of the objects, with one to three axes.
    flip : bool, default=False
        Whether to reverse each axis with a probability of one half.
    rotate : bool, default=False
        Whether to rotate by multiples of 90 degrees about random axes.
    dtype : {numpy.float32, numpy.float64}
        Precision of the objects; complex objects have the complex type of the same precision.
    return_X_y : bool, default=False
        Whether to return `(objects, objects)` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random cut-outs.

    Returns
    -------
    Bunch or (ndarray, ndarray)
        `data` and `target`: the objects, of shape (n_samples, \*shape). `image`: index of the image
        that each is cut out of, of shape (n_samples,). `DESCR`: a description.

    Raises
    ------
    TypeError
        If `images` are not arrays of numbers.
    ValueError
        If a parameter is not valid, an image is smaller than `shape` or of integers with more than
        16 bits, or a cut-out holds NaN, infinity or masked values.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(256, size=(5, 40, 50), dtype=np.uint8)
    >>> make_cutouts(3, images=images, shape=(16, 16), random_state=0).data.shape
    (3, 16, 16)

    A training set of a million cut-outs, made when they are read:

    >>> from skpr.datasets import make_lazy_batch
    >>> make_lazy_batch(make_cutouts, 1_000_000, images=images, shape=(16, 16), random_state=0)
    LazyBatch(shape=(1000000, 16, 16), dtype=float32)
    """
    check_count("n_samples", n_samples)
    for name, value in (("flip", flip), ("rotate", rotate), ("return_X_y", return_X_y)):
        check_flag(name, value)
    shape, dtype = check_shape("shape", shape), check_float_dtype(dtype)
    _check_images(images, len(shape))
    rng = check_random_state(random_state)
    origins = rng.randint(len(images), size=n_samples)
    objects = np.stack([_cutout(images, one, shape, flip, rotate, rng) for one in origins.tolist()])
    if objects.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    with np.errstate(over="ignore"):
        objects = objects.astype(dtype, copy=False)
    if not np.isfinite(objects).all():
        bad = int(origins[~np.isfinite(objects).reshape(n_samples, -1).all(axis=1)][0])
        raise ValueError(
            f"image {bad} holds NaN or infinity in a cut-out; every value must be finite in {dtype}"
        )
    description = f"{n_samples} cut-outs of shape {shape} of {len(images)} images"
    return as_bunch(objects, return_X_y, description, image=origins)


def _cutout(images, number, shape, flip, rotate, rng):
    order, signs = _orientation(len(shape), flip, rotate, rng)
    image, size = images[number], np.empty(len(shape), dtype=int)
    size[order] = shape  # axes of the image that become those of the object
    room = np.array(image.shape) - size
    if (room < 0).any():
        raise ValueError(
            f"image {number} has shape {tuple(image.shape)}, too small for a cut-out of shape "
            f"{tuple(size.tolist())}; leave it out or give a smaller shape"
        )
    start = [rng.randint(most + 1) for most in room.tolist()]
    window = image[tuple(slice(at, at + n) for at, n in zip(start, size.tolist(), strict=True))]
    if np.ma.is_masked(window):
        raise ValueError(
            f"image {number} has masked values in a cut-out; fill them, or leave the image out"
        )
    window = np.asarray(window)
    turned = np.transpose(window, order)[tuple(slice(None, None, sign) for sign in signs)]
    return turned / np.iinfo(image.dtype).max if image.dtype.kind in "iu" else turned


def _orientation(n_axes, flip, rotate, rng):
    """Draw the order of the axes and their signs.

    Rotations alone are the permutations with signs whose determinant is 1.
    """
    order = rng.permutation(n_axes) if rotate else np.arange(n_axes)
    signs = 1 - 2 * rng.randint(2, size=n_axes) if flip or rotate else np.ones(n_axes, dtype=int)
    if rotate and not flip:
        signs[-1] *= round(np.linalg.det(np.eye(n_axes)[order])) * signs.prod()
    return order, signs.tolist()


def _check_images(images, n_axes):
    is_stack = hasattr(images, "shape")
    is_one = is_stack and len(images.shape) == n_axes
    one = "; give images[None] if this is one image" if is_one else ""
    if not is_stack and not isinstance(images, list | tuple):
        raise TypeError(f"images={short(images)} is not an array or a sequence of arrays")
    if len(images) == 0:
        raise ValueError(f"images={short(images)} holds no image")
    for number, image in enumerate(images[:1] if is_stack else images):
        kind = getattr(getattr(image, "dtype", None), "kind", "")
        if not hasattr(image, "shape") or not kind or kind not in "biufc":
            raise TypeError(f"image {number} is {short(image)}; give an array of numbers")
        if len(image.shape) != n_axes:
            raise ValueError(
                f"image {number} has shape {tuple(image.shape)}; cut-outs with {n_axes} axes need "
                f"images with as many{one}"
            )
        if kind in "iu" and image.dtype.itemsize > MOST_BYTES:
            raise ValueError(
                f"image {number} holds integers of type {image.dtype}, whose range is not a scale "
                "of images; divide by the largest possible value, or give uint8 or uint16"
            )
