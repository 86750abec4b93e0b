"""Single steps of training and inference, from batch to loss."""

import contextlib

import torch
from skorch.callbacks import BatchScoring, EpochScoring
from torch import nn

from ._augmented import detected
from ._loading import weights_of
from ._losses import loss_of
from ._skorch import SkorchRegressor
from ._training import multiplies_bfloat16


class BatchSteps(SkorchRegressor):
    """Steps from a batch to its predictions and loss."""

    _parallel = None  # forward pass in several processes, during a fit
    _recorded_step = None  # forward and backward pass recorded for a GPU, during a fit
    _batch_weight = None

    @property
    def batch_weight(self):
        """Weights of the samples of the present batch, 1 on average over an epoch."""
        return self._batch_weight

    @contextlib.contextmanager
    def weighted_batch(self, weight):
        """Weight the samples of the present batch inside a context."""
        before, self._batch_weight = self._batch_weight, weight
        try:
            yield
        finally:
            self._batch_weight = before

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run an epoch whose callbacks receive the network's batches."""
        if iterator is None:
            return
        try:
            super().run_single_epoch(self._seen(iterator, training), training, prefix, step_fn)
        finally:
            vars(self).pop("_batch_weight", None)

    def _seen(self, iterator, training):
        """Yield batches after data augmentation and the detector model."""
        weights = weights_of(getattr(iterator, "dataset", None))
        total = 1.0 if weights is None else float(weights.mean()) or 1.0
        for X, y, *weight in iterator:
            self._batch_weight = weight[0] / total if weight else None
            if training and self.augmenter_ is not None:
                X, y = self.augmenter_(X, y)
            yield X if self.detector_ is None else detected(self.detector_, X), y

    def train_step(self, batch, **fit_params):
        """Train on a batch, and return loss and predictions.

        The predictions are detached. Where a callback scores training batches, they are computed
        again for the whole batch in evaluation mode.
        """
        step = super().train_step(batch, **fit_params)
        made = step["y_pred"]
        if not isinstance(made, tuple):
            return step | {"y_pred": made.detach()}
        scored = any(
            isinstance(c, BatchScoring | EpochScoring) and c.on_train for _, c in self.callbacks_
        )
        return step | {
            "y_pred": self.evaluation_step(batch)
            if scored
            else tuple(part.detach() for part in made)
        }

    def train_step_single(self, batch, **fit_params):
        """Compute loss, predictions and gradients of a batch."""
        if self._recorded_step is not None and not fit_params:
            self._set_training(True)
            step = self._recorded_step(*batch)
            if step is not None:
                return step
        return super().train_step_single(batch, **fit_params)

    def infer(self, x, **fit_params):
        """Pass a batch through the network on its own device."""
        training = self.module_.training
        forward = self._parallel if training and self._parallel is not None else self.module_
        with self.autocast(training):
            return forward(x.to(self.network_device, non_blocking=True), **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Compute the loss in float32, summed over all outputs."""
        outputs = y_pred if isinstance(y_pred, tuple) else (y_pred,)
        y_true = y_true.to(outputs[0].device, non_blocking=True)
        losses = []
        for output in outputs:
            part = slice(len(output))
            weight = None if self._batch_weight is None else self._batch_weight[part]
            target = y_true[part]
            if output.shape != target.shape:  # of a coarser level
                target = self.module_.target(target, output.shape[1:])
            losses.append(loss_of(self.criterion_, output, target, weight))
        return sum(losses)

    @property
    def network_device(self):
        """Device that the network is on."""
        return self.module_.gain.device

    def autocast(self, training):
        """Return a context with bfloat16 where requested and fast."""
        device = self.network_device
        return torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=self._uses_bfloat16(device, training)
        )

    def uses_bfloat16(self):
        """Return whether the network is trained in bfloat16."""
        return self._uses_bfloat16(self.network_device, training=True)

    def _uses_bfloat16(self, device, training):
        if not self.mixed_precision:
            return False
        if device.type == "cuda":
            return torch.cuda.is_bf16_supported()
        # PyTorch 2.13's CPU convolutions of tiny volumes in bfloat16 read memory that was never
        # written, and return NaN
        volumes = any(isinstance(m, nn.Conv3d | nn.ConvTranspose3d) for m in self.module_.modules())
        return training and device.type == "cpu" and multiplies_bfloat16() and not volumes


@contextlib.contextmanager
def usual_torch(device):
    """Reset torch to its default modes inside a context.

    Training needs gradients even where the caller has disabled them, and chooses its own precision
    whatever the caller has set.
    """
    kinds = {"cpu", torch.device(device).type}
    elsewhere = torch.empty(0).device.type != "cpu"
    unusual = (
        elsewhere or torch.is_inference_mode_enabled() or any(map(torch.is_autocast_enabled, kinds))
    )
    if torch.is_grad_enabled() and not unusual:
        yield
        return
    with contextlib.ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        if elsewhere:
            modes.enter_context(torch.device("cpu"))
        for kind in kinds:
            modes.enter_context(torch.autocast(kind, enabled=False))
        yield
