import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from skpr import ConvergenceDisplay, FourierMagnitude, IterativePhaseRetrieval
from tests.conftest import random_objects


def retrieved(**parameters):
    objects = random_objects((10, 10), "float32", 3)
    magnitudes = FourierMagnitude().fit_transform(objects)
    retriever = IterativePhaseRetrieval(n_iter=20, n_starts=2, random_state=0, device="cpu").fit(
        magnitudes, objects
    )
    return retriever.retrieve(magnitudes, **parameters)


def test_convergence_shows_a_line_a_start_and_their_median():
    history = retrieved(return_history=True).history
    display = ConvergenceDisplay.from_histories({"two starts": history, "again": history[:, :1]})
    lines = display.ax_.get_lines()
    assert len(lines) == (6 + 1) + (3 + 1)
    np.testing.assert_array_equal(lines[3].get_ydata(), history.reshape(6, 20)[3])
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "two starts",
        "again",
    ]
    assert display.ax_.get_yscale() == "log"


def test_a_finished_start_keeps_its_last_error_in_the_median():
    history = np.array([[1.0, 0.1, np.nan, np.nan], [1.0, 0.5, 0.3, 0.1], [1.0, 0.6, 0.5, 0.4]])
    median = ConvergenceDisplay.from_histories(history).ax_.get_lines()[-1].get_ydata()
    np.testing.assert_allclose(median, [1.0, 0.5, 0.3, 0.1])


def test_a_retrieval_and_a_tensor_are_shown_as_their_history():
    found = retrieved(return_history=True)
    shown = ConvergenceDisplay.from_histories(found).histories[""]
    np.testing.assert_array_equal(shown, found.history.reshape(6, 20))
    tensor = torch.from_numpy(found.history).requires_grad_()
    np.testing.assert_array_equal(ConvergenceDisplay.from_histories(tensor).histories[""], shown)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_histories_without_a_positive_error_are_shown(value):
    display = ConvergenceDisplay.from_histories({1: np.full((2, 5), value)})
    display.figure_.canvas.draw()
    assert len(display.ax_.get_lines()) == 3
    assert display.ax_.get_yscale() == "linear"


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (retrieved, "history is None; call retrieve with return_history=True"),
        (lambda: {}, r"histories=\{\} is empty; give at least one history"),
        (lambda: [[1.0, 0.5], [1.0]], "histories of different lengths do not form an array; give"),
        (lambda: 3.0, r"a history of shape \(\) .* is not valid; give errors of shape"),
        (lambda: np.ones((2, 0)), r"a history of shape \(2, 0\)"),
        (lambda: 1j * np.ones(3), "type complex128 is not valid"),
        (lambda: [{"train_loss": 1.0}], "type object is not valid"),
    ],
)
def test_what_is_no_history_is_refused(histories, message):
    with pytest.raises(ValueError, match=message):
        ConvergenceDisplay.from_histories(histories())
    assert not plt.get_fignums()


def test_given_axes_are_drawn_on_and_no_figure_is_opened():
    figure = plt.Figure()
    ax = figure.subplots()
    display = ConvergenceDisplay.from_histories(np.geomspace(1, 0.1, 5), ax=ax)
    assert display.figure_ is figure
    assert not plt.get_fignums()
