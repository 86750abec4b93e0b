import pytest
import torch

from skpr import FourierMagnitude
from skpr.neural import MLP, UNet


@pytest.mark.parametrize("network", [MLP, UNet])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize(("object_shape", "fourier_shape"), [((9,), (18,)), ((6, 7), (12, 15)), ((5, 6, 4), (8, 9, 8))])
def test_networks_fit_any_shape(network, n_channels, object_shape, fourier_shape):
    net = network(fourier_shape, object_shape, n_channels, hidden_width=8)
    features = torch.rand(3, *fourier_shape)
    output = net(features, features) if network is UNet else net(features)
    assert output.shape == (3, n_channels, *object_shape)
    output.square().sum().backward()
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
def test_the_unet_sees_no_disagreement_where_there_is_none(centered, n_channels):
    x = torch.rand(2, 6, 7)
    objects = x if n_channels == 1 else torch.complex(x, x.flip(2))
    magnitudes = FourierMagnitude(fourier_shape=(12, 15), centered=centered).fit(objects).transform(objects)
    net = UNet((12, 15), (6, 7), n_channels, hidden_width=8, centered=centered)
    images = x[:, None] if n_channels == 1 else torch.stack([objects.real, objects.imag], dim=1)
    fft_order = torch.fft.ifftshift(magnitudes, dim=(1, 2)) if centered else magnitudes
    torch.testing.assert_close(net._projected(images, fft_order), images, atol=2e-3, rtol=0)
    assert (net._projected(0.5 * images, fft_order) - images).abs().max() < 4e-3
