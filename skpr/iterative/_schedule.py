"""Schedules: the stages that the parameters `algorithm`, `n_iter` and `beta` ask for."""

from numbers import Real

from .._validation import check_choice, check_count, short
from ._algorithms import ALGORITHMS, BETAS


def resolve_schedule(algorithm, n_iter, beta, bounded=False):
    """A schedule as a list of (name, n_iter, beta).

    Parameters
    ----------
    algorithm : str or list of (name, n_iter) or (name, n_iter, beta)
        "auto" is four fifths of "hpr", or of "hio" where the amplitude is bounded, then "apg".
    n_iter : int
        Iterations of a named algorithm.
    beta : float or None
        Feedback where a stage has none of its own; the algorithm's usual one if None.

    bounded : bool
        Whether the amplitude has bounds, with which "hpr" need not end at a solution.

    Raises
    ------
    ValueError
        For an unknown name, iterations below 1, a feedback outside 0 to 1, or what is no schedule.
    """
    if isinstance(algorithm, str):
        check_choice("algorithm", algorithm, ("auto", *ALGORITHMS))
        check_count("n_iter", n_iter)
        polish = int(n_iter) // 5 if algorithm == "auto" else 0
        first = algorithm if algorithm != "auto" else "hio" if bounded else "hpr"
        stages = [(first, int(n_iter) - polish), ("apg", polish)]
        return [(name, length, _feedback(name, None, beta)) for name, length in stages if length]
    valid = "a name or a list of (name, n_iter) or (name, n_iter, beta), such as [('hio', 200), ('er', 50)]"
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


def _feedback(name, own, general):
    beta = general if own is None else own
    beta = BETAS[name] if beta is None else beta
    if not isinstance(beta, Real) or not 0 < beta <= 1:
        raise ValueError(f"beta={short(beta)} is not valid; give a number with 0 < beta <= 1")
    return beta
