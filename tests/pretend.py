"""Simulated device, on which the CPU computes.

Its tensors hide tensors of the CPU, so every value can be compared, but PyTorch treats them as
those of another device: operations on tensors of both fail, and each transfer of a value to the
host is counted. It shows on any machine what code for a GPU does wrong. Gradients do not pass
through assignments to parts of its tensors.
"""

import contextlib
import warnings

import torch
from torch.utils import _pytree as tree

DEVICE = "pretend"
# operations that bring a value or a shape to the host, for which a GPU must finish all its work
TRIPS = "aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"
OVERRIDDEN = {
    "aten::convolution_overrideable": torch.ops.aten.convolution.default,
    "aten::convolution_backward_overrideable": torch.ops.aten.convolution_backward.default,
}
LEFT = "aten::detach", "aten::alias"  # the result shares the storage, which tells what it hides
_hidden = {}  # tensor of the CPU, by the storage of the tensor that hides it
_library = None
_trips = []


class _Module:
    """Functions that PyTorch expects of a device."""

    def is_initialized(self):
        return True

    def is_available(self):
        return True

    def device_count(self):
        return 1

    def current_device(self):
        return 0

    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]

    def _is_in_bad_fork(self):
        return False

    def manual_seed_all(self, seed):
        """Numbers are drawn by the generator of the CPU."""

    def get_rng_state(self, device=None):
        return torch.get_rng_state()

    def set_rng_state(self, state, device=None):
        torch.set_rng_state(state)


def start():
    """Register the device; False if this version of PyTorch cannot."""
    global _library
    if _library is not None:
        return True
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
    except ImportError:
        return False
    module = _Module()
    _setup_privateuseone_for_python_backend(DEVICE, backend_module=module)
    _library = torch.library.Library("_", "IMPL")
    _library.fallback(_computed, "PrivateUse1")
    aten = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kernels that are replaced
        for operation in _composed():
            aten.impl(operation.name().removeprefix("aten::"), _whole(operation), "PrivateUse1")
        for name in OVERRIDDEN:
            aten.impl(name.removeprefix("aten::"), _overridden(name), "PrivateUse1")
    _library.others = aten
    return True


@contextlib.contextmanager
def trips():
    """Count the transfers to the host inside a context, in the list that it returns."""
    _trips.clear()
    found = []
    yield found
    found.extend(_trips)


def _hiding(value):
    found = torch._C._acc.create_empty_tensor(tuple(value.shape), value.dtype)
    storage = found.untyped_storage()
    _hidden[storage._cdata] = value, storage
    return found


def _seen(value):
    if not isinstance(value, torch.Tensor) or value.device.type != DEVICE:
        return value
    found, _ = _hidden[value.untyped_storage()._cdata]
    # PyTorch reshapes some tensors without an operation
    return found if found.shape == value.shape else found.reshape(value.shape)


def _computed(operation, *args, **kwargs):
    name = operation.name()
    flat, form = tree.tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    kinds = {tensor.device.type for tensor in tensors if tensor.ndim}
    moves = name in ("aten::_copy_from", "aten::_to_copy", "aten::copy_")
    moves = moves or name.startswith("aten::index")  # PyTorch moves indices itself
    if len(kinds) > 1 and not moves:
        raise RuntimeError(f"{name} mixes tensors of {' and '.join(sorted(kinds))}")
    wanted = [value for value in flat if isinstance(value, torch.device)]
    to_host = any(device.type == "cpu" for device in wanted)
    if name == "aten::_copy_from":
        to_host = args[1].device.type == "cpu"
    if name in TRIPS or to_host:
        _trips.append(name)
    there = [torch.device("cpu") if isinstance(v, torch.device) else _seen(v) for v in flat]
    inputs, settings = tree.tree_unflatten(there, form)
    if name == "aten::_copy_from":
        inputs[1].copy_(inputs[0])
        return args[1]
    # a hiding tensor claims to be contiguous, so PyTorch may view where it would have to copy
    if name == "aten::view":
        result = inputs[0].reshape(*inputs[1:])
    else:
        result = operation(*inputs, **settings)
    if to_host:
        return result
    # kernels may rely on the contiguity that a hiding tensor claims
    is_view = any(value.alias_info is not None for value in operation._schema.returns)
    known = {id(inside): outside for inside, outside in zip(there, flat, strict=True)}

    def outside(value):
        if not isinstance(value, torch.Tensor):
            return value
        if id(value) in known:
            return known[id(value)]
        return _hiding(value if is_view else value.contiguous())

    return tree.tree_map(outside, result)


def _composed():
    """Yield functions that resize an empty result, of which a hiding tensor would not know."""
    known = set(torch._C._dispatch_get_all_op_names())
    for schema in torch._C._jit_get_all_schemas():
        if not schema.name.startswith("aten::") or schema.overload_name.startswith("out"):
            continue
        name = schema.name + ("." + schema.overload_name if schema.overload_name else "")
        values = [*schema.arguments, *schema.returns]
        if any(value.alias_info is not None and value.alias_info.is_write for value in values):
            continue
        if (
            name in LEFT
            or name in OVERRIDDEN
            or name not in known
            or not torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeExplicitAutograd")
        ):
            continue
        packet = getattr(torch.ops.aten, schema.name.removeprefix("aten::"))
        yield getattr(packet, schema.overload_name or "default")


def _whole(operation):
    return lambda *args, **kwargs: _computed(operation, *args, **kwargs)


def _overridden(name):
    operation = OVERRIDDEN[name]

    def computed(*args):
        if "backward" in name:  # its arguments: gradient, input, weight, then settings, last a mask
            gradient, x, weight, *settings, mask = args
            return _computed(operation, gradient, x, weight, [weight.shape[0]], *settings, mask)
        return _computed(operation, *args)

    return computed
