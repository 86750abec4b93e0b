"""Checks of parameters and data before any work."""

import inspect
from numbers import Number

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from .._arrays import (
    check_lit,
    check_some_measured,
    inspect_batch,
    inspect_fitted_magnitudes,
    is_complex,
    is_non_negative,
)
from .._layout import is_told_by
from .._tensors import even_rows, picked, resolve_device
from .._validation import check_choice, check_count, check_flag, check_number, short, warn_user
from ..measurement import (
    Pairs,
    boundary_of,
    check_not_halves,
    check_not_swapped,
    check_orientation,
    check_pairing,
    look_at,
    symmetries_of,
)
from ._loading import BatchDataset, unpacked
from ._losses import CRITERIA, MeanSquaredError
from ._multilevel import MODULES
from ._scaling import SCALINGS

MANY = 8  # number of patterns that the full check for mistakes needs
SYMMETRIES = "auto", "fourier", "phase"
# arguments that a module's constructor receives if it names them
OFFERED = (
    "fourier_shape",
    "object_shape",
    "n_channels",
    "non_negative",
    "unmeasured",
    "centered",
)
NAMED = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)
# range of a batch's largest value: float32 reaches from 1e-38 to 3e38, and sums over a pattern must
# fit, too
LEAST_VALUE, LARGEST_VALUE = 1e-34, 1e35
# the same where the criterion squares values in their own unit
LEAST_SQUARED, LARGEST_SQUARED = 0.05, 1e15


# --- data -----------------------------------------------------------------------------------------


def check_training_data(net, X, y, sample_weight, fit_params, *, reset):
    """Validate the parameters and all arguments of `fit`.

    Returns
    -------
    X, y : ndarray, torch.Tensor or LazyBatch
        Checked magnitudes and objects.
    sample_weight : ndarray of shape (n_samples,) or None
        Checked weights.
    """
    check_parameters(net)
    check_fit_params(net, fit_params)
    X, y = check_pairs(net, X, y, reset=reset, looks=True)
    return X, y, check_sample_weight(net, sample_weight, len(X))


def check_pairs(net, X, y, *, reset, looks=False):
    """Validate the pairs of a training or validation set.

    With `reset`, shapes and kind of the data are stored for the network to be built; without it,
    they must agree with the present network. With `looks`, plain mistakes in the patterns give a
    warning; with `reset`, so do mistakes in the pairs.

    Returns
    -------
    X, y : ndarray, torch.Tensor or LazyBatch
        Checked magnitudes and objects.
    """
    X, y = unpacked(X, y)
    if y is None:
        raise ValueError(f"{type(net).__name__} requires y to be passed, but the target y is None")
    X = check_magnitudes(net, X, reset=reset)
    y, facts = inspect_batch(y, name="y", warn=not is_told_by(X, y))
    y = y.detach() if isinstance(y, torch.Tensor) else y
    if len(X) != len(y):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {[len(X), len(y)]}"
        )
    check_range("y", facts)
    check_unit_of_squares(net, facts)
    check_objects_fit(X.shape[1:], y.shape[1:])
    shape, complex_y, pairs = tuple(y.shape[1:]), is_complex(y), Pairs(X, y)
    if reset:
        check_lit("y", y, facts)
        net.object_shape_, net.is_complex_ = shape, complex_y
        net.is_non_negative_ = not complex_y and is_non_negative(facts)
        net.boundary_ = boundary_of(shape, net.fourier_shape_)
        net.symmetries_ = symmetries_of(X, pairs) if net.symmetries == "auto" else net.symmetries
        check_not_swapped(X, y)
        if not complex_y:
            check_not_halves(X)
    elif (shape, complex_y) != (net.object_shape_, net.is_complex_):
        raise ValueError(
            f"y has {'complex' if complex_y else 'real'} objects of shape {shape}, but the "
            f"network was built for {'complex' if net.is_complex_ else 'real'} ones of shape "
            f"{net.object_shape_}"
        )
    elif net.is_non_negative_ and not is_non_negative(facts):
        raise ValueError(
            f"y has negative values, the smallest {facts.minimum:.4g}, but the network was built "
            "for non-negative objects, because it was first fitted on such; fit a new one on a "
            "training set with negative values"
        )
    if looks and net.symmetries_ == "fourier":
        _look_at_pairs(net, X, pairs, reset=reset)
    return X, y


def _look_at_pairs(net, X, pairs, *, reset):
    whom = type(net).__name__
    if reset and (check_pairing(X, pairs, whom) or check_orientation(X, pairs, whom)):
        return
    centered = net.centered if reset else net.at_fit("centered")
    look_at(picked(X, even_rows(len(X), MANY)), centered, whom, kind_of(net), objects=pairs)


def kind_of(net):
    """Return the kind of the objects that a network was fitted on."""
    return "complex" if net.is_complex_ else "non_negative" if net.is_non_negative_ else "real"


def check_magnitudes(net, X, *, reset):
    """Validate magnitudes, and detach them from gradients."""
    X, facts = inspect_fitted_magnitudes(net, X, reset=reset)
    check_some_measured(X, facts)
    check_range("X", facts)
    if reset:
        check_lit("X", X, facts)
    if not reset and facts.n_nan and not net.unmeasured_:
        raise ValueError(
            f"X contains NaN, {facts.n_nan} unmeasured pixels, but the network was trained on "
            "complete patterns; train it on patterns like these, or with detector=BeamStop(...) or "
            "MissingPixels(...)"
        )
    return X.detach() if isinstance(X, torch.Tensor) else X


def check_range(name, facts):
    """Refuse values in a unit that float32 cannot hold."""
    if facts.largest > LARGEST_VALUE or 0 < facts.largest < LEAST_VALUE:
        raise ValueError(
            f"the largest value of {name} is {facts.largest:.2g}, out of the range of float32, in "
            f"which networks compute; give {name} in another unit"
        )


def check_unit_of_squares(net, facts):
    """Refuse objects whose squares overflow, and warn of tiny ones.

    For the optimizer, the gradients of tiny squares are as good as zero.
    """
    if net.resolved("criterion", CRITERIA) not in (MeanSquaredError, torch.nn.MSELoss):
        return
    large = facts.largest > LARGEST_SQUARED
    if not large and not 0 < facts.largest < LEAST_SQUARED:
        return
    message = (
        f"criterion={short(net.criterion)} squares values of y in their own unit, and the largest "
        f"is {facts.largest:.2g}, too {'large' if large else 'small'} to be trained on; give y in "
        "a unit in which it is about 1, or criterion='relative'"
    )
    if large:
        raise ValueError(message)
    warn_user(message)


def check_objects_fit(fourier_shape, object_shape):
    """Refuse objects that cannot have magnitudes of this shape."""
    fourier_shape, object_shape = tuple(fourier_shape), tuple(object_shape)
    if len(fourier_shape) == 1 < len(object_shape):
        return  # measurements without a grid, as with a Gaussian matrix
    if len(fourier_shape) != len(object_shape):
        raise ValueError(
            f"y has objects with {len(object_shape)} axes, of shape {object_shape}, but X "
            f"magnitudes with {len(fourier_shape)}, of shape {fourier_shape}: both must have the "
            "same axes; reshape the objects"
        )
    if any(n > m for n, m in zip(object_shape, fourier_shape, strict=True)):
        raise ValueError(
            f"y has objects of shape {object_shape}, larger than the magnitudes in X, of shape "
            f"{fourier_shape}: each axis of a magnitude must be at least as long as the object's. "
            "X must hold magnitudes and y objects; are they swapped?"
        )


def check_sample_weight(net, sample_weight, n_samples):
    """Return validated sample weights in float64, or None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, torch.Tensor):
        sample_weight = sample_weight.detach().cpu().numpy()
    weights = np.array(sample_weight, dtype=np.float64)
    if isinstance(sample_weight, Number):
        weights = np.full(n_samples, weights)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}; give one weight for each of {n_samples} "
            "samples"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            "sample_weight is not valid; give finite weights >= 0, not all of them zero"
        )
    if not (isinstance(net.dataset, type) and issubclass(net.dataset, BatchDataset)):
        raise ValueError(
            f"sample_weight cannot be given with dataset={short(net.dataset)}; leave dataset at "
            "its default"
        )
    return weights


def check_fit_params(net, fit_params):
    """Refuse unknown arguments of `fit`."""
    others = [name for name in fit_params if name not in ("epochs", "groups", "classes")]
    if others:
        raise TypeError(
            f"fit got {', '.join(f'{name}=...' for name in others)}, which it does not know; it "
            "takes sample_weight, epochs, and groups for train_split"
        )
    if fit_params.get("groups") is not None and net.train_split is None:
        raise ValueError(
            "groups are for train_split, which is None; give "
            "train_split=ValidSplit(GroupKFold(...))"
        )


def check_is_fitted(net):
    """Refuse a network that was not fitted."""
    if not net.initialized_:
        raise NotFittedError(
            f"This {type(net).__name__} instance is not fitted yet. Call 'fit' with appropriate "
            "arguments before using this estimator."
        )


# --- parameters -----------------------------------------------------------------------------------


def check_parameters(net):
    """Refuse invalid parameters by name."""
    check_prediction_parameters(net)
    for name, choices in (("module", MODULES), ("criterion", CRITERIA)):
        check_builds(net, name, net.resolved(name, choices))
    check_number("lr", net.lr, 0)
    is_other_class = isinstance(net.optimizer, type) and not issubclass(
        net.optimizer, torch.optim.Optimizer
    )
    if not callable(net.optimizer) or is_other_class:
        raise ValueError(
            f"optimizer={_short(net.optimizer)} is not valid; give a torch.optim.Optimizer class, "
            "and its options as optimizer__..."
        )
    for name in ("augmenter", "detector"):
        step = getattr(net, name)
        if step is not None and (isinstance(step, type) or not hasattr(step, "transform")):
            raise TypeError(
                f"{name}={short(step)} is not a transformer; give an instance of one, or None"
            )
    check_callbacks(net.callbacks)
    check_choice("magnitude_scaling", net.magnitude_scaling, tuple(SCALINGS))
    check_choice("symmetries", net.symmetries, SYMMETRIES)
    for name in ("max_epochs", "n_iter_no_change"):
        check_count(name, getattr(net, name))
    for name in ("centered", "early_stopping", "mixed_precision", "warm_start"):
        check_flag(name, getattr(net, name))
    check_number("validation_fraction", net.validation_fraction, 0, 1, closed="neither")
    resolve_device(net.device)


def check_builds(net, name, value):
    """Refuse functions of data in place of a module class.

    A function of data, such as `torch.nn.functional.mse_loss`, has a required argument that the
    regressor does not give.
    """
    if not inspect.isroutine(value):
        return
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):  # no signature to inspect
        return
    given = {*net.get_params_for(name), *(OFFERED if name == "module" else ())}
    required = [one.name for one in parameters if one.default is one.empty and one.kind in NAMED]
    missing = [one for one in required if one not in given]
    if missing:
        valid = ", ".join(repr(choice) for choice in (MODULES if name == "module" else CRITERIA))
        raise ValueError(
            f"{name}={short(value)} is a function of {', '.join(missing)}, not a class; give "
            f"{valid} or a torch.nn.Module class"
            f"{', torch.nn.MSELoss for instance' if name == 'criterion' else ''}"
        )


def check_callbacks(callbacks):
    """Refuse anything but a list of callbacks."""
    if callbacks is None or (isinstance(callbacks, str) and callbacks == "disable"):
        return
    if not isinstance(callbacks, list | tuple):
        raise TypeError(
            f"callbacks={short(callbacks)} is not a list; give [callback, ...] or "
            "[(name, callback), ...]"
        )
    for one in callbacks:
        callback = (
            one[1] if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) else one
        )
        if not hasattr(callback, "on_train_begin"):
            raise TypeError(
                f"callbacks holds {short(one)}, which is not a callback; give objects such as "
                "skorch.callbacks.EpochScoring(...), or pairs (name, callback)"
            )


def check_prediction_parameters(net):
    """Refuse invalid parameters of `predict`."""
    check_count("tuning_steps", net.tuning_steps, low=0)
    check_number("tuning_rate", net.tuning_rate, 0, closed="neither")
    if net.batch_size != -1:
        check_number(
            "batch_size",
            net.batch_size,
            1,
            integer=True,
            noun="-1 for all samples at once, or an integer",
        )


def _short(value):
    return (
        short(value)
        if isinstance(value, str | None | Number | type)
        else f"an instance of {type(value).__name__}"
    )
