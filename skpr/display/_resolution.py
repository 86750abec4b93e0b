"""Plot of resolution curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._validation import check_number
from ..iterative import combine_reconstructions
from ..metrics import fourier_ring_correlation, half_period_resolution
from ._pictures import NANOMETRE, new_axes

SQUARE = 0.01  # largest relative difference of the sides of a pixel that counts as square


class ResolutionDisplay:
    """Resolution curve, PRTF or FRC, with its threshold.

    Parameters
    ----------
    frequencies, values, threshold : ndarray of shape (n_rings,)
        Frequencies in cycles per pixel, the curve (NaN where a ring has no value) and its
        threshold.
    name : str
        Name of the curve.
    floor : ndarray of shape (n_rings,), optional
        Value that a resolved ring exceeds, see :class:`skpr.iterative.Combination`.
    resolution : float, optional
        Half-period resolution in pixels; NaN if it is not defined.
    reason : str, default=""
        Reason why the resolution is not defined.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.
    ax_ : matplotlib.axes.Axes
        Axes with the curves.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> frequencies, threshold = np.linspace(0, 0.5, 6), np.full(6, np.exp(-1))
    >>> display = ResolutionDisplay(frequencies, 1 - frequencies, threshold, "PRTF").plot()
    >>> display.ax_.get_ylabel()
    'PRTF'
    """

    def __init__(
        self, frequencies, values, threshold, name, floor=None, resolution=None, reason=""
    ):
        self.frequencies = frequencies
        self.values = values
        self.threshold = threshold
        self.name = name
        self.floor = floor
        self.resolution = resolution
        self.reason = reason

    @classmethod
    def from_reconstructions(
        cls,
        magnitudes: Any,
        objects: Any,
        *,
        errors: Any = None,
        subpixel: bool = False,
        boundary: Any = None,
        centered: bool | None = None,
        **plot_params: Any,
    ) -> ResolutionDisplay:
        r"""Register reconstructions of one pattern and plot their PRTF.

        The plot includes the threshold 1/e and the floor, the value that chance explains.

        Parameters
        ----------
        magnitudes : array-like of shape fourier_shape
            Magnitudes of the pattern; NaN where unmeasured.
        objects : array-like of shape (n_reconstructions, \*object_shape)
            Reconstructions from different starts, registered or not.
        errors, subpixel, boundary, centered
            Parameters of :func:`skpr.iterative.combine_reconstructions`.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ResolutionDisplay
        """
        found = combine_reconstructions(
            objects,
            magnitudes,
            errors=errors,
            subpixel=subpixel,
            boundary=boundary,
            centered=centered,
        )
        cut_off = np.full(len(found.frequencies), np.exp(-1))
        return cls(
            found.frequencies,
            found.transfer_function,
            cut_off,
            "PRTF",
            floor=found.floor,
            resolution=found.resolution,
            reason=found.reason,
        ).plot(**plot_params)

    @classmethod
    def from_pair(
        cls, first: Any, second: Any, *, boundary: Any = "zero", **plot_params: Any
    ) -> ResolutionDisplay:
        """Plot the Fourier ring correlation of two reconstructions.

        For three-dimensional objects it is the Fourier shell correlation. The plot includes the
        half-bit threshold.

        Parameters
        ----------
        first, second : array-like of shape object_shape
            Independent reconstructions, for instance from two halves of the counts
            (:func:`skpr.metrics.split_counts`).
        boundary : {"zero", "circular"} or sequence of these with one entry per axis, default="zero"
            Boundary of the shifts of the registration.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ResolutionDisplay
        """
        name = "FSC" if np.ndim(first) == 3 else "FRC"
        curve = fourier_ring_correlation(first, second, boundary=boundary)
        return cls(*curve, name, resolution=half_period_resolution(*curve)).plot(**plot_params)

    def plot(self, *, ax: Any = None, pixel_size: Any = None) -> ResolutionDisplay:
        """Draw the curve, its threshold and its floor.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure if not given.
        pixel_size : float or sequence of float, optional
            Size of the object's pixels in metres, as :func:`skpr.files.object_pixel_size` returns
            it; the sizes that are known must be equal along all axes. Frequencies are then in
            cycles per nm.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If pixels are not square: a ring then has no single frequency in cycles per nm.
        """
        unit, step = _unit_of(pixel_size)
        if ax is None:
            ax = new_axes(figsize=(6, 4))[0, 0]
        frequencies = self.frequencies / step
        (line,) = ax.plot(frequencies, self.values, label=self.name)
        label = "1/e" if self.name == "PRTF" else "half bit"
        ax.plot(frequencies, self.threshold, "--", color=line.get_color(), alpha=0.6, label=label)
        if self.floor is not None:
            ax.plot(frequencies, self.floor, ":", color="0.5", label="floor: chance")
        ax.set_xlabel(f"frequency [cycles / {unit}]")
        ax.set_ylabel(self.name)
        ax.set_ylim(min(0.0, *np.nan_to_num(self.values)), 1.1)
        if self.resolution is not None:
            known = np.isfinite(self.resolution)
            title = (
                f"half period {self.resolution * step:.2f} {'pixels' if unit == 'pixel' else unit}"
            )
            ax.set_title(title if known else "no resolution", fontsize=10)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _unit_of(pixel_size):
    """Return the unit of lengths and the size of a pixel in this unit."""
    if pixel_size is None:
        return "pixel", 1.0
    sizes = (
        [pixel_size] if np.ndim(pixel_size) == 0 else [one for one in pixel_size if one is not None]
    )
    sizes = [check_number("pixel_size", one, 0, closed="neither", noun="metres") for one in sizes]
    if not sizes:
        return "pixel", 1.0
    if max(sizes) > (1 + SQUARE) * min(sizes):
        raise ValueError(
            f"pixel_size={pixel_size!r} is not valid; rings need square pixels: crop the patterns "
            f"so that the object's pixels are square"
        )
    return "nm", sizes[0] / NANOMETRE
