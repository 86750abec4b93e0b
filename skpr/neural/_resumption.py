"""Length, resumption and interruption of one training."""

import contextlib
from dataclasses import dataclass

from skorch.callbacks import Callback

from .._progress import inside_search
from .._validation import check_count
from ._checkpoint import TrainingCheckpoint
from ._identity import named_callbacks
from ._skorch import SkorchRegressor
from ._training_state import restore


@dataclass
class Run:
    """Facts about the training in progress.

    Attributes
    ----------
    n_epochs : int
        Number of epochs of the whole training.
    fit_params : dict
        Further arguments of `fit`.
    n_batches : int or None
        Number of batches per epoch, where the loader tells it.
    interrupted : bool
        Whether the user interrupted the training.
    """

    n_epochs: int
    fit_params: dict
    n_batches: int | None = None
    interrupted: bool = False


class ResumableFit(SkorchRegressor):
    """Training loop that resumes from a checkpoint."""

    _run = _checkpoint = None  # set during a training only

    @property
    def _n_epochs(self):
        """Number of epochs of the present training, or of the next one."""
        return self.max_epochs if self._run is None else self._run.n_epochs

    @contextlib.contextmanager
    def _running(self, fit_params, **others):
        """Enter a training, and clean up when it ends.

        An interrupted training ends the search that it is part of.

        Yields
        ------
        Run
        """
        epochs = fit_params.get("epochs")
        if epochs is not None:
            check_count("epochs", epochs)
        others |= {name: value for name, value in fit_params.items() if name != "epochs"}
        self._run = run = Run(self.max_epochs if epochs is None else epochs, others)
        try:
            yield run
        finally:
            checkpoint, _ = vars(self).pop("_checkpoint", None), vars(self).pop("_run", None)
            if checkpoint is not None:
                checkpoint.close()
        # a search would otherwise rank a half-trained network
        if run.interrupted and inside_search():
            raise KeyboardInterrupt("interrupted in the middle of a training")

    def _open_checkpoint(self, X, y, seed):
        """Open the checkpoint, if any, and return the seed to use.

        The seed is that of the checkpoint where a training is resumed.
        """
        given = [callback for _, callback in named_callbacks(self.callbacks)]
        if TrainingCheckpoint in given:
            raise TypeError(
                "TrainingCheckpoint is a class; give an instance, such as "
                "TrainingCheckpoint('run.checkpoint')"
            )
        found = [callback for callback in given if isinstance(callback, TrainingCheckpoint)]
        if self.checkpoint is not None:
            if isinstance(self.callbacks, str):
                raise ValueError(
                    f"checkpoint={self.checkpoint!r} is a callback, but "
                    f"callbacks={self.callbacks!r}"
                )
            found.append(TrainingCheckpoint(self.checkpoint))
        if len(found) > 1:
            raise ValueError(
                f"{len(found)} checkpoints were given for one training; give one, as checkpoint=..."
            )
        if not found:
            return seed
        self._checkpoint = found[0]
        return self._checkpoint.open(self, X, y, self._run, seed)

    @property
    def _n_batches(self):
        """Number of batches in an epoch of the present training."""
        return self._run.n_batches

    def get_iterator(self, dataset, training=False):
        """Return skorch's loader, and count its training batches."""
        iterator = super().get_iterator(dataset, training=training)
        if training and self._run is not None:
            with contextlib.suppress(TypeError):  # without a length, n_batches stays None
                self._run.n_batches = len(iterator)
        return iterator

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run skorch's loop for the epochs that remain."""
        if self._run is None:
            with self._running({"epochs": epochs}):
                return self.fit_loop(X, y, epochs=epochs, **fit_params)
        epochs = self.max_epochs if epochs is None else epochs
        saved = None if self._checkpoint is None else self._checkpoint.saved_
        if saved is not None:
            epochs -= saved["n_epochs"]
            if saved["finished"] or epochs <= 0:
                restore(self, saved, self._checkpoint.path_)
                self._checkpoint.close()
                return self
        try:
            return super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt as error:
            if self._run is not None:
                self._run.interrupted = not _raised_by_callback(error)
            raise


def _raised_by_callback(error):
    """Return whether a callback, not the user, ended the training.

    Early stopping, for instance, raises `KeyboardInterrupt`, too.
    """
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(trace.tb_frame.f_locals.get("self"), Callback)
