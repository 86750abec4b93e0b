"""Search for unknown supports, judged by held-out pixels.

Every start runs shrinkwrap with its own threshold and width. The first round draws both from wide
ranges; later rounds draw around the best start, as long as its threshold lies on the edge of the
range that was tried. The best starts are then tightened, because an object can fill what a loose
support leaves undetermined with anything. Among supports that explain the held-out pixels equally
well, the smallest is taken (the one-standard-error rule; Breiman et al., 1984).

Where the best start gains from a coherence kernel, the search is repeated with kernels, which are
kept if the held-out pixels are explained clearly better. All starts continue with the threshold and
width of the best one; each keeps the better of its two states. Where the starts then disagree, new
starts with larger thresholds are tried, because a loose support determines little. The set of
starts that explains and agrees most is kept. Finally, all measured pixels are fitted, and the
starts that agree and are as good as the best one are averaged.
"""

from copy import copy
from functools import partial

import numpy as np
from sklearn.utils import check_random_state

from ..metrics import fourier_error
from ._choice import better, mean_of_alike, serving, smallest_that_serves, trustworthiness
from ._coarse import cut, lifted, middle_object_shape, middle_shape
from ._held_out import HeldOut
from ._results import Results
from ._run import Run, scheduled
from ._schedule import stages_of
from ._trials import LARGEST_THRESHOLD, Trials

FIRST_WIDTH = 2.0  # first width of the Gaussian in a trial, relative to the last one
MOST_ROUNDS = 4
TIGHTER = 0.8, 1.2, 1.8, 2.7  # thresholds tried for tightening, relative to that of the start
STEADIER = 1.4, 2.0, 2.8, 4.0  # the same for new starts where the former ones disagree
TIGHT_WIDTHS = 0.7, 0.5  # pixels; first and last width of the Gaussian while tightening
AS_WELL = 2.0  # standard errors; starts this close to the best one are averaged with it
ALIKE = 0.9  # least correlation of averaged starts with the middle one
ALIKE_IF_KNOWN = 0.99  # the same in known supports
EXACT = 1e-8  # held-out misfit at the level of rounding
MAYBE_BLURRED = (
    0.97  # a kernel that lowers the held-out misfit below this fraction is searched with
)
BLURRED = (
    0.95  # a search with kernels must lower the held-out misfit below this fraction to be kept
)
TIGHTENING = (("raar", 0.9, 0.12), ("raar", 0.6, 0.08), (None, None, 0.12))  # shares of `n_iter`
SETTLING = (("hpr", None, 0.2), ("raar", 0.9, 0.1), *TIGHTENING[1:])
FINISH = 0.2  # share of `n_iter` for the final fit
VANISHED = 1e12  # misfit of each group of pixels that is assigned to vanished objects


class MixedCoherenceError(Exception):
    """Signal that only some samples of a batch need a coherence kernel.

    Both kinds are then searched separately.

    Parameters
    ----------
    is_blurred : ndarray of bool of shape (n_samples,)
        Whether each sample needs a kernel.
    """

    def __init__(self, is_blurred):
        super().__init__()
        self.is_blurred = is_blurred


class SupportSearch:
    """Search for the objects of some samples.

    `found` holds the results so far, with `n_starts` starts per sample.
    """

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
        # given objects or supports already tell what a search of the middle would find
        return (
            self.middle != self.estimator.fourier_shape_ and self.init is None and not self.is_known
        )

    def run(self):
        """Explore, tighten and finish, leaving the results in `found`."""
        if self.is_large:
            self.found = self._sharpened(self._of_the_middle().searched())
        else:
            self.searched()
        self.found = self._finished(self.found)

    def searched(self):
        """Explore and tighten, and decide on the coherence."""
        self.found = self.explored()
        if self.is_known:
            return self.found
        self.found = self._tightened(self.found)
        kernels = None
        if self.estimator.coherence == "auto" and self._all_or_none(self._may_be_blurred()):
            # starts that shaped their supports without a kernel would not leave them with one
            blurred = self._tightened(self.explored(kernels=True))
            least, with_kernels = (part.total().min(axis=0) for part in (self.found, blurred))
            # a kernel adds free parameters, so it is kept only for a clear gain
            if self._all_or_none(with_kernels < BLURRED * least):
                self.found, kernels = blurred, self._best_kernels(blurred)
        self.found = self._alike(self.found, kernels)
        self._steady()
        return self.found

    def _steady(self):
        """Replace starts that disagree by some that agree better."""
        found = self.found
        scores, agree = trustworthiness(found)
        unsteady = np.flatnonzero(~agree & np.isfinite(scores))
        if not len(unsteady):
            return
        part, best = self._only(unsteady), found.total().argmin(axis=0)[unsteady]
        thresholds, widths = found.thresholds[best, unsteady], found.widths[best, unsteady]
        kernels = None if found.coherence is None else True
        for factor in STEADIER:
            threshold, width = (
                np.tile(values, (self.n_starts, 1))
                for values in (np.minimum(thresholds * factor, LARGEST_THRESHOLD), widths)
            )
            wraps = FIRST_WIDTH * width, width, threshold
            trial = part._run(wraps, init=part.init, kernels=kernels)
            trial.thresholds, trial.widths = threshold, width
            new = trustworthiness(trial)[0]
            # a comparison with NaN is false: where nothing can be judged, the former starts stay
            steadier = np.flatnonzero(new > scores[unsteady])
            places = unsteady[steadier]
            found.put(places, trial.of_samples(steadier))
            scores[places] = new[steadier]
            for name in ("thresholds", "widths"):
                getattr(found, name)[:, places] = getattr(trial, name)[:, steadier]

    def _only(self, samples):
        """Return the same search for some samples."""
        part = copy(self)
        part.X, part.n_samples, part.is_lit = self.X[samples], len(samples), self.is_lit[samples]
        part.init = None if self.init is None else self.init[samples]
        return part

    def _may_be_blurred(self):
        """Mark the samples whose best start gains from a kernel.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
        """
        found = self.found
        few = found.picked(found.total().argsort(axis=0, kind="stable")[:1])
        thresholds, widths = (
            np.take_along_axis(values, found.total().argmin(axis=0)[None], 0)
            for values in (found.thresholds, found.widths)
        )
        least, with_kernels = (
            self._gone_on([few], thresholds, widths, kernels).total().min(axis=0)
            for kernels in (False, True)
        )
        return (with_kernels < MAYBE_BLURRED * least) & (least > EXACT)

    def _best_kernels(self, found):
        """Return the kernel of the best start for all starts."""
        return np.tile(_coherence_of_best(found), (self.n_starts, 1, 1))

    def _all_or_none(self, is_blurred):
        """Return the common answer of all samples.

        Raises
        ------
        MixedCoherenceError
            If the samples differ.
        """
        if is_blurred.any() and not is_blurred.all():
            raise MixedCoherenceError(is_blurred)
        return is_blurred.all()

    def _of_the_middle(self):
        """Return the search in the middle of the patterns."""
        small = copy(self.estimator)
        shapes = self.estimator.object_shape_, self.estimator.fourier_shape_, self.middle
        small.fourier_shape_, small.object_shape_ = self.middle, middle_object_shape(*shapes)
        X = cut(self.X, self.middle, centered=self.estimator.centered)
        held_out = self.held_out.middle(self.middle)
        return SupportSearch(small, X, None, self.n_starts, self.line, held_out=held_out)

    def _sharpened(self, found):
        """Continue the starts of the middle on the whole pattern."""
        estimator = self.estimator
        init = lifted(found.objects, estimator.fourier_shape_, estimator.object_shape_, self.middle)
        if estimator.constraints_ == "non_negative":
            init = np.maximum(init, 0)
        # the same widths, in units of the smaller pixels
        scale = estimator.fourier_shape_[0] / self.middle[0]
        start = copy(found)
        start.objects = init
        return self._gone_on([start], found.thresholds, scale * found.widths)

    def explored(self, n_rounds=MOST_ROUNDS, *, kernels=None):
        """Return the best `n_starts` starts per sample from several rounds.

        Coherence kernels are estimated if `kernels` is True.
        """
        if self.is_known:
            return self._run(None, n_starts=self.n_starts, init=self.init)
        if self.is_large:
            return self._of_the_middle().explored(n_rounds)
        rounds, trials = [], Trials(self.n_starts, self.n_samples)
        while len(rounds) < n_rounds and not trials.done.all():
            threshold, width = trials.draw()
            wraps = FIRST_WIDTH * width, width, threshold
            rounds.append(self._run(wraps, init=self.init, kernels=kernels))
            trials.record(rounds[-1].total())
        ranks, thresholds, widths = trials.best()
        found = Results.joined(rounds).picked(ranks)
        found.thresholds, found.widths = thresholds, widths
        return found

    def _tightened(self, found):
        """Shrink the support of each start without raising its held-out misfit."""
        n = len(TIGHTER)
        thresholds = np.concatenate(
            [np.minimum(found.thresholds * factor, LARGEST_THRESHOLD) for factor in TIGHTER]
        )
        tighter = self._gone_on([found] * n, thresholds, np.full_like(thresholds, TIGHT_WIDTHS[1]))
        return self._chosen(found, tighter, smallest_that_serves)

    def _chosen(self, found, further, rule):
        """Choose between the former state of each start and its continuations."""
        if self.return_history:  # all states need histories of one length to be joined
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
        """Continue the starts of `parts` with a threshold and a width for each."""
        wraps = np.maximum(widths, TIGHT_WIDTHS[0]), widths, thresholds
        if kernels is None:
            kernels = _kernels(parts)
        init = np.concatenate([part.objects for part in parts])
        found = self._run(wraps, init=init, shares=shares, kernels=kernels)
        found.n_iter += np.concatenate([part.n_iter for part in parts])
        if self.return_history:
            before = np.concatenate([part.history for part in parts])
            found.history = np.concatenate([before, found.history], axis=1)
        found.thresholds, found.widths = thresholds, widths
        return found

    def _finished(self, found):
        """Fit the objects to all measured pixels, in the supports found."""
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
            done.history = np.concatenate([found.history, done.history], axis=1)
        # the judgement remains that before this fit, which is the first to use the held-out pixels
        for name in ("free", "supports", "explained"):
            setattr(done, name, getattr(found, name))
        done.means, done.mean_errors = self._means(done)
        return done

    def _means(self, done):
        """Average the starts of each sample that serve and agree.

        Returns
        -------
        means : ndarray of shape (n_samples, *object_shape)
        errors : ndarray of shape (n_samples,)
            Fourier errors of the means.
        """
        shape = self.n_starts, self.n_samples
        objects = done.objects.reshape(*shape, *done.objects.shape[1:])
        # starts in the same known support cannot differ by overfitting, and all pixels tell more
        # than the held-out ones
        if self.is_known:
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
        kernels = None if done.coherence is None else _coherence_of_best(done)
        settings = {
            "centered": self.estimator.centered,
            "coherence": kernels,
            "multioutput": "raw_values",
        }
        errors = fourier_error(self.X, means, **settings)
        return means, errors

    def _run(self, wraps, *, n_starts=None, init=None, shares=None, kernels=None):
        """Iterate with pixels held out, one start per row of `wraps`."""
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
        # a vanished object explains nothing, but on noise its misfit may still be the smallest
        vanished = ~run.results.objects.reshape(len(run.results.objects), -1).any(axis=1)
        run.results.free[vanished & np.tile(self.is_lit, run.n_starts)] = VANISHED
        return run.results

    def _schedule(self, shares):
        """Return the stages of given shares of `n_iter`, or the user's own."""
        if self.is_own:
            return lambda counted: scheduled(self.estimator, counted=counted)
        bounded = not isinstance(self.estimator.constraints, str)
        return partial(stages_of, shares, self.estimator.n_iter, bounded)


def _kernels(parts):
    """Return the coherence kernels of results, or None if some have none."""
    if any(part.coherence is None for part in parts):
        return None
    return np.concatenate([part.coherence for part in parts])


def _coherence_of_best(found):
    """Return the coherence kernel of the best start of each sample."""
    n_samples = found.total().shape[1]
    return found.coherence[found.total().argmin(axis=0) * n_samples + np.arange(n_samples)]
