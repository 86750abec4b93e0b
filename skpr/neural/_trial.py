"""Trial run of a user's module or loss before the training."""

import copy

import numpy as np
import torch

from ._generators import kept_generators
from ._loading import whole_batch
from ._losses import CRITERIA
from ._multilevel import NETWORKS


def check_trainable(net, dataset, iterator):
    """Refuse a module or criterion that cannot be trained.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Network to be trained. Copies of its module and criterion are tried on two samples.
    dataset : torch.utils.data.Dataset
        Training set.
    iterator : torch.utils.data.DataLoader
        Batches of the training set.

    Raises
    ------
    ValueError
        For a module that fails, whose output does not have the shape of the objects, or that cannot
        be trained on a single sample where the last batch has only one. For a criterion that fails
        or does not return one number.
    """
    modules, criteria = sum(NETWORKS.values(), ()), CRITERIA.values()
    module = None if type(net.module_.network) in modules else _copied(net.module_)
    criterion = None if type(net.criterion_) in criteria else _copied(net.criterion_)
    if module is None and criterion is None:
        return
    index = np.minimum([0, 1], len(dataset) - 1).tolist()
    several = getattr(dataset, "__getitems__", None)
    batch = whole_batch(several(index) if several else [dataset[i] for i in index])
    magnitudes, objects = (part.to(net.network_device) for part in batch[:2])
    with kept_generators(), torch.no_grad():
        if module is not None:
            with net.autocast(training=True):
                for training in (True, False):
                    _try(module.train(training), magnitudes)
                if _smallest_batch(iterator) == 1:
                    _try_single(module.train(), magnitudes[:1], iterator)
        if criterion is not None:
            _try_loss(criterion, objects)


def _copied(module):
    """Copy a module; return None if it cannot be copied."""
    try:
        return copy.deepcopy(module)
    except (TypeError, RuntimeError):
        return None


def _try_loss(criterion, objects):
    name = type(criterion).__name__
    try:
        loss = criterion(0.5 * objects, objects)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"criterion {name} fails on objects of shape {tuple(objects.shape)}: {error}"
        ) from error
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        made = (
            f"a tensor of shape {tuple(loss.shape)}"
            if isinstance(loss, torch.Tensor)
            else type(loss).__name__
        )
        raise ValueError(
            f"criterion {name} returned {made}; it must return one number, the mean over the batch"
        )


def _try(trial, magnitudes):
    try:
        trial(magnitudes)
    except (RuntimeError, TypeError, ValueError) as error:
        name = type(trial.network).__name__
        if str(error).startswith(name):  # the error of ScaledNetwork says enough
            raise
        raise ValueError(
            f"{name} fails on magnitudes of shape {tuple(magnitudes.shape)}: {error}"
        ) from error


def _try_single(trial, magnitudes, iterator):
    try:
        trial(magnitudes)
    except (RuntimeError, TypeError, ValueError) as error:
        n_samples, length = len(iterator.sampler), iterator.batch_size
        found = f"batch_size={length} leaves a batch of one of {n_samples} samples"
        if n_samples == 1:
            found, way = "the training set is a single sample", "give two or more"
        else:  # a batch of all samples leaves no rest
            better = next(n for n in range(length + 1, n_samples + 1) if n_samples % n != 1)
            way = f"give batch_size={better}"
            way += ", or iterator_train__drop_last=True" if length > 1 else ""
        raise ValueError(
            f"{found}, on which {type(trial.network).__name__} cannot be trained ({error}); {way}"
        ) from error


def _smallest_batch(iterator):
    """Return the length of the shortest batch; 0 if unknown."""
    length, sampler = getattr(iterator, "batch_size", None), getattr(iterator, "sampler", None)
    if length is None or not hasattr(sampler, "__len__"):
        return 0
    rest = len(sampler) % length
    return length if iterator.drop_last or rest == 0 else rest
