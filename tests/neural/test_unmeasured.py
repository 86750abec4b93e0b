"""Networks with detector effects: unmeasured pixels and fresh noise."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skpr import (
    FourierMagnitude,
    PhaseRetrievalRegressor,
    SymmetryBreakingRegressor,
    make_phase_retriever,
)
from skpr.datasets import load_digit_objects
from skpr.detector import BeamStop, Cropping, MissingPixels, PhotonNoise
from skpr.fourier import mirrored
from skpr.metrics import relative_error
from skpr.neural import MLP
from skpr.neural._augmented import detected
from skpr.neural._scaling import learn_scaling, unit_magnitudes
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 32, "max_epochs": 2, "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def pairs():
    x = random_objects((8, 9), "float32", n_samples=64)
    return FourierMagnitude().fit_transform(x), x


class Recorder(TransformerMixin, BaseEstimator):
    """Detector that draws one number per call and records it."""

    drawn = []

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        self.drawn.append(self.random_state.random_sample())
        return X


@pytest.mark.parametrize("module", ["mlp", "unet"])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_networks_take_unmeasured_pixels_if_trained_with_some(module, dtype):
    x = random_objects((8, 9), dtype, n_samples=32)
    b = BeamStop(3).fit_transform(FourierMagnitude().fit_transform(x))
    net = PhaseRetrievalRegressor(module, **SMALL).fit(b, x)
    assert net.unmeasured_
    found = net.predict(MissingPixels(fraction=0.2, random_state=0).fit_transform(b))
    assert np.isfinite(found).all()
    assert np.isfinite(net.history[-1]["train_loss"])


def test_complete_patterns_only_are_taken_where_training_saw_nothing_else(pairs):
    net = PhaseRetrievalRegressor(**SMALL).fit(*pairs)
    stopped = BeamStop(3).fit_transform(pairs[0])
    for use in (net.predict, lambda b: net.partial_fit(b, pairs[1])):
        with pytest.raises(
            ValueError,
            match=r"X contains NaN, 576 unmeasured pixels, but the network was trained on",
        ):
            use(stopped)


def test_every_batch_is_drawn_anew_and_the_seed_repeats_it(pairs):
    Recorder.drawn.clear()
    nets = [
        PhaseRetrievalRegressor(detector=Recorder(), batch_size=16, **SMALL).fit(*pairs)
        for _ in range(2)
    ]
    half = len(Recorder.drawn) // 2
    assert half >= 2 * 4  # epochs and batches, besides the draws for the scaling
    assert len(set(Recorder.drawn[:half])) == half
    assert Recorder.drawn[:half] == Recorder.drawn[half:]
    np.testing.assert_array_equal(nets[0].predict(pairs[0]), nets[1].predict(pairs[0]))


def test_a_detector_set_later_is_the_one_of_a_warm_start(pairs):
    net = PhaseRetrievalRegressor(warm_start=True, **SMALL).fit(*pairs)
    assert net.set_params(detector=PhotonNoise(1e3)).fit(*pairs).detector_.n_photons == 1e3


def test_the_detector_given_is_left_alone_and_cloned(pairs):
    detector = make_pipeline(PhotonNoise(1e4), BeamStop(3))
    net = PhaseRetrievalRegressor(detector=detector, **SMALL)
    net.fit(*pairs)
    assert detector[0].random_state is None
    assert not hasattr(detector[0], "fourier_shape_")
    assert clone(net).detector[1].size == 3


def test_noise_in_training_makes_noise_in_a_pattern_matter_less():
    x = load_digit_objects(image_size=8).data[:600]
    b = FourierMagnitude().fit_transform(x)
    noisy = PhotonNoise(300, random_state=0).fit_transform(b[500:])
    errors = []
    for detector in (None, PhotonNoise(300)):
        net = PhaseRetrievalRegressor(
            detector=detector, **SMALL | {"max_epochs": 60, "module__hidden_width": 256}
        )
        model = SymmetryBreakingRegressor(net).fit(b[:500], x[:500])
        errors.append(relative_error(x[500:], model.predict(noisy)))
    assert errors[1] < 0.9 * errors[0]


def test_parameters_of_the_detector_are_parameters_of_the_network(pairs):
    net = PhaseRetrievalRegressor(detector=PhotonNoise(1e5), **SMALL)
    assert net.get_params()["detector__n_photons"] == 1e5
    search = GridSearchCV(net, {"detector__n_photons": [1e3, 1e6], "lr": [1e-3]}, cv=2).fit(*pairs)
    assert len(set(search.cv_results_["mean_test_score"])) == 2  # the grid's values took effect
    assert search.best_estimator_.detector_.n_photons == search.best_params_["detector__n_photons"]
    model = make_phase_retriever(detector=BeamStop(3), **SMALL).fit(pairs[1], pairs[1])
    assert model[1:].predict(BeamStop(5).fit_transform(pairs[0])).shape == pairs[1].shape


def test_what_a_network_starts_behind_a_beam_stop_iterations_finish():
    x = random_objects((12, 12), "float32", n_samples=64)
    model = make_phase_retriever(detector=BeamStop((0, 3)), refiner="auto", **SMALL).fit(
        x[8:], x[8:]
    )
    measured = BeamStop(1).fit_transform(model[:1].transform(x[:8]))
    once, refined = model[1].regressor_.predict(measured), model[1:].predict(measured)
    assert relative_error(x[:8], refined) < 0.5 * relative_error(x[:8], once)


def test_a_detector_that_changes_the_shape_is_refused(pairs):
    with pytest.raises(
        ValueError, match=r"turns patterns of shape \(16, 18\) into \(8, 8\); crop and bin before"
    ):
        PhaseRetrievalRegressor(detector=Cropping(8), **SMALL).fit(*pairs)


def test_brightness_survives_counting_and_hiding(pairs):
    b = torch.from_numpy(pairs[0])
    seen = detected(make_pipeline(PhotonNoise((1e7, 1e9)), BeamStop(3)).fit(pairs[0]), b)
    known = ~seen.isnan()
    torch.testing.assert_close(seen[known], b[known], rtol=0.05, atol=0.2)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
def test_hidden_pixels_do_not_change_the_norm_of_a_usual_pattern(pairs, unit):
    b, x = pairs
    statistics = learn_scaling(BeamStop((0, 5), random_state=0).fit_transform(unit * b), x, "sqrt")
    assert statistics["unmeasured"]
    assert statistics["shares"].sum() == pytest.approx(1)
    _, whole = unit_magnitudes(torch.from_numpy(unit * b))
    _, hidden = unit_magnitudes(
        torch.from_numpy(BeamStop(3).fit_transform(unit * b)), statistics["shares"]
    )
    assert (hidden / whole).median() == pytest.approx(1, abs=0.1)
    assert (hidden / whole - 1).abs().max() < 0.5


@pytest.mark.parametrize("grid", [(9,), (8,), (7, 8), (8, 7), (5, 6, 4)])
@pytest.mark.parametrize("centered", [True, False])
def test_mirrored_values_are_those_of_the_opposite_frequency(grid, centered):
    frequencies = np.stack(np.meshgrid(*(np.fft.fftfreq(m) * m for m in grid), indexing="ij"))
    if centered:
        frequencies = np.fft.fftshift(frequencies, axes=tuple(range(1, len(grid) + 1)))
    opposite = mirrored(torch.from_numpy(frequencies), centered).numpy()
    sizes = np.array(grid).reshape(-1, *[1] * len(grid))
    np.testing.assert_array_equal((opposite + frequencies) % sizes, np.zeros_like(frequencies))


@pytest.mark.parametrize("grid", [(12, 15), (12, 14)])
@pytest.mark.parametrize("centered", [True, False])
def test_of_a_friedel_pair_one_measured_pixel_is_enough(grid, centered):
    x = torch.rand(3, 6, 7)
    b = FourierMagnitude(fourier_shape=grid, centered=centered).fit(x).transform(x)
    net = MLP(grid, (6, 7), hidden_width=16, unmeasured=True, centered=centered)
    spoilt = b.clone()
    spoilt[:, 1:3, 2:5] = torch.nan
    assert not (spoilt.isnan() & mirrored(spoilt, centered).isnan()).any()
    features = b - b.mean()
    features_spoilt = (spoilt - b.mean()).nan_to_num(0)
    for layer in net.layers:
        if isinstance(layer, torch.nn.Linear):
            # the measured shares of Friedel pairs do not matter here
            layer.weight.data[:, layer.in_features // 2 :] *= 0
            break
    torch.testing.assert_close(net(features_spoilt, spoilt), net(features, b), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("module", ["mlp", "unet"])
def test_a_pixel_never_measured_in_training_says_nothing(module, pairs):
    net = PhaseRetrievalRegressor(module, detector=BeamStop(3), **SMALL).fit(*pairs)
    stopped = BeamStop(3).fit_transform(pairs[0])
    np.testing.assert_array_equal(net.predict(pairs[0]), net.predict(stopped))
