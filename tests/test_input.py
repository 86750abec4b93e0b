"""Input that estimators cannot use, or can use only just."""

import numpy as np
import pytest

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    PhaseRetrievalRegressor,
    RefinedRegressor,
    ShiftFlipAugmenter,
    SymmetryBreakingRegressor,
    SymmetryCanonicalizer,
    make_phase_retriever,
)

SMALL = {"module__hidden_width": 8, "max_epochs": 1, "device": "cpu", "random_state": 0}
ESTIMATORS = [
    FourierMagnitude(),
    ShiftFlipAugmenter(random_state=0),
    SymmetryCanonicalizer(),
    PhaseRetrievalRegressor(**SMALL),
    SymmetryBreakingRegressor(PhaseRetrievalRegressor(**SMALL), SymmetryCanonicalizer()),
    make_phase_retriever(**SMALL),
    IterativePhaseRetrieval(n_iter=10, n_starts=1, random_state=0, device="cpu"),
    RefinedRegressor(
        PhaseRetrievalRegressor(**SMALL),
        IterativePhaseRetrieval(n_iter=10, n_starts=1, random_state=0, device="cpu"),
    ),
]
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)


def fitted_output(estimator, X):
    """Return the output of a fitted estimator for its training data."""
    estimator.fit(X, X)
    return estimator.predict(X) if hasattr(estimator, "predict") else estimator.transform(X)


@every_estimator
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(5), "Reshape your data"),
        (np.ones((2, 3, 3, 3, 3)), "4 axes after the first; a batch is"),
        (np.ones((0, 4, 4)), r"0 sample\(s\)"),
        (np.ones((2, 0, 4)), r"0 feature\(s\)"),
        (np.full((2, 4, 4), np.nan), "contains NaN"),
        (np.full((2, 4, 4), np.inf), "contains infinity"),
        (np.full((2, 4), "dark"), "Convert your data to numeric values"),
    ],
    ids=["1-D", "5-D", "empty batch", "empty sample", "NaN", "inf", "text"],
)
def test_unusable_input_is_refused_in_one_sentence(estimator, X, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, X)


@every_estimator
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", ">f4"])
def test_integer_boolean_and_odd_images_are_images(estimator, dtype):
    X = np.eye(6)[None].repeat(4, axis=0)
    expected = fitted_output(estimator, X.astype(np.float32))
    np.testing.assert_allclose(fitted_output(estimator, X.astype(dtype)), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:the objects fill their frame")
@every_estimator
def test_one_sample_is_enough(estimator):
    output = fitted_output(estimator, np.random.default_rng(0).random((1, 5, 6)))
    assert len(output) == 1
    assert np.isfinite(output).all()


@pytest.mark.filterwarnings("ignore:the objects fill their frame")
@every_estimator
def test_samples_of_another_shape_than_fitted_are_refused(estimator):
    estimator.fit(np.ones((3, 4, 4)), np.ones((3, 4, 4)))
    with pytest.raises(
        ValueError,
        match=r"samples of shape \(4, 5\), but .* was fitted on samples of shape \(4, 4\)",
    ):
        (estimator.predict if hasattr(estimator, "predict") else estimator.transform)(
            np.ones((3, 4, 5))
        )


@pytest.mark.parametrize("estimator", ESTIMATORS[3:], ids=lambda e: type(e).__name__)
def test_batches_of_different_lengths_are_refused(estimator):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[3, 2\]"):
        estimator.fit(np.ones((3, 4, 4)), np.ones((2, 4, 4)))
