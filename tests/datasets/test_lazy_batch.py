import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from skpr import (
    FourierMagnitude,
    LazyBatch,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr._drawn import DrawnArray
from skpr.augmentation import RandomDeformation
from skpr.datasets import make_cells, make_crystals, make_lazy_batch
from skpr.detector import MissingPixels
from tests.conftest import same_seeds_in_workers

SMALL = {"module__hidden_width": 8, "max_epochs": 2, "device": "cpu", "random_state": 0}
crystals = partial(make_lazy_batch, make_crystals, shape=(12, 12), random_state=0)
DRAWN = []


def counted(n_samples, random_state, **settings):
    DRAWN.append(n_samples)
    return make_crystals(n_samples, random_state=random_state, **settings)


def moved(n_samples, random_state, **settings):
    """Crystals at random places on their orbits."""
    objects = make_crystals(n_samples, random_state=random_state, **settings).data
    return ShiftFlipAugmenter(random_state=random_state).fit_transform(objects)


def signed(n_samples, random_state, share, shape=(8, 8)):
    """Objects of which some, a share of about `share`, have negative values."""
    rng = np.random.RandomState(random_state)
    values = rng.random_sample((n_samples, *shape)) + 0.01
    return np.where(rng.random_sample(n_samples)[:, None, None] < share, values - 1, values)


@pytest.fixture
def draws():
    """Number of objects in each call of `counted`."""
    DRAWN.clear()
    return DRAWN


def predictions(model, X):
    found = model.predict(X)
    return found, np.abs(found).max()


@pytest.mark.parametrize("make", [make_crystals, make_cells])
def test_a_batch_holds_what_its_function_draws(make):
    batch = make_lazy_batch(make, 30, shape=(16, 16), random_state=0)
    assert isinstance(batch, LazyBatch)
    assert batch.shape == (30, 16, 16)
    objects = np.asarray(batch)
    assert len(np.unique(objects.reshape(30, -1), axis=0)) == 30
    assert objects.max(axis=(1, 2)).min() > 0


def test_a_million_objects_are_made_at_once_and_take_no_memory(draws):
    tracemalloc.start()
    batch = make_lazy_batch(counted, 1_000_000, shape=(16, 16), random_state=0)
    some = batch[np.arange(0, 1_000_000, 1000)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert draws == [1] * 4  # to learn the shape, and to check the seeds
    assert some.shape == (1000, 16, 16)
    assert peak < 1 << 20


def test_memory_stays_below_the_pool(monkeypatch):
    monkeypatch.setattr("skpr._store.POOL_BYTES", 1 << 18)
    batch = make_lazy_batch(signed, 1200, share=0.0, shape=(32, 64), random_state=0)
    tracemalloc.start()
    for start in range(0, 1200, 100):
        batch[start : start + 100].read()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 1 << 20  # of 19 MiB that were read


@pytest.mark.parametrize("module", ["mlp", "unet"])
@pytest.mark.parametrize("max_phase", [0.0, 2.0])
@pytest.mark.parametrize("block_size", [1, 4])
def test_a_network_is_that_of_an_array_of_the_same_objects(module, max_phase, block_size):
    batch = crystals(40, max_phase=max_phase, block_size=block_size)
    model = make_phase_retriever(module, batch_size=16, early_stopping=True, **SMALL)
    model.set_params(**{"retrieve__regressor__module__hidden_width": 8})
    expected, largest = predictions(clone(model).fit(*[np.asarray(batch)] * 2), batch)
    found, _ = predictions(model.fit(batch, batch), batch)
    np.testing.assert_allclose(found, expected, atol=1e-4 * largest)


@pytest.mark.parametrize("max_phase", [0.0, 2.0])
@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("block_size", [1, 8])
def test_each_object_is_drawn_once_in_an_epoch(max_phase, breaks, block_size, draws, monkeypatch):
    monkeypatch.setattr("skpr._store.POOL_BYTES", 128 * 12 * 12 * 4)  # 64 complex objects
    network = PhaseRetrievalRegressor("mlp", batch_size=16, **SMALL)
    model = SymmetryBreakingRegressor(network) if breaks else network
    n_samples, counts = 300, []
    for n_epochs in (1, 2):
        batch = make_lazy_batch(
            counted,
            n_samples,
            block_size=block_size,
            shape=(12, 12),
            max_phase=max_phase,
            random_state=0,
        )
        draws.clear()
        clone(model).set_params(
            **{"regressor__max_epochs" if breaks else "max_epochs": n_epochs}
        ).fit(FourierMagnitude().fit_transform(batch), batch)
        counts.append(sum(draws))
    n_per_epoch = counts[1] - counts[0]
    # a block may be drawn again where one pool follows another
    assert n_samples * 0.6 < n_per_epoch <= n_samples * (1.0 if block_size == 1 else 1.1)


@pytest.mark.parametrize("max_phase", [0.0, 2.0])
def test_checks_and_statistics_before_a_training_need_a_part(max_phase, draws, monkeypatch):
    monkeypatch.setattr("skpr._store.POOL_BYTES", 600 * 12 * 12 * (4 if max_phase == 0 else 8))
    batch = make_lazy_batch(counted, 2000, shape=(12, 12), max_phase=max_phase, random_state=0)
    make_phase_retriever(**SMALL | {"max_epochs": 1}).fit(batch, batch)
    assert 2000 - 600 <= sum(draws) < 2000 + 1300  # another pass would be 2000


def test_a_set_that_fits_in_memory_is_drawn_once_in_all_epochs(draws):
    batch = make_lazy_batch(counted, 60, shape=(12, 12), random_state=0)
    make_phase_retriever(**SMALL).fit(batch, batch)
    assert sum(draws) == 64  # four of them when the batch was made


def test_transformers_need_a_part_only(draws, monkeypatch):
    batch = make_lazy_batch(counted, 5000, shape=(12, 12), random_state=0)
    canonical = SymmetryCanonicalizer(max_iter=3).fit_transform(batch)
    ShiftFlipAugmenter(random_state=0).fit(batch)
    FourierMagnitude().fit_transform(canonical)
    RandomDeformation(random_state=0).fit_transform(batch)
    assert sum(draws) < 2000


def test_canonical_objects_are_those_of_the_array_and_stay_so():
    batch = crystals(50, max_phase=2.0)
    canonicalizer = SymmetryCanonicalizer().fit(batch)
    made = canonicalizer.transform(batch)
    expected = canonicalizer.transform(np.asarray(batch))
    canonicalizer.fit(np.asarray(batch)[:7, ::-1])  # what was made keeps the first template
    np.testing.assert_allclose(np.asarray(made), expected, atol=1e-5)


def test_weights_belong_to_their_objects():
    # pixel statistics and training use the same objects for arrays and for drawn objects
    objects = crystals(1500)
    weights = np.random.default_rng(0).random(1500)
    magnitudes = FourierMagnitude().fit_transform(np.asarray(objects))
    network = PhaseRetrievalRegressor("mlp", **SMALL)
    gains = [
        clone(network).fit(X, objects, sample_weight=weights).module_.gain.item()
        for X in (magnitudes, FourierMagnitude().fit_transform(objects))
    ]
    assert gains[0] == pytest.approx(1, rel=1e-4)
    assert gains[1] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("max_phase", [0.0, 2.0])
def test_folds_and_grids_are_those_of_the_array(max_phase):
    batch = crystals(36, max_phase=max_phase)
    objects = np.asarray(batch)
    model = make_phase_retriever(**SMALL)
    np.testing.assert_allclose(
        cross_val_score(model, batch, batch, cv=3),
        cross_val_score(model, objects, objects, cv=3),
        atol=1e-3,
    )
    grid = {"retrieve__regressor__module__hidden_width": [2, 8]}
    search = GridSearchCV(model, grid, cv=2)
    found, expected = (clone(search).fit(X, X).cv_results_ for X in (batch, objects))
    np.testing.assert_allclose(found["mean_test_score"], expected["mean_test_score"], atol=1e-3)


@same_seeds_in_workers
def test_other_processes_draw_the_same():
    batch = make_lazy_batch(moved, 20, block_size=4, shape=(12, 12), random_state=0)
    there = Parallel(2)(delayed(np.asarray)(batch[part]) for part in (slice(9), slice(9, 20)))
    np.testing.assert_array_equal(np.concatenate(there), np.asarray(batch))


@pytest.mark.parametrize("block_size", [1, 4])
def test_a_worker_draws_for_a_training(block_size):
    batch = crystals(40, max_phase=2.0, block_size=block_size)
    model = make_phase_retriever(batch_size=16, **SMALL)
    expected, largest = predictions(clone(model).fit(batch, batch), batch)
    model.set_params(retrieve__regressor__iterator_train__num_workers=1)
    found, _ = predictions(model.fit(batch, batch), batch)
    np.testing.assert_allclose(found, expected, atol=1e-4 * largest)


def test_refined_predictions_learn_from_a_part(draws, monkeypatch):
    monkeypatch.setattr("skpr._store.POOL_BYTES", 1200 * 12 * 12 * 4)
    batch = make_lazy_batch(counted, 3000, shape=(12, 12), random_state=0)
    network = PhaseRetrievalRegressor("mlp", **SMALL | {"max_epochs": 1})
    RefinedRegressor(network).fit(FourierMagnitude().fit_transform(batch), batch)
    assert sum(draws) < 2 * 3000


def test_generators_of_the_process_are_left_alone():
    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    batch = make_lazy_batch(moved, 20, shape=(12, 12), random_state=0)
    np.asarray(batch)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_seeds_repeat_and_none_draws_one_seed_when_the_batch_is_made():
    first, again, other, unknown, too = (
        make_lazy_batch(make_crystals, 5, shape=(12, 12), random_state=seed)
        for seed in (0, 0, 1, None, np.random.RandomState(7))
    )
    np.testing.assert_array_equal(np.asarray(first), np.asarray(again))
    np.testing.assert_array_equal(np.asarray(unknown), np.asarray(unknown[:]))
    for one, two in ((first, other), (unknown, too)):
        assert not np.array_equal(np.asarray(one), np.asarray(two))


def test_objects_of_another_sign_than_the_first_are_refused():
    batch = make_lazy_batch(signed, 4000, share=0.004, random_state=0)
    negative = np.flatnonzero(np.asarray(batch).min(axis=(1, 2)) < 0)
    longest = np.diff(negative).argmax()
    batch = batch[negative[longest] + 1 : negative[longest + 1] + 1]
    assert np.asarray(batch[:32]).min() > 0 > np.asarray(batch[-1:]).min()
    network = PhaseRetrievalRegressor("mlp", **SMALL)
    with pytest.raises(
        ValueError, match="a sample drawn now holds the negative value -0.9.*first 32 samples"
    ):
        network.fit(FourierMagnitude().fit_transform(batch), batch)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_sign_of_objects_is_found_in_the_first(share):
    batch = make_lazy_batch(signed, 60, share=share, random_state=0)
    network = PhaseRetrievalRegressor("mlp", **SMALL)
    network.fit(FourierMagnitude().fit_transform(batch), batch)
    assert network.is_non_negative_ == (share == 0)


def test_missing_pixels_may_be_drawn_too():
    batch = crystals(60)
    magnitudes = MissingPixels(fraction=0.1, random_state=0).fit_transform(
        FourierMagnitude().fit_transform(np.asarray(batch))
    )
    network = PhaseRetrievalRegressor("mlp", **SMALL).fit(magnitudes, batch)
    assert np.isfinite(network.predict(magnitudes)).all()


def test_a_checkpoint_compares_function_settings_and_seed(tmp_path, monkeypatch):
    make = partial(make_lazy_batch, make_crystals, 1500)
    network = PhaseRetrievalRegressor("mlp", checkpoint=tmp_path / "run.checkpoint", **SMALL)
    batch = make(shape=(12, 12), random_state=0)
    network.fit(FourierMagnitude().fit_transform(batch), batch)
    again, drawn, keep = make(shape=(12, 12), random_state=0), [], DrawnArray.__getitem__
    monkeypatch.setattr(
        DrawnArray, "__getitem__", lambda self, rows: drawn.append(rows) or keep(self, rows)
    )
    resumed = clone(network).fit(FourierMagnitude().fit_transform(again), again)
    assert len(drawn) < 1400  # no epoch was left, and the comparison needs a part only
    np.testing.assert_array_equal(
        resumed.predict(np.ones((1, 24, 24))), network.predict(np.ones((1, 24, 24)))
    )
    others = {"shape": (12, 12), "random_state": 1}, {"shape": (12, 12), "dtype": np.float64}
    for other in (*(make(**{"random_state": 0} | one) for one in others), batch[::-1]):
        with pytest.raises(ValueError, match="belongs to a fit of other data"):
            clone(network).fit(FourierMagnitude().fit_transform(other), other)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"draw": 3}, TypeError, "draw=3 is not a function; give one that is called as draw"),
        ({"draw": dict}, TypeError, "draw=dict is not a function"),
        ({"n_samples": 0}, ValueError, "n_samples=0 is not valid; give an integer >= 1"),
        ({"n_samples": 2**40}, ValueError, "n_samples=1099511627776 is not valid; give at most"),
        ({"block_size": 1.5}, ValueError, "block_size=1.5 is not valid; give an integer >= 1"),
        ({"random_state": "0"}, ValueError, "cannot be used to seed"),
        ({"shape": (2, 2)}, ValueError, r"shape=\(2, 2\) is not valid"),
        ({"return_X_y": True}, TypeError, "draw=make_crystals returned samples 0 to 0 in a tuple"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_lazy_batch(**{"draw": make_crystals, "n_samples": 5} | arguments)


def unseeded(n_samples, random_state):
    return np.random.default_rng().random((n_samples, 6))


def always_the_same(n_samples, random_state):
    return np.random.RandomState(0).random_sample((n_samples, 6))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (unseeded, "draw=unseeded returned other samples when it was called again with the same"),
        (always_the_same, "draw=always_the_same returned the same samples for 5 values of random_"),
    ],
)
def test_functions_that_do_not_follow_the_seed_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        make_lazy_batch(draw, 5, random_state=0)


def test_objects_that_are_alike_by_chance_may_be_drawn():
    batch = make_lazy_batch(
        lambda n, random_state: np.random.RandomState(random_state).randint(2, size=(n, 1)),
        200,
        random_state=0,
    )
    assert {*np.asarray(batch).ravel()} == {0, 1}
    assert len(make_lazy_batch(always_the_same, 5, block_size=5)) == 5  # one seed only
