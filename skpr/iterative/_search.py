"""The search for a support that nobody knows, judged by pixels that are held out of the iterations.

Every start has a threshold and a width of shrinkwrap of its own. The first round draws them from
wide ranges, the next ones about the best, for as long as this lies on the edge of what was tried.
The best starts are then tightened: what a loose support leaves undetermined, an object of its size
does not have. Of supports that explain the pixels held out equally well, the smallest is taken (the
rule of one standard error: Breiman et al., 1984). All starts go on in supports made as that of the
best one, with a kernel of the coherence where that explains more, and keep what is better. At last
everything that was measured is fitted, and the starts that serve as well as the best, and agree,
are averaged."""

from copy import copy
from functools import partial

import numpy as np
from sklearn.utils import check_random_state

from .._progress import IterationLine
from .._tensors import even_rows
from ..metrics import fourier_error
from ._choice import better, mean_of_alike, serving, smallest_that_serves
from ._coarse import cut, lifted, middle_object_shape, middle_shape
from ._held_out import HeldOut
from ._results import Results
from ._run import SEVERAL, Run, scheduled
from ._schedule import stages_of

THRESHOLDS = 0.03, 0.35  # of the first round
WIDTHS = 0.5, 1.5  # pixels to which the Gaussian narrows
FIRST_WIDTH = 2.0  # times the last one
LARGEST_THRESHOLD = 0.9
LEAST_WIDTH = 0.3
FACTORS = np.array([1.8, 1.5])  # of threshold and width about the best one
MOST_ROUNDS = 4
EVENLY = (
    0.7548776662466927,
    0.5698402909980532,
)  # multiples less whole numbers fill a square evenly (Roberts, 2018)
TIGHTER = 0.8, 1.2, 1.8, 2.7  # times the threshold of the start
TIGHT_WIDTHS = 0.7, 0.5
AS_WELL = 2.0  # standard errors within which starts serve as well as the best, and are averaged
ALIKE = 0.9  # correlation with the middle one of starts that are averaged
ALIKE_IF_KNOWN = 0.99  # the same, in known supports
EXACT = 1e-8  # misfit of held-out pixels that is rounding
BLURRED = 0.9  # times the misfit of held-out pixels, below which a kernel of the coherence is kept
TIGHTENING = (("raar", 0.9, 0.12), ("raar", 0.6, 0.08), (None, None, 0.12))  # shares of `n_iter`
SETTLING = (("hpr", None, 0.2), ("raar", 0.9, 0.1), *TIGHTENING[1:])
FINISH = 0.2
VANISHED = 1e12  # misfit of a group of pixels
JUDGED = 4  # patterns by which the kind of object is decided
VALUES = 1 << 26  # of all starts of the samples searched for together


class MixedCoherenceError(Exception):
    """Some samples need a kernel of the coherence, and others do not: each kind is searched for
    itself.

    Parameters
    ----------
    is_blurred : ndarray of bool of shape (n_samples,)
    """

    def __init__(self, is_blurred):
        super().__init__()
        self.is_blurred = is_blurred


def search(estimator, X, init, results, line, *, support=None, samples=None, return_history=False):
    """Retrieve objects judged by held-out pixels, searching for unknown supports.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    init : ndarray of shape (n_samples, *object_shape) or None
    results : Results
        Filled.
    line : IterationLine
    support : ndarray of bool of shape (1 or n_samples, *object_shape), optional
        Given supports.
    samples : ndarray of integers, optional
        Samples to retrieve; all if not given.
    return_history : bool, default=False
        Whether to record the Fourier errors of each start, over what was not held out, and of the
        final fit.

    Raises
    ------
    KeyboardInterrupt
        After what there is has been stored.
    """
    rows = max(1, VALUES // (3 * results.n_starts * int(np.prod(estimator.object_shape_))))
    samples = np.arange(len(X)) if samples is None else samples
    parts = [samples[start : start + rows] for start in range(0, len(samples), rows)]
    while parts:
        chosen = parts.pop(0)
        part = _Search(
            estimator,
            X[chosen],
            None if init is None else init[chosen],
            results.n_starts,
            line,
            support=support if support is None or len(support) == 1 else support[chosen],
            return_history=return_history,
        )
        try:
            part.run()
        except MixedCoherenceError as mixed:
            parts = [chosen[mixed.is_blurred], chosen[~mixed.is_blurred], *parts]
            continue
        except KeyboardInterrupt:
            if part.found is not None:
                results.put(chosen, part.found)
            raise
        results.put(chosen, part.found)


def judged_kind(estimator, X, kinds):
    """Choose the kind of object with the smallest held-out misfit.

    Parameters
    ----------
    estimator : IterativePhaseRetrieval
        With its shapes.
    X : ndarray or LazyBatch of shape (n_samples, *fourier_shape)
    kinds : tuple of str

    Returns
    -------
    str
    """
    some = np.ascontiguousarray(X[even_rows(len(X), JUDGED)])
    misfits = []
    for kind in kinds:
        trial = copy(estimator)
        trial.constraints_ = kind
        line = IterationLine(estimator.verbose)
        try:
            found = _Search(trial, some, None, SEVERAL, line).explored(1)
        finally:
            line.close()
        misfits.append(np.log(np.maximum(found.total().min(axis=0), np.finfo(float).tiny)).sum())
    return kinds[int(np.argmin(misfits))]


class _Search:
    """The search for some samples; `found` holds the results so far, `n_starts` a sample."""

    def __init__(
        self,
        estimator,
        X,
        init,
        n_starts,
        line,
        *,
        support=None,
        return_history=False,
        held_out=None,
    ):
        self.estimator, self.X, self.init, self.line = estimator, X, init, line
        self.n_samples, self.n_starts, self.found = len(X), n_starts, None
        self.return_history = return_history
        self.random = check_random_state(estimator.random_state)
        self.held_out = (
            HeldOut(estimator.fourier_shape_, estimator.centered) if held_out is None else held_out
        )
        self.is_own = not isinstance(estimator.algorithm, str) or estimator.algorithm != "auto"
        self.middle = middle_shape(estimator.fourier_shape_)
        self.is_lit = np.nan_to_num(self.X).reshape(self.n_samples, -1).any(axis=1)
        self.support, self.is_known = support, estimator.support_ != "auto"

    @property
    def is_large(self):
        """Whether the middle of the patterns is searched first."""
        return (
            self.middle != self.estimator.fourier_shape_ and self.init is None and not self.is_known
        )

    def run(self):
        """Explore, tighten and finish."""
        if self.is_large:
            self.found = self._sharpened(self._of_the_middle().searched())
        else:
            self.searched()
        self.found = self._finished(self.found)

    def searched(self):
        """Explore and tighten, and decide whether the illumination was coherent."""
        self.found = self.explored()
        if self.is_known:
            return self.found
        self.found = self._tightened(self.found)
        self.found = self._alike(self.found, self._judged_kernels(self.found))
        return self.found

    def _judged_kernels(self, found):
        """Kernels of the coherence for all starts, those of the best; None where pixels held out
        need none.
        """
        if self.estimator.coherence != "auto":
            return None
        few = found.picked(found.total().argsort(axis=0, kind="stable")[:1])
        thresholds, widths = (
            np.take_along_axis(values, found.total().argmin(axis=0)[None], 0)
            for values in (found.thresholds, found.widths)
        )
        coherent, blurred = (
            self._gone_on([few], thresholds, widths, kernels) for kernels in (False, True)
        )
        least, with_kernels = (part.total().min(axis=0) for part in (coherent, blurred))
        is_blurred = (with_kernels < BLURRED * least) & (least > EXACT)
        if not is_blurred.any():
            return None
        if not is_blurred.all():
            raise MixedCoherenceError(is_blurred)
        return np.tile(blurred.coherence, (self.n_starts, 1, 1))

    def _of_the_middle(self):
        """The search in the middle of the patterns."""
        small = copy(self.estimator)
        shapes = self.estimator.object_shape_, self.estimator.fourier_shape_, self.middle
        small.fourier_shape_, small.object_shape_ = self.middle, middle_object_shape(*shapes)
        X = cut(self.X, self.middle, centered=self.estimator.centered)
        held_out = self.held_out.middle(self.middle)
        return _Search(small, X, None, self.n_starts, self.line, held_out=held_out)

    def _sharpened(self, found):
        """Starts of the middle, gone on with on the whole pattern, in supports as large."""
        estimator = self.estimator
        init = lifted(found.objects, estimator.fourier_shape_, estimator.object_shape_, self.middle)
        if estimator.constraints_ == "non_negative":
            init = np.maximum(init, 0)
        scale = estimator.fourier_shape_[0] / self.middle[0]
        start = copy(found)
        start.objects = init
        return self._gone_on([start], found.thresholds, scale * found.widths)

    def explored(self, n_rounds=MOST_ROUNDS):
        """The best starts of some rounds, `n_starts` a sample."""
        if self.is_known:
            return self._run(None, n_starts=self.n_starts)
        if self.is_large:
            return self._of_the_middle().explored(n_rounds)
        rounds, drawn, free = [], [], []
        low, high = (
            np.tile(values, (self.n_samples, 1)) for values in zip(THRESHOLDS, WIDTHS, strict=True)
        )
        done = np.zeros(self.n_samples, dtype=bool)
        for number in range(n_rounds):
            places = np.arange(number * self.n_starts, (number + 1) * self.n_starts)[
                :, None
            ] * np.array(EVENLY)
            values = (
                low * (high / low) ** ((places + 0.5) % 1.0)[:, None]
            )  # (n_starts, n_samples, 2)
            drawn.append(np.clip(values, (0, LEAST_WIDTH), (LARGEST_THRESHOLD, np.inf)))
            threshold, width = np.moveaxis(drawn[-1], -1, 0)
            rounds.append(self._run((FIRST_WIDTH * width, width, threshold), init=self.init))
            # no sample has more rounds for the others of its batch
            free.append(np.where(done, np.inf, rounds[-1].total()))
            tried, misfits = np.concatenate(drawn), np.concatenate(free)
            middle = np.take_along_axis(tried, misfits.argmin(axis=0)[None, :, None], 0)[0]
            low, high = middle / FACTORS, middle * FACTORS
            known = np.where(np.isinf(misfits), np.nan, tried[..., 0])
            on_edge = (middle[:, 0] >= np.nanmax(known, axis=0)) | (
                middle[:, 0] <= np.nanmin(known, axis=0)
            )
            done |= ~on_edge & (number > 0)
            if done.all():
                break
        ranks = misfits.argsort(axis=0, kind="stable")[: self.n_starts]
        found = Results.joined(rounds).picked(ranks)
        found.thresholds, found.widths = np.moveaxis(
            np.take_along_axis(tried, ranks[..., None], 0), -1, 0
        )
        return found

    def _tightened(self, found):
        """Shrink the support of each start while its held-out misfit stays as small."""
        n = len(TIGHTER)
        thresholds = np.concatenate(
            [np.minimum(found.thresholds * factor, LARGEST_THRESHOLD) for factor in TIGHTER]
        )
        tighter = self._gone_on([found] * n, thresholds, np.full_like(thresholds, TIGHT_WIDTHS[1]))
        return self._chosen(found, tighter, smallest_that_serves)

    def _chosen(self, found, further, rule):
        """One of the states of each start, as it was or as it went on."""
        if self.return_history:
            more = further.history.shape[1] - found.history.shape[1]
            found.history = np.pad(found.history, ((0, 0), (0, more)), constant_values=np.nan)
        if further.coherence is not None and found.coherence is None:
            found.coherence = np.zeros((len(found.errors), *further.coherence.shape[1:]))
        tried = Results.joined([found, further])
        shape = -1, self.n_starts, self.n_samples
        sizes = tried.supports.reshape(len(tried.supports), -1).sum(axis=-1).reshape(shape)
        chosen = rule(tried.free.reshape(*sizes.shape, -1), sizes)
        picked = tried.picked(chosen * self.n_starts + np.arange(self.n_starts)[:, None])
        for name in ("thresholds", "widths"):
            values = np.concatenate([getattr(found, name), getattr(further, name)]).reshape(
                sizes.shape
            )
            setattr(picked, name, np.take_along_axis(values, chosen[None], 0)[0])
        return picked

    def _alike(self, found, kernels=None):
        """Continue all starts with the threshold and width of the best one."""
        shape = self.n_starts, self.n_samples
        first = smallest_that_serves(
            found.free.reshape(*shape, -1), found.supports.reshape(*shape, -1).sum(axis=-1)
        )
        thresholds, widths = (
            np.broadcast_to(np.take_along_axis(values, first[None], 0), shape)
            for values in (found.thresholds, found.widths)
        )
        alike = self._gone_on([found], thresholds, widths, kernels, SETTLING)
        return self._chosen(found, alike, better)

    def _gone_on(self, parts, thresholds, widths, kernels=None, shares=TIGHTENING):
        """Continue starts with other thresholds and widths, one row for each start of `parts`."""
        wraps = np.maximum(widths, TIGHT_WIDTHS[0]), widths, thresholds
        if kernels is None:
            kernels = _kernels(parts)
        init = np.concatenate([part.objects for part in parts])
        found = self._run(wraps, init=init, shares=shares, kernels=kernels)
        found.n_iter += np.concatenate([part.n_iter for part in parts])
        if self.return_history:
            found.history = _followed(
                np.concatenate([part.history for part in parts]), found.history
            )
        found.thresholds, found.widths = thresholds, widths
        return found

    def _finished(self, found):
        """The objects fitted to all that was measured, in the supports found."""
        run = Run(
            self.estimator,
            self.X,
            found.objects,
            found.supports,
            n_starts=self.n_starts,
            schedule=self._schedule(((None, None, FINISH),)),
            random=self.random,
            kernels=_kernels([found]),
            return_history=self.return_history,
        )
        run.execute(self.line)
        done = run.results
        done.n_iter += found.n_iter
        if self.return_history:
            done.history = _followed(found.history, done.history)
        for name in ("free", "supports", "explained"):
            setattr(done, name, getattr(found, name))
        done.means, done.mean_errors = self._means(done)
        return done

    def _means(self, done):
        """Mean of the starts of each sample that serve and agree, and its Fourier error."""
        shape = self.n_starts, self.n_samples
        objects = done.objects.reshape(*shape, *done.objects.shape[1:])
        if self.is_known:  # of equal supports, all that was measured tells more than a part of it
            first, alike = done.errors.reshape(shape).argmin(axis=0), ALIKE_IF_KNOWN
            chosen, middles = np.ones(shape, dtype=bool), first.tolist()
        else:
            chosen, alike = serving(done.free.reshape(*shape, -1), AS_WELL), ALIKE
            middles = [None] * self.n_samples
        boundary = self.estimator.boundary_
        means = np.stack(
            [
                mean_of_alike(objects[chosen[:, i], i], alike, boundary, middle)
                for i, middle in enumerate(middles)
            ]
        )
        if self.estimator.constraints_ == "non_negative":
            means = np.maximum(means, 0)
        kernels = None
        if done.coherence is not None:
            kernels = done.coherence[
                done.total().argmin(axis=0) * self.n_samples + np.arange(self.n_samples)
            ]
        settings = {
            "centered": self.estimator.centered,
            "coherence": kernels,
            "multioutput": "raw_values",
        }
        errors = fourier_error(self.X, means, **settings)
        return means, errors

    def _run(self, wraps, *, n_starts=None, init=None, shares=None, kernels=None):
        """Iterate with pixels held out; one start a row of the thresholds."""
        run = Run(
            self.estimator,
            self.X,
            init,
            self.support,
            n_starts=len(wraps[0]) if n_starts is None else n_starts,
            schedule=None if shares is None else self._schedule(shares),
            wraps=None if wraps is None else tuple(values.reshape(-1) for values in wraps),
            held_out=self.held_out,
            kernels=kernels,
            random=self.random,
            return_history=self.return_history,
        )
        if self.found is None:
            self.found = run.results
        run.execute(self.line)
        # an object that vanished explains nothing, though noise may be explained no better
        vanished = ~run.results.objects.reshape(len(run.results.objects), -1).any(axis=1)
        run.results.free[vanished & np.tile(self.is_lit, run.n_starts)] = VANISHED
        return run.results

    def _schedule(self, shares):
        """Stages of given shares of the iterations, or those of the user."""
        if self.is_own:
            return lambda counted: scheduled(self.estimator, counted=counted)
        bounded = not isinstance(self.estimator.constraints, str)
        return partial(stages_of, shares, self.estimator.n_iter, bounded)


def _kernels(parts):
    """The coherence kernels of results, to go on from; None where there are none."""
    if any(part.coherence is None for part in parts):
        return None
    return np.concatenate([part.coherence for part in parts])


def _followed(first, second):
    """Histories one behind the other."""
    return np.concatenate([first, second], axis=1)
