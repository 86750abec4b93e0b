import numpy as np
import pytest
import torch

from skpr import SymmetryCanonicalizer
from skpr.canonicalization._shift_rules import CIRCULAR_SHIFT_RULES, SHIFT_RULES, admissible_shifts
from skpr.symmetry.core import shifted
from tests.conftest import random_objects


@pytest.mark.parametrize("shape", [(9,), (1, 6), (5, 8), (4, 5, 6)], ids=str)
@pytest.mark.parametrize("rule", sorted(SHIFT_RULES))
def test_in_the_dark_a_rule_keeps_the_content_inside(rule, shape):
    x = torch.from_numpy(random_objects(tuple(max(n, 4) for n in shape), "float64"))
    shifts = SHIFT_RULES[rule](x)
    lowest, highest = admissible_shifts(x)
    assert ((shifts >= lowest) & (shifts <= highest)).all()
    moved = shifted(x, shifts, "zero")
    torch.testing.assert_close(moved.flatten(1).sum(dim=1), x.flatten(1).sum(dim=1))
    assert (SHIFT_RULES[rule](moved) == 0).all()


@pytest.mark.parametrize("rule", sorted(CIRCULAR_SHIFT_RULES))
@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
def test_on_a_circle_the_place_found_does_not_depend_on_where_the_object_was(rule, size):
    x = torch.rand(10, size, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[:, : size // 2] = 0
    found = [CIRCULAR_SHIFT_RULES[rule](x.roll(turn, 1), 1) for turn in range(size)]
    for turn, allowed in enumerate(found):
        assert allowed.any(dim=1).all()
        assert torch.equal(allowed.roll(turn, 1), found[0])


@pytest.mark.parametrize("level", [1e-12, 1e-9, 1e-2])
def test_on_a_circle_the_box_is_found_above_a_background(level):
    x = np.roll(random_objects((16, 18), "float64", n_samples=50), (9, 5), axis=(1, 2))
    x = np.where(x > 0, 0.5 + x / 2, 0)
    noisy = x + level * np.random.default_rng(1).standard_normal(x.shape)
    expected = SymmetryCanonicalizer("box", None, boundary="circular").fit_transform(x)
    found = SymmetryCanonicalizer("box", None, boundary="circular").fit_transform(noisy)
    assert np.mean(np.abs(found - expected).max(axis=(1, 2)) < 6 * level) > 0.9
