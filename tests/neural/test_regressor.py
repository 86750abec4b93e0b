import pickle

import joblib
import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from skorch.callbacks import TensorBoard
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from skpr import FourierMagnitude, GaussianMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr.metrics import relative_error
from skpr.neural import RelativeSquaredError
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 32, "max_epochs": 4, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    objects = random_objects((8, 8), "float32", n_samples=128)
    return FourierMagnitude().fit_transform(objects), objects


@pytest.mark.parametrize("module", ["mlp", "unet"])
@pytest.mark.parametrize("criterion", ["relative", "mse", "orbit"])
def test_training_lowers_every_loss(module, criterion, pairs):
    net = PhaseRetrievalRegressor(
        module, criterion=criterion, batch_size=16, lr=3e-3, **SMALL | {"max_epochs": 8}
    )
    net.fit(*pairs)
    losses = net.history[:, "train_loss"]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("module", ["mlp", "unet"])
@pytest.mark.parametrize("shape", [(9,), (8, 7), (4, 5, 6)])
def test_complex_objects_of_any_dimension(module, shape):
    objects = random_objects(shape, "complex64", n_samples=32)
    magnitudes = FourierMagnitude().fit_transform(objects)
    # oneDNN's gradients of small three-dimensional convolutions in bfloat16 are not always finite
    net = PhaseRetrievalRegressor(module, mixed_precision=False, **SMALL).fit(magnitudes, objects)
    prediction = net.predict(magnitudes)
    assert prediction.shape == objects.shape
    assert prediction.dtype == np.complex64
    assert net.score(magnitudes, objects) == pytest.approx(
        1 - relative_error(objects, prediction), abs=1e-6
    )


def test_a_network_can_learn_a_small_set_by_heart(pairs):
    magnitudes, objects = (part[:32] for part in pairs)
    net = PhaseRetrievalRegressor(
        random_state=0, device="cpu", max_epochs=200, lr=2e-3, module__hidden_width=128
    )
    assert relative_error(objects, net.fit(magnitudes, objects).predict(magnitudes)) < 0.02


def test_the_same_seed_gives_the_same_network(pairs):
    first, second, other = (
        PhaseRetrievalRegressor(**SMALL | {"random_state": seed}).fit(*pairs).predict(pairs[0])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_fitting_does_not_touch_torchs_generator(pairs):
    before = torch.random.get_rng_state()
    PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_any_precision_is_trained_in_single(dtype, pairs):
    net = PhaseRetrievalRegressor(**SMALL).fit(*(part.astype(dtype) for part in pairs))
    assert net.predict(pairs[0].astype(dtype)).dtype == np.float32


class Tiny(torch.nn.Module):
    """User's network that names one offered argument and one of its own."""

    def __init__(self, object_shape, width=4):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.LazyLinear(width),
            torch.nn.Linear(width, int(np.prod(object_shape))),
        )

    def forward(self, magnitudes):
        return self.layers(magnitudes)


def test_a_module_class_of_ones_own(pairs):
    net = PhaseRetrievalRegressor(Tiny, module__width=6, device="cpu", max_epochs=2, random_state=0)
    assert net.fit(*pairs).predict(pairs[0]).shape == pairs[1].shape
    assert net.module_.network.layers[1].out_features == 6


def test_any_optimizer_with_any_options(pairs):
    net = PhaseRetrievalRegressor(optimizer=torch.optim.SGD, optimizer__momentum=0.9, **SMALL).fit(
        *pairs
    )
    assert net.optimizer_.param_groups[0]["momentum"] == 0.9
    assert (
        PhaseRetrievalRegressor(**SMALL).fit(*pairs).optimizer_.param_groups[0]["betas"][1] == 0.99
    )
    own = PhaseRetrievalRegressor(optimizer__betas=(0.8, 0.9), **SMALL).fit(*pairs)
    assert own.optimizer_.param_groups[0]["betas"][1] == 0.9


def test_early_stopping_keeps_the_best_weights(pairs):
    noise = np.random.default_rng(0).random(pairs[1].shape)
    held_out = pairs[0][96:], noise[96:].astype(np.float32)
    net = PhaseRetrievalRegressor(
        early_stopping=True,
        n_iter_no_change=3,
        train_split=predefined_split(Dataset(*held_out)),
        lr=0.01,
        mixed_precision=False,
        **SMALL | {"max_epochs": 60},
    ).fit(pairs[0][:96], noise[:96])
    losses = net.history[:, "valid_loss"]
    assert len(losses) < 60
    best = 0
    for epoch, loss in enumerate(losses):  # skorch ignores gains below 1e-4 of the loss
        best = epoch if loss < (1 - 1e-4) * losses[best] else best
    assert len(losses) == best + 4
    kept = RelativeSquaredError()(
        torch.from_numpy(net.predict(held_out[0])), torch.from_numpy(held_out[1])
    )
    assert kept.item() == pytest.approx(losses[best], rel=1e-4)
    assert abs(losses[-1] - losses[best]) > 1e-3 * losses[best]  # the last weights differ
    stopped_early = PhaseRetrievalRegressor(lr=0.01, **SMALL | {"max_epochs": 60}).fit(
        pairs[0], noise
    )
    assert "valid_loss" not in stopped_early.history[-1]


@pytest.mark.parametrize("keep", [pickle, joblib])
def test_fitted_networks_can_be_kept(keep, pairs, tmp_path):
    net = PhaseRetrievalRegressor(**SMALL | {"device": "auto"}).fit(*pairs)
    with open(tmp_path / "net", "wb") as file:
        keep.dump(net, file)
    with open(tmp_path / "net", "rb") as file:
        loaded = keep.load(file)
    np.testing.assert_array_equal(loaded.predict(pairs[0]), net.predict(pairs[0]))
    assert loaded.device == "auto"
    assert loaded.get_params().keys() == net.get_params().keys()


def test_parameters_are_stored_as_given(pairs):
    net = PhaseRetrievalRegressor(
        "unet", device="auto", verbose="auto", module__hidden_width=16, max_epochs=1
    )
    before = net.get_params(deep=False)
    net.fit(*pairs)
    assert {k: net.get_params(deep=False)[k] for k in before} == before
    copy = clone(net)
    assert copy.module__hidden_width == 16
    assert not copy.initialized_


def test_partial_fit_goes_on_from_the_present_weights(pairs):
    net = PhaseRetrievalRegressor(batch_size=16, lr=0.01, **SMALL)
    net.partial_fit(*pairs).partial_fit(*pairs)
    losses = net.history[:, "train_loss"]
    assert len(losses) == 8
    assert losses[4] == pytest.approx(losses[3], rel=0.05)
    assert losses[7] < 0.95 * losses[3] < 0.95 * 0.9 * losses[0]
    with pytest.raises(
        ValueError,
        match=r"y has real objects of shape \(7, 8\), but the network was built for real ones",
    ):
        net.partial_fit(pairs[0], pairs[1][:, 1:])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"module": "resnet"},
            "module='resnet' is not valid; choose 'mlp', 'unet' or a torch.nn.Module class",
        ),
        (
            {"criterion": "mae"},
            "criterion='mae' is not valid; choose 'mse', 'relative', 'orbit' or",
        ),
        (
            {"magnitude_scaling": "cube"},
            "magnitude_scaling='cube' is not valid; choose 'sqrt', 'log' or None",
        ),
        ({"max_epochs": 0}, "max_epochs=0 is not valid; give an integer >= 1"),
        (
            {"validation_fraction": 1.5},
            "validation_fraction=1.5 is not valid; give a number with 0 < validation_fraction < 1",
        ),
        ({"device": "abacus"}, "device='abacus' is not a device"),
        ({"modul__width": 3}, "modul__width"),
        ({"module": dict}, "module=dict is not valid; choose 'mlp', 'unet' or a torch.nn.Module"),
        ({"optimizer": dict}, "optimizer=dict is not valid; give a torch.optim.Optimizer class"),
    ],
)
def test_bad_parameters_are_named(parameters, message, pairs):
    with pytest.raises((ValueError, TypeError), match=message):
        PhaseRetrievalRegressor(**{"device": "cpu"} | parameters).fit(*pairs)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((3, 4)), np.ones((2, 4)), r"inconsistent numbers of samples: \[3, 2\]"),
        (np.ones((3, 4)), None, "requires y to be passed"),
        (
            -np.ones((3, 4)),
            np.ones((3, 4)),
            "Negative values in data passed to PhaseRetrievalRegressor",
        ),
        (
            np.full((3, 4), np.nan),
            np.ones((3, 4)),
            "X contains NaN in every pixel of 3 of 3 samples",
        ),
        (np.ones((3, 4)), np.full((3, 4), np.inf), "Input y contains infinity"),
        (
            1j * np.ones((3, 4)),
            np.ones((3, 4)),
            r"Complex data not supported: X is complex128.*np.abs\(X\)",
        ),
        (np.ones((3, 4)), np.ones(3), "Reshape your data"),
    ],
)
def test_bad_data_is_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(**SMALL).fit(X, y)


def test_other_shapes_and_unfitted_networks_are_refused(pairs):
    with pytest.raises(
        NotFittedError, match="This PhaseRetrievalRegressor instance is not fitted yet"
    ):
        PhaseRetrievalRegressor().predict(pairs[0])
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    with pytest.raises(
        ValueError, match=r"samples of shape \(16, 15\), but PhaseRetrievalRegressor was fitted on"
    ):
        net.predict(pairs[0][:, :, 1:])


def test_one_sample_can_be_fitted_and_predicted(pairs):
    net = PhaseRetrievalRegressor(**SMALL).fit(pairs[0][:1], pairs[1][:1])
    assert np.isfinite(net.predict(pairs[0][:1])).all()


class ComplexInside(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 8, dtype=torch.complex64)

    def forward(self, features):
        return self.layer(features[:, :8].to(torch.complex64)).abs()[:, None]


def test_a_module_may_have_complex_parameters():
    objects = random_objects((8, 8), "float32")
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(
        ComplexInside, max_epochs=1, device="cpu", mixed_precision=False, random_state=0
    )
    assert np.isfinite(net.fit(magnitudes, objects).predict(magnitudes)).all()


class TooFew(ComplexInside):
    def forward(self, features):
        return super().forward(features)[1:] if self.training else super().forward(features)


def test_a_module_that_drops_samples_is_refused():
    objects = random_objects((8, 8), "float32")
    magnitudes = FourierMagnitude().fit_transform(objects)
    with pytest.raises(ValueError, match="TooFew returned 1 images for 2 samples"):
        PhaseRetrievalRegressor(TooFew, max_epochs=1, device="cpu", mixed_precision=False).fit(
            magnitudes, objects
        )


def test_representations_show_what_was_set():
    model = make_phase_retriever(max_epochs=3, device="cpu")
    assert "PhaseRetrievalRegressor(device='cpu', max_epochs=3)" in repr(model)
    html = model._repr_html_()
    assert "PhaseRetrievalRegressor" in html
    assert "_params_to_validate" not in html


def test_skorchs_tensorboard_watches_a_fit():
    class Writer:
        """Stand-in for a `SummaryWriter`."""

        def __init__(self):
            self.seen = {}

        def add_scalar(self, tag, scalar_value, global_step):
            self.seen.setdefault(tag, []).append(scalar_value)

    objects = random_objects((8, 8), "float32")
    writer = Writer()
    board = TensorBoard(writer, close_after_train=False)
    net = PhaseRetrievalRegressor(
        max_epochs=2, module__hidden_width=8, device="cpu", callbacks=[("board", board)]
    )
    net.fit(FourierMagnitude().fit_transform(objects), objects)
    assert writer.seen["Loss/train_loss"] == net.history[:, "train_loss"]


def test_tensors_come_back_as_tensors_without_gradients(pairs):
    X, y = (torch.from_numpy(part).requires_grad_() for part in pairs)
    magnitudes = FourierMagnitude().fit_transform(y)
    net = PhaseRetrievalRegressor(**SMALL).fit(magnitudes, y)
    expected = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    found = net.predict(X)
    assert isinstance(found, torch.Tensor)
    assert not found.requires_grad
    np.testing.assert_allclose(found.numpy(), expected.predict(pairs[0]), rtol=1e-3, atol=1e-4)
    assert net.score(X, y) == pytest.approx(expected.score(*pairs), rel=1e-3)


@pytest.mark.parametrize("unit", [1e-30, 1e-20, 1e20, 1e30])
def test_any_unit_is_trained_on_and_predicted_in(unit, pairs):
    expected = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    predicted = expected.predict(pairs[0])
    scale = 1e-4 * np.abs(predicted).max()
    X, y = (part.astype(float) * unit for part in pairs)
    np.testing.assert_allclose(expected.predict(X) / unit, predicted, atol=scale)
    net = PhaseRetrievalRegressor(**SMALL).fit(X, y)
    np.testing.assert_allclose(
        net.history[:, "train_loss"], expected.history[:, "train_loss"], rtol=1e-3
    )


@pytest.mark.parametrize("module", ["mlp", "unet"])
def test_a_sample_does_not_depend_on_its_batch(module, pairs):
    net = PhaseRetrievalRegressor(module, batch_size=16, **SMALL).fit(*pairs)
    sizes = []
    net.module_.network.register_forward_hook(
        lambda network, inputs, output: sizes.append(len(output))
    )
    net.predict(pairs[0][:17])
    assert sizes == [16, 4]


def test_scores_go_by_the_symmetries_of_the_measurement(pairs):
    objects = pairs[1].reshape(128, -1)
    gaussian = GaussianMagnitude(random_state=0).fit_transform(objects)
    net = PhaseRetrievalRegressor(**SMALL).fit(gaussian, objects)
    assert (net.symmetries_, net.boundary_) == ("phase", ("zero",))
    assert net.score(gaussian, objects) == pytest.approx(
        1 - relative_error(objects, net.predict(gaussian), shift=False, flip=False)
    )
    small = FourierMagnitude(fourier_shape=(8, 16)).fit_transform(pairs[1])
    net = PhaseRetrievalRegressor(**SMALL).fit(small, pairs[1])
    assert (net.symmetries_, net.boundary_) == ("fourier", ("circular", "zero"))
    errors = relative_error(
        pairs[1], net.predict(small), boundary=("circular", "zero"), multioutput="raw_values"
    )
    weights = np.linspace(0, 1, 128)
    assert net.score(small, pairs[1]) == pytest.approx(1 - errors.mean())
    assert net.score(small, pairs[1], sample_weight=weights) == pytest.approx(
        1 - np.average(errors, weights=weights)
    )
    told = PhaseRetrievalRegressor(symmetries="phase", **SMALL).fit(small, pairs[1])
    assert told.score(small, pairs[1]) < net.score(small, pairs[1])


def test_metadata_routing_takes_weights_to_fit_and_score(pairs):
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(FourierMagnitude(), PhaseRetrievalRegressor(**SMALL)).fit(
            pairs[1], pairs[1]
        )
        assert np.isfinite(model.score(pairs[1], pairs[1]))
        assert np.isfinite(cross_validate(model, pairs[1], pairs[1], cv=2)["test_score"]).all()
        net = (
            PhaseRetrievalRegressor(**SMALL)
            .set_fit_request(sample_weight=True)
            .set_score_request(sample_weight=True)
        )
        weights = np.repeat([1.0, 0.5], 64)
        found = cross_validate(
            net, *pairs, cv=4, params={"sample_weight": weights}, error_score="raise"
        )["test_score"]
    assert found[0] == PhaseRetrievalRegressor(**SMALL).fit(
        pairs[0][32:], pairs[1][32:], sample_weight=weights[32:]
    ).score(pairs[0][:32], pairs[1][:32])
