"""Common mistakes of users: each ends in the right answer, a one-sentence error or a warning."""

import re
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch.utils.data import TensorDataset

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    ReconstructionDisplay,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.augmentation import RandomDeformation
from skpr.composition import RetrievedTargetRegressor
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import BeamStop, Binning, Cropping, PhotonNoise
from skpr.iterative import combine_reconstructions
from skpr.measurement import check_centring, to_centred
from skpr.metrics import fourier_ring_correlation, orbit_psnr, orbit_psnr_scorer, relative_error
from skpr.neural import MeanSquaredError, OrbitLoss, RelativeSquaredError
from skpr.symmetry import orbit_distance, register

Y = load_digit_objects().data[:24]
X = FourierMagnitude().fit_transform(Y)
CORNER = np.fft.ifftshift(X, axes=(1, 2))
SMALL = {"max_epochs": 1, "module__hidden_width": 8, "device": "cpu", "random_state": 0}


def network(**parameters):
    return PhaseRetrievalRegressor(**SMALL | parameters)


def retriever(**parameters):
    return IterativePhaseRetrieval(**{"n_iter": 3, "random_state": 0, "device": "cpu"} | parameters)


def broken(**parameters):
    return SymmetryBreakingRegressor(network(**parameters))


def refined(**parameters):
    return RefinedRegressor(network(**parameters), retriever())


def untaught(**parameters):
    return RetrievedTargetRegressor(network(**parameters), retriever())


def pipeline(**parameters):
    return make_phase_retriever(**SMALL | parameters)


# what maps objects to objects or magnitudes, what maps magnitudes to objects, and what does both
TRANSFORMERS = {
    "FourierMagnitude": FourierMagnitude,
    "GaussianMagnitude": GaussianMagnitude,
    "ShiftFlipAugmenter": ShiftFlipAugmenter,
    "RandomDeformation": RandomDeformation,
    "SymmetryCanonicalizer": SymmetryCanonicalizer,
    "PhotonNoise": PhotonNoise,
    "BeamStop": BeamStop,
    "Binning": partial(Binning, 1),
}
REGRESSORS = {
    "PhaseRetrievalRegressor": network,
    "SymmetryBreakingRegressor": broken,
    "RefinedRegressor": refined,
    "RetrievedTargetRegressor": untaught,
    "IterativePhaseRetrieval": retriever,
}
every_transformer = pytest.mark.parametrize("make", TRANSFORMERS.values(), ids=TRANSFORMERS)
every_regressor = pytest.mark.parametrize("make", REGRESSORS.values(), ids=REGRESSORS)
every_estimator = pytest.mark.parametrize(
    "make",
    [*TRANSFORMERS.values(), *REGRESSORS.values(), pipeline],
    ids=[*TRANSFORMERS, *REGRESSORS, "pipeline"],
)
REFUSED = (ValueError, TypeError, NotFittedError, AttributeError)


def refused(call, message):
    """The call is refused in a sentence or two that match."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(REFUSED, match=message) as caught:
            call()
    assert len(str(caught.value)) < 1000


def refused_or_warned(call, message):
    """The call is refused, or warned of, in a sentence or two that match."""
    with pytest.raises((*REFUSED, UserWarning), match=message):  # warnings are errors in tests
        call()


def fitted(make):
    if make is pipeline:
        return make().fit(Y, Y)
    if make in REGRESSORS.values():
        return make().fit(X, Y)
    with warnings.catch_warnings():  # what transforms objects says that these are magnitudes
        warnings.filterwarnings("ignore", "X looks like magnitudes")
        return make().fit(X)


def used(estimator):
    """The method that a fitted estimator is used by."""
    return estimator.predict if hasattr(estimator, "predict") else estimator.transform


UNUSABLE = [
    (Y[0, 0], "1D array|one axis|batch|samples of shape"),
    (Y[None, None, None], "axes|samples of shape"),
    (Y[:0], r"0 sample\(s\)"),
    (np.full_like(Y, np.inf), "infinity"),
    (Y.astype(str), "numeric|strings|Unable to convert|could not convert"),
    (None, "None|samples of shape"),
    ("magnitudes.npy", "is text|samples of shape"),
]


@every_estimator
@pytest.mark.parametrize(
    ("batch", "message"), UNUSABLE, ids=["1-D", "5-D", "empty", "inf", "text", "None", "a name"]
)
def test_batches_that_are_none_are_refused_by_fit_and_by_use(make, batch, message):
    refused(lambda: make().fit(batch, Y), message)
    refused(lambda: used(fitted(make))(batch), message)


@every_estimator
def test_a_frame_without_its_batch_axis_is_refused_by_what_was_fitted_on_a_batch(make):
    estimator = fitted(make)
    frame = Y[0] if make is pipeline else X[0]
    refused_or_warned(lambda: used(estimator)(frame), r"\[None\]")


@every_transformer
@pytest.mark.parametrize("n_channels", [1, 3])
def test_an_axis_of_channels_is_warned_of(make, n_channels):
    with pytest.warns(UserWarning, match="channel"):
        make().fit(np.repeat(Y[:, None], n_channels, axis=1))


@every_regressor
@pytest.mark.parametrize("n_channels", [1, 3])
def test_an_axis_of_channels_is_warned_of_where_networks_are_trained(make, n_channels):
    x, y = (np.repeat(batch[:, None], n_channels, axis=1) for batch in (X, Y))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make().fit(x, y)
    assert any("channel" in str(warning.message) for warning in caught)


@every_regressor
def test_magnitudes_that_are_not_centred_are_warned_of(make):
    with pytest.warns(UserWarning, match="centered="):
        make().fit(CORNER, Y)


@pytest.mark.parametrize("make", [network, broken, refined], ids=["network", "broken", "refined"])
def test_magnitudes_to_predict_that_are_not_centred_are_warned_of(make):
    estimator = fitted(make)
    with pytest.warns(UserWarning, match="centered="):
        estimator.predict(CORNER)


@every_regressor
def test_negative_magnitudes_are_refused(make):
    refused(lambda: make().fit(-X, Y), "Negative values|>= 0")
    refused(lambda: fitted(make).predict(-X), "Negative values|>= 0")


@every_regressor
def test_complex_spectra_are_refused_and_the_way_out_is_named(make):
    refused(lambda: make().fit(X * 1j, Y), r"np\.abs\(X\)")


@every_regressor
def test_objects_that_hold_no_numbers_are_refused(make):
    hidden = Y.copy()
    hidden[3, 4, 5] = np.nan
    refused(lambda: make().fit(X, hidden), "y contains NaN")


@every_regressor
def test_batches_of_other_lengths_are_refused(make):
    refused(lambda: make().fit(X, Y[1:]), r"inconsistent numbers of samples: \[24, 23\]")
    refused(lambda: fitted(make).score(X, Y[1:]), r"inconsistent numbers of samples|shape")


@every_regressor
def test_objects_and_magnitudes_that_are_swapped_are_refused(make):
    refused(lambda: make().fit(Y, X), "swapped|exchanged|does not fit|do not fit")


@every_regressor
def test_magnitudes_of_another_grid_are_refused(make):
    refused(
        lambda: fitted(make).predict(X[:, 1:]), r"31 features.* 32 features|\(31, 32\).*\(32, 32\)"
    )


@every_estimator
def test_what_was_not_fitted_says_so(make):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        used(make())(Y)


@pytest.mark.parametrize("make", [network, broken, pipeline], ids=["network", "broken", "pipeline"])
def test_targets_are_needed(make):
    refused(lambda: make().fit(X), "requires y|missing 1 required positional argument: 'y'")


@pytest.mark.parametrize(
    "parameters",
    [
        {"support": "shrinkwarp"},
        {"coherence": "gauss"},
        {"start": "typo"},
        {"tol": "Poisson"},
        {"n_starts": 0},
        {"n_iter": 0},
        {"algorithm": "gs"},
        {"constraints": "positive"},
        {"random_state": "zero"},
    ],
    ids=str,
)
def test_parameters_set_after_the_fit_are_checked_too(parameters):
    ((name, value),) = parameters.items()
    refused(lambda: retriever().fit(X).set_params(**parameters).predict(X), f"{name}|{value}")


@pytest.mark.parametrize("parameters", [{"tuning_steps": -1}, {"tuning_rate": 0}], ids=str)
def test_parameters_of_a_network_set_after_the_fit_are_checked_too(parameters):
    refused(lambda: network().fit(X, Y).set_params(**parameters).predict(X), next(iter(parameters)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("make", [network, retriever], ids=["network", "iterations"])
def test_a_device_that_is_not_there_is_refused_by_fit(make):
    refused(lambda: make(device="cuda").fit(X, Y), "device='cuda'")


# pipelines that simulate


def test_a_pipeline_that_simulates_refuses_measured_magnitudes():
    with pytest.raises(ValueError, match=r"model\[1:\]|measured"):
        pipeline().fit(X, Y)


def test_a_fitted_pipeline_that_simulates_refuses_measured_magnitudes():
    refused(lambda: pipeline().fit(Y, Y).predict(X), r"\[1:\]|measured")


@pytest.mark.parametrize("way", ["warm_start", "partial_fit"])
def test_training_on_through_a_composition_trains_on(way):
    model = broken(warm_start=way == "warm_start")
    for _ in range(2):
        (model.fit if way == "warm_start" else model.partial_fit)(X, Y)
    assert len(model.regressor_.history) == 2


# modules and scores


class Wrong(torch.nn.Module):
    """A module whose images have another shape than the objects."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(32, 9)

    def forward(self, features):
        return self.layer(features[:, :9])[:, None]


def test_a_module_of_the_wrong_output_shape_is_refused():
    small = {"max_epochs": 1, "device": "cpu", "mixed_precision": False}
    refused(
        lambda: PhaseRetrievalRegressor(Wrong, **small).fit(X, Y), r"\(9, 9\).*\(16, 16\)|shape"
    )


def test_no_score_is_infinite():
    dark = np.zeros_like(Y)

    class Dark(PhaseRetrievalRegressor):
        def predict(self, X):
            return np.zeros((len(X), 16, 16), dtype=np.float32)

    assert np.isfinite(orbit_psnr_scorer(Dark(**SMALL).fit(X, Y), X, dark))


# arrays


CONTAINERS = {
    "list": lambda batch: batch.tolist(),
    "big-endian": lambda batch: batch.astype(">f4"),
    "longdouble": lambda batch: batch.astype(np.longdouble),
    "float16": lambda batch: batch.astype(np.float16),
    "read-only": lambda batch: np.broadcast_to(batch, batch.shape),
    "reversed": lambda batch: batch[:, ::-1][:, ::-1],
    "object": lambda batch: batch.astype(object),
    "tensor": torch.from_numpy,
    "gradient": lambda batch: torch.from_numpy(batch).requires_grad_(),
}


@every_regressor
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_any_container_of_numbers_gives_what_an_array_gives(make, container):
    expected = make().fit(X, Y).predict(X)
    found = make().fit(container(X), container(Y)).predict(container(X))
    found = found.detach().numpy() if isinstance(found, torch.Tensor) else found
    narrow = container is CONTAINERS["float16"]
    assert relative_error(expected.astype(np.float64), found.astype(np.float64)) < (
        1e-2 if narrow else 1e-4
    )


@pytest.mark.parametrize("unit", [1e-30, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_do_not_depend_on_the_unit(unit, dtype):
    objects = Y.astype(dtype)
    found = relative_error(unit * objects, unit * np.roll(objects, 3, axis=0))
    assert found == pytest.approx(relative_error(objects, np.roll(objects, 3, axis=0)), rel=1e-3)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "uint16", "uint32", "int64", "float16", "longdouble"]
)
def test_distances_of_narrow_types_are_those_of_wide_ones(dtype):
    a, b = (np.array(values).astype(dtype) for values in ([[0, 0, 1, 0]], [[1, 1, 0, 1]]))
    expected = orbit_distance(a.astype(float), b.astype(float))
    np.testing.assert_allclose(orbit_distance(a, b), expected, rtol=1e-3)
    np.testing.assert_allclose(
        register(a, b)[0], register(a.astype(float), b.astype(float))[0], atol=1e-3
    )


# reconstructions


def test_a_forgotten_index_of_the_pattern_is_refused_or_maps_over_patterns():
    found = retriever(n_starts=3).fit(X[:2], Y[:2]).retrieve(X[:2])
    refused(
        lambda: combine_reconstructions(found.starts, X[:2]),
        r"objects of shape \(3, 16, 16\) do not fit|\[0\]",
    )


def test_one_run_has_no_resolution():
    found = retriever(n_starts=1).fit(X[:1], Y[:1]).retrieve(X[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        combined = combine_reconstructions(found.starts[0], X[0])
    assert not combined.resolution >= 0  # NaN or None


def test_a_search_over_a_typo_is_refused():
    refused(
        lambda: GridSearchCV(pipeline(), {"retrieve__regresor__lr": [1e-3]}, cv=2).fit(Y, Y),
        "'regresor'",
    )
    refused(
        lambda: clone(pipeline()).set_params(retrieve__transformer__canonicalise=None),
        "'canonicalise'",
    )


def test_a_shift_in_the_network_does_not_undo_symmetry_breaking():
    refused(
        lambda: broken(augmenter=ShiftFlipAugmenter(max_shift=2, random_state=0)).fit(X, Y),
        "augmenter=.*ShiftFlipAugmenter",
    )


def test_an_axis_of_channels_is_warned_of_by_the_pipeline():
    y = np.repeat(Y[:, None], 3, axis=1)
    with pytest.warns(UserWarning, match="channel"):
        pipeline().fit(y, y)


# pairs


def test_pairs_in_another_order_are_warned_of_once():
    for make in (network, broken, refined):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make().fit(X, Y[::-1])
        assert sum("not pairs" in str(warning.message) for warning in caught) == 1


@pytest.mark.parametrize("parameters", [{}, {"oversampling": 1}], ids=str)
def test_a_pipeline_fitted_on_objects_in_another_order_warns(parameters):
    with pytest.warns(UserWarning, match="not pairs"):
        pipeline(**parameters).fit(Y, np.roll(Y, 1, axis=0))


@every_regressor
def test_intensities_in_the_place_of_magnitudes_are_warned_of(make):
    with pytest.warns(UserWarning, match=r"np\.sqrt\(X\)"):
        make().fit(X**2, Y)


def test_counts_and_intensities_are_told_from_magnitudes_without_objects():
    counts = np.random.default_rng(0).poisson(1e5 * X**2 / (X**2).sum(axis=(1, 2), keepdims=True))
    for intensities in (X**2, counts, counts.astype(np.float32)):
        with pytest.warns(UserWarning, match=r"np\.sqrt\(X\)"):
            retriever().fit(intensities)
    retriever().fit(np.sqrt(counts))


@pytest.mark.parametrize(
    "make", [network, broken, refined, pipeline], ids=["network", "broken", "refined", "pipeline"]
)
def test_training_sets_that_are_zero_everywhere_are_refused(make):
    pairs = [(Y, 0 * Y), (0 * Y, 0 * Y)] if make is pipeline else [(X, 0 * Y), (0 * X, Y)]
    for x, y in pairs:
        refused(lambda x=x, y=y: make().fit(x, y), "is zero everywhere")


# one kind of batch in the place of another


@pytest.mark.filterwarnings("ignore:the objects fill their frame")
@pytest.mark.parametrize(
    "make", [SymmetryCanonicalizer, ShiftFlipAugmenter], ids=["canonicalizer", "augmenter"]
)
@pytest.mark.parametrize(
    "magnitudes", [X, CORNER, X.astype(np.float32)], ids=["centred", "in FFT order", "float32"]
)
def test_symmetries_of_magnitudes_are_warned_of(make, magnitudes):
    with pytest.warns(UserWarning, match="X looks like magnitudes"):
        make().fit(magnitudes)


@pytest.mark.filterwarnings("ignore:the objects fill their frame")
@pytest.mark.parametrize(
    "make", [SymmetryCanonicalizer, ShiftFlipAugmenter], ids=["canonicalizer", "augmenter"]
)
def test_smooth_symmetric_objects_are_no_magnitudes(make):
    r = np.arange(16) - 8
    widths = np.linspace(2, 5, 20)[:, None, None]
    for objects in (
        np.exp(-(r[:, None] ** 2 + r**2) / 2 / widths**2),
        np.exp(-(r[:, None] ** 2) / 2 / widths**2 - (r**2) / 2 / 9),
        Y,
    ):
        make().fit(objects)


def test_canonicalizing_zeros_is_warned_of():
    with pytest.warns(UserWarning, match="zero everywhere"):
        SymmetryCanonicalizer().fit(0 * Y)


def test_objects_to_reconstruct_are_warned_of():
    model = pipeline(oversampling=1).fit(Y, Y)
    measured = FourierMagnitude(oversampling=1).fit_transform(Y)
    with pytest.warns(UserWarning, match="looks like objects, not like measured"):
        model.reconstruct(Y)
    for patterns in (measured, PhotonNoise(100, random_state=0).fit_transform(measured)):
        model.reconstruct(patterns)


@pytest.mark.parametrize("step", [BeamStop(3), Cropping(16), Binning(2)], ids=str)
def test_detector_steps_warn_of_patterns_that_are_not_centred(step):
    step.fit(X).transform(X)
    with pytest.warns(UserWarning, match="zero frequency at index 0"):
        step.fit(CORNER).transform(CORNER)


def test_steps_without_a_parameter_centered_do_not_name_it():
    with pytest.warns(
        UserWarning, match="Cropping expects it in the middle: pass numpy.fft.fftshift"
    ):
        Cropping(16).fit_transform(CORNER)
    BeamStop(3, centered=False).fit_transform(CORNER)


def test_a_batch_of_images_is_no_volume_to_a_ring_correlation():
    for batch in (Y, Y[:2]):
        with pytest.warns(UserWarning, match=r"first\[i\], second\[i\]"):
            fourier_ring_correlation(batch, batch)
    volume = make_crystals(1, shape=(12, 12, 12), random_state=0).data[0]
    fourier_ring_correlation(volume, volume)
    noise = np.random.default_rng(0).random((12, 12, 12))
    fourier_ring_correlation(noise, noise)


# parameters set after the fit

LATER = [
    (SymmetryCanonicalizer, {"shift": "box"}),
    (SymmetryCanonicalizer, {"flip": None}),
    (SymmetryCanonicalizer, {"background": 0.01}),
    (SymmetryCanonicalizer, {"boundary": "circular"}),
    (ShiftFlipAugmenter, {"frame_shape": 32}),
    (FourierMagnitude, {"oversampling": 1}),
    (GaussianMagnitude, {"n_measurements": 9}),
    (network, {"magnitude_scaling": "log"}),
    (network, {"centered": False}),
    (retriever, {"object_shape": (15, 15)}),
    (pipeline, {"magnitude__oversampling": 1}),
]


@pytest.mark.parametrize(
    ("make", "parameters"), LATER, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_what_only_fit_reads_asks_for_a_new_fit(make, parameters):
    estimator = make().fit(X, Y) if make in REGRESSORS.values() else make().fit(Y, Y)
    before = estimator.get_params()
    batch = X if make in REGRESSORS.values() else Y
    refused(
        lambda: used(estimator.set_params(**parameters))(batch),
        "was set after fit, .*: call fit again",
    )
    estimator.set_params(**{name: before[name] for name in parameters})
    used(estimator)(batch)


@pytest.mark.parametrize(
    "parameters", [{"transformer__shift": "box"}, {"regressor__lr": 0.1}], ids=str
)
def test_parameters_of_parts_set_after_the_fit_are_warned_of(parameters):
    model = SymmetryBreakingRegressor(network(), SymmetryCanonicalizer()).fit(X, Y)
    model.predict(X)
    with pytest.warns(UserWarning, match="set after fit"):
        model.set_params(**parameters).predict(X)


def test_a_refiner_set_after_the_fit_is_warned_of():
    model = refined().fit(X, Y)
    with pytest.warns(
        UserWarning, match="refiner=None was set after fit, but RefinedRegressor predicts as it was"
    ):
        model.set_params(refiner=None).predict(X)


# messages


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ("loss", "callbacks='loss' is not a list; give"),
        ({"loss": 3}, "is not a list; give"),
        ([3], "callbacks holds 3, which is not a callback"),
        ([("loss", 3)], r"callbacks holds \('loss', 3\), which is not a callback"),
    ],
    ids=str,
)
def test_what_is_no_callback_is_refused(callbacks, message):
    refused(lambda: network(callbacks=callbacks).fit(X, Y), message)


@pytest.mark.parametrize("loss", [OrbitLoss(), RelativeSquaredError(), MeanSquaredError()], ids=str)
def test_losses_compare_tensors_of_one_shape(loss):
    images = torch.from_numpy(Y)
    refused(lambda: loss(Y, Y), "compares tensors, but was given ndarray and ndarray")
    for other in (images[:1], images[:, None]):  # which would be broadcast
        refused(lambda other=other: loss(images, other), "compares batches of one shape")


ECHOED = [
    (lambda: retriever(start=X).fit(X, Y), "start"),
    (lambda: retriever(tol=X).fit(X, Y), "tol"),
    (lambda: retriever(constraints=Y).fit(X, Y), "constraints"),
    (lambda: retriever(object_shape=Y).fit(X, Y), "object_shape"),
    (lambda: network(detector=Y).fit(X, Y), "detector"),
    (lambda: network(device=Y).fit(X, Y), "device"),
    (lambda: SymmetryCanonicalizer(background=Y).fit(Y), "background"),
    (lambda: FourierMagnitude(Y).fit(Y), "oversampling"),
    (lambda: BeamStop(Y).fit(X), "size"),
    (lambda: SymmetryBreakingRegressor(network(), Y).fit(X, Y), "transformer"),
    (lambda: combine_reconstructions(Y[:3], errors=Y), "errors"),
]


@pytest.mark.parametrize(("call", "name"), ECHOED, ids=[name for _, name in ECHOED])
def test_arrays_are_echoed_by_their_shape(call, name):
    refused(call, rf"^{name}=<ndarray of shape \(24, \d\d, \d\d\), float32> ")


def test_a_batch_of_patterns_is_refused_before_anything_is_said_of_its_layout():
    with pytest.raises(ValueError, match=r"magnitudes\[0\] and retrieval.starts\[0\]"):
        combine_reconstructions(np.repeat(Y[:, None], 3, axis=1), X)


@pytest.mark.parametrize("make", [broken, refined], ids=["broken", "refined"])
def test_values_that_are_no_magnitudes_are_refused_before_anything_is_said_of_them(make):
    infinite = X.copy()
    infinite[3, 4, 5] = np.inf
    for batch, message in ((-X, "Negative values"), (infinite, "infinity in 1 of")):
        with pytest.raises(ValueError, match=message):
            make().fit(batch, Y)


@every_regressor
def test_the_layout_of_pairs_is_said_once(make):
    y = np.repeat(Y[:, None], 3, axis=1)
    x = np.abs(np.fft.fftshift(np.fft.fftn(y, axes=(1, 2, 3)), axes=(1, 2, 3)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make().fit(x, y)
    assert sum("channel" in str(warning.message) for warning in caught) == 1


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e200, 1e300])
def test_iterations_retrieve_objects_of_any_double(unit):
    wide = X.astype(np.float64)
    expected = retriever(n_iter=30).fit(wide, Y).predict(wide)
    found = retriever(n_iter=30).fit(unit * wide, Y).predict(unit * wide)
    assert relative_error(expected, found / unit) < 1e-9


def test_scores_and_metrics_of_exact_images_agree():
    assert orbit_psnr(Y, Y, data_range=1.0) == orbit_psnr(0 * Y, 0 * Y, data_range=1.0) == 120


def test_nothing_depends_on_the_default_device_of_torch():
    expected = (
        network().fit(X, Y).predict(X),
        retriever().fit(X, Y).predict(X),
        BeamStop().fit_transform(X),
    )
    torch.set_default_device("meta")
    try:
        found = (
            network().fit(X, Y).predict(X),
            retriever().fit(X, Y).predict(X),
            BeamStop().fit_transform(X),
        )
        score = broken().fit(X, Y).score(X, Y)
    finally:
        torch.set_default_device(None)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert 0 < score < 1


@pytest.mark.parametrize(
    "container", [list, lambda x: x.astype(np.longdouble)], ids=["list", "longdouble"]
)
def test_checks_and_reorderings_of_patterns_take_any_container(container):
    with pytest.warns(UserWarning, match="zero frequency at index 0"):
        check_centring(container(CORNER), True, "a network")
    np.testing.assert_array_equal(to_centred(container(CORNER)), X)


# --- steps, axes and layouts that are not what was meant ------------------------------------------

VOLUME = make_crystals(1, shape=(12, 12, 12), random_state=0).data[0]
FLAT = Y.reshape(len(Y), -1)


def messages(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in caught]


def test_a_step_that_moves_canonical_objects_is_refused():
    steps = SymmetryCanonicalizer(), ShiftFlipAugmenter(boundary="circular", random_state=0)
    with pytest.raises(
        ValueError,
        match="behind the canonicalizer, moves objects within their orbits, which undoes",
    ):
        SymmetryBreakingRegressor(network(), make_pipeline(*steps)).fit(X, Y)
    moved_before = SymmetryBreakingRegressor(
        network(), make_pipeline(*steps[::-1]), check_inverse=False
    )
    assert not any("within their orbits" in one for one in messages(lambda: moved_before.fit(X, Y)))


@pytest.mark.parametrize(
    "make", [lambda: RefinedRegressor(network()), retriever], ids=["refined", "retriever"]
)
def test_iterations_refuse_magnitudes_of_a_random_matrix(make):
    measured = GaussianMagnitude(random_state=0).fit_transform(FLAT)
    with pytest.raises(
        ValueError, match="do(es)? not (correlate with|hold Fourier magnitudes of y)"
    ):
        make().fit(measured, FLAT)
    assert messages(lambda: retriever().fit(X, np.zeros_like(Y))) == []  # for the shape


@pytest.mark.parametrize(
    ("step", "way"),
    [
        (
            SymmetryCanonicalizer(boundary="circular"),
            "SymmetryBreakingRegressor(regressor, transformer)",
        ),
        (
            ShiftFlipAugmenter(boundary="circular"),
            "SymmetryBreakingRegressor(regressor, transformer)",
        ),
        (RandomDeformation(), "PhaseRetrievalRegressor(augmenter=RandomDeformation())"),
    ],
    ids=["canonicalizer", "augmenter", "deformation"],
)
def test_steps_that_leave_the_targets_behind_are_pointed_out(step, way):
    found = messages(lambda: make_pipeline(step, FourierMagnitude(), network()).fit(Y, Y.copy()))
    about = [one for one in found if "it changes only X and leaves the targets unchanged" in one]
    assert sum(way in one for one in about) == 1
    assert not any("equals X" in one for one in messages(lambda: step.fit(Y)))


@pytest.mark.parametrize(
    ("batch", "way"),
    [
        (VOLUME, r"X\[None\]"),
        (FourierMagnitude().fit_transform(VOLUME[None])[0], r"X\[None\]"),
        (
            X.reshape(4, 6, *X.shape[1:]),
            r"grid of 4 x 6 positions, give X.reshape\(-1, \*X.shape\[2:\]\)",
        ),
        (np.moveaxis(X, 0, -1), r"numpy.moveaxis\(X, -1, 0\)"),
    ],
    ids=["volume", "pattern of a volume", "grid", "samples last"],
)
def test_axes_in_another_order_are_pointed_out(batch, way):
    found = messages(
        lambda: IterativePhaseRetrieval(n_iter=1, constraints="complex").fit(
            batch.astype(np.float64)
        )
    )
    assert sum(re.search(way, one) is not None for one in found) == 1


def test_flattened_images_are_pointed_out_where_shape_matters():
    with pytest.warns(
        UserWarning, match=r"flattened images of 16 x 16; if they are, give X.reshape\(-1, 16, 16\)"
    ):
        FourierMagnitude().fit_transform(FLAT)
    with pytest.warns(UserWarning, match="y of shape .* looks like flattened images of 16 x 16"):
        SymmetryBreakingRegressor(Ridge(), symmetries="phase").fit(X.reshape(len(X), -1), FLAT)
    pixels = np.arange(256)
    waves = np.cos(2 * np.pi * pixels / 16 + np.arange(24)[:, None])
    pulses = np.exp(-((pixels - np.arange(20, 212, 8)[:, None]) ** 2) / 40)
    assert messages(lambda: [FourierMagnitude().fit(batch) for batch in (waves, pulses)]) == []


def test_deformed_magnitudes_are_pointed_out():
    with pytest.warns(
        UserWarning, match="X looks like magnitudes, .* deformed magnitudes belong to no object"
    ):
        RandomDeformation().fit_transform(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lr": "1e-3"}, "^lr='1e-3' is not valid; give a number >= 0"),
        (
            {"criterion": torch.nn.functional.mse_loss},
            "^criterion=.* is a function of input, target, not a class; give ",
        ),
        ({"module": lambda x: x}, "^module=.* is a function of x, not a class; give 'mlp'"),
    ],
    ids=["lr", "criterion", "module"],
)
@pytest.mark.parametrize("make", [network, broken])
def test_parts_of_a_network_that_are_none_are_refused(parameters, message, make):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(X, Y)


class Unweighted(torch.nn.Module):
    def forward(self, x):
        return x


def test_a_network_without_a_constructor_is_given_nothing_and_has_no_weights():
    with pytest.raises(
        ValueError, match="^module=.*Unweighted.* has no weights to train; define its layers"
    ):
        PhaseRetrievalRegressor(Unweighted, max_epochs=1, device="cpu").fit(X, Y)


def test_data_sets_are_taken_apart_in_the_message():
    pairs = TensorDataset(torch.from_numpy(Y), torch.from_numpy(Y))
    for make in (pipeline, broken):
        with pytest.raises(
            ValueError,
            match=r"y is None.* in place of a TensorDataset, as in fit\(\*dataset.tensors\)",
        ):
            make().fit(pairs, None)


def test_magnitudes_given_to_a_pipeline_that_simulates_are_told_where_to_go():
    model = make_pipeline(FourierMagnitude(), network()).fit(Y, Y)
    for call in (
        lambda: model.predict(X),
        lambda: ReconstructionDisplay.from_estimator(model, X, Y),
    ):
        with pytest.raises(
            ValueError, match=r"shape of their magnitudes.*model\[1:\].predict\(magnitudes\)"
        ):
            call()


@pytest.mark.parametrize(
    "forward", [FourierMagnitude, partial(GaussianMagnitude, random_state=0)], ids=["F", "A"]
)
@pytest.mark.parametrize("make", [pipeline, None], ids=["factory", "steps"])
def test_a_simulation_of_other_objects_than_the_targets_is_pointed_out(forward, make):
    y = make_crystals(24, shape=(16, 16), max_phase=3.0, random_state=0).data
    if forward is not FourierMagnitude:
        y, make = y.reshape(24, -1), None
    model = make_pipeline(forward(), network()) if make is None else make()
    assert (
        sum("X holds the moduli of y" in one for one in messages(lambda: model.fit(np.abs(y), y)))
        == 1
    )
    assert not any("simulated from X" in one for one in messages(lambda: model.fit(y, y.copy())))


def test_deformed_targets_of_measured_magnitudes_are_refused():
    steps = make_pipeline(RandomDeformation(), SymmetryCanonicalizer(boundary="circular"))
    with pytest.raises(
        ValueError, match=r"RandomDeformation\(\) of transformer deforms targets.*augmenter=Random"
    ):
        SymmetryBreakingRegressor(network(), steps).fit(X, Y)
    found = messages(
        lambda: make_pipeline(RandomDeformation(), FourierMagnitude(), network()).fit(Y, Y.copy())
    )
    assert any(
        "X and y no longer belong together" in one and "augmenter=RandomDeformation()" in one
        for one in found
    )
