"""Standard deviations of pixels."""

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval
from skpr.datasets import make_crystals
from skpr.detector import MissingPixels, PhotonNoise
from skpr.iterative import uncertainty
from skpr.iterative._subpixel import registered_finely


def measured(n_photons, max_phase=0.0, n_samples=6):
    objects = make_crystals(n_samples, shape=(24, 24), max_phase=max_phase, random_state=0).data
    objects = objects.astype(complex) if max_phase else objects.astype(float)
    clean = FourierMagnitude().fit_transform(objects)
    X = PhotonNoise(n_photons, random_state=0).fit_transform(clean)
    return objects * np.sqrt(n_photons / np.square(clean).sum(axis=(1, 2)))[:, None, None], X


def covered(truths, objects, deviations, factor):
    shares = []
    for truth, x, deviation in zip(truths, objects, deviations, strict=True):
        truth = registered_finely(truth[None].astype(x.dtype), x, ("zero", "zero"))[0]
        inside = np.abs(truth) > 0.1 * np.abs(truth).max()
        shares.append((np.abs(x - truth) <= factor * deviation)[inside].mean())
    return np.mean(shares)


@pytest.mark.parametrize("n_photons", [1e5, 1e6])
@pytest.mark.parametrize(("max_phase", "factor"), [(0.0, 1.645), (1.5, 1.517)])
def test_intervals_cover_most_pixels_of_known_supports(n_photons, max_phase, factor):
    truths, X = measured(n_photons, max_phase, n_samples=4)
    retriever = IterativePhaseRetrieval(support=truths != 0, n_iter=200, random_state=0).fit(
        X, truths
    )
    found = retriever.retrieve(X)
    deviations = uncertainty(retriever, X, found)
    assert deviations.shape == truths.shape
    assert 0.7 < covered(truths, found.objects, deviations, factor) <= 1
    assert covered(truths, found.objects, deviations / 10, factor) < 0.5


def test_ten_times_the_photons_leave_a_third_of_the_deviation():
    relative = []
    for n_photons in (1e5, 1e7):
        truths, X = measured(n_photons, n_samples=3)
        retriever = IterativePhaseRetrieval(
            support=truths != 0, n_iter=200, n_starts=1, random_state=0
        ).fit(X, truths)
        with np.errstate(all="ignore"):
            deviations = uncertainty(retriever, X, retriever.retrieve(X), n_draws=8)
        relative.append(np.sqrt(np.square(deviations).mean() / np.square(truths).mean()))
    assert 4 < relative[0] / relative[1] < 25


def test_patterns_that_are_no_counts_go_by_their_starts():
    objects = make_crystals(2, shape=(16, 16), random_state=0).data
    X = FourierMagnitude().fit_transform(objects)
    retriever = IterativePhaseRetrieval(n_iter=200, n_starts=3, random_state=0).fit(X, objects)
    assert (uncertainty(retriever, X, retriever.retrieve(X)) < 0.5 * objects.max()).all()
    single = IterativePhaseRetrieval(n_iter=20, n_starts=1, random_state=0).fit(X, objects)
    with pytest.warns(UserWarning, match="2 of 2 patterns are not square roots of photon counts"):
        assert np.isnan(uncertainty(single, X, single.retrieve(X))).all()


def test_patterns_that_are_not_those_of_the_objects_are_refused():
    truths, X = measured(1e5, n_samples=2)
    retriever = IterativePhaseRetrieval(n_iter=20, random_state=0).fit(X, truths)
    found = retriever.retrieve(X)
    with pytest.raises(
        ValueError, match=r"X has shape \(1, 48, 48\), but found holds objects of patterns of shape"
    ):
        uncertainty(retriever, X[:1], found)
    assert np.isfinite(
        uncertainty(
            retriever,
            MissingPixels(fraction=0.1, random_state=0).fit_transform(X),
            found,
            n_draws=2,
        )
    ).all()
    with pytest.raises(
        ValueError, match="X does not hold the patterns of found: object 0 has a Fourier error of"
    ):
        uncertainty(retriever, X[::-1], found)
    with pytest.raises(
        TypeError, match="found is ndarray; give the Retrieval that retriever.retrieve"
    ):
        uncertainty(retriever, X, found.objects)
    with pytest.raises(
        TypeError, match="retriever is MissingPixels; give the fitted IterativePhaseRetrieval"
    ):
        uncertainty(MissingPixels(), X, found)


def test_a_pattern_has_its_own_draws():
    truths, X = measured(1e5, n_samples=3)
    retriever = IterativePhaseRetrieval(support="frame", n_iter=50, n_starts=2, random_state=0).fit(
        X, truths
    )
    found = retriever.retrieve(X)
    part = found._replace(
        **{name: getattr(found, name)[1:] for name in ("objects", "errors", "starts", "photons")}
    )
    together, alone = (
        uncertainty(retriever, X, found, n_draws=4),
        uncertainty(retriever, X[1:], part, n_draws=4),
    )
    np.testing.assert_allclose(together[1:], alone, rtol=0.05, atol=1e-3 * truths.max())


def test_objects_that_vanished_are_not_certain():
    truths, X = measured(1e5, n_samples=2)
    retriever = IterativePhaseRetrieval(n_iter=20, random_state=0).fit(X, truths)
    found = retriever.retrieve(X)
    empty = found._replace(objects=0 * found.objects, starts=0 * found.starts, errors=np.ones(2))
    with pytest.warns(UserWarning, match="2 of 2 patterns"):
        assert np.isnan(uncertainty(retriever, X, empty, n_draws=1)).all()


@pytest.mark.parametrize("exponent", [66, -66])
def test_units_beyond_the_squares_of_single_precision_do_not_matter(exponent):
    _, X = measured(1e5, n_samples=2)
    X = X.astype(np.float32)
    relative = []
    for unit in (np.float32(1), np.float32(2.0**exponent)):
        retriever = IterativePhaseRetrieval(n_iter=50, n_starts=2, random_state=0)
        found = retriever.fit(unit * X).retrieve(unit * X)
        relative.append(uncertainty(retriever, unit * X, found, n_draws=2) / unit)
    np.testing.assert_allclose(relative[1], relative[0], rtol=1e-2, atol=1e-3 * relative[0].max())
