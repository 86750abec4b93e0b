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
        Fitted.
    X : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Checked magnitudes.

    Yields
    ------
    torch.Tensor of shape (batch_size, *object_shape)
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
    """Copy of a module that shares its weights, frozen, but not its hooks.

    Threads that predict at the same time do not disturb one another.
    """
    tensors = itertools.chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor.detach() for tensor in tensors}).eval()


def tuned_offsets(module, magnitudes, kind, centered, n_steps, rate):
    """Fit offsets of hidden units, sample by sample, to measured magnitudes.

    Adam takes every coordinate by itself, so a sample's result does not depend on its batch but for
    rounding, which in bfloat16 can be seen.

    Parameters
    ----------
    module : ScaledNetwork
        In evaluation mode, and this call's own, from :func:`own_copy`.
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
    kind : {"non_negative", "real", "complex"}
        Kind of the objects; negative values of non-negative ones count as misfit.
    centered : bool
    n_steps : int
    rate : float

    Returns
    -------
    context manager
        In which the module computes with these offsets, for these samples.

    Raises
    ------
    ValueError
        For a network without linear layers.
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
                    f"tuning_steps={n_steps} needs linear layers that the image depends on, and "
                    f"no gradient comes back "
                    f"to those of {type(module.network).__name__}; set tuning_steps=0"
                )
            for offset, gradient in zip(offsets, gradients, strict=True):
                offset.grad = gradient
            optimizer.step()
    return _added(layers, [offset.detach() for offset in offsets])


def tunable_layers(network, n_steps):
    """Linear layers of a network; `ValueError` where it has none."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError(
            f"tuning_steps={n_steps} needs linear layers to tune, but {type(network).__name__} "
            f"has none; "
            "set tuning_steps=0"
        )
    return layers


@contextlib.contextmanager
def _added(layers, offsets):
    """Within, every layer's output has its offset added."""
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
            f"samples cannot be tuned "
            "to each of them; set tuning_steps=0"
        )
    return output + offset.view(len(offset), *[1] * (output.ndim - 2), -1)
