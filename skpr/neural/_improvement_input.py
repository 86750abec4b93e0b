"""Checks, scaling and packing of magnitudes and estimates.

A sample is packed as one row of real numbers, so that a data set holds any number of parts.
"""

import math

import torch

from .._arrays import check_lit, check_some_measured, inspect_batch, is_complex, is_non_negative
from .._base import check_unchanged
from .._tensors import along_samples, resolve_device, to_tensor, unit_scale
from .._validation import check_count, check_flag, check_number, short
from ..measurement import Grid
from ._copies import turned
from ._losses import CRITERIA, RelativeDistance
from ._validation import check_range

NAMES = "magnitudes", "best", "mean", "spread", "estimate"
LOSSES = CRITERIA | {"distance": RelativeDistance}


def check_estimate_parameters(net, *, anew=False):
    """Refuse invalid parameters by name, and those changed after `fit`.

    A new network (`anew`) may have other parameters.
    """
    if not anew:
        check_unchanged(net, {"centered": net.centered_})
    net.resolved("module", {})
    net.resolved("criterion", LOSSES)
    check_number("lr", net.lr, 0)
    check_count("max_epochs", net.max_epochs)
    for name in ("copies", "average", "centered", "mixed_precision", "warm_start"):
        check_flag(name, getattr(net, name))
    if net.batch_size != -1:
        check_count("batch_size", net.batch_size)
    resolve_device(net.device)


def check_known(fit_params):
    """Refuse unknown arguments of `fit`."""
    others = [f"{name}=..." for name in fit_params if name != "epochs"]
    if others:
        raise TypeError(f"fit got {', '.join(others)}, which it does not know; it takes epochs")


def checked_parts(net, X, *, trains):
    """Return the checked batches of an input, in the order of `NAMES`.

    Only a prediction takes an `estimate`, and only it must be in the range of its results, float32.
    """
    valid = "a dictionary with 'magnitudes', 'best', 'mean' and 'spread'"
    if not isinstance(X, dict):
        raise TypeError(f"X={short(X)} is not valid for {type(net).__name__}; give {valid}")
    missing = [name for name in NAMES[:4] if name not in X]
    names = NAMES[:4] if trains else NAMES
    others = [name for name in X if name not in names]
    if missing or others:
        more = "" if trains else ", and 'estimate' where the mean is not the estimate to improve"
        raise ValueError(f"X has the parts {', '.join(map(repr, X))}; give {valid}{more}")
    parts = {}
    for name in names:
        if name in X:
            is_real = name in ("magnitudes", "spread")
            finite = "allow-nan" if name == "magnitudes" else True
            parts[name], facts = inspect_batch(
                X[name], name=name, allow_complex=not is_real, ensure_all_finite=finite, warn=False
            )
            if is_real and facts.minimum < 0:
                raise ValueError(
                    f"{name} passed to {type(net).__name__} has negative values, the smallest "
                    f"{facts.minimum:.4g}; {name} must be >= 0"
                )
            if not trains and name in ("magnitudes", "best"):
                check_range(name, facts)
    check_some_measured(parts["magnitudes"])
    shape = tuple(parts["best"].shape)
    for name, part in parts.items():
        if name != "magnitudes" and tuple(part.shape) != shape or len(part) != shape[0]:
            raise ValueError(
                f"{name} has shape {tuple(part.shape)}, but best has shape {shape}; give parts of "
                "the same samples, and estimates of one shape"
            )
    Grid(shape[1:], parts["magnitudes"].shape[1:], net.centered)
    return parts


def checked_targets(net, parts, y, *, anew):
    """Return the checked objects, and whether they are non-negative."""
    y, facts = inspect_batch(y, name="y", warn=False)
    check_lit("y", y, facts)
    shapes = tuple(parts["magnitudes"].shape[1:]), tuple(y.shape[1:])
    if tuple(y.shape) != tuple(parts["best"].shape):
        raise ValueError(
            f"y has shape {tuple(y.shape)}, but the starts in X have shape "
            f"{tuple(parts['best'].shape)}; give one object per sample"
        )
    if anew:
        return y, is_non_negative(facts)
    if shapes != (net.fourier_shape_, net.object_shape_):
        raise ValueError(
            f"X and y have samples of shapes {shapes[0]} and {shapes[1]}, but "
            f"{type(net).__name__} was fitted on {net.fourier_shape_} and "
            f"{net.object_shape_}; give samples of these shapes"
        )
    if not net.is_complex_:
        check_real(net, [*parts.values(), y])
    if net.is_non_negative_ and not is_non_negative(facts):
        raise ValueError(
            f"y has negative values, the smallest {facts.minimum:.4g}, but "
            f"{type(net).__name__} was fitted on non-negative objects; fit a new one on a "
            "training set with negative values"
        )
    return y, is_non_negative(facts)


def check_real(net, batches):
    """Refuse complex values for a network that was fitted on real objects."""
    if any(is_complex(batch) for batch in batches):
        raise ValueError(
            f"X or y has complex values, but {type(net).__name__} was fitted on real objects"
        )


def scaled(parts, rows, as_complex):
    """Return some rows of all parts in single precision, and their scales.

    Each sample is multiplied by its scale, which brings it to about 1: float32 then holds any unit.
    """
    batches = {name: to_tensor(part[rows]).detach().cpu() for name, part in parts.items()}
    scales = unit_scale(batches["best"]).flatten()
    return [
        single(
            batch * along_samples(scales, batch),
            as_complex and name not in ("magnitudes", "spread"),
        )
        for name, batch in batches.items()
    ], scales


def improved(net, network, parts):
    """Return the objects that a network makes of all parts, on the CPU."""
    n_samples, made = len(parts["best"]), []
    length = net.batch_size if net.batch_size > 0 else n_samples
    for start in range(0, n_samples, length):
        batch, scales = scaled(parts, slice(start, start + length), net.is_complex_)
        images = network(*(one.to(net.network_device) for one in batch)).cpu()
        made.append((images / along_samples(scales, images)).to(images.dtype))
    return torch.cat(made)


def packed(net, parts, y):
    """Return a training set as two arrays, one row per sample."""
    batches, scales = scaled(parts, slice(None), net.is_complex_)
    y = single(to_tensor(y).detach().cpu() * along_samples(scales, y), net.is_complex_)
    return flat(*batches).numpy(), y.numpy()


def packed_validation_set(net, train, dataset):
    """Return a validation set, whose samples are packed if the user gave it.

    Raises
    ------
    TypeError
        If it does not hold a dictionary of parts, and objects.
    """
    held = getattr(train, "dataset", train)
    if dataset is None or getattr(dataset, "dataset", None) is held:
        return dataset
    X, y = getattr(dataset, "X", None), getattr(dataset, "y", None)
    if not isinstance(X, dict) or y is None:
        raise TypeError(
            f"train_split returned a {type(dataset).__name__} as validation set; give a skorch "
            "Dataset(X, y), where X is a dictionary of parts as in fit"
        )
    try:
        parts = checked_parts(net, X, trains=True)
        y, _ = checked_targets(net, parts, y, anew=False)
    except ValueError as error:
        raise ValueError(f"train_split returned an invalid validation set: {error}") from error
    return net.get_dataset(*packed(net, parts, y))


def unpacked(net, x):
    """Return magnitudes, best, mean and spread of a batch from `flat`."""
    n_pixels, n_real = math.prod(net.object_shape_), 2 if net.is_complex_ else 1
    sizes = [math.prod(net.fourier_shape_), n_real * n_pixels, n_real * n_pixels, n_pixels]
    magnitudes, best, mean, spread = x.split(sizes, dim=1)
    if net.is_complex_:
        best, mean = (
            torch.view_as_complex(part.reshape(-1, n_pixels, 2).contiguous())
            for part in (best, mean)
        )
    images = (part.reshape(-1, *net.object_shape_) for part in (best, mean, spread))
    return magnitudes.reshape(-1, *net.fourier_shape_), *images


def turned_batch(net, X, y, element):
    """Return a batch from `flat` and its objects, turned and mirrored."""
    magnitudes, *images = unpacked(net, X)
    magnitudes = turned(magnitudes, element, spectrum=True, centered=net.centered_)
    return flat(magnitudes, *(turned(image, element) for image in images)), turned(y, element)


def flat(*parts):
    """Join batches to one of shape (n_samples, n_values)."""
    parts = [torch.view_as_real(part.contiguous()) if part.is_complex() else part for part in parts]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def single(batch, as_complex):
    """Cast a tensor to single precision."""
    return batch.to(torch.complex64 if as_complex else torch.float32)
