"""Loop that runs a schedule on one chunk of starts.

Starts that have converged leave the chunk, so that the others run faster.
"""

import torch

from ._algorithms import ALGORITHMS
from ._replay import FEWEST, Replay, pays
from ._supports import shrinkwrap

CHECK_INTERVAL = 10  # iterations between tests of convergence; each test costs one more transform

MOST_STAYING = 0.75  # share of a recorded chunk; where more stay, those that are done stay, too


class Shrinkwrap:
    """Shrinkwrap: support that is recomputed from the object at every update.

    Parameters
    ----------
    first, last : torch.Tensor of shape (n_samples,)
        Width of the Gaussian at the first update, and the width to which it decays by 1 % per
        update.
    threshold : torch.Tensor of shape (n_samples,)
        Fraction of the largest blurred value above which a pixel belongs to the support.
    """

    def __init__(self, first, last, threshold):
        self.first, self.last, self.threshold = first, last, threshold

    def keep(self, index):
        """Keep only the patterns that an index selects, in place."""
        self.first, self.last, self.threshold = (
            v[index] for v in (self.first, self.last, self.threshold)
        )

    def update(self, problem, objects, n_updates):
        """Replace the problem's support."""
        widths = torch.maximum(self.last, self.first * 0.99 ** (n_updates - 1))
        problem.support = shrinkwrap(objects, widths, self.threshold)


def run_schedule(
    problem,
    x,
    schedule,
    tol,
    store,
    *,
    interval=20,
    wrap=None,
    history=None,
    on_iteration=None,
    company=False,
):
    """Run a schedule on one chunk of starts.

    Parameters
    ----------
    problem : Measurement
        Measurement of the chunk; reduced in place to the samples that are still running.
    x : Iterate
        Normalised starts.
    schedule : list of (name, n_iterations, beta)
    tol : float or torch.Tensor of shape (n_samples,)
        Residual at which a sample is done.
    store : callable
        Receiver of finished samples, called as `store(index, objects, errors, n_done, kernels,
        supports)` as soon as samples are done. The arguments are their indices in the chunk, their
        objects in the units of the measurement, their Fourier errors, the number of iterations, and
        the covariances of their coherence kernels and their supports, if any.
    interval : int
        Iterations between updates of the support and of the coherence, where these are estimated.
    wrap : Shrinkwrap, optional
    history : torch.Tensor of shape (n_samples, n_iterations), optional
        Array that receives the Fourier error after each iteration, until a sample is done.
    on_iteration : callable, optional
        Function called after each iteration.
    company : bool, default=False
        Whether a finished sample stays beside the last running one. Transforms of a single sample
        may round differently from those of a batch, and results must not depend on the batch.
    """
    # decisions are taken on the host, so that a device is waited for once per test
    tol = torch.as_tensor(tol, dtype=problem.norms.dtype).cpu().expand(len(problem))
    learners = [learner for learner in (wrap, problem.coherence) if learner is not None]
    active = torch.arange(len(problem))
    stored = torch.zeros(len(problem), dtype=torch.bool)
    n_done, n_total = 0, sum(n for _, n, _ in schedule)
    for number, (name, length, beta) in enumerate(schedule, 1):
        is_last = number == len(schedule)
        step, memory, replay, end = ALGORITHMS[name], {}, None, n_done + length
        while n_done < end:
            found = None
            if history is None and n_done > end - length and pays(name, x, problem):
                # the first step of a stage makes its memory, and is not recorded
                quiet = _quiet_steps(n_done, n_total, interval if learners else None, end)
                n_steps = min(quiet + 1, end - n_done)
                if n_steps >= FEWEST:
                    if replay is None:
                        replay = Replay(step, problem, beta)
                    x, found, residual, error = replay.advance(x, problem, memory, n_steps)
                    for _ in range(n_steps - 1 if on_iteration is not None else 0):
                        on_iteration()
                    n_done += n_steps - 1
            if found is None:
                x, y = step(x, problem, beta, memory)
            n_done += 1
            updates = bool(learners) and n_done % interval == 0 and n_done < n_total
            checks = n_done == 1 or n_done % CHECK_INTERVAL == 0 or n_done == n_total
            if found is None and (checks or updates or history is not None):
                found = problem.to_admissible(y)
                residual, error = problem.errors(found)
                if history is not None:
                    going = ~stored[active]
                    history[active[going], n_done - 1] = error[going]
            # the errors belong to these kernels and supports, which an update would replace
            kernels = None if problem.coherence is None else problem.coherence.covariances
            supports = problem.support
            if updates:
                for learner in learners:
                    learner.update(problem, found, n_done // interval)
                # a new support changes the function that is minimised: its curvature starts anew
                memory.pop("descent", None)
            if on_iteration is not None:
                on_iteration()
            if not checks:
                continue
            done = (
                residual.cpu() <= tol[active]
                if n_done < n_total
                else torch.ones(len(active), dtype=torch.bool)
            )
            if is_last and "settled" in memory:
                done |= memory["settled"].cpu()
            done |= stored[active]
            new = done & ~stored[active]
            if new.any():
                store(
                    active[new],
                    problem.to_units(found)[new],
                    error[new],
                    n_done,
                    None if kernels is None else kernels[new],
                    None if supports is None else supports[new],
                )
                stored[active[new]] = True
            if done.all():
                return
            staying = ~done
            if company and int(staying.sum()) == 1 and len(staying) > 1:
                staying[int(done.int().argmax())] = True
            # on a GPU few samples cost hardly less, and a smaller chunk must be recorded again
            most = MOST_STAYING if pays(name, x, problem) else 1
            if int(staying.sum()) >= most * len(staying):
                continue
            active, x = active[staying], x.kept(staying)
            for key, value in memory.items():
                memory[key] = (
                    value[staying] if isinstance(value, torch.Tensor) else value.kept(staying)
                )
            problem.keep(staying)
            replay = None
            if wrap is not None:
                wrap.keep(staying)


def _quiet_steps(n_done, n_total, interval, end):
    """Return the number of steps before one that is looked at.

    Examples
    --------
    >>> _quiet_steps(1, 100, None, 50), _quiet_steps(10, 100, 7, 50)
    (8, 3)
    """
    upcoming = [CHECK_INTERVAL - n_done % CHECK_INTERVAL, n_total - n_done]
    if interval is not None:
        upcoming.append(interval - n_done % interval)
    return min(min(upcoming) - 1, end - n_done)
