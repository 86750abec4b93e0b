"""Decorators that let functions of tensors take arrays."""

from functools import wraps

import numpy as np
import torch

from .._arrays import check_batch
from .._tensors import to_tensor


def takes_arrays(function):
    """Let a function of tensors take arrays and return arrays.

    Tensors of floating or complex type pass straight through, so that hot loops pay nothing. The
    result is a tensor if the first argument is one.
    """

    @wraps(function)
    def wrapped(first, *others, **named):
        if isinstance(first, torch.Tensor) and (first.is_floating_point() or first.is_complex()):
            return function(first, *others, **named)
        batch = to_tensor(check_batch(first, name="the first argument", ensure_all_finite=False))
        others = [to_tensor(value) if isinstance(value, np.ndarray) else value for value in others]
        named = {
            key: to_tensor(value) if isinstance(value, np.ndarray) else value
            for key, value in named.items()
        }
        result = function(batch, *others, **named)
        return result if isinstance(first, torch.Tensor) else result.detach().cpu().numpy()

    return wrapped


def moves_arrays(function):
    """Let a function that reorders values take any array."""

    @wraps(function)
    def wrapped(values, *others, **named):
        if isinstance(values, torch.Tensor):
            return function(values, *others, **named)
        return function(to_tensor(np.asarray(values)), *others, **named).numpy()

    return wrapped
