"""Pictures, in scikit-learn's Display manner: `from_estimator` or `from_predictions`, then `figure_`."""

import numpy as np

from ._arrays import check_batch
from .metrics import fourier_ring_correlation, phase_retrieval_transfer_function, relative_error
from .symmetry import register

__all__ = ["ConvergenceDisplay", "ReconstructionDisplay", "ResolutionDisplay", "TrainingDisplay"]


class ReconstructionDisplay:
    r"""Magnitude, truth, registered reconstruction and their difference, one object a row.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_rows, \*fourier_shape)
    truths, reconstructions : ndarray of shape (n_rows, \*object_shape)
        Reconstructions already registered to the truths.
    errors : ndarray of shape (n_rows,)
        Relative errors, shown above each difference.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes of shape (n_rows, 4)

    Notes
    -----
    Of complex objects the modulus is shown, of three-dimensional ones the middle slice.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skpr import FourierMagnitude
    >>> objects = np.random.default_rng(0).random((3, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> ReconstructionDisplay.from_predictions(objects, objects[:, ::-1, ::-1], magnitudes, n_rows=2).errors.round(6)
    array([0., 0.])
    """

    def __init__(self, magnitudes, truths, reconstructions, errors):
        self.magnitudes = magnitudes
        self.truths = truths
        self.reconstructions = reconstructions
        self.errors = errors

    @classmethod
    def from_estimator(cls, estimator, X, y, *, n_rows=4, boundary="zero", **plot_params):
        r"""Predict, register and plot the first samples.

        Parameters
        ----------
        estimator : fitted estimator
            A regressor of objects on magnitudes, or a pipeline that ends in one; what its last step receives is shown
            as the magnitudes.
        X : array-like of shape (n_samples, ...)
            What the estimator takes.
        y : array-like of shape (n_samples, \*object_shape)
            True objects.
        n_rows : int, default=4
            Samples to show.
        boundary : {"zero", "circular"}
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ReconstructionDisplay
        """
        X, y = X[:n_rows], y[:n_rows]
        steps = getattr(estimator, "steps", ())
        magnitudes = estimator[:-1].transform(X) if len(steps) > 1 else X
        return cls.from_predictions(
            y, estimator.predict(X), magnitudes, n_rows=n_rows, boundary=boundary, **plot_params
        )

    @classmethod
    def from_predictions(cls, y_true, y_pred, magnitudes, *, n_rows=4, boundary="zero", **plot_params):
        r"""Register predictions to the truth and plot the first samples.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples, \*object_shape)
        magnitudes : array-like of shape (n_samples, \*fourier_shape)
        n_rows : int, default=4
        boundary : {"zero", "circular"}
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ReconstructionDisplay
        """
        truths = np.asarray(check_batch(y_true[:n_rows], name="y_true"))
        predictions = np.asarray(check_batch(y_pred[:n_rows], name="y_pred"))
        registered, _ = register(predictions, truths, boundary=boundary)
        errors = relative_error(truths, predictions, boundary=boundary, multioutput="raw_values")
        return cls(np.asarray(magnitudes[:n_rows]), truths, registered, errors).plot(**plot_params)

    def plot(self, *, axes=None, cmap="inferno"):
        """Draw the rows.

        Parameters
        ----------
        axes : ndarray of matplotlib.axes.Axes of shape (n_rows, 4), optional
            Where to draw; a new figure if not given.
        cmap : str
            Colour map of magnitudes and objects.

        Returns
        -------
        self
        """
        plt = _pyplot()
        n_rows = len(self.truths)
        if axes is None:
            _, axes = plt.subplots(n_rows, 4, figsize=(8, 2 * n_rows), squeeze=False, layout="constrained")
        axes = np.asarray(axes).reshape(n_rows, 4)
        titles = "log magnitude", "truth", "reconstruction", "difference"
        for column, title in enumerate(titles):
            axes[0, column].set_title(title, fontsize=10)
        for row, error in enumerate(self.errors):
            truth, found = _as_picture(self.truths[row]), _as_picture(self.reconstructions[row])
            top = max(float(np.abs(truth).max()), 1e-12)
            bottom = min(float(truth.min()), 0.0)
            axes[row, 0].imshow(_as_picture(np.log1p(self.magnitudes[row])), cmap=cmap)
            axes[row, 1].imshow(truth, cmap=cmap, vmin=bottom, vmax=top)
            axes[row, 2].imshow(found, cmap=cmap, vmin=bottom, vmax=top)
            axes[row, 3].imshow(found - truth, cmap="RdBu_r", vmin=-top, vmax=top)
            axes[row, 3].set_ylabel(f"error {error:.3f}", fontsize=9)
            axes[row, 3].yaxis.set_label_position("right")
        for ax in axes.flat:
            ax.set_xticks([])
            ax.set_yticks([])
        self.axes_, self.figure_ = axes, axes[0, 0].figure
        return self


class ConvergenceDisplay:
    """Error against iteration, one line a start.

    Parameters
    ----------
    histories : dict of str to ndarray of shape (n_lines, n_iterations)
        Errors by label; NaN after a start was done.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> display = ConvergenceDisplay.from_histories(np.geomspace(1, 1e-3, 20)[None])
    >>> len(display.ax_.lines)  # one start, and the median
    2
    """

    def __init__(self, histories):
        self.histories = histories

    @classmethod
    def from_histories(cls, histories, **plot_params):
        """Plot the `history` of one or several retrievals.

        Parameters
        ----------
        histories : array-like of shape (..., n_iterations), or dict of str to such
            As :meth:`skpr.IterativePhaseRetrieval.retrieve` records them; axes before the last are lines.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            Where there is no history: `retrieve` records it with `return_history=True`.
        """
        histories = histories if isinstance(histories, dict) else {"": histories}
        lines = {}
        for label, values in histories.items():
            if values is None:
                raise ValueError("history is None; call retrieve with return_history=True")
            values = np.asarray(values, dtype=float)
            lines[label] = values.reshape(-1, values.shape[-1])
        return cls(lines).plot(**plot_params)

    def plot(self, *, ax=None, ylabel="Fourier error"):
        """Draw the lines, and heavier their median, in which starts that are done keep their last error.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given.
        ylabel : str

        Returns
        -------
        self
        """
        if ax is None:
            _, ax = _pyplot().subplots(figsize=(6, 4), layout="constrained")
        for number, (label, values) in enumerate(self.histories.items()):
            iterations = np.arange(1, values.shape[1] + 1)
            alpha = min(0.5, max(0.05, 5 / len(values)))
            ax.plot(iterations, values.T, color=f"C{number}", alpha=alpha, linewidth=0.8)
            # a start that is done keeps its last error
            last = np.where(np.isnan(values), -np.inf, values)
            index = np.maximum.accumulate(np.where(np.isfinite(last), np.arange(values.shape[1]), 0), axis=1)
            filled = np.take_along_axis(values, index, axis=1)
            known = ~np.isnan(values).all(axis=1)  # interrupted starts have no error
            ax.plot(
                iterations, np.median(filled[known], axis=0), color=f"C{number}", linewidth=2.5, label=label or None
            )
        ax.set_yscale("log")
        ax.set_xlabel("iteration")
        ax.set_ylabel(ylabel)
        if any(self.histories):
            ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


class TrainingDisplay:
    """Losses of a training, epoch by epoch, and errors modulo symmetries where they were recorded.

    Parameters
    ----------
    losses, errors : dict of str to ndarray of shape (n_epochs,)
        By label; of `errors` perhaps none.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skpr import make_phase_retriever
    >>> objects = np.random.default_rng(0).random((32, 8, 8))
    >>> model = make_phase_retriever(max_epochs=2, module__hidden_width=8, random_state=0, device="cpu")
    >>> TrainingDisplay.from_estimator(model.fit(objects, objects)).losses["training"].shape
    (2,)
    """

    def __init__(self, losses, errors):
        self.losses = losses
        self.errors = errors

    @classmethod
    def from_estimator(cls, estimator, **plot_params):
        """Plot the history of a fitted network.

        Parameters
        ----------
        estimator : fitted estimator
            A :class:`skpr.PhaseRetrievalRegressor`, or what was built around one: a pipeline, a search. Errors are
            there where its `callbacks` hold a :class:`skpr.neural.SymmetricError`.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ValueError
            Where there is no network inside, or it has not been fitted.
        """
        network = _network_in(estimator)
        if not len(getattr(network, "history", ())):
            raise ValueError(f"{type(estimator).__name__} holds no network that has been fitted")
        known = network.history[0].keys()
        losses = {"training": "train_loss", "validation": "valid_loss"}
        found = {label: np.array(network.history[:, name]) for label, name in losses.items() if name in known}
        errors = (
            {"validation, modulo symmetries": np.array(network.history[:, "valid_error"])}
            if "valid_error" in known
            else {}
        )
        return cls(found, errors).plot(**plot_params)

    def plot(self, *, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given.

        Returns
        -------
        self
        """
        if ax is None:
            _, ax = _pyplot().subplots(figsize=(6, 4), layout="constrained")
        for label, values in self.losses.items():
            ax.plot(np.arange(1, len(values) + 1), values, label=f"loss, {label}")
        for label, values in self.errors.items():
            ax.plot(np.arange(1, len(values) + 1), values, "--", color="C3", label=f"relative error, {label}")
        ax.set_yscale("log")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss and error" if self.errors else "loss")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _network_in(estimator):
    """The network inside pipelines, searches and regressors around regressors."""
    while estimator is not None and not hasattr(estimator, "module_"):
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            estimator = getattr(estimator, "best_estimator_", getattr(estimator, "regressor_", None))
    return estimator


class ResolutionDisplay:
    """A resolution curve, PRTF or FRC, with its threshold.

    Parameters
    ----------
    frequencies, values, threshold : ndarray of shape (n_rings,)
        Frequencies in cycles per pixel.
    name : str
        Of the curve.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> frequencies = np.linspace(0, 0.5, 6)
    >>> display = ResolutionDisplay(frequencies, 1 - frequencies, np.full(6, np.exp(-1)), "PRTF").plot()
    >>> display.ax_.get_ylabel()
    'PRTF'
    """

    def __init__(self, frequencies, values, threshold, name):
        self.frequencies = frequencies
        self.values = values
        self.threshold = threshold
        self.name = name

    @classmethod
    def from_reconstructions(cls, magnitudes, objects, *, centered=True, **plot_params):
        r"""PRTF of registered reconstructions of one pattern, with 1/e.

        Parameters
        ----------
        magnitudes : array-like of shape fourier_shape
        objects : array-like of shape (n_reconstructions, \*object_shape)
        centered : bool, default=True
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ResolutionDisplay
        """
        frequencies, values = phase_retrieval_transfer_function(magnitudes, objects, centered=centered)
        return cls(frequencies, values, np.full(len(values), np.exp(-1)), "PRTF").plot(**plot_params)

    @classmethod
    def from_pair(cls, first, second, **plot_params):
        """Fourier ring (shell) correlation of two reconstructions, with the half-bit threshold.

        Parameters
        ----------
        first, second : array-like of shape object_shape
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ResolutionDisplay
        """
        name = "FSC" if np.ndim(first) == 3 else "FRC"
        return cls(*fourier_ring_correlation(first, second), name).plot(**plot_params)

    def plot(self, *, ax=None):
        """Draw curve and threshold.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given.

        Returns
        -------
        self
        """
        if ax is None:
            _, ax = _pyplot().subplots(figsize=(6, 4), layout="constrained")
        (line,) = ax.plot(self.frequencies, self.values, label=self.name)
        label = "1/e" if self.name == "PRTF" else "half bit"
        ax.plot(self.frequencies, self.threshold, "--", color=line.get_color(), alpha=0.6, label=label)
        ax.set_xlabel("frequency [cycles / pixel]")
        ax.set_ylabel(self.name)
        ax.set_ylim(min(0, np.nanmin(self.values)), 1.1)
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'skpr[plot]'") from error
    return plt


def _as_picture(sample):
    """A sample of any number of axes as a two-dimensional real image."""
    sample = np.abs(sample) if np.iscomplexobj(sample) else np.asarray(sample)
    if sample.ndim == 1:
        return np.tile(sample, (max(1, len(sample) // 4), 1))
    return sample if sample.ndim == 2 else sample[len(sample) // 2]
