import matplotlib
import numpy as np
import pytest

from skpr import FourierMagnitude, IterativePhaseRetrieval, RetrievalDisplay
from skpr.display._page import content_window
from skpr.files import Geometry
from skpr.iterative import combine_reconstructions
from tests.conftest import random_objects

GEOMETRY = Geometry(wavelength=1e-10, distance=1.0, pixel_size=(1e-4, 1e-4))


def page(shape=(8, 9), dtype="float32", **parameters):
    objects = random_objects(shape, dtype, 1)
    X = FourierMagnitude().fit_transform(objects)
    model = IterativePhaseRetrieval(n_iter=20, n_starts=3, random_state=0).fit(X, objects)
    found = model.retrieve(X)
    (combination,) = combine_reconstructions(found, X)
    settings = {"combination": combination} | parameters
    return found, RetrievalDisplay.from_retrieval(found, X, **settings)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("shape", [(16,), (9, 10), (6, 7, 8)], ids=str)
def test_a_full_page_shows_every_plane_and_curve(shape, dtype, tmp_path):
    _, display = page(shape, dtype)
    pictures = {"pattern", "standard deviation"}
    pictures |= {"modulus", "phase"} if dtype == "complex64" else {"object"}
    planes = {f"{name} {i}" for name in pictures for i in range(3 if len(shape) == 3 else 1)}
    assert set(display.axes_) == planes | {"agreement", "starts", "words"}
    display.figure_.savefig(tmp_path / "page.png")


def test_planes_of_a_volume_go_through_its_centre_of_mass():
    found, display = page((6, 7, 8))
    x = found.objects[0]
    window = content_window(np.abs(x))
    weights = np.abs(x[window]) ** 2
    for axis in range(3):
        marginal = weights.sum(axis=tuple(a for a in range(3) if a != axis))
        place = round(float(marginal @ np.arange(len(marginal)) / marginal.sum()))
        shown = display.axes_[f"object {axis}"].get_images()[0].get_array()
        np.testing.assert_array_equal(shown, x[window].take(place, axis=axis))


def test_a_phase_is_shown_around_its_mean_where_there_is_an_object():
    found, display = page((9, 10), "complex64")
    shown = display.axes_["phase 0"].get_images()[0].get_array()
    x = found.objects[0]
    mean = np.angle((x * np.abs(x)).sum())
    expected = np.angle(x * np.exp(-1j * mean))[content_window(np.abs(x))]
    np.testing.assert_allclose(shown.compressed(), expected[~shown.mask], atol=1e-5)
    bright = np.abs(x)[content_window(np.abs(x))] >= 0.1 * np.abs(x).max()
    np.testing.assert_array_equal(~shown.mask, bright)


def test_lengths_are_nanometres_where_the_geometry_is_known():
    _, display = page(geometry=GEOMETRY)
    assert display.axes_["object 0"].get_xlabel() == "nm"
    assert display.axes_["pattern 0"].get_xlabel() == "q [1/nm]"
    shown = display.axes_["object 0"].get_images()[0]
    height, width = shown.get_array().shape
    side = 1e-10 / (16 * 1e-4) * 1e9
    assert shown.get_extent()[2] == pytest.approx(height * side * 16 / 15, rel=0.1)
    assert page()[1].axes_["object 0"].get_xlabel() == "pixels"


def test_words_tell_the_verdict_the_agreement_and_the_notes():
    found, display = page(title="scan 7", notes=["5 frames", "of one crystal"])
    texts = " ".join(text.get_text() for text in display.axes_["words"].texts)
    flat = " ".join(texts.split())
    for words in ("undecided", "Fourier error", "reconstructions agree", "- 5 frames"):
        assert words in flat
    assert display.figure_.get_suptitle() == "scan 7"


def test_the_agreement_ends_where_the_resolution_does():
    _, display = page()
    combination = display.combination
    lines = display.axes_["agreement"].get_lines()
    np.testing.assert_array_equal(lines[0].get_ydata(), combination.transfer_function)
    known = np.isfinite(combination.resolution)
    assert len(lines) == (3 if known else 2)
    if known:
        assert lines[2].get_xdata()[0] == pytest.approx(0.5 / combination.resolution)


def test_starts_that_agree_are_filled():
    found, display = page()
    filled, others = 0, 0
    for line in display.axes_["starts"].get_lines():
        is_open = line.get_markerfacecolor() == "none"
        filled, others = (
            filled + (not is_open) * len(line.get_xdata()),
            others + is_open * len(line.get_xdata()),
        )
    assert filled == display.combination.consistent.sum()
    assert filled + others == 3


def test_a_page_without_a_count_or_an_object_is_drawn():
    _, display = page()
    empty = RetrievalDisplay(
        np.full((16, 17), np.nan), np.zeros((8, 9)), display.starts, np.full((8, 9), np.nan),
        np.full(3, np.nan), "pattern 0: Fourier error nan", combination=display.combination,
    )  # fmt: skip
    drawn = empty.plot()
    assert isinstance(drawn.figure_, matplotlib.figure.Figure)
    drawn.figure_.canvas.draw()
