import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skpr import FourierMagnitude, IterativePhaseRetrieval, PhaseRetrievalRegressor
from skpr.composition._retrieved import (
    checked_targets,
    default_retriever,
    fitted_retriever,
    judged_objects,
    retrieved,
    rows_of,
    seeded,
)
from tests.conftest import random_objects


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_objects_are_known_unless_all_of_them_is_nan(known, is_complex, is_tensor):
    y = random_objects((5, 6), complex if is_complex else float, n_samples=len(known))
    y[~np.array(known)] = np.nan
    found, is_known = checked_targets(torch.as_tensor(y) if is_tensor else y, len(y))
    np.testing.assert_array_equal(found, y)
    assert list(is_known) == known


@given(st.integers(0, 3), st.integers(0, 29))
@settings(max_examples=20, deadline=None)
def test_objects_that_are_partly_nan_are_refused_by_number(sample, pixel):
    y = random_objects((5, 6), float, n_samples=4)
    y[0] = np.nan
    y[sample].flat[pixel] = 0 if sample == 0 else np.nan
    n_missing = 29 if sample == 0 else 1
    message = f"y contains NaN in {n_missing} of 30 pixels of object {sample}; give known objects"
    with pytest.raises(ValueError, match=message):
        checked_targets(y, 4)


def test_without_targets_no_object_is_known():
    y, is_known = checked_targets(None, 3)
    assert y is None
    assert list(is_known) == [False] * 3


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n_known", [None, 0, 2])
def test_retrievers_learn_what_is_known(is_complex, n_known):
    y = random_objects((12, 12), complex if is_complex else float, n_samples=4)
    X = FourierMagnitude().fit_transform(y)
    is_known = np.arange(4) < (n_known or 0)
    given = None
    if n_known is not None:
        given = y.copy()
        given[~is_known] = np.nan
    retriever = default_retriever(True, "cpu")
    fitted = fitted_retriever(retriever, X, given, is_known, is_default=True)
    assert fitted.object_shape_ == (12, 12)
    assert fitted.constraints_ == ("complex" if is_complex else "non_negative")
    assert fitted.support_ == ("auto" if is_complex else "frame")


def test_a_given_retriever_keeps_its_own_parameters():
    y = np.full((2, 10, 10), np.nan, dtype=complex)
    X = FourierMagnitude(fourier_shape=32).fit_transform(random_objects((10, 10), complex, 2))
    retriever = IterativePhaseRetrieval(object_shape=(14, 14), constraints=(0.0, 1.0))
    fitted = fitted_retriever(retriever, X, y, np.zeros(2, dtype=bool), is_default=False)
    assert fitted.object_shape_ == (14, 14)
    assert fitted.constraints == (0.0, 1.0)
    assert fitted.support == "auto"


def test_a_dark_object_has_failed_and_chunks_change_nothing(monkeypatch):
    objects = random_objects((8, 8), float, n_samples=5)
    X = FourierMagnitude().fit_transform(objects)
    X[3] = 0
    retriever = IterativePhaseRetrieval(
        n_iter=40, n_starts=2, support="frame", random_state=0, device="cpu"
    ).fit(X)
    whole = judged_objects(retriever, X)
    assert whole[1][3] == "failed"
    monkeypatch.setattr("skpr.composition._retrieved.CHUNK", 2)
    parts = retrieved(retriever, X, None)
    np.testing.assert_allclose(parts.objects, whole[0], atol=1e-8)
    np.testing.assert_array_equal(parts.verdicts, whole[1])


def test_interrupted_retrievals_end_the_fit(monkeypatch):
    X = FourierMagnitude().fit_transform(random_objects((8, 8), float, n_samples=3))
    retriever = IterativePhaseRetrieval(n_iter=20, support="frame", device="cpu").fit(X)
    found = retriever.retrieve(X)
    found.n_iter[1] = 0
    monkeypatch.setattr(IterativePhaseRetrieval, "retrieve", lambda self, X, judge: found)
    with pytest.raises(KeyboardInterrupt, match="before every pattern had a finished start"):
        judged_objects(retriever, X)


def test_only_unset_seeds_are_set():
    network = PhaseRetrievalRegressor()
    assert seeded(network, 5).random_state == 5
    assert seeded(network.set_params(random_state=3), 5).random_state == 3


def test_rows_of_arrays_and_tensors():
    batch = np.arange(12.0).reshape(4, 3)
    rows = np.array([0, 2])
    np.testing.assert_array_equal(rows_of(batch, rows), batch[[0, 2]])
    np.testing.assert_array_equal(rows_of(torch.as_tensor(batch), rows).numpy(), batch[[0, 2]])
