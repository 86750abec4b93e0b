"""Loading of whole batches, sliced from arrays and cast at once."""

import numpy as np
import torch
from skorch.dataset import Dataset
from skorch.helper import SliceDataset
from torch.utils.data import DataLoader, Subset, TensorDataset, default_collate

from .._lazy import LazyBatch
from .._tensors import to_tensor

RESIDENT_SHARE = 0.25  # share of a GPU's free memory that a training set may take


class BatchDataset(Dataset):
    """Data set of skorch's kind that delivers whole batches.

    PyTorch's loader calls `__getitems__` with a batch of indices where a data set has this method;
    indexing sample by sample and collating takes several times longer. Data may be NumPy arrays,
    tensors on any device, or batches on disk. The latter are read and transformed one batch at a
    time, on the network's device.

    Parameters
    ----------
    X, y : ndarray, torch.Tensor or LazyBatch
        Magnitudes and objects.
    device : str
        Device on which batches from disk are computed.
    sample_weight : ndarray of shape (n_samples,), optional
        Weights of the samples, which become the third part of every batch.
    """

    def __init__(self, X, y=None, device="cpu", sample_weight=None, **kwargs):
        super().__init__(X, y, **kwargs)
        self.device = device
        self.sample_weight = sample_weight
        self._resident = {}

    def keep_on(self, device):
        """Copy arrays to a GPU, if they take little of its memory.

        Batches are then tensors on the GPU.
        """
        device = torch.device(device)
        arrays = {name: getattr(self, name) for name in ("X", "y")}
        if (
            device.type != "cuda"
            or self._resident
            or not all(isinstance(array, np.ndarray) for array in arrays.values())
        ):
            return
        n_values = sum(array.size * (1 + np.iscomplexobj(array)) for array in arrays.values())
        if 4 * n_values > RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
            return
        try:
            self._resident = {
                name: torch.empty(
                    array.shape,
                    dtype=torch.complex64 if np.iscomplexobj(array) else torch.float32,
                    device=device,
                ).copy_(to_tensor(array))
                for name, array in arrays.items()
            }
        except torch.OutOfMemoryError:
            self._resident = {}

    def __getitem__(self, index):
        X, y = (self._resident.get(name, getattr(self, name)) for name in ("X", "y"))
        pair = self.transform(self._take(X, index), self._take(y, index))
        return (
            pair if self.sample_weight is None else (*pair, self._take(self.sample_weight, index))
        )

    def __getitems__(self, indices):
        return self[np.asarray(indices)]

    def transform(self, X, y):
        """Replace a missing target by zeros, which are ignored."""
        return X, torch.zeros(len(X)) if y is None else y

    def _take(self, data, index):
        if data is None:
            return None
        part = data[index]
        if isinstance(part, LazyBatch):
            part = part.read(self.device)
        if isinstance(part, torch.Tensor):
            return _single(part.clone() if part.is_inference() else part.detach())
        return to_tensor(
            np.ascontiguousarray(part, dtype=np.complex64 if part.dtype.kind == "c" else np.float32)
        )


def whole_batch(batch):
    """Collate samples, unless they already are a whole batch."""
    if isinstance(batch, tuple):
        return batch
    return tuple(_single(part) for part in default_collate(batch))


def unpacked(X, y=None):
    """Return the arrays inside a data set of skorch or PyTorch.

    Parameters
    ----------
    X : array-like, skorch.dataset.Dataset, torch.utils.data.TensorDataset or Subset of one
    y : array-like, optional
        Objects; those of the data set by default.

    Returns
    -------
    X, y
        Arrays of the data set, or the arguments themselves where `X` is not a data set.

    Raises
    ------
    TypeError
        For other data sets, which may be random and cannot be checked before training.
    """
    X, y = (np.asarray(part) if isinstance(part, SliceDataset) else part for part in (X, y))
    if isinstance(X, Subset):
        found, index = unpacked(X.dataset), np.asarray(X.indices)
        inside, targets = (None if part is None else part[index] for part in found)
    elif isinstance(X, Dataset):
        inside, targets = X.X, X.y
    elif isinstance(X, TensorDataset) and len(X.tensors) in (1, 2):
        inside, targets = (*X.tensors, None)[:2]
    elif isinstance(X, torch.utils.data.Dataset | DataLoader):
        raise TypeError(
            f"X={type(X).__name__} is a source of samples that cannot be checked before training; "
            "give arrays or tensors, a skorch Dataset, a torch TensorDataset or a Subset of one, "
            "or a LazyBatch of arrays on disk"
        )
    else:
        return X, y
    return inside, targets if y is None else y


def _single(part):
    """Cast a tensor to the network's precision."""
    return part.to(torch.complex64 if part.is_complex() else torch.float32)


def weights_of(dataset):
    """Return the sample weights of a data set, or None."""
    if isinstance(dataset, Subset):
        weights = weights_of(dataset.dataset)
        return None if weights is None else weights[np.asarray(dataset.indices)]
    return getattr(dataset, "sample_weight", None)
