"""Networks of several levels of resolution."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skpr import FourierMagnitude, PhaseRetrievalRegressor, SymmetryCanonicalizer
from skpr.datasets import make_cells, make_crystals
from skpr.detector import BeamStop, MissingPixels
from skpr.metrics import relative_error
from skpr.neural import MultiLevelUNet, UNet
from skpr.neural._multilevel import MODULES

MODULES_OF = MODULES["unet"]
SMALL = {"hidden_width": 16, "width": 8}
# perceptrons see the whole of small patterns: patterns here are elongated or just too large
SHAPES = [
    ((8000,), (16000,)),
    ((180, 64), (360, 128)),
    ((112, 113), (112, 113)),
    ((20, 21, 18), (40, 41, 36)),
]


def weights_of(network):
    return sum(parameter.numel() for parameter in network.parameters())


def given(object_shape, fourier_shape, n_samples=4):
    generator = torch.Generator().manual_seed(0)
    b = torch.rand(n_samples, *fourier_shape, generator=generator)
    return b - b.mean(), b


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize(("object_shape", "fourier_shape"), SHAPES)
def test_every_level_is_trained(n_channels, object_shape, fourier_shape):
    network = MODULES_OF(fourier_shape, object_shape, n_channels, stage_share=1.0, **SMALL).train()
    assert isinstance(network, MultiLevelUNet)
    outputs = network(*given(object_shape, fourier_shape))
    made = [tuple(output.shape[2:]) for output in outputs]
    coarsest, *finer = network.level_shapes
    assert made == [*finer[::-1], coarsest, coarsest, coarsest]
    assert finer[-1] == object_shape
    objects = torch.rand(4, *object_shape)
    objects = objects if n_channels == 1 else torch.complex(objects, -objects)
    for output in outputs:
        assert network.target(objects, output.shape[2:]).shape[1:] == output.shape[2:]
    sum((output - 1).square().sum() for output in outputs).backward()
    assert all(p.grad is not None for p in network.parameters())
    network.eval()
    with torch.no_grad():
        assert network(*given(object_shape, fourier_shape)).shape == (4, n_channels, *object_shape)


@pytest.mark.parametrize(
    ("fourier_shape", "object_shape", "n_channels", "unmeasured"),
    [
        ((56, 56), (28, 28), 1, True),
        ((96, 96), (42, 42), 1, True),
        ((96, 96), (48, 48), 2, False),
        ((128, 128), (64, 64), 1, False),
        ((24, 24, 24), (12, 12, 12), 1, False),
        ((784,), (28, 28), 1, False),
    ],
)
def test_patterns_that_a_perceptron_can_see_are_left_to_one_level(
    fourier_shape, object_shape, n_channels, unmeasured
):
    options = {"n_channels": n_channels, "unmeasured": unmeasured, **SMALL}
    torch.manual_seed(0)
    found = MODULES_OF(fourier_shape, object_shape, **options)
    assert type(found) is UNet
    torch.manual_seed(0)
    expected = UNet(fourier_shape, object_shape, **options)
    torch.testing.assert_close(found.state_dict(), expected.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("size", [64, 128, 256, 512, 1000])
@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("unmeasured", [True, False])
def test_weights_do_not_grow_with_the_pattern(size, n_axes, n_channels, unmeasured):
    with torch.device("meta"):  # the largest volumes would not fit in memory
        network = MODULES_OF(
            (size,) * n_axes, (size // 2,) * n_axes, n_channels, unmeasured=unmeasured
        )
    assert weights_of(network) <= 30_000_000


def test_a_solution_stays_where_it_is_and_untrained_stages_help():
    x = make_crystals(6, shape=(64, 64), max_phase=2.0, random_state=0).data
    objects = torch.as_tensor(x * (10 / np.linalg.norm(x.reshape(6, -1), axis=1))[:, None, None])
    b = torch.as_tensor(FourierMagnitude(centered=False).fit_transform(objects.numpy()))
    network = MultiLevelUNet((128, 128), (64, 64), 2, centered=False, **SMALL).eval()
    coarsest = network.levels[0]
    low = network.target(objects, coarsest.object_shape) * network.unit
    truth = torch.stack([low.real, low.imag], dim=1)
    network.front.forward = lambda features, magnitudes: truth  # as if it had learned everything
    with torch.no_grad():
        found = network(b, b)
    found = torch.complex(*found.unbind(1)).numpy()
    blurred = coarsest.low_pass(torch.stack([objects.real, objects.imag], dim=1))
    lifted = torch.complex(*network.levels[1].lifted(blurred, coarsest).unbind(1)).numpy()
    errors = relative_error(x, found)
    assert errors < 0.02
    assert errors < relative_error(x, lifted) / 2


@pytest.mark.parametrize("centered", [True, False])
def test_either_layout_gives_one_result(centered):
    torch.manual_seed(0)
    network = MultiLevelUNet((48, 45), (24, 23), 2, centered=centered, **SMALL).eval()
    features, b = given((24, 23), (48, 45))
    torch.manual_seed(0)
    other = MultiLevelUNet((48, 45), (24, 23), 2, centered=not centered, **SMALL).eval()
    move = torch.fft.ifftshift if centered else torch.fft.fftshift
    moved = (move(one, dim=(1, 2)) for one in (features, b))
    with torch.no_grad():
        torch.testing.assert_close(network(features, b), other(*moved))


def test_shares_halve_from_level_to_level():
    network = MultiLevelUNet((1024, 256), (512, 128), 2, stage_share=0.5, **SMALL).train()
    assert len(network.levels) == 4
    outputs = network(*given((512, 128), (1024, 256), n_samples=8))
    assert [len(output) for output in outputs] == [1, 2, 4, 4, 4, 8]


@pytest.mark.parametrize("kind", ["complex", "real", "non_negative"])
def test_supports_are_for_objects_without_a_sign(kind):
    options = {"n_channels": 2 if kind == "complex" else 1, "non_negative": kind == "non_negative"}
    for object_shape, oversampled in (((64, 64), True), ((128, 128), False)):
        network = MultiLevelUNet((128, 128), object_shape, **options, **SMALL)
        assert network.kind == kind
        assert (network.threshold > 0) == (oversampled and kind != "non_negative")
        assert (network.n_projections > 0) == oversampled


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_stages": 0}, "module__n_stages=0 is not valid; give an integer >= 1"),
        ({"n_finer_stages": 1.5}, "module__n_finer_stages=1.5 is not valid"),
        ({"width": 0}, "module__width=0 is not valid; give an integer >= 1"),
        ({"n_projections": -3}, "module__n_projections=-3 is not valid"),
        ({"threshold": 1.0}, "module__threshold=1.0 is not valid; give a number from 0, below 1"),
        ({"stage_share": 0.0}, "module__stage_share=0.0 is not valid; give a number above 0"),
        ({"stage_dropout": 1.0}, "module__stage_dropout=1.0 is not valid"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MultiLevelUNet((256, 256), (128, 128), **options)


@pytest.fixture(scope="module")
def crystals():
    x = make_crystals(60, shape=(56, 56), max_phase=2.0, random_state=0).data
    return FourierMagnitude().fit_transform(x), SymmetryCanonicalizer().fit_transform(x)


def regressor(**options):
    return PhaseRetrievalRegressor(
        "unet",
        device="cpu",
        random_state=0,
        batch_size=20,
        **{f"module__{name}": value for name, value in SMALL.items()},
        **options,
    )


def test_a_regressor_trains_all_levels_and_repeats_itself(crystals):
    net = regressor(max_epochs=10).fit(*crystals)
    assert isinstance(net.module_.network, MultiLevelUNet)
    losses = net.history[:, "train_loss"]
    assert losses[-1] < 0.8 * losses[0]
    expected = net.predict(crystals[0])
    np.testing.assert_array_equal(clone(net).fit(*crystals).predict(crystals[0]), expected)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict(crystals[0]), expected)
    np.testing.assert_array_equal(net.predict(4 * crystals[0]), 4 * expected)


@pytest.mark.parametrize("criterion", ["relative", "mse", "orbit"])
def test_losses_compare_each_level_with_its_low_pass(crystals, criterion):
    net = regressor(max_epochs=1, criterion=criterion).fit(*crystals)
    with torch.no_grad():
        outputs = net.module_.train()(torch.as_tensor(crystals[0][:8]))
        y = torch.as_tensor(crystals[1][:8])
        losses = [
            net.criterion_(output, net.module_.target(y[: len(output)], output.shape[1:]))
            for output in outputs
        ]
        found = net.get_loss(outputs, y)
    assert {output.shape[1:] for output in outputs} == {(28, 28), (56, 56)}
    torch.testing.assert_close(found, sum(losses))


def test_weights_of_samples_count_at_every_level(crystals):
    X, y = crystals
    weights = np.repeat([1.0, 0.0], 30)
    found = regressor(max_epochs=1).fit(X, y, sample_weight=weights)
    assert np.isfinite(found.history[-1]["train_loss"])


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_unmeasured_pixels_are_no_obstacle(dtype):
    if dtype == "float32":
        x = make_cells(24, shape=(72, 72), random_state=0).data
    else:
        x = make_crystals(24, shape=(56, 56), max_phase=2.0, random_state=0).data
    b = BeamStop(3).fit_transform(FourierMagnitude().fit_transform(x))
    net = regressor(max_epochs=2).fit(b, x)
    assert isinstance(net.module_.network, MultiLevelUNet)
    found = net.predict(MissingPixels(fraction=0.1, random_state=0).fit_transform(b))
    assert np.isfinite(found).all()
    assert found.dtype == dtype


def test_weight_files_and_tuning(crystals, tmp_path):
    X, y = crystals
    net = regressor(max_epochs=1).fit(X, y)
    net.save_params(f_params=tmp_path / "weights.pt")
    again = regressor()
    again.load_params(f_params=tmp_path / "weights.pt")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    with pytest.raises(ValueError, match="those of MultiLevelUNet receive no gradient"):
        net.set_params(tuning_steps=2).predict(X)
