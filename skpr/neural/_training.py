"""What goes on around a training step: schedule, early stopping, progress, new objects, detector effects, seeds."""

import contextlib
import math
import sys

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from skorch.callbacks import Callback, EarlyStopping

from .._progress import logger, shows_progress
from .._tensors import chunks_of, to_tensor
from ..fourier import FourierMagnitude
from ..metrics import relative_error
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
        """Rewrite the line, and log it."""
        row = net.history[-1]
        left = sum(net.history[:, "dur"]) / len(net.history) * (net.max_epochs - len(net.history))
        valid = f"  validation {row['valid_loss']:.4g}" if "valid_loss" in row else ""
        line = (
            f"epoch {len(net.history)}/{net.max_epochs}  loss {row['train_loss']:.4g}{valid}  {max(left, 0):.0f} s left"
        )
        logger.info("%s", line)
        if not shows_progress(net.verbose):
            return
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)

    def on_train_end(self, net, **kwargs):
        """Leave the line behind."""
        if shows_progress(net.verbose) and len(net.history):
            print(file=sys.stderr, flush=True)


class SymmetricError(Callback):
    """Records the mean relative error modulo symmetries of the validation set after every epoch, as `valid_error`.

    The loss is that of one representative and says little of an object that came out upside down. One more of the
    `callbacks` of :class:`skpr.PhaseRetrievalRegressor`, where there is a validation set (`early_stopping`, or
    `train_split`); :class:`skpr.TrainingDisplay` shows it.

    Parameters
    ----------
    boundary : {"zero", "circular"}, default="zero"
        See :func:`skpr.metrics.relative_error`.

    Examples
    --------
    >>> from skpr import PhaseRetrievalRegressor
    >>> objects = np.random.default_rng(0).random((40, 8, 8))
    >>> magnitudes = FourierMagnitude().fit_transform(objects)
    >>> net = PhaseRetrievalRegressor(
    ...     max_epochs=2, early_stopping=True, callbacks=[("error", SymmetricError())], random_state=0, device="cpu"
    ... )
    >>> len(net.fit(magnitudes, objects).history[:, "valid_error"])
    2
    """

    def __init__(self, boundary="zero"):
        self.boundary = boundary

    def on_epoch_begin(self, net, **kwargs):
        """Start anew."""
        self.errors_ = []

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **kwargs):
        """Compare a validation batch with the truth."""
        if not training:
            found = y_pred[0] if isinstance(y_pred, tuple) else y_pred
            truth, found = batch[1].detach().cpu(), found.detach().cpu()
            self.errors_.append(relative_error(truth, found, boundary=self.boundary, multioutput="raw_values"))

    def on_epoch_end(self, net, **kwargs):
        """Record the mean."""
        if self.errors_:
            net.history.record("valid_error", float(np.concatenate(self.errors_).mean()))


def best_weights_kept(patience):
    """Early stopping on the validation loss that puts the best weights back."""
    return EarlyStopping(monitor="valid_loss", patience=patience, load_best=True, sink=_silent)


def _silent(*args, **kwargs):
    """Where skorch's messages go: the progress line tells enough."""


def fitted_detector(detector, generator, magnitudes):
    """A detector's clone, fitted, whose every call draws anew, from a NumPy generator; None for None.

    Raises `ValueError` for one that changes the shape of patterns: what is predicted later would not fit.
    """
    if detector is None:
        return None
    detector = _drawing_from(generator, detector)
    first = to_tensor(magnitudes[:1])
    seen = detector.fit(first).transform(first)
    if seen.shape[1:] != magnitudes.shape[1:]:
        raise ValueError(
            f"detector={detector!r} makes patterns of shape {tuple(seen.shape[1:])} of {tuple(magnitudes.shape[1:])}; "
            "crop and bin before training, as a step of the pipeline"
        )
    return detector


def fitted_augmenter(augmenter, generator, magnitudes, objects, centered):
    """A function that makes a batch of new objects and their magnitudes out of one; None for None.

    Raises `ValueError` where the magnitudes are not those of the objects, or the augmenter changes their shape.
    """
    if augmenter is None:
        return None
    return Augmentation(_drawing_from(generator, augmenter), magnitudes, objects, centered)


class Augmentation:
    """New objects of a batch's, drawn anew at every call, and their magnitudes in the batch's units.

    Parameters
    ----------
    augmenter : transformer
        Of objects.
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
        Of the training set.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    """

    def __init__(self, augmenter, magnitudes, objects, centered):
        y = to_tensor(objects[:8])
        self.augmenter = augmenter.fit(y)
        made = to_tensor(self.augmenter.transform(y))
        if made.shape != y.shape:
            raise ValueError(
                f"augmenter={augmenter!r} makes objects of shape {tuple(made.shape[1:])} of {tuple(y.shape[1:])}; "
                "frame them before training"
            )
        self.forward_model = FourierMagnitude(fourier_shape=tuple(magnitudes.shape[1:]), centered=centered).fit(y)
        for part in chunks_of(len(magnitudes), 4 * math.prod(magnitudes.shape[1:])):
            self._check_simulated(to_tensor(magnitudes[part]), to_tensor(objects[part]), part.start)

    def __call__(self, magnitudes, objects):
        """A batch of new magnitudes and objects."""
        objects = objects.to(magnitudes.device)
        made = to_tensor(self.augmenter.transform(objects)).to(objects)
        simulated = self.forward_model.transform(made)
        return simulated * _per_sample(self._units(magnitudes, objects), simulated), made

    def _check_simulated(self, magnitudes, objects, first):
        """Refuse magnitudes that are not those of their objects."""
        objects = objects.to(magnitudes.device)
        expected = self.forward_model.transform(objects)
        expected = (expected * _per_sample(self._units(magnitudes, objects), expected)).double().flatten(1)
        misfits = (magnitudes.double().flatten(1) - expected).norm(dim=1) / expected.norm(dim=1).clamp_min(1e-300)
        others = (~(misfits < 1e-3)).nonzero()[:, 0]
        if len(others):
            raise ValueError(
                "augmenter needs magnitudes that are those of the objects, to simulate them for new ones, but X "
                f"differs from |F y| by a relative {float(misfits[others[0]]):.2g} in sample {first + int(others[0])}: "
                "pass noise and missing pixels as detector=..., check "
                f"centered={self.forward_model.centered!r}, or leave augmenter=None"
            )

    @staticmethod
    def _units(magnitudes, objects):
        """The unit of each pattern: 1 for the unnormalised DFT; by Parseval's theorem."""
        power = energy(objects).double() * math.prod(magnitudes.shape[1:])
        return torch.where(power > 0, energy(magnitudes).double() / torch.where(power > 0, power, 1.0), 1.0).sqrt()


def _per_sample(values, batch):
    return values.to(batch.dtype).view([-1] + [1] * (batch.ndim - 1))


def _drawing_from(generator, step):
    """A transformer's clone that draws from a generator, on and on."""
    step = clone(step)
    names = [name for name in step.get_params() if name == "random_state" or name.endswith("__random_state")]
    return step.set_params(**dict.fromkeys(names, generator))


def detected(detector, magnitudes):
    """What a detector makes of magnitudes, in their units again, so that brightness still means what it did.

    Counting photons changes the units, differently for each exposure: measured pixels get back the energy they had.
    """
    seen = detector.transform(magnitudes)
    known = ~seen.isnan()
    before, after = (energy(torch.where(known, b, 0.0)) for b in (magnitudes, seen))
    scale = torch.where(after > 0, (before / torch.where(after > 0, after, 1.0)).sqrt(), 1.0)
    return seen * _per_sample(scale, seen)


def multiplies_bfloat16():
    """Whether this CPU has matrix units for bfloat16; without them it is slower than float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of PyTorch do not tell
    return bool(capabilities.get("amx_bf16", False))


def drawn_seed(random_state):
    """A seed for torch, drawn from scikit-learn's `random_state`; None for None."""
    return None if random_state is None else int(check_random_state(random_state).randint(2**31 - 1))


@contextlib.contextmanager
def seeded(seed):
    """Run with torch's generators seeded, and put them back afterwards; `None` leaves them alone."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
