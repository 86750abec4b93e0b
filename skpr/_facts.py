"""Facts about the values of a batch, found in one scan."""

import math
from typing import NamedTuple

import torch

from ._lazy import LazyBatch
from ._tensors import chunks_of, to_tensor

ROUNDING = 1e-3  # fraction of the largest modulus; smaller negative values count as zeros
SCANNED = 32  # number of drawn samples that are scanned


class Facts(NamedTuple):
    """Facts about the values of a batch.

    Attributes
    ----------
    minimum : float
        Smallest value that is not NaN; infinity if all values are NaN, and NaN for complex values,
        which have no order.
    largest : float
        Largest modulus.
    n_nan, n_infinite : int
        Numbers of NaN and infinite values.
    n_hidden : int
        Number of samples that are NaN everywhere.
    first_hidden : int
        Index of the first sample that is NaN everywhere; -1 if there is none.
    is_complex : bool
        Whether the values are complex.
    is_integer : bool
        Whether the values were given as integers or booleans.
    on_disk : bool
        Whether the batch is on disk.
    sampled : bool
        Whether the facts were found in some samples only; others are checked when they are read.
    """

    minimum: float
    largest: float
    n_nan: int = 0
    n_infinite: int = 0
    n_hidden: int = 0
    first_hidden: int = -1
    is_complex: bool = False
    is_integer: bool = False
    on_disk: bool = False
    sampled: bool = False

    @property
    def complete(self):
        """Whether every value is finite."""
        return self.n_nan == self.n_infinite == 0

    def of_part(self):
        """Return facts that hold for any part of the batch, or None.

        The extremes of the whole batch bound those of a part. They are of use only if every value
        is finite, and non-negative or complex. Facts found in some samples hold for any part.
        """
        if self.sampled:
            return self
        return self if self.complete and (self.minimum >= 0 or self.is_complex) else None

    def check(self, values):
        """Refuse values that contradict facts found in some samples.

        Only values of samples that are drawn when they are read can do so.

        Parameters
        ----------
        values : torch.Tensor of shape (n_samples, *sample_shape)

        Raises
        ------
        ValueError
            For NaN, infinity or negative values, if the samples that were scanned hold none.
        """
        if not self.sampled or not len(values):
            return
        found = Facts(*_scan(values))
        wrong = None
        if (found.n_nan and not self.n_nan) or (found.n_hidden and not self.n_hidden):
            wrong = "NaN"
        elif found.n_infinite and not self.n_infinite:
            wrong = "infinity"
        elif found.minimum < self._lowest():
            wrong = f"the negative value {found.minimum:.4g}"
        if wrong is not None:
            raise ValueError(
                f"a sample drawn now holds {wrong}, but none of the first {SCANNED} samples does, "
                "and estimators infer the kind of all samples from these; draw samples of one kind"
            )

    def _lowest(self):
        """Return the smallest value that does not contradict the facts."""
        if self.minimum >= 0:
            return 0.0
        if self.minimum >= -ROUNDING * self.largest:  # of this size by chance
            return -10 * ROUNDING * self.largest
        return -math.inf


def facts_of(batch):
    """Find the facts about an ndarray, a tensor or a :class:`LazyBatch`.

    A :class:`LazyBatch` keeps them for later calls. Of samples that are drawn when they are read,
    only some are scanned; all others are checked by :meth:`Facts.check` when they are read.

    Examples
    --------
    >>> import numpy as np
    >>> facts_of(np.array([[1.0, np.nan], [-2.0, 0.0]]))[:4]
    (-2.0, 2.0, 1, 0)
    """
    if isinstance(batch, LazyBatch):
        if batch.facts is None:
            some = batch[:SCANNED] if batch.is_drawn else batch
            found = _scanned((part, some[part].read()) for part in some.parts())
            batch.facts = found._replace(
                on_disk=True, is_integer=batch.is_integer, sampled=batch.is_drawn
            )
        return batch.facts
    values_per_sample = math.prod(batch.shape[1:])
    chunks = chunks_of(len(batch), values_per_sample // 8)  # a scan needs no memory but its chunk
    return _scanned((part, to_tensor(batch[part]).detach()) for part in chunks)


def _scanned(parts):
    found = [(part.start, *_scan(values)) for part, values in parts]
    starts, minima, largest, n_nan, n_infinite, n_hidden, first_hidden, is_complex = zip(
        *found, strict=True
    )
    hidden = [
        start + first for start, first in zip(starts, first_hidden, strict=True) if first >= 0
    ]
    return Facts(
        math.nan if is_complex[0] else min(minima),
        max(largest),
        sum(n_nan),
        sum(n_infinite),
        sum(n_hidden),
        hidden[0] if hidden else -1,
        is_complex[0],
    )


def _scan(values):
    """Find facts about one tensor, in one pass if all values are finite."""
    is_complex = values.is_complex()
    lowest, highest = (
        float(end) for end in (torch.view_as_real(values) if is_complex else values).aminmax()
    )
    if math.isfinite(lowest) and math.isfinite(highest):  # aminmax propagates NaN
        largest = float(values.abs().amax()) if is_complex else max(abs(lowest), abs(highest))
        return lowest, largest, 0, 0, 0, -1, is_complex
    nan = values.isnan()
    hidden = nan.flatten(1).all(1)
    largest = float(values.abs().nan_to_num(0.0, posinf=torch.inf).amax())
    minimum = math.nan if is_complex else float(torch.where(nan, torch.inf, values).amin())
    first = int(hidden.int().argmax()) if hidden.any() else -1
    return (
        minimum,
        largest,
        int(nan.sum()),
        int((values.isinf() & ~nan).sum()),
        int(hidden.sum()),
        first,
        is_complex,
    )
