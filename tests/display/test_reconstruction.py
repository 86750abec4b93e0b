import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    ReconstructionDisplay,
    make_phase_retriever,
)
from skpr.files import Geometry, object_pixel_size
from tests.conftest import random_members, random_objects


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", [(16,), (9, 10), (6, 7, 8)])
def test_reconstructions_are_shown_registered(shape, dtype):
    truth = random_objects(shape, dtype, n_samples=5)
    magnitudes = FourierMagnitude().fit_transform(truth)
    display = ReconstructionDisplay.from_predictions(
        truth, random_members(truth), magnitudes, n_rows=3
    )
    assert display.axes_.shape == (3, 4)
    for row in range(3):
        shown = [display.axes_[row, column].images[0].get_array() for column in (1, 2)]
        np.testing.assert_allclose(*shown, atol=1e-4)
        assert display.axes_[row, 3].get_ylabel() == "error 0.000"


def test_pipelines_show_what_their_last_step_receives(tmp_path):
    objects = random_objects((8, 8), "float32", n_samples=32)
    model = make_phase_retriever(max_epochs=1, module__hidden_width=8, device="cpu", random_state=0)
    display = ReconstructionDisplay.from_estimator(
        model.fit(objects, objects), objects, objects, n_rows=2
    )
    assert display.magnitudes.shape == (2, 16, 16)
    display.figure_.savefig(tmp_path / "figure.png")
    measured = FourierMagnitude().fit_transform(objects)
    direct = ReconstructionDisplay.from_estimator(model[1:], measured, objects, n_rows=2)
    np.testing.assert_array_equal(direct.magnitudes, display.magnitudes)
    np.testing.assert_allclose(direct.errors, display.errors)


def test_a_search_shows_what_its_best_pipeline_receives():
    objects = random_objects((8, 8), "float32", n_samples=4)
    model = make_pipeline(FourierMagnitude(), IterativePhaseRetrieval(n_iter=3, random_state=0))
    search = GridSearchCV(model, {"fouriermagnitude__oversampling": [1, 2]}, cv=2).fit(
        objects, objects
    )
    shape = search.best_estimator_[0].fourier_shape_
    display = ReconstructionDisplay.from_estimator(search, objects, objects)
    assert display.magnitudes.shape == (4, *shape)


@pytest.mark.parametrize("fourier_shape", [(9, 10), (9, 20), (18, 20)], ids=str)
def test_the_boundary_is_that_of_the_estimator_and_of_the_shapes(fourier_shape):
    truth = random_objects((9, 10), "float64", 2, boundary="circular")
    forward = FourierMagnitude(fourier_shape=fourier_shape)
    magnitudes = forward.fit_transform(truth)
    rolled = np.roll(truth, 4, axis=1)
    wraps = fourier_shape[0] == 9
    display = ReconstructionDisplay.from_predictions(truth, rolled, magnitudes)
    assert (display.errors < 1e-10).all() == wraps
    assert (
        ReconstructionDisplay.from_predictions(truth, rolled, magnitudes, boundary="zero").errors
        > 1e-3
    ).all()

    class Rolling(IterativePhaseRetrieval):
        def predict(self, X):
            return np.roll(truth, 4, axis=1)

    model = make_pipeline(forward, Rolling()).fit(truth, truth)
    np.testing.assert_allclose(
        ReconstructionDisplay.from_estimator(model, truth, truth).errors, display.errors
    )


def test_rows_are_as_many_as_there_are_and_the_sign_is_registered():
    truth = random_objects((8, 8), "float64", 2) - 0.3
    display = ReconstructionDisplay.from_predictions(
        truth, -truth, FourierMagnitude().fit_transform(truth), n_rows=9
    )
    assert display.axes_.shape == (2, 4)
    np.testing.assert_allclose(display.reconstructions, truth, atol=1e-12)


def test_missing_pixels_are_masked_and_extreme_units_are_shown():
    truth = random_objects((8, 8), "float64", 2)
    for scale in (1e-30, 1.0, 1e30):
        magnitudes = scale * FourierMagnitude().fit_transform(truth)
        magnitudes[:, 3:5, 6] = np.nan
        display = ReconstructionDisplay.from_predictions(scale * truth, scale * truth, magnitudes)
        shown = display.axes_[0, 0].images[0].get_array()
        np.testing.assert_array_equal(np.ma.getmaskarray(shown), np.isnan(magnitudes[0]))
        display.figure_.canvas.draw()


def test_features_that_may_be_negative_are_shown_as_they_are():
    truth = random_objects((8, 8), "float64", 2)
    display = ReconstructionDisplay.from_predictions(truth, truth, truth - 2)
    np.testing.assert_array_equal(display.axes_[1, 0].images[0].get_array(), truth[1] - 2)


def test_lists_and_tensors_with_a_gradient_are_shown():
    truth = random_objects((8, 8), "float32", 2)
    magnitudes = FourierMagnitude().fit_transform(truth)
    tensors = [torch.from_numpy(batch).requires_grad_() for batch in (truth, truth, magnitudes)]
    for batches in (tensors, [batch.tolist() for batch in (truth, truth, magnitudes)]):
        display = ReconstructionDisplay.from_predictions(*batches, n_rows=1)
        np.testing.assert_allclose(display.truths[0], truth[0])


def test_axes_can_be_given():
    truth = random_objects((8, 8), "float32", n_samples=2)
    figure = plt.Figure()
    magnitudes = FourierMagnitude().fit_transform(truth)
    display = ReconstructionDisplay.from_predictions(
        truth, truth, magnitudes, axes=figure.subplots(2, 4)
    )
    assert display.figure_ is figure
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, m: ReconstructionDisplay.from_predictions(x, x[:1], m), "pass np.broadcast_to"),
        (
            lambda x, m: ReconstructionDisplay.from_predictions(x, x[:, None].repeat(5, axis=1), m),
            "y_pred has one axis too many",
        ),
        (
            lambda x, m: ReconstructionDisplay.from_predictions(x, x, m[:1]),
            "1 magnitudes do not match 2 objects",
        ),
        (
            lambda x, m: ReconstructionDisplay.from_predictions(x, x, m, n_rows=0),
            "n_rows=0 is not valid",
        ),
        (
            lambda x, m: ReconstructionDisplay.from_predictions(x, x, m, boundary=("zero",)),
            "has 1 entries for objects",
        ),
        (
            lambda x, m: ReconstructionDisplay.from_predictions(
                x, x, m, axes=plt.Figure().subplots(1, 4)
            ),
            r"2 rows need axes of shape \(2, 4\)",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused_and_opens_no_figure(call, message):
    x = random_objects((8, 8), "float32", 2)
    with pytest.raises(ValueError, match=message):
        call(x, FourierMagnitude().fit_transform(x))
    assert not plt.get_fignums()


def test_axes_are_in_physical_units_where_the_geometry_is_known():
    """The pattern reaches to pi over the pixel size of the object on either side of zero."""
    geometry = Geometry(wavelength=1e-10, distance=2.0, pixel_size=(50e-6, 100e-6))
    truth = random_objects((10, 12), "float32", n_samples=2)
    magnitudes = FourierMagnitude().fit_transform(truth)
    display = ReconstructionDisplay.from_predictions(truth, truth, magnitudes, geometry=geometry)
    height, width = (1e9 * size for size in object_pixel_size(geometry, (20, 24)))
    pattern, shown = (display.axes_[0, column].images[0].get_extent() for column in (0, 2))
    np.testing.assert_allclose(shown, (0, 12 * width, 10 * height, 0))
    np.testing.assert_allclose(pattern[1] - pattern[0], 2 * np.pi / width)
    np.testing.assert_allclose(pattern[2] - pattern[3], 2 * np.pi / height)
    np.testing.assert_allclose(
        pattern[0] + pattern[1], -2 * np.pi / (24 * width)
    )  # zero is in the middle of a pixel
    assert [ax.get_xlabel() for ax in display.axes_[-1]] == ["q [1/nm]", "nm", "nm", ""]
    display.figure_.canvas.draw()


@pytest.mark.parametrize("geometry", [None, Geometry(wavelength=1e-10)])
def test_axes_have_no_numbers_where_it_is_not(geometry):
    truth = random_objects((10, 12), "float32", n_samples=1)
    display = ReconstructionDisplay.from_predictions(
        truth, truth, FourierMagnitude().fit_transform(truth), geometry=geometry
    )
    assert not any(len(ax.get_xticks()) or ax.get_xlabel() for ax in display.axes_.flat)


def test_slices_of_a_rocking_curve_have_the_scales_of_the_detector():
    geometry = Geometry(wavelength=1e-10, distance=2.0, pixel_size=(50e-6, 50e-6))
    truth = random_objects((6, 7, 8), "float32", n_samples=1)
    display = ReconstructionDisplay.from_predictions(
        truth, truth, FourierMagnitude().fit_transform(truth), geometry=geometry
    )
    _, height, width = object_pixel_size(geometry, (12, 14, 16))
    np.testing.assert_allclose(
        display.axes_[0, 1].images[0].get_extent(), (0, 8e9 * width, 7e9 * height, 0)
    )
