"""One retrieval: the starts of a batch, chunk by chunk."""

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._tensors import along_samples, chunks_of, resolve_device, to_tensor
from ..measurement import CountingNoise, Likelihood, Measurement, photons_of, rounds_alone, to_fft_order
from ._loop import Shrinkwrap, run_schedule
from ._results import Results
from ._schedule import resolve_schedule
from ._supports import autocorrelation_boxes, autocorrelations, placed_boxes

SEVERAL = 8  # starts, where one is not enough


def scheduled(estimator, *, counted=False):
    """The stages of an estimator's schedule, for photon counts or others."""
    bounded = not isinstance(estimator.constraints, str)
    return resolve_schedule(estimator.algorithm, estimator.n_iter, estimator.beta, bounded=bounded, counted=counted)


class Run:
    """The starts of one batch, and their results; start `s` of sample `i` is number `s * n_samples + i`.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    init : ndarray of shape (n_samples, *object_shape) or None
    support : ndarray of bool of shape (n_samples or 1, *object_shape) or None
    return_history : bool
    """

    def __init__(self, estimator, X, init, support, *, return_history):
        self.estimator, self.X, self.init, self.support = estimator, X, init, support
        self.fourier_shape, self.object_shape = estimator.fourier_shape_, estimator.object_shape_
        self.kind = estimator.constraints_
        counts = any(name == "ml" for name, _, _ in scheduled(estimator, counted=True))
        self.photons = photons_of(X, estimator.noise) if counts else None
        self.n_samples, self.n_starts = len(X), self._n_starts()
        self.n_iterations = sum(n for _, n, _ in scheduled(estimator))
        dtype = np.result_type(X.dtype, np.complex64) if self.kind == "complex" else X.dtype
        self.results = Results(self.n_samples, self.n_starts, self.object_shape, dtype)
        self.results.photons = self.photons
        n_numbers = self.n_starts * self.n_samples
        if return_history:
            self.results.history = np.full((n_numbers, self.n_iterations), np.nan, X.dtype)
        if estimator.coherence == "gaussian":
            self.results.coherence = np.zeros((n_numbers, *2 * (len(self.object_shape),)))
        self.random = self._random_numbers()

    def _n_starts(self):
        if not isinstance(self.estimator.n_starts, str):
            return self.estimator.n_starts
        counts = self.photons is not None and (self.photons > 0).any()
        return SEVERAL if counts and self.init is None and isinstance(self.estimator.algorithm, str) else 1

    def chunks(self):
        """Numbers of the starts that are run together.

        Samples with counts and others have schedules of their own, so that none depends on its batch.
        """
        # a retrieval is long arithmetic on small arrays: the first starts of all samples, then the second ones
        numbers = np.arange(self.n_starts * self.n_samples)
        counted = np.zeros(len(numbers), dtype=bool)
        if self.photons is not None:
            counted = (self.photons > 0)[numbers % self.n_samples]
        others = numbers[~counted]
        if isinstance(self.estimator.n_starts, str):  # beside counts, which have several
            others = others[others < self.n_samples]
        groups = [group for group in (numbers[counted], others) if len(group)]
        values = self._values_per_start()
        return [group[part] for group in groups for part in chunks_of(len(group), values)]

    def retrieve(self, numbers, line):
        """Run some starts.

        Parameters
        ----------
        numbers : ndarray of integers
            See :meth:`chunks`.
        line : IterationLine
            Progress.
        """
        estimator, results, device = self.estimator, self.results, self._device()
        precision = to_tensor(self.X[:1]).dtype
        company = rounds_alone(self.fourier_shape, precision, self.kind != "complex", device)
        if company and len(numbers) == 1:
            numbers = numbers.repeat(2)
        samples = numbers % self.n_samples
        magnitudes = to_tensor(self.X[samples]).to(device)
        problem = Measurement(
            magnitudes,
            self.object_shape,
            self.kind,
            bounds=None if isinstance(estimator.constraints, str) else tuple(estimator.constraints),
            partially_coherent=estimator.coherence == "gaussian",
            centered=estimator.centered,
            likelihood=self._likelihood(samples, device),
        )
        # all that follows is of unit size, whatever the units of the measurement
        normalized = problem.to_normalized(to_fft_order(magnitudes) if estimator.centered else magnitudes)
        objects = None
        if self.init is not None:
            objects = problem.to_normalized(to_tensor(self.init[samples]).to(device, problem.dtype))
        problem.support = self._supports(samples, normalized, objects)
        is_first, random = numbers < self.n_samples, self.random[numbers // self.n_samples]
        x = self._start(problem, normalized, objects, is_first, random)
        history = None
        if results.history is not None:
            history = torch.full((len(numbers), results.history.shape[1]), torch.nan, dtype=x.real.dtype, device=device)
        wrap = None
        if isinstance(estimator.support, str) and estimator.support == "shrinkwrap":
            threshold = 0.1 if estimator.threshold is None else estimator.threshold
            wrap = Shrinkwrap(estimator.shrinkwrap_sigma, threshold)

        def store(index, objects, errors, n_done, kernels):
            past = None if history is None else history[index]
            results.store(numbers[index.cpu().numpy()], objects, errors, n_done, past, kernels)

        tol, interval = estimator.tol, estimator.shrinkwrap_interval
        if isinstance(tol, str):
            tol = problem.counting_noise(magnitudes, estimator.centered)
        watched = {"history": history, "on_iteration": line.advance, "company": company}
        schedule = scheduled(estimator, counted=problem.likelihood.noise is not None)
        run_schedule(problem, x, schedule, tol, store, interval=interval, wrap=wrap, **watched)
        line.next_chunk()

    def _likelihood(self, samples, device):
        if self.photons is None or not self.photons[samples[0]] > 0:
            return Likelihood()
        noise = self.estimator.noise if isinstance(self.estimator.noise, CountingNoise) else CountingNoise()
        return Likelihood(noise, torch.from_numpy(self.photons[samples]).to(device))

    def _random_numbers(self):
        """Random numbers of each start, the same for all samples, so that none depends on its batch.

        Drawn in double precision, so that the draw does not depend on the data's, and start by start, so that the
        first ones do not depend on how many follow.
        """
        rng = check_random_state(self.estimator.random_state)
        parts = 2 if self.kind == "complex" else 1
        drawn = rng.uniform(size=(self.n_starts, parts, *self.fourier_shape))
        return torch.from_numpy(drawn[:, 0] + 1j * drawn[:, 1] if parts == 2 else drawn[:, 0])

    def _start(self, problem, magnitudes, objects, is_first, noise):
        """Normalised starts on the whole grid."""
        noise = noise.to(magnitudes.device, problem.dtype)
        weights = noise.real[problem.inside]
        if objects is None and self.estimator.start == "autocorrelation":
            values = autocorrelations(magnitudes).sqrt()
            starts = [m // 2 - n // 2 for m, n in zip(self.fourier_shape, self.object_shape, strict=True)]
            middle = (slice(a, a + n) for a, n in zip(starts, problem.object_shape, strict=True))
            values = values[(slice(None), *middle)] * weights
            # normalised spectra have unit mean square, so normalised objects have unit norm
            values = values / along_samples(values.abs().square().flatten(1).sum(1).sqrt().clamp_min(1e-30), values)
            return problem.to_magnitudes(problem.on_grid(problem.to_admissible(values.to(problem.dtype))))
        if objects is None:
            # white noise has random phases
            return problem.to_magnitudes(noise - (0.5 + 0.5j if noise.is_complex() else 0.5))
        x = problem.on_grid(objects)
        others = torch.from_numpy(~is_first).to(x.device)
        if others.any():
            size = objects.abs().square().flatten(1).mean(1).sqrt()
            shaken = objects * (2 * weights) + along_samples(size, objects) * (weights - 0.5)
            x[others] = problem.on_grid(problem.to_admissible(shaken))[others]
        return x

    def _supports(self, samples, magnitudes, objects):
        """The supports of a chunk, one a start; None for the whole frame."""
        given = self.support
        if given is not None:
            given = given[samples] if len(given) > 1 else given.repeat(len(samples), 0)
            return torch.from_numpy(given).to(magnitudes.device)
        if self.estimator.support == "frame":
            return None
        threshold = self.estimator.threshold if self.estimator.support == "autocorrelation" else None
        sizes = autocorrelation_boxes(magnitudes, self.object_shape, threshold)
        return placed_boxes(sizes, self.object_shape, objects)

    def _device(self):
        device = resolve_device(self.estimator.device)
        # errors are summed in double precision, which mps does not have
        return "cpu" if self.estimator.device == "auto" and device == "mps" else device

    def _values_per_start(self):
        values = 4 * int(np.prod(self.fourier_shape))
        return values if self._device() == "cpu" else max(1, values // 64)
