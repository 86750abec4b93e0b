import warnings

import numpy as np
import pytest
import torch

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr._arrays import check_batch
from skpr.datasets import load_digit_objects, make_crystals
from skpr.metrics import orbit_psnr


@pytest.mark.parametrize(
    ("shape", "way"),
    [
        ((5, 1, 16, 16), r"axis of 1 holds channels, give images without it, X\[:, 0\]"),
        ((5, 1, 8, 40), r"axis of 1 .*X\[:, 0\]"),
        (
            (5, 3, 16, 16),
            r"axis of 3 .*one channel per sample, X.reshape\(-1, \*X.shape\[2:\]\), or .*X\[:, 0\]",
        ),
        ((5, 4, 32, 32), r"axis of 4 .*one channel per sample"),
        ((5, 16, 16, 3), r"axis of 3 .*one channel per sample, numpy.moveaxis.*X\[..., 0\]"),
        ((5, 16, 16, 1), r"axis of 1 .*X\[..., 0\]"),
        ((40, 32, 3), r"one image with an axis of channels.*numpy.moveaxis\(X, -1, 0\)"),
    ],
)
@pytest.mark.parametrize("container", [np.ones, torch.ones], ids=["array", "tensor"])
def test_an_axis_of_channels_is_pointed_out(shape, way, container):
    batch = container(shape)
    with pytest.warns(UserWarning, match=way):
        check_batch(batch)
    with pytest.warns(UserWarning, match=way):
        FourierMagnitude().fit_transform(batch)


@pytest.mark.parametrize(
    "shape",
    [
        (5, 8, 8, 8),
        (5, 3, 8, 8),
        (5, 2, 64, 64),
        (5, 5, 64, 64),
        (5, 4, 16, 16),
        (3, 16, 16),
        (1, 64, 64),
        (50, 64, 2),
    ],
    ids=str,
)
def test_volumes_and_images_are_ordinary(shape):
    batch = np.random.default_rng(0).random(shape)
    assert check_batch(batch) is batch


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_one_image_without_the_axis_of_samples_is_pointed_out(scale):
    images = [
        *load_digit_objects().data[:40],
        *make_crystals(4, shape=(24, 24), random_state=0).data,
    ]
    pointed_out = 0
    for image in images:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_batch(image * np.float64(scale))
        pointed_out += any(
            "its rows look like those of one image; if it is one sample, give X[None]"
            in str(w.message)
            for w in caught
        )
    assert pointed_out > 0.8 * len(images)


def test_one_pattern_without_the_axis_of_samples_is_pointed_out():
    pattern = FourierMagnitude().fit_transform(
        make_crystals(1, shape=(24, 24), random_state=0).data
    )[0]
    pattern[20:28, 20:28] = np.nan  # behind a beam stop
    with pytest.warns(UserWarning, match=r"interpreted as 48 signals of 48 pixels.*X\[None\]"):
        IterativePhaseRetrieval(n_iter=1, constraints="complex", random_state=0).fit(pattern)


@pytest.mark.parametrize("seed", range(20))
def test_signals_are_no_image(seed):
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 32, 32)
    pulses = np.exp(-((np.arange(32) - place[:, None]) ** 2) / 20)
    for signals in (
        pulses,
        rng.standard_normal((32, 40)),
        rng.random((32, 20)) + 5,
        np.tile(pulses[0], (32, 1)),
    ):
        check_batch(signals)  # warnings are errors


X_AXIS = np.arange(64)
FAMILIES = {
    "places": np.array([np.exp(-((X_AXIS - 20 - c / 2) ** 2) / 40) for c in range(40)]),
    "widths": np.array([np.exp(-((X_AXIS - 32) ** 2) / (20 + 8 * c)) for c in range(40)]),
    "chirps": np.array(
        [np.exp(-((X_AXIS - 32) ** 2) * (1 / 80 - 1j * c / 2000)) for c in range(50)]
    ),
    "decays": np.array([np.exp(-X_AXIS / (2 + c)) for c in range(40)]),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_signals_in_the_order_of_a_parameter_are_no_image(family):
    for batch in (family, np.abs(np.fft.fftshift(np.fft.fft(family, 128), axes=1))):
        check_batch(batch)  # warnings are errors


def test_thin_volumes_whose_layers_differ_are_no_channels():
    check_batch(np.random.default_rng(0).random((5, 3, 24, 24)))
    with pytest.warns(
        UserWarning,
        match="volumes 3 pixels thick may stay as they are; if the axis of 3 holds channels",
    ):
        check_batch(np.ones((5, 3, 24, 24)))


@pytest.mark.parametrize("shape", [(12,), (12, 12), (12, 12, 12)], ids=str)
def test_batches_of_as_many_samples_as_pixels_are_ordinary(shape):
    objects = make_crystals(12, shape=(12,) * 2, random_state=0).data if len(shape) == 2 else None
    objects = np.random.default_rng(0).random((12, *shape)) if objects is None else objects
    for batch in (objects, FourierMagnitude().fit_transform(objects)):
        assert check_batch(batch) is batch


def test_one_sample_of_the_fitted_shape_is_told_to_be_one():
    magnitude = FourierMagnitude().fit(np.ones((3, 4, 5)))
    with pytest.raises(
        ValueError, match=r"X has samples of shape \(5,\), .* if X is one sample, give X\[None\]"
    ):
        magnitude.transform(np.ones((4, 5)))


COLOURS = np.random.default_rng(0).random((6, 1, 16, 16)) * np.array([0.5, 1.0, 0.8])[:, None, None]
NET = PhaseRetrievalRegressor(
    max_epochs=1, module__hidden_width=4, device="cpu", random_state=0, early_stopping=True
)


@pytest.mark.parametrize(
    "estimator",
    [
        FourierMagnitude(),
        SymmetryCanonicalizer("box", None),
        NET,
        SymmetryBreakingRegressor(NET, SymmetryCanonicalizer("box", None)),
        RefinedRegressor(
            NET, IterativePhaseRetrieval(n_iter=1, random_state=0), symmetries="fourier"
        ),
        make_phase_retriever(
            max_epochs=1, module__hidden_width=4, shift="box", flip=None, device="cpu"
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fit_warns_in_one_sentence_once_for_each_batch_and_at_the_line_of_the_user(estimator):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(COLOURS, COLOURS if hasattr(estimator, "reconstruct") else COLOURS[..., ::-1])
    caught = [warning for warning in caught if "interpreted as volumes" in str(warning.message)]
    assert {warning.filename for warning in caught} == {__file__}
    assert len({str(warning.message) for warning in caught}) == 1
    assert len(caught) <= 2


def test_functions_that_call_others_warn_once_for_each_batch():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        orbit_psnr(COLOURS, COLOURS + 0.1, data_range=1.0)
    assert len(caught) == 2


CRYSTALS = make_crystals(24, shape=(24, 24), random_state=0).data
STRAINED = make_crystals(24, shape=(24, 24), max_phase=3.0, random_state=0).data


@pytest.mark.parametrize("objects", [CRYSTALS, STRAINED], ids=["real", "complex"])
@pytest.mark.parametrize(
    "kind", [np.ascontiguousarray, lambda batch: torch.from_numpy(batch.copy())]
)
def test_objects_along_another_axis_than_the_first_are_told(objects, kind):
    with pytest.warns(
        UserWarning, match=r"slices along the last axis are unrelated.*numpy.moveaxis\(X, -1, 0\)"
    ):
        check_batch(kind(np.moveaxis(objects, 0, -1)))
    with pytest.warns(
        UserWarning, match=r"slices are unrelated to each other.*grid of 2 x 12 positions"
    ):
        check_batch(kind(objects.reshape(2, 12, 24, 24)))


VOLUMES = make_crystals(4, shape=(24, 24, 24), random_state=0).data
MOVIE = np.array([np.roll(CRYSTALS[0], n // 6, axis=0) for n in range(24)])


@pytest.mark.parametrize(
    "batch",
    [
        CRYSTALS,
        CRYSTALS[:, :12],
        VOLUMES,
        VOLUMES[:, ::3],
        VOLUMES * np.exp(3j * VOLUMES),
        VOLUMES * (np.arange(24) % 2)[:, None, None],
        VOLUMES[:, 6:18],
        MOVIE[..., :12],
        np.repeat(CRYSTALS.reshape(2, 12, 24, 24), 3, axis=1),
        np.random.default_rng(0).random((6, 12, 16, 16)),
        CRYSTALS[:20].reshape(5, 4, 24, 24),
        np.ones((12, 12, 12, 12)),
        np.zeros((12, 12, 14)),
    ],
)
def test_axes_of_space_are_taken_for_no_others(batch):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_batch(batch)
    assert not any("unrelated" in str(warning.message) for warning in caught)


def test_volumes_along_the_last_axis_are_told():
    volumes = make_crystals(12, shape=(16, 16, 16), random_state=0).data
    with pytest.warns(UserWarning, match="its 12 slices along the last axis are unrelated"):
        check_batch(np.moveaxis(volumes, 0, -1))


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("axis", [1, -1])
def test_patterns_of_thin_volumes_have_no_channels(centered, axis):
    digits = load_digit_objects().data[:6]
    slabs = np.stack([digits, 0.9 * digits, 0.7 * digits], axis=axis)
    patterns = np.abs(np.fft.fftn(slabs, axes=(1, 2, 3)))
    patterns = np.fft.fftshift(patterns, axes=(1, 2, 3)) if centered else patterns
    single = np.abs(np.fft.fftn(slabs, axes=(2, 3) if axis == 1 else (1, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_batch(patterns)
        thick = [2 * n for n in slabs.shape[1:]]
        patterns = np.abs(np.fft.fftn(slabs, thick, axes=(1, 2, 3)))
        IterativePhaseRetrieval(centered=False).fit(patterns, slabs)
    with pytest.warns(UserWarning, match="if the axis of 3 holds channels"):
        check_batch(single)
