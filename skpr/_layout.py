"""Warnings about valid batches whose axes are hardly as intended."""

import math

import numpy as np
import torch

from ._callers import is_nested
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
LEAST_ALIKE = 0.3  # smallest correlation between the channels of one picture
LEAST_IMAGE = 16  # smallest side, in pixels, of an image that is recognised by its values
LEAST_VOLUME = 8  # smallest side, in pixels, of a volume that is recognised by its values
# Fraction of the variance; neighbouring rows of an image differ by less, unrelated samples by more.
UNLIKE = 0.45
LEAST_CHANGE = 1e-4  # fraction of the mean square; rows of an image differ by more
# Smallest energy of a row relative to the largest; it is smaller for rows of an image, and larger
# for signals of even energy.
EVEN_ROWS = 0.5
# Fraction of steps from row to row in one direction; signals in order of a parameter have more,
# because their energies rise or fall.
ONE_WAY = 0.9
# Change from row to row relative to that along rows; families of signals have less.
LEAST_ROUGH = 0.2
# Largest energy of the first and the last slice of one object, relative to the brightest slice:
# DARK alone is sufficient, DIM must come with slices that resemble their neighbours.
DARK, DIM = 1e-9, 0.05
# Deviation from 1 of the correlation with the mirror image: largest value along the axes of a
# pattern relative to that along the sample axes, and smallest value along the sample axes.
LEFT = 0.25
ASYMMETRIC = 0.01
N_ROWS = 512  # number of rows that are looked at
AT_A_ROW = 0.3  # smallest correlation of pixels one row apart in flattened images
PERIODIC = 0.85  # largest correlation at two rows, relative to that of periodic signals
VALUES = 1 << 22  # number of values that are looked at in a batch of slices


def warn_of_layout(*batches):
    """Warn about batches whose axes most likely are not as intended.

    All axes after the first are space, so (n_samples, 3, height, width) is a batch of volumes and
    (height, width) a batch of signals. Users who have images hardly ever intend that. The checks
    look for:

    - a sample axis of 1, 3 or 4 pixels before or behind two axes that are at least five times as
      long (and at least 8 pixels), if the values along it are alike: an axis of channels;
    - such an axis at the end of a 3-D array, behind two axes that form an image with sides of at
      least 16 pixels;
    - an array that is one object. Its axes have similar lengths, at most a factor of two apart.
      Either its first and last slices are dark, or neighbouring slices differ by less than 45 % of
      the difference between any two, and their energies vary as those of slices of one object do.
      Signals in no particular order differ by 100 %; signals in order of a parameter have about the
      same energy, or one that rises or falls;
    - patterns that are symmetric about their centre along other axes than the sample axes: one
      pattern without the axis of samples, samples along the last axis, or a grid of patterns;
    - a sample axis along which slices are unrelated and equally bright, while neighbours along the
      other axes are alike: samples along the last axis, or a grid of images. Slices of one object
      end in the dark, or resemble their neighbours.

    Only the outermost public function of the package warns, not the functions that it calls.

    Warns
    -----
    UserWarning
    """
    messages = dict.fromkeys(_message(batch) for batch in batches if hasattr(batch, "shape"))
    for message in messages:
        if message is not None and not is_nested():
            warn_user(message)


def warn_of_flattened(batch):
    """Warn if signals look like flattened images.

    A Fourier transform needs the shape of the images. In flattened images, pixels one row apart
    resemble each other more than pixels half a row apart. Only square images are recognised.

    Warns
    -----
    UserWarning
    """
    side = side_of_flattened(batch)
    if side and not is_nested():
        warn_user(
            f"a batch of shape {tuple(batch.shape)} is interpreted as signals of {batch.shape[1]} "
            f"pixels, but they look like flattened images of {side} x {side}; if they are, give "
            f"X.reshape(-1, {side}, {side})"
        )


def side_of_flattened(batch):
    """Find the side of the square images that signals are flattened from.

    It is 0 if the signals do not look like flattened images.
    """
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
    # periodic signals, whose correlation persists at twice the distance, are not images
    if found[2 * side] > PERIODIC * (n - 2 * side) / (n - side) * found[side]:
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
            f"a batch of shape {shape} is interpreted as {shape[0]} samples of {shape[1]} x "
            f"{shape[2]} pixels; if it is one image with an axis of channels, give one channel per "
            "sample, numpy.moveaxis(X, -1, 0), or one of them, X[None, :, :, 0]"
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
            f"a batch of shape {shape} is interpreted as {shape[0]} signals of {shape[1]} pixels, "
            "but its rows look like those of one image; if it is one sample, give X[None]"
        )
    if (
        len(shape) == 3
        and _is_image_shape(shape, LEAST_VOLUME)
        and (_is_one_volume(batch) or _is_one_pattern(batch))
    ):
        return (
            f"a batch of shape {shape} is interpreted as {shape[0]} images of {sample} pixels, but "
            "they look like the slices of one volume; if it is one sample, give X[None]"
        )
    if (
        len(shape) > 2
        and min(shape[:-1]) >= LEAST_VOLUME
        and _is_symmetric(batch, tuple(range(len(shape) - 1)))
    ):
        return (
            f"a batch of shape {shape} is interpreted as {shape[0]} samples of {sample} pixels, "
            f"but it is symmetric as {shape[-1]} patterns along its last axis would be; if these "
            "are the samples, give numpy.moveaxis(X, -1, 0)"
        )
    if (
        len(shape) == 4
        and shape[0] > 1
        and shape[1] > 2
        and min(shape[2:]) >= LEAST_VOLUME
        and _is_symmetric(batch, (2, 3))
    ):
        return (
            f"samples of {sample} pixels are interpreted as volumes, because all axes after the "
            "first are space, but each of their slices is symmetric like a pattern of its own; if "
            f"they are images of a grid of {shape[0]} x {shape[1]} positions, give X.reshape(-1, "
            "*X.shape[2:])"
        )
    if len(shape) == 3 and min(shape[:2]) >= LEAST_VOLUME and is_in_no_order(batch, 2, (0, 1)):
        return (
            f"a batch of shape {shape} is interpreted as {shape[0]} samples of {sample} pixels, "
            f"but its {shape[-1]} slices along the last axis are unrelated, while neighbours along "
            "the other axes are alike; if these slices are the samples, give numpy.moveaxis(X, -1, "
            "0)"
        )
    if len(shape) == 4 and min(shape[:3]) >= LEAST_VOLUME and is_in_no_order(batch, 3, (0, 1, 2)):
        return (
            f"a batch of shape {shape} is interpreted as {shape[0]} samples of {sample} pixels, "
            f"but its {shape[-1]} slices along the last axis are unrelated, while neighbours along "
            "the other axes are alike; if these slices are the samples, give numpy.moveaxis(X, -1, "
            "0)"
        )
    if (
        len(shape) == 4
        and shape[0] > 1
        and min(shape[2:]) >= LEAST_VOLUME
        and is_in_no_order(batch, 1, (2, 3))
    ):
        return (
            f"samples of {sample} pixels are interpreted as volumes, because all axes after the "
            "first are space, but their slices are unrelated to each other; if they are images of "
            f"a grid of {shape[0]} x {shape[1]} positions, give X.reshape(-1, *X.shape[2:])"
        )
    return None


def is_told_by(magnitudes, objects):
    """Return whether objects have the layout of the patterns given with them.

    A check of the patterns then covers the objects, too.
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
        way = (
            f"give one channel per sample, {one}.reshape(-1, *X.shape[1:3]), or one of them, "
            f"X[{first}]"
        )
    return (
        f"samples of {sample} pixels are interpreted as volumes, because all axes after the first "
        f"are space; volumes {shape[axis]} pixels thick may stay as they are; if the axis of "
        f"{shape[axis]} holds channels, {way}"
    )


def _is_image_shape(shape, least=LEAST_IMAGE):
    return min(shape) >= least and max(shape) <= 2 * min(shape)


def _are_alike(batch, axis):
    """Return whether the channels along an axis are those of one picture.

    Batches on disk are not read; for them the answer is yes.
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
    """Return whether rows look like neighbours in one image.

    A row must resemble the next one more than any other, and the energies of rows must differ as
    those of an image do.
    """
    rows = on_host(batch[:N_ROWS])
    rows = in_unit(rows[:, np.isfinite(rows).all(axis=0)])
    if rows is None or rows.shape[1] < 2:
        return False
    variance = (np.abs(rows - rows.mean(axis=0)) ** 2).mean()
    steps, along = ((np.abs(np.diff(rows, axis=axis)) ** 2).mean() for axis in (0, 1))
    # nearly identical rows are copies of one signal
    alike = variance <= LEAST_CHANGE * (np.abs(rows) ** 2).mean()
    energies = (np.abs(rows) ** 2).mean(axis=1)
    rising = (np.diff(energies) > 0).mean()
    is_family = (
        energies.min() > EVEN_ROWS * energies.max()
        or max(rising, 1 - rising) > ONE_WAY
        or steps < LEAST_ROUGH * along
    )
    return bool(steps < UNLIKE * 2 * variance and not alike and not is_family)


def _is_one_volume(batch):
    """Return whether slices look like those of one object.

    The slices at the ends must be dark, or dim while slices in between resemble their neighbours.
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
    """Return whether a batch is one pattern, symmetric along all axes."""
    return _is_symmetric(batch, tuple(range(batch.ndim)))


def _is_symmetric(batch, axes):
    """Return whether a batch is symmetric about zero frequency along axes.

    It must be plainly less symmetric along its sample axes.
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
    """Return whether values peak at zero frequency along an axis.

    Zero frequency may be in the middle or at index 0. The median must be less than half the peak.
    """
    n, others = values.shape[axis], tuple(a for a in range(values.ndim) if a != axis)
    known = np.isfinite(values)
    profile = np.where(known, values, 0.0) ** 2
    profile = profile.sum(axis=others) / np.maximum(known.sum(axis=others), 1)
    brightest = int(profile.argmax())
    is_zero = min(brightest, n - brightest, abs(brightest - n // 2)) <= 1
    return bool(is_zero and np.median(profile) < 0.5 * profile[brightest])
