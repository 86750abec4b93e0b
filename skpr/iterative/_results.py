"""Results of a retrieval: gathered start by start, then sorted by sample."""

from typing import Any, NamedTuple

import numpy as np

from ._verdict import in_words, judged

EVERY = (
    "objects",
    "errors",
    "n_iter",
    "history",
    "coherence",
    "free",
    "supports",
    "explained",
)  # a row a start


class Retrieval(NamedTuple):
    r"""Result of :meth:`IterativePhaseRetrieval.retrieve`.

    Attributes
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Mean of the best starts that agree, registered to fractions of a pixel, where pixels were
        held out: of those that explain these pixels as well as the best does, or, in a known
        support, of those like the start with the smallest Fourier error. Elsewhere that start.
        Zeros where none finished.
    errors : ndarray of shape (n_samples,)
        Fourier error of each, as :func:`skpr.metrics.fourier_error` gives it; NaN where no start
        finished.
    starts : ndarray or torch.Tensor of shape (n_samples, n_starts, \*object_shape)
        The reconstruction from every start.
    start_errors : ndarray of shape (n_samples, n_starts)
        Their Fourier errors; NaN where a start did not finish, or where a sample beside photon
        counts has fewer.
    n_iter : ndarray of shape (n_samples, n_starts), integers
        Iterations each took; 0 where it did not finish.
    history : ndarray of shape (n_samples, n_starts, n_iterations) or None
        Fourier error after each iteration; NaN after a start was done.
    coherence : ndarray of shape (n_samples, n_starts, n_axes, n_axes) or None
        Covariance of each start's coherence kernel, in Fourier pixels squared; zeros, or None, for
        full coherence.
    photons : ndarray of shape (n_samples,) or None
        Square of a magnitude that one photon makes, for patterns that were taken for roots of
        photon counts; 0 for others. None where no algorithm of the schedule asks for it.
    free_errors : ndarray of shape (n_samples, n_starts) or None
        Misfit of pixels that were held out until the final fit, by which the support and the start
        were chosen: the mean deviance a pixel of roots of counts, of which noise makes 1 or less,
        else the Fourier error of these pixels. None where none were held out.
    supports : ndarray of bool of shape (n_samples, n_starts, \*object_shape) or None
        Support of each start. None where no pixels were held out.
    explained : ndarray of shape (n_samples, n_starts) or None
        Share of what the pixels held out show that the object explains, beyond noise; see
        :meth:`summary`.

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
    free_errors: np.ndarray | None = None
    supports: np.ndarray | None = None
    explained: np.ndarray | None = None

    @property
    def finished(self) -> np.ndarray:
        """Which starts finished, ndarray of bool, shape (n_samples, n_starts): all, unless
        interrupted.
        """
        return self.n_iter > 0

    @property
    def verdicts(self) -> list[str]:
        """Verdict on each pattern: "good", "doubtful", "failed" or "undecided"; see
        :meth:`summary`.
        """
        return [verdict for verdict, _, _ in self._judged()]

    def summary(self) -> str:
        """Tell in words, a line a pattern, whether its object is to be trusted.

        Where pixels were held out, by these: what share of their differences from the mean of their
        ring an object explains beyond noise, good from 80 % on and failed below 50 %; and by the
        better half of the starts: what share of their energy their first common mode has, good from
        95 % on and failed below 80 %. "undecided" is a pattern of which pixels held out show hardly
        more than noise. Starts that agree are no evidence by themselves: on noise they do, too.

        Returns
        -------
        str
        """
        n_starts, lines = self.starts.shape[1], []
        for i, (found, error) in enumerate(zip(self._judged(), self.errors, strict=True)):
            if self.free_errors is None or np.isnan(self.free_errors[i]).all():
                line = f"Fourier error {error:.3g}; no pixels were held out that could judge it"
            else:
                line = in_words(*found, n_starts)
            lines.append(f"pattern {i}: {line}")
        return "\n".join(lines)

    def _judged(self):
        if self.free_errors is None:
            return [("undecided", np.nan, np.nan)] * len(self.errors)
        starts = self.starts.numpy(force=True) if hasattr(self.starts, "numpy") else self.starts
        return [judged(*one) for one in zip(starts, self.free_errors, self.explained, strict=True)]


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
        self.free = None  # misfit of groups of pixels that were held out
        self.supports = None
        self.explained = None  # share of what the pixels held out show
        self.means = self.mean_errors = (
            None  # of the starts that serve and agree, where some were averaged
        )

    def store(self, numbers, objects, errors, n_iter, history, coherence=None):
        self.objects[numbers] = objects.cpu().numpy()
        self.errors[numbers] = errors.cpu().numpy()
        if history is not None:
            self.history[numbers] = history.cpu().numpy()
        if coherence is not None:
            self.coherence[numbers] = coherence.cpu().numpy()
        self.n_iter[numbers] = n_iter  # last: a start with iterations is a finished one

    def put(self, samples, part):
        """Take the results of some samples, which have as many starts."""
        numbers = (np.arange(part.n_starts)[:, None] * self.n_samples + samples).ravel()
        for name in EVERY:
            self._put(name, numbers, getattr(part, name), self.n_starts * self.n_samples)
        for name in ("photons", "means", "mean_errors"):
            self._put(name, samples, getattr(part, name), self.n_samples)

    def _put(self, name, places, values, length):
        if values is None:
            return
        if name == "history" and self.history is not None:  # of different lengths
            more = values.shape[1] - self.history.shape[1]
            self.history, values = (
                np.pad(v, ((0, 0), (0, max(0, n))), constant_values=np.nan)
                for v, n in ((self.history, more), (values, -more))
            )
        if getattr(self, name) is None:
            unknown = (
                np.nan if values.dtype.kind == "f" and name != "coherence" else 0
            )  # no kernel has no width
            setattr(self, name, np.full((length, *values.shape[1:]), unknown, values.dtype))
        getattr(self, name)[places] = values

    @classmethod
    def joined(cls, parts):
        """Results of further starts of the same samples."""
        joined = cls.__new__(cls)
        joined.__dict__.update(parts[0].__dict__)
        for name in EVERY:
            values = [getattr(part, name) for part in parts]
            setattr(
                joined,
                name,
                None if any(value is None for value in values) else np.concatenate(values),
            )
        joined.n_starts = sum(part.n_starts for part in parts)
        return joined

    def picked(self, starts):
        """Some starts of each sample, by their numbers, of shape (n_picked, n_samples)."""
        numbers = (starts * self.n_samples + np.arange(self.n_samples)).ravel()
        picked = Results.__new__(Results)
        picked.__dict__.update(self.__dict__)
        for name in EVERY:
            value = getattr(self, name)
            setattr(picked, name, None if value is None else value[numbers])
        picked.n_starts = len(starts)
        return picked

    def total(self):
        """Misfit of all pixels held out, of shape (n_starts, n_samples)."""
        return self.free.sum(axis=1).reshape(self.n_starts, self.n_samples)

    def chosen(self):
        starts, errors, n_iter = (
            self._by_sample(v) for v in (self.objects, self.errors, self.n_iter)
        )
        best = self._by_sample(np.where(np.isnan(self.errors), np.inf, self.errors)).argmin(axis=1)
        rows = np.arange(self.n_samples)
        history, coherence = (
            None if v is None else self._by_sample(v) for v in (self.history, self.coherence)
        )
        objects, least = starts[rows, best], errors[rows, best]
        if self.means is not None:
            known = ~np.isnan(self.mean_errors)
            objects[known], least[known] = self.means[known], self.mean_errors[known]
        return Retrieval(
            objects,
            least,
            starts,
            errors,
            n_iter,
            history,
            coherence,
            self.photons,
            self._free_errors(),
            None if self.supports is None else self._by_sample(self.supports),
            None if self.explained is None else self._by_sample(self.explained),
        )

    def _free_errors(self):
        if self.free is None:
            return None
        total = self._by_sample(self.free.sum(axis=1))
        counted = np.zeros(self.n_samples, bool) if self.photons is None else self.photons > 0
        return np.where(counted[:, None], total, np.sqrt(np.maximum(total, 0)))

    def _by_sample(self, values):
        return values.reshape(self.n_starts, self.n_samples, *values.shape[1:]).swapaxes(0, 1)
