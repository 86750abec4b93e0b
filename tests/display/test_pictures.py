import builtins

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skpr import ConvergenceDisplay, ReconstructionDisplay, ResolutionDisplay, TrainingDisplay
from skpr.display._pictures import as_picture, with_grey_gaps


def test_samples_of_any_number_of_axes_are_pictures():
    assert as_picture(np.ones(16)).shape == (4, 16)
    assert as_picture(np.ones((3, 4))).shape == (3, 4)
    np.testing.assert_array_equal(
        as_picture(np.arange(24.0).reshape(2, 3, 4)), np.arange(12.0, 24.0).reshape(3, 4)
    )
    np.testing.assert_allclose(as_picture(3j * np.ones((3, 4))), 3)


def test_gaps_are_grey_and_the_colour_map_is_left_as_it_was():
    before = plt.get_cmap("viridis")(np.nan)
    assert with_grey_gaps("viridis")(np.nan) == pytest.approx((0.6, 0.6, 0.6, 1.0))
    assert with_grey_gaps(plt.get_cmap("viridis"))(np.nan) == pytest.approx((0.6, 0.6, 0.6, 1.0))
    assert plt.get_cmap("viridis")(np.nan) == before


@pytest.mark.parametrize(
    "display",
    [
        ConvergenceDisplay({"": np.ones((1, 3))}),
        ReconstructionDisplay(
            np.ones((1, 8, 8)), np.ones((1, 4, 4)), np.ones((1, 4, 4)), np.zeros(1)
        ),
        ResolutionDisplay(np.linspace(0, 0.5, 3), np.ones(3), np.ones(3), "FRC"),
        TrainingDisplay({"training": np.ones(3)}, {}),
    ],
    ids=lambda display: type(display).__name__,
)
def test_a_missing_matplotlib_is_named(display, monkeypatch):
    found = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImportError, match=r"plotting needs matplotlib: pip install 'skpr\[plot\]'"):
        display.plot()
