"""Callbacks of a training: schedule, divergence, progress and errors."""

import math
import sys
import time
import warnings

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from .._progress import LINE_SECONDS, logger, shows_progress
from .._validation import check_boundary
from ..measurement import boundary_of
from ..metrics import relative_error
from ._parallel import of_all_processes

# options of a parameter group that a one-cycle schedule changes
_SCHEDULED = "lr", "initial_lr", "max_lr", "min_lr", "betas", "max_momentum", "base_momentum"


class OneCycle(Callback):
    """One-cycle schedule of learning rate and momentum.

    The schedule (Smith and Topin, 2017) spans exactly the steps of the training. Its peak is the
    learning rate of each group of parameters. The first of the `betas` of Adam varies by 0.05 about
    its value, or by less near 0 and 1. A schedule of the user takes precedence: this one is not set
    up beside a :class:`skorch.callbacks.LRScheduler`, and stops as soon as anything else sets a
    learning rate.
    """

    def on_train_begin(self, net, **kwargs):
        """Discard the schedule of the previous training."""
        self.scheduler_ = self.configured_ = None
        self.steps_aside_ = any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_)

    def on_epoch_begin(self, net, **kwargs):
        """Set up the schedule for the whole training."""
        if self.scheduler_ is not None or self.steps_aside_:
            return
        if net._n_batches is None:
            raise ValueError(
                "the one-cycle schedule must know the number of batches, but iterator_train has "
                "no length; set callbacks__schedule=None"
            )
        steps = net._n_epochs * net._n_batches
        if steps < 2:
            return
        groups = net.optimizer_.param_groups
        self.configured_ = [
            {name: group[name] for name in _SCHEDULED if name in group} for group in groups
        ]
        momenta = [group["betas"][0] for group in groups if "betas" in group]
        cycles = "betas" in net.optimizer_.defaults and not any(
            isinstance(m, torch.Tensor) for m in momenta
        )
        widths = [_half_width(momentum) for momentum in momenta]
        momentum = {
            "base_momentum": [round(m - w, 12) for m, w in zip(momenta, widths, strict=True)],
            "max_momentum": [round(m + w, 12) for m, w in zip(momenta, widths, strict=True)],
        }
        self.scheduler_ = torch.optim.lr_scheduler.OneCycleLR(
            net.optimizer_,
            [group["lr"] for group in groups],
            total_steps=steps,
            cycle_momentum=cycles,
            **momentum if cycles else {},
        )

    def on_batch_end(self, net, training, **kwargs):
        """Advance the schedule, unless something else has set the rate."""
        if not training or self.scheduler_ is None:
            return
        if _rates(net.optimizer_) != [float(rate) for rate in self.scheduler_.get_last_lr()]:
            warnings.warn(
                "another callback or set_params has set the learning rate during training: the "
                "one-cycle schedule stops; pass callbacks__schedule=None to train without it from "
                "the beginning",
                UserWarning,
                stacklevel=2,
            )
            self._put_back(net, [name for name in _SCHEDULED if name != "lr"])
            self.steps_aside_ = True
        elif self.scheduler_.last_epoch < self.scheduler_.total_steps:
            self.scheduler_.step()

    def on_train_end(self, net, **kwargs):
        """Restore the optimizer's configured rates for a further training."""
        self._put_back(net, _SCHEDULED)

    def _put_back(self, net, names):
        for group, configured in zip(
            net.optimizer_.param_groups, self.configured_ or (), strict=False
        ):
            for name in names:
                if name in configured:
                    group[name] = configured[name]
                else:
                    group.pop(name, None)
            group.setdefault("initial_lr", group["lr"])  # another schedule may need it later
        self.scheduler_ = self.configured_ = None


class Divergence(Callback):
    """Callback that ends a training with a non-finite loss.

    It warns of the first non-finite loss. A non-finite training loss ends the training after the
    epoch; a non-finite validation loss does not.
    """

    def on_train_begin(self, net, **kwargs):
        """Reset the record of divergence."""
        self.told_ = self.diverged_ = False

    def on_batch_end(self, net, training, **kwargs):
        """Warn of the first loss that is NaN or infinite."""
        batches = net.history[-1, "batches"]
        loss = batches[-1].get("train_loss" if training else "valid_loss", 0.0)
        if math.isfinite(loss):
            return
        self.diverged_ = self.diverged_ or training
        if self.told_:
            return
        self.told_ = True
        kind = "" if training else "validation "
        way = (
            "mixed_precision=False, because bfloat16 is less precise, or "
            if net.uses_bfloat16()
            else ""
        )
        warnings.warn(
            f"the training diverges: its {kind}loss is {loss} in epoch {len(net.history)}, batch "
            f"{len(batches)}; set {way}a smaller lr than {net.lr:g}, or a smaller "
            "callbacks__gradient_clipping__gradient_clip_value",
            UserWarning,
            stacklevel=2,
        )

    def on_epoch_end(self, net, **kwargs):
        """End the training, in all processes."""
        if any(of_all_processes(self.diverged_)):
            raise KeyboardInterrupt  # skorch ends a training this way


class ProgressLine(Callback):
    """Progress line with epoch, losses and time left.

    On a terminal the line is rewritten after every epoch; elsewhere a line is added every few
    seconds, and at the end.
    """

    def on_train_begin(self, net, **kwargs):
        """Count the epochs of earlier trainings."""
        self.n_before_ = len(net.history)
        self.printed_ = time.monotonic()

    def on_epoch_end(self, net, **kwargs):
        """Update the line, and log it."""
        row, done = net.history[-1], len(net.history) - self.n_before_
        left = sum(net.history[-done:, "dur"]) / done * (net._n_epochs - done)
        valid = f"  validation {row['valid_loss']:.4g}" if "valid_loss" in row else ""
        line = (
            f"epoch {done}/{net._n_epochs}  loss {row['train_loss']:.4g}{valid}  {left:.0f} s left"
        )
        logger.info("%s", line)
        if not shows_progress(net.verbose):
            return
        if sys.stderr.isatty():
            print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.printed_ > LINE_SECONDS or done == net._n_epochs:
            print(line, file=sys.stderr, flush=True)
            self.printed_ = time.monotonic()

    def on_train_end(self, net, **kwargs):
        """End the line, which stays on the terminal."""
        if shows_progress(net.verbose) and len(net.history) and sys.stderr.isatty():
            print(file=sys.stderr, flush=True)


class SymmetricError(Callback):
    """Callback that records the validation error modulo symmetries.

    After every epoch, it records the mean relative error over the validation set as `valid_error`.
    The loss compares an object with one representative only and says little about one that came out
    upside down; this error does not depend on the representative. Add the callback to the
    `callbacks` of a :class:`skpr.PhaseRetrievalRegressor` with a validation set (`early_stopping`
    or `train_split`). :class:`skpr.TrainingDisplay` shows the error.

    Parameters
    ----------
    boundary : {"auto", "zero", "circular"} or sequence of the latter, default="auto"
        Boundary of the shifts, for each axis of an object or for all; see
        :func:`skpr.metrics.relative_error`. "auto" takes boundary and symmetries from the network.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude, PhaseRetrievalRegressor
    >>> objects = np.random.default_rng(0).random((40, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> net = PhaseRetrievalRegressor(
    ...     max_epochs=2,
    ...     early_stopping=True,
    ...     callbacks=[("error", SymmetricError())],
    ...     random_state=0,
    ...     device="cpu",
    ... )
    >>> len(net.fit(magnitudes, objects).history[:, "valid_error"])
    2
    """

    changes_training = False

    def __init__(self, boundary="auto"):
        self.boundary = boundary

    def on_train_begin(self, net, **kwargs):
        """Set up the registration when a training begins."""
        n_axes = len(net.object_shape_)
        if self.boundary != "auto":
            self.symmetries_ = {"boundary": check_boundary(self.boundary, n_axes)}
            return
        boundary = getattr(net, "boundary_", None) or boundary_of(
            net.object_shape_, net.fourier_shape_
        )
        self.symmetries_ = {"boundary": boundary}
        if getattr(net, "symmetries_", "fourier") == "phase":
            self.symmetries_ |= {"shift": False, "flip": False}

    def on_epoch_begin(self, net, **kwargs):
        """Discard the errors of the previous epoch."""
        self.errors_ = []

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
        """Compute the errors of a validation batch after it has been predicted."""
        if not training:
            found = y_pred[0] if isinstance(y_pred, tuple) else y_pred
            truth, found = batch[1].detach().cpu(), found.detach().cpu()
            if not found.isfinite().all():  # the divergence callback warns of it
                self.errors_.append(np.full(len(found), np.nan))
                return
            self.errors_.append(
                relative_error(truth, found, **self.symmetries_, multioutput="raw_values")
            )

    def on_epoch_end(self, net, **kwargs):
        """Record the mean error."""
        if self.errors_:
            net.history.record("valid_error", float(np.concatenate(self.errors_).mean()))


def best_weights_kept(patience):
    """Return early stopping that restores the weights of least loss."""
    return EarlyStopping(monitor="valid_loss", patience=patience, load_best=True, sink=_silent)


def _silent(*args, **kwargs):
    """Discard skorch's messages, which the progress line replaces."""


def multiplies_bfloat16():
    """Return whether this CPU has instructions that multiply bfloat16.

    Without AMX or AVX512-BF16, bfloat16 is slower than float32.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # absent in older PyTorch
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def check_finite(net, objects):
    """Refuse predictions with NaN or infinity."""
    bad = ~objects.isfinite().flatten(1).all(dim=1)
    if bad.any():
        raise ValueError(
            f"{type(net).__name__} predicts NaN or infinity for {int(bad.sum())} of "
            f"{len(objects)} samples: its training has diverged; train it again with a smaller lr "
            f"than {net.lr:g}"
        )
    return objects


def _rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def _half_width(momentum):
    """Return half the range of a momentum: at most 0.05."""
    return min(0.05, float(momentum), (1 - float(momentum)) / 2)
