"""Devices other than the CPU: equal results, no mixed devices, few waits for the device."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skpr._tensors
from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
)
from skpr.detector import BeamStop, Binning, Cropping, Quantization, Saturation
from skpr.iterative._algorithms import ALGORITHMS
from skpr.iterative._run import Run
from skpr.metrics import fourier_error, orbit_psnr, relative_error
from tests import pretend
from tests.conftest import random_objects

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not pretend.start(), reason="PyTorch cannot register a device of Python"),
]
SHAPES = {1: (9,), 2: (8, 7), 3: (5, 4, 6)}


def there(values):
    """Copy an array to the device."""
    return torch.from_numpy(values).to(pretend.DEVICE)


def here(values):
    """Copy a tensor from the device."""
    assert values.device.type == pretend.DEVICE
    return values.cpu().numpy()


@pytest.mark.parametrize("constraints", ["real", "non_negative", "complex", (0.0, 0.8)])
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "auto"])
def test_retrieval_is_that_of_the_cpu(algorithm, constraints):
    objects = random_objects(SHAPES[2], "complex128" if constraints == "complex" else "float64", 2)
    X = BeamStop(2).fit_transform(FourierMagnitude().fit_transform(objects))
    settings = {
        "algorithm": algorithm,
        "constraints": constraints,
        "object_shape": SHAPES[2],
        "n_iter": 30,
        "n_starts": 2,
        "random_state": 0,
    }
    found, expected = (
        IterativePhaseRetrieval(device=device, **settings).fit(X).retrieve(X)
        for device in (pretend.DEVICE, "cpu")
    )
    # layouts differ from those on the CPU, and with them the rounding
    most = 1e-6 * np.abs(expected.starts).max()
    np.testing.assert_allclose(found.starts, expected.starts, rtol=0, atol=most)
    np.testing.assert_allclose(found.start_errors, expected.start_errors, rtol=1e-3)


@pytest.mark.parametrize("n_axes", SHAPES)
def test_a_search_for_supports_is_that_of_the_cpu(n_axes):
    objects = np.abs(random_objects(SHAPES[n_axes], "float64", 1))
    objects = np.pad(objects, [(0, 0), *[(2, 3)] * n_axes])
    X = FourierMagnitude().fit_transform(objects)
    found, expected = (
        IterativePhaseRetrieval(
            n_iter=30, n_starts=2, coherence="gaussian", random_state=0, device=device
        )
        .fit(X)
        .retrieve(X)
        for device in (pretend.DEVICE, "cpu")
    )
    most = 1e-4 * np.abs(expected.objects).max()
    np.testing.assert_allclose(found.objects, expected.objects, rtol=0, atol=most)
    np.testing.assert_allclose(found.coherence, expected.coherence, rtol=1e-3, atol=1e-4)


def test_starts_that_do_not_fit_the_memory_run_in_smaller_chunks(monkeypatch):
    X = FourierMagnitude().fit_transform(random_objects(SHAPES[2], "float64", 5))
    model = IterativePhaseRetrieval(
        "hio", n_iter=20, n_starts=2, object_shape=SHAPES[2], random_state=0, device="cpu"
    ).fit(X)
    expected, retrieve, sizes = model.retrieve(X), Run.retrieve, []

    def limited(run, numbers, line):
        sizes.append(len(numbers))
        if len(numbers) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        retrieve(run, numbers, line)

    monkeypatch.setattr(Run, "retrieve", limited)
    with pytest.warns(UserWarning, match="too small for .* starts at a time") as told:
        found = model.retrieve(X)
    assert [str(w.message).split(";")[1] for w in told] == [
        " they run 5 at a time",
        " they run 3 at a time",
    ]
    assert sizes == [10, 5, 3, 2, 3, 2]
    np.testing.assert_array_equal(found.starts, expected.starts)


@pytest.mark.parametrize("algorithm", sorted(set(ALGORITHMS) - {"ml"}))
def test_iterations_wait_for_the_device_at_checks_only(algorithm):
    X = FourierMagnitude().fit_transform(random_objects(SHAPES[2], "float32", 2))
    counts = []
    for n_iter in (100, 200):
        model = IterativePhaseRetrieval(
            algorithm=algorithm,
            n_iter=n_iter,
            object_shape=SHAPES[2],
            tol=0,
            random_state=0,
            device=pretend.DEVICE,
        ).fit(X)
        with pretend.trips() as trips:
            model.retrieve(X)
        counts.append(len(trips))
    assert counts[1] - counts[0] <= 5 * 10  # of ten checks


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize(
    "transformer",
    [
        FourierMagnitude(),
        SymmetryCanonicalizer(),
        SymmetryCanonicalizer(flip="moment"),
        SymmetryCanonicalizer(flip="bispectrum", shift="centroid"),
        ShiftFlipAugmenter(frame_shape=12, random_state=0),
    ],
    ids=lambda t: repr(t).replace("\n", ""),
)
def test_transformers_leave_objects_on_their_device(transformer, dtype):
    objects = random_objects(SHAPES[2], dtype, 6)
    fitted = transformer.fit(objects)
    expected = fitted.transform(objects)
    found = here(fitted.transform(there(objects)))
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    # fitted where the objects are
    found = here(clone(transformer).fit(there(objects)).transform(there(objects)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "step",
    [BeamStop(2), Binning(2), Cropping((8, 8)), Quantization(0.1), Saturation(2.0)],
    ids=repr,
)
def test_detector_steps_leave_magnitudes_on_their_device(step):
    X = FourierMagnitude().fit_transform(np.abs(random_objects(SHAPES[2], "float32", 6)))
    expected = step.fit(X).transform(X)
    np.testing.assert_allclose(here(step.transform(there(X))), expected, rtol=1e-6)


@pytest.fixture
def _large_arrays(monkeypatch):
    """Send arrays of any size to the device, a few samples at a time."""
    monkeypatch.setattr(skpr._tensors, "_device_for", lambda n_values: pretend.DEVICE)
    monkeypatch.setattr(skpr._tensors, "CHUNK_VALUES", 10)
    monkeypatch.setattr(skpr._tensors, "LARGER_ON_GPU", 40)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.usefixtures("_large_arrays")
def test_arrays_are_processed_on_the_device(monkeypatch, dtype):
    objects = random_objects(SHAPES[2], dtype, 9)
    steps = FourierMagnitude(), SymmetryCanonicalizer(), SymmetryCanonicalizer(flip="bispectrum")

    def results():
        X, *others = (clone(step).fit(objects).transform(objects) for step in steps)
        return X, *others, relative_error(objects, others[0], multioutput="raw_values")

    with pretend.trips() as trips:
        found = results()
    assert trips
    monkeypatch.setattr(skpr._tensors, "_device_for", lambda n_values: "cpu")
    for values, expected in zip(found, results(), strict=True):
        assert isinstance(values, np.ndarray)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("_large_arrays")
def test_arrays_too_large_for_the_device_stay_on_the_cpu(monkeypatch):
    objects = random_objects(SHAPES[2], "float32", 9)

    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(skpr._tensors._Later, "gather", full)
    with pytest.warns(UserWarning, match="the free memory of pretend is too small for chunks of"):
        found = FourierMagnitude().fit_transform(objects)
    np.testing.assert_allclose(
        found[0], np.abs(np.fft.fftshift(np.fft.fft2(objects[0], found.shape[1:]))), rtol=1e-4
    )


def test_metrics_are_those_of_the_cpu():
    objects, others = random_objects(SHAPES[2], "float32", 8).reshape(2, 4, *SHAPES[2])
    magnitudes = FourierMagnitude().fit_transform(objects)
    for metric, inputs, settings in (
        (relative_error, (objects, others), {}),
        (orbit_psnr, (objects, others), {"data_range": 1.0}),
        (fourier_error, (magnitudes, others), {}),
    ):
        settings["multioutput"] = "raw_values"
        expected = metric(*inputs, **settings)
        found = metric(*map(there, inputs), **settings)
        found = found.cpu().numpy() if isinstance(found, torch.Tensor) else found
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("module", ["mlp", "unet"])
def test_networks_train_and_predict_on_the_device(module, dtype):
    objects = random_objects(SHAPES[2], dtype, 20)
    X = FourierMagnitude().fit_transform(objects)
    settings = {"module__hidden_width": 16, "max_epochs": 2, "batch_size": 10, "verbose": 0}
    if module == "unet":
        # unrolled iterations would amplify rounding, and each device draws its own dropout
        settings |= {
            "module__n_projections": 0,
            "module__n_stages": 1,
            "module__stage_dropout": 0.0,
        }
    found, expected = (
        PhaseRetrievalRegressor(module, device=device, random_state=0, **settings)
        .set_params(mixed_precision=False)
        .fit(X, objects)
        .predict(X)
        for device in (pretend.DEVICE, "cpu")
    )
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_networks_of_several_levels_train_and_predict_on_the_device():
    objects = random_objects((56, 56), "complex64", 8)
    X = FourierMagnitude().fit_transform(objects)
    # unrolled iterations would amplify rounding, and each device draws its own dropout
    options = {"hidden_width": 16, "width": 8, "n_projections": 1, "stage_dropout": 0.0}
    found, expected = (
        PhaseRetrievalRegressor(
            "unet",
            device=device,
            max_epochs=2,
            batch_size=4,
            random_state=0,
            mixed_precision=False,
            verbose=0,
            **{f"module__{name}": value for name, value in options.items()},
        )
        .fit(X, objects)
        .predict(X)
        for device in (pretend.DEVICE, "cpu")
    )
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_training_waits_for_the_device_once_per_batch():
    objects = random_objects(SHAPES[2], "float32", 40)
    X = FourierMagnitude().fit_transform(objects)
    counts = []
    for batch_size in (20, 4):
        model = PhaseRetrievalRegressor(
            "mlp",
            module__hidden_width=16,
            max_epochs=1,
            batch_size=batch_size,
            device=pretend.DEVICE,
            mixed_precision=False,
            random_state=0,
            verbose=0,
        )
        with pretend.trips() as trips:
            model.fit(X, objects)
        counts.append(len(trips))
    assert counts[1] - counts[0] <= 10 - 2


def test_devices_are_named_in_the_usual_way():
    assert FourierMagnitude().fit_transform(there(np.ones((1, 4, 4)))).device.index == 0


def test_only_large_arrays_of_a_process_that_is_not_forked_go_to_a_gpu(monkeypatch):
    large = skpr._tensors.PAYS_ON_GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert skpr._tensors._device_for(large) == "cuda"
    assert skpr._tensors._device_for(large - 1) == "cpu"
    monkeypatch.setattr(skpr._tensors, "PROCESS", -1)  # as in a forked process
    assert skpr._tensors._device_for(large) == "cpu"
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert skpr._tensors._device_for(large) == "cpu"
