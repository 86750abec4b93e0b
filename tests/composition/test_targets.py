"""Transformers of targets."""

import copy

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skpr import ShiftFlipAugmenter, SymmetryCanonicalizer
from skpr.augmentation import RandomDeformation
from skpr.composition._targets import (
    change_beyond_symmetries,
    check_keeps_magnitudes,
    check_stays_canonical,
    inverted,
    picked,
    plain_steps,
    with_boundary,
)
from tests.conftest import random_objects

ROOT = FunctionTransformer(np.sqrt, np.square)
DOUBLE = FunctionTransformer(lambda batch: 2 * batch, lambda batch: batch / 2)


def test_nested_pipelines_have_plain_steps():
    canonicalizer = SymmetryCanonicalizer()
    nested = make_pipeline(ROOT, make_pipeline("passthrough", canonicalizer), DOUBLE)
    for step, expected in zip(plain_steps(nested), [ROOT, canonicalizer, DOUBLE], strict=True):
        assert step is expected
    assert list(plain_steps("passthrough")) == list(plain_steps(None)) == []


def test_steps_are_inverted_from_the_last_to_the_first():
    objects = random_objects((8,), "float64", n_samples=3)
    steps = make_pipeline(ShiftFlipAugmenter(random_state=0), make_pipeline(DOUBLE), ROOT)
    np.testing.assert_allclose(inverted(steps, np.sqrt(2 * objects)), objects)
    assert inverted("passthrough", objects) is objects


def test_only_automatic_boundaries_are_set():
    steps = make_pipeline(
        ShiftFlipAugmenter(boundary="zero"), SymmetryCanonicalizer(boundary="auto")
    )
    found = with_boundary(steps, ("circular", "circular"))
    assert [step.boundary for _, step in found.steps] == ["zero", "circular"]
    mixed = with_boundary(SymmetryCanonicalizer(boundary="auto"), ("circular", "zero"))
    assert mixed.boundary == ("circular", "zero")


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_some_samples_keep_their_type(kind):
    objects = random_objects((4,), "float32", n_samples=5)
    batch = torch.from_numpy(objects) if kind == "tensor" else objects
    some = picked(batch, np.array([0, 3]))
    assert type(some) is type(batch)
    np.testing.assert_array_equal(np.asarray(some), objects[[0, 3]])


def test_members_of_an_orbit_do_not_differ_beyond_symmetries():
    objects = np.pad(random_objects((6, 6), "float64", n_samples=4), ((0, 0), (0, 6), (0, 6)))
    members = np.roll(objects, (2, 3), axis=(1, 2))[:, ::-1, ::-1]
    assert change_beyond_symmetries(objects, members, "fourier") < 1e-9
    assert change_beyond_symmetries(objects, members, "phase") > 0.3
    assert change_beyond_symmetries(objects, -objects, "phase") < 1e-9
    assert change_beyond_symmetries(objects, 1.5 * objects, "fourier") == pytest.approx(0.5)


def test_random_deformations_are_refused_wherever_they_are():
    check_keeps_magnitudes(make_pipeline(ShiftFlipAugmenter(), SymmetryCanonicalizer()))
    nested = make_pipeline(make_pipeline(RandomDeformation()), SymmetryCanonicalizer())
    with pytest.raises(ValueError, match="deforms targets, so their magnitudes are no longer"):
        check_keeps_magnitudes(nested)


def test_random_moves_are_allowed_before_the_canonicalizer_alone():
    objects = np.pad(random_objects((6, 6), "float64", n_samples=8), ((0, 0), (3, 3), (3, 3)))
    random = np.random.RandomState(0)
    move = ShiftFlipAugmenter(max_shift=3, random_state=random).fit(objects)
    drawn_next = copy.deepcopy(random).randint(1000)
    canonicalizer = SymmetryCanonicalizer("box", "moment").fit(objects)
    check_stays_canonical(make_pipeline(move, canonicalizer), objects)
    check_stays_canonical(make_pipeline(canonicalizer, DOUBLE), objects)
    with pytest.raises(ValueError, match="behind the canonicalizer, moves objects within"):
        check_stays_canonical(make_pipeline(canonicalizer, move), objects)
    assert random.randint(1000) == drawn_next  # the trial drew from copies
