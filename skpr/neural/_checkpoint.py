"""Callback that writes checkpoints and resumes from them."""

import os
import warnings
from pathlib import Path

import joblib
from skorch.callbacks import Callback, EarlyStopping

from .._files import remove_stale
from .._progress import inside_search, logger
from ._checkpoint_file import (
    check_checkpoint_path,
    check_same,
    file_signature,
    read_checkpoint,
    read_header,
    write_checkpoint,
)
from ._description import NotComparable
from ._identity import fit_identity
from ._parallel import of_first_process, process_rank
from ._training_state import restore, training_state


class TrainingCheckpoint(Callback):
    r"""Checkpoint file from which an interrupted training is resumed.

    The file holds the state of the training. It is written when the training begins, after every
    epoch and at the end, and is always complete. A `fit` from new weights that finds a file of the
    same training, with the same parameters and data, resumes it and ends at the weights an
    uninterrupted run would have reached. A training that had ended is not repeated. Any other file
    is refused and left alone. `partial_fit`, and a `fit` with `warm_start` after the first, neither
    read nor write the file.

    The parameter `checkpoint` of :class:`skpr.PhaseRetrievalRegressor` adds this callback. Inside a
    search or a cross-validation of scikit-learn every fit has a file of its own, whose name holds a
    digest: "run.3f0c9a1b2d4e.checkpoint" beside "run.checkpoint".

    Parameters
    ----------
    path : path-like
        Name of the file, in an existing folder.

    Attributes
    ----------
    path_ : str
        Name of the file that the last training wrote.

    Notes
    -----
    Two trainings are the same if all of their data and every parameter that can change the weights
    are equal. Parameters may hold numbers, text, arrays, generators, transformers, callbacks, and
    functions and classes of your own, which are compared by their code. A parameter that cannot be
    compared, such as a transformer with an open file, is refused. A callback of your own that only
    watches may have an attribute `changes_training = False`, and is then left out. For other
    callbacks, the file holds numbers, text and tensors, lists and dictionaries of these, and
    objects with a `state_dict`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skpr import FourierMagnitude, PhaseRetrievalRegressor
    >>> objects = np.random.default_rng(0).random((40, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = TrainingCheckpoint(folder + "/run.checkpoint")
    ...     net = PhaseRetrievalRegressor(
    ...         max_epochs=2, callbacks=[checkpoint], random_state=0, device="cpu"
    ...     )
    ...     first = net.fit(magnitudes, objects).predict(magnitudes)
    ...     again = net.fit(magnitudes, objects).predict(magnitudes)  # reads the file only
    >>> bool((first == again).all())
    True
    """

    changes_training = False
    identity_ = saved_ = None  # set during a training only
    claimed_ = False  # whether the file is new and its training has completed no epoch yet

    def __init__(self, path):
        self.path = path

    def open(self, net, X, y, run, seed):
        """Look for the state of a training before it begins.

        Parameters
        ----------
        net : PhaseRetrievalRegressor
            Network to be trained.
        X, y : ndarray, torch.Tensor or LazyBatch
            Checked magnitudes and objects.
        run : Run
            Facts about the training.
        seed : int
            Seed of a new training.

        Returns
        -------
        int
            Seed of the training: the given one, or that of the checkpoint.

        Raises
        ------
        ModelFileError
            For a damaged file.
        TypeError
            For an invalid path, or a parameter that cannot be compared.
        ValueError
            For a checkpoint of another training, or a folder that does not exist.
        """
        check_checkpoint_path(self.path)
        found = error = None
        if process_rank() == 0:
            try:
                found = self._found(net, X, y, run)
            except (OSError, TypeError, ValueError) as raised:
                error = raised
        found, error = of_first_process((found, error))
        if error is not None:
            raise error
        self.path_, self.identity_, self.saved_, self.signature_ = found
        self.seed_ = seed if self.saved_ is None else self.saved_["seed"]
        return self.seed_

    def close(self):
        """Free the state in memory, and remove a file that holds no epoch.

        The state must not be saved with the model.
        """
        if self.claimed_ and file_signature(self.path_) == self.signature_:
            Path(self.path_).unlink(missing_ok=True)
        self.claimed_ = False
        self.identity_ = self.saved_ = self.signature_ = None

    def on_train_begin(self, net, **kwargs):
        """Reset the number of completed epochs."""
        self.n_done_ = 0
        self.pending_ = self.saved_

    def on_epoch_begin(self, net, **kwargs):
        """Restore the saved state, or write the present one.

        The first epoch is the earliest moment at which everything else is set up.
        """
        if self.identity_ is None:
            return
        if self.pending_ is None:
            self._write(net, finished=False)
            return
        logger.info("resuming from %s, after %d epochs", self.path_, self.pending_["n_epochs"])
        restore(net, self.pending_, self.path_)
        self.n_done_, self.pending_, self.saved_ = self.pending_["n_epochs"], None, None

    def on_epoch_end(self, net, **kwargs):
        """Update the number of completed epochs."""
        self.n_done_, self.claimed_ = len(net.history), False

    def on_train_end(self, net, **kwargs):
        """Write the final state of a training that was not interrupted.

        An interrupted one resumes from the start of its last epoch.
        """
        if self.identity_ is None:
            return
        stopped = any(
            isinstance(c, EarlyStopping) and c.misses_ == c.patience for _, c in net.callbacks_
        )
        if self.n_done_ == net._n_epochs or stopped:
            self._write(net, finished=True)
        self.close()

    def __getstate__(self):
        """Return the file's name, all that is saved with a model."""
        return {"path": os.fspath(self.path) if isinstance(self.path, os.PathLike) else self.path}

    def _found(self, net, X, y, run):
        """Return name, identity, state and signature of the file.

        Without a file, the state is None.
        """
        try:
            identity = fit_identity(net, X, y, run.n_epochs, run.fit_params)
        except NotComparable as error:
            raise TypeError(
                f"checkpoint={os.fspath(self.path)!r} needs parameters that can be compared in "
                f"another process, but {error}; build it from plain values, set changes_training = "
                "False if it is a callback that only watches, or leave checkpoint=None"
            ) from error
        path = Path(os.path.realpath(self.path))
        if inside_search():
            path = path.with_name(f"{path.stem}.{joblib.hash(identity)[:12]}{path.suffix}")
        remove_stale(path.parent)
        signature = file_signature(path)
        return str(path), identity, read_checkpoint(path, identity), signature

    def _write(self, net, finished):
        """Write the state, but never over a file of another training."""
        state = training_state(net, finished, without=self)
        error = None
        if process_rank() == 0:
            try:
                self._write_own(state)
            except (OSError, ValueError) as raised:
                error = raised
        if not self.n_done_:
            error = of_first_process(error)
            if error is not None:  # before any work
                raise error
        elif error is not None:
            warnings.warn(
                f"training continues, but the checkpoint after {self.n_done_} epochs could not be "
                f"written: {error}",
                UserWarning,
                stacklevel=2,
            )

    def _write_own(self, state):
        present = file_signature(self.path_)
        if present is not None and present != self.signature_:
            check_same(self.path_, read_header(self.path_)[0], self.identity_)
        write_checkpoint(self.path_, self.identity_, self.seed_, state, replace=present is not None)
        self.signature_ = file_signature(self.path_)
        self.claimed_ = self.n_done_ == 0 and present is None
        logger.debug("wrote %s after %d epochs", self.path_, self.n_done_)
