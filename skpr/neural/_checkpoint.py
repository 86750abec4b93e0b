"""The state of a training in a file, and how to resume from there."""

import inspect
import io
import json
import os
import pickle
import warnings
from pathlib import Path

import joblib
import torch
from skorch.callbacks import Callback, EarlyStopping

from .._files import read_sealed, remove_stale, write_sealed
from .._progress import inside_search, logger
from .._validation import short
from ..exceptions import ModelFileError
from ._generators import generator_states, numpy_state, set_generator_states, set_numpy_state
from ._identity import NotComparable, fit_identity
from ._parallel import of_all_processes, of_first_process, process_rank
from ._state import as_json, plain

_LAYOUT = 2  # of the content of a checkpoint
_ANOTHER = "give this training another name, or delete that file"


class TrainingCheckpoint(Callback):
    r"""Checkpoint of a training: its state in a file, to resume from.

    The file is written when the training begins, after every epoch and at the end, whole or not at
    all. A `fit` from new weights that finds a file of the same training, with the same parameters
    and the same data, resumes it and ends at the weights an uninterrupted run would have reached;
    one that had ended is not repeated. A file of any other training, or of anything else, is
    refused and left alone. `partial_fit`, and a `fit` with `warm_start` after the first, neither
    read nor write it.

    The parameter `checkpoint` of :class:`skpr.PhaseRetrievalRegressor` adds this callback. Inside a
    search or a cross-validation of scikit-learn every fit has a file of its own, named after it:
    "run.3f0c9a1b2d4e.checkpoint" beside "run.checkpoint".

    Parameters
    ----------
    path : path-like
        Name of the file, in a folder that exists.

    Attributes
    ----------
    path_ : str
        Name of the file that the last training wrote.

    Notes
    -----
    Trainings are compared by all of their data and by every parameter that can change the weights:
    numbers, text, arrays, generators, transformers, the code of functions and classes of your own,
    and callbacks. What cannot be compared, such as an open file inside a transformer, is refused. A
    callback of your own that only watches may have an attribute `changes_training = False`, and is
    then left out. Of other callbacks the file holds numbers, text, tensors, lists and dictionaries
    of them, and what has a `state_dict`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skpr import FourierMagnitude, PhaseRetrievalRegressor
    >>> objects = np.random.default_rng(0).random((40, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = TrainingCheckpoint(folder + "/run.checkpoint")
    ...     net = PhaseRetrievalRegressor(max_epochs=2, callbacks=[checkpoint], random_state=0, device="cpu")
    ...     first = net.fit(magnitudes, objects).predict(magnitudes)
    ...     again = net.fit(magnitudes, objects).predict(magnitudes)  # reads the file, and trains no more
    >>> bool((first == again).all())
    True
    """

    changes_training = False
    identity_ = saved_ = None  # outside of a training
    claimed_ = False  # the file of a training that has done no epoch yet

    def __init__(self, path):
        self.path = path

    def open(self, net, X, y, run, seed):
        """Look for the state of a training, before it begins.

        Parameters
        ----------
        net : PhaseRetrievalRegressor
        X, y : ndarray, torch.Tensor or LazyBatch
        run : Run
        seed : int
            Seed of the training, if it is a new one.

        Returns
        -------
        int
            Seed of the training.

        Raises
        ------
        ModelFileError
            For a damaged file.
        TypeError
            For a path or a parameter that is not valid.
        ValueError
            For a checkpoint of another training, or a folder that does not exist.
        """
        check_checkpoint_path(self.path)
        found = error = None
        if process_rank() == 0:
            try:
                found = self._found(net, X, y, run)
            except (OSError, TypeError, ValueError) as raised:
                error = raised
        found, error = of_first_process((found, error))
        if error is not None:
            raise error
        self.path_, self.identity_, self.saved_, self.signature_ = found
        self.seed_ = seed if self.saved_ is None else self.saved_["seed"]
        return self.seed_

    def close(self):
        """Forget the training, which is not to be kept with the model, and free a name that holds
        no epoch of it.
        """
        if self.claimed_ and _signature(self.path_) == self.signature_:
            Path(self.path_).unlink(missing_ok=True)
        self.claimed_ = False
        self.identity_ = self.saved_ = self.signature_ = None

    def on_train_begin(self, net, **kwargs):
        """Count the epochs that are done."""
        self.n_done_ = 0
        self.pending_ = self.saved_

    def on_epoch_begin(self, net, **kwargs):
        """Put the saved state back, when everything else is set up, or write the state before this
        epoch.
        """
        if self.identity_ is None:
            return
        if self.pending_ is None:
            self._write(net, finished=False)
            return
        logger.info("resuming from %s, after %d epochs", self.path_, self.pending_["n_epochs"])
        restore(net, self.pending_, self.path_)
        self.n_done_, self.pending_, self.saved_ = self.pending_["n_epochs"], None, None

    def on_epoch_end(self, net, **kwargs):
        """Count the epoch."""
        self.n_done_, self.claimed_ = len(net.history), False

    def on_train_end(self, net, **kwargs):
        """Write the end, if this is one: an interrupted training resumes from the start of its last
        epoch.
        """
        if self.identity_ is None:
            return
        stopped = any(
            isinstance(c, EarlyStopping) and c.misses_ == c.patience for _, c in net.callbacks_
        )
        if self.n_done_ == net._n_epochs or stopped:
            self._write(net, finished=True)
        self.close()

    def __getstate__(self):
        """Name of the file, which is all that is kept with a model."""
        return {"path": os.fspath(self.path) if isinstance(self.path, os.PathLike) else self.path}

    def _found(self, net, X, y, run):
        """Name, identity, state and signature of the file of this training; no state where there is
        no file.
        """
        try:
            identity = fit_identity(net, X, y, run.n_epochs, run.fit_params)
        except NotComparable as error:
            raise TypeError(
                f"checkpoint={os.fspath(self.path)!r} needs parameters that can be compared in "
                f"another process, but "
                f"{error}; build it from plain values, set changes_training = False if it is a "
                f"callback that only "
                "watches, or leave checkpoint=None"
            ) from error
        path = Path(os.path.realpath(self.path))
        if inside_search():
            path = path.with_name(f"{path.stem}.{joblib.hash(identity)[:12]}{path.suffix}")
        remove_stale(path.parent)
        signature = _signature(path)
        return str(path), identity, read_checkpoint(path, identity), signature

    def _write(self, net, finished):
        """Write the state, over this training's own file or to a name that is free, and over no
        other.
        """
        state = training_state(net, finished)
        error = None
        if process_rank() == 0:
            try:
                self._write_own(state)
            except (OSError, ValueError) as raised:
                error = raised
        if not self.n_done_:
            error = of_first_process(error)
            if error is not None:  # before any work
                raise error
        elif error is not None:
            warnings.warn(
                f"the training goes on, but its state after {self.n_done_} epochs is not on disk: "
                f"{error}",
                UserWarning,
                stacklevel=2,
            )

    def _write_own(self, state):
        present = _signature(self.path_)
        if present is not None and present != self.signature_:
            check_same(self.path_, read_header(self.path_)[0], self.identity_)
        header = self.identity_ | {"layout": _LAYOUT, "seed": self.seed_}
        content = io.BytesIO()
        content.write(json.dumps(header).encode() + b"\n")
        torch.save(state, content)
        try:
            write_sealed(self.path_, "checkpoint", content.getvalue(), replace=present is not None)
        except FileExistsError:  # since a moment ago
            raise ValueError(
                f"checkpoint={short(self.path_)} was taken by another training: {_ANOTHER}"
            ) from None
        self.signature_ = _signature(self.path_)
        self.claimed_ = self.n_done_ == 0 and present is None
        logger.debug("wrote %s after %d epochs", self.path_, self.n_done_)


def check_checkpoint_path(path):
    """Refuse what cannot be the name of a file."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"checkpoint={short(path)} is not valid; give a path or None")
    path = os.fspath(path)
    try:
        place = Path(os.path.realpath(path))
        is_folder, is_file, is_there = place.is_dir(), place.is_file(), place.exists()
    except (OSError, ValueError) as error:  # too long, or with a null character
        raise ValueError(f"checkpoint={short(path)} is not the name of a file: {error}") from error
    if is_folder or not path:
        raise ValueError(f"checkpoint={short(path)} is a folder; give the name of a file in it")
    if is_there and not is_file:
        raise ValueError(f"checkpoint={short(path)} is no file that can be replaced")
    if not place.parent.is_dir():
        raise ValueError(f"checkpoint={short(path)} is in a folder that does not exist")


def read_checkpoint(path, identity):
    """Return the state of the same training, or None where there is none yet.

    Raises
    ------
    ModelFileError
        For a damaged file.
    ValueError
        For a checkpoint of another training.
    """
    if not os.path.exists(path):
        return None
    header, content = read_header(path)
    check_same(path, header, identity)
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from error
    return state | {"seed": header["seed"]}


def read_header(path):
    """Return what a checkpoint says of its training, and its content."""
    header, _, content = read_sealed(path, "checkpoint").partition(b"\n")
    try:
        header = json.loads(header)
        if header["layout"] != _LAYOUT:
            raise ValueError
    except (ValueError, TypeError, KeyError) as error:
        raise ModelFileError(
            f"{path} is of another version of skpr, which cannot be resumed: {_ANOTHER}"
        ) from error
    return header, content


def check_same(path, header, identity):
    """Refuse a checkpoint of another training, by what differs first."""
    there, here = header["parameters"], identity["parameters"]
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            found, asked = _around_difference(
                there.get(name, "<default>"), here.get(name, "<default>")
            )
            raise ValueError(
                f"checkpoint={str(path)!r} is of another fit, with {name}={found} and not "
                f"{asked}: {_ANOTHER}"
            )
    if header["data"] != identity["data"]:
        raise ValueError(f"checkpoint={str(path)!r} is of a fit to other data: {_ANOTHER}")


def training_state(net, finished):
    """Weights, optimizer, schedule, generators and history: all that the rest of a training depends
    on.
    """
    history = net.history if finished else net.history[:-1]
    return {
        "finished": finished,
        "n_epochs": len(history),
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "schedules": {
            name: {
                attribute: schedule.state_dict()
                for attribute, schedule in _schedules(callback).items()
            }
            for name, callback in net.callbacks_
        },
        "callbacks": {
            name: _plain_attributes(callback)
            for name, callback in net.callbacks_
            if not isinstance(callback, TrainingCheckpoint)
        },
        "history": json.dumps(list(history), default=as_json),
        "random": of_all_processes(_random_state(net)),
    }


def restore(net, saved, path):
    """Put a state back into a network that was built for the same training."""
    try:
        net.module_.load_state_dict(saved["module"])
        net.criterion_.load_state_dict(saved["criterion"])
        net.optimizer_.load_state_dict(saved["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(
            f"checkpoint={str(path)!r} is of another network than the parameters build now "
            f"({error}): {_ANOTHER}"
        ) from error
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
        set_numpy_state(net.generator_, random["generator"])
    if random["loader"] is not None:
        net.iterator_train__generator.set_state(random["loader"])
    set_generator_states(random["process"])


def _random_state(net):
    """State of all generators that this process draws from."""
    loader = getattr(net, "iterator_train__generator", None)
    return {
        "process": generator_states(),
        "loader": None if loader is None else loader.get_state(),
        "generator": None if net.generator_ is None else numpy_state(net.generator_),
    }


def _signature(path):
    """Tell one version of a file from another; None where there is no file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _around_difference(first, second, length=100):
    """Two texts, or the parts of them around the first character in which they differ."""
    if max(len(first), len(second)) <= length:
        return first, second
    start = max(0, len(os.path.commonprefix((first, second))) - length // 2)
    return tuple(
        f"{'...' if start else ''}{text[start : start + length]}"
        f"{'...' if len(text) > start + length else ''}"
        for text in (first, second)
    )


def _schedules(callback):
    """Return attributes of a callback that keep a state of their own, such as skorch's
    learning-rate schedules.
    """
    return {
        name: value
        for name, value in vars(callback).items()
        if hasattr(value, "load_state_dict") and not isinstance(value, type)
    }


def _plain_attributes(callback):
    """Learned attributes of a callback that are numbers, text and tensors; its parameters are as
    they are now.
    """
    parameters = inspect.signature(type(callback)).parameters
    found = {name: plain(value) for name, value in vars(callback).items() if name not in parameters}
    return {
        name: value
        for name, value in found.items()
        if value is not NotImplemented and name != "epoch_start_time_"
    }
