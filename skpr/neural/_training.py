"""Callbacks and context of a training run: schedule, early stopping, progress, seeds."""

import contextlib
import math
import sys

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from skorch.callbacks import Callback, EarlyStopping

from .._progress import shows_progress
from ..symmetry import energy


class OneCycle(Callback):
    """One-cycle learning rate (Smith and Topin, 2017), and momentum of Adam, over exactly the steps of this fit.

    The length of the schedule is that of the training set after the validation split, known when the first epoch
    begins.
    """

    def on_train_begin(self, net, **kwargs):
        """Forget the last run's schedule."""
        self.scheduler_ = None

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Set up the schedule for the whole run."""
        if self.scheduler_ is None:
            batch_size = net.batch_size if net.batch_size > 0 else len(dataset_train)
            steps = net.max_epochs * math.ceil(len(dataset_train) / batch_size)
            rates = [group["lr"] for group in net.optimizer_.param_groups]
            if steps > 1:
                self.scheduler_ = torch.optim.lr_scheduler.OneCycleLR(
                    net.optimizer_, rates, total_steps=steps, cycle_momentum="betas" in net.optimizer_.defaults
                )

    def on_batch_end(self, net, training, **kwargs):
        """Advance the schedule."""
        if training and self.scheduler_ is not None and self.scheduler_.last_epoch < self.scheduler_.total_steps:
            self.scheduler_.step()

    def on_train_end(self, net, **kwargs):
        """Leave the optimizer as it was configured, so that a further fit starts from the same rate."""
        if self.scheduler_ is not None:
            for group in net.optimizer_.param_groups:
                group["lr"] = group["initial_lr"] = net.lr
        self.scheduler_ = None


class ProgressLine(Callback):
    """One line on the terminal that says epoch, losses and time left; nothing where no terminal watches."""

    def on_epoch_end(self, net, **kwargs):
        """Rewrite the line."""
        if not shows_progress(net.verbose):
            return
        row = net.history[-1]
        left = sum(net.history[:, "dur"]) / len(net.history) * (net.max_epochs - len(net.history))
        valid = f"  validation {row['valid_loss']:.4g}" if "valid_loss" in row else ""
        line = (
            f"epoch {len(net.history)}/{net.max_epochs}  loss {row['train_loss']:.4g}{valid}  {max(left, 0):.0f} s left"
        )
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)

    def on_train_end(self, net, **kwargs):
        """Leave the line behind."""
        if shows_progress(net.verbose) and len(net.history):
            print(file=sys.stderr, flush=True)


def best_weights_kept(patience):
    """Early stopping on the validation loss that puts the best weights back."""
    return EarlyStopping(monitor="valid_loss", patience=patience, load_best=True, sink=_silent)


def _silent(*args, **kwargs):
    """Where skorch's messages go: the progress line tells enough."""


def fitted_detector(detector, magnitudes):
    """A detector's clone, fitted, whose every call draws anew, from torch's seeded generator; None for None.

    Raises `ValueError` for one that changes the shape of patterns: what is predicted later would not fit.
    """
    if detector is None:
        return None
    detector = clone(detector)
    generator = np.random.RandomState(int(torch.randint(2**31 - 1, ())))
    names = [name for name in detector.get_params() if name == "random_state" or name.endswith("__random_state")]
    detector.set_params(**dict.fromkeys(names, generator))
    seen = detector.fit(magnitudes[:1]).transform(magnitudes[:1])
    if seen.shape[1:] != magnitudes.shape[1:]:
        raise ValueError(
            f"detector={detector!r} makes patterns of shape {tuple(seen.shape[1:])} of {tuple(magnitudes.shape[1:])}; "
            "crop and bin before training, as a step of the pipeline"
        )
    return detector


def detected(detector, magnitudes):
    """What a detector makes of magnitudes, in their units again, so that brightness still means what it did.

    Counting photons changes the units, differently for each exposure: measured pixels get back the energy they had.
    """
    seen = detector.transform(magnitudes)
    known = ~seen.isnan()
    before, after = (energy(torch.where(known, b, 0.0)) for b in (magnitudes, seen))
    scale = torch.where(after > 0, (before / torch.where(after > 0, after, 1.0)).sqrt(), 1.0).to(seen.dtype)
    return seen * scale.view([-1] + [1] * (seen.ndim - 1))


@contextlib.contextmanager
def seeded(random_state):
    """Run with torch's generators seeded, and put them back afterwards; `None` leaves them alone."""
    if random_state is None:
        yield
        return
    seed = check_random_state(random_state).randint(2**31 - 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
