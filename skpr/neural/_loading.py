"""Batched loading: whole batches are cut out of the arrays at once and cast to the network's precision."""

import numpy as np
import torch
from skorch.dataset import Dataset
from torch.utils.data import Sampler

from .._lazy import LazyBatch


class BatchDataset(Dataset):
    """A skorch dataset that a `DataLoader` asks for whole batches.

    PyTorch's loader calls `__getitems__` with a batch of indices where a dataset has it; indexing sample by sample
    and collating takes several times longer. Arrays may be NumPy arrays, tensors on any device, or on disk: these are
    read, and what transformers do to them is computed, a batch at a time on the network's device.

    Parameters
    ----------
    X, y : ndarray, torch.Tensor or LazyBatch
    device : str
        Where batches from disk are computed.
    """

    def __init__(self, X, y=None, device="cpu", **kwargs):
        super().__init__(X, y, **kwargs)
        self.device = device

    def __getitem__(self, index):
        return self.transform(self._take(self.X, index), self._take(self.y, index))

    def __getitems__(self, indices):
        return self[np.asarray(indices)]

    def transform(self, X, y):
        """Cast to float32 or complex64 tensors; a missing target becomes zeros, which skorch ignores."""
        return X, torch.zeros(len(X)) if y is None else y

    def _take(self, data, index):
        if data is None:
            return None
        part = data[index]
        if isinstance(part, LazyBatch):
            part = part.read(self.device)
        if isinstance(part, torch.Tensor):
            return part.to(torch.complex64 if part.is_complex() else torch.float32)
        part = np.ascontiguousarray(part, dtype=np.complex64 if part.dtype.kind == "c" else np.float32)
        return torch.from_numpy(part)


class BlockShuffle(Sampler):
    """Random order for samples read in blocks: blocks at random, and the samples of a pool of them.

    Parameters
    ----------
    block_numbers : ndarray of shape (n_samples,), integers
        The block that each sample is in.
    pool_rows : int
        Samples that fit into memory.
    """

    def __init__(self, block_numbers, pool_rows):
        order = np.argsort(block_numbers, kind="stable")
        starts = np.flatnonzero(np.diff(np.asarray(block_numbers)[order], prepend=-1))
        self.blocks = np.split(order, starts[1:])
        self.n_samples, self.pool_rows = len(order), pool_rows

    def __len__(self):
        return self.n_samples

    def __iter__(self):
        pool, size = [], 0
        for number in torch.randperm(len(self.blocks)).tolist():
            block = self.blocks[number]
            if pool and size + len(block) > self.pool_rows:
                yield from self._shuffled(pool)
                pool, size = [], 0
            pool.append(block)
            size += len(block)
        yield from self._shuffled(pool)

    @staticmethod
    def _shuffled(pool):
        samples = np.concatenate(pool)
        return samples[torch.randperm(len(samples)).numpy()].tolist()


def whole_batch(batch):
    """Collate function for batches that are already whole."""
    return batch
