"""The spectrum and the inside of an iterate describe the same array on the whole grid."""

import pytest
import torch

from skpr.measurement import Measurement, _slabs, mixture
from skpr.measurement._iterate import REFRESH

KINDS = {"non_negative": torch.float64, "complex": torch.complex128}
GRIDS = {"1-D": ((6,), (13,)), "2-D": ((5, 6), (10, 12)), "3-D": ((3, 4, 5), (6, 4, 11))}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_grid = pytest.mark.parametrize(("shape", "grid"), GRIDS.values(), ids=GRIDS)


def whole(x, grid):
    """The array on the grid, from its spectrum."""
    transform = torch.fft.ifftn if x.inside.is_complex() else torch.fft.irfftn
    return transform(x.spectrum, s=grid, dim=tuple(range(1, len(grid) + 1)))


def problem_of(kind, shape, grid, n_samples=3):
    magnitudes = torch.fft.fftn(torch.rand(n_samples, *shape, dtype=KINDS[kind]), s=grid).abs()
    return Measurement(magnitudes, shape, kind)


@every_kind
@every_grid
def test_iterates_hold_what_they_are_made_of(kind, shape, grid):
    problem = problem_of(kind, shape, grid)
    values = torch.rand(3, *grid, dtype=KINDS[kind])
    x = problem.from_grid(values)
    torch.testing.assert_close(whole(x, grid), values)
    assert torch.equal(x.inside, values[problem.inside])
    alone = problem.on_grid(values[problem.inside])
    padded = torch.zeros_like(values)
    padded[problem.inside] = values[problem.inside]
    torch.testing.assert_close(whole(alone, grid), padded)
    some = x.kept(torch.tensor([True, False, True]))
    torch.testing.assert_close(whole(some, grid), values[[0, 2]])
    assert len(some) == 2


@every_kind
@every_grid
@pytest.mark.parametrize("overwrite", [False, True])
def test_mixtures_are_linear_and_take_other_values_inside(kind, shape, grid, overwrite):
    problem = problem_of(kind, shape, grid)
    first, second = (torch.rand(3, *grid, dtype=KINDS[kind]) for _ in range(2))
    x, y = problem.from_grid(first), problem.from_grid(second)
    expected = 0.5 * first - 2 * second
    mixed = mixture((0.5, x), (-2, y))
    torch.testing.assert_close(mixed.inside, expected[problem.inside])
    torch.testing.assert_close(whole(mixed.kept([0, 2]), grid), expected[[0, 2]])
    new = torch.rand(3, *shape, dtype=KINDS[kind])
    found = mixed.with_inside(new, overwrite)
    if not overwrite:
        torch.testing.assert_close(whole(mixed, grid), expected)
        torch.testing.assert_close(whole(x, grid), first)
    expected[problem.inside] = new
    torch.testing.assert_close(whole(found, grid), expected)
    assert torch.equal(found.inside, new)
    torch.testing.assert_close(whole(y, grid), second)


@every_kind
@every_grid
@pytest.mark.parametrize(("kept", "added"), [(1, -0.9), (0.7, 0.2)])
@pytest.mark.parametrize("n_missing", [0, 1])
def test_a_relaxed_iterate_mixes_in_its_projection(kind, shape, grid, kept, added, n_missing):
    magnitudes = torch.fft.fftn(torch.rand(3, *shape, dtype=KINDS[kind]), s=grid).abs()
    magnitudes[(slice(None), *(slice(1, 1 + n_missing) for _ in grid))] = torch.nan
    problem = Measurement(magnitudes, shape, kind)
    values = torch.rand(3, *grid, dtype=KINDS[kind])
    expected = problem.to_magnitudes(problem.from_grid(values))
    projected, relaxed = problem.relaxed(problem.from_grid(values), kept, added)
    torch.testing.assert_close(projected, expected.inside)
    sums = kept * values + added * whole(expected, grid)
    torch.testing.assert_close(relaxed.inside, sums[problem.inside])
    torch.testing.assert_close(whole(relaxed, grid), sums)


@every_kind
def test_a_projection_may_overwrite_what_it_projects(kind):
    problem = problem_of(kind, (5, 6), (10, 12))
    values = torch.rand(3, 10, 12, dtype=KINDS[kind])
    x = problem.from_grid(values)
    expected = problem.to_magnitudes(x)
    torch.testing.assert_close(whole(x, (10, 12)), values)
    found = problem.to_magnitudes(x, overwrite=True)
    assert torch.equal(found.inside, expected.inside)
    assert torch.equal(found.spectrum, expected.spectrum)
    assert found.spectrum.data_ptr() == x.spectrum.data_ptr()


def test_values_are_computed_from_the_spectrum_now_and_then():
    problem = problem_of("non_negative", (5, 6), (10, 12))
    x = problem.from_grid(torch.rand(3, 10, 12, dtype=torch.float64))
    x.inside = x.inside + 1  # as rounding would, but much further
    for number in range(1, REFRESH + 1):
        x = x.with_inside(x.inside)
        apart = (whole(x, (10, 12))[problem.inside] - x.inside).abs().min()
        assert apart > 0.9 if number < REFRESH else apart < 1e-12


@pytest.mark.parametrize("slab", [1 << 16, 10], ids=["whole", "slabs"])
def test_mixtures_are_differentiable(slab, monkeypatch):
    monkeypatch.setattr(_slabs, "SLAB", slab)
    problem = problem_of("non_negative", (3, 4), (6, 8), 1)

    def loss(values, new):
        projected, relaxed = problem.relaxed(problem.on_grid(values), 1, -0.5)
        y = relaxed.with_inside(new + projected, overwrite=True)
        return problem.to_magnitudes(y).inside

    inputs = [torch.rand(1, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(loss, inputs)
    x = problem.on_grid(inputs[0])
    still = x.with_inside(x.inside.detach())  # a term alone has a gradient
    assert still.spectrum.requires_grad
