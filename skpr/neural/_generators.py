"""Temporary seeding of the process-wide random generators."""

import contextlib
import os
import random
import threading

import numpy as np
import torch
from sklearn.utils import check_random_state

# The global generators of PyTorch, NumPy and Python belong to the process: only one thread at a
# time may seed them and draw from them.
_LOCK = threading.RLock()


def _new_lock():
    global _LOCK
    _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)  # the thread that held it is not in the child


def drawn_seed(random_state):
    """Draw a seed from scikit-learn's `random_state`.

    None draws it from PyTorch's global generator.
    """
    if random_state is None:
        return int(torch.randint(2**31 - 1, ()))
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextlib.contextmanager
def seeded(seed):
    """Seed all global generators inside a context, and restore them after.

    Threads that enter this context run one at a time.
    """
    with kept_generators():
        seed_generators(seed)
        yield


def seed_generators(seed):
    """Seed all global generators inside :func:`kept_generators`."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


@contextlib.contextmanager
def kept_generators():
    """Restore all global generators when the context ends.

    Threads that enter this context run one at a time.
    """
    with _LOCK:
        with torch.device("cpu"):  # states are CPU tensors, whatever the default device
            kept = torch_states(), np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            yield
        finally:
            with torch.device("cpu"):
                set_torch_states(kept[0])
            np.random.set_state(kept[1])  # noqa: NPY002
            random.setstate(kept[2])


def generator_states():
    """Return the states of all global generators as plain values."""
    version, values, gauss = random.getstate()
    return torch_states() | {
        "numpy": numpy_state(np.random),
        "python": (version, torch.tensor(values), gauss),
    }


def set_generator_states(states):
    """Restore the states from :func:`generator_states`.

    States of devices that are absent here are ignored.
    """
    set_torch_states(states)
    set_numpy_state(np.random, states["numpy"])
    version, values, gauss = states["python"]
    random.setstate((version, tuple(values.tolist()), gauss))


def torch_states():
    """Return the states of PyTorch's generators on all devices."""
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_torch_states(states):
    """Restore the states from :func:`torch_states`.

    States of devices that are absent here are ignored.
    """
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])
    if states["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])


def numpy_state(generator):
    """Return the state of a NumPy `RandomState` as plain values.

    `numpy.random` itself is accepted, too.
    """
    state = generator.get_state(legacy=False)
    return state | {"state": {name: _as_tensor(value) for name, value in state["state"].items()}}


def set_numpy_state(generator, state):
    """Restore a state from :func:`numpy_state`."""
    inner = {name: _as_array(value) for name, value in state["state"].items()}
    generator.set_state(state | {"state": inner})


def _as_tensor(value):
    return torch.from_numpy(value.astype(np.int64)) if isinstance(value, np.ndarray) else value


def _as_array(value):
    return value.numpy().astype(np.uint32) if isinstance(value, torch.Tensor) else value
