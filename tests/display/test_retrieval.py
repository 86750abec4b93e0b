import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval, RetrievalDisplay
from tests.conftest import random_objects


def retrieved(shape=(8, 8), dtype="float32", **parameters):
    objects = random_objects(shape, dtype, 2)
    X = FourierMagnitude().fit_transform(objects)
    model = IterativePhaseRetrieval(n_iter=20, n_starts=3, random_state=0, **parameters)
    return model, X, model.fit(X, objects).retrieve(X)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", [(16,), (9, 10), (6, 7, 8)], ids=str)
def test_a_page_holds_pattern_object_deviation_and_starts(shape, dtype, tmp_path):
    _, X, found = retrieved(shape, dtype)
    display = RetrievalDisplay.from_retrieval(found, X, pattern=1)
    assert display.axes_.shape == (2, 2)
    assert len(display.axes_[1, 1].get_lines()[0].get_ydata()) == 3
    np.testing.assert_array_equal(display.object, found.objects[1])
    assert display.figure_.get_suptitle() == found.summary().splitlines()[1]
    display.figure_.savefig(tmp_path / "page.png")


def test_the_page_of_a_search_shows_errors_of_pixels_held_out_and_deviations_given():
    objects = random_objects((8, 8), "float32", 1)
    X = FourierMagnitude().fit_transform(objects)
    model = IterativePhaseRetrieval(
        n_iter=40, n_starts=3, random_state=0, constraints="non_negative"
    ).fit(X)
    found = model.retrieve(X)
    deviations = np.ones_like(found.objects)
    display = RetrievalDisplay.from_retrieval(found, X, deviations=deviations)
    assert display.axes_[1, 1].get_ylabel() == "error on pixels held out"
    np.testing.assert_array_equal(display.deviations, deviations[0])


def test_deviations_are_those_of_the_starts_if_not_given():
    _, X, found = retrieved(support="frame")
    display = RetrievalDisplay.from_retrieval(found, X)
    assert display.deviations.shape == found.objects.shape[1:]
    assert np.isfinite(display.deviations).all()


def test_patterns_in_fft_order_are_drawn_with_zero_frequency_in_the_middle():
    objects = random_objects((8, 9), "float32", 2)
    X = FourierMagnitude(centered=False).fit_transform(objects)
    X[:, 0, 1] = np.nan
    model = IterativePhaseRetrieval(n_iter=5, centered=False, random_state=0).fit(X, objects)
    display = RetrievalDisplay.from_retrieval(model.retrieve(X), X, pattern=1)
    np.testing.assert_array_equal(display.magnitudes, np.fft.fftshift(X[1]))


def test_patterns_that_are_not_there_are_refused():
    _, X, found = retrieved()
    with pytest.raises(ValueError, match="pattern=2 is not valid; give an integer from 0 to 1"):
        RetrievalDisplay.from_retrieval(found, X, pattern=2)
    with pytest.raises(ValueError, match="X holds 1 patterns, but found holds 2 objects"):
        RetrievalDisplay.from_retrieval(found, X[:1])
    with pytest.raises(ValueError, match=r"a page needs axes of shape \(2, 2\)"):
        RetrievalDisplay.from_retrieval(found, X, axes=np.empty((1, 3)))


def test_patterns_of_other_objects_are_refused():
    _, X, found = retrieved()
    for other in (X**2, X[::-1], 3 * X):
        with pytest.raises(ValueError, match="X does not hold the patterns of found: object 0 has"):
            RetrievalDisplay.from_retrieval(found, other)


def test_patterns_may_be_in_fft_order_and_have_gaps():
    _, X, found = retrieved()
    shifted = np.fft.ifftshift(X, axes=(1, 2)).copy()
    shifted[:, 3] = np.nan
    np.testing.assert_array_equal(
        RetrievalDisplay.from_retrieval(found, shifted).magnitudes, shifted[0]
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": None}, (TypeError, ValueError), "X"),
        ({"pattern": True}, ValueError, "pattern=True is not valid; give an integer from 0 to 1"),
        ({"deviations": np.ones((8, 8))}, ValueError, r"for each pixel .*, of shape \(2, 8, 8\)"),
        ({"deviations": "wide"}, ValueError, "deviations='wide' is not valid"),
        ({"combination": 1}, TypeError, "combination=1 is not valid; give what combine_rec"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_are_refused(arguments, error, message):
    _, X, found = retrieved()
    with pytest.raises(error, match=message):
        RetrievalDisplay.from_retrieval(found, **{"X": X} | arguments)
