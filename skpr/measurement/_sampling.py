"""Small sample of a batch of patterns, for checks."""

import math

import numpy as np
import torch

from .._arrays import as_batch
from .._lazy import LazyBatch
from .._tensors import even_rows, picked, to_tensor

MIN_LOOKED_AT, MAX_LOOKED_AT = 8, 64  # patterns, evenly spaced: enough to judge, and fast
VALUES_LOOKED_AT = 2**15  # values in the sample, if these make more than the fewest patterns


def looked_at(magnitudes, n_values=VALUES_LOOKED_AT, most=MAX_LOOKED_AT):
    """Return some patterns of a batch as a tensor.

    Parameters
    ----------
    magnitudes : array-like, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    n_values : int
        Number of values to aim at; small patterns are sampled more densely.
    most : int
        Maximum number of patterns.

    Returns
    -------
    torch.Tensor of shape (n_looked_at, *fourier_shape)

    Examples
    --------
    >>> looked_at(np.arange(300.0).reshape(100, 3), n_values=30)[:, 0].numpy()[:4]
    array([ 0., 33., 66., 99.])
    """
    if not isinstance(magnitudes, np.ndarray | torch.Tensor | LazyBatch):
        magnitudes = as_batch(magnitudes, name="magnitudes")
    n_patterns = min(most, max(MIN_LOOKED_AT, n_values // math.prod(magnitudes.shape[1:])))
    if len(magnitudes) <= n_patterns and isinstance(magnitudes, np.ndarray | torch.Tensor):
        return to_tensor(magnitudes).detach()
    return picked(magnitudes, even_rows(len(magnitudes), n_patterns))
