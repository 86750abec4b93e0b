"""Fine-tuning of a network to each measured sample."""

import threading

import joblib
import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, PhaseRetrievalRegressor, make_phase_retriever
from skpr.metrics import relative_error
from tests.conftest import random_objects

SMALL = {
    "module__hidden_width": 64,
    "max_epochs": 30,
    "device": "cpu",
    "random_state": 0,
    "mixed_precision": False,
}


@pytest.fixture(scope="module")
def fitted():
    """Fit a small network to objects with few degrees of freedom."""
    basis = random_objects((6, 9, 8), "float32", n_samples=1)[0]
    weights = np.random.default_rng(1).random((300, 6)).astype(np.float32)
    objects = np.abs(np.einsum("ni,ijk->njk", weights, basis))
    magnitudes = 3 * FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor("unet", module__n_projections=0, module__width=8, **SMALL)
    net.fit(magnitudes[:200], objects[:200])
    return net, magnitudes[200:], objects[200:]


def fourier_errors(net, magnitudes, objects):
    made = 3 * FourierMagnitude().fit_transform(net.predict(magnitudes))
    return np.linalg.norm((made - magnitudes).reshape(len(made), -1), axis=1) / np.linalg.norm(
        magnitudes.reshape(len(made), -1), axis=1
    )


def test_images_come_nearer_to_their_magnitudes_step_by_step(fitted):
    net, magnitudes, objects = fitted
    means = [
        fourier_errors(
            net.set_params(tuning_steps=steps, tuning_rate=0.01), magnitudes, objects
        ).mean()
        for steps in (0, 3, 10, 40)
    ]
    net.set_params(tuning_steps=0)
    assert means[0] > means[1] > means[2] > means[3]
    assert means[3] < 0.7 * means[0]


def test_objects_come_nearer_too(fitted):
    net, magnitudes, objects = fitted
    before = relative_error(objects, net.predict(magnitudes))
    after = relative_error(
        objects, net.set_params(tuning_steps=40, tuning_rate=0.01).predict(magnitudes)
    )
    net.set_params(tuning_steps=0)
    assert after < 0.9 * before


def test_the_network_itself_is_left_alone(fitted):
    net, magnitudes, _ = fitted
    before = net.predict(magnitudes)
    state = {name: value.clone() for name, value in net.module_.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.clone() for p in net.module_.parameters()]
    net.set_params(tuning_steps=5).predict(magnitudes)
    net.set_params(tuning_steps=0)
    assert all(torch.equal(value, state[name]) for name, value in net.module_.state_dict().items())
    for parameter, gradient in zip(net.module_.parameters(), gradients, strict=True):
        assert parameter.requires_grad
        assert gradient is parameter.grad is None or torch.equal(parameter.grad, gradient)
    assert not any(layer._forward_hooks for layer in net.module_.modules())
    np.testing.assert_array_equal(net.predict(magnitudes), before)


def test_threads_do_not_disturb_one_another(fitted):
    net, magnitudes, _ = fitted
    parts = [magnitudes[:30], magnitudes[30:70], magnitudes[70:]]
    net.set_params(tuning_steps=20)
    expected, found = [net.predict(part) for part in parts], [None] * 3

    def predict(i):
        found[i] = net.predict(parts[i])

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    net.set_params(tuning_steps=0)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max())


@pytest.mark.parametrize("unit", [2.0**-90, 2.0**60, 2.0**90])
def test_the_unit_of_the_magnitudes_does_not_matter(unit, fitted):
    net, magnitudes, _ = fitted
    net.set_params(tuning_steps=5)
    expected, found = net.predict(magnitudes[:5]), net.predict(magnitudes[:5] * np.float32(unit))
    net.set_params(tuning_steps=0)
    np.testing.assert_allclose(
        found / np.float32(unit), expected, atol=1e-3 * np.abs(expected).max()
    )


def test_a_sample_does_not_depend_on_its_batch(fitted):
    net, magnitudes, _ = fitted
    net.set_params(tuning_steps=10)
    together = net.predict(magnitudes)
    apart = np.concatenate([net.predict(magnitudes[:7]), net.predict(magnitudes[7:])])
    net.set_params(tuning_steps=0)
    np.testing.assert_allclose(apart, together, atol=1e-4 * np.abs(together).max())


def test_negative_values_count_as_misfit(fitted):
    net, magnitudes, _ = fitted
    plain = net.predict(magnitudes).clip(max=0)
    tuned = net.set_params(tuning_steps=40, tuning_rate=0.03).predict(magnitudes).clip(max=0)
    net.set_params(tuning_steps=0)
    assert np.square(tuned).sum() < 0.5 * np.square(plain).sum()


def test_complex_objects_unmeasured_pixels_and_files(tmp_path):
    objects = random_objects((6, 6), "complex64", n_samples=24)
    magnitudes = FourierMagnitude(centered=False).fit_transform(objects)
    magnitudes[:, 0, 0] = np.nan
    net = PhaseRetrievalRegressor(
        "mlp", centered=False, tuning_steps=3, **SMALL | {"max_epochs": 2}
    )
    prediction = net.fit(magnitudes, objects).predict(magnitudes)
    assert np.isfinite(prediction).all()
    joblib.dump(net, tmp_path / "net.joblib")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "net.joblib").predict(magnitudes), prediction
    )


def test_it_is_part_of_a_pipeline():
    objects = random_objects((8, 8), "float32", n_samples=24)
    model = make_phase_retriever(tuning_steps=2, **SMALL | {"max_epochs": 2}).fit(objects, objects)
    assert model.predict(objects).shape == objects.shape


def test_an_empty_pattern_stays_finite(fitted):
    net, magnitudes, _ = fitted
    found = net.set_params(tuning_steps=3).predict(
        np.concatenate([0 * magnitudes[:1], magnitudes[:1]])
    )
    net.set_params(tuning_steps=0)
    assert np.isfinite(found).all()
    assert (found[0] == 0).all()


class Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 1)

    def forward(self, features):
        return self.layer(features[:, None, :8, :8])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tuning_steps": -1}, "tuning_steps=-1 is not valid; give an integer >= 0"),
        ({"tuning_steps": 1.5}, "tuning_steps=1.5 is not valid"),
        ({"tuning_steps": True}, "tuning_steps=True is not valid"),
        ({"tuning_rate": 0}, "tuning_rate=0 is not valid; give a number > 0"),
    ],
)
def test_bad_parameters_are_named_before_training_and_at_prediction(parameters, message):
    objects = random_objects((8, 8), "float32", n_samples=8)
    magnitudes = FourierMagnitude().fit_transform(objects)
    small = SMALL | {"max_epochs": 1}
    with pytest.raises(ValueError, match=message):
        PhaseRetrievalRegressor(**small, **parameters).fit(magnitudes, objects)
    net = PhaseRetrievalRegressor(**small).fit(magnitudes, objects)
    with pytest.raises(ValueError, match=message):
        net.set_params(**parameters).predict(magnitudes)


def test_a_network_without_linear_layers_cannot_be_tuned():
    objects = random_objects((8, 8), "float32", n_samples=8)
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(
        Convolution, max_epochs=1, device="cpu", tuning_steps=2, random_state=0
    )
    with pytest.raises(ValueError, match="needs linear layers to tune, but Convolution has none"):
        net.fit(magnitudes, objects)
    assert len(net.history) == 0
    net.set_params(tuning_steps=0).fit(magnitudes, objects).set_params(tuning_steps=2)
    with pytest.raises(ValueError, match="needs linear layers to tune, but Convolution has none"):
        net.predict(magnitudes)


class Linears(torch.nn.Module):
    """Linear layers on rows of the pattern, one of them unused."""

    def __init__(self, mixes_samples=False, passes_gradients=True):
        super().__init__()
        self.rows, self.unused = torch.nn.Linear(16, 8), torch.nn.Linear(3, 3)
        self.mixes_samples, self.passes_gradients = mixes_samples, passes_gradients

    def forward(self, features):
        rows = self.rows(features.flatten(0, 1) if self.mixes_samples else features)
        rows = rows.view(len(features), 16, 8)[:, None, :8]
        return rows if self.passes_gradients else rows.detach() + 0 * self.rows.bias.sum().detach()


@pytest.mark.parametrize("n_samples", [5, 16])
def test_layers_may_see_several_rows_of_a_sample(n_samples):
    objects = random_objects((8, 8), "float32", n_samples=24)
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(
        Linears, max_epochs=2, device="cpu", mixed_precision=False, random_state=0
    )
    net.fit(magnitudes, objects).set_params(tuning_steps=8, tuning_rate=0.05)
    together, alone = net.predict(magnitudes[:n_samples]), net.predict(magnitudes[:1])
    np.testing.assert_allclose(together[0], alone[0], atol=1e-4 * np.abs(alone).max())
    assert (
        np.abs(together - net.set_params(tuning_steps=0).predict(magnitudes[:n_samples])).max()
        > 1e-3
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"module__mixes_samples": True}, "sees 384 rows of 24 samples"),
        ({"module__passes_gradients": False}, "those of Linears receive no gradient"),
    ],
)
def test_networks_that_cannot_be_tuned_are_named(options, message):
    objects = random_objects((8, 8), "float32", n_samples=24)
    magnitudes = FourierMagnitude().fit_transform(objects)
    net = PhaseRetrievalRegressor(Linears, lr=1e-9, max_epochs=1, device="cpu", random_state=0)
    net.fit(magnitudes, objects)
    for name, value in options.items():
        setattr(net.module_.network, name.removeprefix("module__"), value)
    with pytest.raises(ValueError, match=message):
        net.set_params(tuning_steps=2).predict(magnitudes)


def test_tuning_in_the_default_precision_comes_nearer_too(fitted):
    net, magnitudes, objects = fitted
    before = relative_error(objects, net.predict(magnitudes))
    net.set_params(tuning_steps=40, tuning_rate=0.01, mixed_precision=True)
    after = relative_error(objects, net.predict(magnitudes))
    net.set_params(tuning_steps=0, mixed_precision=False)
    assert after < 0.9 * before
