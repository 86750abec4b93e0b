"""Forward and backward passes of batches, recorded as CUDA graphs.

A step of a network launches some thousand short kernels, which takes Python several times longer
than a GPU takes to run them.
"""

import contextlib

import torch

from .. import _graphs
from ._losses import MeanSquaredError, RelativeDistance, RelativeSquaredError
from ._multilevel import NETWORKS

MOST = 4  # recordings to keep, one for each size of a batch
LOSSES = MeanSquaredError, RelativeDistance, RelativeSquaredError  # these never wait for the GPU


class RecordedStep:
    """Training steps of batches, replayed from recordings.

    A recording holds as long as the same parameters are trained, at the same places in memory.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Network in training.
    record : callable, optional
        Function that records a function of tensors, see :func:`skpr._graphs.recorded`.
    """

    def __init__(self, net, record=None):
        self.net, self.record = net, record or _graphs.recorded
        self.parameters = list(net.module_.parameters())
        self._recordings = {}

    def __call__(self, X, y):
        """Return loss and predictions of a batch, and set the gradients.

        Parameters
        ----------
        X, y : torch.Tensor
            Magnitudes and objects.

        Returns
        -------
        dict or None
            Step of skorch, with `loss` and `y_pred`; None for a size that is not recorded, because
            there are too many.
        """
        device = self.net.network_device
        given = [v for v in (X, y, self.net.batch_weight) if v is not None]
        tensors = [values.to(device, non_blocking=True) for values in given]
        # callbacks freeze and unfreeze parameters, and exchange them for averages
        state = tuple((p.data_ptr(), p.requires_grad) for p in self.parameters)
        parameters = [p for p in self.parameters if p.requires_grad]
        key = state, tuple((t.shape, t.stride(), t.dtype) for t in tensors)
        if key not in self._recordings:
            if len(self._recordings) == MOST:
                return None
            made = []

            def step(X, y, weight=None):
                outputs, loss, gradients = self._computed(X, y, weight, parameters)
                several = isinstance(outputs, tuple)
                outputs = outputs if several else (outputs,)
                used = [number for number, g in enumerate(gradients) if g is not None]
                made.append((several, len(outputs), used))
                values = [value.detach() for value in (loss, *outputs)]
                return [*values, *(gradients[number] for number in used)]

            self._recordings[key] = self.record(step, tensors), made
        replay, made = self._recordings[key]
        loss, *found = replay(*tensors)
        several, n_outputs, used = made[-1]
        # the next replay overwrites losses and predictions, which callbacks may keep
        outputs = [values.clone() for values in found[:n_outputs]]
        for number, gradient in zip(used, found[n_outputs:], strict=True):
            parameters[number].grad = gradient
        return {
            "loss": loss.clone(),
            "y_pred": tuple(outputs) if several else outputs[0],
        }

    def _computed(self, X, y, weight, parameters):
        net = self.net
        with net.weighted_batch(weight):
            outputs = net.infer(X)
            loss = net.get_loss(outputs, y, X=X, training=True)
        return outputs, loss, torch.autograd.grad(loss, parameters, allow_unused=True)


def can_be_recorded(net):
    """Return whether a network's training steps can be recorded.

    Only networks and losses of this package are, because others may do on the host what a recording
    would leave out.
    """
    return (
        net.network_device.type == "cuda"
        and net._parallel is None
        and type(net.module_.network) in sum(NETWORKS.values(), ())
        and type(net.criterion_) in LOSSES
    )


@contextlib.contextmanager
def recorded_steps(net):
    """Record the steps of a training inside a context."""
    if can_be_recorded(net):
        net._recorded_step = RecordedStep(net)
    try:
        yield
    finally:
        vars(net).pop("_recorded_step", None)
