import pytest
import torch

from skpr import FourierMagnitude
from skpr.neural import EstimateUNet
from skpr.neural._copies import cube_group, turned
from skpr.neural._estimates import AveragedCopies

CASES = [((9,), (18,)), ((8, 8), (16, 16)), ((6, 7), (12, 15)), ((4, 4, 4), (8, 8, 8))]


def drawn(object_shape, fourier_shape, *, is_complex=False, n_samples=3, centered=True):
    """Objects, their magnitudes, and statistics of estimates near them."""
    generator = torch.Generator().manual_seed(0)
    dtype = torch.complex64 if is_complex else torch.float32
    objects = torch.rand(n_samples, *object_shape, generator=generator, dtype=dtype)
    magnitudes = (
        FourierMagnitude(fourier_shape=fourier_shape, centered=centered)
        .fit(objects)
        .transform(objects)
    )
    others = torch.rand(2, n_samples, *object_shape, generator=generator, dtype=dtype)
    best, mean = objects + 0.1 * others
    return objects, (magnitudes, best, mean, (best - mean).abs())


def network(object_shape, *, trained=True, **options):
    """A network, whose corrections are not 0 where it passes for `trained`."""
    torch.manual_seed(0)
    net = EstimateUNet(object_shape, width=8, **options)
    if trained:
        for stage in net.stages:
            torch.nn.init.normal_(stage.up.weight, std=0.05)
    return net.eval()


@pytest.mark.parametrize(("object_shape", "fourier_shape"), CASES)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_every_stage_makes_objects_of_any_shape(object_shape, fourier_shape, n_channels):
    objects, parts = drawn(object_shape, fourier_shape, is_complex=n_channels == 2)
    net = network(object_shape, n_channels=n_channels, n_stages=2).train()
    stages = net(*parts)
    assert [stage.shape for stage in stages] == 2 * [objects.shape]
    assert all(stage.dtype == objects.dtype for stage in stages)
    sum((stage - objects).abs().square().sum() for stage in stages).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("is_complex", [False, True])
def test_an_untrained_network_returns_the_estimate(is_complex):
    _, parts = drawn((8, 8), (16, 16), is_complex=is_complex)
    net = network((8, 8), trained=False, n_channels=1 + is_complex)
    torch.testing.assert_close(net(*parts), parts[2])
    torch.testing.assert_close(net(*parts, parts[1]), parts[1])


@pytest.mark.parametrize("unit", [1e-10, 1e10])
def test_units_do_not_matter(unit):
    _, parts = drawn((8, 8), (16, 16))
    net = network((8, 8))
    expected, found = net(*parts), net(*(part * unit for part in parts))
    torch.testing.assert_close(found / unit, expected, rtol=1e-4, atol=1e-5)


def test_samples_do_not_depend_on_each_other():
    _, parts = drawn((8, 8), (16, 16))
    net = network((8, 8))
    alone = net(*(part[1:2] for part in parts))
    torch.testing.assert_close(alone, net(*parts)[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("is_complex", [False, True])
def test_gradient_steps_lower_the_misfit_and_leave_a_solution_alone(centered, is_complex):
    objects, parts = drawn((8, 8), (16, 16), is_complex=is_complex, centered=centered)
    net = network((8, 8), n_channels=1 + is_complex, centered=centered, n_steps=5)
    simulate = FourierMagnitude(centered=centered).fit(objects)

    def misfit(images):
        return (simulate.transform(images) - parts[0]).square().sum()

    def driven(images):
        seen = {}
        net.stages[0].register_forward_pre_hook(lambda _, given: seen.update(inputs=given[0]))
        net(*parts[:1], torch.ones_like(images.abs()).to(images), images, parts[3])
        channels = seen["inputs"][:, 1 + is_complex : 2 + 2 * is_complex]
        return torch.complex(channels[:, 0], channels[:, 1]) if is_complex else channels[:, 0]

    assert misfit(driven(parts[1])) < 0.9 * misfit(parts[1])
    torch.testing.assert_close(driven(objects), objects, rtol=1e-3, atol=1e-4)


def test_unmeasured_pixels_are_left_out():
    _, (magnitudes, *parts) = drawn((8, 8), (16, 16))
    net = network((8, 8))
    magnitudes[:, 7:10, 7:10] = torch.nan
    found = net(magnitudes, *parts)
    assert found.isfinite().all()
    assert not torch.allclose(found, net(magnitudes.nan_to_num(0.0), *parts))


def test_a_dark_pattern_stays_dark():
    _, parts = drawn((8, 8), (16, 16))
    found = network((8, 8))(*(0 * part for part in parts))
    assert found.isfinite().all()


def test_one_network_serves_objects_of_any_size():
    net = network((8, 8))
    objects, parts = drawn((12, 20), (24, 40))
    assert net(*parts).shape == objects.shape


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("object_shape", "fourier_shape"), [CASES[0], CASES[1], CASES[3]])
def test_an_average_over_copies_turns_with_the_estimates(object_shape, fourier_shape, centered):
    _, parts = drawn(object_shape, fourier_shape, centered=centered)
    net, group = network(object_shape, centered=centered), cube_group(object_shape, fourier_shape)
    averaged = AveragedCopies(net, group, centered)
    element = group[-1]
    magnitudes, *images = parts
    moved = (
        turned(magnitudes, element, spectrum=True, centered=centered),
        *(turned(image, element) for image in images),
    )
    expected = turned(averaged(*parts), element)
    torch.testing.assert_close(averaged(*moved), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(net(*moved), turned(net(*parts), element), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"), [({"n_stages": 0}, "n_stages=0"), ({"n_steps": -1}, "n_steps=-1")]
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EstimateUNet((8, 8), **options)
