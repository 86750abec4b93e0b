"""Run of all starts of a batch, chunk by chunk."""

import warnings

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._memory import keep_freed_memory
from .._tensors import (
    CHUNK_VALUES,
    LARGER_ON_GPU,
    along_samples,
    chunks_of,
    resolve_device,
    to_tensor,
    usual_device,
)
from ..measurement import (
    CountingNoise,
    Likelihood,
    Measurement,
    photons_of,
    rounds_alone,
    to_fft_order,
)
from ._loop import Shrinkwrap, run_schedule
from ._results import Results
from ._schedule import resolve_schedule
from ._supports import autocorrelation_boxes, autocorrelations, placed_boxes

USUAL = 0.1  # default threshold of shrinkwrap
SHARE_OF_MEMORY = 0.5  # share of a GPU's free memory that a chunk may take
ARRAYS_ON_GPU = 24  # real arrays of the size of the grid that a start takes on a GPU at the most
SEVERAL = 8  # number of starts where one is not enough


def scheduled(estimator, *, counted=False):
    """Return the stages of an estimator's schedule.

    `counted` tells whether they are for roots of photon counts.
    """
    bounded = not isinstance(estimator.constraints, str)
    return resolve_schedule(
        estimator.algorithm, estimator.n_iter, estimator.beta, bounded=bounded, counted=counted
    )


class Run:
    """All starts of one batch and their results.

    Start `s` of sample `i` has the number `s * n_samples + i`.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    init : ndarray of shape (n_samples or n_starts * n_samples, *object_shape), optional
        Initial objects of the first start of each sample, or of every start.
    support : ndarray of bool, optional
        Supports, of shape (1, n_samples or n_starts * n_samples, *object_shape).
    return_history : bool, default=False
    n_starts : int, optional
        Number of starts per sample; by default that of the estimator.
    schedule : callable, optional
        Function that returns the stages, given whether a pattern holds counts; by default the
        stages of the estimator.
    wraps : tuple of three ndarrays of shape (n_starts * n_samples,), optional
        First and last width of shrinkwrap, and its threshold. None runs no shrinkwrap, unless the
        estimator asks for it.
    held_out : HeldOut, optional
        Pixels that are hidden from the iterations and judge their results.
    kernels : bool or ndarray of shape (n_starts * n_samples, n_axes, n_axes), optional
        Whether to estimate the coherence, or the covariances from which to estimate it; by default
        as the estimator says.
    random : RandomState, optional
        Source of the random starts; by default that of the estimator.
    """

    def __init__(
        self,
        estimator,
        X,
        init=None,
        support=None,
        *,
        return_history=False,
        n_starts=None,
        schedule=None,
        wraps=None,
        held_out=None,
        kernels=None,
        random=None,
    ):
        self.estimator, self.X, self.init, self.support, self.held_out = (
            estimator,
            X,
            init,
            support,
            held_out,
        )
        self.fourier_shape, self.object_shape = estimator.fourier_shape_, estimator.object_shape_
        self.kind = estimator.constraints_
        self.schedule = (
            (lambda counted: scheduled(estimator, counted=counted))
            if schedule is None
            else schedule
        )
        counts = any(name == "ml" for name, _, _ in self.schedule(True))
        self.photons = photons_of(X, estimator.noise) if counts else None
        self.n_samples = len(X)
        self.shared = n_starts is None and isinstance(estimator.n_starts, str)
        self.n_starts = self._n_starts() if n_starts is None else n_starts
        self.n_iterations = sum(n for _, n, _ in self.schedule(False))
        dtype = np.result_type(X.dtype, np.complex64) if self.kind == "complex" else X.dtype
        self.results = Results(self.n_samples, self.n_starts, self.object_shape, dtype)
        self.results.photons = self.photons
        n_numbers = self.n_starts * self.n_samples
        if return_history:
            self.results.history = np.full((n_numbers, self.n_iterations), np.nan, X.dtype)
        self.kernels = estimator.coherence == "gaussian" if kernels is None else kernels
        if self.kernels is not False:
            self.results.coherence = np.zeros((n_numbers, *2 * (len(self.object_shape),)))
        if held_out is not None:
            self.results.supports = np.zeros((n_numbers, *self.object_shape), dtype=bool)
            self.results.free = np.full((n_numbers, held_out.n_groups), np.nan)
            self.results.explained = np.full(n_numbers, np.nan)
        self.random = self._random_numbers(
            check_random_state(estimator.random_state) if random is None else random
        )
        self.rule = estimator.support_
        if wraps is None and self.rule == "shrinkwrap":
            threshold = USUAL if estimator.threshold is None else estimator.threshold
            wraps = tuple(
                np.full(n_numbers, float(v)) for v in (*estimator.shrinkwrap_sigma, threshold)
            )
        self.wraps = wraps

    def _n_starts(self):
        if not isinstance(self.estimator.n_starts, str):
            return self.estimator.n_starts
        if self.estimator.support_ == "auto":
            return SEVERAL
        counts = self.photons is not None and (self.photons > 0).any()
        return (
            SEVERAL
            if counts and self.init is None and isinstance(self.estimator.algorithm, str)
            else 1
        )

    def counted(self):
        """Return the samples that have several starts by default."""
        if not self.shared or self.n_starts == 1:
            return np.zeros(0, dtype=int)
        return np.flatnonzero(self.photons > 0)

    def execute(self, line, samples=None):
        """Run all starts, or the starts of some samples.

        Parameters
        ----------
        line : IterationLine
            Display of the progress.
        samples : ndarray of integers, optional
            Samples to run; all by default.
        """
        chunks = self.chunks(samples)
        line.expect(len(chunks), self.n_iterations)
        keep_freed_memory()
        with torch.no_grad(), usual_device():
            while chunks:
                numbers = chunks.pop(0)
                try:
                    self.retrieve(numbers, line)
                except torch.OutOfMemoryError:
                    if len(numbers) == 1:
                        raise
                    chunks = self._halved([numbers, *chunks], len(numbers))

    def chunks(self, samples=None):
        """Return the numbers of the starts of each chunk.

        Samples of counts and other samples run in different chunks, because their schedules differ
        and no result may depend on the other samples of the batch.
        """
        # in this order the first starts of all samples run before their second ones
        numbers = np.arange(self.n_starts * self.n_samples)
        if samples is not None:
            numbers = numbers[np.isin(numbers % self.n_samples, samples)]
        counted = np.zeros(len(numbers), dtype=bool)
        if self.photons is not None:
            counted = (self.photons > 0)[numbers % self.n_samples]
        others = numbers[~counted]
        if self.shared:  # by default only samples of counts have several starts
            others = others[others < self.n_samples]
        groups = [group for group in (numbers[counted], others) if len(group)]
        values = self._values_per_start()
        return [group[part] for group in groups for part in chunks_of(len(group), values)]

    def _halved(self, chunks, length):
        """Cut chunks into halves, for a GPU with little free memory."""
        torch.cuda.empty_cache()
        most = (length + 1) // 2
        warnings.warn(
            f"the free memory of {self._device()} is too small for {length} starts at a time; they "
            f"run {most} at a time",
            UserWarning,
            stacklevel=2,
        )
        return [
            numbers[first : first + most]
            for numbers in chunks
            for first in range(0, len(numbers), most)
        ]

    def retrieve(self, numbers, line):
        """Run the starts of one chunk and store their results.

        Parameters
        ----------
        numbers : ndarray of integers
            Numbers of the starts, see :meth:`chunks`.
        line : IterationLine
            Display of the progress.
        """
        estimator, results, device = self.estimator, self.results, self._device()
        precision = to_tensor(self.X[:1]).dtype
        unpruned = self.kernels is not False or estimator.start == "autocorrelation"
        company = rounds_alone(
            self.object_shape,
            self.fourier_shape,
            precision,
            self.kind != "complex",
            device,
            unpruned,
        )
        # where a transform of a single sample rounds differently, a copy keeps it company, so that
        # a result does not depend on the size of its chunk
        if company and len(numbers) == 1:
            numbers = numbers.repeat(2)
        samples = numbers % self.n_samples
        measured = to_tensor(self.X[samples]).to(device)
        magnitudes = measured if self.held_out is None else self.held_out.without(measured)
        problem = Measurement(
            magnitudes,
            self.object_shape,
            self.kind,
            bounds=None if isinstance(estimator.constraints, str) else tuple(estimator.constraints),
            partially_coherent=self.kernels is not False,
            centered=estimator.centered,
            likelihood=self._likelihood(samples, device),
        )
        if isinstance(self.kernels, np.ndarray):
            problem.coherence.assume(torch.from_numpy(self.kernels[numbers]).to(device))
        # normalised, so that nothing below depends on the units of the measurement
        normalized = problem.to_normalized(
            to_fft_order(magnitudes) if estimator.centered else magnitudes
        )
        objects = None
        if self.init is not None:
            objects = problem.to_normalized(
                to_tensor(self.init[numbers % len(self.init)]).to(device, problem.dtype)
            )
        problem.support = self._supports(numbers, normalized, objects)
        is_given = self.init is not None and numbers < len(self.init)
        x = self._start(
            problem, normalized, objects, is_given, self.random[numbers // self.n_samples]
        )
        history = None
        if results.history is not None:
            history = torch.full(
                (len(numbers), results.history.shape[1]),
                torch.nan,
                dtype=x.inside.real.dtype,
                device=device,
            )
        wrap = None
        if self.wraps is not None:
            wrap = Shrinkwrap(
                *(torch.from_numpy(values[numbers]).to(x.inside.real) for values in self.wraps)
            )

        def store(index, objects, errors, n_done, kernels, supports):
            places, here = numbers[index.cpu().numpy()], index.to(device)
            results.store(
                places,
                objects,
                errors,
                n_done,
                None if history is None else history[index],
                kernels,
            )
            if self.held_out is not None:
                results.supports[places] = True if supports is None else supports.cpu().numpy()
                results.free[places], results.explained[places] = self.held_out.judge(
                    measured[here],
                    objects,
                    kernels,
                    estimator,
                    self._likelihood(samples[index.cpu().numpy()], device),
                )

        tol, interval = estimator.tol, estimator.shrinkwrap_interval
        if isinstance(tol, str):
            tol = problem.counting_noise(magnitudes, estimator.centered)
        watched = {"history": history, "on_iteration": line.advance, "company": company}
        schedule = self.schedule(problem.likelihood.noise is not None)
        run_schedule(problem, x, schedule, tol, store, interval=interval, wrap=wrap, **watched)
        line.next_chunk()

    def _likelihood(self, samples, device):
        if self.photons is None or not self.photons[samples[0]] > 0:
            return Likelihood()
        noise = (
            self.estimator.noise
            if isinstance(self.estimator.noise, CountingNoise)
            else CountingNoise()
        )
        return Likelihood(noise, torch.from_numpy(self.photons[samples]).to(device))

    def _random_numbers(self, rng):
        """Draw the random numbers of each start, shared by all samples.

        A sample's result then does not depend on the rest of its batch. The numbers are drawn in
        double precision, independent of the precision of the data, and start by start, so that the
        first starts do not depend on how many follow.
        """
        parts = 2 if self.kind == "complex" else 1
        drawn = rng.uniform(size=(self.n_starts, parts, *self.fourier_shape))
        return torch.from_numpy(drawn[:, 0] + 1j * drawn[:, 1] if parts == 2 else drawn[:, 0])

    def _start(self, problem, magnitudes, objects, is_given, noise):
        """Return normalised starts."""
        noise = noise.to(magnitudes.device, problem.dtype)
        weights = noise.real[problem.inside]
        if objects is None and self.estimator.start == "autocorrelation":
            values = autocorrelations(magnitudes).sqrt()
            starts = [
                m // 2 - n // 2 for m, n in zip(self.fourier_shape, self.object_shape, strict=True)
            ]
            middle = (slice(a, a + n) for a, n in zip(starts, problem.object_shape, strict=True))
            values = values[(slice(None), *middle)] * weights
            # normalised spectra have unit mean square, so normalised objects have unit norm
            values = values / along_samples(
                values.abs().square().flatten(1).sum(1).sqrt().clamp_min(1e-30), values
            )
            return problem.to_magnitudes(
                problem.on_grid(problem.to_admissible(values.to(problem.dtype)))
            )
        if objects is None:
            # the transform of white noise has random phases
            return problem.to_magnitudes(
                problem.from_grid(noise - (0.5 + 0.5j if noise.is_complex() else 0.5))
            )
        others = torch.from_numpy(~is_given).to(objects.device)
        if others.any():
            size = objects.abs().square().flatten(1).mean(1).sqrt()
            shaken = objects * (2 * weights) + along_samples(size, objects) * (weights - 0.5)
            others = along_samples(others, objects)
            objects = torch.where(others, problem.to_admissible(shaken), objects)
        return problem.on_grid(objects)

    def _supports(self, numbers, magnitudes, objects):
        """Return the support of each start of a chunk; None for the whole frame."""
        if self.support is not None:
            return torch.from_numpy(self.support[numbers % len(self.support)]).to(magnitudes.device)
        if self.rule in ("frame", "given") or (self.rule == "auto" and self.wraps is None):
            return None
        threshold = self.estimator.threshold if self.rule == "autocorrelation" else None
        sizes = autocorrelation_boxes(magnitudes, self.object_shape, threshold)
        return placed_boxes(sizes, self.object_shape, objects)

    def _device(self):
        device = resolve_device(self.estimator.device)
        # errors are summed in double precision, which mps does not support
        return "cpu" if self.estimator.device == "auto" and device == "mps" else device

    def _values_per_start(self):
        """Return the working set of a start; a chunk has CHUNK_VALUES."""
        # about four arrays of the size of the grid; only much larger chunks keep a GPU busy
        values = 4 * int(np.prod(self.fourier_shape))
        device = self._device()
        if device == "cpu":
            return values
        if not device.startswith("cuda"):
            return max(1, values // LARGER_ON_GPU)
        free, _ = torch.cuda.mem_get_info(device)
        wide = 8 if self.X.dtype.itemsize > 4 else 4  # bytes of a real value
        starts = int(SHARE_OF_MEMORY * free) // (ARRAYS_ON_GPU * wide * values // 4)
        return max(1, CHUNK_VALUES // max(1, starts))
