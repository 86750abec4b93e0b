"""Layouts of batches that are valid, and most likely not what was meant."""

import sys

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from ._lazy import LazyBatch
from ._validation import warn_user

CHANNELS = 1, 3, 4  # grey, RGB, RGBA
LEAST_IMAGE = 16  # pixels along a side of what is told to be an image by its values
UNLIKE = 0.45  # of the variance: rows of images differ by less from their neighbours, samples by more
LEAST_CHANGE = 1e-4  # of the mean square: rows of an image differ by more
N_ROWS = 512


def warn_of_layout(*batches):
    """Warn about an axis of channels, and about one image in place of a batch.

    All axes after the first are space, so (n_samples, 3, height, width) is a batch of volumes and (height, width) one
    of signals. Whoever holds images hardly ever means that. What is looked for:

    - a sample axis of 1, 3 or 4 pixels before or behind two at least five times as long (and 8 or more pixels);
    - one such axis at the end, behind two that make an image of 16 pixels or more a side;
    - an array with two axes of 16 pixels or more, one at most twice the other, whose neighbouring rows differ by less
      than 45 % of what any two rows do. Rows of photographs and diffraction patterns do (2 to 40 %), signals in no
      particular order do not (100 %).

    The outermost public function of the package warns, and those that it calls do not.

    Warns
    -----
    UserWarning
    """
    messages = dict.fromkeys(_message(batch) for batch in batches if hasattr(batch, "shape"))
    for message in messages:
        if message is not None and not is_nested():
            warn_user(message)


def _message(batch):
    shape = tuple(batch.shape)
    for axis in (1, -1) if len(shape) == 4 else ():
        others = [n for a, n in enumerate(shape) if a not in (0, axis % 4)]
        channels = shape[axis]
        if channels in CHANNELS and min(others) >= max(8, 5 * channels):
            return _channel_message(shape, axis)
    if len(shape) == 3 and shape[-1] in CHANNELS and _is_image_shape(shape[:2]):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} samples of {shape[1]} x {shape[2]} pixels; if it is "
            "one image with an axis of channels, give one channel per sample, numpy.moveaxis(X, -1, 0), or one of "
            "them, X[None, :, :, 0]"
        )
    if len(shape) == 2 and _is_image_shape(shape) and _rows_are_neighbours(batch):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} signals of {shape[1]} pixels, but its rows look like "
            "those of one image; if it is one sample, give X[None]"
        )
    return None


def _channel_message(shape, axis):
    first, one = (":, 0", "X.reshape(-1, *X.shape[2:])") if axis == 1 else ("..., 0", "numpy.moveaxis(X, -1, 1)")
    sample = " x ".join(map(str, shape[1:]))
    if shape[axis] == 1:
        way = f"give images without it, X[{first}]"
    elif axis == 1:
        way = f"give one channel per sample, {one}, or one of them, X[{first}]"
    else:
        way = f"give one channel per sample, {one}.reshape(-1, *X.shape[1:3]), or one of them, X[{first}]"
    return (
        f"samples of {sample} pixels are taken for volumes, because all axes after the first are space; if the axis "
        f"of {shape[axis]} holds channels, {way}"
    )


def _is_image_shape(shape):
    return min(shape) >= LEAST_IMAGE and max(shape) <= 2 * min(shape)


def _rows_are_neighbours(batch):
    """Whether a row resembles the next one more than any other."""
    if isinstance(batch, LazyBatch):
        return False
    rows = batch[:N_ROWS]
    rows = rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else rows
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    with np.errstate(over="ignore"):  # of complex values
        scale = np.abs(rows).max(initial=0)
    if not 0 < scale < np.inf:
        return False
    rows = (rows / scale).astype(np.complex128 if np.iscomplexobj(rows) else np.float64)
    variance = (np.abs(rows - rows.mean(axis=0)) ** 2).mean()
    steps = (np.abs(np.diff(rows, axis=0)) ** 2).mean()
    alike = variance <= LEAST_CHANGE * (np.abs(rows) ** 2).mean()  # copies of one signal, but for rounding or a little
    return bool(steps < UNLIKE * 2 * variance and not alike)


def is_nested(depth=1):
    """Whether an estimator or exported function was called by another one.

    That one has looked at its batches itself. `depth` 1 begins with the caller of this function, 2 with the one above.
    """
    frame, owners = sys._getframe(depth), []
    while frame is not None and len(owners) < 2:
        owner = _public_owner(frame)
        if owner is not None and (not owners or owners[-1] is not owner):
            owners.append(owner)
        frame = frame.f_back
    return len(owners) > 1


def _public_owner(frame):
    """The estimator or exported function that a frame belongs to, if any.

    Pipelines hand their batches on without a look, and do not count.
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
