"""Plot of error against iteration."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._pictures import as_array, new_axes


class ConvergenceDisplay:
    """Error against iteration, one line per start.

    Parameters
    ----------
    histories : dict of str to ndarray of shape (n_lines, n_iterations)
        Errors by label; NaN after the last iteration of a start.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.
    ax_ : matplotlib.axes.Axes
        Axes with the lines.

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
    def from_histories(cls, histories: Any, **plot_params: Any) -> ConvergenceDisplay:
        """Plot the `history` of one or several retrievals.

        Parameters
        ----------
        histories : array-like of shape (..., n_iterations), Retrieval, or dict of str to such
            Errors as :meth:`skpr.IterativePhaseRetrieval.retrieve` records them. Every index of
            the axes before the last is one line.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            If there is no history; `retrieve` records one with `return_history=True`.
        """
        histories = histories if isinstance(histories, dict) else {"": histories}
        if not histories:
            raise ValueError("histories={} is empty; give at least one history")
        return cls({str(label): _lines(values) for label, values in histories.items()}).plot(
            **plot_params
        )

    def plot(self, *, ax: Any = None, ylabel: str = "Fourier error") -> ConvergenceDisplay:
        """Draw one thin line per start and their median as a thick line.

        In the median, starts that have ended keep their last error.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure if not given.
        ylabel : str
            Label of the vertical axis.

        Returns
        -------
        self
        """
        if ax is None:
            ax = new_axes(figsize=(6, 4))[0, 0]
        for number, (label, values) in enumerate(self.histories.items()):
            iterations = np.arange(1, values.shape[1] + 1)
            alpha = min(0.5, max(0.05, 5 / len(values)))
            ax.plot(iterations, values.T, color=f"C{number}", alpha=alpha, linewidth=0.8)
            # a start that has ended keeps its last error, so that the median stays comparable
            index = np.maximum.accumulate(
                np.where(np.isnan(values), 0, np.arange(values.shape[1])), axis=1
            )
            filled = np.take_along_axis(values, index, axis=1)
            known = ~np.isnan(values).all(axis=1)  # interrupted starts have no error
            middle = (
                np.median(filled[known], axis=0)
                if known.any()
                else np.full(len(iterations), np.nan)
            )
            ax.plot(iterations, middle, color=f"C{number}", linewidth=2.5, label=label or None)
        if any((values > 0).any() for values in self.histories.values()):
            ax.set_yscale("log")
        ax.set_xlabel("iteration")
        ax.set_ylabel(ylabel)
        if any(self.histories):
            ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _lines(values):
    """Return a history as an array of shape (n_lines, n_iterations)."""
    values = getattr(values, "history", values)
    if values is None:
        raise ValueError("history is None; call retrieve with return_history=True")
    try:
        values = as_array(values)
    except ValueError as error:
        raise ValueError(
            "histories of different lengths do not form an array; give a dict with one entry for "
            "each"
        ) from error
    if values.dtype.kind not in "biuf" or values.ndim == 0 or values.size == 0:
        raise ValueError(
            f"a history of shape {values.shape} and type {values.dtype} is not valid; give errors "
            "of shape (..., n_iterations), such as retrieve(X, return_history=True).history"
        )
    return values.astype(float).reshape(-1, values.shape[-1])
