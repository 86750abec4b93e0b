"""Names for annotations; never imported at run time."""

import os
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from typing_extensions import Self

from ._lazy import LazyBatch

__all__ = ["Batch", "Boundary", "FilePath", "Seed", "Self"]

# Functions return the type they are given, an array for an array and a tensor for a tensor; metrics
# return one number or one per sample. These results are annotated as Any: a union would be harder
# to use and no safer.
Batch: TypeAlias = npt.ArrayLike | torch.Tensor | LazyBatch
Boundary: TypeAlias = str | Sequence[str]
FilePath: TypeAlias = str | os.PathLike[str]
Seed: TypeAlias = int | np.random.RandomState | None
