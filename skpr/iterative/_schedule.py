"""Schedules of algorithms.

A schedule is a list of stages, resolved from the parameters `algorithm`, `n_iter` and `beta`.
"""

from numbers import Real

from .._validation import check_choice, check_count, short
from ._algorithms import ALGORITHMS, BETAS

# (name, feedback, share of the iterations) for counts. Noise moves the fixed points, and it moves
# them less under smaller feedback (Luke, 2005), so the feedback falls before the final fit.
SETTLING = (
    (None, None, 0.4),
    ("raar", 0.9, 0.2),
    ("raar", 0.75, 0.12),
    ("raar", 0.5, 0.08),
    ("ml", None, 0.2),
)


def resolve_schedule(algorithm, n_iter, beta, *, bounded=False, counted=False):
    """Return a schedule as a list of (name, n_iter, beta).

    Parameters
    ----------
    algorithm : str or list of (name, n_iter) or (name, n_iter, beta)
        Algorithm or schedule. "auto" is four fifths of "hpr", or of "hio" where the amplitude is
        bounded, and then "apg". For counts it ends with "ml" instead, preceded by two fifths of
        "hpr" and two fifths of "raar" with falling feedback.
    n_iter : int
        Number of iterations of a named algorithm.
    beta : float or None
        Feedback of stages without one of their own; None selects the default of each algorithm.
    bounded : bool
        Whether the amplitude has bounds. With bounds "hpr" need not end at a solution.
    counted : bool
        Whether magnitudes are roots of photon counts.

    Raises
    ------
    ValueError
        If a name is unknown, a number of iterations is below 1, a feedback is outside 0 to 1, or
        `algorithm` is not a schedule.
    """
    if isinstance(algorithm, str):
        check_choice("algorithm", algorithm, ("auto", *ALGORITHMS))
        check_count("n_iter", n_iter)
        if algorithm != "auto":
            return [(algorithm, int(n_iter), _feedback(algorithm, None, beta))]
        first = "hio" if bounded else "hpr"
        parts = (
            SETTLING
            if counted and not bounded
            else ((None, None, 0.8), ("ml" if counted else "apg", None, 0.2))
        )
        stages = [
            (name or first, _feedback(name or first, own, beta), share)
            for name, own, share in parts
        ]
        lengths = [int(n_iter * share) for *_, share in stages[1:]]
        return [
            (name, length, feedback)
            for (name, feedback, _), length in zip(
                stages, [n_iter - sum(lengths), *lengths], strict=True
            )
            if length
        ]
    valid = (
        "a name or a list of (name, n_iter) or (name, n_iter, beta), such as "
        "[('hio', 200), ('er', 50)]"
    )
    if not isinstance(algorithm, list | tuple) or not len(algorithm):
        raise ValueError(f"algorithm={short(algorithm)} is not valid; give {valid}")
    stages = []
    for stage in algorithm:
        if not isinstance(stage, list | tuple) or len(stage) not in (2, 3):
            raise ValueError(f"algorithm has the stage {stage!r}; give {valid}")
        name, length, own = (*stage, None)[:3]
        check_choice("algorithm", name, tuple(ALGORITHMS))
        check_count(f"n_iter of {name!r}", length)
        stages.append((name, int(length), _feedback(name, own, beta)))
    return stages


def stages_of(shares, n_iter, bounded, counted):
    """Return a schedule from shares of a number of iterations.

    Every stage has at least one iteration.

    Parameters
    ----------
    shares : sequence of (name, beta, share)
        Stages. A feedback of None is the default of the algorithm; the name None selects the
        algorithm that converges to the nearest solution, "ml" for counts and "apg" otherwise.
    n_iter : int
        Number of iterations of which the stages are shares.
    bounded, counted : bool
        As in :func:`resolve_schedule`.
    """
    last, names = "ml" if counted else "apg", {"hpr": "hio", "raar": "hio"} if bounded else {}
    return [
        (
            names.get(name, name) or last,
            max(1, int(n_iter * share)),
            BETAS[name or last] if beta is None else beta,
        )
        for name, beta, share in shares
    ]


def _feedback(name, own, general):
    beta = general if own is None else own
    beta = BETAS[name] if beta is None else beta
    if not isinstance(beta, Real) or not 0 < beta <= 1:
        raise ValueError(f"beta={short(beta)} is not valid; give a number with 0 < beta <= 1")
    return float(beta)  # kernels of GPUs take no other kinds of numbers
