import numpy as np
import pytest
import torch

from skpr import LazyBatch, PhaseRetrievalRegressor, _facts
from skpr._arrays import inspect_batch
from skpr._facts import Facts, facts_of
from skpr.detector import BeamStop, PartialCoherence

NAN, INF = np.nan, np.inf


@pytest.fixture(params=["array", "tensor", "disk"])
def held(request, tmp_path):
    """The same values in each kind of container."""

    def hold(values):
        if request.param == "disk":
            np.save(tmp_path / "values.npy", values)
            return LazyBatch(np.load(tmp_path / "values.npy", mmap_mode="r"))
        return torch.from_numpy(values) if request.param == "tensor" else values

    return hold


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1.0, -2.0], [0.0, 1.0]], (-2.0, 2.0, 0, 0, 0, -1)),
        ([[1.0, NAN], [INF, 3.0]], (1.0, INF, 1, 1, 0, -1)),
        ([[1.0, -INF], [1.0, 3.0]], (-INF, INF, 0, 1, 0, -1)),
        ([[1.0, 2.0], [NAN, NAN], [NAN, NAN]], (1.0, 2.0, 4, 0, 2, 1)),
        ([[NAN, NAN]], (INF, 0.0, 2, 0, 1, 0)),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1 << 19])
def test_facts_are_those_of_the_values(values, expected, chunk, held, monkeypatch):
    monkeypatch.setattr("skpr._tensors.CHUNK_VALUES", chunk)
    monkeypatch.setattr("skpr._lazy.READ_VALUES", chunk)
    assert facts_of(held(np.array(values)))[:6] == expected


def test_complex_values_have_a_modulus_and_no_order(held):
    facts = facts_of(held(np.array([[3.0 + 4.0j, -1.0]])))
    assert np.isnan(facts.minimum)
    assert (facts.largest, facts.is_complex, facts.complete) == (5.0, True, True)
    broken = facts_of(held(np.array([[complex(1.0, NAN), complex(INF, 0.0)]])))
    assert (broken.n_nan, broken.n_infinite) == (1, 1)


def test_integers_and_disks_are_noticed(held):
    whole, facts = inspect_batch(held(np.array([[1, 2]], dtype="int16")))
    assert facts.is_integer
    assert facts.on_disk == isinstance(whole, LazyBatch)
    assert not inspect_batch(held(np.array([[1.0, 2.0]])))[1].is_integer


def test_parts_share_what_holds_for_all():
    assert Facts(0.0, 3.0).of_part() == Facts(0.0, 3.0)
    assert Facts(-1.0, 3.0).of_part() is None
    assert Facts(0.0, 3.0, n_nan=1).of_part() is None


@pytest.fixture
def scans(monkeypatch):
    """Shapes of the batches that are scanned."""
    seen, scan = [], _facts._scanned
    monkeypatch.setattr(_facts, "_scanned", lambda parts: seen.append(1) or scan(parts))
    return seen


def test_a_call_scans_each_batch_once(scans):
    rng = np.random.default_rng(0)
    magnitudes, objects = rng.random((6, 8, 8)), rng.random((6, 4, 4))
    net = PhaseRetrievalRegressor(
        max_epochs=1, module__hidden_width=4, device="cpu", random_state=0
    )
    net.fit(magnitudes, objects)
    assert len(scans) == 2
    net.predict(magnitudes)
    assert len(scans) == 3
    for step in (PartialCoherence(0.5), BeamStop(1, random_state=0)):
        scans.clear()
        step.fit(magnitudes).transform(magnitudes)
        assert len(scans) == 2


SAMPLED = {
    "non-negative": Facts(0.0, 2.0),
    "rounded": Facts(-1e-4, 2.0),
    "signed": Facts(-1.0, 2.0),
}


@pytest.mark.parametrize(
    ("kind", "value", "wrong"),
    [
        ("non-negative", 3.0, None),
        ("non-negative", -1e-6, "the negative value -1e-06"),
        ("rounded", -1e-2, None),
        ("rounded", -3e-2, "the negative value -0.03"),
        ("signed", -5.0, None),
        ("signed", NAN, "NaN"),
        ("non-negative", INF, "infinity"),
        ("signed", complex(-3.0, 1.0), None),
        ("signed", complex(NAN, 1.0), "NaN"),
    ],
)
def test_values_must_agree_with_facts_found_in_some(kind, value, wrong):
    values = torch.tensor([[1.0, value], [0.0, 0.5]])
    SAMPLED[kind].check(values)  # found in all of them: nothing was read since
    facts = SAMPLED[kind]._replace(sampled=True)
    assert facts.of_part() is facts
    if wrong is None:
        facts.check(values)
    else:
        with pytest.raises(ValueError, match=f"a sample drawn now holds {wrong}, but none of the"):
            facts.check(values)


def test_some_missing_pixels_allow_more_but_no_empty_sample():
    facts = Facts(0.0, 2.0, n_nan=1, sampled=True)
    facts.check(torch.tensor([[1.0, NAN], [NAN, 2.0]]))
    with pytest.raises(ValueError, match="holds NaN"):
        facts.check(torch.tensor([[NAN, NAN]]))
