"""Detection of public functions that run inside another one."""

import sys

from sklearn.pipeline import Pipeline


def is_nested(depth=1):
    """Return whether a public function was called by another one.

    Estimators and exported functions are public. The outer one has checked its batches itself. With
    `depth` 1 the search begins with the caller of this function, with 2 one frame above.
    """
    frame, owners = sys._getframe(depth), []
    while frame is not None and len(owners) < 2:
        owner = _public_owner(frame)
        if owner is not None and (not owners or owners[-1] is not owner):
            owners.append(owner)
        frame = frame.f_back
    return len(owners) > 1


def is_inside_estimator():
    """Return whether a method of an estimator is on the call stack.

    The estimator has looked at its batches itself.
    """
    frame = sys._getframe(1)
    while frame is not None and not hasattr(_public_owner(frame), "fit"):
        frame = frame.f_back
    return frame is not None


def _public_owner(frame):
    """Return the estimator or exported function that a frame belongs to.

    The result is None if there is none. Pipelines pass their batches on unchecked, so they do not
    count.
    """
    module, code = frame.f_globals.get("__name__", ""), frame.f_code
    if module.split(".")[0] != "skpr" or code.co_name.startswith(("_", "<")):
        return None
    first = code.co_varnames[0] if code.co_argcount else ""
    if first in ("self", "cls"):
        owner = frame.f_locals.get(first)
        return None if isinstance(owner, Pipeline) else owner
    package = sys.modules.get(module.split("._")[0])
    return code if code.co_name in getattr(package, "__all__", ()) else None
