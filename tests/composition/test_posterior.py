"""The posterior: its descent, the errors it learns, and refinement that makes nothing worse."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator

from skpr import FourierMagnitude, PhaseRetrievalRegressor, RefinedRegressor
from skpr.composition import PosteriorRefiner
from skpr.detector import BeamStop, PhotonNoise
from skpr.metrics import fourier_error, relative_error
from skpr.persistence import load_model, save_model

RNG = np.random.default_rng(0)
OBJECTS = RNG.random((220, 8, 8)) ** 3
CLEAN = FourierMagnitude().fit_transform(OBJECTS)
TEST = slice(200, 220)


class Blurred(RegressorMixin, BaseEstimator):
    """A regressor that knows the objects, but for errors of the fine details."""

    def __init__(self, size=0.5, complex_=False):
        self.size = size
        self.complex_ = complex_

    def fit(self, X, y):
        self.n_seen_ = len(X)
        return self

    def predict(self, X):
        objects = truth(self.complex_)
        nearest = [
            int(np.nanargmax(correlations(pattern, self.complex_))) for pattern in np.asarray(X)
        ]
        errors = np.random.default_rng(1).standard_normal((len(OBJECTS), 8, 8))
        return objects[nearest] + self.size * objects.std() * errors[nearest]


def truth(is_complex):
    return OBJECTS * np.exp(1j * OBJECTS[::-1]) if is_complex else OBJECTS


SPECTRA = {
    is_complex: FourierMagnitude().fit_transform(truth(is_complex)) for is_complex in (False, True)
}


def correlations(pattern, is_complex):
    clean = SPECTRA[is_complex]
    known = ~np.isnan(pattern)
    clean = clean[:, known] / np.linalg.norm(clean[:, known], axis=1, keepdims=True)
    return clean @ pattern[known]


def fitted(is_complex=False, **parameters):
    refiner = PosteriorRefiner(n_iter=50, n_held_out=40, **parameters)
    model = RefinedRegressor(FrozenEstimator(Blurred(complex_=is_complex)), refiner)
    objects = truth(is_complex)[:200]
    return model.fit(FourierMagnitude().fit_transform(objects), objects)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n_photons", [30, 1e4, None])
@pytest.mark.parametrize("stop", [None, 3])
def test_refinement_makes_nothing_worse(is_complex, n_photons, stop):
    objects = truth(is_complex)[TEST]
    magnitudes = FourierMagnitude().fit_transform(objects)
    if n_photons is not None:
        magnitudes = PhotonNoise(n_photons, random_state=0).fit_transform(magnitudes)
    if stop is not None:
        magnitudes = BeamStop(stop).fit_transform(magnitudes)
    model = fitted(is_complex)
    before = relative_error(objects, model.regressor_.predict(magnitudes))
    after = relative_error(objects, model.predict(magnitudes))
    assert after < (1.05 if n_photons == 30 else 0.9) * before


def test_a_sample_is_refined_as_if_alone():
    counted = PhotonNoise(1e4, random_state=0).fit_transform(CLEAN[TEST])[:4]
    patterns = np.concatenate(
        [counted, BeamStop(3).fit_transform(CLEAN[TEST])[:2], CLEAN[TEST][:2]]
    )
    model = fitted()
    together = model.predict(patterns)
    for number in (0, 5, 7):
        alone = clone(model.refiner_).fit(CLEAN[:200], OBJECTS[:200])
        predicted = model.regressor_.predict(patterns[number : number + 1])
        found = alone.retrieve(
            patterns[number : number + 1], predicted, predict=model.regressor_.predict
        ).objects
        np.testing.assert_allclose(found[0], together[number], atol=1e-5)


def test_the_result_tells_the_errors_of_the_refined_objects():
    patterns = np.concatenate(
        [PhotonNoise(1e4, random_state=0).fit_transform(CLEAN[TEST])[:3], CLEAN[TEST][3:5]]
    )
    model = fitted()
    found = model.refiner_.retrieve(
        patterns, model.regressor_.predict(patterns), model.regressor_.predict
    )
    expected = fourier_error(patterns, found.objects, multioutput="raw_values")
    np.testing.assert_allclose(found.errors, expected)
    np.testing.assert_array_equal(found.starts[:, 0], found.objects)
    assert list(found.photons > 0) == [True] * 3 + [False] * 2


@pytest.mark.parametrize("is_complex", [False, True])
def test_noise_is_learned_whatever_the_unit_of_each_pattern(is_complex):
    objects = truth(is_complex)[:40]
    clean = FourierMagnitude().fit_transform(objects)
    units = RNG.random(40)[:, None, None] + 0.1
    assert PosteriorRefiner(n_iter=5).fit(units * clean, objects).noise_ < 1e-6
    noisy = np.abs(
        clean + 0.05 * np.sqrt(np.square(clean).mean()) * RNG.standard_normal(clean.shape)
    )
    assert PosteriorRefiner(n_iter=5).fit(units * noisy, objects).noise_ == pytest.approx(
        0.05, rel=0.2
    )


def test_units_of_magnitudes_and_objects_may_differ():
    patterns = PhotonNoise(1e4, random_state=0).fit_transform(CLEAN)
    refiner = PosteriorRefiner(n_iter=50, n_held_out=40)
    plain = RefinedRegressor(FrozenEstimator(Blurred()), refiner).fit(patterns[:200], OBJECTS[:200])
    other = RefinedRegressor(FrozenEstimator(Blurred()), refiner)
    other.fit(1e-3 * patterns[:200], OBJECTS[:200])
    expected, found = plain.predict(patterns[TEST]), other.predict(1e-3 * patterns[TEST])
    assert relative_error(expected, found) < 1e-3
    assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=0.05)


def test_the_regressor_is_not_trained_on_what_judges_it():
    model = RefinedRegressor(Blurred(), PosteriorRefiner(n_held_out=16, n_iter=10))
    model.fit(CLEAN[:200], OBJECTS[:200])
    assert model.regressor_.n_seen_ == 184
    assert len(model.refiner_.held_out_) == 16
    few = clone(model).fit(CLEAN[:100], OBJECTS[:100])  # a tenth would be too few
    assert few.regressor_.n_seen_ == 100


def test_further_training_is_judged_by_the_same_objects():
    settings = {
        "module__hidden_width": 16,
        "max_epochs": 1,
        "random_state": 0,
        "verbose": False,
        "device": "cpu",
    }
    model = RefinedRegressor(
        PhaseRetrievalRegressor("mlp", **settings), PosteriorRefiner(n_iter=10)
    ).fit(CLEAN, OBJECTS)
    before = model.refiner_.held_out_
    model.partial_fit(CLEAN[:50], OBJECTS[:50])
    np.testing.assert_array_equal(model.refiner_.held_out_, before)
    assert model.predict(PhotonNoise(1e4, random_state=0).fit_transform(CLEAN[:2])).shape == (
        2,
        8,
        8,
    )


def test_a_refined_model_is_kept_after_it_has_predicted(tmp_path):
    objects = OBJECTS.reshape(220, 64)[:, :24]
    clean = FourierMagnitude().fit_transform(objects)
    model = RefinedRegressor(DummyRegressor(), PosteriorRefiner(n_iter=20, n_held_out=16)).fit(
        clean, objects
    )
    patterns = PhotonNoise(1e4, random_state=0).fit_transform(clean[TEST])
    before = model.predict(patterns)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(patterns), before)
    save_model(model, tmp_path / "model.skpr")
    np.testing.assert_array_equal(load_model(tmp_path / "model.skpr").predict(patterns), before)


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="n_held_out=0"):
        PosteriorRefiner(n_held_out=0).fit(CLEAN, OBJECTS)
