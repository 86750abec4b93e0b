import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import h5py
import matplotlib
import matplotlib.pyplot
import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score

import skpr._facts
import skpr._lazy
import skpr._store
from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    LazyBatch,
    PhaseRetrievalRegressor,
    ReconstructionDisplay,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr._arrays import check_batch
from skpr._drawn import DrawnArray
from skpr._facts import facts_of
from skpr.augmentation import RandomDeformation
from skpr.detector import BeamStop, Binning, PhotonNoise
from skpr.iterative import combine_reconstructions
from skpr.metrics import (
    fourier_error,
    orbit_mean_squared_error,
    orbit_psnr,
    orbit_ssim,
    r_factor,
    relative_error,
)
from skpr.neural._sampling import BlockShuffle
from skpr.symmetry import GroupElement, act

N_SAMPLES = 50


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def objects(rng):
    """Real objects that are not symmetric, in a dark frame."""
    return np.pad(rng.random((N_SAMPLES, 5, 6)).astype(np.float32), ((0, 0), (2, 2), (3, 2)))


@pytest.fixture(params=["memmap", "hdf5", "zarr", "dask"])
def on_disk(request, tmp_path, objects):
    """The same objects, on disk."""
    if request.param == "memmap":
        np.save(tmp_path / "objects.npy", objects)
        yield np.load(tmp_path / "objects.npy", mmap_mode="r")
    elif request.param == "hdf5":
        with h5py.File(tmp_path / "objects.h5", "w") as file:
            yield file.create_dataset(
                "objects", data=objects, chunks=(7, 9, 11), compression="gzip"
            )
    elif request.param == "zarr":
        zarr = pytest.importorskip("zarr")
        array = zarr.create_array(
            str(tmp_path / "objects.zarr"), shape=objects.shape, dtype="f4", chunks=(7, 9, 11)
        )
        array[:] = objects
        yield array
    else:
        dask = pytest.importorskip("dask.array")
        yield dask.from_array(objects, chunks=(7, 9, 11))


@pytest.fixture
def small_blocks(monkeypatch, objects):
    """Blocks and pools of a few samples, so that a small file has many."""
    monkeypatch.setattr(skpr._store, "BLOCK_BYTES", 7 * objects[0].nbytes)
    monkeypatch.setattr(skpr._store, "POOL_BYTES", 15 * objects[0].nbytes)
    monkeypatch.setattr(skpr._lazy, "READ_VALUES", 4 * objects[0].size)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(3, 40, 7),
        slice(30, 2, -5),
        [4, 4, 1, 49],
        [-1, -50],
        np.arange(N_SAMPLES) % 3 == 0,
        [],
    ],
    ids=["all", "some", "back", "list", "last", "mask", "none"],
)
def test_a_part_of_it_is_that_part_of_the_array(on_disk, objects, index):
    batch = LazyBatch(on_disk)
    np.testing.assert_array_equal(np.asarray(batch[index]), objects[index])
    np.testing.assert_array_equal(
        np.asarray(batch[5:45][::-1][[0, 3]]), objects[5:45][::-1][[0, 3]]
    )
    np.testing.assert_array_equal(batch[-2], objects[-2])
    np.testing.assert_array_equal(batch + 1, objects + 1)


def test_it_looks_like_an_array(on_disk, objects):
    batch = LazyBatch(on_disk)
    assert (batch.shape, batch.dtype, batch.ndim) == (objects.shape, objects.dtype, objects.ndim)
    assert (len(batch), batch.size, batch.nbytes) == (len(objects), objects.size, objects.nbytes)
    np.testing.assert_array_equal(np.array(batch, dtype=np.float64), objects)
    np.testing.assert_array_equal(next(iter(batch)), objects[0])


@pytest.mark.parametrize("index", [[50], [-51], [[0]], np.ones(3, bool), [0.5], (0, 1)], ids=str)
def test_what_is_no_sample_is_refused(on_disk, index):
    with pytest.raises(IndexError):
        LazyBatch(on_disk)[index]


@pytest.mark.parametrize("array", [[1.0], "objects.npy", None], ids=str)
def test_what_is_not_on_disk_is_refused(array):
    with pytest.raises(TypeError, match="not an array on disk"):
        LazyBatch(array)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "transformer",
    [
        FourierMagnitude(oversampling=2.2),
        FourierMagnitude(centered=False),
        GaussianMagnitude(random_state=0),
        ShiftFlipAugmenter(frame_shape=14, random_phase=True, random_state=0),
        RandomDeformation(random_state=0),
        SymmetryCanonicalizer(),
        SymmetryCanonicalizer("centroid", "bispectrum", None),
        SymmetryCanonicalizer("box", None, boundary="circular", max_samples=40),
        BeamStop(2, random_state=0),
        Binning(2),
    ],
    ids=repr,
)
def test_transformers_make_of_it_what_they_make_of_the_array(transformer, on_disk, objects):
    expected = transformer.fit_transform(objects)
    made = transformer.fit_transform(LazyBatch(on_disk))
    assert isinstance(made, LazyBatch)
    assert (made.shape, made.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(np.asarray(made), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.asarray(made[[30, 2]]), expected[[30, 2]], rtol=1e-5, atol=1e-6)


def test_complex_objects_are_read_too(tmp_path, rng):
    objects = np.pad(
        rng.random((9, 6, 5)) + 1j * rng.random((9, 6, 5)), ((0, 0), (1, 2), (2, 1))
    ).astype(np.complex64)
    np.save(tmp_path / "objects.npy", objects)
    batch = LazyBatch(np.load(tmp_path / "objects.npy", mmap_mode="r"))
    canonical = SymmetryCanonicalizer().fit_transform(batch)
    np.testing.assert_allclose(
        np.asarray(canonical), SymmetryCanonicalizer().fit_transform(objects), atol=1e-5
    )
    assert relative_error(batch, canonical) < 1e-10


def test_integers_are_read_in_a_precision_that_holds_them(tmp_path):
    np.save(tmp_path / "objects.npy", np.arange(12, dtype=">u2").reshape(4, 3))
    batch = LazyBatch(np.load(tmp_path / "objects.npy", mmap_mode="r"))
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(batch), np.arange(12).reshape(4, 3))


def test_steps_that_draw_every_pixel_refuse_it(on_disk):
    step = PhotonNoise(random_state=0).fit(LazyBatch(on_disk))
    with pytest.raises(TypeError, match="detector="):
        step.transform(LazyBatch(on_disk))


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "contains NaN in 1 of 4950 values"), (np.inf, "contains infinity in 1 of")],
)
def test_bad_values_on_disk_are_found(tmp_path, objects, value, message):
    objects[33, 2, 1] = value
    np.save(tmp_path / "objects.npy", objects)
    with pytest.raises(ValueError, match=message):
        FourierMagnitude().fit(np.load(tmp_path / "objects.npy", mmap_mode="r"))


def test_magnitudes_on_disk_are_checked(tmp_path, objects):
    magnitudes = FourierMagnitude().fit_transform(objects)
    retriever = IterativePhaseRetrieval(n_iter=2, random_state=0)
    for change, message in (
        (-1.0, "Negative values"),
        (np.nan, "NaN in every pixel of 1 of 50 samples.*index 7"),
    ):
        magnitudes[7] = change
        np.save(tmp_path / "magnitudes.npy", magnitudes)
        with pytest.raises(ValueError, match=message):
            retriever.fit(np.load(tmp_path / "magnitudes.npy", mmap_mode="r"))


@pytest.mark.usefixtures("small_blocks")
def test_what_was_checked_is_not_read_again(on_disk, monkeypatch):
    batch = LazyBatch(on_disk)
    facts = facts_of(batch)
    assert facts.minimum == 0
    scanned, passes = skpr._facts._scanned, []
    monkeypatch.setattr(
        skpr._facts, "_scanned", lambda parts: passes.append(list(parts)) or scanned(passes[-1])
    )
    for check in (check_batch, LazyBatch):
        assert check(batch).facts is facts
    check_batch(FourierMagnitude().fit(batch).transform(batch))
    assert batch[:7].facts == facts  # holds for some what holds for all
    assert FourierMagnitude().fit_transform(batch).facts.complete
    assert SymmetryCanonicalizer().fit_transform(batch).facts.minimum == 0
    act(
        batch,
        GroupElement(np.ones((N_SAMPLES, 2), int), np.ones(N_SAMPLES, bool), np.ones(N_SAMPLES)),
    )
    assert all(
        len(parts) == 1 for parts in passes
    )  # in memory: a pass over the file would be in many parts


def test_pickles_hold_the_place_and_not_the_data(on_disk, objects):
    made = FourierMagnitude().fit_transform(LazyBatch(on_disk)[3:20])
    if type(on_disk).__module__.startswith("h5py"):
        on_disk.file.flush()
    if not type(on_disk).__module__.startswith("dask"):  # which holds these in memory
        assert len(pickle.dumps(LazyBatch(on_disk))) < 2000
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(made))


@pytest.mark.parametrize("n_samples", [1, 10, 23])
@pytest.mark.parametrize("block_rows", [1, 4])
def test_shuffling_in_blocks_takes_every_sample_once(n_samples, block_rows):
    order = list(BlockShuffle(np.arange(n_samples) // block_rows, pool_rows=8))
    assert sorted(order) == list(range(n_samples))
    for start in range(0, n_samples, 8):  # a pool of them has few blocks
        assert len({i // block_rows for i in order[start : start + 8]}) <= 8 // block_rows + 1


def fitted(X, y=None, **parameters):
    parameters = {
        "max_epochs": 3,
        "batch_size": 8,
        "module__hidden_width": 16,
        "device": "cpu",
    } | parameters
    return make_phase_retriever(**parameters, random_state=0).fit(X, X if y is None else y)


def test_a_network_trained_from_disk_is_the_one_trained_from_memory(on_disk, objects):
    batch = LazyBatch(on_disk)
    from_disk, from_memory = fitted(batch), fitted(objects)
    expected = from_memory.predict(objects)
    np.testing.assert_allclose(from_disk.predict(batch), expected, atol=1e-4 * expected.max())
    assert from_disk.score(batch, batch) == pytest.approx(
        from_memory.score(objects, objects), abs=1e-4
    )


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_network_learns_from_more_than_a_pool(on_disk, objects, early_stopping):
    model = fitted(on_disk, max_epochs=40, early_stopping=early_stopping)
    worse = fitted(on_disk, max_epochs=1)
    assert model.score(objects, objects) > worse.score(objects, objects)


@pytest.mark.usefixtures("small_blocks")
def test_one_pass_reads_each_block_once(on_disk, monkeypatch):
    if isinstance(on_disk, np.memmap):
        pytest.skip("the operating system keeps what was read of a memory map")
    batch = LazyBatch(on_disk)
    read = []
    keep = type(batch._store)._block

    def block(self, number):
        if number not in self.blocks:
            read.append(number)
        return keep(self, number)

    monkeypatch.setattr(type(batch._store), "_block", block)
    loader = PhaseRetrievalRegressor(batch_size=4)
    for _ in loader.get_iterator(loader.get_dataset(batch, batch), training=True):
        pass
    assert sorted(read) == list(range(-(-N_SAMPLES // batch.block_rows)))


def test_scoring_from_disk_holds_a_few_predictions_at_a_time(on_disk, objects, monkeypatch):
    model = fitted(objects)
    monkeypatch.setattr("skpr.metrics._scorers.SCORED", 16)
    lengths = []
    keep = PhaseRetrievalRegressor.predict
    monkeypatch.setattr(
        PhaseRetrievalRegressor, "predict", lambda self, X: lengths.append(len(X)) or keep(self, X)
    )
    assert model.score(on_disk, on_disk) == pytest.approx(model.score(objects, objects), abs=1e-5)
    assert lengths == [16, 16, 16, 2, 50]


def test_cross_validation_splits_without_reading(on_disk, objects):
    model = make_phase_retriever(max_epochs=2, module__hidden_width=8, random_state=0, device="cpu")
    scores = cross_val_score(model, LazyBatch(on_disk), LazyBatch(on_disk), cv=3)
    np.testing.assert_allclose(scores, cross_val_score(model, objects, objects, cv=3), atol=1e-3)


def test_retrieval_reads_magnitudes_from_disk(on_disk, objects):
    magnitudes = FourierMagnitude().fit_transform(LazyBatch(on_disk)[:6])
    retriever = IterativePhaseRetrieval(n_iter=5, random_state=0)
    expected = retriever.fit(np.asarray(magnitudes), objects[:6]).predict(np.asarray(magnitudes))
    found = retriever.fit(magnitudes, LazyBatch(on_disk)[:6]).predict(magnitudes)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_holds_all_in_memory_reads_memory_maps(tmp_path, objects):
    np.save(tmp_path / "objects.npy", objects)
    mapped = np.load(tmp_path / "objects.npy", mmap_mode="r")
    magnitudes = FourierMagnitude().fit_transform(objects)
    assert combine_reconstructions(mapped).object.shape == objects.shape[1:]
    retriever = IterativePhaseRetrieval(n_iter=2, random_state=0).fit(magnitudes, objects)
    expected = retriever.retrieve(magnitudes, init=objects).objects
    np.testing.assert_array_equal(retriever.retrieve(magnitudes, init=mapped).objects, expected)
    matplotlib.use("Agg")
    ReconstructionDisplay.from_predictions(mapped, mapped, magnitudes, n_rows=1)


@pytest.mark.parametrize(
    "metric",
    [
        relative_error,
        orbit_mean_squared_error,
        partial(orbit_psnr, data_range=1),
        partial(orbit_ssim, data_range=1),
    ],
    ids=["relative", "mse", "psnr", "ssim"],
)
def test_metrics_read_it(metric, on_disk, objects):
    shifted = np.roll(objects, 1, axis=1) + np.float32(0.01)
    assert metric(LazyBatch(on_disk), shifted) == pytest.approx(metric(objects, shifted), rel=1e-5)
    assert metric(shifted, LazyBatch(on_disk)) == pytest.approx(metric(shifted, objects), rel=1e-5)


def test_fourier_errors_read_it(on_disk, objects):
    magnitudes = FourierMagnitude().fit_transform(objects) + np.float32(0.1)
    for metric in (fourier_error, r_factor):
        assert metric(magnitudes, LazyBatch(on_disk)) == pytest.approx(
            metric(magnitudes, objects), rel=1e-5
        )


def test_it_is_computed_where_it_is_asked_for(on_disk):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    assert FourierMagnitude().fit_transform(LazyBatch(on_disk)).read("cuda").device.type == "cuda"


def test_magnitudes_that_overflow_are_found(tmp_path):
    np.save(tmp_path / "objects.npy", np.full((3, 64, 64), 1e36, np.float32))
    batch = LazyBatch(np.load(tmp_path / "objects.npy", mmap_mode="r"))
    with pytest.raises(ValueError, match="contains .*infinity"):
        check_batch(FourierMagnitude().fit_transform(batch))


@pytest.mark.parametrize("max_samples", [1, 50, 127, 900])
def test_some_of_a_batch_come_from_all_over_it(max_samples):
    some = skpr._lazy.some_of(np.arange(1000), max_samples)
    assert len(some) <= max_samples
    assert len(np.unique(some)) == len(some)
    assert max_samples < 16 or (some.max() > 900 and len(some) > 0.8 * max_samples)


def test_of_drawn_samples_fewer_are_enough(objects):
    draw = partial(np.full, fill_value=1.0)
    drawn = LazyBatch(DrawnArray(lambda n, random_state: draw((n, 2)), 10**6, 1, 0, {}))
    assert skpr._lazy.enough_of(None, objects) is None
    assert skpr._lazy.enough_of(50_000, objects, objects) == 50_000
    for batches in ((drawn,), (objects, drawn)):
        assert skpr._lazy.enough_of(50_000, *batches) == skpr._lazy.DRAWN
        assert skpr._lazy.enough_of(None, *batches) == skpr._lazy.DRAWN
        assert skpr._lazy.enough_of(7, *batches) == 7


@pytest.mark.usefixtures("small_blocks")
def test_samples_in_any_order_are_shuffled_by_the_blocks_they_are_in(on_disk):
    batch = LazyBatch(on_disk)[np.random.default_rng(1).permutation(N_SAMPLES)]
    order = list(BlockShuffle(batch.block_numbers, pool_rows=14))
    assert sorted(order) == list(range(N_SAMPLES))
    assert len(set(batch.block_numbers[order[:7]])) <= 2


def test_lengths_that_differ_are_refused_by_scores(on_disk, objects):
    model = fitted(objects, max_epochs=1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(LazyBatch(on_disk)[:10], LazyBatch(on_disk))


def test_sizes_that_dask_does_not_know_are_asked_for(objects):
    dask = pytest.importorskip("dask.array")
    array = dask.from_array(objects)
    with pytest.raises(ValueError, match=r"X: array has shape \(nan, 9, 11\).*compute_chunk_sizes"):
        check_batch(array[array[:, 0, 0] == 0])


@pytest.mark.parametrize("dtype", ["S3", "M8[s]", [("a", "f4")]], ids=str)
def test_arrays_on_disk_that_hold_no_numbers_are_refused(tmp_path, dtype):
    np.save(tmp_path / "x.npy", np.zeros((3, 4), dtype=dtype))
    with pytest.raises(
        TypeError, match="array holds values of type .*; give real or complex numbers"
    ):
        LazyBatch(np.load(tmp_path / "x.npy", mmap_mode="r"))


def test_no_samples_on_disk_are_refused(tmp_path):
    with h5py.File(tmp_path / "objects.h5", "w") as file:
        empty = file.create_dataset("objects", shape=(0, 4, 4), dtype="f4")
        assert np.asarray(LazyBatch(empty)).shape == (0, 4, 4)
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            FourierMagnitude().fit(empty)


@pytest.mark.usefixtures("small_blocks")
def test_threads_read_what_one_thread_reads(on_disk, objects):
    batch = LazyBatch(on_disk)
    rng = np.random.default_rng(0)
    picks = [rng.integers(0, N_SAMPLES, 20) for _ in range(60)]
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda pick: np.asarray(batch[pick]), picks))
    for pick, part in zip(picks, read, strict=True):
        np.testing.assert_array_equal(part, objects[pick])


def test_containers_in_memory_that_carry_more_than_values_are_no_batch_on_disk():
    with pytest.raises(TypeError, match="array=MaskedArray is not an array on disk"):
        LazyBatch(np.ma.masked_greater(np.ones((2, 3)), 0))
