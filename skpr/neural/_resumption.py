"""One training of a network: how long it is, where it resumes, and how it ends."""

import contextlib
from dataclasses import dataclass

from skorch.callbacks import Callback

from .._progress import inside_search
from .._validation import check_count
from ._checkpoint import TrainingCheckpoint, restore
from ._identity import named_callbacks
from ._skorch import SkorchRegressor


@dataclass
class Run:
    """Length of a training, further arguments of `fit`, batches in an epoch, and whether it was
    interrupted.
    """

    n_epochs: int
    fit_params: dict
    n_batches: int | None = None
    interrupted: bool = False


class ResumableFit(SkorchRegressor):
    """Trains for the epochs that were asked for, less those that a checkpoint holds."""

    _run = _checkpoint = None  # during a training

    @property
    def _n_epochs(self):
        """Number of epochs of the present training, or of the next one."""
        return self.max_epochs if self._run is None else self._run.n_epochs

    @contextlib.contextmanager
    def _running(self, fit_params, **others):
        """Within, there is a training; an interrupted one ends the search that it is part of."""
        epochs = fit_params.get("epochs")
        if epochs is not None:
            check_count("epochs", epochs)
        others |= {name: value for name, value in fit_params.items() if name != "epochs"}
        self._run = run = Run(self.max_epochs if epochs is None else epochs, others)
        try:
            yield
        finally:
            checkpoint, _ = vars(self).pop("_checkpoint", None), vars(self).pop("_run", None)
            if checkpoint is not None:
                checkpoint.close()
        if (
            run.interrupted and inside_search()
        ):  # which would rank a network that is trained by half
            raise KeyboardInterrupt("interrupted in the middle of a training")

    def _open_checkpoint(self, X, y, seed):
        """Look for a checkpoint of this training, if one is to be kept, and return the training's
        seed.
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
        """skorch's, whose training batches are counted."""
        iterator = super().get_iterator(dataset, training=training)
        if training and self._run is not None:
            with contextlib.suppress(TypeError):  # which stays None where nobody can tell
                self._run.n_batches = len(iterator)
        return iterator

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """skorch's, for the epochs that are left of a training that resumes from a checkpoint."""
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
    """Whether a callback ended the training, as early stopping does, and not the user."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return isinstance(trace.tb_frame.f_locals.get("self"), Callback)
