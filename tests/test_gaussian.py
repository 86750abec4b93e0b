import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skpr import (
    GaussianMagnitude,
    PhaseRetrievalRegressor,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
)
from skpr.gaussian import draw_gaussian_matrix
from skpr.metrics import orbit_mean_squared_error
from tests.conftest import random_objects, relative_difference, tolerance

COMPLEX = {
    "check_complex_data": "complex objects are this package's subject; only magnitudes refuse them"
}


@parametrize_with_checks(
    [GaussianMagnitude(random_state=0), GaussianMagnitude(n_measurements=7, random_state=0)],
    expected_failed_checks=lambda estimator: COMPLEX,
)
def test_scikit_learns_suite(estimator, check):
    check(estimator)


def test_magnitudes_are_those_of_the_matrix(object_shape, dtype):
    x = random_objects(object_shape, dtype)
    magnitude = GaussianMagnitude(random_state=0)
    found = magnitude.fit_transform(x)
    assert found.shape == (len(x), 4 * x[0].size)
    assert found.dtype == np.zeros(0, dtype).real.dtype
    assert (
        relative_difference(found, np.abs(x.reshape(len(x), -1) @ magnitude.matrix_.T))
        < tolerance(dtype) / 10
    )


def test_the_phase_leaves_magnitudes_alone(dtype):
    x = random_objects((9, 10), dtype)
    turn = np.exp(1.3j).astype(dtype) if np.iscomplexobj(x) else np.asarray(-1, dtype)
    magnitude = GaussianMagnitude(random_state=0).fit(x)
    assert (
        relative_difference(magnitude.transform(turn * x), magnitude.transform(x))
        < tolerance(dtype) / 10
    )


@pytest.mark.parametrize("move", [lambda x: np.roll(x, 1, axis=1), lambda x: x[:, ::-1], np.conj])
def test_other_symmetries_of_the_fourier_magnitude_do_not(move):
    x = random_objects((12,), "complex128")
    magnitude = GaussianMagnitude(random_state=0).fit(x)
    assert relative_difference(magnitude.transform(move(x)), magnitude.transform(x)) > 0.1


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_each_measurement_has_the_energy_of_the_object(dtype):
    x = random_objects((8,), dtype)
    b = GaussianMagnitude(n_measurements=100_000, random_state=0).fit_transform(x)
    np.testing.assert_allclose((b**2).mean(axis=1), (np.abs(x) ** 2).sum(axis=1), rtol=0.03)


def test_complex_entries_are_circular():
    matrix = draw_gaussian_matrix(1000, 100, is_complex=True, random_state=0)
    assert abs((matrix**2).mean()) < 0.02
    assert abs((np.abs(matrix) ** 2).mean() - 1) < 0.02


@pytest.mark.parametrize(
    ("parameters", "n_measurements"),
    [({}, 48), ({"oversampling": 1}, 12), ({"oversampling": 2.05}, 25), ({"n_measurements": 5}, 5)],
)
def test_the_number_of_measurements_follows_the_values_of_an_object(parameters, n_measurements):
    assert GaussianMagnitude(**parameters).fit_transform(np.ones((2, 3, 4))).shape == (
        2,
        n_measurements,
    )


def test_a_seed_repeats_the_matrix_and_none_does_not():
    x = np.ones((2, 4))
    first, second, other = (
        GaussianMagnitude(random_state=seed).fit_transform(x) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)
    unseeded = GaussianMagnitude()
    assert not np.allclose(unseeded.fit_transform(x), clone(unseeded).fit_transform(x))


def test_the_matrix_of_a_seed_is_the_same_in_every_precision():
    x = np.ones((2, 4))
    single, double = (
        GaussianMagnitude(random_state=0).fit(x.astype(dtype)) for dtype in ("float32", "float64")
    )
    np.testing.assert_array_equal(single.matrix_, double.matrix_)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_gradients_pass_through(dtype):
    x = torch.randn(
        2, 4, 5, dtype=dtype, generator=torch.Generator().manual_seed(0), requires_grad=True
    )
    magnitude = GaussianMagnitude(random_state=0).fit(x.detach())
    assert torch.autograd.gradcheck(magnitude.transform, (x,))


def test_tensors_give_what_arrays_give(dtype):
    x = random_objects((6, 7), dtype)
    magnitude = GaussianMagnitude(random_state=0).fit(x)
    found = magnitude.transform(torch.from_numpy(x))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), magnitude.transform(x))


def test_a_complex_matrix_measures_real_objects_too():
    x = random_objects((6,), "float32")
    magnitude = GaussianMagnitude(random_state=0).fit(x.astype("complex64"))
    found = magnitude.transform(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, magnitude.transform(x.astype("complex64")))


def test_a_real_matrix_refuses_complex_objects():
    magnitude = GaussianMagnitude().fit(np.ones((2, 4)))
    with pytest.raises(
        ValueError, match=r"X is complex \(complex64\), but GaussianMagnitude was fitted on real"
    ):
        magnitude.transform(np.ones((2, 4), dtype="complex64"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"oversampling": 0.5}, "oversampling=0.5 is not valid; give a number >= 1"),
        ({"oversampling": "4"}, "oversampling='4' is not valid"),
        ({"oversampling": np.inf}, "oversampling=inf is not valid"),
        ({"oversampling": np.nan}, "oversampling=nan is not valid"),
        ({"oversampling": True}, "oversampling=True is not valid"),
        ({"n_measurements": 0}, "n_measurements=0 is not valid; give an integer >= 1"),
        ({"n_measurements": 7.5}, "n_measurements=7.5 is not valid"),
        ({"n_measurements": True}, "n_measurements=True is not valid"),
    ],
)
def test_impossible_numbers_of_measurements_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GaussianMagnitude(**parameters).fit(np.ones((2, 4)))


def test_a_matrix_has_whole_rows_and_columns():
    with pytest.raises(ValueError, match="n_measurements=2.5 is not valid; give an integer >= 1"):
        draw_gaussian_matrix(2.5, 3, is_complex=False)
    with pytest.raises(ValueError, match="n_values=0 is not valid; give an integer >= 1"):
        draw_gaussian_matrix(2, 0, is_complex=False)
    with pytest.raises(ValueError, match="is_complex='no' is not valid; choose True or False"):
        draw_gaussian_matrix(2, 3, is_complex="no")


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_magnitudes_scale_with_the_objects(dtype, scale):
    x = random_objects((6, 7), dtype)
    magnitude = GaussianMagnitude(random_state=0).fit(x)
    found = magnitude.transform((x * scale).astype(dtype))
    np.testing.assert_allclose(found / scale, magnitude.transform(x), rtol=1e-3, atol=1e-6)


def test_one_sample_is_measured_as_among_others_and_one_without_batch_axis_is_refused():
    x = random_objects((6,), "float64")
    magnitude = GaussianMagnitude(random_state=0).fit(x[:1])
    np.testing.assert_allclose(magnitude.transform(x[:1]), magnitude.transform(x)[:1], rtol=1e-12)
    with pytest.raises(ValueError, match="Reshape your data"):
        magnitude.transform(x[0])


def test_objects_without_a_value_are_refused():
    x = np.ones((2, 4))
    magnitude = GaussianMagnitude().fit(x)
    x[1, 2] = np.nan
    for function in (magnitude.transform, GaussianMagnitude().fit):
        with pytest.raises(ValueError, match="NaN"):
            function(x)
        with pytest.raises(ValueError, match="NaN"):
            function(torch.from_numpy(x))


def test_objects_of_another_shape_are_refused():
    magnitude = GaussianMagnitude().fit(np.ones((2, 4, 4)))
    with pytest.raises(
        ValueError, match=r"shape \(4, 5\), but GaussianMagnitude was fitted on samples of shape"
    ):
        magnitude.transform(np.ones((2, 4, 5)))


class Perceptron(torch.nn.Sequential):
    """A small network for the measurements, which have no spectrum's symmetry."""

    def __init__(self, fourier_shape, object_shape, n_channels):
        n_values = n_channels * object_shape[0]
        layers = (
            torch.nn.Linear(fourier_shape[0], 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
        )
        super().__init__(*layers, torch.nn.Linear(64, n_values))


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_training_on_canonical_objects_beats_training_on_raw_ones(dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3000, 3)) + (
        1j * rng.standard_normal((3000, 3)) if dtype == "complex64" else 0
    )
    train, test = np.split(x.astype(dtype), [2000])
    errors = {}
    for name, transformer in (
        ("raw", "passthrough"),
        ("canonical", SymmetryCanonicalizer(None, None, "origin")),
    ):
        network = PhaseRetrievalRegressor(
            Perceptron, lr=3e-3, max_epochs=25, batch_size=64, device="cpu", random_state=0
        )
        model = make_pipeline(
            GaussianMagnitude(random_state=0), SymmetryBreakingRegressor(network, transformer)
        )
        predicted = model.fit(train, train).predict(test)
        errors[name] = orbit_mean_squared_error(
            test, predicted, shift=False, flip=False, phase=True
        )
    assert errors["canonical"] < errors["raw"] / 10
