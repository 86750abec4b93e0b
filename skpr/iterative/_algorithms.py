r"""The algorithms, one step each, with `P_M` the projection onto the magnitudes and `P_S` onto the
object constraints.

A step takes the iterate `x` on the whole grid, the :class:`~skpr.measurement.Measurement`, the
feedback `beta` and a dictionary `memory` that starts empty, and returns the next iterate and the
last `y = P_M(.)`; the reconstruction is `P_S y`. It may write to `x`. Outside the object's frame
`P_S` is 0, so only the frame needs more than linear work."""

from functools import partial

import torch

from .._quasi_newton import QuasiNewton
from .._tensors import along_samples, inner

SETTLED_FOR = 5  # steps of maximum likelihood that gain next to nothing together
SETTLED_PHOTONS = 1e-4  # a pixel of the object, of the logarithm of the likelihood, of which the noise takes a half
SETTLED = 1e-10  # of the energy, without counts


def error_reduction(x, problem, beta, memory):
    """`x <- P_S P_M x` (Gerchberg and Saxton, 1972; Fienup, 1982). Descends; stays in the first
    local minimum.
    """
    y = problem.to_magnitudes(x)
    x.zero_()
    x[problem.inside] = problem.to_admissible(y[problem.inside])
    return x, y


def hybrid_input_output(x, problem, beta, memory):
    """`x <- P_M x` where that is admissible, `x - beta (1 - P_S) P_M x` elsewhere (Fienup, 1982).

    Without bounds on the amplitude `P_S` is 0 elsewhere, which is the form Fienup gives.
    """
    y = problem.to_magnitudes(x)
    kept = y[problem.inside]
    x.sub_(y, alpha=beta)
    pushed = x[problem.inside]
    if problem.bounds is not None:  # without them the nearest admissible value is 0
        pushed = torch.add(pushed, problem.to_admissible(kept), alpha=beta)
    x[problem.inside] = torch.where(problem.admits(kept), kept, pushed)
    return x, y


def hybrid_projection_reflection(x, problem, beta, memory):
    """As HIO, but asking whether `(1 + beta) P_M x - x` is admissible (Bauschke, Combettes and
    Luke, 2003).

    With nothing but a support it is HIO; with non-negativity it keeps the tie to the reflections
    HIO loses. With bounds that exclude 0 its fixed points are not the solutions while `beta` is
    below 1."""
    y = problem.to_magnitudes(x)
    kept = y[problem.inside]
    reflected = torch.add(-x[problem.inside], kept, alpha=1 + beta)
    x.sub_(y, alpha=beta)
    x[problem.inside] = torch.where(problem.admits(reflected), kept, x[problem.inside])
    return x, y


def relaxed_averaged_alternating_reflections(x, problem, beta, memory):
    """`x <- beta/2 (R_S R_M + 1) x + (1 - beta) P_M x`, `R = 2 P - 1` (Luke, 2005)."""
    y = problem.to_magnitudes(x)
    reflected = torch.sub(2 * y[problem.inside], x[problem.inside])
    x.mul_(beta).add_(y, alpha=1 - 2 * beta)
    x[problem.inside].add_(problem.to_admissible(reflected), alpha=beta)
    return x, y


def difference_map(x, problem, beta, memory):
    """`x <- x + beta [P_S((1 + 1/beta) P_M x - x / beta) - P_M((1 - 1/beta) P_S x + x / beta)]`
    (Elser, 2003).

    Two transform pairs a step, one where `beta` is 1.
    """
    y = problem.to_magnitudes(x)
    inside = problem.inside
    first = problem.to_admissible((1 + 1 / beta) * y[inside] - x[inside] / beta)
    second = y
    if beta != 1:
        point = x / beta
        point[inside] += (1 - 1 / beta) * problem.to_admissible(x[inside])
        second = problem.to_magnitudes(point)
    x.sub_(second, alpha=beta)
    x[inside].add_(first, alpha=beta)
    return x, y


def accelerated_gradient(x, problem, beta, memory):
    """Projected gradient on the amplitude loss `| |F x| - b |^2 / 2` with Nesterov's momentum.

    The gradient step of length 1 is `P_M x` (Fienup, 1982), so without momentum this is error
    reduction; with it (Beck and Teboulle, 2009, FISTA), and starting it again for each sample whose
    last move went uphill (O'Donoghue and Candes, 2015), it ends some ten times sooner. `beta` is
    not used."""
    inside = problem.inside
    if not memory:
        x, _ = error_reduction(
            x, problem, beta, memory
        )  # what came before may have left x far from any object
        start = x[inside].clone()
        memory.update(previous=start, t=torch.ones(len(x), dtype=x.real.dtype, device=x.device))
    y = problem.to_magnitudes(x)
    new, previous, t = problem.to_admissible(y[inside]), memory["previous"], memory["t"]
    move = new - previous
    uphill = inner(x[inside] - new, move).real > 0
    grown = torch.where(uphill, 1.0, (1 + (1 + 4 * t.square()).sqrt()) / 2)
    momentum = torch.where(uphill, 0.0, (t - 1) / grown)
    x[inside] = new + along_samples(momentum, move) * move
    memory.update(previous=new, t=grown)
    return x, y


def alternating_direction_multipliers(x, problem, beta, memory):
    """ADMM on `y in M, z in S, y = z`: `y <- P_M(z - u); z <- P_S(y + u); u <- u + beta (y - z)`
    (Wen et al., 2012).
    """
    inside = problem.inside
    if not memory:
        x, _ = error_reduction(x, problem, beta, memory)
        memory["u"] = torch.zeros_like(x)
    u = memory["u"]
    y = problem.to_magnitudes(x - u)
    x.zero_()
    x[inside] = problem.to_admissible(y[inside] + u[inside])
    u.add_(y, alpha=beta).sub_(x, alpha=beta)
    return x, y


def maximum_likelihood(x, problem, beta, memory):
    """Quasi-Newton descent of the deviance, which is the amplitude loss where nothing is counted.

    A step takes one transform pair, more where it must be shortened. `beta` is not used.
    """
    inside, descent = problem.inside, memory.get("descent")
    evaluate = partial(problem.likelihood.deviance, problem)
    if descent is None:
        x, _ = error_reduction(x, problem, beta, memory)
        memory["descent"] = descent = QuasiNewton(evaluate, x[inside].clone())
        memory["fallen"] = torch.full(
            (len(x), SETTLED_FOR), torch.inf, dtype=torch.float64, device=x.device
        )
    fallen = problem.likelihood.in_photons(descent.step(evaluate, problem.to_admissible), problem)
    memory["fallen"] = torch.cat([memory["fallen"][:, 1:], fallen[:, None]], dim=1)
    least = (
        SETTLED
        if problem.likelihood.noise is None
        else SETTLED_PHOTONS * descent.objects[0].numel()
    )
    memory["settled"] = memory["fallen"].sum(dim=1) < least
    x[inside] = descent.objects
    return x, x


# usual feedbacks; "er", "apg" and "ml" have none
BETAS = {
    "er": 1.0,
    "hio": 0.9,
    "hpr": 0.75,
    "raar": 0.9,
    "dm": 1.0,
    "apg": 1.0,
    "admm": 1.0,
    "ml": 1.0,
}

ALGORITHMS = {
    "er": error_reduction,
    "hio": hybrid_input_output,
    "hpr": hybrid_projection_reflection,
    "raar": relaxed_averaged_alternating_reflections,
    "dm": difference_map,
    "apg": accelerated_gradient,
    "admm": alternating_direction_multipliers,
    "ml": maximum_likelihood,
}
