"""Check that callbacks will find in the history what they monitor."""

from skorch.callbacks import BatchScoring, Checkpoint, EpochScoring, LRScheduler, PassthroughScoring

from .._validation import warn_user
from ._training import SymmetricError

ALWAYS = {"epoch", "dur", "train_batch_count"}
WAY = "set early_stopping=True, or train_split=ValidSplit(...) of skorch.dataset"


def check_monitors(net, on_disk):
    """Refuse callbacks that would fail after the first epoch.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        With its callbacks.
    on_disk : bool
        Whether magnitudes or objects are.

    Raises
    ------
    ValueError
        For a callback that monitors a validation set where there is none, or what no callback
        records, for one that would read a whole set from disk, and for scikit-learn's scores of
        objects that it cannot score.

    Warns
    -----
    UserWarning
        For callbacks that score a validation set where there is none.
    """
    validates = net.early_stopping or net.train_split is not None
    flat = len(net.object_shape_) == 1 and not net.is_complex_
    recorded, idle = _recorded(net, validates)
    # callbacks of the user's own may record anything
    all_known = all(
        type(callback).__module__.split(".")[0] in ("skorch", "skpr")
        for _, callback in net.callbacks_
    )
    for name, callback in net.callbacks_:
        if (
            isinstance(callback, BatchScoring | EpochScoring)
            and isinstance(callback.scoring, str)
            and not flat
        ):
            raise ValueError(
                f"callback {name!r} scores by {callback.scoring!r}, which scikit-learn computes "
                f"for real objects with "
                "one axis only; give a scorer of skpr.metrics, such as neg_relative_error_scorer"
            )
        caches = (
            getattr(callback, "use_caching", True) if net.use_caching == "auto" else net.use_caching
        )
        if on_disk and isinstance(callback, EpochScoring) and not caches:
            raise ValueError(
                f"callback {name!r} cannot score batches on disk with use_caching=False; leave it "
                f"True"
            )
        monitor = _monitored(callback)
        if monitor is None or monitor in recorded:
            continue
        if not validates and (monitor.startswith("valid") or monitor.removesuffix("_best") in idle):
            raise ValueError(
                f"callback {name!r} monitors {monitor!r}, but there is no validation set: {WAY}"
            )
        if all_known:
            names = ", ".join(sorted(recorded))
            raise ValueError(
                f"callback {name!r} monitors {monitor!r}, which nothing records; there are {names}"
            )
    if idle:
        warn_user(
            f"there is no validation set to record {', '.join(map(repr, sorted(idle)))} of: {WAY}"
        )


def _recorded(net, validates):
    """Recorded names, and those that need a validation set that is not there."""
    recorded, idle = set(ALWAYS), set()
    for _, callback in net.callbacks_:
        if isinstance(callback, BatchScoring | EpochScoring):
            key, on_train = callback.name_, callback.on_train
        elif isinstance(callback, PassthroughScoring):
            key, on_train = callback.name, callback.on_train
        elif isinstance(callback, SymmetricError):
            key, on_train = "valid_error", False
        elif isinstance(callback, LRScheduler | Checkpoint) and callback.event_name:
            key, on_train = callback.event_name, True
        else:
            continue
        if on_train or validates:
            recorded |= {key, f"{key}_best"}
        elif not isinstance(callback, PassthroughScoring):
            idle.add(key)
    return recorded, idle


def _monitored(callback):
    """Name in the history that a callback reads, or None."""
    if isinstance(callback, LRScheduler):
        plateau = getattr(callback.policy, "__name__", callback.policy) == "ReduceLROnPlateau"
        return callback.monitor if plateau and isinstance(callback.monitor, str) else None
    monitor = getattr(callback, "monitor", None)
    return monitor if isinstance(monitor, str) else None
