import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.helper import predefined_split

from skpr import (
    FourierMagnitude,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    TrainingDisplay,
    make_phase_retriever,
)
from skpr.metrics import relative_error
from skpr.neural import SymmetricError
from skpr.neural._loading import BatchDataset
from tests.conftest import random_objects

SMALL = {"module__hidden_width": 8, "max_epochs": 3, "device": "cpu", "random_state": 0}


def trained(**parameters):
    objects = random_objects((8, 8), "float32", n_samples=48)
    return make_phase_retriever(**SMALL | parameters).fit(objects, objects), objects


def test_a_training_is_shown_with_its_errors():
    model, _ = trained(early_stopping=True, callbacks=[("error", SymmetricError())])
    display = TrainingDisplay.from_estimator(model)
    assert list(display.losses) == ["training", "validation"]
    np.testing.assert_array_equal(
        display.ax_.lines[-1].get_ydata(), model[-1].regressor_.history[:, "valid_error"]
    )
    assert len(display.ax_.lines) == 3
    assert "modulo symmetries" in display.ax_.get_legend().get_texts()[-1].get_text()


def test_the_errors_of_a_training_are_those_of_its_validation_set():
    objects = random_objects((8, 8), "float32", n_samples=24)
    magnitudes = FourierMagnitude().fit_transform(objects)
    held_out = predefined_split(BatchDataset(magnitudes[16:], objects[16:]))
    net = PhaseRetrievalRegressor(
        max_epochs=2,
        module__hidden_width=8,
        train_split=held_out,
        callbacks=[("error", SymmetricError())],
        mixed_precision=False,
        device="cpu",
        random_state=0,
    ).fit(magnitudes[:16], objects[:16])
    expected = relative_error(objects[16:], net.predict(magnitudes[16:]))
    assert net.history[-1, "valid_error"] == pytest.approx(expected, rel=1e-4)


def test_a_search_and_a_meta_estimator_show_the_training_inside():
    model, objects = trained()
    search = GridSearchCV(model, {"retrieve__regressor__lr": [1e-3]}, cv=2).fit(objects, objects)
    magnitudes = FourierMagnitude().fit_transform(objects)
    refined = RefinedRegressor(PhaseRetrievalRegressor(**SMALL), refiner=None).fit(
        magnitudes, objects
    )
    for estimator in (search, refined):
        display = TrainingDisplay.from_estimator(estimator)
        assert list(display.losses) == ["training"]
        assert display.errors == {}
        assert len(display.ax_.lines) == 1


@pytest.mark.parametrize(
    "estimator", [PhaseRetrievalRegressor(), FourierMagnitude(), make_phase_retriever()], ids=type
)
def test_a_training_that_was_not_cannot_be_shown(estimator):
    with pytest.raises(ValueError, match="holds no network that has been fitted"):
        TrainingDisplay.from_estimator(estimator)


def test_an_epoch_that_was_interrupted_is_a_gap():
    model, _ = trained()
    history = model[-1].regressor_.history
    del history[1]["train_loss"]
    losses = TrainingDisplay.from_estimator(model).losses["training"]
    assert np.isnan(losses).tolist() == [False, True, False]
    for row in history:
        row.pop("train_loss", None)
    with pytest.raises(
        ValueError,
        match="no epoch of PhaseRetrievalPipeline has a loss: the training was interrupted or "
        "diverged",
    ):
        TrainingDisplay.from_estimator(model)
