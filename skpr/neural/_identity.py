"""Identity of a training by its parameters and data."""

import joblib
from skorch.callbacks import logging, scoring
from skorch.callbacks import training as saving

from ._description import NotComparable, described, digest_of
from ._parallel import n_processes

# parameters that do not change the weights; callbacks are described separately
_FREE = (
    "callbacks",
    "checkpoint",
    "device",
    "predict_nonlinearity",
    "symmetries",
    "torch_load_kwargs",
    "tuning_rate",
    "tuning_steps",
    "use_caching",
    "verbose",
)
_QUIET_MODULES = logging.__name__, scoring.__name__
# default callbacks that do not change the weights
_QUIET = "epoch_timer", "train_loss", "valid_loss", "in_step", "progress", "checkpoint"


def fit_identity(net, X, y, n_epochs, fit_params):
    """Return the identity of a training.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Network to be trained.
    X, y : ndarray, torch.Tensor or LazyBatch
        Checked magnitudes and objects.
    n_epochs : int
        Number of epochs of the whole training.
    fit_params : dict
        Further arguments of `fit`.

    Returns
    -------
    dict
        Dictionary `parameters` of texts by name, and digest `data` of all values.

    Raises
    ------
    NotComparable
        For a parameter that cannot be compared; the message holds its name.
    """
    given = {
        name: value
        for name, value in net.get_params(deep=False).items()
        if name not in _FREE and not name.startswith("callbacks__")
    }
    given |= {f"fit_params__{name}": value for name, value in fit_params.items()}
    given |= {"max_epochs": n_epochs, "n_processes": n_processes(), "type": type(net)}
    given |= _acting(net)
    parameters = {}
    for name, value in given.items():
        try:
            parameters[name] = described(value)
        except NotComparable as error:
            raise NotComparable(f"{name}={_short(repr(value))} holds {error}") from error.__cause__
    return {"parameters": parameters, "data": joblib.hash((digest_of(X), digest_of(y)))}


def named_callbacks(callbacks):
    """Return the user's callbacks, each with its name."""
    if not isinstance(callbacks, list | tuple):
        return []
    pairs = [item if isinstance(item, list | tuple) else (None, item) for item in callbacks]
    return [(name or _kind(callback).__name__, callback) for name, callback in pairs]


def _acting(net):
    """Return callbacks that can change weights, with parameters.

    A callback that records a value which one of these monitors is included.
    """

    def acts(callback):
        if isinstance(callback, saving.Checkpoint):
            return callback.load_best
        kind = _kind(callback)
        return (
            kind is not saving.TrainEndCheckpoint
            and kind.__module__ not in _QUIET_MODULES
            and (getattr(callback, "changes_training", True))
        )

    given = named_callbacks(net.callbacks)
    acting = dict(pair for pair in given if acts(pair[1]))
    watched = {
        callback.monitor
        for callback in acting.values()
        if isinstance(getattr(callback, "monitor", None), str)
    }
    acting |= {
        name: callback for name, callback in given if getattr(callback, "name", None) in watched
    }
    quiet = {name for name, _ in given if name not in acting} | {*_QUIET}
    parameters = {
        name: value
        for name, value in net.get_params(deep=False).items()
        if name.startswith("callbacks__") and name.split("__")[1] not in quiet
    }
    return {f"callbacks__{name}": callback for name, callback in acting.items()} | parameters


def _kind(callback):
    return callback if isinstance(callback, type) else type(callback)


def _short(text):
    return text if len(text) <= 80 else f"{text[:77]}..."
