import matplotlib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.helper import predefined_split

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from skpr import (
    ConvergenceDisplay,
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ReconstructionDisplay,
    ResolutionDisplay,
    TrainingDisplay,
    make_phase_retriever,
)
from skpr.metrics import relative_error
from skpr.neural import SymmetricError
from skpr.neural._loading import BatchDataset
from tests.conftest import random_members, random_objects


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", [(16,), (9, 10), (6, 7, 8)])
def test_reconstructions_are_shown_registered(shape, dtype):
    truth = random_objects(shape, dtype, n_samples=5)
    magnitudes = FourierMagnitude().fit_transform(truth)
    display = ReconstructionDisplay.from_predictions(truth, random_members(truth), magnitudes, n_rows=3)
    assert display.axes_.shape == (3, 4)
    for row in range(3):
        shown = [display.axes_[row, column].images[0].get_array() for column in (1, 2)]
        np.testing.assert_allclose(*shown, atol=1e-4)
        assert display.axes_[row, 3].get_ylabel() == "error 0.000"


def test_pipelines_show_what_their_last_step_receives(tmp_path):
    objects = random_objects((8, 8), "float32", n_samples=32)
    model = make_phase_retriever(max_epochs=1, module__hidden_width=8, device="cpu", random_state=0)
    display = ReconstructionDisplay.from_estimator(model.fit(objects, objects), objects, objects, n_rows=2)
    assert display.magnitudes.shape == (2, 16, 16)
    display.figure_.savefig(tmp_path / "figure.png")
    measured = FourierMagnitude().fit_transform(objects)
    direct = ReconstructionDisplay.from_estimator(model[1:], measured, objects, n_rows=2)
    np.testing.assert_array_equal(direct.magnitudes, display.magnitudes)
    np.testing.assert_allclose(direct.errors, display.errors)


def test_axes_can_be_given():
    truth = random_objects((8, 8), "float32", n_samples=2)
    figure, axes = plt.subplots(2, 4)
    magnitudes = FourierMagnitude().fit_transform(truth)
    display = ReconstructionDisplay.from_predictions(truth, truth, magnitudes, axes=axes)
    assert display.figure_ is figure


def test_convergence_shows_a_line_a_start_and_their_median():
    magnitudes = FourierMagnitude().fit_transform(random_objects((10, 10), "float32", 3))
    retriever = IterativePhaseRetrieval(n_iter=20, n_starts=2, random_state=0, device="cpu").fit(magnitudes)
    history = retriever.retrieve(magnitudes, return_history=True).history
    display = ConvergenceDisplay.from_histories({"two starts": history, "again": history[:, :1]})
    lines = display.ax_.get_lines()
    assert len(lines) == (6 + 1) + (3 + 1)
    np.testing.assert_array_equal(lines[3].get_ydata(), history.reshape(6, 20)[3])
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["two starts", "again"]
    with pytest.raises(ValueError, match="return_history=True"):
        ConvergenceDisplay.from_histories(retriever.retrieve(magnitudes).history)


def test_a_finished_start_keeps_its_last_error_in_the_median():
    history = np.array([[1.0, 0.1, np.nan, np.nan], [1.0, 0.5, 0.3, 0.1], [1.0, 0.6, 0.5, 0.4]])
    median = ConvergenceDisplay.from_histories(history).ax_.get_lines()[-1].get_ydata()
    np.testing.assert_allclose(median, [1.0, 0.5, 0.3, 0.1])


@pytest.mark.parametrize("shape", [(12, 12), (8, 8, 8)], ids=str)
def test_resolution_curves_have_their_threshold(shape):
    x = random_objects(shape, "float64", 1)
    magnitudes = FourierMagnitude().fit_transform(x)[0]
    transfer = ResolutionDisplay.from_reconstructions(magnitudes, x.repeat(3, axis=0))
    np.testing.assert_allclose(transfer.ax_.get_lines()[1].get_ydata(), np.exp(-1))
    pair = ResolutionDisplay.from_pair(x[0], random_members(x)[0])
    assert pair.ax_.get_ylabel() == ("FRC" if len(shape) == 2 else "FSC")
    np.testing.assert_allclose(pair.ax_.get_lines()[0].get_ydata(), 1)


def trained(**parameters):
    objects = random_objects((8, 8), "float32", n_samples=48)
    small = {"module__hidden_width": 8, "max_epochs": 3, "device": "cpu", "random_state": 0}
    return make_phase_retriever(**small | parameters).fit(objects, objects), objects


def test_a_training_is_shown_with_its_errors():
    model, _ = trained(early_stopping=True, callbacks=[("error", SymmetricError())])
    display = TrainingDisplay.from_estimator(model)
    assert list(display.losses) == ["training", "validation"]
    (errors,) = display.errors.values()
    assert errors.shape == (3,)
    assert ((errors > 0) & (errors < 1)).all()
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


def test_a_search_shows_the_training_of_its_best():
    model, objects = trained()
    search = GridSearchCV(model, {"retrieve__regressor__lr": [1e-3]}, cv=2).fit(objects, objects)
    display = TrainingDisplay.from_estimator(search)
    assert list(display.losses) == ["training"]
    assert display.errors == {}
    assert len(display.ax_.lines) == 1


@pytest.mark.parametrize("estimator", [PhaseRetrievalRegressor(), FourierMagnitude(), make_phase_retriever()], ids=type)
def test_a_training_that_was_not_cannot_be_shown(estimator):
    with pytest.raises(ValueError, match="holds no network that has been fitted"):
        TrainingDisplay.from_estimator(estimator)
