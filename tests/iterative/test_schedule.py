from fractions import Fraction

import numpy as np
import pytest

from skpr.iterative._algorithms import ALGORITHMS, BETAS
from skpr.iterative._schedule import resolve_schedule


def test_the_default_is_four_fifths_reflections_then_the_gradient():
    assert resolve_schedule("auto", 500, None) == [("hpr", 400, 0.75), ("apg", 100, 1.0)]
    assert resolve_schedule("auto", 3, None) == [("hpr", 3, 0.75)]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_name_is_one_stage_with_its_usual_feedback(name):
    assert resolve_schedule(name, 7, None) == [(name, 7, BETAS[name])]


def test_a_stages_own_feedback_comes_first_then_the_general_one():
    schedule = [("hio", 5, 0.8), ("raar", 6)]
    assert resolve_schedule(schedule, 500, None) == [("hio", 5, 0.8), ("raar", 6, 0.9)]
    assert resolve_schedule(schedule, 500, 0.5) == [("hio", 5, 0.8), ("raar", 6, 0.5)]


@pytest.mark.parametrize("n_iter", [0, -3, 2.5, True, "10"])
def test_iterations_are_whole_numbers_of_at_least_one(n_iter):
    with pytest.raises(ValueError, match="n_iter.* is not valid; give an integer >= 1"):
        resolve_schedule("hio", n_iter, None)
    with pytest.raises(ValueError, match="n_iter of 'hio'.* is not valid; give an integer >= 1"):
        resolve_schedule([("hio", n_iter)], 500, None)


@pytest.mark.parametrize("beta", [np.float32(0.5), Fraction(1, 2), np.float64(0.5)])
def test_feedbacks_of_any_kind_of_number_become_floats(beta):
    for schedule in (
        resolve_schedule("hio", 5, beta),
        resolve_schedule([("hio", 5, beta)], 5, None),
    ):
        assert type(schedule[0][2]) is float
