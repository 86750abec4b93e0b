"""Check that callbacks monitor values that the history will hold."""

from skorch.callbacks import BatchScoring, Checkpoint, EpochScoring, LRScheduler, PassthroughScoring

from .._validation import warn_user
from ._training import SymmetricError

ALWAYS = {"epoch", "dur", "train_batch_count"}
SPLIT = "train_split=ValidSplit(...) of skorch.dataset"


def check_monitors(net, on_disk, *, what="batches on disk"):
    """Refuse callbacks that would fail after the first epoch.

    Parameters
    ----------
    net : PhaseRetrievalRegressor
        Network with its callbacks.
    on_disk : bool
        Whether magnitudes or objects are on disk, so that only cached predictions can be scored.
    what : str, optional
        Name of such samples, for the message.

    Raises
    ------
    ValueError
        For a callback that monitors a validation set where there is none, that monitors a value
        which no callback records, that would read a whole set from disk, or that uses a score of
        scikit-learn on objects which scikit-learn cannot score.

    Warns
    -----
    UserWarning
        For callbacks that score a validation set where there is none.
    """
    way = f"set {'early_stopping=True, or ' if 'early_stopping' in net.get_params() else ''}{SPLIT}"
    validates = net.early_stopping or net.train_split is not None
    flat = len(net.object_shape_) == 1 and not net.is_complex_
    recorded, idle = _recorded(net, validates)
    # the user's own callbacks may record anything
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
                f"callback {name!r} uses scoring={callback.scoring!r}, which scikit-learn computes "
                "only for real objects with one axis; give a scorer of skpr.metrics, such as "
                "neg_relative_error_scorer"
            )
        caches = (
            getattr(callback, "use_caching", True) if net.use_caching == "auto" else net.use_caching
        )
        if on_disk and isinstance(callback, EpochScoring) and not caches:
            raise ValueError(
                f"callback {name!r} cannot score {what} with use_caching=False; leave it True"
            )
        monitor = _monitored(callback)
        if monitor is None or monitor in recorded:
            continue
        if not validates and (monitor.startswith("valid") or monitor.removesuffix("_best") in idle):
            raise ValueError(
                f"callback {name!r} monitors {monitor!r}, but there is no validation set: {way}"
            )
        if all_known:
            names = ", ".join(sorted(recorded))
            raise ValueError(
                f"callback {name!r} monitors {monitor!r}, which nothing records; choose one of "
                f"{names}"
            )
    if idle:
        warn_user(
            f"no validation set is held out, so {', '.join(map(repr, sorted(idle)))} cannot be "
            f"recorded: {way}"
        )


def _recorded(net, validates):
    """Return the names recorded, and those that lack a validation set."""
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
    """Return the name in the history that a callback reads, or None."""
    if isinstance(callback, LRScheduler):
        plateau = getattr(callback.policy, "__name__", callback.policy) == "ReduceLROnPlateau"
        return callback.monitor if plateau and isinstance(callback.monitor, str) else None
    monitor = getattr(callback, "monitor", None)
    return monitor if isinstance(monitor, str) else None
