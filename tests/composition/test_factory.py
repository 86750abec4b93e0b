import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from skpr import FourierMagnitude, IterativePhaseRetrieval, RefinedRegressor, make_phase_retriever
from skpr.composition import PosteriorRefiner
from skpr.detector import BeamStop, PhotonNoise
from skpr.metrics import relative_error
from tests.composition.conftest import SMALL
from tests.conftest import random_objects


class Linear(torch.nn.Module):
    """One linear layer."""

    def __init__(self, fourier_shape, object_shape, n_channels, bias=True):
        super().__init__()
        self.shape = (n_channels, *object_shape)
        n_in, n_out = (int(np.prod(shape)) for shape in (fourier_shape, self.shape))
        self.layer = torch.nn.Linear(n_in, n_out, bias=bias)

    def forward(self, X):
        return self.layer(X.flatten(1)).unflatten(1, self.shape)


def test_presets_are_defaults_that_every_parameter_overrides():
    regressor = make_phase_retriever(preset="accurate", max_epochs=3, module__width=8)[-1].regressor
    assert (regressor.module, regressor.max_epochs, regressor.get_params()["module__width"]) == (
        "unet",
        3,
        8,
    )
    other = make_phase_retriever(preset="accurate")[-1].regressor
    assert other.augmenter is not regressor.augmenter
    regressor.augmenter.set_params(bend=0.5)
    assert (
        make_phase_retriever(preset="accurate")[-1].regressor.augmenter.bend
        == other.augmenter.bend
        != 0.5
    )
    perceptron = make_phase_retriever(
        "mlp", preset="accurate", max_epochs=1, device="cpu", random_state=0
    )
    objects = random_objects((6,), "float32", n_samples=4)
    perceptron.fit(objects, objects)
    assert perceptron[-1].regressor_.max_epochs == 1
    assert make_phase_retriever()[-1].regressor.module == "mlp"
    with pytest.raises(ValueError, match="preset='best' is not valid; choose 'fast' or 'accurate'"):
        make_phase_retriever(preset="best")


def test_the_accurate_preset_trains():
    objects = random_objects((8, 8), "float32", n_samples=16)
    small = {"module__hidden_width": 8, "module__width": 8, "max_epochs": 1}
    model = make_phase_retriever(preset="accurate", random_state=0, device="cpu", **small).fit(
        objects, objects
    )
    assert model.predict(objects).shape == objects.shape


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"max_epoch": 3},
            "'max_epoch' is not a parameter .*, did you mean 'max_epochs'. valid are augmenter, "
            "batch_size",
        ),
        ({"hidden_width": 3}, "did you mean 'module__hidden_width'"),
        (
            {"module__hiden_width": 3},
            "did you mean 'module__hidden_width'. valid are module__centered, module__dropout",
        ),
        ({"module__width": 3}, "'module__width' is not a parameter .* valid are module__"),
        ({"module": Linear, "module__biass": False}, "did you mean 'module__bias'"),
        ({"optimizer__beta": (0.9, 0.9)}, "did you mean 'optimizer__betas'"),
        (
            {"optimizer": torch.optim.SGD, "optimizer__betas": (0.9, 0.9)},
            "valid are optimizer__dampening",
        ),
        ({"n_starts": 3}, "'n_starts' is not a parameter of make_phase_retriever"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_unknown_parameters_are_refused_with_those_there_are(parameters, message):
    with pytest.raises(TypeError, match=message):
        make_phase_retriever(**parameters)


@pytest.mark.filterwarnings("ignore:the objects fill their frame")
def test_parameters_of_parts_reach_them():
    model = make_phase_retriever(
        Linear,
        module__bias=False,
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.5,
        callbacks__schedule=None,
        **SMALL_FIT,
    )
    objects = np.random.default_rng(0).random((8, 6), dtype=np.float32)
    network = model.fit(objects, objects)[-1].regressor_
    assert network.module_.network.layer.bias is None
    assert network.optimizer_.param_groups[0]["momentum"] == 0.5


SMALL_FIT = {name: value for name, value in SMALL.items() if not name.startswith("module__")}


# --- layout and grid ------------------------------------------------------------------------------


def test_one_layout_holds_for_simulation_network_and_refiner():
    objects = random_objects((8, 8), "float32", n_samples=40)
    model = make_phase_retriever(
        "unet", centered=False, refiner="auto", module__width=4, **SMALL
    ).fit(objects, objects)
    retrieve = model[-1]
    assert not any(
        (model[0].centered, retrieve.regressor_.regressor_.centered, retrieve.refiner_.centered)
    )
    assert relative_error(objects, model.predict(objects)) < 0.1


@pytest.mark.parametrize(
    "part",
    [
        {"module__centered": True},
        {"detector": make_pipeline(PhotonNoise(1e5), BeamStop(3))},
        {"refiner": IterativePhaseRetrieval()},
    ],
    ids="".join,
)
def test_parts_of_another_layout_are_refused(part):
    with pytest.raises(
        ValueError, match="centered=True and .*centered=False contradict each other"
    ):
        make_phase_retriever(centered=False, **part)


def test_a_grid_of_the_size_of_the_objects_is_no_oversampling():
    objects = random_objects((8, 8), "float32", n_samples=40, boundary="circular")
    models = [
        make_phase_retriever(**SMALL, **grid).fit(objects, objects)
        for grid in ({"fourier_shape": 8}, {"oversampling": 1}, {"fourier_shape": (8, 8)})
    ]
    for model in models:
        assert model[-1].transformer_[0].boundary == "circular"
        assert model.score(objects, objects) == models[0].score(objects, objects)
        np.testing.assert_array_equal(model.predict(objects), models[0].predict(objects))


def test_boundaries_are_automatic_unless_given():
    objects = random_objects((8, 8), "float32", n_samples=8)
    assert (
        make_phase_retriever(**SMALL).fit(objects, objects)[-1].transformer_[0].boundary == "zero"
    )
    given = make_phase_retriever(oversampling=1, boundary="zero", **SMALL).fit(objects, objects)
    assert given[-1].transformer_[0].boundary == "zero"
    searched = (
        make_phase_retriever(**SMALL).set_params(magnitude__oversampling=1).fit(objects, objects)
    )
    assert searched[-1].transformer_[0].boundary == "circular"
    with pytest.raises(ValueError, match="boundary='wrap' is not valid"):
        make_phase_retriever(boundary="wrap", **SMALL).fit(objects, objects)


def test_two_ways_to_choose_the_grid_are_refused():
    with pytest.raises(
        ValueError,
        match="oversampling=1 and fourier_shape=48 both choose the Fourier grid; give one",
    ):
        make_phase_retriever(oversampling=1, fourier_shape=48)
    with pytest.raises(
        ValueError,
        match="simulate=False takes the grid from the magnitudes; leave out oversampling=3$",
    ):
        make_phase_retriever(simulate=False, oversampling=3)


def test_without_simulation_the_pipeline_is_fitted_on_measured_pairs():
    objects = random_objects((8, 8), "float32", n_samples=24)
    magnitudes = FourierMagnitude().fit_transform(objects)
    measured = make_phase_retriever(simulate=False, **SMALL).fit(magnitudes, objects)
    simulated = make_phase_retriever(**SMALL).fit(objects, objects)
    np.testing.assert_array_equal(measured.predict(magnitudes), simulated.predict(objects))
    np.testing.assert_array_equal(
        measured.reconstruct(magnitudes), simulated.reconstruct(magnitudes)
    )
    assert measured.score(magnitudes, objects) == simulated.score(objects, objects)


# --- refiner --------------------------------------------------------------------------------------


def test_a_refiner_without_seed_and_device_takes_those_of_the_pipeline():
    given = IterativePhaseRetrieval("raar", 20)
    refiner = make_phase_retriever(refiner=given, random_state=3, device="cpu")[-1].refiner
    assert (refiner.random_state, refiner.device, refiner.algorithm) == (3, "cpu", "raar")
    assert (given.random_state, given.device) == (None, "auto")
    own = IterativePhaseRetrieval(random_state=1, device="cpu")
    assert make_phase_retriever(refiner=own, random_state=3)[-1].refiner.random_state == 1
    refined = make_phase_retriever(refiner="auto", random_state=3)[-1]
    assert isinstance(refined, RefinedRegressor)
    assert isinstance(refined.refiner, PosteriorRefiner)  # as that of RefinedRegressor itself
    assert refined.refiner.random_state == 3
