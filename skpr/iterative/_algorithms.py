r"""Single steps of the phase retrieval algorithms.

`P_M` is the projection onto the measured magnitudes and `P_S` the projection onto the object
constraints. A step takes the :class:`~skpr.measurement.Iterate` `x`, the
:class:`~skpr.measurement.Measurement`, the feedback `beta` and a dictionary `memory` that starts
empty. It returns the next iterate, and the values of the last `y = P_M(.)` inside the object's
frame; the reconstruction is `P_S y`. It may overwrite `x`. Outside the frame `P_S` is 0 and steps
are linear, so they are taken in Fourier space; only the values inside the frame are transformed.
"""

from functools import partial

import torch

from .._quasi_newton import QuasiNewton
from .._tensors import along_samples, inner
from ..measurement import mixture

SETTLED_FOR = 5  # steps of maximum likelihood over which the total gain is tested
# total gain of the log-likelihood per object pixel below which the descent has settled; fitting the
# noise alone gains about a half per pixel
SETTLED_PHOTONS = 1e-4
SETTLED = 1e-10  # the same for magnitudes that are not counts, as a fraction of the energy


def error_reduction(x, problem, beta, memory):
    """Take a step of error reduction, `x <- P_S P_M x`.

    The misfit never grows, so the iteration ends in the first local minimum (Gerchberg and Saxton,
    1972; Fienup, 1982).
    """
    y = problem.to_magnitudes(x, overwrite=True).inside
    return problem.on_grid(problem.to_admissible(y)), y


def hybrid_input_output(x, problem, beta, memory):
    """Take a step of hybrid input-output (HIO; Fienup, 1982).

    `x <- P_M x` where `P_M x` is admissible, and `x <- x - beta (1 - P_S) P_M x` elsewhere. Without
    bounds on the amplitude, `P_S` is 0 at inadmissible pixels, which gives Fienup's form.
    """
    y, relaxed = problem.relaxed(x, 1, -beta)
    pushed = relaxed.inside
    if problem.bounds is not None:  # without bounds the nearest admissible value is 0
        pushed = pushed.add(problem.to_admissible(y), alpha=beta)
    return relaxed.with_inside(problem.where_admitted(y, y, pushed), overwrite=True), y


def hybrid_projection_reflection(x, problem, beta, memory):
    """Take a step of hybrid projection-reflection (HPR).

    It differs from HIO in the test of admissibility, which is applied to `(1 + beta) P_M x - x`
    (Bauschke, Combettes and Luke, 2003). With a support as the only constraint it is HIO; with
    non-negativity it keeps the relation to reflections that HIO loses. With bounds that exclude 0,
    its fixed points are not the solutions where `beta` is below 1.
    """
    y, relaxed = problem.relaxed(x, 1, -beta)
    reflected = torch.add(-x.inside, y, alpha=1 + beta)
    new = problem.where_admitted(reflected, y, relaxed.inside)
    return relaxed.with_inside(new, overwrite=True), y


def relaxed_averaged_alternating_reflections(x, problem, beta, memory):
    """Take a step of relaxed averaged alternating reflections (RAAR).

    `x <- beta/2 (R_S R_M + 1) x + (1 - beta) P_M x` with the reflections `R = 2 P - 1` (Luke,
    2005).
    """
    y, relaxed = problem.relaxed(x, beta, 1 - 2 * beta)
    # R_S = 2 P_S - 1 written out: P_S is 0 outside the frame, where the other terms are linear
    admissible = problem.to_admissible(2 * y - x.inside)
    return relaxed.with_inside(relaxed.inside + beta * admissible, overwrite=True), y


def difference_map(x, problem, beta, memory):
    """Take a step of the difference map (Elser, 2003).

    `x <- x + beta [P_S((1 + 1/beta) P_M x - x / beta) - P_M((1 - 1/beta) P_S x + x / beta)]`. A
    step needs two transform pairs, or one where `beta` is 1.
    """
    if beta == 1:  # the second projection is P_M x, too
        y, relaxed = problem.relaxed(x, 1, -1)
    else:
        y = problem.to_magnitudes(x).inside
        point = (1 - 1 / beta) * problem.to_admissible(x.inside) + x.inside / beta
        second = problem.to_magnitudes(mixture((1 / beta, x)).with_inside(point), overwrite=True)
        relaxed = mixture((1, x), (-beta, second))
    first = problem.to_admissible((1 + 1 / beta) * y - x.inside / beta)
    return relaxed.with_inside(relaxed.inside + beta * first, overwrite=True), y


def accelerated_gradient(x, problem, beta, memory):
    """Take a projected gradient step with Nesterov's momentum.

    It descends the amplitude loss `| |F x| - b |^2 / 2`, whose gradient step of length 1 is `P_M x`
    (Fienup, 1982), so without momentum this is error reduction. Momentum (FISTA; Beck and Teboulle,
    2009), restarted for each sample whose last move went uphill (O'Donoghue and Candes, 2015), ends
    about ten times sooner. `beta` is not used.
    """
    if not memory:
        # other algorithms may leave x far from any object, where a gradient step means nothing
        x, _ = error_reduction(x, problem, beta, memory)
        ones = torch.ones(len(x), dtype=x.inside.real.dtype, device=x.inside.device)
        memory.update(previous=x.inside, t=ones)
    y = problem.to_magnitudes(x, overwrite=True).inside
    new, previous, t = problem.to_admissible(y), memory["previous"], memory["t"]
    move = new - previous
    # x - new is the projected gradient at the extrapolated point: moves along it increase the loss
    uphill = inner(x.inside - new, move).real > 0
    grown = ((1 + (1 + 4 * t.square()).sqrt()) / 2).masked_fill(uphill, 1.0)
    momentum = ((t - 1) / grown).masked_fill(uphill, 0.0)
    memory.update(previous=new, t=grown)
    return problem.on_grid(new + along_samples(momentum, move) * move), y


def alternating_direction_multipliers(x, problem, beta, memory):
    """Take a step of the alternating direction method of multipliers (ADMM).

    For `y in M, z in S, y = z`: `y <- P_M(z - u); z <- P_S(y + u); u <- u + beta (y - z)` (Wen et
    al., 2012).
    """
    if not memory:
        x, _ = error_reduction(x, problem, beta, memory)
        memory["difference"] = x
    difference = memory["difference"]  # z - u, which is -u outside the frame
    u = x.inside - difference.inside
    y, relaxed = problem.relaxed(difference, 1, -beta)
    z = problem.to_admissible(y + u)
    u = u + beta * (y - z)
    memory["difference"] = relaxed.with_inside(z - u, overwrite=True)
    return problem.on_grid(z), y


def maximum_likelihood(x, problem, beta, memory):
    """Take a quasi-Newton step that lowers the deviance.

    The deviance is the amplitude loss for magnitudes that are not counts. A step needs one
    transform pair, and more where it must be shortened. `beta` is not used.
    """
    descent = memory.get("descent")
    evaluate = partial(problem.likelihood.deviance, problem)
    if descent is None:
        x, _ = error_reduction(x, problem, beta, memory)
        memory["descent"] = descent = QuasiNewton(evaluate, x.inside)
        memory["fallen"] = torch.full(
            (len(x), SETTLED_FOR), torch.inf, dtype=torch.float64, device=x.inside.device
        )
    fallen = problem.likelihood.in_photons(descent.step(evaluate, problem.to_admissible), problem)
    # a single step may gain little by chance, so the sum over the last steps is tested
    memory["fallen"] = torch.cat([memory["fallen"][:, 1:], fallen[:, None]], dim=1)
    least = (
        SETTLED
        if problem.likelihood.noise is None
        else SETTLED_PHOTONS * descent.objects[0].numel()
    )
    memory["settled"] = memory["fallen"].sum(dim=1) < least
    return problem.on_grid(descent.objects), descent.objects


# default feedbacks; "er", "apg" and "ml" do not use any
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
