"""A training that can be killed at any moment: its state on disk after every epoch, and how to go on from there."""

import glob
import hashlib
import inspect
import io
import json
import pickle
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import Callback, EarlyStopping

from .._files import read_sealed, write_sealed
from .._progress import logger
from ..exceptions import ModelFileError
from ._parallel import n_processes, of_all_processes, of_first_process, process_rank
from ._state import as_json

# what does not change the weights, or is compared by itself
_FREE = ("callbacks", "checkpoint", "device", "tuning_rate", "tuning_steps", "verbose")


class TrainingCheckpoint(Callback):
    """Writes the state of a training after every epoch, and at its end; puts back the state that a fit goes on from.

    Parameters
    ----------
    path : path-like
    identity : dict
        What tells one fit from another, from :func:`fit_identity`.
    saved : dict, optional
        The state to go on from, of :func:`read_checkpoint`.
    """

    def __init__(self, path, identity, saved=None):
        self.path = path
        self.identity = identity
        self.saved = saved

    def on_train_begin(self, net, **kwargs):
        """Count the epochs that are done."""
        self.n_done_ = 0
        self.pending_ = self.saved

    def on_epoch_begin(self, net, **kwargs):
        """Put the saved state back, when everything else is set up, or write the state before this epoch."""
        if self.pending_ is not None:
            logger.info("going on from %s, after %d epochs", self.path, self.pending_["n_epochs"])
            restore(net, self.pending_)
            self.n_done_, self.pending_ = self.pending_["n_epochs"], None
        elif self.n_done_:
            self._write(net, finished=False)

    def on_epoch_end(self, net, **kwargs):
        """Count the epoch."""
        self.n_done_ = len(net.history)

    def on_train_end(self, net, **kwargs):
        """Write the end, if this is one: an interrupted training is to go on from the last epoch's start.

        Further training, by `partial_fit`, is another one.
        """
        net.callbacks_[:] = [(name, callback) for name, callback in net.callbacks_ if callback is not self]
        stopped = any(isinstance(c, EarlyStopping) and c.misses_ == c.patience for _, c in net.callbacks_)
        if self.n_done_ == net.max_epochs or stopped:
            self._write(net, finished=True)
        self.saved = self.pending_ = None  # not to be kept with the model

    def _write(self, net, finished):
        state = training_state(net, finished)
        if process_rank() != 0:
            return
        content = io.BytesIO()
        torch.save(self.identity | state, content)
        write_sealed(self.path, "checkpoint", content.getvalue())
        logger.debug("wrote %s after %d epochs", self.path, self.n_done_)


def read_checkpoint(path, identity):
    """The state of the same fit, or None where there is none yet.

    Raises
    ------
    ModelFileError
        For a damaged file.
    ValueError
        For a checkpoint of another fit.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"checkpoint={str(path)!r} is in a folder that does not exist")
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*"):  # of a process that was killed while it wrote
        stale.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        saved = torch.load(io.BytesIO(read_sealed(path, "checkpoint")), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from error
    for name, value in identity["parameters"].items():
        if saved["parameters"].get(name) != value:
            raise ValueError(
                f"checkpoint={str(path)!r} is of another fit, with {name}={saved['parameters'].get(name)} and not "
                f"{value}: give another name, or delete it"
            )
    if saved["data"] != identity["data"]:
        raise ValueError(f"checkpoint={str(path)!r} is of a fit to other data: give another name, or delete it")
    return saved


def found_checkpoint(path, identity):
    """:func:`read_checkpoint` of the first process, in all of them; its errors, too."""
    saved = error = None
    if process_rank() == 0:
        try:
            saved = read_checkpoint(path, identity)
        except (OSError, ValueError) as raised:
            error = raised
    saved, error = of_first_process((saved, error))
    if error is not None:
        raise error
    return saved


def fit_identity(net, X, y):
    """What a checkpoint must have in common with a fit: parameters, shapes, and sixteen of the samples."""
    parameters = {
        name: _described(value)
        for name, value in net.get_params(deep=False).items()
        if name not in _FREE and not name.startswith("callbacks__")
    } | {"n_processes": str(n_processes())}
    digest = hashlib.sha256()
    for data in (X, y):
        digest.update(f"{tuple(data.shape)} {data.dtype}".encode())
        for i in np.unique(np.linspace(0, len(data) - 1, 16).astype(int)):
            sample = data[int(i)]
            digest.update(np.asarray(sample.detach().cpu() if isinstance(sample, torch.Tensor) else sample).tobytes())
    return {"parameters": parameters, "data": digest.hexdigest()}


def training_state(net, finished):
    """Weights, optimizer, schedule, generators and history: all that the rest of a training depends on."""
    history = net.history if finished else net.history[:-1]
    return {
        "finished": finished,
        "n_epochs": len(history),
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "schedules": {
            name: {attribute: schedule.state_dict() for attribute, schedule in _schedules(callback).items()}
            for name, callback in net.callbacks_
        },
        "callbacks": {
            name: _plain_attributes(callback)
            for name, callback in net.callbacks_
            if not isinstance(callback, TrainingCheckpoint)
        },
        "history": json.dumps(list(history), default=as_json),
        "seed": net.fit_seed_,
        "random": of_all_processes(_random_state(net)),
    }


def _random_state(net):
    """Of all generators that this process draws from."""
    generator = net.generator_.get_state(legacy=False) if net.generator_ is not None else None
    if generator is not None:
        generator["state"]["key"] = generator["state"]["key"].tolist()
    loader = getattr(net, "iterator_train__generator", None)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "loader": None if loader is None else loader.get_state(),
        "generator": generator,
    }


def restore(net, saved):
    """Put a state back into a network that was built for the same fit."""
    net.module_.load_state_dict(saved["module"])
    net.criterion_.load_state_dict(saved["criterion"])
    net.optimizer_.load_state_dict(saved["optimizer"])
    for name, callback in net.callbacks_:
        for attribute, schedule in _schedules(callback).items():
            if attribute in saved["schedules"].get(name, {}):
                schedule.load_state_dict(saved["schedules"][name][attribute])
        for attribute, value in saved["callbacks"].get(name, {}).items():
            setattr(callback, attribute, value)
    present = list(net.history)
    net.history.clear()
    net.history.extend(json.loads(saved["history"]))
    for row in present:
        net.history.append(row | {"epoch": len(net.history) + 1})
    random = saved["random"][process_rank()]
    if random["generator"] is not None:
        generator = random["generator"]
        generator["state"]["key"] = np.array(generator["state"]["key"], dtype=np.uint32)
        net.generator_.set_state(generator)
    if random["loader"] is not None:
        net.iterator_train__generator.set_state(random["loader"])
    if random["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(random["mps"])
    torch.set_rng_state(random["torch"])
    if random["cuda"] and torch.cuda.device_count() == len(random["cuda"]):
        torch.cuda.set_rng_state_all(random["cuda"])


def _described(value):
    """A parameter as text that is the same in every process, and another for another value."""
    if isinstance(value, type) or callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if value is None or isinstance(value, str | int | float | np.generic):
        return repr(value)
    if isinstance(value, np.ndarray | torch.Tensor):
        content = np.ascontiguousarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
        return f"array {content.shape} {content.dtype} {hashlib.sha256(content.tobytes()).hexdigest()}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_described(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_described, value))})"
    if isinstance(value, BaseEstimator):
        return f"{type(value).__name__}{_described(value.get_params(deep=False))}"
    return type(value).__qualname__


def _schedules(callback):
    """Those attributes of a callback that keep a state of their own, learning rate schedules of skorch's among them."""
    return {
        name: value
        for name, value in vars(callback).items()
        if hasattr(value, "load_state_dict") and not isinstance(value, type)
    }


def _plain_attributes(callback):
    """What a callback has learned, as far as it is numbers, text and tensors; its parameters are as they are now."""
    parameters = inspect.signature(type(callback)).parameters
    found = {name: _plain(value) for name, value in vars(callback).items() if name not in parameters}
    return {name: value for name, value in found.items() if value is not NotImplemented and name != "epoch_start_time_"}


def _plain(value):
    """A value with NumPy's numbers as Python's; `NotImplemented` for one that is not plain."""
    if isinstance(value, dict | list | tuple):
        parts = [_plain(part) for part in (value.values() if isinstance(value, dict) else value)]
        if any(part is NotImplemented for part in parts):
            return NotImplemented
        return dict(zip(value, parts, strict=True)) if isinstance(value, dict) else type(value)(parts)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, torch.Tensor):
        return value
    return NotImplemented
