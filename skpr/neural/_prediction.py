"""Predictions of a fitted network."""

import contextlib

import torch

from .._tensors import even_rows, picked
from ..measurement import check_centring, look_at
from ._loading import unpacked
from ._steps import usual_torch
from ._training import check_finite
from ._tuning import tuned_batches
from ._validation import (
    MANY,
    check_is_fitted,
    check_magnitudes,
    check_prediction_parameters,
    kind_of,
)

FEW = 4  # number of patterns of a batch that are checked for mistakes


def has_cached_predictions(net):
    """Return whether a scoring callback has lent cached predictions.

    A scoring callback of skorch keeps the predictions of an epoch and makes `predict` return them.
    """
    return "forward_iter" in vars(net)


def _look(net, X):
    """Check patterns for plain mistakes before a prediction.

    The full check needs `MANY` patterns. Smaller batches, which may come one by one, are checked
    for the place of zero frequency only.
    """
    centered, whom = net.at_fit("centered"), type(net).__name__
    if len(X) < MANY:
        check_centring(X, centered, whom, kind=kind_of(net))
        return
    usual = vars(net).get("_form")  # missing where only weights were loaded
    look_at(picked(X, even_rows(len(X), FEW)), centered, whom, kind_of(net), usual=usual)


def predicted(net, X):
    """Predict objects from magnitudes.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Fitted network.
    X : array-like, torch.Tensor or data set
        Magnitudes of shape (n_samples, *fourier_shape).

    Returns
    -------
    ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Tensor on the device of `X` where `X` is a tensor.
    """
    check_is_fitted(net)
    cached = has_cached_predictions(net)
    if not cached:
        net.check_unchanged()
        check_prediction_parameters(net)
        X = check_magnitudes(net, unpacked(X)[0], reset=False)
        if net.at_fit("symmetries") == "fourier":
            _look(net, X)
    place = X.device if isinstance(X, torch.Tensor) else "cpu"
    with usual_torch(net.network_device):
        objects = None
        if not cached:  # memory may be too small for batches that keep a GPU busy
            with contextlib.suppress(torch.OutOfMemoryError):
                objects = _joined(net, X, place, cached)
        if objects is None:
            with net.saving_memory():
                objects = _joined(net, X, place, cached)
    objects = objects if cached else check_finite(net, objects)
    return objects if isinstance(X, torch.Tensor) else objects.numpy()


def _joined(net, X, place, cached):
    """Return the predictions of all batches."""
    batches = (
        tuned_batches(net, X)
        if net.tuning_steps and not cached
        else net.forward_iter(X, device=place)
    )
    made = [found[0] if isinstance(found, tuple) else found for found in batches]
    return torch.cat(made).to(place)
