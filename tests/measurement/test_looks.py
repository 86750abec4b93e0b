"""First look at patterns: mistakes are warned of, and nothing else is."""

import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval, RefinedRegressor
from skpr.datasets import load_digit_objects, make_crystals
from skpr.detector import BeamStop, PhotonNoise
from skpr.measurement import form_of, look_at

DIGITS = load_digit_objects().data[:20]
CRYSTALS = make_crystals(20, shape=(24, 24), random_state=0).data
STRAINED = make_crystals(20, shape=(24, 24), max_phase=6.0, random_state=0).data
X, RX, CX = (FourierMagnitude().fit_transform(objects) for objects in (DIGITS, CRYSTALS, STRAINED))
GRID = np.hypot(*np.mgrid[-12:12, -12:12])


def changed(patterns, index, value):
    patterns = patterns.copy()
    patterns[index] = value
    return patterns


def stopped(patterns, half=3):
    middle = tuple(slice(m // 2 - half, m // 2 + half + 1) for m in patterns.shape[1:])
    return changed(patterns, (slice(None), *middle), 0.0)


MISTAKES = {
    "stop": (stopped(X), "non_negative", "beam stop"),
    "stop of one pixel": (stopped(X, 0), "non_negative", "beam stop"),
    "stop of complex objects": (stopped(CX), "complex", "set unmeasured pixels to NaN"),
    "hot pixel": (
        changed(X, (slice(3), 30, 12), 65535.0),
        "non_negative",
        r"pixel \(30, 12\) of pattern 0",
    ),
    "one hot pixel": (changed(CX, (7, 30, 12), 1e9), "complex", r"pixel \(30, 12\) of pattern 7"),
    "objects": (DIGITS, "non_negative", "looks like objects"),
    "intensities": (X**2, "non_negative", "look like intensities"),
    "rounded": (np.round(X**2), "non_negative", "whole numbers"),
    "logarithms": (np.log1p(X), "non_negative", "logarithms"),
    "complex": (CX, "non_negative", "constraints='complex'"),
}
STOP = {
    name: BeamStop(5).fit_transform(patterns)
    for name, patterns in (("digits", X), ("strained", CX))
}
LEGITIMATE = {
    "stop of NaN": (STOP["digits"], "non_negative"),
    "strained, stop of NaN": (STOP["strained"], "complex"),
    "strained": (CX, "complex"),
    "odd": (
        np.fft.fftshift(np.abs(np.fft.fft2(CRYSTALS, s=(49, 51))), axes=(1, 2)),
        "non_negative",
    ),
    "lines": (
        FourierMagnitude().fit_transform(make_crystals(10, shape=(48,), random_state=0).data),
        "non_negative",
    ),
    "volumes": (
        FourierMagnitude().fit_transform(make_crystals(4, shape=(12, 13, 14), random_state=0).data),
        "real",
    ),
    "discs": (
        FourierMagnitude().fit_transform(np.stack([r > GRID for r in (2, 4, 6)]).astype(float)),
        "non_negative",
    ),
    "stars": (FourierMagnitude().fit_transform((GRID < 0.5)[None].astype(float)), "non_negative"),
    "flat": (
        FourierMagnitude(oversampling=1).fit_transform(np.full((3, 24, 24), 0.3)),
        "non_negative",
    ),
    "phases": (FourierMagnitude().fit_transform(np.exp(2j * np.pi * CRYSTALS)), "complex"),
    "signed": (FourierMagnitude().fit_transform(CRYSTALS * np.sign(np.sin(np.arange(24)))), "real"),
    "waves": (
        FourierMagnitude(oversampling=1).fit_transform(np.exp(1j * np.mgrid[:24, :24][:1])),
        "complex",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_once(name):
    patterns, kind, message = MISTAKES[name]
    with pytest.warns(UserWarning, match=message) as caught:
        assert look_at(patterns, True, "iterations", kind)
    assert len(caught) == 1


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_patterns_are_let_pass(name):
    patterns, kind = LEGITIMATE[name]
    assert not look_at(patterns, True, "iterations", kind)
    assert not any(look_at(one[None], True, "iterations", kind) for one in patterns)


@pytest.mark.parametrize("n_photons", [1, 10, 100, 1e4])
@pytest.mark.parametrize("kind", ["non_negative", "complex"])
def test_photons_are_no_mistake(n_photons, kind):
    patterns = X if kind == "non_negative" else CX
    assert not look_at(
        PhotonNoise(n_photons, random_state=0).fit_transform(patterns), True, "iterations", kind
    )


@pytest.mark.parametrize(
    "patterns", [X**2, np.round(X**2), np.log1p(X)], ids=["intensities", "counts", "logarithms"]
)
def test_patterns_like_those_of_the_training_are_no_mistake(patterns):
    assert not look_at(patterns, True, "a network", "non_negative", usual=form_of(patterns))


def test_a_pattern_without_a_measured_pixel_is_for_others_to_refuse():
    assert not look_at(changed(X, 1, np.nan), True, "iterations", "non_negative")
    assert not look_at(np.full_like(X, np.nan), True, "iterations", "non_negative")
    quick = IterativePhaseRetrieval(n_iter=2, random_state=0)
    refined = RefinedRegressor(quick, quick).fit(X, DIGITS)
    with pytest.raises(
        ValueError, match="X contains NaN in every pixel of 1 of 20 samples, the first at index 1"
    ):
        refined.predict(changed(X, 1, np.nan))
