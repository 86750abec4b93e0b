"""The estimator: starts, schedules, shapes, determinism, interruption, bad input."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import PhotonNoise
from skpr.iterative import _retrieval, _run
from skpr.metrics import fourier_error, neg_relative_error_scorer, relative_error
from tests.conftest import random_objects


@pytest.fixture(scope="module")
def crystals():
    objects = make_crystals(5, shape=(20, 20), random_state=0).data
    return objects, FourierMagnitude().fit_transform(objects)


def retriever(algorithm="auto", n_iter=60, **settings):
    return IterativePhaseRetrieval(
        algorithm, n_iter, **({"random_state": 0, "device": "cpu"} | settings)
    )


def test_the_best_start_is_the_one_with_the_smallest_fourier_error(crystals):
    objects, magnitudes = crystals
    found = retriever(n_starts=4).fit(magnitudes, objects).retrieve(magnitudes)
    assert found.starts.shape == (5, 4, 20, 20)
    for s in range(4):
        errors = fourier_error(magnitudes, found.starts[:, s], multioutput="raw_values")
        np.testing.assert_allclose(found.start_errors[:, s], errors, atol=1e-4)
    best = found.start_errors.argmin(axis=1)
    assert np.array_equal(found.objects, found.starts[np.arange(5), best])
    assert np.array_equal(found.errors, found.start_errors.min(axis=1))
    assert len(np.unique(found.start_errors)) > 5  # the starts differ


def test_same_seed_same_result_and_another_seed_another(crystals):
    objects, magnitudes = crystals
    one, two = (retriever().fit(magnitudes, objects).predict(magnitudes) for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(
        one, retriever(random_state=1).fit(magnitudes, objects).predict(magnitudes)
    )


@pytest.mark.parametrize(
    "settings", [{}, {"n_starts": 3}, {"support": "shrinkwrap"}, {"start": "autocorrelation"}]
)
def test_a_reconstruction_does_not_depend_on_its_batch_or_chunk(crystals, settings, monkeypatch):
    objects, magnitudes = crystals
    model = retriever(n_iter=20, **settings).fit(magnitudes, objects)
    together = model.predict(magnitudes)
    monkeypatch.setattr(
        _run, "chunks_of", lambda n, _: [slice(i, min(i + 2, n)) for i in range(0, n, 2)]
    )
    np.testing.assert_allclose(model.predict(magnitudes), together, atol=1e-4)
    np.testing.assert_allclose(model.predict(magnitudes[3:4]), together[3:4], atol=1e-4)


def test_float32_and_float64_agree_from_a_good_start(crystals):
    objects, magnitudes = crystals
    start = objects * (1 + 0.05 * np.random.default_rng(0).normal(size=objects.shape))
    found = {}
    for dtype in (np.float32, np.float64):
        model = retriever("apg", 300, tol=0).fit(magnitudes.astype(dtype), objects)
        found[dtype] = model.retrieve(magnitudes.astype(dtype), init=start).objects
        assert found[dtype].dtype == dtype
    assert np.abs(found[np.float32] - found[np.float64]).max() < 2e-3


def test_converged_samples_leave_the_batch(crystals):
    objects, magnitudes = crystals
    mixed = objects.copy()
    mixed[1::2] = np.random.default_rng(0).random(objects[1::2].shape)
    found = (
        retriever(n_iter=100, tol=1e-4).fit(magnitudes, objects).retrieve(magnitudes, init=mixed)
    )
    assert (found.n_iter[::2, 0] == 1).all()
    assert (found.n_iter[1::2, 0] > 1).all()
    assert (found.errors[::2] <= 1e-4).all()


def test_history_ends_where_a_sample_is_done_and_agrees_with_its_error(crystals):
    objects, magnitudes = crystals
    found = (
        retriever(n_iter=100, tol=1e-3, n_starts=2)
        .fit(magnitudes, objects)
        .retrieve(magnitudes, return_history=True)
    )
    assert found.history.shape == (5, 2, 100)
    for i in range(5):
        for s in range(2):
            recorded = found.history[i, s][~np.isnan(found.history[i, s])]
            assert len(recorded) == found.n_iter[i, s]
            assert recorded[-1] == pytest.approx(found.start_errors[i, s], rel=1e-6)


def test_a_schedule_runs_its_stages_in_order(crystals):
    objects, magnitudes = crystals
    model = retriever([("hio", 40, 0.9), ("er", 20)], tol=0).fit(magnitudes, objects)
    history = model.retrieve(magnitudes, return_history=True).history[:, 0]
    assert history.shape == (5, 60)
    alone = (
        retriever("hio", 40, beta=0.9, tol=0)
        .fit(magnitudes, objects)
        .retrieve(magnitudes, return_history=True)
    )
    np.testing.assert_allclose(history[:, :40], alone.history[:, 0], rtol=1e-3)
    assert np.diff(history[:, 41:]).max() <= 1e-6


def test_the_default_schedule_beats_plain_hybrid_input_output():
    objects = make_crystals(24, shape=(24, 24), random_state=3).data
    magnitudes = FourierMagnitude().fit_transform(objects)
    errors = {}
    for name in ("auto", "hio"):
        model = retriever(name, 150).fit(magnitudes, objects)
        errors[name] = np.median(
            relative_error(objects, model.predict(magnitudes), multioutput="raw_values")
        )
    assert errors["auto"] < errors["hio"] / 10


@pytest.mark.parametrize("support", ["frame", "autocorrelation", "shrinkwrap"])
def test_every_support_finds_crystals(crystals, support):
    objects, magnitudes = crystals
    model = retriever(n_iter=300, n_starts=4, support=support).fit(magnitudes, objects)
    assert (
        np.median(relative_error(objects, model.predict(magnitudes), multioutput="raw_values"))
        < 0.01
    )


def test_complex_crystals_are_found_by_shrinkwrap():
    objects = make_crystals(3, shape=(32, 32), max_phase=1.0, random_state=0).data
    magnitudes = FourierMagnitude().fit_transform(objects)
    tight = {"support": "shrinkwrap", "threshold": 0.2, "shrinkwrap_sigma": (2.0, 0.7)}
    model = retriever([("hio", 400), ("er", 50)], n_starts=6, **tight).fit(magnitudes, objects)
    found = model.predict(magnitudes)
    assert found.dtype == np.complex64
    assert np.median(relative_error(objects, found, multioutput="raw_values")) < 0.01


def test_frame_and_kind_come_from_the_objects_or_from_the_parameters(crystals):
    objects, magnitudes = crystals
    assert retriever().fit(magnitudes).object_shape_ == (20, 20)
    assert retriever(object_shape=(16, 18)).fit(magnitudes).object_shape_ == (16, 18)
    assert retriever(object_shape=16).fit(magnitudes).object_shape_ == (16, 16)
    assert retriever().fit(magnitudes).constraints_ == "non_negative"
    assert retriever().fit(magnitudes, -objects).constraints_ == "real"
    assert retriever().fit(magnitudes, 1j * objects).constraints_ == "complex"
    assert retriever(constraints="complex").fit(magnitudes, objects).constraints_ == "complex"


def test_bounds_are_kept_in_the_units_of_the_objects(crystals):
    objects, magnitudes = crystals
    found = retriever("er", constraints=(0.0, 0.6)).fit(magnitudes, objects).predict(magnitudes)
    assert found.min() >= 0
    assert found.max() == pytest.approx(0.6, rel=1e-5)
    found = (
        retriever("er", constraints=(0.0, 0.6)).fit(magnitudes, 1j * objects).predict(magnitudes)
    )
    assert np.abs(found).max() == pytest.approx(0.6, rel=1e-5)


def test_one_support_a_sample(crystals):
    objects, magnitudes = crystals
    supports = objects > 0
    found = retriever(n_iter=300, support=supports).fit(magnitudes, objects).predict(magnitudes)
    assert not found[~supports].any()
    assert relative_error(objects, found) < 1e-6


def test_tensors_come_back_as_tensors(crystals):
    objects, magnitudes = crystals
    model = retriever().fit(magnitudes, objects)
    found = model.predict(torch.from_numpy(magnitudes))
    assert isinstance(found, torch.Tensor)
    assert np.array_equal(found.numpy(), model.predict(magnitudes))


def test_in_a_pipeline_and_a_grid(crystals):
    objects, _ = crystals
    model = make_pipeline(FourierMagnitude(), retriever())
    search = GridSearchCV(
        model,
        {"iterativephaseretrieval__algorithm": ["er", "auto"]},
        scoring=neg_relative_error_scorer,
        cv=2,
    ).fit(objects, objects)
    assert search.best_params_ == {"iterativephaseretrieval__algorithm": "auto"}


def test_uncentred_magnitudes(crystals):
    objects, magnitudes = crystals
    corner = np.fft.ifftshift(magnitudes, axes=(1, 2))
    one = retriever().fit(magnitudes, objects).predict(magnitudes)
    other = retriever(centered=False).fit(corner, objects).predict(corner)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("n_finished", [0, 1, 3])
def test_an_interrupt_returns_at_once_and_keeps_finished_starts(crystals, monkeypatch, n_finished):
    objects, magnitudes = crystals
    model = retriever(n_starts=2).fit(magnitudes, objects)
    whole = model.retrieve(magnitudes)
    monkeypatch.setattr(_run, "chunks_of", lambda n, _: [slice(i, i + 2) for i in range(0, n, 2)])
    run, calls = _run.run_schedule, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) > n_finished:
            raise KeyboardInterrupt
        return run(*args, **kwargs)

    monkeypatch.setattr(_run, "run_schedule", interrupted)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        found = model.retrieve(magnitudes)
    assert len(calls) == n_finished + 1
    assert found.finished.sum() == 2 * n_finished
    np.testing.assert_allclose(
        found.starts[found.finished], whole.starts[found.finished], atol=1e-4
    )
    np.testing.assert_array_equal(np.isnan(found.start_errors), ~found.finished)
    if n_finished < 3:
        calls.clear()
        with pytest.warns(RuntimeWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
            model.predict(magnitudes)


def test_an_interrupt_keeps_what_converged_in_the_running_chunk(crystals, monkeypatch):
    objects, magnitudes = crystals
    mixed = objects.copy()
    mixed[1::2] = np.random.default_rng(0).random(objects[1::2].shape)
    model = retriever("er", n_iter=100, tol=1e-4).fit(magnitudes, objects)
    advance, calls = _retrieval.IterationLine.advance, []

    def interrupted(line):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        advance(line)

    monkeypatch.setattr(_retrieval.IterationLine, "advance", interrupted)
    with pytest.warns(RuntimeWarning, match="interrupted: 3 of 5 starts have finished"):
        found = model.retrieve(magnitudes, init=mixed)
    assert found.finished[:, 0].tolist() == [True, False, True, False, True]
    assert relative_error(objects[::2], found.objects[::2]) < 1e-6
    assert np.isnan(found.errors[1::2]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "gs"}, "algorithm='gs' is not valid; choose 'auto', 'er', 'hio'"),
        (
            {"algorithm": [("hio", 10), ("gs", 5)]},
            "algorithm='gs' is not valid; choose 'er', 'hio'",
        ),
        ({"algorithm": []}, r"algorithm=\[\] is not valid; give a name or a list"),
        ({"algorithm": [("hio",)]}, "has the stage"),
        ({"algorithm": [("hio", 0)]}, "n_iter of 'hio'=0 is not valid; give an integer >= 1"),
        (
            {"algorithm": [("hio", 5, 2.0)]},
            "beta=2.0 is not valid; give a number with 0 < beta <= 1",
        ),
        ({"n_iter": 0}, "n_iter=0 is not valid"),
        ({"beta": 0}, "beta=0 is not valid"),
        (
            {"support": "circle"},
            "support='circle' is not valid; choose 'auto', 'frame', 'autocorrelation', "
            "'shrinkwrap' or 'search'",
        ),
        ({"support": np.ones((3, 3))}, r"support has shape \(3, 3\); give one of shape \(20, 20\)"),
        ({"support": np.zeros((20, 20))}, "support is empty"),
        ({"object_shape": (50, 50)}, r"object_shape=\(50, 50\)"),
        (
            {"constraints": "positive"},
            "constraints='positive' is not valid; choose 'auto', 'non_negative'",
        ),
        ({"constraints": (1.0, 0.0)}, r"constraints=\(1.0, 0.0\) is not valid"),
        ({"n_starts": 0}, "n_starts=0 is not valid"),
        (
            {"start": "zero"},
            "start='zero' is not valid; choose 'random', 'autocorrelation' or 'coarse'",
        ),
        ({"tol": -1}, "tol=-1 is not valid"),
        ({"threshold": 2}, "threshold=2 is not valid"),
        ({"shrinkwrap_sigma": 3}, "shrinkwrap_sigma=3 is not valid"),
        ({"shrinkwrap_interval": 0}, "shrinkwrap_interval=0 is not valid"),
        ({"device": "abacus"}, "device='abacus' is not a device"),
    ],
    ids=str,
)
def test_parameters_that_are_not_valid_are_refused(crystals, settings, message):
    _, magnitudes = crystals
    with pytest.raises(ValueError, match=message):
        retriever(**settings).fit(magnitudes)


def test_magnitudes_and_starts_that_cannot_be_are_refused(crystals):
    objects, magnitudes = crystals
    model = retriever().fit(magnitudes, objects)
    with pytest.raises(ValueError, match="magnitudes are >= 0, the smallest here is -1"):
        model.predict(np.where(magnitudes > 1, magnitudes, -1.0))
    hidden = magnitudes.copy()
    hidden[2] = np.nan
    with pytest.raises(
        ValueError, match="NaN in every pixel of 1 of 5 samples, the first at index 2"
    ):
        model.predict(hidden)
    with pytest.raises(ValueError, match="Complex data not supported"):
        model.predict(magnitudes * 1j)
    with pytest.raises(ValueError, match=r"init has shape \(5, 4, 4\)"):
        model.retrieve(magnitudes, init=objects[:, :4, :4])
    with pytest.raises(ValueError, match="init contains NaN"):
        model.retrieve(magnitudes, init=np.full(objects.shape, np.nan))
    with pytest.raises(ValueError, match="contains NaN"):
        retriever().fit(magnitudes, np.full(objects.shape, np.nan))
    with pytest.raises(
        ValueError, match=r"object_shape=\(8, 8\) is not the shape of the objects in y"
    ):
        retriever(object_shape=(8, 8)).fit(magnitudes, objects)


def test_degenerate_patterns_give_finite_objects():
    magnitudes = np.zeros((3, 8, 8))
    magnitudes[1] = 1.0
    magnitudes[2, 4, 4] = 1.0
    found = clone(retriever(n_iter=30)).fit(magnitudes).predict(magnitudes)
    assert np.isfinite(found).all()
    assert not found[0].any()


def test_progress_is_shown_when_asked_for(crystals, capsys):
    objects, magnitudes = crystals
    retriever(verbose=True).fit(magnitudes, objects).predict(magnitudes)
    assert "phase retrieval: 100%" in capsys.readouterr().err
    retriever(verbose=False).fit(magnitudes, objects).predict(magnitudes)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("kind", "bounds"), [("real", (0.3, 0.8)), ("complex", (0.5, 1.0))])
@pytest.mark.parametrize("algorithm", ["auto", "hio", "dm", "admm"])
def test_bounds_above_zero_are_reached(algorithm, kind, bounds):
    rng = np.random.default_rng(0)
    objects = rng.uniform(0.35, 0.75, size=(6, 10, 10))
    if kind == "complex":
        objects = 0.8 * np.exp(1j * rng.uniform(-1, 1, size=(6, 10, 10)))
    magnitudes = FourierMagnitude().fit_transform(objects)
    model = retriever(algorithm, 600, constraints=bounds, n_starts=4).fit(magnitudes, objects)
    assert (
        np.median(relative_error(objects, model.predict(magnitudes), multioutput="raw_values"))
        < 1e-3
    )


@pytest.mark.parametrize(
    ("factor", "dtype", "atol"),
    [
        (2.0**-10, "float32", 0),
        (2.0**10, "float32", 0),
        (1e-3, "float64", 1e-4),
        (1e3, "float64", 1e-4),
    ],
)
def test_the_autocorrelation_start_does_not_depend_on_units(factor, dtype, atol, crystals):
    # powers of two change no bit of a float32 but its exponent; other factors change the last,
    # which iterations amplify
    objects, magnitudes = (part.astype(dtype) for part in crystals)
    found = [
        retriever("er", 10, start="autocorrelation", constraints=(0.0, 2.0 * scale), tol=0)
        .fit(scale * magnitudes, objects)
        .predict(scale * magnitudes)
        / scale
        for scale in (1.0, factor)
    ]
    np.testing.assert_allclose(*found, rtol=0, atol=atol)


def test_a_tolerance_of_the_noise_spares_a_good_start_and_lets_a_bad_one_go_on():
    objects = random_objects((16, 16), "float64", 6)
    magnitudes = FourierMagnitude().fit_transform(objects)
    measured = PhotonNoise(1e5, random_state=0).fit_transform(magnitudes)
    exposed = objects * np.sqrt(1e5 / (magnitudes**2).sum(axis=(1, 2)))[:, None, None]
    model = retriever("auto", n_iter=100, tol="poisson").fit(measured, objects)
    good, bad = (
        model.retrieve(measured, init=init) for init in (exposed, np.roll(exposed[::-1], 3, axis=1))
    )
    assert (good.n_iter == 1).all()
    assert (bad.n_iter > 1).all()
    exact = (
        retriever("auto", n_iter=100)
        .fit(measured, objects)
        .retrieve(measured, init=exposed)
        .objects
    )
    assert relative_error(objects, good.objects) < relative_error(objects, exact)


@pytest.mark.parametrize("factor", [2.0**-100, 2.0**-60, 2.0**60, 2.0**100])
@pytest.mark.parametrize("start", ["random", "autocorrelation"])
def test_magnitudes_of_any_unit_have_the_same_objects(crystals, factor, start):
    objects, magnitudes = crystals
    model = retriever(n_iter=30, start=start).fit(magnitudes, objects)
    expected = model.retrieve(magnitudes)
    found = model.retrieve((factor * magnitudes).astype("float32"))
    np.testing.assert_array_equal(found.errors, expected.errors)
    np.testing.assert_array_equal(found.objects, np.float32(factor) * expected.objects)


def test_a_sample_alone_is_reconstructed_as_in_a_batch():
    # grids on which some libraries' transforms of one sample round otherwise
    for shape in ((16, 16), (8, 8, 8), (24, 24)):
        objects = make_crystals(4, shape=shape, random_state=0).data
        magnitudes = FourierMagnitude().fit_transform(objects)
        model = retriever(n_iter=60, tol=0).fit(magnitudes, objects)
        together = model.predict(magnitudes)
        alone = np.concatenate([model.predict(magnitudes[i : i + 1]) for i in range(4)])
        np.testing.assert_allclose(alone, together, atol=1e-3 * together.max())


def test_the_last_sample_of_a_batch_is_reconstructed_as_in_its_company():
    objects = make_crystals(4, shape=(16, 16), random_state=0).data
    magnitudes = FourierMagnitude().fit_transform(objects)
    model = retriever("hpr", 60, tol=1e-4).fit(magnitudes, objects)
    init = objects.copy()
    init[3] = np.random.default_rng(0).random((16, 16))  # the others are done at once
    found = model.retrieve(magnitudes, init=init)
    assert found.n_iter.ravel().tolist() == [1, 1, 1, 60]
    slow = model.retrieve(magnitudes[[3, 3]], init=init[[3, 3]])
    np.testing.assert_allclose(found.objects[3], slow.objects[0], atol=1e-3 * objects.max())


def test_reported_errors_are_those_of_the_metric_for_noisy_patterns_too(crystals):
    objects, magnitudes = crystals
    measured = PhotonNoise(1e4, random_state=0).fit_transform(magnitudes)
    measured[:, 3:9, 5:30] = np.nan
    found = (
        retriever(n_iter=50, n_starts=2)
        .fit(measured, objects)
        .retrieve(measured, return_history=True)
    )
    errors = fourier_error(measured, found.objects, multioutput="raw_values")
    np.testing.assert_allclose(found.errors, errors, rtol=1e-3)
    last = [[history[np.isfinite(history)][-1] for history in starts] for starts in found.history]
    np.testing.assert_allclose(last, found.start_errors, rtol=1e-3)


def test_the_first_start_does_not_depend_on_how_many_follow(crystals):
    _, magnitudes = crystals
    for constraints in ("non_negative", "complex"):
        few, many = (
            retriever(n_iter=5, n_starts=n, constraints=constraints, support="frame")
            .fit(magnitudes[:2])
            .retrieve(magnitudes[:2])
            for n in (1, 3)
        )
        np.testing.assert_allclose(few.starts[:, 0], many.starts[:, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ({"support": "shrinkwarp"}, "support='shrinkwarp' is not valid; choose 'auto', 'frame'"),
        (
            {"coherence": "gauss"},
            "coherence='gauss' is not valid; choose 'auto', 'full' or 'gaussian'",
        ),
        ({"start": "typo"}, "start='typo' is not valid"),
        ({"tol": "Poisson"}, "tol='Poisson' is not valid"),
        ({"n_starts": 0}, "n_starts=0 is not valid; give 'auto' or an integer >= 1"),
        (
            {"constraints": "complex"},
            "constraints='complex' was set after fit, which saw 'auto' .*call fit again",
        ),
        ({"object_shape": 8}, "object_shape=8 was set after fit, .*call fit again"),
    ],
)
def test_parameters_set_after_fit_are_checked(crystals, later, message):
    _, magnitudes = crystals
    model = retriever(n_iter=5).fit(magnitudes)
    with pytest.raises(ValueError, match=message):
        model.set_params(**later).predict(magnitudes)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"tol": np.array([1e-3, 1e-4])},
            r"tol=array.*is not valid; give a Fourier error >= 0 or 'poisson'",
        ),
        ({"shrinkwrap_sigma": ("a", "b")}, r"shrinkwrap_sigma=\('a', 'b'\) is not valid"),
        ({"shrinkwrap_sigma": (np.inf, 1)}, r"shrinkwrap_sigma=\(inf, 1\) is not valid"),
        ({"object_shape": float}, "object_shape=float does not fit"),
        ({"object_shape": 16.0}, r"object_shape=\(16.0, 16.0\) does not fit"),
        ({"centered": "no"}, "centered='no' is not valid; choose True or False"),
    ],
)
def test_parameters_of_the_wrong_type_are_refused(crystals, parameters, message):
    _, magnitudes = crystals
    with pytest.raises(ValueError, match=message):
        retriever(**parameters).fit(magnitudes)


def test_one_pixel_below_zero_by_rounding_does_not_change_the_kind_of_object(crystals):
    objects, magnitudes = crystals
    rounded = objects.copy()
    rounded[0, 0, 0] = -1e-9
    assert retriever().fit(magnitudes, rounded).constraints_ == "non_negative"
    rounded[0, 0, 0] = -0.1 * objects.max()
    assert retriever().fit(magnitudes, rounded).constraints_ == "real"


def test_patterns_in_another_layout_or_of_complex_objects_are_told(crystals):
    _, magnitudes = crystals
    with pytest.warns(UserWarning, match="pass centered=False"):
        retriever().fit(np.fft.ifftshift(magnitudes, axes=(1, 2)))
    strained = FourierMagnitude().fit_transform(
        make_crystals(5, shape=(20, 20), max_phase=6, random_state=0).data
    )
    with pytest.warns(UserWarning, match="pass constraints='complex'"):
        retriever(constraints="non_negative").fit(strained)
    assert retriever().fit(strained).constraints_ == "complex"


def test_shifts_are_circular_only_along_axes_without_oversampling():
    objects = random_objects((8, 8), "float64", 5)
    magnitudes = FourierMagnitude(fourier_shape=(8, 16)).fit_transform(objects)
    model = retriever(n_iter=5).fit(magnitudes, objects)
    assert model.boundary_ == ("circular", "zero")
    model.predict = lambda X: np.roll(objects, 3, axis=1)
    assert model.score(magnitudes, objects) == pytest.approx(1.0)


@pytest.mark.parametrize("constraints", ["real", "non_negative"])
def test_complex_objects_under_a_constraint_for_real_ones_are_told(constraints):
    strained = make_crystals(5, shape=(20, 20), max_phase=1.0, random_state=0).data
    with pytest.warns(
        UserWarning, match=f"y holds complex objects, but constraints='{constraints}'"
    ):
        retriever(constraints=constraints).fit(FourierMagnitude().fit_transform(strained), strained)


def test_patterns_in_another_layout_than_fitted_are_told(crystals):
    objects, magnitudes = crystals
    model = retriever(n_iter=5).fit(magnitudes, objects)
    with pytest.warns(UserWarning, match="pass centered=False"):
        model.predict(np.fft.ifftshift(magnitudes, axes=(1, 2)))


def test_a_number_of_starts_that_is_none_is_told_all_ways(crystals):
    with pytest.raises(
        ValueError, match="n_starts='Auto' is not valid; give 'auto' or an integer >= 1"
    ):
        retriever(n_starts="Auto").fit(crystals[1])


def test_what_objects_have_told_to_be_magnitudes_stays_right():
    y, x = np.mgrid[-12:12, -12:12] + 0.5
    objects = np.exp(
        -(x**2) / np.linspace(2, 20, 8)[:, None, None] - y**2 / np.linspace(20, 5, 8)[:, None, None]
    )
    magnitudes = FourierMagnitude(oversampling=1.5).fit_transform(objects)
    assert retriever(n_iter=2).fit(magnitudes, objects).predict(magnitudes).shape == objects.shape
