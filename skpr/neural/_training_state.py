"""State of a training in progress: capture and restoration."""

import inspect
import json

from ._checkpoint_file import ANOTHER
from ._generators import generator_states, numpy_state, set_generator_states, set_numpy_state
from ._parallel import of_all_processes, process_rank
from ._state import as_json, plain


def training_state(net, finished, without):
    """Return everything that the rest of a training depends on.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Network in training.
    finished : bool
        Whether the training has ended. If not, its last record of the history is incomplete.
    without : Callback
        Callback whose own attributes are left out.

    Returns
    -------
    dict
        States of network, loss, optimizer, schedules, callbacks and random generators, and the
        history as JSON.
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
            if callback is not without
        },
        "history": json.dumps(list(history), default=as_json),
        "random": of_all_processes(_random_state(net)),
    }


def restore(net, saved, path):
    """Restore the state of a training in its network.

    Raises `ValueError` where the state does not fit the network.
    """
    try:
        net.module_.load_state_dict(saved["module"])
        net.criterion_.load_state_dict(saved["criterion"])
        net.optimizer_.load_state_dict(saved["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise ValueError(
            f"checkpoint={str(path)!r} does not fit the network that the parameters now build "
            f"({error}): {ANOTHER}"
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
    """Return the states of all generators in use."""
    loader = getattr(net, "iterator_train__generator", None)
    return {
        "process": generator_states(),
        "loader": None if loader is None else loader.get_state(),
        "generator": None if net.generator_ is None else numpy_state(net.generator_),
    }


def _schedules(callback):
    """Return the attributes of a callback that have a `state_dict`.

    Skorch's learning-rate schedules, for instance, are kept in such attributes.
    """
    return {
        name: value
        for name, value in vars(callback).items()
        if hasattr(value, "load_state_dict") and not isinstance(value, type)
    }


def _plain_attributes(callback):
    """Return the plain learned attributes of a callback.

    Parameters are left out: those of the present callback are kept.
    """
    parameters = inspect.signature(type(callback)).parameters
    found = {name: plain(value) for name, value in vars(callback).items() if name not in parameters}
    return {
        name: value
        for name, value in found.items()
        if value is not NotImplemented and name != "epoch_start_time_"
    }
