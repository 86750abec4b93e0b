"""Results of a retrieval, gathered by start and returned by sample."""

from typing import Any, NamedTuple

import numpy as np
import torch

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
)  # arrays with one row per start
PER_SAMPLE = "photons", "means", "mean_errors"


class Retrieval(NamedTuple):
    r"""Objects of a retrieval, all starts, and their judgement.

    Attributes
    ----------
    objects : ndarray or torch.Tensor of shape (n_samples, \*object_shape)
        Reconstruction of each sample. Where pixels were held out, this is the mean of the starts
        that are as good as the best and agree, registered to fractions of a pixel: those that
        explain the held-out pixels as well as the best start or, in a known support, those similar
        to the start with the smallest Fourier error. Elsewhere it is the start with the smallest
        Fourier error. Zeros where no start finished.
    errors : ndarray of shape (n_samples,)
        Fourier error of each object, see :func:`skpr.metrics.fourier_error`; NaN where no start
        finished.
    starts : ndarray or torch.Tensor of shape (n_samples, n_starts, \*object_shape)
        Reconstruction from every start.
    start_errors : ndarray of shape (n_samples, n_starts)
        Fourier error of every start. NaN where it did not finish, and for starts that a sample does
        not have because only samples of photon counts have several.
    n_iter : ndarray of shape (n_samples, n_starts), integers
        Number of iterations of each start; 0 where it did not finish.
    history : ndarray of shape (n_samples, n_starts, n_iterations) or None
        Fourier error after each iteration; NaN after a start was done.
    coherence : ndarray of shape (n_samples, n_starts, n_axes, n_axes) or None
        Covariance of each start's coherence kernel, in Fourier pixels squared; zeros or None for
        full coherence.
    photons : ndarray of shape (n_samples,) or None
        Squared magnitude of a single photon for patterns taken for roots of photon counts; 0 for
        others. None where no algorithm of the schedule needs it.
    free_errors : ndarray of shape (n_samples, n_starts) or None
        Misfit of the pixels held out until the final fit, by which the support and the start were
        chosen. For roots of counts it is the mean deviance per pixel, of which noise causes at most
        1; otherwise the Fourier error of these pixels. None where no pixels were held out.
    supports : ndarray of bool of shape (n_samples, n_starts, \*object_shape) or None
        Support of each start. None where no pixels were held out.
    explained : ndarray of shape (n_samples, n_starts) or None
        Share of the structure in the held-out pixels that each start explains beyond noise; see
        :meth:`summary`.
    centered : bool or None
        Whether zero frequency is in the middle of the patterns; None in results of versions that
        did not keep it.

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
    centered: bool | None = None

    @property
    def finished(self) -> np.ndarray:
        """Mask of finished starts, of shape (n_samples, n_starts).

        All starts finish unless the retrieval is interrupted.
        """
        return self.n_iter > 0

    @property
    def verdicts(self) -> list[str]:
        """Verdict on each pattern.

        "good", "doubtful", "failed" or "undecided"; see :meth:`summary`.
        """
        return [verdict for verdict, _, _ in self._judged()]

    def summary(self) -> str:
        """Return text with a verdict on the object of each pattern, one per line.

        The verdict rests on two figures, where pixels were held out. The first is the share of the
        differences between these pixels and their ring means that the object explains beyond noise:
        good from 80 %, failed below 50 %. The second is the share of energy in the first common
        mode of the better half of the starts: good from 95 %, failed below 80 %. A pattern is
        "undecided" if its held-out pixels show hardly more than noise. Agreement of the starts is
        no evidence by itself, because they also agree on noise. A single start, with no other to
        agree with, is "doubtful" at best.

        Returns
        -------
        str
        """
        n_starts, lines = self.starts.shape[1], []
        for i, (found, error) in enumerate(zip(self._judged(), self.errors, strict=True)):
            if self.free_errors is None or np.isnan(self.free_errors[i]).all():
                line = f"Fourier error {error:.3g}; no pixels were held out to judge it by"
            else:
                line = in_words(*found, n_starts)
            lines.append(f"pattern {i}: {line}")
        return "\n".join(lines)

    def _judged(self):
        if self.free_errors is None:
            return [("undecided", np.nan, np.nan)] * len(self.errors)
        starts = self.starts.numpy(force=True) if hasattr(self.starts, "numpy") else self.starts
        return [judged(*one) for one in zip(starts, self.free_errors, self.explained, strict=True)]


def as_tensors(found, device):
    """Return a Retrieval with objects and starts as tensors on a device."""
    objects, starts = (torch.as_tensor(value).to(device) for value in (found.objects, found.starts))
    return found._replace(objects=objects, starts=starts)


class Results:
    """Storage of finished starts.

    Row `s * n_samples + i` belongs to start `s` of sample `i`.
    """

    def __init__(self, n_samples, n_starts, object_shape, dtype):
        n = n_samples * n_starts
        self.n_samples, self.n_starts = n_samples, n_starts
        self.objects = np.zeros((n, *object_shape), dtype=dtype)
        self.errors = np.full(n, np.nan)
        self.n_iter = np.zeros(n, dtype=np.int64)
        self.history = None
        self.coherence = None
        self.photons = None
        self.free = None  # misfit of each group of held-out pixels
        self.supports = None
        self.explained = None  # share of the structure in held-out pixels
        self.means = self.mean_errors = None  # averages over starts, where some were averaged

    def store(self, numbers, objects, errors, n_iter, history, coherence=None):
        """Store finished starts in their rows."""
        self.objects[numbers] = objects.cpu().numpy()
        self.errors[numbers] = errors.cpu().numpy()
        if history is not None:
            self.history[numbers] = history.cpu().numpy()
        if coherence is not None:
            self.coherence[numbers] = coherence.cpu().numpy()
        # set last, because n_iter > 0 marks a finished start and an interrupt may come any time
        self.n_iter[numbers] = n_iter

    def put(self, samples, part):
        """Take over the results of some samples."""
        numbers = (np.arange(part.n_starts)[:, None] * self.n_samples + samples).ravel()
        for name in EVERY:
            self._put(name, numbers, getattr(part, name), self.n_starts * self.n_samples)
        for name in PER_SAMPLE:
            self._put(name, samples, getattr(part, name), self.n_samples)

    def _put(self, name, places, values, length):
        if values is None:
            return
        if name == "history" and self.history is not None:  # lengths may differ
            more = values.shape[1] - self.history.shape[1]
            self.history, values = (
                np.pad(v, ((0, 0), (0, max(0, n))), constant_values=np.nan)
                for v, n in ((self.history, more), (values, -more))
            )
        if getattr(self, name) is None:
            # zeros for coherence: full coherence is a kernel of no width
            unknown = np.nan if values.dtype.kind == "f" and name != "coherence" else 0
            setattr(self, name, np.full((length, *values.shape[1:]), unknown, values.dtype))
        getattr(self, name)[places] = values

    @classmethod
    def joined(cls, parts):
        """Join the results of further starts of the same samples."""
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
        """Pick starts of each sample by an array of shape (n_picked, n_samples)."""
        numbers = (starts * self.n_samples + np.arange(self.n_samples)).ravel()
        picked = Results.__new__(Results)
        picked.__dict__.update(self.__dict__)
        for name in EVERY:
            value = getattr(self, name)
            setattr(picked, name, None if value is None else value[numbers])
        picked.n_starts = len(starts)
        return picked

    def of_samples(self, samples):
        """Return the results of some samples."""
        numbers = (np.arange(self.n_starts)[:, None] * self.n_samples + samples).ravel()
        part = Results.__new__(Results)
        part.__dict__.update(self.__dict__)
        for name in EVERY:
            value = getattr(self, name)
            setattr(part, name, None if value is None else value[numbers])
        for name in PER_SAMPLE:
            value = getattr(self, name)
            setattr(part, name, None if value is None else value[samples])
        part.n_samples = len(samples)
        return part

    def total(self):
        """Return the misfit of all held-out pixels, (n_starts, n_samples)."""
        return self.free.sum(axis=1).reshape(self.n_starts, self.n_samples)

    def chosen(self):
        """Return the Retrieval with the best start or the mean of each sample."""
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
