"""Plot of the losses of a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._pictures import new_axes


class TrainingDisplay:
    """Losses of a training by epoch, and errors modulo symmetries.

    Parameters
    ----------
    losses, errors : dict of str to ndarray of shape (n_epochs,)
        Values by label; NaN where an epoch has no value. `errors` is empty if none were recorded.

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
    >>> from skpr import make_phase_retriever
    >>> objects = np.pad(np.random.default_rng(0).random((32, 6, 6)), ((0, 0), (1, 1), (1, 1)))
    >>> model = make_phase_retriever(
    ...     max_epochs=2, module__hidden_width=8, random_state=0, device="cpu"
    ... )
    >>> TrainingDisplay.from_estimator(model.fit(objects, objects)).losses["training"].shape
    (2,)
    """

    def __init__(self, losses, errors):
        self.losses = losses
        self.errors = errors

    @classmethod
    def from_estimator(cls, estimator: Any, **plot_params: Any) -> TrainingDisplay:
        """Plot the history of a fitted network.

        Parameters
        ----------
        estimator : fitted estimator
            Fitted :class:`skpr.PhaseRetrievalRegressor`, or a pipeline, a search or a
            meta-estimator around one. Errors are shown if its `callbacks` include a
            :class:`skpr.neural.SymmetricError`.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        TrainingDisplay

        Raises
        ------
        ValueError
            If the estimator holds no fitted network, or no epoch has a loss.
        """
        network = _network_in(estimator)
        if not len(getattr(network, "history", ())):
            raise ValueError(f"{type(estimator).__name__} holds no network that has been fitted")
        losses = {"training": "train_loss", "validation": "valid_loss"}
        found = {label: _recorded(network.history, name) for label, name in losses.items()}
        errors = {"validation, modulo symmetries": _recorded(network.history, "valid_error")}
        found, errors = (
            {label: v for label, v in of.items() if not np.isnan(v).all()} for of in (found, errors)
        )
        if not found:
            raise ValueError(
                f"no epoch of {type(estimator).__name__} has a loss: the training was interrupted "
                f"or diverged"
            )
        return cls(found, errors).plot(**plot_params)

    def plot(self, *, ax: Any = None) -> TrainingDisplay:
        """Draw one curve per loss and error.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure if not given.

        Returns
        -------
        self
        """
        if ax is None:
            ax = new_axes(figsize=(6, 4))[0, 0]
        for label, values in self.losses.items():
            ax.plot(np.arange(1, len(values) + 1), values, label=f"loss, {label}")
        for label, values in self.errors.items():
            ax.plot(
                np.arange(1, len(values) + 1),
                values,
                "--",
                color="C3",
                label=f"relative error, {label}",
            )
        ax.set_yscale("log")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss and error" if self.errors else "loss")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _recorded(history, name):
    """Return a recorded value for every epoch.

    NaN where an epoch does not have the value, for instance because it was interrupted.
    """
    return np.array([row.get(name, np.nan) for row in history], dtype=float)


def _network_in(estimator):
    """Return the network inside pipelines, searches and meta-estimators."""
    while estimator is not None and not hasattr(estimator, "module_"):
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            names = "best_estimator_", "regressor_", "estimator_"
            estimator = next(
                (getattr(estimator, name) for name in names if hasattr(estimator, name)), None
            )
    return estimator
