import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skpr import (
    FourierMagnitude,
    GaussianMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalPipeline,
    ShiftFlipAugmenter,
    make_phase_retriever,
)
from skpr.detector import BeamStop, PhotonNoise
from skpr.metrics import relative_error
from skpr.persistence import load_model, save_model
from tests.composition.conftest import SMALL


def iterations():
    return IterativePhaseRetrieval(n_iter=5, random_state=0, device="cpu")


def test_measured_magnitudes_skip_the_simulation(digits):
    model = make_phase_retriever(**SMALL).fit(digits, digits)
    magnitudes = FourierMagnitude().fit_transform(digits)
    np.testing.assert_array_equal(model.reconstruct(magnitudes), model.predict(digits))
    np.testing.assert_array_equal(model[1:].predict(magnitudes), model.predict(digits))
    np.testing.assert_array_equal(model[1:].reconstruct(magnitudes), model.predict(digits))
    assert model.score(digits, digits) == pytest.approx(
        1 - relative_error(digits, model.predict(digits))
    )
    assert not hasattr(model[:1], "reconstruct")


FORWARD = FourierMagnitude()
NOISE = PhotonNoise(1e6, random_state=0)
MODULUS = FunctionTransformer(np.abs)


@pytest.mark.parametrize(
    ("steps", "n_left_out"),
    [
        ((ShiftFlipAugmenter(0, 0.0), FORWARD, NOISE, BeamStop(3)), 4),
        ((make_pipeline(FORWARD, NOISE), MODULUS), 1),
        ((FORWARD, MODULUS), 1),
        ((MODULUS,), 0),
    ],
    ids=["detector", "nested", "preprocessing", "none"],
)
def test_all_that_simulates_is_left_out_and_the_rest_is_kept(digits, steps, n_left_out):
    objects, magnitudes = digits[:10], FORWARD.fit_transform(digits[:10])
    named = [(f"step{number}", step) for number, step in enumerate(steps)]
    model = PhaseRetrievalPipeline([*named, ("retrieve", iterations())])
    model.fit(objects if n_left_out else magnitudes, objects)
    signed = magnitudes if n_left_out == len(steps) else -magnitudes
    np.testing.assert_array_equal(model.reconstruct(signed), model[-1].predict(magnitudes))


def test_it_is_a_pipeline_of_scikit_learn(digits, tmp_path):
    model = make_phase_retriever(**SMALL).fit(digits, digits)
    expected = model.predict(digits)
    joblib.dump(model, tmp_path / "model.joblib")
    save_model(model, tmp_path / "model.skpr")
    kept = (
        joblib.load(tmp_path / "model.joblib"),
        pickle.loads(pickle.dumps(model)),
        load_model(tmp_path / "model.skpr"),
    )
    for other in (*kept, clone(model).fit(digits, digits)):
        assert isinstance(other, PhaseRetrievalPipeline)
        np.testing.assert_array_equal(other.predict(digits), expected)
    assert isinstance(model, Pipeline)
    assert isinstance(model[1:], PhaseRetrievalPipeline)
    search = GridSearchCV(
        make_phase_retriever(**SMALL), {"magnitude__oversampling": [2]}, cv=2
    ).fit(digits, digits)
    assert search.best_estimator_.reconstruct(model[:1].transform(digits)).shape == digits.shape


def test_what_is_no_pair_of_objects_is_refused(digits):
    model = make_phase_retriever(**SMALL)
    magnitudes = FourierMagnitude().fit_transform(digits)
    for pair in ((magnitudes, digits), (digits, magnitudes)):
        with pytest.raises(
            ValueError, match=r"call fit\(objects, objects\), or fit measured .*simulate=False"
        ):
            model.fit(*pair)
    with pytest.raises(
        ValueError, match=r"requires y to be passed, .* so call fit\(objects, objects\)"
    ):
        model.fit(digits)
    random = PhaseRetrievalPipeline(
        [("magnitude", GaussianMagnitude(random_state=0)), ("retrieve", iterations())]
    )
    with pytest.raises(ValueError, match=r"requires y to be passed"):
        random.fit(digits.reshape(240, -1))


def test_magnitudes_in_place_of_objects_are_shown_the_door(digits):
    model = make_phase_retriever(**SMALL).fit(digits, digits)
    magnitudes = FourierMagnitude().fit_transform(digits)
    for method in (lambda: model.predict(magnitudes), lambda: model.score(magnitudes, digits)):
        with pytest.raises(
            ValueError, match=r"\(28, 28\), that of magnitudes, .* to its method reconstruct"
        ):
            method()
    first = model.score(digits[:1], digits[:1])
    assert model.score(digits, digits, sample_weight=np.eye(240)[0]) == pytest.approx(
        first, rel=1e-3
    )


def test_steps_of_different_layouts_are_refused(digits):
    model = make_phase_retriever(**SMALL).set_params(magnitude__centered=False)
    with pytest.raises(
        ValueError,
        match="retrieve__regressor__centered=True and magnitude__centered=False contradict",
    ):
        model.fit(digits, digits)
    steps = [
        ("magnitude", FourierMagnitude(centered=False)),
        ("stop", BeamStop(3)),
        ("retrieve", iterations()),
    ]
    with pytest.raises(ValueError, match="stop__centered=True|retrieve__centered=True"):
        PhaseRetrievalPipeline(steps).fit(digits, digits)
    steps[1] = ("turn", FunctionTransformer(np.fft.fftshift, kw_args={"axes": (1, 2)}))
    assert (
        PhaseRetrievalPipeline(steps).fit(digits[:5], digits[:5]).score(digits[:5], digits[:5])
        > 0.2
    )
