import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from skpr import FourierMagnitude, ResolutionDisplay
from skpr.iterative import combine_reconstructions
from tests.conftest import random_members, random_objects


def runs_of(shape, n_runs=6):
    x = random_objects(shape, "float64", 1)
    noise = 1 + 0.01 * np.random.default_rng(0).normal(size=(n_runs, *shape))
    return FourierMagnitude().fit_transform(x)[0], random_members(x.repeat(n_runs, axis=0)) * noise


@pytest.mark.parametrize("shape", [(64,), (16, 16), (8, 8, 8)], ids=str)
def test_resolution_curves_have_their_threshold_and_floor(shape):
    pattern, runs = runs_of(shape, n_runs=12)
    transfer = ResolutionDisplay.from_reconstructions(pattern, runs)
    curve, threshold, floor = (line.get_ydata() for line in transfer.ax_.get_lines())
    np.testing.assert_allclose(threshold, np.exp(-1))
    found = combine_reconstructions(runs, pattern)
    np.testing.assert_array_equal(curve, found.transfer_function)
    np.testing.assert_array_equal(floor, found.floor)
    assert transfer.resolution == found.resolution < 1.2
    assert transfer.ax_.get_title() == f"half period {found.resolution:.2f} pixels"
    pair = ResolutionDisplay.from_pair(runs[0], runs[1])
    assert pair.ax_.get_ylabel() == ("FSC" if len(shape) == 3 else "FRC")
    assert (pair.ax_.get_lines()[0].get_ydata() > 0.9).all()
    assert pair.resolution == 1.0


def test_what_is_drawn_is_registered():
    pattern, runs = runs_of((16, 16))
    assert ResolutionDisplay.from_reconstructions(pattern, runs).values[1:].min() > 0.95


def test_one_run_and_a_dark_pattern_are_shown_without_a_resolution():
    pattern, runs = runs_of((12, 12))
    single = ResolutionDisplay.from_reconstructions(pattern, runs[:1])
    dark = ResolutionDisplay.from_reconstructions(0 * pattern, runs)
    for display in (single, dark):
        display.figure_.canvas.draw()
        assert np.isnan(display.resolution)
        assert display.reason
        assert display.ax_.get_title() == "no resolution"


def test_choices_are_handed_on_and_tensors_with_a_gradient_are_shown():
    x = random_objects((12, 12), "float32", 1, boundary="circular")
    pattern = FourierMagnitude(fourier_shape=(12, 24), centered=False).fit_transform(
        torch.from_numpy(x)
    )[0]
    runs = torch.from_numpy(
        np.concatenate([x, np.roll(x, 5, axis=1), 1.01 * np.roll(x, 2, axis=1)])
    ).requires_grad_()
    display = ResolutionDisplay.from_reconstructions(
        pattern.requires_grad_(), runs, centered=False, errors=[0.1, 0.2, 0.3], subpixel=True
    )
    np.testing.assert_allclose(display.values, 1, rtol=1e-3)
    pair = ResolutionDisplay.from_pair(runs[0], runs[1], boundary=("circular", "zero"))
    np.testing.assert_allclose(pair.values, 1, rtol=1e-3)


def test_a_forgotten_index_opens_no_figure():
    pattern, runs = runs_of((12, 12))
    with pytest.raises(ValueError, match=r"such as magnitudes\[0\]"):
        ResolutionDisplay.from_reconstructions(pattern[None], runs)
    assert not plt.get_fignums()


@pytest.mark.parametrize("pixel_size", [2e-8, (None, 2e-8, 2e-8)])
def test_the_resolution_is_in_nanometres_where_pixels_have_a_size(pixel_size):
    frequencies = np.linspace(0, 0.5, 6)
    display = ResolutionDisplay(
        frequencies, 1 - frequencies, np.full(6, 0.5), "FRC", resolution=1.5
    )
    display.plot(pixel_size=pixel_size)
    np.testing.assert_allclose(display.ax_.lines[0].get_xdata(), frequencies / 20)
    assert display.ax_.get_xlabel() == "frequency [cycles / nm]"
    assert display.ax_.get_title() == "half period 30.00 nm"


def test_rings_over_oblong_pixels_have_no_frequency_in_nanometres():
    display = ResolutionDisplay(np.zeros(3), np.ones(3), np.ones(3), "FRC", resolution=1.5)
    with pytest.raises(ValueError, match="rings need square pixels"):
        display.plot(pixel_size=(1e-8, 2e-8))
    assert not plt.get_fignums()
    assert display.plot(pixel_size=(None, None)).ax_.get_title() == "half period 1.50 pixels"
