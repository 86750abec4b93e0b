import numpy as np
import pytest
import torch
from skorch.dataset import Dataset
from skorch.helper import SliceDataset
from torch.utils.data import DataLoader, Subset, TensorDataset

from skpr import FourierMagnitude, PhaseRetrievalRegressor
from skpr.neural._loading import BatchDataset, whole_batch
from tests.conftest import random_objects


@pytest.mark.parametrize("container", [np.asarray, torch.from_numpy])
def test_batches_come_whole_and_in_single_precision(container):
    X = np.arange(20.0).reshape(10, 2)
    y = X * 1j
    loader = DataLoader(
        BatchDataset(container(X), container(y)), batch_size=4, collate_fn=whole_batch
    )
    batches = list(loader)
    assert [len(b[0]) for b in batches] == [4, 4, 2]
    assert batches[0][0].dtype == torch.float32
    assert batches[0][1].dtype == torch.complex64
    torch.testing.assert_close(torch.cat([b[0] for b in batches]), torch.from_numpy(X).float())


def test_subsets_and_memory_maps_load_batches_too(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(20.0, dtype=np.float32).reshape(10, 2))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    calls = []

    class Counting(BatchDataset):
        def __getitems__(self, indices):
            calls.append(len(indices))
            return super().__getitems__(indices)

    subset = Subset(Counting(mapped, mapped), [9, 1, 3])
    ((X, y),) = list(DataLoader(subset, batch_size=3, collate_fn=whole_batch))
    assert calls == [3]
    torch.testing.assert_close(X, torch.tensor([[18.0, 19.0], [2.0, 3.0], [6.0, 7.0]]))
    torch.testing.assert_close(y, X)


def test_samples_of_other_data_sets_are_collated_in_single_precision():
    X = np.arange(20.0).reshape(10, 2)
    batches = list(DataLoader(Dataset(X, X * 1j), batch_size=4, collate_fn=whole_batch))
    assert [type(batch) for batch in batches] == [tuple] * 3
    assert (batches[0][0].dtype, batches[0][1].dtype) == (torch.float32, torch.complex64)
    torch.testing.assert_close(
        torch.cat([batch[0] for batch in batches]), torch.from_numpy(X).float()
    )


def test_weights_come_with_their_samples():
    X = np.arange(6.0).reshape(3, 2)
    weighted = Subset(BatchDataset(X, X, sample_weight=np.array([1.0, 2.0, 3.0])), [2, 0])
    ((_, _, weights),) = list(DataLoader(weighted, batch_size=2, collate_fn=whole_batch))
    torch.testing.assert_close(weights, torch.tensor([3.0, 1.0]))


def as_subset(X, y):
    return Subset(Dataset(X[::-1], y[::-1]), range(len(X) - 1, -1, -1))


def as_tensors(X, y):
    return TensorDataset(torch.from_numpy(X), torch.from_numpy(y))


@pytest.mark.parametrize("kind", [Dataset, as_subset, as_tensors])
def test_networks_take_data_sets_for_arrays(kind):
    objects = random_objects((8, 8), "float32")
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(
        module__hidden_width=8, max_epochs=2, random_state=0, device="cpu"
    )
    expected = net.fit(magnitudes, objects).predict(magnitudes)
    pairs = kind(magnitudes, objects)
    np.testing.assert_array_equal(net.fit(pairs, None).predict(pairs), expected)
    np.testing.assert_array_equal(net.partial_fit(pairs).predict(pairs), net.predict(magnitudes))
    assert net.score(pairs) == net.score(magnitudes, objects) == net.score(pairs, objects)


def test_slices_of_data_sets_are_arrays():
    objects = random_objects((8, 8), "float32")
    pairs = Dataset(FourierMagnitude().fit_transform(objects), objects)
    X, y = SliceDataset(pairs, 0), SliceDataset(pairs, 1)
    net = PhaseRetrievalRegressor(
        module__hidden_width=8, max_epochs=2, random_state=0, device="cpu"
    ).fit(X, y)
    assert net.score(X, y) == net.score(pairs)


class Drawn(torch.utils.data.Dataset):
    """Data set that draws its samples at random."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return np.random.default_rng().random((2, 4, 4))


@pytest.mark.parametrize("source", [Drawn(), DataLoader(Drawn())])
def test_sources_that_cannot_be_checked_are_refused_with_the_way_out(source):
    with pytest.raises(
        TypeError, match=r"X=(Drawn|DataLoader) is a source of samples .* give arrays or tensors, a"
    ):
        PhaseRetrievalRegressor(device="cpu").fit(source)
