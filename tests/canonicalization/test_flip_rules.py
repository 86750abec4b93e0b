import numpy as np
import pytest
import torch

from skpr import SymmetryCanonicalizer
from skpr.canonicalization._flip_rules import FLIP_RULES
from skpr.symmetry.core import flipped, shifted
from tests.conftest import random_objects, relative_difference


@pytest.mark.parametrize(
    "boundary", [("zero", "zero"), ("circular", "circular"), ("zero", "circular")], ids="-".join
)
@pytest.mark.parametrize("rule", sorted(FLIP_RULES))
def test_scores_are_odd_and_do_not_see_shifts_phases_and_units(rule, boundary):
    x = torch.from_numpy(random_objects((8, 9), "complex128"))
    direction = torch.arange(1.0, 5.0, dtype=torch.float64)[
        : 4 if "circular" not in boundary else 3
    ]
    score = FLIP_RULES[rule](x, boundary, direction, x.dtype)
    assert (score.abs() > 1e-9).all()
    torch.testing.assert_close(FLIP_RULES[rule](flipped(x), boundary, direction, x.dtype), -score)
    turned = x * 1e-5 * np.exp(0.7j)
    torch.testing.assert_close(FLIP_RULES[rule](turned, boundary, direction, x.dtype), score)
    circular = torch.tensor([[3 if wraps == "circular" else 0 for wraps in boundary]]).expand(
        len(x), 2
    )
    torch.testing.assert_close(
        FLIP_RULES[rule](shifted(x, circular, boundary), boundary, direction, x.dtype),
        score,
        atol=1e-12,
        rtol=1e-9,
    )


@pytest.mark.parametrize("rule", sorted(FLIP_RULES))
def test_on_a_circle_small_objects_are_flipped_as_large_ones(rule):
    x = np.random.default_rng(0).random((100, 9, 9))
    canonicalizer = SymmetryCanonicalizer("centroid", rule, boundary="circular").fit(x)
    assert (
        relative_difference(canonicalizer.transform(x * 1e-5) / 1e-5, canonicalizer.transform(x))
        < 1e-8
    )


@pytest.mark.parametrize("shift", ["box", "centroid", "template"])
@pytest.mark.parametrize("rule", [*sorted(FLIP_RULES), "template", None])
@pytest.mark.parametrize("shape", [(8, 8), (16, 16), (31,)], ids=str)
def test_pure_phases_in_single_precision_have_one_representative(shift, rule, shape):
    x = np.exp(2j * np.pi * np.random.default_rng(0).random((60, *shape)))
    moved = (np.roll(x, 3, axis=-1) * np.exp(0.7j)).astype(np.complex64)
    x = x.astype(np.complex64)
    canonicalizer = SymmetryCanonicalizer(shift, rule, boundary="circular").fit(x)
    assert relative_difference(canonicalizer.transform(moved), canonicalizer.transform(x)) < 1e-3
