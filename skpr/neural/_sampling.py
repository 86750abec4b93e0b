"""Shuffling, splitting and sharing of samples among processes."""

import contextlib
import math

import numpy as np
import torch
from skorch.dataset import ValidSplit
from torch.utils.data import DataLoader, RandomSampler, Sampler, SequentialSampler, Subset

from .._lazy import LazyBatch
from .._tensors import resolve_device
from ._loading import BatchDataset, unpacked, weights_of, whole_batch
from ._parallel import SharedOrder, n_processes, of_first_process
from ._skorch import SkorchRegressor
from ._trial import check_trainable
from ._validation import check_pairs

PIXELS_ON_GPU = 1 << 23  # Fourier pixels of a batch of predictions on a GPU


class BatchSampler(SkorchRegressor):
    """Selection of the samples of each batch."""

    _sample_weight = None  # set during a fit only
    _saves_memory = False  # set during a prediction only

    @contextlib.contextmanager
    def weighted(self, sample_weight):
        """Attach weights to the training samples inside a context."""
        self._sample_weight = sample_weight
        try:
            yield
        finally:
            vars(self).pop("_sample_weight", None)

    def get_dataset(self, X, y=None):
        """Return a data set that computes batches on the network's device."""
        dataset = super().get_dataset(X, y)
        collates = [
            self.get_params_for(name).get("collate_fn")
            for name in ("iterator_train", "iterator_valid")
        ]
        if isinstance(dataset, BatchDataset) and any(
            collate is not whole_batch for collate in collates
        ):
            dataset.__getitems__ = None  # PyTorch's loader then asks for single samples
        if isinstance(dataset, BatchDataset) and not self.get_params_for("iterator_train").get(
            "num_workers"
        ):
            dataset.device = (
                self.network_device if self.initialized_ else resolve_device(self.device)
            )
        return dataset

    def get_iterator(self, dataset, training=False):
        """Return a loader, which shuffles samples on disk in blocks."""
        if not training:
            return super().get_iterator(dataset, training)
        iterator = self._training_iterator(dataset)
        if (
            isinstance(iterator, DataLoader)
            and iterator.drop_last
            and len(dataset) < (iterator.batch_size or 1)
        ):
            raise ValueError(
                f"iterator_train__drop_last=True leaves no batch of {iterator.batch_size} of "
                f"{len(dataset)} samples; give a smaller batch_size"
            )
        if self.initialized_:
            check_trainable(self, dataset, iterator)
            self._keep_on_device(dataset)
        return iterator

    def _keep_on_device(self, dataset):
        """Copy the training set to the GPU, where nothing but the network uses it."""
        held = getattr(dataset, "dataset", dataset)
        in_this_process = not any(
            self.get_params_for(name).get("num_workers")
            for name in ("iterator_train", "iterator_valid")
        )
        alone = self.augmenter_ is None and self.detector_ is None and n_processes() == 1
        if type(held) is BatchDataset and alone and in_this_process:
            held.keep_on(self.network_device)

    def _training_iterator(self, dataset):
        held = getattr(dataset, "dataset", dataset)  # the whole set, if this is a part of it
        on_disk = [
            data
            for data in (getattr(held, "X", None), getattr(held, "y", None))
            if isinstance(data, LazyBatch)
        ]
        given = self.get_params_for("iterator_train")
        pool = min((batch.pool_rows for batch in on_disk), default=len(dataset))
        one_by_one = all(batch.block_rows == 1 for batch in on_disk)
        in_blocks = given.get("shuffle") and pool < len(dataset) and not one_by_one
        if "sampler" in given or not (in_blocks or n_processes() > 1):
            return super().get_iterator(dataset, training=True)
        order = RandomSampler(dataset) if given.get("shuffle") else SequentialSampler(dataset)
        if in_blocks:
            numbers = on_disk[0].block_numbers
            order = BlockShuffle(numbers if held is dataset else numbers[dataset.indices], pool)
        length = given.pop("batch_size", self._batch_length(dataset))
        if n_processes() > 1:
            if length % n_processes():
                raise ValueError(
                    f"batch_size={length} cannot be shared evenly among {n_processes()} processes"
                )
            order, length = SharedOrder(order), length // n_processes()
        return self.iterator_train(
            dataset, **given | {"batch_size": length, "shuffle": False, "sampler": order}
        )

    def _batch_length(self, dataset):
        return self.batch_size if self.batch_size > 0 else len(dataset)

    def _least_to_predict(self):
        """Return the smallest batch that keeps a GPU busy."""
        if not self.initialized_ or self.network_device.type != "cuda":
            return 1
        return PIXELS_ON_GPU // math.prod(self.fourier_shape_)

    @contextlib.contextmanager
    def saving_memory(self):
        """Predict batches of `batch_size` inside a context, also on a GPU."""
        self._saves_memory = True
        try:
            yield
        finally:
            vars(self).pop("_saves_memory", None)

    def batches_to_predict(self, X):
        """Return batches without drawing from torch's generator."""
        dataset = self.get_dataset(X)
        plain = self.iterator_valid is DataLoader and self.get_params_for("iterator_valid") == {
            "collate_fn": whole_batch
        }
        if plain and type(dataset) is BatchDataset:  # a loader would only cost time
            least = 1 if self._saves_memory else self._least_to_predict()
            length = max(self._batch_length(dataset), least)
            return (dataset[start : start + length] for start in range(0, len(dataset), length))
        iterator = self.get_iterator(dataset, training=False)
        if isinstance(iterator, DataLoader) and iterator.generator is None:
            iterator.generator = torch.Generator()
        return iterator

    def forward_iter(self, X, training=False, device="cpu"):
        """Yield the output of the network for each batch."""
        for batch in self.batches_to_predict(X):
            made = self.evaluation_step(batch, training=training)
            yield (
                tuple(part.to(device) for part in made)
                if isinstance(made, tuple)
                else made.to(device)
            )

    def get_split_datasets(self, X, y=None, **fit_params):
        """Split off a validation set for early stopping or by `train_split`."""
        if self.train_split is not None or not self.early_stopping:
            train, valid = super().get_split_datasets(X, y, **fit_params)
            valid = self._checked_validation_set(valid)
        else:
            train, valid = self._held_out(X, y)
        if self._sample_weight is not None:
            getattr(train, "dataset", train).sample_weight = self._sample_weight
            for name, part in (("training", train), ("validation", valid)):
                if part is not None and _is_weightless(part):
                    raise ValueError(
                        f"all {len(part)} samples of the {name} set have sample_weight 0; give "
                        "some of them a weight, or another split"
                    )
        return train, valid

    def _held_out(self, X, y):
        n_samples = len(X)
        if not 1 <= math.ceil(self.validation_fraction * n_samples) < n_samples:
            raise ValueError(
                "early_stopping needs samples to hold out: "
                f"validation_fraction={self.validation_fraction} of {n_samples} leaves none to "
                "train on"
            )
        seed = of_first_process(int(torch.randint(2**31 - 1, ())))
        parts = ValidSplit(float(self.validation_fraction), random_state=seed)(
            self.get_dataset(X, y)
        )
        for part in parts:  # reads from disk stay contiguous; batches are shuffled later
            part.indices = np.sort(part.indices)
        return parts

    def _checked_validation_set(self, dataset):
        """Check a validation set that the user provides."""
        if (
            dataset is None
            or isinstance(dataset, Subset)
            and isinstance(dataset.dataset, BatchDataset)
        ):
            return dataset
        try:
            pair = unpacked(dataset)
        except TypeError:
            return dataset  # of the user's own kind, with its own loader
        try:
            return self.get_dataset(*check_pairs(self, *pair, reset=False))
        except ValueError as error:
            raise ValueError(f"train_split returned an invalid validation set: {error}") from error


class BlockShuffle(Sampler):
    """Random order of samples that are read in blocks.

    The order of the blocks is random. As many blocks as fit into memory form a pool, whose samples
    are shuffled together.

    Parameters
    ----------
    block_numbers : ndarray of shape (n_samples,), integers
        Number of the block that each sample is in.
    pool_rows : int
        Number of samples that fit into memory.
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


def _is_weightless(part):
    """Return whether all samples of a data set have the weight 0."""
    weights = weights_of(part)
    return weights is not None and not weights.any()
