"""Each step is the textbook's, written here with transforms of the whole grid."""

import pytest
import torch

from skpr.iterative._algorithms import ALGORITHMS
from skpr.measurement import Measurement

BETA = 0.8
SHAPES = {"1-D": ((7,), (13,)), "2-D": ((5, 6), (11, 6)), "3-D": ((3, 4, 5), (6, 8, 9))}
DTYPES = {"non_negative": torch.float64, "real": torch.float64, "complex": torch.complex128}


class Textbook:
    """Projections of arrays on the whole grid, and the steps made of them."""

    def __init__(self, problem, magnitudes, support, bounds):
        self.problem, self.support = problem, support
        # normalised as the problem is
        self.b = magnitudes / problem.scale.view([-1] + [1] * (magnitudes.ndim - 1))
        self.bounds = None if bounds is None else [v / problem.scale for v in bounds]
        self.u = 0.0

    def onto_magnitudes(self, x):
        axes = tuple(range(1, x.ndim))
        spectrum = torch.fft.fftn(x, dim=axes)
        scaled = torch.where(self.b.isnan(), spectrum, self.b * spectrum / spectrum.abs())
        found = torch.fft.ifftn(scaled, dim=axes)
        return found if x.is_complex() else found.real

    def onto_objects(self, x):
        if self.problem.kind == "non_negative":
            x = torch.where(x > 0, x, 0.0)
        if self.bounds is not None:
            lower, upper = (v.view([-1] + [1] * (x.ndim - 1)) for v in self.bounds)
            sizes = x.abs() if x.is_complex() else x
            clipped = torch.minimum(torch.maximum(sizes, lower), upper)
            x = clipped * x.sgn() if x.is_complex() else clipped
        return torch.where(self.support, x, torch.zeros_like(x))

    def er(self, x):
        return self.onto_objects(self.onto_magnitudes(x))

    def hio(self, x, tested=None):
        y = self.onto_magnitudes(x)
        tested = y if tested is None else tested(y)
        admitted = torch.isclose(self.onto_objects(tested), tested, rtol=1e-12, atol=0)
        pushed = x - BETA * y
        if self.bounds is not None and tested is y:
            pushed = pushed + BETA * self.onto_objects(y)
        return torch.where(admitted & self.support, y, pushed)

    def hpr(self, x):
        return self.hio(x, tested=lambda y: (1 + BETA) * y - x)

    def raar(self, x):
        y = self.onto_magnitudes(x)
        reflected = 2 * self.onto_objects(2 * y - x) - (2 * y - x)
        return BETA / 2 * (reflected + x) + (1 - BETA) * y

    def dm(self, x):
        y = self.onto_magnitudes(x)
        first = self.onto_objects((1 + 1 / BETA) * y - x / BETA)
        second = self.onto_magnitudes((1 - 1 / BETA) * self.onto_objects(x) + x / BETA)
        return x + BETA * (first - second)

    def admm(self, z):
        if isinstance(self.u, float):
            z, self.u = self.er(z), torch.zeros_like(z)
        y = self.onto_magnitudes(z - self.u)
        z = self.onto_objects(y + self.u)
        self.u = self.u + BETA * (y - z)
        return z


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize(("shape", "grid"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("constraint", ["frame", "support", "bounds", "beam stop"])
@pytest.mark.parametrize("name", ["er", "hio", "hpr", "raar", "dm", "admm"])
def test_steps_are_those_of_the_textbook(name, constraint, shape, grid, kind):
    dtype, axes = DTYPES[kind], tuple(range(1, len(grid) + 1))
    magnitudes = torch.fft.fftn(torch.rand(2, *shape, dtype=dtype), s=grid, dim=axes).abs()
    if constraint == "beam stop":
        magnitudes[(slice(None), *[slice(1)] * len(grid))] = torch.nan
    bounds = (0.2, 0.7) if constraint == "bounds" else None
    support = torch.rand(2, *shape) > 0.3 if constraint == "support" else None
    problem = Measurement(magnitudes, shape, kind, bounds, support)
    allowed = torch.zeros(2, *grid, dtype=torch.bool)
    allowed[problem.inside] = True if support is None else support
    textbook = Textbook(problem, magnitudes, allowed, bounds)
    plain = textbook.onto_magnitudes(torch.rand(2, *grid, dtype=dtype))
    x, memory = problem.from_grid(plain), {}
    for _ in range(4):
        plain = getattr(textbook, name)(plain)
        x, _ = ALGORITHMS[name](x, problem, BETA, memory)
        torch.testing.assert_close(x.inside, plain[problem.inside], rtol=0, atol=1e-10)
        expected = problem.from_grid(plain).spectrum
        torch.testing.assert_close(x.spectrum, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["hio", "hpr", "raar", "dm", "admm"])
@pytest.mark.parametrize("kind", ["non_negative", "complex"])
def test_two_thousand_steps_do_not_drift(name, kind, dtype):
    generator = torch.Generator().manual_seed(0)
    dtype = dtype.to_complex() if kind == "complex" else dtype
    objects, start = (
        torch.rand(2, *shape, dtype=dtype, generator=generator) for shape in ((12, 12), (24, 25))
    )
    magnitudes = torch.fft.fft2(objects, s=(24, 25)).abs()
    problem = Measurement(magnitudes, (12, 12), kind)
    x, memory, largest = problem.from_grid(start), {}, 0.0
    for number in range(2000):
        x, _ = ALGORITHMS[name](x, problem, 0.9, memory)
        if number >= 100:  # the start has much outside the frame, whose rounding is larger
            kept = memory.get("difference", x)
            apart = (problem.objects(kept.spectrum) - kept.inside).norm() / kept.inside.norm()
            largest = max(largest, float(apart))
    assert largest < 100 * torch.finfo(dtype).eps
