"""Helpers shared by all displays."""

import numpy as np
import torch

NANOMETRE = 1e-9


def new_axes(n_rows=1, n_columns=1, **figure):
    """Return the axes of a new figure, of shape (n_rows, n_columns)."""
    plt = import_pyplot()
    return plt.subplots(n_rows, n_columns, squeeze=False, layout="constrained", **figure)[1]


def new_mosaic(names, **figure):
    """Return a new figure, and its axes by name, from rows of names."""
    return import_pyplot().subplot_mosaic(names, layout="constrained", **figure)


def import_pyplot():
    """Return matplotlib's pyplot; say how to install it where it is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'skpr[plot]'") from error
    return plt


def as_array(values):
    """Convert a tensor, without its gradient, or values to an array."""
    return (
        values.detach().cpu().resolve_conj().numpy()
        if isinstance(values, torch.Tensor)
        else np.asarray(values)
    )


def as_picture(sample):
    """Return a sample as a two-dimensional real image.

    Complex values are replaced by their modulus, one axis is repeated along the height, and of
    three axes the middle slice is taken.
    """
    sample = np.abs(sample) if np.iscomplexobj(sample) else np.asarray(sample)
    if sample.ndim == 1:
        return np.tile(sample, (max(1, len(sample) // 4), 1))
    return sample if sample.ndim == 2 else sample[len(sample) // 2]


def with_grey_gaps(name):
    """Return a colour map that shows missing pixels in grey."""
    import matplotlib

    colours = matplotlib.colormaps[name] if isinstance(name, str) else name
    return colours.with_extremes(bad="0.6")


def scales(geometry, fourier_shape):
    """Return the pixel sizes of pictures along height and width.

    Returns
    -------
    momentum : (float, float) or None
        Momentum transfer per pixel of a pattern, in 1/nm; None if unknown.
    size : (float, float) or None
        Side lengths of a pixel of an object, in nm; None if unknown.
    """
    if geometry is None or len(fourier_shape) < 2:
        return None, None
    # imported here, so that plots do not load the file readers unless they need the geometry
    from ..files import momentum_step, object_pixel_size

    momentum, size = momentum_step(geometry), object_pixel_size(geometry, fourier_shape)[-2:]
    if momentum is None:
        return None, None
    return tuple(step * NANOMETRE for step in momentum), tuple(step / NANOMETRE for step in size)


def extent_of(shape, step, centered):
    """Return the edges of a picture as the `extent` of `imshow`.

    The origin is pixel `m // 2` if `centered`, otherwise the corner.
    """
    edges = []
    for size, one in zip(shape, step, strict=True):
        first = -(size // 2) - 0.5 if centered else 0.0
        edges.append((first * one, (first + size) * one))
    (top, bottom), (left, right) = edges
    return left, right, bottom, top
