"""Layouts of batches that are valid, and most likely not what was meant."""

import math
import sys

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from ._lazy import LazyBatch
from ._slices import (
    SYMMETRIC,
    WINDOW,
    are_patterns_of_slabs,
    in_unit,
    is_in_no_order,
    middle_of,
    mirror_correlation,
    on_host,
)
from ._validation import warn_user

CHANNELS = 1, 3, 4  # grey, RGB, RGBA
LEAST_ALIKE = 0.3  # correlation of the channels of one picture
LEAST_IMAGE = 16  # pixels along a side of what is told to be an image by its values
LEAST_VOLUME = 8
UNLIKE = (
    0.45  # of the variance: rows of images differ by less from their neighbours, samples by more
)
LEAST_CHANGE = 1e-4  # of the mean square: rows of an image differ by more
EVEN_ROWS = 0.5  # least energy of a row relative to the largest; the rows of an image differ by more, pulses by less
ONE_WAY = (
    0.9  # of the steps from row to row: a parameter makes the energies of signals rise or fall
)
LEAST_ROUGH = 0.2  # change from row to row relative to that along rows; families of signals change less from row to row
DARK, DIM = (
    1e-9,
    0.05,
)  # energy of the first and the last slice of one object, relative to the brightest
LEFT = 0.25  # what the correlation with the mirror image lacks to 1, relative to other axes
ASYMMETRIC = 0.01
N_ROWS = 512
AT_A_ROW = 0.3  # correlation of pixels of flattened images that are a row apart
PERIODIC = 0.85  # correlation two rows apart relative to that of periodic signals
VALUES = 1 << 22


def warn_of_layout(*batches):
    """Warn about an axis of channels, one sample in place of a batch, and axes in another order.

    All axes after the first are space, so (n_samples, 3, height, width) is a batch of volumes and
    (height, width) one of signals. Whoever holds images hardly ever means that. What is looked for:

    - a sample axis of 1, 3 or 4 pixels before or behind two at least five times as long (and 8 or
      more pixels), along which the values are alike;
    - one such axis at the end, behind two that make an image of 16 pixels or more a side;
    - an array with axes of about one length, one at most twice another, that is one object: the
      first and the last slice are dark, or neighbouring slices differ by less than 45 % of what any
      two do, and their energies as much as those of slices of one object. Signals in no particular
      order differ by 100 %, and those in order of a parameter have about the same energy, or one
      that rises or falls;
    - patterns that are symmetric about their centre along other axes than the last: one pattern
      without the axis of samples, samples along the last axis, or a grid of patterns;
    - an axis of space along which slices are unrelated and equally bright, while neighbours along
      the other axes are alike: samples along the last axis, or a grid of images. Slices of one
      object end in the dark, or resemble their neighbours.

    The outermost public function of the package warns, and those that it calls do not.

    Warns
    -----
    UserWarning
    """
    messages = dict.fromkeys(_message(batch) for batch in batches if hasattr(batch, "shape"))
    for message in messages:
        if message is not None and not is_nested():
            warn_user(message)


def warn_of_flattened(batch):
    """Warn where signals look like images that were flattened, whose shape a Fourier transform
    needs.

    Pixels a row apart resemble each other more than those half a row apart; only square images are
    looked for.

    Warns
    -----
    UserWarning
    """
    side = side_of_flattened(batch)
    if side and not is_nested():
        warn_user(
            f"a batch of shape {tuple(batch.shape)} is taken for signals of {batch.shape[1]} "
            f"pixels, but they look "
            f"like flattened images of {side} x {side}; give these, X.reshape(-1, {side}, {side})"
        )


def side_of_flattened(batch):
    """Side of the square images that signals look to be flattened ones of; 0 for none."""
    side = math.isqrt(batch.shape[-1])
    if isinstance(batch, LazyBatch) or batch.ndim != 2 or len(batch) < 2:
        return 0
    if side < LEAST_VOLUME or side**2 != batch.shape[1]:
        return 0
    return side if _are_flattened(on_host(batch[:N_ROWS]), side) else 0


def _are_flattened(signals, side):
    signals = in_unit(signals)
    if signals is None or not np.isfinite(signals).all():
        return False
    signals = signals - signals.mean(axis=0)
    spectra = np.fft.fft(signals, 2 * signals.shape[1], axis=1)
    found = np.fft.ifft((np.abs(spectra) ** 2).sum(axis=0)).real
    if not found[0] > 0:
        return False
    found = found / found[0]
    between = found[side // 3 : side - side // 3 + 1].max()
    n = signals.shape[1]
    if (
        found[2 * side] > PERIODIC * (n - 2 * side) / (n - side) * found[side]
    ):  # it goes on, as a period does
        return False
    return bool(
        found[side] > AT_A_ROW
        and found[side] > found[[side - 1, side + 1]].max()
        and found[side] > 2 * between
    )


def _message(batch):
    shape = tuple(batch.shape)
    for axis in (1, -1) if len(shape) == 4 else ():
        others = [n for a, n in enumerate(shape) if a not in (0, axis % 4)]
        channels = shape[axis]
        is_long = min(others) >= max(8, 5 * channels)
        if (
            channels in CHANNELS
            and is_long
            and _are_alike(batch, axis)
            and not are_patterns_of_slabs(batch, axis)
        ):
            return _channel_message(shape, axis)
    if len(shape) == 3 and shape[-1] in CHANNELS and _is_image_shape(shape[:2]):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} samples of {shape[1]} x {shape[2]} "
            f"pixels; if it is "
            "one image with an axis of channels, give one channel per sample, numpy.moveaxis(X, "
            "-1, 0), or one of "
            "them, X[None, :, :, 0]"
        )
    if isinstance(batch, LazyBatch):
        return None
    sample = " x ".join(map(str, shape[1:]))
    if (
        len(shape) == 2
        and _is_image_shape(shape)
        and (_rows_are_neighbours(batch) or _is_one_pattern(batch))
    ):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} signals of {shape[1]} pixels, but "
            f"its rows look like "
            "those of one image; if it is one sample, give X[None]"
        )
    if (
        len(shape) == 3
        and _is_image_shape(shape, LEAST_VOLUME)
        and (_is_one_volume(batch) or _is_one_pattern(batch))
    ):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} images of {sample} pixels, but "
            f"they look like the "
            "slices of one volume; if it is one sample, give X[None]"
        )
    if (
        len(shape) > 2
        and min(shape[:-1]) >= LEAST_VOLUME
        and _is_symmetric(batch, tuple(range(len(shape) - 1)))
    ):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} samples of {sample} pixels, but it "
            f"is symmetric as "
            f"{shape[-1]} patterns along its last axis are; if these are the samples, give "
            f"numpy.moveaxis(X, -1, 0)"
        )
    if (
        len(shape) == 4
        and shape[0] > 1
        and shape[1] > 2
        and min(shape[2:]) >= LEAST_VOLUME
        and _is_symmetric(batch, (2, 3))
    ):
        return (
            f"samples of {sample} pixels are taken for volumes, because all axes after the first "
            f"are space, but each "
            f"of their slices is symmetric as a pattern of its own; if they are images of a grid "
            f"of {shape[0]} x "
            f"{shape[1]} positions, give X.reshape(-1, *X.shape[2:])"
        )
    if len(shape) == 3 and min(shape[:2]) >= LEAST_VOLUME and is_in_no_order(batch, 2, (0, 1)):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} samples of {sample} pixels, but "
            f"its {shape[-1]} slices "
            "along the last axis are unrelated, and neighbours along the others alike; if these "
            "are the samples, give "
            "numpy.moveaxis(X, -1, 0)"
        )
    if len(shape) == 4 and min(shape[:3]) >= LEAST_VOLUME and is_in_no_order(batch, 3, (0, 1, 2)):
        return (
            f"a batch of shape {shape} is taken for {shape[0]} samples of {sample} pixels, but "
            f"its {shape[-1]} slices "
            "along the last axis are unrelated, and neighbours along the others alike; if these "
            "are the samples, give "
            "numpy.moveaxis(X, -1, 0)"
        )
    if (
        len(shape) == 4
        and shape[0] > 1
        and min(shape[2:]) >= LEAST_VOLUME
        and is_in_no_order(batch, 1, (2, 3))
    ):
        return (
            f"samples of {sample} pixels are taken for volumes, because all axes after the first "
            f"are space, but their "
            f"slices are unrelated to each other; if they are images of a grid of {shape[0]} x "
            f"{shape[1]} positions, "
            "give X.reshape(-1, *X.shape[2:])"
        )
    return None


def is_told_by(magnitudes, objects):
    """Whether the layout of objects is plain from that of the patterns beside them: both are looked
    at alike.
    """
    shape = tuple(getattr(objects, "shape", ()))
    return shape[1:] == tuple(magnitudes.shape[1:]) or len(shape) == len(magnitudes.shape) == 4


def _channel_message(shape, axis):
    first, one = (
        (":, 0", "X.reshape(-1, *X.shape[2:])")
        if axis == 1
        else ("..., 0", "numpy.moveaxis(X, -1, 1)")
    )
    sample = " x ".join(map(str, shape[1:]))
    if shape[axis] == 1:
        way = f"give images without it, X[{first}]"
    elif axis == 1:
        way = f"give one channel per sample, {one}, or one of them, X[{first}]"
    else:
        way = f"give one channel per sample, {one}.reshape(-1, *X.shape[1:3]), or one of them, X[{first}]"
    return (
        f"samples of {sample} pixels are taken for volumes, because all axes after the first are "
        f"space; volumes "
        f"{shape[axis]} pixels thick may stay as they are; if the axis of {shape[axis]} holds "
        f"channels, {way}"
    )


def _is_image_shape(shape, least=LEAST_IMAGE):
    return min(shape) >= least and max(shape) <= 2 * min(shape)


def _are_alike(batch, axis):
    """Whether the values along an axis of channels are those of one picture; of what is on disk
    nothing is read.
    """
    if isinstance(batch, LazyBatch) or batch.shape[axis] == 1:
        return True
    some = np.abs(on_host(batch[:4])).astype(np.float64)
    channels = np.moveaxis(some, axis, 0).reshape(some.shape[axis], len(some), -1)
    deviations = channels - channels.mean(axis=-1, keepdims=True)
    norms = np.sqrt((deviations**2).sum(axis=-1))
    products = (deviations[1:] * deviations[:-1]).sum(axis=-1)
    known = norms[1:] * norms[:-1] > 0
    if not known.any():
        return True
    return bool(np.median(products[known] / (norms[1:] * norms[:-1])[known]) > LEAST_ALIKE)


def _rows_are_neighbours(batch):
    """Whether a row resembles the next one more than any other, and rows differ in energy as those
    of an image do.
    """
    rows = on_host(batch[:N_ROWS])
    rows = in_unit(rows[:, np.isfinite(rows).all(axis=0)])
    if rows is None or rows.shape[1] < 2:
        return False
    variance = (np.abs(rows - rows.mean(axis=0)) ** 2).mean()
    steps, along = ((np.abs(np.diff(rows, axis=axis)) ** 2).mean() for axis in (0, 1))
    alike = (
        variance <= LEAST_CHANGE * (np.abs(rows) ** 2).mean()
    )  # copies of one signal, but for rounding or a little
    energies = (np.abs(rows) ** 2).mean(axis=1)
    rising = (np.diff(energies) > 0).mean()
    is_family = (
        energies.min() > EVEN_ROWS * energies.max()
        or max(rising, 1 - rising) > ONE_WAY
        or steps < LEAST_ROUGH * along
    )
    return bool(steps < UNLIKE * 2 * variance and not alike and not is_family)


def _is_one_volume(batch):
    """Whether slices are those of one object: none at the ends, and resembling their neighbours in
    between.
    """
    stride = max(1, int(np.ceil((np.prod(batch.shape) / VALUES) ** 0.5)))
    slices = in_unit(on_host(batch[:, ::stride, ::stride]))
    if slices is None or not np.isfinite(slices).all():
        return False
    powers = np.abs(slices) ** 2
    profiles = [powers.mean(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    ends = [max(profile[0], profile[-1]) / profile.max() for profile in profiles]
    if max(ends) < DARK:
        return True
    variance = (np.abs(slices - slices.mean(axis=0)) ** 2).mean()
    steps = (np.abs(np.diff(slices, axis=0)) ** 2).mean()
    return bool(max(ends) < DIM and steps < UNLIKE * 2 * variance)


def _is_one_pattern(batch):
    """Whether a batch is one pattern: symmetric along all axes together."""
    return _is_symmetric(batch, tuple(range(batch.ndim)))


def _is_symmetric(batch, axes):
    """Whether a batch is symmetric about zero frequency along these axes, and plainly less so along
    its sample axes.
    """
    if np.iscomplexobj(batch) if not isinstance(batch, torch.Tensor) else batch.is_complex():
        return False
    window = tuple(
        middle_of(n) if axis in axes or axis else slice(0, WINDOW)
        for axis, n in enumerate(batch.shape)
    )
    values = in_unit(on_host(batch[window]))
    if values is None or (values < 0).any():
        return False
    if not all(_is_peaked(values, axis) for axis in axes):
        return False
    own = mirror_correlation(values, tuple(range(1, batch.ndim)))
    if own > 1 - ASYMMETRIC:
        return False
    found = mirror_correlation(values, axes)
    return found > SYMMETRIC and 1 - found < LEFT * (1 - own)


def _is_peaked(values, axis):
    """Whether values are brightest at zero frequency along an axis, in either layout, and much less
    so elsewhere.
    """
    n, others = values.shape[axis], tuple(a for a in range(values.ndim) if a != axis)
    known = np.isfinite(values)
    profile = np.where(known, values, 0.0) ** 2
    profile = profile.sum(axis=others) / np.maximum(known.sum(axis=others), 1)
    brightest = int(profile.argmax())
    is_zero = min(brightest, n - brightest, abs(brightest - n // 2)) <= 1
    return bool(is_zero and np.median(profile) < 0.5 * profile[brightest])


def is_nested(depth=1):
    """Whether an estimator or exported function was called by another one.

    That one has looked at its batches itself. `depth` 1 begins with the caller of this function, 2
    with the one above."""
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
