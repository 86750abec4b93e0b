import numpy as np
import pytest
import torch

from skpr._arrays import check_batch, check_choice
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
    assert check_batch(torch.ones((2, 3)).to(to_tensor(np.ones(1, dtype=dtype)).dtype)).numpy().dtype == expected


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
    with pytest.raises(ValueError, match=message.replace("contains infinity", "contains NaN or infinity")):
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


def test_choices_are_listed():
    with pytest.raises(ValueError, match="shift='centre' is not valid; choose 'box', 'template' or None"):
        check_choice("shift", "centre", ("box", "template", None))
    with pytest.raises(ValueError, match="device='abacus' is not a device; choose 'auto', 'cpu'"):
        resolve_device("abacus")
    assert resolve_device("auto") in ("cpu", "cuda", "mps")
