"""Results of a retrieval: gathered start by start, then sorted by sample."""

from typing import Any, NamedTuple

import numpy as np


class Retrieval(NamedTuple):
    r"""Result of :meth:`IterativePhaseRetrieval.retrieve`.

    Attributes
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        The finished start with the smallest Fourier error, per sample; zeros where none finished.
    errors : ndarray of shape (n_samples,)
        Fourier error of each, as :func:`skpr.metrics.fourier_error` gives it; NaN where no start finished.
    starts : ndarray or torch.Tensor of shape (n_samples, n_starts, \*object_shape)
        The reconstruction from every start.
    start_errors : ndarray of shape (n_samples, n_starts)
        Their Fourier errors; NaN where a start did not finish, or where a sample beside photon counts has fewer.
    n_iter : ndarray of shape (n_samples, n_starts), integers
        Iterations each took; 0 where it did not finish.
    history : ndarray of shape (n_samples, n_starts, n_iterations) or None
        Fourier error after each iteration; NaN after a start was done.
    coherence : ndarray of shape (n_samples, n_starts, n_axes, n_axes) or None
        Covariance of each start's coherence kernel, in Fourier pixels squared; None for full coherence.
    photons : ndarray of shape (n_samples,) or None
        Square of a magnitude that one photon makes, for patterns that were taken for roots of photon counts; 0 for
        others. None where no algorithm of the schedule asks for it.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> magnitudes = FourierMagnitude().fit_transform(np.random.default_rng(0).random((2, 8, 8)))
    >>> retriever = IterativePhaseRetrieval(n_iter=10, n_starts=3, random_state=0).fit(magnitudes)
    >>> found = retriever.retrieve(magnitudes)
    >>> found.starts.shape, found.start_errors.shape
    ((2, 3, 8, 8), (2, 3))
    """

    objects: Any
    errors: np.ndarray
    starts: Any
    start_errors: np.ndarray
    n_iter: np.ndarray
    history: np.ndarray | None
    coherence: np.ndarray | None
    photons: np.ndarray | None = None

    @property
    def finished(self) -> np.ndarray:
        """Which starts finished, ndarray of bool, shape (n_samples, n_starts): all, unless interrupted."""
        return self.n_iter > 0


class Results:
    """Storage of finished starts; number `s * n_samples + i` is start `s` of sample `i`."""

    def __init__(self, n_samples, n_starts, object_shape, dtype):
        n = n_samples * n_starts
        self.n_samples, self.n_starts = n_samples, n_starts
        self.objects = np.zeros((n, *object_shape), dtype=dtype)
        self.errors = np.full(n, np.nan)
        self.n_iter = np.zeros(n, dtype=np.int64)
        self.history = None
        self.coherence = None
        self.photons = None

    def store(self, numbers, objects, errors, n_iter, history, coherence=None):
        self.objects[numbers] = objects.cpu().numpy()
        self.errors[numbers] = errors.cpu().numpy()
        if history is not None:
            self.history[numbers] = history.cpu().numpy()
        if coherence is not None:
            self.coherence[numbers] = coherence.cpu().numpy()
        self.n_iter[numbers] = n_iter  # last: a start with iterations is a finished one

    def chosen(self):
        starts, errors, n_iter = (self._by_sample(v) for v in (self.objects, self.errors, self.n_iter))
        best = np.where(np.isnan(errors), np.inf, errors).argmin(axis=1)
        rows = np.arange(self.n_samples)
        history, coherence = (None if v is None else self._by_sample(v) for v in (self.history, self.coherence))
        return Retrieval(
            starts[rows, best], errors[rows, best], starts, errors, n_iter, history, coherence, self.photons
        )

    def _by_sample(self, values):
        return values.reshape(self.n_starts, self.n_samples, *values.shape[1:]).swapaxes(0, 1)
