"""A fitted network as plain data: parameters, shapes, arrays and text, for pickle, joblib and skops
alike.
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
# built again from the rest
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
    """Everything about a network that is not at its default, without a single tensor or module.

    Returns
    -------
    dict
        `parameters` other than the defaults; `fitted` attributes; where there is a network, its
        weights, those of the loss, and the state of the optimizer, as arrays; its history as JSON;
        and the version that wrote it.
    """
    from .. import __version__

    defaults = type(net).__mro__[_depth(net)]().get_params(deep=False)
    parameters = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value  # a path of any system
        for name, value in net.get_params(deep=False).items()
        if name not in defaults or not _same(value, defaults[name])
    }
    present = list(vars(net).items())  # which another thread may add to
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
    """Build a network from its plain state, on a device that exists here.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        As `__new__` made it.
    state : dict
        State from :func:`plain_state`.
    base : type
        Class whose constructor sets the defaults.
    """
    from .. import __version__

    if state["version"].split(".")[:2] != __version__.split(".")[:2]:
        warnings.warn(
            f"this {type(net).__name__} was kept by skpr {state['version']} and is read by "
            f"{__version__}: its "
            "predictions may differ",
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
        with kept_generators():  # weights are drawn, and replaced
            net.initialize()
    finally:
        net.device = device
    net.module_.load_state_dict(_to_tensors(state["weights"]))
    net.criterion_.load_state_dict(_to_tensors(state["criterion"]))
    net.optimizer_.load_state_dict(_to_tensors(state["optimizer"]))
    net.history.extend(json.loads(state["history"]))


def _facts_of_old(net, fitted):
    """Fitted attributes that the first versions did not have, as they follow from those they had."""
    if "object_shape_" not in fitted:
        return {}
    facts = {
        "boundary_": boundary_of(fitted["object_shape_"], fitted["fourier_shape_"]),
        "symmetries_": "fourier",
    }
    return facts | {f"{name}_": getattr(net, name) for name in ("centered", "magnitude_scaling")}


def _depth(net):
    """Place of the first class of the family that is constructed without arguments, which is the
    package's own.
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
    """Whether there is such a device here."""
    if device == "auto":
        return True
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def as_json(value):
    """Turn a record of the history that JSON does not know into something that it does."""
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return value.tolist()
    return repr(value)


def plain(value):
    """A value with NumPy's numbers as Python's; `NotImplemented` for one that is not plain."""
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
        narrow = value.dtype == torch.bfloat16  # which NumPy does not have
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
