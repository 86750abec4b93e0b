import numpy as np
import pytest
import torch

from skpr import FourierMagnitude
from skpr.iterative import project_magnitudes
from skpr.measurement import Measurement
from skpr.neural import MLP, UNet


@pytest.mark.parametrize("network", [MLP, UNet])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize(
    ("object_shape", "fourier_shape"), [((9,), (18,)), ((6, 7), (12, 15)), ((5, 6, 4), (8, 9, 8))]
)
def test_networks_fit_any_shape(network, n_channels, object_shape, fourier_shape):
    net = network(
        fourier_shape,
        object_shape,
        n_channels,
        8,
        **{"stage_share": 1.0} if network is UNet else {},
    )
    features = torch.rand(3, *fourier_shape)
    outputs = net(features, features) if network is UNet else (net(features, features),)
    assert all(output.shape == (3, n_channels, *object_shape) for output in outputs)
    sum((output - 1).square().sum() for output in outputs).backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("size", [11, 12])
@pytest.mark.parametrize("centered", [True, False])
def test_half_the_spectrum_holds_every_frequency_pair_of_a_real_object(size, centered):
    x = torch.rand(1, 5, 6, dtype=torch.float64)
    full = FourierMagnitude(fourier_shape=(size, size), centered=centered).fit(x).transform(x)
    half = full[..., : MLP((size, size), (5, 6)).n_columns]
    assert set(full.flatten().numpy().round(9)) == set(half.flatten().numpy().round(9))


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_unrolled_steps_leave_a_solution_alone_and_improve_a_guess(centered, n_channels):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 6, 7, generator=generator)
    objects = x if n_channels == 1 else torch.complex(x, x.flip(2))
    magnitudes = (
        FourierMagnitude(fourier_shape=(12, 15), centered=centered).fit(objects).transform(objects)
    )
    images = x[:, None] if n_channels == 1 else torch.stack([objects.real, objects.imag], dim=1)
    net = UNet(
        (12, 15),
        (6, 7),
        n_channels,
        hidden_width=8,
        centered=centered,
        non_negative=True,
        n_projections=10,
    )
    ordered = torch.fft.ifftshift(magnitudes, dim=(1, 2)) if centered else magnitudes
    problem = Measurement(ordered, (6, 7), "non_negative" if n_channels == 1 else "complex")
    driven, disagreement = net._driven(images, problem)
    torch.testing.assert_close(driven, images, atol=1e-3, rtol=0)
    assert disagreement.abs().max() < 1e-3
    guess = images + 0.1 * torch.randn(images.shape, generator=generator)
    driven, _ = net._driven(guess, problem)
    assert (driven - images).norm() < 0.8 * (guess - images).norm()
    assert (
        net._staged(images, magnitudes)[-1] - images
    ).abs().max() < 1e-3  # untrained stages add nothing


def test_the_magnitude_projection_has_the_magnitudes_and_the_phases():
    generator = torch.Generator().manual_seed(0)
    estimate = torch.rand(2, 8, 9, generator=generator, dtype=torch.float64)
    wanted = torch.fft.fft2(torch.rand(2, 8, 9, generator=generator, dtype=torch.float64)).abs()
    spectrum = torch.fft.fft2(project_magnitudes(estimate, wanted))
    torch.testing.assert_close(spectrum.abs(), wanted)
    torch.testing.assert_close(spectrum.angle().cos(), torch.fft.fft2(estimate).angle().cos())


def test_the_magnitude_projection_of_nothing_is_nothing():
    projected = project_magnitudes(torch.zeros(1, 8, 9), torch.full((1, 8, 9), 1e3))
    assert (projected == 0).all()


def test_training_scores_every_stage_on_its_share_and_the_front_end_on_all():
    net = UNet((8,), (4,), hidden_width=8, n_stages=3, stage_share=0.3)
    outputs = net.train()(torch.rand(10, 8), torch.rand(10, 8))
    assert [tuple(output.shape) for output in outputs] == [(3, 1, 4)] * 3 + [(10, 1, 4)]
    assert net.eval()(torch.rand(2, 8), torch.rand(2, 8)).shape == (2, 1, 4)
    alone = UNet((8,), (4,), hidden_width=8, n_stages=0)
    assert len(alone.train()(torch.rand(10, 8), torch.rand(10, 8))) == 1
    assert alone.eval()(torch.rand(2, 8), torch.rand(2, 8)).shape == (2, 1, 4)


def test_stages_learn_together_and_leave_the_front_end_alone():
    net = UNet((9, 8), (9, 8), hidden_width=8, n_stages=2, stage_share=1).train()
    assert net.n_projections == 0
    torch.nn.init.normal_(net.stages[0].up.weight, std=0.1)
    features = torch.rand(4, 9, 8)
    last, *_ = net(features, features)
    (last - 1).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.stages[0].up.parameters())
    assert all(p.grad is None for p in net.front.parameters())


def test_stages_learn_from_a_guess_with_hidden_units_dropped():
    torch.manual_seed(0)
    mlp = MLP((8,), (4,), hidden_width=64).eval()
    b = torch.rand(5, 8)
    plain, dropped, again = mlp(b, b), mlp(b, b, dropout=0.5), mlp(b, b, dropout=0.5)
    assert not torch.equal(dropped, plain)
    assert not torch.equal(dropped, again)
    torch.testing.assert_close(mlp(b, b, dropout=0.0), plain)


@pytest.mark.parametrize(
    ("fourier_shape", "expected"), [((16, 12), 20), ((8, 6), 0), ((8, 12), 20)]
)
def test_unrolled_steps_are_for_oversampled_spectra(fourier_shape, expected):
    assert UNet(fourier_shape, (8, 6), hidden_width=8).n_projections == expected


def test_amplitude_and_phase_make_complex_objects_only():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(3, 12, 12, generator=generator)
    for network in (MLP, UNet):
        net = network((12, 12), (6, 6), 2, hidden_width=8, polar=True).eval()
        assert net(features, features).shape == (3, 2, 6, 6)
        net.train()
    polar, plain = (
        MLP((12, 12), (6, 6), 2, hidden_width=8, polar=polar) for polar in (True, False)
    )
    plain.load_state_dict(polar.state_dict())
    amplitude, phase = plain(features, features).unbind(1)
    made = torch.view_as_complex(polar(features, features).movedim(1, -1).contiguous())
    torch.testing.assert_close(made.abs(), torch.nn.functional.softplus(2 * amplitude - 1) / 2)
    torch.testing.assert_close(made.angle(), torch.angle(torch.exp(2j * phase)), atol=1e-5, rtol=0)
    assert not MLP((12, 12), (6, 6), 1, hidden_width=8, polar=True).polar


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_stages": -1}, "module__n_stages=-1 is not valid; give an integer >= 0"),
        ({"width": 0}, "module__width=0 is not valid; give an integer >= 1"),
        ({"n_projections": -3}, "module__n_projections=-3 is not valid"),
        (
            {"stage_share": 0.0},
            "module__stage_share=0.0 is not valid; give a number above 0, up to 1",
        ),
        ({"stage_share": 2}, "module__stage_share=2 is not valid"),
        ({"stage_dropout": 1.0}, "module__stage_dropout=1.0 is not valid"),
        ({"width": True}, "module__width=True is not valid; give an integer >= 1"),
        ({"hidden_width": 0}, "module__hidden_width=0 is not valid; give an integer >= 1"),
        ({"hidden_width": 1.5}, "module__hidden_width=1.5 is not valid"),
        ({"n_hidden_layers": -1}, "module__n_hidden_layers=-1 is not valid; give an integer >= 0"),
        ({"dropout": 2}, "module__dropout=2 is not valid; give a number from 0, below 1"),
        ({"beta": "high"}, "module__beta='high' is not valid; give a number >= 0"),
        ({"beta": np.nan}, "module__beta=nan is not valid"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        UNet((8, 8), (8, 8), **options)


def test_gradients_through_projections_are_bounded():
    network = UNet((8, 8), (8, 8), n_stages=4, width=4, hidden_width=8, non_negative=True).train()
    with torch.no_grad():
        for parameter in network.front.parameters():
            parameter.zero_()  # a constant image: all frequencies but one vanish
    outputs = network(
        torch.ones(3, 8, 8), torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    )
    sum(output.square().sum() for output in outputs).backward()
    norms = [p.grad.norm() for p in network.stages.parameters() if p.grad is not None]
    assert all(torch.isfinite(norm) for norm in norms)
