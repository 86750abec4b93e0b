"""Plot of reconstructions beside the true objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import check_batch
from .._validation import check_boundary, check_count
from ..measurement import boundary_of
from ..metrics import fitted_symmetries, relative_error, seen_by_regressor
from ..symmetry import register
from ._pictures import as_array, as_picture, extent_of, new_axes, scales, with_grey_gaps

if TYPE_CHECKING:
    from .._typing import Batch
    from ..files import Geometry


class ReconstructionDisplay:
    r"""Reconstructions beside the true objects, one object per row.

    Each row shows the magnitudes, the true object, the registered reconstruction and the difference
    of the last two.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_rows, \*fourier_shape)
        Magnitudes of the objects; NaN, shown in grey, where unmeasured.
    truths, reconstructions : ndarray of shape (n_rows, \*object_shape)
        True objects, and reconstructions already registered to them.
    errors : ndarray of shape (n_rows,)
        Relative errors, shown beside each difference.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_rows, 4)
        Axes of the pictures.

    Notes
    -----
    Complex objects are shown by their modulus, three-dimensional objects by their middle slice.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((3, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> twins = objects[:, ::-1, ::-1]
    >>> display = ReconstructionDisplay.from_predictions(objects, twins, magnitudes, n_rows=2)
    >>> display.errors.round(6)
    array([0., 0.])
    """

    def __init__(self, magnitudes, truths, reconstructions, errors):
        self.magnitudes = magnitudes
        self.truths = truths
        self.reconstructions = reconstructions
        self.errors = errors

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Batch,
        y: Batch,
        *,
        n_rows: int = 4,
        boundary: Any = None,
        **plot_params: Any,
    ) -> ReconstructionDisplay:
        r"""Predict, register and plot the first samples.

        Parameters
        ----------
        estimator : fitted estimator
            Regressor of objects on magnitudes, or a pipeline, a search or a meta-estimator around
            one. The input of the regressor is shown as the magnitudes.
        X : array-like of shape (n_samples, ...)
            Input of the estimator.
        y : array-like of shape (n_samples, \*object_shape)
            True objects.
        n_rows : int, default=4
            Maximum number of samples to show.
        boundary : {"zero", "circular"} or sequence of these, one per object axis, optional
            Boundary of shifts; by default that of the estimator.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ReconstructionDisplay
        """
        check_count("n_rows", n_rows)
        X, y = X[:n_rows], y[:n_rows]
        boundary, symmetries = fitted_symmetries(
            estimator, X, y, boundary="auto" if boundary is None else boundary
        )
        magnitudes = seen_by_regressor(estimator, X)
        return cls._of(
            y, estimator.predict(X), magnitudes, boundary, symmetries == "fourier", plot_params
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Batch,
        y_pred: Batch,
        magnitudes: Batch,
        *,
        n_rows: int = 4,
        boundary: Any = None,
        **plot_params: Any,
    ) -> ReconstructionDisplay:
        r"""Register predictions to the truth and plot the first samples.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples, \*object_shape)
            Objects and their predictions.
        magnitudes : array-like of shape (n_samples, \*fourier_shape)
            Magnitudes of the objects; NaN, shown in grey, where unmeasured.
        n_rows : int, default=4
            Maximum number of samples to show.
        boundary : {"zero", "circular"} or sequence of these, one per object axis, optional
            Boundary of shifts; by default it follows from the shapes of objects and magnitudes.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ReconstructionDisplay
        """
        check_count("n_rows", n_rows)
        return cls._of(
            y_true[:n_rows], y_pred[:n_rows], magnitudes[:n_rows], boundary, True, plot_params
        )

    @classmethod
    def _of(cls, y_true, y_pred, magnitudes, boundary, all_symmetries, plot_params):
        truths, predictions = (
            as_array(check_batch(y, name=name))
            for y, name in ((y_true, "y_true"), (y_pred, "y_pred"))
        )
        magnitudes = as_array(
            check_batch(magnitudes, name="magnitudes", ensure_all_finite="allow-nan")
        )
        if len(magnitudes) != len(truths):
            raise ValueError(
                f"{len(magnitudes)} magnitudes do not match {len(truths)} objects; give one per "
                f"object"
            )
        if boundary is None:
            boundary = boundary_of(truths.shape[1:], magnitudes.shape[1:])
        boundary = check_boundary(boundary, truths.ndim - 1)
        symmetries = {"shift": all_symmetries, "flip": all_symmetries, "boundary": boundary}
        errors = relative_error(truths, predictions, multioutput="raw_values", **symmetries)
        registered, _ = register(predictions, truths, phase=True, **symmetries)
        return cls(magnitudes, truths, registered, errors).plot(**plot_params)

    def plot(
        self, *, axes: Any = None, cmap: Any = "inferno", geometry: Geometry | None = None
    ) -> ReconstructionDisplay:
        """Draw one row of pictures per object.

        Parameters
        ----------
        axes : ndarray of matplotlib.axes.Axes of shape (n_rows, 4), optional
            Axes to draw on; a new figure if not given.
        cmap : str or matplotlib colour map
            Colour map of magnitudes and objects.
        geometry : Geometry, optional
            Geometry that :func:`skpr.files.read_diffraction` returns. With it, the axes of
            magnitudes show the momentum transfer `q` in 1/nm, zero in the middle, as it is near
            zero frequency; the axes of objects show nm.

        Returns
        -------
        self
        """
        n_rows = len(self.truths)
        if axes is None:
            axes = new_axes(n_rows, 4, figsize=(8, 2 * n_rows))
        axes = np.asarray(axes)
        if axes.size != 4 * n_rows:
            raise ValueError(
                f"axes has shape {axes.shape}; {n_rows} rows need axes of shape ({n_rows}, 4)"
            )
        axes = axes.reshape(n_rows, 4)
        colours = with_grey_gaps(cmap)
        momentum, size = scales(geometry, self.magnitudes.shape[1:])
        titles = "log magnitude", "truth", "reconstruction", "difference"
        for column, title in enumerate(titles):
            axes[0, column].set_title(title, fontsize=10)
        for row, error in enumerate(self.errors):
            truth, found = as_picture(self.truths[row]), as_picture(self.reconstructions[row])
            top = float(np.abs(truth).max()) or 1.0
            bottom = min(float(truth.min()), 0.0)
            magnitude = _logarithm(as_picture(self.magnitudes[row]))
            frame = None if size is None else extent_of(truth.shape, size, False)
            reciprocal = None if momentum is None else extent_of(magnitude.shape, momentum, True)
            axes[row, 0].imshow(magnitude, cmap=colours, extent=reciprocal)
            axes[row, 1].imshow(truth, cmap=colours, vmin=bottom, vmax=top, extent=frame)
            axes[row, 2].imshow(found, cmap=colours, vmin=bottom, vmax=top, extent=frame)
            axes[row, 3].imshow(found - truth, cmap="RdBu_r", vmin=-top, vmax=top, extent=frame)
            axes[row, 3].set_ylabel(f"error {error:.3f}", fontsize=9)
            axes[row, 3].yaxis.set_label_position("right")
        for ax in axes.flat if momentum is None else axes[:, 3]:
            ax.set_xticks([])
            ax.set_yticks([])
        if momentum is not None:
            axes[-1, 0].set_xlabel("q [1/nm]")
            axes[-1, 1].set_xlabel("nm")
            axes[-1, 2].set_xlabel("nm")
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        return self


def _logarithm(picture):
    """Return the logarithm `log(1 + x)` of magnitudes, NaN masked.

    Features of another kind, which may be negative, are returned unchanged.
    """
    picture = np.ma.masked_invalid(picture)
    return picture if (picture < 0).any() else np.log1p(picture)
