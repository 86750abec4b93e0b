"""Batched loading: whole batches are cut out of the arrays at once and cast to the network's precision."""

import numpy as np
import torch
from skorch.dataset import Dataset


class BatchDataset(Dataset):
    """A skorch dataset that a `DataLoader` asks for whole batches.

    PyTorch's loader calls `__getitems__` with a batch of indices where a dataset has it; indexing sample by sample
    and collating takes several times longer. Arrays may be NumPy arrays, memory maps or tensors on any device.
    """

    def __getitem__(self, index):
        return self.transform(self._take(self.X, index), self._take(self.y, index))

    def __getitems__(self, indices):
        return self[np.asarray(indices)]

    def transform(self, X, y):
        """Cast to float32 or complex64 tensors; a missing target becomes zeros, which skorch ignores."""
        return X, torch.zeros(len(X)) if y is None else y

    @staticmethod
    def _take(data, index):
        if data is None:
            return None
        part = data[index]
        if isinstance(part, torch.Tensor):
            return part.to(torch.complex64 if part.is_complex() else torch.float32)
        part = np.ascontiguousarray(part, dtype=np.complex64 if part.dtype.kind == "c" else np.float32)
        return torch.from_numpy(part)


def whole_batch(batch):
    """Collate function for batches that are already whole."""
    return batch
