"""Predictions of a fitted network, from the first check to the container."""

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

FEW = 4  # patterns of a batch that are looked at


def has_cached_predictions(net):
    """Whether a scoring callback of skorch lends its predictions of the epoch, which `predict` then
    returns.
    """
    return "forward_iter" in vars(net)


def _look(net, X):
    """Look at patterns for mistakes; at few, which may come one by one, only at where zero
    frequency is.
    """
    centered, whom = net.at_fit("centered"), type(net).__name__
    if len(X) < MANY:
        check_centring(X, centered, whom, kind=kind_of(net))
        return
    usual = vars(net).get("_form")  # unknown to networks whose weights alone were loaded
    look_at(picked(X, even_rows(len(X), FEW)), centered, whom, kind_of(net), usual=usual)


def predicted(net, X):
    """Predict objects of magnitudes.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
    X : array-like, torch.Tensor or data set

    Returns
    -------
    ndarray, or torch.Tensor on the device of `X` where it is a tensor
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
        batches = (
            tuned_batches(net, X)
            if net.tuning_steps and not cached
            else net.forward_iter(X, device=place)
        )
        objects = torch.cat([made[0] if isinstance(made, tuple) else made for made in batches]).to(
            place
        )
    objects = objects if cached else check_finite(net, objects)
    return objects if isinstance(X, torch.Tensor) else objects.numpy()
