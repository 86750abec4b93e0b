import numpy as np
import pytest
import torch
from sklearn.base import clone

from skpr import IterativePhaseRetrieval, LazyBatch, make_phase_retriever
from skpr._arrays import as_batch, check_batch, is_non_negative, sample_shape_of
from skpr._tensors import float_dtype, map_chunks, resolve_device, to_tensor


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bool", "float32"),
        ("uint8", "float32"),
        ("int16", "float32"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("int32", "float64"),
        ("int64", "float64"),
        ("float64", "float64"),
        ("complex64", "complex64"),
        ("complex128", "complex128"),
    ],
)
def test_values_are_computed_in_a_precision_that_holds_them(dtype, expected):
    assert float_dtype(dtype) == expected
    assert check_batch(np.ones((2, 3), dtype=dtype)).dtype == expected
    assert (
        check_batch(torch.ones((2, 3)).to(to_tensor(np.ones(1, dtype=dtype)).dtype)).numpy().dtype
        == expected
    )


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.zeros(3), "Reshape your data"),
        (np.zeros((0, 3)), "0 sample"),
        (np.zeros((3, 0)), "0 feature"),
        (np.zeros((2, 3, 0)), "0 feature"),
        (np.zeros((1, 2, 3, 4, 5)), "with 1, 2 or 3 sample axes"),
        (np.array([[np.nan, 1.0]]), "X contains NaN"),
        (np.array([[np.inf, 1.0]]), "X contains infinity"),
        (np.array([[1.0, 1j * np.nan]]), "X contains NaN"),
    ],
)
def test_unusable_batches_are_refused_whatever_their_container(batch, message):
    with pytest.raises(ValueError, match=message):
        check_batch(batch)
    with pytest.raises(ValueError, match=message):
        check_batch(torch.from_numpy(batch))


def test_good_batches_are_not_copied():
    batch = np.ones((2, 3), dtype=np.float32)
    assert check_batch(batch) is batch
    assert np.shares_memory(to_tensor(batch).numpy(), batch)


def test_arrays_torch_cannot_view_are_copied():
    batch = np.arange(6.0).reshape(2, 3)
    frozen = batch.copy()
    frozen.flags.writeable = False
    for odd in (batch[:, ::-1], batch.astype(">f8"), frozen):
        np.testing.assert_array_equal(to_tensor(odd).numpy(), odd)


def test_chunks_give_what_the_whole_gives(monkeypatch):
    batch = np.random.default_rng(0).random((7, 5))
    monkeypatch.setattr("skpr._tensors.CHUNK_VALUES", 10)
    seen = []

    def doubled_and_summed(x):
        seen.append(len(x))
        return 2 * x, x.sum(dim=1)

    doubled, summed = map_chunks(doubled_and_summed, batch)
    assert seen == [2, 2, 2, 1]
    np.testing.assert_allclose(doubled, 2 * batch)
    np.testing.assert_allclose(summed, batch.sum(axis=1))


def test_tensors_keep_their_gradient():
    batch = torch.ones(3, 2, requires_grad=True)
    map_chunks(lambda x: 3 * x, batch).sum().backward()
    assert torch.equal(batch.grad, torch.full((3, 2), 3.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[np.nan, 1.0, np.nan]], "Input X contains NaN in 2 of 3 values$"),
        ([[np.inf, 1.0, 2.0]], "Input X contains infinity in 1 of 3 values$"),
        (
            [[np.inf, 1.0, np.nan]],
            "Input X contains NaN in 1 of 3 values and infinity in 1 of 3 values$",
        ),
    ],
)
def test_values_that_are_not_finite_are_counted(values, message):
    with pytest.raises(ValueError, match=message):
        check_batch(values)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", ">c16"])
def test_values_of_any_size_pass(scale, dtype):
    values = np.arange(6).reshape(2, 3) * scale
    np.testing.assert_array_equal(check_batch(values.astype(dtype)), values.astype(dtype))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps_become_batches_on_disk(tmp_path, mode):
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert isinstance(check_batch(np.load(tmp_path / "x.npy", mmap_mode=mode)), LazyBatch)


def test_gradients_pass_the_door():
    batch = torch.ones(2, 3, dtype=torch.float16, requires_grad=True)
    check_batch(batch).sum().backward()
    assert batch.grad.sum() == 6


def test_packed_records_can_be_viewed():
    record = np.zeros(3, dtype=[("kind", "u1"), ("values", "f4", (2,))])
    record["values"] = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(to_tensor(record["values"]).numpy(), record["values"])


@pytest.mark.parametrize("device", ["abacus", "", None, True, 1.5, [0]])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(ValueError, match=r"device=.* is not a device; choose 'auto', 'cpu'"):
        resolve_device(device)


@pytest.mark.parametrize(
    "device", ["cuda:99", torch.device("cuda", 99), "xla", "meta", torch.device("meta")], ids=str
)
def test_a_device_that_is_not_here_is_refused_before_any_work(device):
    message = f"device='{device}' does not exist here; choose 'auto' or one of 'cpu'"
    with pytest.raises(ValueError, match=message):
        resolve_device(device)
    with pytest.raises(ValueError, match=message):
        IterativePhaseRetrieval(device=device).fit(np.ones((2, 4, 4)))


def test_devices_that_are_here_have_a_name():
    there = "mps" if torch.backends.mps.is_available() else "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else there)
    assert resolve_device(torch.device("cpu")) == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(
            ValueError, match="device='cuda' does not exist here; choose 'auto' or one of 'cpu'"
        ):
            resolve_device("cuda")


@pytest.mark.parametrize(
    ("lowest", "expected"), [(0.0, True), (-1e-9, True), (-0.9e-3, True), (-1.1e-3, False)]
)
@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
def test_negative_values_within_rounding_count_as_zeros(lowest, expected, unit):
    batch = np.array([[0.0, 1.0, lowest]]) * unit
    assert is_non_negative(batch) is expected
    assert is_non_negative(torch.from_numpy(batch)) is expected


def test_complex_objects_have_no_sign():
    assert not is_non_negative(np.ones((2, 3), dtype=complex))


def test_a_batch_may_pass_without_a_look_at_its_values():
    values = np.array([[np.nan, np.inf, -1.0]])
    assert as_batch(values) is values
    assert as_batch([[1, 2]]).dtype == np.float64
    with pytest.raises(ValueError, match="Reshape your data"):
        as_batch([1, 2])


@pytest.mark.parametrize(
    "container",
    [np.asarray, np.ndarray.tolist, list],
    ids=["array", "nested list", "list of arrays"],
)
def test_the_shape_of_a_sample_is_told_for_any_container(container):
    assert sample_shape_of(container(np.ones((4, 2, 3)))) == (2, 3)
    with pytest.raises(ValueError, match="y has samples of different shapes"):
        sample_shape_of([[1.0], [1.0, 2.0]], name="y")


def test_lists_of_tensors_with_gradient_go_all_the_way():
    values = torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(0))
    samples = list(torch.nn.functional.pad(values, (1, 2, 2, 1)).requires_grad_())
    model = make_phase_retriever(max_epochs=1, module__hidden_width=4, device="cpu", random_state=0)
    values = torch.stack(samples).detach().numpy()
    expected = clone(model).fit(values, values).score(values, values)
    assert model.fit(samples, samples).score(samples, samples) == pytest.approx(expected, abs=1e-6)
