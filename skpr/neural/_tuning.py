"""Fine-tuning of a trained network to each measured sample."""

import contextlib
import copy
import itertools
from functools import partial

import torch
from torch import nn

from ..measurement import Measurement, to_fft_order
from ._scaling import at_least_a_batch


def tuned_batches(net, X):
    """Predict batches of objects, fine-tuned to each sample.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Fitted network.
    X : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Checked magnitudes.

    Yields
    ------
    torch.Tensor of shape (batch_size, *object_shape)
        Objects of a batch.
    """
    module = own_copy(net.module_)
    device = net.network_device
    kind = "complex" if net.is_complex_ else "non_negative" if net.is_non_negative_ else "real"
    for batch, _ in net.batches_to_predict(X):
        magnitudes = at_least_a_batch(batch.to(device))
        with net.autocast(training=True):
            offsets = tuned_offsets(
                module, magnitudes, kind, net.at_fit("centered"), net.tuning_steps, net.tuning_rate
            )
        with torch.no_grad(), offsets, net.autocast(training=False):
            objects = module(magnitudes)
        yield (objects[0] if isinstance(objects, tuple) else objects)[: len(batch)]


def own_copy(module):
    """Copy a module with shared weights and hooks of its own.

    The weights are frozen. Threads that predict at the same time do not disturb one another.
    """
    tensors = itertools.chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor.detach() for tensor in tensors}).eval()


def tuned_offsets(module, magnitudes, kind, centered, n_steps, rate):
    """Fit offsets of hidden units to each sample's measured magnitudes.

    Adam treats every coordinate separately, so the result for a sample does not depend on the rest
    of its batch, up to rounding. In bfloat16 this rounding is visible.

    Parameters
    ----------
    module : ScaledNetwork
        Module in evaluation mode, from :func:`own_copy`, which no other call uses.
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Measured magnitudes; NaN where unmeasured.
    kind : {"non_negative", "real", "complex"}
        Kind of the objects; negative values of non-negative ones count as misfit.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    n_steps : int
        Number of gradient steps.
    rate : float
        Learning rate of Adam.

    Returns
    -------
    context manager
        Context inside which the module adds these offsets, for these samples only.

    Raises
    ------
    ValueError
        For a network without linear layers, or whose image does not depend on them.
    """
    layers = tunable_layers(module.network, n_steps)
    ordered = to_fft_order(magnitudes) if centered else magnitudes
    problem = Measurement(ordered, module.object_shape, kind)
    offsets = [
        torch.zeros(
            len(magnitudes),
            layer.out_features,
            dtype=torch.float32,
            device=magnitudes.device,
            requires_grad=True,
        )
        for layer in layers
    ]
    optimizer = torch.optim.Adam(offsets, lr=rate)
    with torch.enable_grad(), _added(layers, offsets):
        for _ in range(n_steps):
            objects = problem.to_normalized(module(magnitudes) / module.gain)
            loss = problem.misfit(objects)
            if kind == "non_negative":
                loss = loss + problem.relative_energy(objects.clamp_max(0))
            gradients = (
                torch.autograd.grad(loss.sum(), offsets, allow_unused=True)
                if loss.requires_grad
                else ()
            )
            if not any(gradient is not None for gradient in gradients):
                raise ValueError(
                    f"tuning_steps={n_steps} needs linear layers that the image depends on, but "
                    f"those of {type(module.network).__name__} receive no gradient; set "
                    "tuning_steps=0"
                )
            for offset, gradient in zip(offsets, gradients, strict=True):
                offset.grad = gradient
            optimizer.step()
    return _added(layers, [offset.detach() for offset in offsets])


def tunable_layers(network, n_steps):
    """Return the linear layers of a network, or raise `ValueError`."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError(
            f"tuning_steps={n_steps} needs linear layers to tune, but {type(network).__name__} "
            "has none; set tuning_steps=0"
        )
    return layers


@contextlib.contextmanager
def _added(layers, offsets):
    """Add an offset to the output of every layer inside a context."""
    handles = [
        layer.register_forward_hook(partial(_shifted, offset))
        for layer, offset in zip(layers, offsets, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shifted(offset, layer, inputs, output):
    """Add offsets to a layer's output of shape (n_samples, ..., n_units)."""
    if len(output) != len(offset):
        raise ValueError(
            f"a linear layer sees {len(output)} rows of {len(offset)} samples: rows that mix "
            "samples cannot be tuned to each of them; set tuning_steps=0"
        )
    return output + offset.view(len(offset), *[1] * (output.ndim - 2), -1)
