import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from skpr import FourierMagnitude, ReconstructionDisplay, make_phase_retriever
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
