"""Fine-tuning a trained network to each sample at hand, on what was measured of it."""

import contextlib
from functools import partial

import torch
from torch import nn

from .._tensors import space_axes
from ..iterative._problem import Problem


def tuned_offsets(module, magnitudes, kind, centered, n_steps, rate):
    """Move a network's hidden units, sample by sample, so that its images have the measured magnitudes.

    Adam takes every coordinate by itself, so a sample's result does not depend on its batch but for rounding, which in
    bfloat16 can be seen.

    Parameters
    ----------
    module : ScaledNetwork
        In evaluation mode.
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
    kind : {"non_negative", "real", "complex"}
        Of the objects; negative values of non-negative ones count as misfit.
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
    layers = [layer for layer in module.network.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise ValueError(
            f"tuning_steps={n_steps} needs linear layers to tune, but {type(module.network).__name__} has none; "
            "set tuning_steps=0"
        )
    axes = space_axes(magnitudes)
    ordered = torch.fft.ifftshift(magnitudes, dim=axes) if centered else magnitudes
    problem = Problem(ordered, module.object_shape, kind)
    offsets = [
        torch.zeros(len(magnitudes), layer.out_features, device=magnitudes.device, requires_grad=True)
        for layer in layers
    ]
    optimizer = torch.optim.Adam(offsets, lr=rate)
    with torch.enable_grad(), _frozen(module), _added(layers, offsets):
        for _ in range(n_steps):
            objects = problem.to_normalized(module(magnitudes) / module.gain)
            loss = problem.misfit(objects)
            if kind == "non_negative":
                loss = loss + problem.relative_energy(objects.clamp_max(0))
            gradients = torch.autograd.grad(loss.sum(), offsets, allow_unused=True) if loss.requires_grad else ()
            if not any(gradient is not None for gradient in gradients):
                raise ValueError(
                    f"tuning_steps={n_steps} needs linear layers that the image depends on, and no gradient comes back "
                    f"to those of {type(module.network).__name__}; set tuning_steps=0"
                )
            for offset, gradient in zip(offsets, gradients, strict=True):
                offset.grad = gradient
            optimizer.step()
    return _added(layers, [offset.detach() for offset in offsets])


@contextlib.contextmanager
def _added(layers, offsets):
    """Within, every layer's output has its offset added."""
    handles = [
        layer.register_forward_hook(partial(_shifted, offset)) for layer, offset in zip(layers, offsets, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _shifted(offset, layer, inputs, output):
    """A layer's output, of shape (n_samples, ..., n_units), with the sample's offset added."""
    if len(output) != len(offset):
        raise ValueError(
            f"a linear layer sees {len(output)} rows of {len(offset)} samples: rows that mix samples cannot be tuned "
            "to each of them; set tuning_steps=0"
        )
    return output + offset.view(len(offset), *[1] * (output.ndim - 2), -1)


@contextlib.contextmanager
def _frozen(module):
    """Within, no gradients are computed for the module's parameters."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
