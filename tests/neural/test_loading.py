import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from skpr.neural._loading import BatchDataset, whole_batch


@pytest.mark.parametrize("container", [np.asarray, torch.from_numpy])
def test_batches_come_whole_and_in_single_precision(container):
    X = np.arange(20.0).reshape(10, 2)
    y = X * 1j
    loader = DataLoader(BatchDataset(container(X), container(y)), batch_size=4, collate_fn=whole_batch)
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
