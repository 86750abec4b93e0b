import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.composition import RetrievedTargetRegressor
from skpr.composition._retrieved import judged_objects
from skpr.detector import PhotonNoise
from skpr.metrics import neg_relative_error_scorer, relative_error
from tests.conftest import random_objects

pytestmark = pytest.mark.filterwarnings("ignore:the objects fill their frame")


def network(epochs=2, **options):
    options = {"module__hidden_width": 32, "device": "cpu", "verbose": False} | options
    return PhaseRetrievalRegressor(max_epochs=epochs, criterion="orbit", **options)


def model(regressor=None, *, n_iter=60, n_starts=2, **options):
    nested = {name: options.pop(name) for name in list(options) if "__" in name}
    retriever = IterativePhaseRetrieval(n_iter=n_iter, n_starts=n_starts, device="cpu")
    regressor = network() if regressor is None else regressor
    made = RetrievedTargetRegressor(regressor, retriever, **{"random_state": 0} | options)
    return made.set_params(**nested)


@pytest.fixture(scope="module")
def pairs(digits):
    """Exact magnitudes of 64 digits, and the digits."""
    return FourierMagnitude().fit_transform(digits[:64]), digits[:64]


@pytest.fixture(scope="module")
def few(pairs):
    """The first 16 pairs, for tests whose number of samples does not matter."""
    return tuple(batch[:16] for batch in pairs)


@pytest.fixture(scope="module")
def fitted(few):
    """Estimator fitted on the patterns of `few` alone; no test changes it."""
    return model().fit(few[0])


def with_unknown(objects, unknown):
    targets = objects.copy()
    targets[unknown] = np.nan
    return targets


# --- what is learned ------------------------------------------------------------------------------


def test_training_without_objects_is_as_good_as_with_them(digits):
    magnitudes = FourierMagnitude().fit_transform(digits)
    train, test = slice(200), slice(200, None)
    regressor = SymmetryBreakingRegressor(
        PhaseRetrievalRegressor(
            max_epochs=20, lr=3e-3, module__hidden_width=64, device="cpu", random_state=0
        )
    )
    with_objects = clone(regressor).fit(magnitudes[train], digits[train])
    without = model(regressor, n_iter=100, n_starts=4).fit(magnitudes[train])
    raw = clone(regressor).set_params(transformer="passthrough")
    raw.fit(magnitudes[train], digits[train])
    errors = [
        relative_error(digits[test], one.predict(magnitudes[test]))
        for one in (with_objects, without, raw)
    ]
    assert errors[1] < 1.2 * errors[0]
    assert errors[1] < 0.9 * errors[2]
    assert without.accepted_.mean() > 0.9
    assert relative_error(digits[train][without.accepted_], without.targets_[without.accepted_]) < (
        0.1
    )


def test_the_score_without_objects_is_near_that_with_them(pairs):
    X, y = pairs
    fitted = model(n_iter=200, n_starts=4).fit(X[:48])
    assert fitted.score(X[48:]) == pytest.approx(fitted.score(X[48:], y[48:]), abs=0.02)


def test_known_objects_are_used_as_they_are(pairs):
    X, y = pairs
    fitted = model().fit(X, with_unknown(y, slice(16, None)))
    np.testing.assert_array_equal(fitted.targets_[:16], y[:16])
    assert list(fitted.verdicts_[:16]) == ["given"] * 16
    assert "given" not in fitted.verdicts_[16:]
    assert relative_error(y[16:], fitted.targets_[16:]) < 0.2


def test_with_all_objects_known_nothing_is_retrieved(pairs, monkeypatch):
    X, y = pairs
    monkeypatch.setattr(IterativePhaseRetrieval, "retrieve", None)
    fitted = model().fit(X, y)
    plain = network(random_state=fitted.regressor_.random_state).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))
    assert fitted.accepted_.all()


def test_retrieved_objects_have_the_unit_of_known_ones(pairs):
    X, y = pairs
    targets = with_unknown(1000 * y, slice(8, None))
    fitted = model().fit(X, targets)
    assert fitted.unit_ == pytest.approx(1000, rel=1e-3)
    norms = np.linalg.norm(fitted.targets_.reshape(64, -1), axis=1)
    np.testing.assert_allclose(norms, 1000 * np.linalg.norm(y.reshape(64, -1), axis=1), rtol=0.05)


def test_objects_that_failed_are_dropped(pairs, monkeypatch):
    X, _ = pairs
    failed = np.arange(0, 64, 4)

    def judged(retriever, X):
        objects, verdicts, is_blurred = judged_objects(retriever, X)
        verdicts[failed] = "failed"
        return objects, verdicts, is_blurred

    monkeypatch.setattr("skpr.composition._retrieved.judged_objects", judged)
    fitted = model().fit(X)
    dropped = np.flatnonzero(~fitted.accepted_)
    np.testing.assert_array_equal(dropped, failed)
    assert np.isnan(fitted.targets_[dropped]).all()
    assert np.isfinite(fitted.targets_[fitted.accepted_]).all()
    kept = fitted.accepted_
    seed = fitted.regressor_.random_state
    plain = network(random_state=seed).fit(X[kept], fitted.targets_[kept])
    np.testing.assert_array_equal(plain.predict(X), fitted.predict(X))


def test_sample_weights_follow_their_samples(pairs):
    X, y = pairs
    weights = np.linspace(0.5, 1.5, 64)
    fitted = model(accepted=("good",)).fit(X, sample_weight=weights)
    kept = fitted.accepted_
    plain = network(random_state=fitted.regressor_.random_state)
    plain.fit(X[kept], fitted.targets_[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(plain.predict(X), fitted.predict(X))


# --- kinds of data --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(16,), (10, 12), (6, 6, 6)])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n_known", [0, 3])
def test_objects_of_any_dimension_and_kind(shape, is_complex, n_known):
    y = random_objects(shape, np.complex128 if is_complex else np.float64, n_samples=12)
    X = FourierMagnitude().fit_transform(y)
    targets = with_unknown(y, slice(n_known, None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such objects are hard to retrieve
        fitted = model(accepted=("good", "doubtful", "undecided", "failed")).fit(X, targets)
    found = fitted.predict(X)
    assert found.shape == y.shape
    assert np.iscomplexobj(found) == is_complex
    assert fitted.targets_.dtype == y.dtype
    assert fitted.object_shape_ == shape


def test_unmeasured_pixels_and_counts(few):
    X, y = few
    counts = PhotonNoise(1e5, random_state=0).fit_transform(X)
    counts[:, 13:16, 13:16] = np.nan
    fitted = model().fit(counts)
    assert np.isfinite(fitted.predict(counts)).all()
    assert np.isfinite(fitted.score(counts, y))


def test_tensors(few):
    X, y = (torch.as_tensor(batch) for batch in few)
    targets = y.clone()
    targets[8:] = torch.nan
    fitted = model().fit(X, targets)
    assert isinstance(fitted.predict(X), torch.Tensor)
    other = model().fit(X.numpy(), targets.numpy())
    np.testing.assert_array_equal(fitted.predict(X).numpy(), other.predict(X.numpy()))


def test_magnitudes_on_disk(few, tmp_path):
    X, y = few
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    targets = with_unknown(y, slice(8, None))
    fitted = model(accepted=("good",)).fit(on_disk, targets)
    other = model(accepted=("good",)).fit(X, targets)
    np.testing.assert_array_equal(fitted.targets_, other.targets_)
    assert fitted.score(on_disk, y) == pytest.approx(other.score(X, y), abs=0.1)


def test_the_zero_frequency_may_be_at_the_corner(few):
    X, y = few
    corner = FourierMagnitude(centered=False).fit_transform(y)
    fitted = model(regressor__centered=False, retriever__centered=False).fit(corner)
    assert relative_error(y, fitted.targets_) < 0.2


def test_the_default_retriever_follows_the_kind_of_object():
    for is_complex, rule in ((False, "frame"), (True, "auto")):
        y = random_objects((8, 8), np.complex64 if is_complex else np.float32, n_samples=4)
        X = FourierMagnitude().fit_transform(y)
        fitted = RetrievedTargetRegressor(network(epochs=1), random_state=0).fit(X, y)
        assert fitted.retriever_.support_ == rule
        assert fitted.retriever_.n_starts == 4
        assert fitted.retriever_.device == "cpu"


def test_targets_without_a_value_tell_the_frame(few):
    _, y = few
    X = FourierMagnitude(fourier_shape=32).fit_transform(y)
    assert model().fit(X).object_shape_ == (16, 16)
    assert model().fit(X, np.full_like(y, np.nan)).object_shape_ == (14, 14)


# --- as part of scikit-learn ----------------------------------------------------------------------


@pytest.mark.parametrize("n_known", [0, 24, 64])
def test_a_search_with_all_some_and_no_objects(pairs, n_known, tmp_path):
    X, y = pairs
    targets = with_unknown(y, slice(n_known, None)) if n_known else None
    pipeline = Pipeline([("retrieve", model(network(epochs=15), memory=str(tmp_path)))])
    grid = {"retrieve__regressor__lr": [1e-9, 3e-3]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, targets)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"retrieve__regressor__lr": 3e-3}
    assert search.predict(X).shape == y.shape


def test_a_search_by_the_scorer_modulo_symmetries(pairs):
    X, y = pairs
    grid = {"accepted": [("good",), ("good", "doubtful", "undecided")]}
    search = GridSearchCV(model(), grid, cv=2, scoring=neg_relative_error_scorer).fit(X, y)
    assert (search.cv_results_["mean_test_score"] < 0).all()


def test_a_cache_retrieves_each_object_once(few, tmp_path, monkeypatch):
    X, _ = few
    calls = []
    retrieve = IterativePhaseRetrieval.retrieve
    monkeypatch.setattr(
        IterativePhaseRetrieval,
        "retrieve",
        lambda self, X, **options: (calls.append(len(X)), retrieve(self, X, **options))[1],
    )
    first = model(memory=str(tmp_path)).fit(X)
    second = model(memory=str(tmp_path), regressor__max_epochs=1).fit(X)
    np.testing.assert_array_equal(first.targets_, second.targets_)
    assert calls == [16]
    model(memory=str(tmp_path), random_state=1).fit(X)
    assert calls == [16, 16]


def test_any_regressor_and_any_composition(pairs):
    X, y = pairs
    neighbours = make_pipeline(FunctionTransformer(flat), KNeighborsRegressor(n_neighbors=1))
    canonical = SymmetryBreakingRegressor(
        neighbours, make_pipeline(SymmetryCanonicalizer(), FunctionTransformer(flat, square))
    )
    assert model(canonical).fit(X).score(X, y) > 0.9
    refined = RefinedRegressor(network(), IterativePhaseRetrieval(n_iter=20, random_state=0))
    assert model(refined).fit(X).score(X, y) > model().fit(X).score(X, y)
    around = RefinedRegressor(model(), IterativePhaseRetrieval(n_iter=20, random_state=0))
    assert around.fit(X, y).predict(X).shape == y.shape


def flat(batch):
    return np.asarray(batch).reshape(len(batch), -1)


def square(batch):
    return np.asarray(batch).reshape(-1, 14, 14)


def test_seeds_repeat_a_fit(few, fitted):
    X, _ = few
    second, other = (model(random_state=seed).fit(X) for seed in (0, 1))
    np.testing.assert_array_equal(fitted.predict(X), second.predict(X))
    np.testing.assert_array_equal(fitted.targets_, second.targets_)
    assert not np.array_equal(fitted.targets_, other.targets_)
    free = model(random_state=None).fit(X)
    assert free.score(X) == free.score(X)


def test_seeds_of_the_parts_are_kept(pairs):
    X, _ = pairs
    fitted = model(retriever__random_state=7, regressor__random_state=8).fit(X[:16])
    assert fitted.retriever_.random_state == 7
    assert fitted.regressor_.random_state == 8


def test_clones_and_pickles(few, fitted):
    X, _ = few
    assert not hasattr(clone(fitted), "retriever_")
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict(X), fitted.predict(X))
    assert restored.score(X) == fitted.score(X)
    assert fitted.n_features_in_ == restored.n_features_in_


def test_training_goes_on_with_more_patterns(few):
    X, _ = few
    fitted = model().fit(X[:8])
    retriever, before = fitted.retriever_, fitted.predict(X)
    fitted.partial_fit(X[8:])
    assert fitted.retriever_ is retriever
    assert len(fitted.targets_) == 8
    assert not np.array_equal(fitted.predict(X), before)
    warm = model(network(warm_start=True)).fit(X)
    n_epochs = len(warm.regressor_.history)
    assert len(warm.fit(X).regressor_.history) == 2 * n_epochs


def test_given_estimators_stay_as_they_are(few):
    X, _ = few
    estimator = model()
    before = estimator.get_params(deep=False)
    estimator.fit(X)
    assert all(estimator.get_params(deep=False)[name] is value for name, value in before.items())
    assert not hasattr(estimator.retriever, "object_shape_")
    assert estimator.regressor.random_state is None


# --- what is refused ------------------------------------------------------------------------------


def test_few_good_objects_warn_and_none_is_an_error(few):
    X, _ = few
    random = np.abs(np.random.default_rng(0).standard_normal(X.shape)).astype(X.dtype)
    random = (random + random[:, ::-1, ::-1]) / 2  # no object has such magnitudes
    bad = model(n_iter=20, retriever__constraints="non_negative")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad.set_params(accepted=("good",))
        with pytest.raises(ValueError, match="none of 16 retrieved objects is accepted"):
            bad.fit(random)
    assert not hasattr(bad, "regressor_")
    bad.set_params(accepted=("good", "doubtful", "failed", "undecided"))
    with pytest.warns(UserWarning, match="of 16 retrieved objects are doubtful or failed"):
        bad.fit(random)


def test_a_failed_fit_leaves_the_estimator_as_it_was(few):
    X, y = few
    fitted = model().fit(X)
    before = fitted.predict(X)
    partly = y.copy()
    partly[3, 0, 0] = np.nan
    with pytest.raises(ValueError, match="y contains NaN in 1 of 196 pixels of object 3"):
        fitted.fit(X, partly)
    np.testing.assert_array_equal(fitted.predict(X), before)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"accepted": "good"}, ValueError, "accepted='good' is not valid; give one or more of"),
        ({"accepted": ()}, ValueError, r"accepted=\(\) is not valid"),
        ({"accepted": ("fine",)}, ValueError, r"accepted=\('fine',\) is not valid"),
        ({"memory": 3}, ValueError, "memory"),
        ({"regressor": DummyRegressor}, TypeError, "regressor=DummyRegressor is a class"),
        (
            {"retriever": IterativePhaseRetrieval},
            TypeError,
            "retriever=IterativePhaseRetrieval is a class",
        ),
        (
            {"retriever": DummyRegressor()},
            TypeError,
            r"retriever=DummyRegressor\(\) is not valid; give an IterativePhaseRetrieval or None",
        ),
        ({"retriever__centered": False}, ValueError, "the retriever has centered=False"),
        ({"retriever__n_iter": 0}, ValueError, "n_iter=0 is not valid"),
    ],
)
def test_wrong_parameters_are_refused(pairs, options, kind, message):
    with pytest.raises(kind, match=message):
        model().set_params(**options).fit(pairs[0])


def test_wrong_targets_are_refused(pairs):
    X, y = pairs
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[64, 10\]"):
        model().fit(X, y[:10])
    infinite = with_unknown(y, slice(8, None))
    infinite[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="y contains infinity"):
        model().fit(X, infinite)


def test_predictions_and_scores_need_a_fit(pairs):
    X, _ = pairs
    with pytest.raises(NotFittedError):
        model().predict(X)
    with pytest.raises(NotFittedError):
        model().score(X)


def test_a_score_without_any_object_says_so(few, monkeypatch):
    X, _ = few
    fitted = model().fit(X[:8])
    fitted.accepted = ("undecided",)
    with pytest.raises(ValueError, match="no object to score against was retrieved"):
        fitted.score(X[:4])
    with pytest.raises(ValueError, match=r"accepted=\('gut',\) is not valid; give one or more of"):
        fitted.set_params(accepted=("gut",)).score(X[:4])


def test_a_regressor_of_objects_is_refused_before_the_retrieval(few, monkeypatch):
    monkeypatch.setattr(IterativePhaseRetrieval, "retrieve", lambda *args, **kwargs: 1 / 0)
    for regressor in (make_phase_retriever(), RefinedRegressor(make_phase_retriever())):
        with pytest.raises(ValueError, match=r"simulates the magnitudes.*simulate=False\), or"):
            RetrievedTargetRegressor(regressor).fit(few[0])


@pytest.mark.parametrize("weights", [np.ones(2), np.ones(7), np.ones((6, 1)), [1.0], 1.0])
def test_a_score_needs_a_weight_of_every_sample_also_of_those_left_out(pairs, weights):
    X, objects = pairs[0][:6], pairs[1][:6].copy()
    objects[2:] = np.nan
    fitted = model().fit(X, pairs[1][:6])
    assert fitted.score(X, objects, [1, 0, 5, 5, 5, 5]) == fitted.score(X[:1], objects[:1])
    with pytest.raises(ValueError, match=r"sample_weight has shape .*; give one number per sample"):
        fitted.score(X, objects, weights)
