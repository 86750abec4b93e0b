"""Iterations recorded once as a CUDA graph and replayed.

A step on a few small patterns takes a GPU less time than it takes Python to launch its twenty
kernels. A graph launches all kernels of several steps at once.
"""

from copy import copy

from .. import _graphs
from ..measurement import Iterate, PrunedTransform

UNRECORDED = "ml"  # its line search asks for values, which a graph cannot wait for
FEWEST = 4  # steps; fewer are not worth a recording
MOST_PIXELS = 1 << 25  # of a batch of spectra; a recording keeps working arrays of its own


def pays(name, x, problem):
    """Whether steps of an algorithm are recorded.

    Parameters
    ----------
    name : str
        Name of the algorithm.
    x : Iterate
    problem : Measurement
        Measurement of the chunk. Kernels of coherence change places as they are estimated.
    """
    return (
        x.inside.device.type == "cuda"
        and name != UNRECORDED
        and problem.coherence is None
        and problem.magnitudes.numel() <= MOST_PIXELS
    )


class Replay:
    """Runs of steps that are recorded at first and replayed from then on.

    Parameters
    ----------
    step : callable
        Step of an algorithm.
    problem : Measurement
        Measurement of the chunk. A changed support is noticed; if samples leave the chunk, a new
        Replay is needed.
    beta : float
    record : callable, optional
        Function that records a function of tensors, see :func:`skpr._graphs.recorded`.
    """

    def __init__(self, step, problem, beta, record=None):
        self.step, self.beta = step, beta
        self.record = record or _graphs.recorded
        # a graph reads and writes fixed places in memory: its own working arrays and support
        self.problem = copy(problem)
        transform = problem.transform
        self.problem.transform = PrunedTransform(transform.object_shape, transform.fourier_shape)
        self._support = problem.support
        self.problem.support = None if problem.support is None else problem.support.clone()
        self._graphs = {}

    def advance(self, x, problem, memory, n_steps):
        """Take some steps, and compute the errors after the last one.

        Parameters
        ----------
        x : Iterate
        problem : Measurement
        memory : dict
            Memory of the step, changed in place.
        n_steps : int

        Returns
        -------
        x : Iterate
        found : torch.Tensor of shape (n_samples, *object_shape)
            Reconstructions.
        residual, error : torch.Tensor of shape (n_samples,)
            See :meth:`skpr.measurement.Measurement.errors`.
        """
        self._follow(problem)
        names = sorted(memory)
        given = [x, *(memory[name] for name in names)]
        tensors, form = _taken_apart(given)
        key = n_steps, form, tuple((t.shape, t.stride(), t.dtype) for t in tensors)
        if key not in self._graphs:
            made = []

            def steps(*tensors):
                x, *values = self._put_together(tensors, form)
                kept = dict(zip(names, values, strict=True))
                for _ in range(n_steps):
                    x, y = self.step(x, self.problem, self.beta, kept)
                found = self.problem.to_admissible(y)
                tensors, after = _taken_apart([x, *(kept[name] for name in names)])
                made.append(after)
                return [found, *self.problem.errors(found), *tensors]

            self._graphs[key] = self.record(steps, tensors), made[-1]
        graph, after = self._graphs[key]
        found, residual, error, *tensors = graph(*tensors)
        x, *values = self._put_together(tensors, after, problem.transform)
        memory.update(zip(names, values, strict=True))
        return x, found, residual, error

    def _follow(self, problem):
        """Take over a support that has changed, in place."""
        if problem.support is self._support:
            return
        self._support = problem.support
        if self.problem.support is None or problem.support is None:
            raise ValueError("a support appeared or disappeared between replays")
        self.problem.overwrite_support(problem.support)

    def _put_together(self, tensors, form, transform=None):
        """Return the iterates and tensors that :func:`_taken_apart` took apart."""
        tensors, values = iter(tensors), []
        transform = self.problem.transform if transform is None else transform
        for age in form:
            first = next(tensors)
            values.append(
                first if age is None else Iterate(transform, first, [(1, next(tensors))], age)
            )
        return values


def _taken_apart(values):
    """Return the tensors of values, and the ages of iterates."""
    tensors, form = [], []
    for value in values:
        is_iterate = isinstance(value, Iterate)
        tensors += [value.inside, value.spectrum] if is_iterate else [value]
        form.append(value.age if is_iterate else None)
    return tensors, tuple(form)
