"""Fashion-MNIST, a benchmark for learned phase retrieval."""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .._validation import check_choice, check_flag
from ._base import as_bunch, data_folder

if TYPE_CHECKING:
    from .._typing import FilePath

_SOURCE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
# subset: file, MD5 of the compressed original, MD5 of the uncompressed content
_FILES = {
    "train": (
        "train-images-idx3-ubyte.gz",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ),
    "test": (
        "t10k-images-idx3-ubyte.gz",
        "bef4ecab320f06d8554ea6380940ec79",
        "8181f5470baa50b63fa0f6fddb340f0a",
    ),
}


def fetch_fashion_mnist(
    subset: str = "train",
    *,
    data_home: FilePath | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load the images of Fashion-MNIST, downloading them once.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        Subset to load: 60,000 training images or 10,000 test images.
    data_home : path-like, optional
        Folder in which `fashion-mnist/` is found or created; by default the environment variable
        SKPR_DATA, else ~/skpr_data.
    download_if_missing : bool, default=True
        Whether to download missing files (requires pooch).
    return_X_y : bool, default=False
        Whether to return `(objects, objects)` instead of a Bunch.

    Returns
    -------
    Bunch or (ndarray, ndarray)
        `data` and `target`: the images, of shape (n_samples, 28, 28), float32 between 0 and 1.
        `DESCR`: a description.

    Raises
    ------
    OSError
        If the file is missing and must not be downloaded, or if it is damaged: its content is
        compared with a known hash.
    ImportError
        If the file has to be downloaded and pooch is not installed.

    References
    ----------
    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> images = fetch_fashion_mnist("test").data  # doctest: +SKIP
    >>> images.shape  # doctest: +SKIP
    (10000, 28, 28)
    """
    check_choice("subset", subset, tuple(_FILES))
    check_flag("download_if_missing", download_if_missing)
    check_flag("return_X_y", return_X_y)
    name, archive_hash, content_hash = _FILES[subset]
    path = data_folder(data_home) / "fashion-mnist" / name
    if not path.exists():
        if not download_if_missing:
            raise OSError(
                f"{path} does not exist, and download_if_missing=False; set data_home or SKPR_DATA"
            )
        _download(path, archive_hash)
    try:
        images = read_idx_images(path, content_hash)
    except OSError as error:
        raise OSError(f"{error}; delete it to download it again") from error
    objects = images.astype(np.float32) / np.float32(255)
    return as_bunch(
        objects, return_X_y, f"Fashion-MNIST, {subset} images (Zalando Research, MIT licence)"
    )


def read_idx_images(path: FilePath, content_hash: str | None = None) -> np.ndarray:
    """Read the images of a gzipped file in the format of MNIST.

    Parameters
    ----------
    path : path-like
        Gzipped idx3-ubyte file.
    content_hash : str, optional
        MD5 hash that the uncompressed content must have.

    Returns
    -------
    ndarray of shape (n_samples, height, width), uint8

    Raises
    ------
    OSError
        If the file is missing, damaged or of another format, or its content does not have the hash.

    Examples
    --------
    >>> import gzip, struct, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with gzip.open(folder + "/images.gz", "wb") as file:
    ...         _ = file.write(struct.pack(">4I", 2051, 1, 2, 2) + bytes([0, 1, 2, 255]))
    ...     read_idx_images(folder + "/images.gz")
    array([[[  0,   1],
            [  2, 255]]], dtype=uint8)
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{path} cannot be read as a gzip file: {error}") from error
    if content_hash and hashlib.md5(content, usedforsecurity=False).hexdigest() != content_hash:
        raise OSError(f"{path} is not the original data set: its MD5 is not {content_hash}")
    if len(content) < 16:
        raise OSError(f"{path} holds {len(content)} bytes, too few for an idx header")
    magic, n_samples, height, width = struct.unpack(">4I", content[:16])
    if magic != 2051:
        raise OSError(
            f"{path} is not an idx3-ubyte file of images: it begins with {magic}, not with 2051"
        )
    if len(content) != 16 + n_samples * height * width:
        raise OSError(
            f"{path} holds {len(content)} bytes, not {n_samples} images of {height} x {width} "
            f"pixels"
        )
    return np.frombuffer(content, np.uint8, offset=16).reshape(n_samples, height, width).copy()


def _download(path, archive_hash):
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "downloading Fashion-MNIST needs pooch: pip install 'skpr[data]'"
        ) from error
    pooch.retrieve(
        _SOURCE + path.name,
        known_hash=f"md5:{archive_hash}",
        fname=path.name,
        path=path.parent,
        progressbar=False,
    )
