"""Unrolled iterations, which have no weights and no gradients."""

import math
from copy import copy

import torch

from .. import _graphs
from .._tensors import chunks_of
from .._validation import check_number
from ..iterative import hybrid_input_output
from ..measurement import PrunedTransform

VARYING = "magnitudes", "unmeasured", "support"  # tensors of a measurement that steps read
MOST = 16  # recordings to keep; batches of other sizes and levels need others


class Unrolled:
    """Steps of hybrid input-output from given objects.

    On a CPU they run chunk by chunk, so that all steps of a chunk find it in cache. On a GPU they
    are recorded as a graph, because launching some twenty kernels per step takes longer than they
    run. Recordings belong to a process: copies and pickles have none.

    Parameters
    ----------
    n_steps : int
    beta : float
        Feedback parameter.
    """

    def __init__(self, n_steps, beta):
        check_number("module__beta", beta, 0)
        self.n_steps, self.beta = n_steps, beta
        self._recordings = {}

    def __getstate__(self):
        return {"n_steps": self.n_steps, "beta": self.beta, "_recordings": {}}

    @torch.no_grad()
    def __call__(self, objects, problem):
        """Return the objects after all steps.

        Parameters
        ----------
        objects : torch.Tensor of shape (n_samples, *object_shape)
            Admissible objects.
        problem : Measurement

        Returns
        -------
        torch.Tensor of shape (n_samples, *object_shape)
        """
        if self.is_recorded(objects):
            return self._replayed(objects, problem)
        parts = [slice(None)]
        if objects.device.type == "cpu":
            parts = chunks_of(len(objects), 3 * math.prod(problem.grid.fourier_shape))
        return torch.cat([self._steps(objects[part], problem.part(part)) for part in parts])

    def is_recorded(self, objects):
        """Whether steps from these objects are recorded by themselves."""
        # whoever records a whole pass records its steps, too
        return objects.device.type == "cuda" and not torch.cuda.is_current_stream_capturing()

    def _steps(self, objects, problem):
        x = problem.on_grid(objects)
        for _ in range(self.n_steps):
            x, _ = hybrid_input_output(x, problem, self.beta, {})
        return x.inside

    def _replayed(self, objects, problem):
        names = [n for n in VARYING if getattr(problem, n) is not None]
        tensors = [objects, *(getattr(problem, name) for name in names)]
        places = tuple((t.shape, t.stride(), t.dtype, t.device) for t in tensors)
        # half spectra of an even and an odd length may have the same shape
        shapes = problem.object_shape, problem.grid.fourier_shape
        key = problem.kind, shapes, tuple(names), places
        if key not in self._recordings:
            if len(self._recordings) >= MOST:
                self._recordings.clear()
            own = copy(problem)  # with working arrays of its own, which the recording writes to
            own.transform = PrunedTransform(
                problem.transform.object_shape, problem.transform.fourier_shape
            )

            def steps(objects, *values):
                for name, value in zip(names, values, strict=True):
                    setattr(own, name, value)
                return [self._steps(objects, own)]

            self._recordings[key] = _graphs.recorded(steps, tensors)
        # the next replay overwrites the result
        return self._recordings[key](*tensors)[0].clone()
