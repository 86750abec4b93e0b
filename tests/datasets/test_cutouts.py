import numpy as np
import pytest
import torch

from skpr.datasets import make_cutouts, make_lazy_batch

RAMP = np.arange(3 * 9 * 11, dtype=np.float64).reshape(3, 9, 11)  # all values differ


@pytest.mark.parametrize("container", [np.asarray, list])
def test_cutouts_are_windows_of_their_images(container):
    made = make_cutouts(200, images=container(RAMP), shape=(4, 5), dtype="float64", random_state=0)
    assert made.data.shape == (200, 4, 5)
    first = made.data[:, 0, 0].astype(int)
    image, row, column = np.unravel_index(first, RAMP.shape)
    np.testing.assert_array_equal(image, made.image)
    assert {*row} == set(range(6))  # every place occurs
    assert {*column} == set(range(7))
    for cutout, k, i, j in zip(made.data, image, row, column, strict=True):
        np.testing.assert_array_equal(cutout, RAMP[k, i : i + 4, j : j + 5])


@pytest.mark.parametrize(
    ("flip", "rotate", "n_orientations"),
    [(False, False, 1), (True, False, 4), (False, True, 4), (True, True, 8)],
)
def test_orientations_of_images_are_those_asked_for(flip, rotate, n_orientations):
    image = np.arange(25.0).reshape(1, 5, 5)
    made = make_cutouts(
        300, images=image, shape=(5, 5), flip=flip, rotate=rotate, random_state=0
    ).data
    found, counts = np.unique(made.reshape(300, -1), axis=0, return_counts=True)
    assert len(found) == n_orientations
    assert counts.min() > 0.5 * 300 / n_orientations
    if rotate and not flip:
        expected = {tuple(np.rot90(image[0], k).ravel()) for k in range(4)}
        assert {tuple(one) for one in found} == expected


@pytest.mark.parametrize(
    ("flip", "rotate", "n_orientations"), [(True, False, 8), (False, True, 24), (True, True, 48)]
)
def test_orientations_of_volumes_are_those_asked_for(flip, rotate, n_orientations):
    volume = np.arange(27.0).reshape(1, 3, 3, 3)
    made = make_cutouts(
        1000, images=volume, shape=(3, 3, 3), flip=flip, rotate=rotate, random_state=0
    ).data
    found = np.unique(made.reshape(1000, -1), axis=0).reshape(-1, 3, 3, 3)
    assert len(found) == n_orientations
    gradients = np.stack([(one[1:].sum() - one[:-1].sum()) for one in found])
    assert len(found) == len(np.unique(found.reshape(len(found), -1), axis=0)) == n_orientations
    if rotate and not flip:  # rotations keep the handedness of the axes
        steps = (
            np.stack([found[:, 1, 0, 0], found[:, 0, 1, 0], found[:, 0, 0, 1]], axis=1)
            - found[:, :1, 0, 0]
        )
        axes = np.log(np.abs(steps)) / np.log(3)
        handed = [
            np.linalg.det(np.sign(step)[:, None] * np.eye(3)[2 - np.rint(axis).astype(int)])
            for step, axis in zip(steps, axes, strict=True)
        ]
        np.testing.assert_allclose(handed, 1)
    assert np.isfinite(gradients).all()


def test_oblong_cutouts_fit_in_any_orientation():
    image = np.arange(60.0).reshape(1, 6, 10)
    made = make_cutouts(50, images=image, shape=(3, 6), rotate=True, random_state=0).data
    steps = np.abs(made[:, 0, 1] - made[:, 0, 0])
    assert {*steps} == {1, 10}


@pytest.mark.parametrize(
    ("dtype", "largest"), [("uint8", 255), ("uint16", 65535), ("float32", 1), ("complex64", 1)]
)
def test_values_of_integers_are_fractions_of_their_range(dtype, largest):
    images = np.array([[1.0, 2.0, 3.0]]).astype(dtype)
    made = make_cutouts(2, images=images, shape=(3,), random_state=0).data
    assert made.dtype == np.result_type(np.complex64 if dtype == "complex64" else np.float32)
    np.testing.assert_allclose(made[0], np.array([1, 2, 3]) / largest, rtol=1e-6)


def test_seeds_repeat_and_cutouts_differ():
    first, again, other = (
        make_cutouts(9, images=RAMP, shape=(2, 2), flip=True, rotate=True, random_state=seed).data
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_million_cutouts_are_made_when_they_are_read(tmp_path):
    np.save(tmp_path / "images.npy", RAMP.astype(np.uint8))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    settings = {"shape": (4, 4), "flip": True, "rotate": True}
    batch = make_lazy_batch(make_cutouts, 10**6, images=images, random_state=0, **settings)
    assert batch.shape == (10**6, 4, 4)
    some = np.asarray(batch[[999_999, 5, 5]])
    assert np.ptp(some[0]) > 0
    np.testing.assert_array_equal(some[1], some[2])
    assert not np.array_equal(some[0], some[1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": 3}, TypeError, "images=3 is not an array or a sequence of arrays"),
        ({"images": []}, ValueError, r"images=\[\] holds no image"),
        ({"images": [[[1.0]]]}, TypeError, r"image 0 is \[\[1.0\]\]; give an array of numbers"),
        ({"images": np.array([["a"]])}, TypeError, "give an array of numbers"),
        (
            {"images": np.ones((4, 8))},
            ValueError,
            r"image 0 has shape \(8,\); cut-outs with 2 axes need images with as many",
        ),
        (
            {"images": [np.ones((8, 8)), np.ones((2, 9))], "n_samples": 50},
            ValueError,
            r"image 1 has shape \(2, 9\), too small for a cut-out of shape \(3, 4\); leave it out",
        ),
        (
            {"images": np.full((1, 8, 8), np.nan)},
            ValueError,
            "image 0 holds NaN or infinity in a cut-out; every value must be finite",
        ),
        ({"shape": (0, 3)}, ValueError, r"shape=\(0, 3\) is not valid"),
        ({"flip": 1}, ValueError, "flip=1 is not valid; choose True or False"),
        ({"rotate": "yes"}, ValueError, "rotate='yes' is not valid; choose True or False"),
        ({"n_samples": 0}, ValueError, "n_samples=0 is not valid; give an integer >= 1"),
        ({"dtype": int}, ValueError, "dtype=int is not valid"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_cutouts(**{"images": RAMP, "shape": (3, 4), "random_state": 0} | arguments)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.ones(2, 8, 8), TypeError, r"image 0 is .*; give an array of numbers"),
        (np.ones((8, 9)), ValueError, r"give images\[None\] if this is one image"),
        (np.full((1, 8, 8), 200), ValueError, "image 0 holds integers of type int64, whose range"),
        (np.ma.masked_less(np.ones((1, 8, 8)), 2), ValueError, "image 0 has masked values"),
        (np.full((1, 8, 8), 1e300), ValueError, "every value must be finite in float32"),
    ],
    ids=["tensor", "one image", "int64", "masked", "too large"],
)
def test_images_that_would_be_misread_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        make_cutouts(2, images=images, shape=(4, 4), random_state=0)


def test_masked_arrays_without_masked_values_are_arrays():
    made = make_cutouts(2, images=np.ma.masked_less(RAMP, -1), shape=(3, 4), random_state=0).data
    assert type(made) is np.ndarray
