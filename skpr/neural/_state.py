"""Fitted networks as plain data, for pickle, joblib and skops.

The plain data are parameters, shapes, arrays and text.
"""

import json
import os
import warnings

import numpy as np
import torch

from ..exceptions import VersionWarning
from ..measurement import boundary_of
from ._generators import kept_generators

_TENSOR = "tensor, as an array"
# fitted attributes that are rebuilt from the others
_BUILT = (
    "augmenter_",
    "callbacks_",
    "criterion_",
    "cuda_dependent_attributes_",
    "history_",
    "init_context_",
    "initialized_",
    "module_",
    "optimizer_",
    "prefixes_",
    "virtual_params_",
)


def plain_state(net):
    """Return everything that a network needs to be rebuilt.

    Returns
    -------
    dict
        Plain data without tensors or modules: `parameters` that differ from their defaults,
        `fitted` attributes, and the `version` that wrote them. For an initialized network also its
        `weights`, those of the `criterion` and the state of the `optimizer`, as arrays, and its
        `history` as JSON.
    """
    from .. import __version__

    defaults = type(net).__mro__[_depth(net)]().get_params(deep=False)
    # paths are kept as text: path objects of one system cannot be read on another
    parameters = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in net.get_params(deep=False).items()
        if name not in defaults or not _same(value, defaults[name])
    }
    present = list(vars(net).items())  # a copy: another thread may add attributes meanwhile
    fitted = {
        name: _to_arrays(value)
        for name, value in present
        if name.endswith("_") and name not in _BUILT
    }
    state = {"version": __version__, "parameters": parameters, "fitted": fitted}
    if net.initialized_:
        state["weights"] = _to_arrays(dict(net.module_.state_dict()))
        state["criterion"] = _to_arrays(dict(net.criterion_.state_dict()))
        state["optimizer"] = _to_arrays(net.optimizer_.state_dict())
        state["history"] = json.dumps(list(net.history), default=as_json)
    return state


def restore_plain_state(net, state, base):
    """Build a network from its plain state on an existing device.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Instance from `__new__`, not yet initialized.
    state : dict
        State from :func:`plain_state`.
    base : type
        Class whose constructor sets the defaults.
    """
    from .. import __version__

    if state["version"].split(".")[:2] != __version__.split(".")[:2]:
        warnings.warn(
            f"this {type(net).__name__} was saved by skpr {state['version']} and is read by "
            f"{__version__}: its predictions may differ",
            VersionWarning,
            stacklevel=3,
        )
    base.__init__(net)
    vars(net).update(state["parameters"])
    vars(net).update(_facts_of_old(net, state["fitted"]))
    vars(net).update({name: _to_tensors(value) for name, value in state["fitted"].items()})
    if "weights" not in state:
        return
    device = net.device
    if not _exists(device):
        net.device = "cpu"
    try:
        with kept_generators():  # initial weights are drawn, then replaced
            net.initialize()
    finally:
        net.device = device
    net.module_.load_state_dict(_to_tensors(state["weights"]))
    net.criterion_.load_state_dict(_to_tensors(state["criterion"]))
    net.optimizer_.load_state_dict(_to_tensors(state["optimizer"]))
    net.history.extend(json.loads(state["history"]))


def _facts_of_old(net, fitted):
    """Derive the fitted attributes that the first versions lack."""
    if "object_shape_" not in fitted:
        return {}
    facts = {
        "boundary_": boundary_of(fitted["object_shape_"], fitted["fourier_shape_"]),
        "symmetries_": "fourier",
    }
    read_by_fit = [name for name in ("centered", "magnitude_scaling") if hasattr(net, name)]
    return facts | {f"{name}_": getattr(net, name) for name in read_by_fit}


def _depth(net):
    """Return the place of the first class of this package in the MRO.

    Only classes of this package are known to need no arguments.
    """
    names = [cls.__module__.split(".")[0] for cls in type(net).__mro__]
    return names.index("skpr")


def _same(value, default):
    if value is default:
        return True
    return (
        type(value) is type(default)
        and isinstance(value, str | int | float | bool)
        and value == default
    )


def _exists(device):
    """Return whether a device exists on this machine."""
    if device == "auto":
        return True
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def as_json(value):
    """Convert a value of the history to a type that JSON supports."""
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return value.tolist()
    return repr(value)


def plain(value):
    """Convert a value to plain Python types and tensors.

    Numbers of NumPy become Python's. Any other value gives `NotImplemented`.
    """
    if isinstance(value, dict | list | tuple):
        parts = [plain(part) for part in (value.values() if isinstance(value, dict) else value)]
        if any(part is NotImplemented for part in parts):
            return NotImplemented
        return (
            dict(zip(value, parts, strict=True)) if isinstance(value, dict) else type(value)(parts)
        )
    if isinstance(value, np.generic):
        return value.item()
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, torch.Tensor):
        return value
    return NotImplemented


def _to_arrays(value):
    if isinstance(value, torch.Tensor):
        narrow = value.dtype == torch.bfloat16  # NumPy has no bfloat16
        return {
            _TENSOR: (value.float() if narrow else value).detach().cpu().numpy(),
            "bfloat16": narrow,
        }
    if isinstance(value, dict):
        return {key: _to_arrays(part) for key, part in value.items()}
    return [_to_arrays(part) for part in value] if isinstance(value, list) else value


def _to_tensors(value):
    if isinstance(value, dict) and _TENSOR in value:
        tensor = torch.from_numpy(np.array(value[_TENSOR]))
        return tensor.bfloat16() if value["bfloat16"] else tensor
    if isinstance(value, dict):
        return {key: _to_tensors(part) for key, part in value.items()}
    return [_to_tensors(part) for part in value] if isinstance(value, list) else value
