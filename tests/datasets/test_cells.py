import os
from pathlib import Path

import numpy as np
import pytest

from skpr.datasets._cells import load_cells
from skpr.symmetry import content_box

SHAPE = (16, 20)
ROWS, COLUMNS = np.mgrid[:40, :40]


def disc(row, column, radius):
    return (ROWS - row) ** 2 + (COLUMNS - column) ** 2 <= radius**2


def scene(nuclei, background=10, intensity=100):
    """A microscopy image and its labels: nuclei that brighten (or darken) downwards on a flat
    background.
    """
    instances = np.zeros(ROWS.shape, np.uint16)
    for number, mask in enumerate(nuclei, start=1):
        instances[mask] = number
    lit = intensity + np.sign(intensity - background) * ROWS
    return np.where(instances > 0, lit, background).astype(np.uint8), instances


@pytest.fixture
def save(tmp_path):
    """Write scenes where the loader looks for them, and return `data_home`."""

    def write(*scenes, **arrays):
        if scenes:
            arrays = {
                "images": [image for image, _ in scenes],
                "instances": [labels for _, labels in scenes],
            }
        (tmp_path / "cells").mkdir(exist_ok=True)
        np.savez(tmp_path / "cells" / "dsb2018_256x256.npz", **arrays)
        return tmp_path

    return write


def test_a_nucleus_is_what_stands_out_inside_its_mask(save):
    mask = disc(12, 20, 6)
    objects = load_cells(SHAPE, data_home=save(scene([mask]))).data
    expected = (
        np.where(mask, 90.0 + ROWS, 0)[6:19, 14:27] / 108
    )  # background 10, brightest in row 18
    assert objects.dtype == np.float32
    assert objects.max() == 1
    np.testing.assert_allclose(objects[0, 1:14, 3:16], expected, rtol=1e-6)
    assert np.count_nonzero(objects) == mask.sum()


def test_bounding_boxes_are_in_the_middle_of_the_frame(save):
    objects = load_cells(SHAPE, data_home=save(scene([disc(10, 10, 6), disc(28, 25, 7)]))).data
    starts, sizes = content_box(objects)
    np.testing.assert_array_equal(sizes, [[13, 13], [15, 15]])
    np.testing.assert_array_equal(starts, (np.array(SHAPE) - sizes) // 2)


def test_dark_nuclei_on_a_bright_ground_are_bright_objects(save):
    nuclei = [disc(12, 20, 6)]
    bright = load_cells(SHAPE, data_home=save(scene(nuclei, background=10, intensity=100))).data
    dark = load_cells(SHAPE, data_home=save(scene(nuclei, background=210, intensity=120))).data
    np.testing.assert_allclose(dark, bright, rtol=1e-6)


def test_the_background_is_that_of_the_neighbourhood(save):
    image, instances = scene([disc(20, 10, 6)])
    uneven = image.copy()
    uneven[:, 30:] = 200  # far from the nucleus, and no concern of it
    uneven[20, 10] = 0  # darker than the background: nothing stands out there
    objects = load_cells(SHAPE, data_home=save((image, instances), (uneven, instances))).data
    assert objects[1, 7, 9] == 0
    assert np.count_nonzero(objects[0] != objects[1]) == 1


def test_nuclei_without_unlabelled_neighbours_are_compared_with_the_whole_image(save):
    image, instances = scene(
        [disc(20, 20, 6), (abs(ROWS - 20) < 18) & (abs(COLUMNS - 20) < 18) & ~disc(20, 20, 6)]
    )
    assert load_cells(SHAPE, data_home=save((image, instances))).data.max() == 1


@pytest.mark.parametrize(
    "nucleus",
    [
        disc(4, 20, 6),
        disc(6, 20, 6),
        disc(20, 36, 6),
        disc(20, 20, 4),
        disc(20, 20, 8),
        disc(9, 9, 6) & (COLUMNS != 9),
    ],
    ids=["cut", "touches the border", "cut on the right", "small", "large", "in two pieces"],
)
def test_what_is_not_one_whole_nucleus_of_fitting_size_is_left_out(save, nucleus):
    whole = disc(28, 10, 6)
    bunch = load_cells(SHAPE, data_home=save(scene([nucleus & ~whole, whole])))
    np.testing.assert_array_equal(
        bunch.data, load_cells(SHAPE, data_home=save(scene([whole]))).data
    )


def test_masks_on_plain_background_are_left_out(save):
    image, instances = scene([disc(12, 20, 6), disc(30, 20, 6)])
    image[ROWS > 20] = 10
    assert len(load_cells(SHAPE, data_home=save((image, instances))).data) == 1


def test_every_nucleus_knows_its_image(save):
    empty = np.full(ROWS.shape, 10, np.uint8), np.zeros(ROWS.shape, np.uint16)
    home = save(scene([disc(10, 10, 6), disc(28, 25, 7)]), empty, scene([disc(20, 20, 6)]))
    bunch = load_cells(SHAPE, data_home=home)
    np.testing.assert_array_equal(bunch.image, [0, 0, 2])
    assert bunch.target is bunch.data
    X, y = load_cells(SHAPE, data_home=home, return_X_y=True, dtype=np.float64)
    assert X is y
    np.testing.assert_array_equal(X.astype(np.float32), bunch.data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"shape": "64"},
            "shape='64' is not valid; give an integer >= 1, or one for each of 2 axes",
        ),
        ({"shape": (64.5, 64)}, r"shape=\(64.5, 64\) is not valid; give an integer >= 1"),
        ({"shape": (64, 0)}, r"shape=\(64, 0\) is not valid"),
        ({"min_area": 0}, "min_area=0 is not valid; give an integer >= 1"),
        ({"min_area": 2.5}, "min_area=2.5 is not valid"),
        (
            {"dtype": np.uint8},
            "dtype=numpy.uint8 is not valid; choose numpy.float32 or numpy.float64",
        ),
        (
            {"shape": (5, 5)},
            r"shape=\(5, 5\) and min_area=100 leave no nucleus; give a larger shape or a smaller",
        ),
    ],
)
def test_bad_arguments_are_named(save, arguments, message):
    home = save(scene([disc(12, 20, 6)]))
    with pytest.raises(ValueError, match=message):
        load_cells(**arguments, data_home=home)


def test_a_missing_file_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setenv("SKPR_DATA", str(tmp_path))
    with pytest.raises(
        OSError, match="does not exist; set data_home or SKPR_DATA to the folder that holds cells"
    ):
        load_cells()


def test_other_files_are_refused(save):
    with pytest.raises(OSError, match="is not an npz file of 'images' and 'instances'"):
        load_cells(data_home=save(images=np.zeros((1, 4, 4))))
    home = save(images=np.zeros((1, 4, 4)), instances=np.zeros((1, 4, 5), int))
    with pytest.raises(
        OSError, match=r"holds images of shape \(1, 4, 4\) and instances of shape \(1, 4, 5\)"
    ):
        load_cells(data_home=home)
    for content in (b"", b"neither", b"PK\x03\x04 cut off"):
        (home / "cells" / "dsb2018_256x256.npz").write_bytes(content)
        with pytest.raises(OSError, match="is not an npz file"):
            load_cells(data_home=home)


HAS_DATA = "SKPR_DATA" in os.environ and (Path(os.environ["SKPR_DATA"]) / "cells").is_dir()


@pytest.mark.skipif(not HAS_DATA, reason="SKPR_DATA does not point to a folder that holds cells/")
def test_the_data_set_itself():
    bunch = load_cells((32, 32))
    assert bunch.data.shape == (5043, 32, 32)
    assert bunch.data.dtype == np.float32
    assert bunch.data.min() == 0
    np.testing.assert_array_equal(bunch.data.max(axis=(1, 2)), 1)
    assert (np.count_nonzero(bunch.data, axis=(1, 2)) > 50).all()
    assert len(np.unique(bunch.image)) == 330
    assert (np.diff(bunch.image) >= 0).all()
