import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from skpr.datasets import fetch_fashion_mnist
from skpr.datasets._fashion_mnist import read_idx_images

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = struct.pack(">4I", 2051, 2, 3, 4) + IMAGES.tobytes()
CUT_OFF = gzip.compress(CONTENT, mtime=0)[:-12]


def written(path, content, compressed=True):
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


def test_idx_files_are_read(tmp_path):
    path = written(tmp_path / "images.gz", CONTENT)
    np.testing.assert_array_equal(read_idx_images(path, hashlib.md5(CONTENT).hexdigest()), IMAGES)


@pytest.mark.parametrize(
    ("content", "compressed", "message"),
    [
        (CONTENT, False, "cannot be read as a gzip file"),
        (CUT_OFF, False, "cannot be read as a gzip file"),
        (b"short", True, "holds 5 bytes, too few for an idx header"),
        (CONTENT[:-1], True, "holds 39 bytes, not 2 images of 3 x 4 pixels"),
        (b"\0" * 40, True, "is not an idx3-ubyte file of images: it begins with 0"),
    ],
    ids=["plain", "cut off", "no header", "one byte short", "no images"],
)
def test_damaged_files_are_refused(tmp_path, content, compressed, message):
    with pytest.raises(OSError, match=message):
        read_idx_images(written(tmp_path / "images.gz", content, compressed))


def test_other_content_is_not_passed_off_as_the_data_set(tmp_path):
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    written(folder / "t10k-images-idx3-ubyte.gz", CONTENT)
    with pytest.raises(OSError, match="is not the original data set"):
        fetch_fashion_mnist("test", data_home=tmp_path)


def test_missing_files_and_subsets_are_named(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="does not exist, and download_if_missing=False"):
        fetch_fashion_mnist("train", data_home=tmp_path, download_if_missing=False)
    monkeypatch.setenv("SKPR_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(OSError, match="elsewhere"):
        fetch_fashion_mnist("train", download_if_missing=False)
    with pytest.raises(ValueError, match="subset='valid' is not valid; choose 'train' or 'test'"):
        fetch_fashion_mnist("valid")


HAS_DATA = (
    Path(os.environ.get("SKPR_DATA", "")) / "fashion-mnist"
).is_dir() and "SKPR_DATA" in os.environ


@pytest.mark.skipif(
    not HAS_DATA, reason="SKPR_DATA does not point to a folder that holds fashion-mnist/"
)
def test_the_data_set_itself():
    bunch = fetch_fashion_mnist("test", download_if_missing=False)
    assert bunch.data.shape == (10000, 28, 28)
    assert bunch.data.dtype == np.float32
    assert bunch.data.max() == 1
