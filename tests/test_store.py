import pickle

import h5py
import numpy as np
import pytest

from skpr import LazyBatch
from skpr._arrays import check_batch


@pytest.fixture
def objects():
    """Real objects that are not symmetric, in a dark frame."""
    drawn = np.random.default_rng(0).random((50, 5, 6)).astype(np.float32)
    return np.pad(drawn, ((0, 0), (2, 2), (3, 2)))


def test_views_of_a_memory_map_are_found_again(tmp_path, objects):
    np.save(tmp_path / "objects.npy", objects)
    view = np.load(tmp_path / "objects.npy", mmap_mode="r")[5:][2:30]
    np.testing.assert_array_equal(
        np.asarray(pickle.loads(pickle.dumps(LazyBatch(view)))), objects[7:35]
    )


def test_what_is_read_is_not_the_file(tmp_path, objects):
    np.save(tmp_path / "objects.npy", objects)
    batch = LazyBatch(np.load(tmp_path / "objects.npy", mmap_mode="r+"))
    batch.read().zero_()
    np.testing.assert_array_equal(np.asarray(batch), objects)


def test_changes_of_a_copy_on_write_map_go_along(tmp_path, objects):
    np.save(tmp_path / "objects.npy", objects)
    mapped = np.load(tmp_path / "objects.npy", mmap_mode="c")
    mapped[0] = 7
    for batch in (LazyBatch(mapped), LazyBatch(mapped[:9])):
        assert pickle.loads(pickle.dumps(batch))[0].max() == 7


VIEWS = {
    "Fortran order": np.asfortranarray,
    "every other": lambda a: a[::2],
    "backwards": lambda a: a[::-1],
    "window": lambda a: a[3:40, 2:7, 1:],
    "turned": lambda a: a.swapaxes(1, 2),
    "mirrored": lambda a: a[:, ::-1, ::-3],
    "repeated": lambda a: np.lib.stride_tricks.as_strided(
        a, (9, *a.shape[1:]), (0, *a.strides[1:]), subok=True
    ),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", ["f4", ">i2", "c8"])
def test_any_view_of_a_memory_map_is_pickled_by_its_place(view, dtype, tmp_path, objects):
    values = (100 * objects).astype(dtype)
    if view is np.asfortranarray:
        values = view(values)
    np.save(tmp_path / "objects.npy", values)
    mapped = np.load(tmp_path / "objects.npy", mmap_mode="r")
    viewed = mapped if view is np.asfortranarray else view(mapped)
    pickled = pickle.dumps(LazyBatch(viewed))
    assert len(pickled) < 2000
    again = pickle.loads(pickle.dumps(pickle.loads(pickled)))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(viewed))


def test_a_field_of_records_on_disk_is_read(tmp_path):
    records = np.zeros(5, dtype=[("kind", "u1"), ("image", "f4", (2, 3))])
    records["image"] = np.arange(30).reshape(5, 2, 3)
    np.save(tmp_path / "records.npy", records)
    mapped = np.load(tmp_path / "records.npy", mmap_mode="r")
    np.testing.assert_array_equal(np.asarray(check_batch(mapped["image"])), records["image"])
    np.testing.assert_array_equal(
        np.asarray(pickle.loads(pickle.dumps(LazyBatch(mapped["image"])))), records["image"]
    )
    with pytest.raises(TypeError, match=r"several arrays \('kind', 'image'\)"):
        check_batch(mapped)


def test_a_file_that_is_gone_is_named(tmp_path, objects):
    np.save(tmp_path / "objects.npy", objects)
    pickled = pickle.dumps(LazyBatch(np.load(tmp_path / "objects.npy", mmap_mode="r")))
    (tmp_path / "objects.npy").unlink()
    with pytest.raises(
        OSError, match=r"objects.npy, which a pickled batch was read from, cannot be opened again"
    ):
        pickle.loads(pickled)


def test_a_closed_file_is_named(tmp_path, objects):
    with h5py.File(tmp_path / "objects.h5", "w") as file:
        dataset = file.create_dataset("objects", data=objects)
        batch = LazyBatch(dataset)
    for use in (
        lambda: check_batch(dataset),
        lambda: LazyBatch(dataset),
        batch.read,
        lambda: pickle.dumps(batch),
    ):
        with pytest.raises(
            ValueError, match="the HDF5 file of this dataset is closed; keep it open"
        ):
            use()


def test_a_file_in_memory_is_pickled_by_value(objects):
    with h5py.File("nowhere.h5", "w", driver="core", backing_store=False) as file:
        batch = LazyBatch(file.create_dataset("objects", data=objects))
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(batch))), objects)


def test_a_file_that_is_being_written_is_pickled_as_it_is(tmp_path, objects):
    with h5py.File(tmp_path / "objects.h5", "w") as file:
        batch = LazyBatch(file.create_dataset("objects", data=np.zeros_like(objects)))
        file["objects"][:] = objects
        np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(batch))), objects)


@pytest.mark.parametrize("dtype", ["f4", "i4"])
def test_masked_values_on_disk_are_unmeasured(dtype):
    dask = pytest.importorskip("dask.array")
    masked = np.ma.masked_greater(np.arange(12).reshape(3, 4).astype(dtype), 9)
    batch = check_batch(dask.from_array(masked, chunks=2), ensure_all_finite="allow-nan")
    np.testing.assert_array_equal(np.isnan(np.asarray(batch)), masked.mask)
    with pytest.raises(ValueError, match="contains NaN in 2 of 12 values"):
        check_batch(dask.from_array(masked, chunks=2))
