"""Descriptions of values as text that is equal in any process."""

import dis
import functools
import inspect
import math
import os
import sys
import sysconfig
import types
from numbers import Real

import joblib
import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch.callbacks import Callback

from .._lazy import LazyBatch, is_on_disk
from .._tensors import chunks_of, even_rows

_LENGTH = 2000  # maximum length of a text; a longer one ends in its digest
_COMPARED = 64  # number of drawn samples whose values are compared
_LIBRARIES = {"site-packages", "dist-packages"}


class NotComparable(TypeError):
    """Error for a value that other processes cannot compare.

    Examples are open files and locks.
    """


def digest_of(batch):
    """Return a digest of all values of a batch, read in chunks.

    It is the same for equal values in memory, on disk and on a device. Samples that are drawn when
    they are read are compared by their function, its arguments and their indices, and by some of
    the values.
    """
    if batch is None:
        return "None"
    if isinstance(batch, LazyBatch) and batch.is_drawn:
        some = batch[even_rows(len(batch), _COMPARED)]
        return joblib.hash((batch.shape, described(batch.drawn_by), digest_of(np.asarray(some))))
    values_per_sample = math.prod(batch.shape[1:])
    digests = [
        joblib.hash(_as_array(batch[part])) for part in chunks_of(len(batch), values_per_sample)
    ]
    order = (batch.block_rows, batch.pool_rows) if isinstance(batch, LazyBatch) else ()
    # a batch larger than the pool is shuffled in blocks, whose size therefore changes the training
    return joblib.hash(
        (tuple(batch.shape), digests, order if order and batch.pool_rows < len(batch) else ())
    )


def described(value):
    """Describe a value by a text that is equal for equal values only.

    The text does not depend on the process. Equal numbers of different types have the same text.
    Arrays, code and the state of objects enter as digests.

    Raises
    ------
    NotComparable
        For a value that holds a file, a lock or the like.
    """
    return _Describer().text(value)


class _Describer:
    """Writer of descriptions that describes each object once.

    An object that contains itself is described there by its depth. An estimator is described by its
    parameters, because it is cloned before use; with `fitted`, by everything that it holds.
    """

    def __init__(self, fitted=False):
        self.open, self.done, self.fitted = [], {}, fitted

    def text(self, value):
        """Return the text of any value."""
        if value is None or isinstance(value, bool | torch.dtype | torch.device | np.dtype):
            return repr(value)
        if isinstance(value, str | np.bool_):
            return repr(str(value) if isinstance(value, str) else bool(value))
        if isinstance(value, complex | np.number | Real):
            return _number(value)
        if id(value) in self.open:
            return f"<{self.open.index(id(value))} of {len(self.open)}>"
        if id(value) in self.done:
            return self.done[id(value)][0]
        self.open.append(id(value))
        text = self._compound(value)
        self.open.pop()
        if len(text) > _LENGTH:
            text = f"{text[:_LENGTH]}... {joblib.hash(text)}"
        self.done[id(value)] = text, value  # keep it alive: a freed id may be reused
        return text

    def _compound(self, value):
        if isinstance(value, np.ndarray | torch.Tensor) or is_on_disk(value):
            return self._array(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"bytes {joblib.hash(bytes(value))}"
        if isinstance(value, os.PathLike):
            return repr(os.fspath(value))
        if isinstance(value, dict):
            items = sorted((self.text(key), i, part) for i, (key, part) in enumerate(value.items()))
            return "{" + ", ".join(f"{key}: {self.text(part)}" for key, _, part in items) + "}"
        if isinstance(value, set | frozenset):
            return "{" + ", ".join(sorted(map(self.text, value))) + "}"
        if isinstance(value, list | tuple):
            return f"({', '.join(map(self.text, value))})"
        if isinstance(value, torch.Generator):
            return f"Generator {self.text(value.get_state())}"
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, functools.partial):
            return self._call("partial", (value.func, *value.args), value.keywords)
        return self._function(value) or self._object(value)

    def _array(self, value):
        if is_on_disk(value):
            value = LazyBatch(value)
        elif isinstance(value, torch.Tensor) and value.layout != torch.strided:
            value = value.to_dense()
        elif isinstance(value, np.ndarray) and value.dtype.hasobject:
            return f"array {value.shape} {self.text(value.tolist())}"
        shape = tuple(value.shape)
        content = digest_of(value) if shape and math.prod(shape) else joblib.hash(_as_array(value))
        frozen = (
            " frozen" if isinstance(value, torch.nn.Parameter) and not value.requires_grad else ""
        )
        return f"array {shape} {value.dtype} {content}{frozen}"

    def _function(self, value):
        """Return the text of a function, or None for anything else."""
        if inspect.ismethod(value):
            return f"{self.text(value.__self__)}.{self.text(value.__func__)}"
        if inspect.isbuiltin(value) or isinstance(value, np.ufunc):
            owner = getattr(value, "__self__", None)
            of = "" if owner is None or inspect.ismodule(owner) else f"{self.text(owner)}."
            name = getattr(value, "__qualname__", value.__name__)
            return f"{of}{getattr(value, '__module__', None)}.{name}"
        if not inspect.isfunction(value):
            return None
        if _is_installed(value.__module__) and "<" not in value.__qualname__:
            return f"{value.__module__}.{value.__qualname__}"
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        used = {
            name: value.__globals__[name]
            for name in _globals_of(value.__code__)
            if name in value.__globals__
        }
        parts = [
            self._code(value.__code__),
            value.__defaults__,
            value.__kwdefaults__,
            cells,
            used,
            vars(value),
        ]
        return f"{value.__qualname__} {joblib.hash(self.text(parts))}"

    def _code(self, code):
        kept = (
            "co_flags",
            "co_argcount",
            "co_posonlyargcount",
            "co_kwonlyargcount",
            "co_names",
            "co_varnames",
        )
        constants = [
            self._code(part) if isinstance(part, types.CodeType) else part
            for part in code.co_consts
        ]
        table = getattr(code, "co_exceptiontable", b"")
        return [code.co_code, table, constants, *(getattr(code, name) for name in kept)]

    def _class(self, value):
        name = f"{value.__module__}.{value.__qualname__}"
        if _is_installed(value.__module__):
            return name
        members = {key: _undecorated(member) for key, member in vars(value).items()}
        counted = {
            key: member
            for key, member in members.items()
            if inspect.isfunction(member)
            or not (
                key.startswith("__")
                or key == "_abc_impl"
                or hasattr(member, "__get__")
                and not callable(member)
            )
        }
        return f"{value.__qualname__} {joblib.hash(self.text([value.__bases__, counted]))}"

    def _module(self, value):
        """Return the text of a module by its name and constants."""
        if _is_installed(value.__name__):
            return value.__name__
        constants = {
            name: part
            for name, part in vars(value).items()
            if isinstance(part, str | Real | tuple | list) and not name.startswith("__")
        }
        return f"{value.__name__} {joblib.hash(self.text(constants))}"

    def _object(self, value):
        """Return the text of an object by its parameters or state."""
        kind = type(value)
        # a frozen estimator is not reset by cloning: everything that it holds counts
        if isinstance(value, FrozenEstimator) and not self.fitted:
            return f"{kind.__name__}({_Describer(fitted=True).text(value.estimator)})"
        if hasattr(value, "get_params") and not self.fitted:
            parameters = value.get_params(deep=False)
            accepted = inspect.signature(kind).parameters.values()
            if isinstance(value, Callback) and not any(p.kind is p.VAR_KEYWORD for p in accepted):
                parameters = {p.name: parameters[p.name] for p in accepted if p.name in parameters}
            return self._call(self.text(kind), (), parameters)
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:  # pickling fails in many ways
            raise NotComparable(f"a {kind.__module__}.{kind.__qualname__}") from error
        if isinstance(reduced, str):
            return f"{kind.__module__}.{reduced} {self.text(getattr(value, '__wrapped__', None))}"
        made, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        parts = [made, arguments, state, list(items or ()), dict(pairs or ())]
        if (
            made is sys.modules["copyreg"].__newobj__
            and isinstance(state, dict)
            and len(arguments) == 1
        ):
            return self._call(self.text(kind), parts[3], state | parts[4])
        return f"{self.text(kind)} {joblib.hash(self.text(parts))}"

    def _call(self, name, arguments, named):
        parts = [self.text(part) for part in arguments]
        parts += [f"{key}={self.text(named[key])}" for key in sorted(named)]
        return f"{name}({', '.join(parts)})"


def _undecorated(member):
    """Return the functions inside a method or property of a class."""
    if isinstance(member, property):
        return (member.fget, member.fset)
    if isinstance(member, functools.cached_property):
        return member.func
    return getattr(member, "__func__", member)


def _number(value):
    """Return the text of a number, whatever its type."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, complex):
        return repr(value)
    # numbers of higher precision, and fractions
    if isinstance(value, np.generic) or not isinstance(value, int | float):
        return f"{type(value).__name__} {value!r}"
    return repr(int(value) if math.isfinite(value) and value == int(value) else value)


def _as_array(part):
    """Convert an array or tensor to a contiguous array."""
    if isinstance(part, torch.Tensor):
        part = part.detach().cpu().resolve_conj().resolve_neg()
        narrow = part.is_floating_point() and part.dtype not in (
            torch.float16,
            torch.float32,
            torch.float64,
        )
        part = (part.float() if narrow else part).numpy()
    return np.ascontiguousarray(part)


def _globals_of(code):
    """Return the global variables that a function reads."""
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return names.union(*map(_globals_of, inner))


def _is_filled(cell):
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_installed(module):
    """Return whether a module belongs to a library.

    The code of a library is identified by its name.
    """
    root = (module or "__main__").split(".")[0]
    if root == "__main__":
        return False
    if root in sys.stdlib_module_names or root == __name__.split(".")[0]:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return False
    path = os.path.realpath(file)
    # libraries may be those of this environment, of the system beneath it, or of the user
    if _LIBRARIES & set(path.split(os.sep)):
        return True
    libraries = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return any(path.startswith(os.path.realpath(part)) for part in libraries)
