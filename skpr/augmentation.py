"""Training sets made larger: random members of each object's orbit, and random objects like those there are."""

from __future__ import annotations

import math
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as nn_functional
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ._arrays import check_boundary, check_fitted_batch
from ._lazy import map_batch
from ._tensors import to_tensor
from .symmetry import GroupElement, act, content_box

if TYPE_CHECKING:
    from ._typing import Batch, Seed, Self

__all__ = ["RandomDeformation", "ShiftFlipAugmenter", "draw_elements", "frame"]


class ShiftFlipAugmenter(TransformerMixin, BaseEstimator):
    """Move each object to a random member of its orbit, as unaligned training data would have it.

    One object in, one object out: the Fourier magnitudes do not change, only which of the objects that share them
    stands for each. What leaves the frame would change the magnitudes, so with `boundary="zero"` shifts never move
    non-zero content out of it.

    Parameters
    ----------
    max_shift : int, optional
        Largest displacement along each axis, in pixels either way; `None` for anywhere that keeps the content inside.
    flip_probability : float, default=0.5
        Probability of the conjugate inversion.
    random_phase : bool, default=False
        Whether to multiply complex objects by a uniformly random unit number, and real ones by a random sign.
    frame_shape : int or tuple of int, optional
        Shape of a larger dark frame in whose middle the object is placed first.
    boundary : {"zero", "circular"}, default="zero"
        Whether shifts keep the content inside the frame or wrap around it.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. An int gives the same draws at every call of `transform`.

    Attributes
    ----------
    object_shape_ : tuple of int
        Shape of one object at input.
    frame_shape_ : tuple of int
        Shape of one object at output.

    Examples
    --------
    >>> import numpy as np
    >>> augmenter = ShiftFlipAugmenter(frame_shape=5, random_state=0)
    >>> augmenter.fit_transform(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]))
    array([[0., 0., 1., 2., 0.], [0., 1., 2., 0., 0.], [0., 0., 1., 2., 0.]])
    """

    def __init__(
        self,
        max_shift: int | None = None,
        flip_probability: float = 0.5,
        random_phase: bool = False,
        frame_shape: int | tuple[int, ...] | None = None,
        boundary: str = "zero",
        random_state: Seed = None,
    ) -> None:
        self.max_shift = max_shift
        self.flip_probability = flip_probability
        self.random_phase = random_phase
        self.frame_shape = frame_shape
        self.boundary = boundary
        self.random_state = random_state

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Check the parameters and learn the shapes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)
        y : ignored

        Returns
        -------
        self
        """
        X = check_fitted_batch(self, X, reset=True, shape_attribute="object_shape_")
        check_boundary(self.boundary)
        if self.max_shift is not None and not (isinstance(self.max_shift, Integral) and self.max_shift >= 0):
            raise ValueError(f"max_shift={self.max_shift!r} is not valid; give an integer >= 0 or None")
        if not (isinstance(self.flip_probability, Real) and 0 <= self.flip_probability <= 1):
            raise ValueError(f"flip_probability={self.flip_probability!r} is not valid; give a number from 0 to 1")
        self.frame_shape_ = _resolved_frame(self.frame_shape, tuple(X.shape[1:]))
        return self

    def transform(self, X: Batch) -> Any:
        """Frame the objects and move each to a random member of its orbit.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *frame_shape_)
        """
        check_is_fitted(self)
        X = check_fitted_batch(self, X, reset=False, shape_attribute="object_shape_")
        framed = frame(X, self.frame_shape_)
        element = draw_elements(
            framed,
            max_shift=self.max_shift,
            flip_probability=self.flip_probability,
            random_phase=self.random_phase,
            boundary=self.boundary,
            random_state=self.random_state,
        )
        return act(framed, element, self.boundary)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "frame_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class RandomDeformation(TransformerMixin, BaseEstimator):
    """Deform each object a little: turn, stretch, shear and bend it into a new one of the same kind.

    A network that reads spectra overfits long before it has learned all it can. New objects, unlike new members of
    the same orbit, have new magnitudes: as the parameter `augmenter` of :class:`skpr.PhaseRetrievalRegressor` this
    step gives it others at every epoch. One object in, one object out, about the middle of the frame; what a
    deformation moves out of it is lost, and values in between pixels are interpolated linearly.

    Parameters
    ----------
    rotation : float, default=4.0
        Largest rotation in each plane, in degrees either way; an object with one axis has none.
    scale : float, default=0.04
        Largest stretch or squeeze along each axis, as a natural logarithm.
    shear : float, default=0.04
        Largest shear of each pair of axes, as a tangent.
    bend : float, default=0.015
        Standard deviation of a smooth displacement, drawn at four points an axis and interpolated in between, as a
        fraction of half the frame.
    probability : float, default=0.6
        Probability of being deformed at all: interpolation blurs, and a network should also see sharp objects.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. An int gives the same draws at every call of `transform`.

    Attributes
    ----------
    object_shape_ : tuple of int
        Shape of one object.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.random.default_rng(0).random((3, 8, 8))
    >>> RandomDeformation(random_state=0).fit_transform(objects).shape
    (3, 8, 8)
    """

    def __init__(
        self,
        rotation: float = 4.0,
        scale: float = 0.04,
        shear: float = 0.04,
        bend: float = 0.015,
        probability: float = 0.6,
        random_state: Seed = None,
    ) -> None:
        self.rotation = rotation
        self.scale = scale
        self.shear = shear
        self.bend = bend
        self.probability = probability
        self.random_state = random_state

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Check the parameters and learn the shape.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)
            Real or complex objects.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a parameter that is not valid.
        """
        check_fitted_batch(self, X, reset=True, shape_attribute="object_shape_")
        for name in ("rotation", "scale", "shear", "bend"):
            value = getattr(self, name)
            if not (isinstance(value, Real) and math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}={value!r} is not valid; give a number >= 0")
        if not (isinstance(self.probability, Real) and 0 <= self.probability <= 1):
            raise ValueError(f"probability={self.probability!r} is not valid; give a number from 0 to 1")
        return self

    def transform(self, X: Batch) -> Any:
        """Deform objects.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *object_shape)
            In the precision of `X`.
        """
        check_is_fitted(self)
        X = check_fitted_batch(self, X, reset=False, shape_attribute="object_shape_")
        rng = check_random_state(self.random_state)
        n_samples, n_axes = len(X), len(self.object_shape_)
        matrices = self._drawn_matrices(rng, n_samples, n_axes)
        bends = self.bend * rng.standard_normal((n_samples, n_axes, *[4] * n_axes))
        chosen = rng.random_sample(n_samples) < self.probability
        return map_batch(_deformed, X, matrices, bends, chosen)

    def _drawn_matrices(self, rng, n_samples, n_axes):
        """Rotation, stretch and shear about the middle, in pixels."""

        def drawn(*shape):
            return rng.uniform(-1, 1, (n_samples, *shape))

        upper = np.triu(np.ones((n_axes, n_axes)), 1)
        turns = np.deg2rad(self.rotation) * drawn(n_axes, n_axes) * upper
        rotations = torch.linalg.matrix_exp(torch.from_numpy(turns - turns.swapaxes(1, 2))).numpy()
        stretches = np.exp(self.scale * drawn(1, n_axes))
        return rotations * stretches + self.shear * drawn(n_axes, n_axes) * upper

    def __sklearn_is_fitted__(self):
        return hasattr(self, "object_shape_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _deformed(objects, matrices, bends, chosen):
    """Objects where they are chosen to be, each sampled at `matrix @ r + bend(r)`, `r` from the middle."""
    if not chosen.any():
        return objects
    values = torch.view_as_real(objects).movedim(-1, 1) if objects.is_complex() else objects[:, None]
    real = values.dtype
    matrices, bends = matrices.to(values.device, real), bends.to(values.device, real)
    sizes = torch.tensor(objects.shape[1:], dtype=real, device=values.device)
    if objects.ndim == 2:  # PyTorch samples in two and three dimensions: one axis is an image of one row
        values, bends = values[:, :, None], bends[:, :, None].expand(-1, -1, 4, -1)
    grids = torch.meshgrid(
        *[(2 * torch.arange(n, dtype=real, device=values.device) + 1) / n - 1 for n in values.shape[2:]], indexing="ij"
    )
    points = torch.stack(grids[-len(sizes) :])  # in units of half the frame
    mode = "trilinear" if len(sizes) == 3 else "bicubic"
    smooth = nn_functional.interpolate(bends, size=points.shape[1:], mode=mode, align_corners=True)
    matrices = matrices * sizes / sizes[:, None]
    sampled = torch.einsum("nab,b...->na...", matrices, points) + smooth
    if objects.ndim == 2:
        sampled = torch.cat([grids[0].expand(len(objects), 1, *grids[0].shape), sampled], dim=1)
    sampled = sampled.flip(1).movedim(1, -1)  # last axis first, as PyTorch wants it
    moved = nn_functional.grid_sample(values, sampled, mode="bilinear", padding_mode="zeros", align_corners=False)
    if objects.ndim == 2:
        moved = moved[:, :, 0]
    moved = torch.complex(moved[:, 0], moved[:, 1]) if objects.is_complex() else moved[:, 0]
    return torch.where(chosen.view([-1] + [1] * (objects.ndim - 1)), moved, objects)


def frame(objects, frame_shape):
    """Place objects in the middle of a larger dark frame; an odd spare pixel goes behind.

    Examples
    --------
    >>> import numpy as np
    >>> frame(np.array([[1.0, 2.0]]), (5,))
    array([[0., 1., 2., 0., 0.]])
    """
    shape = tuple(objects.shape[1:])
    if shape == tuple(frame_shape):
        return objects
    inside = tuple(slice((m - n) // 2, (m - n) // 2 + n) for m, n in zip(frame_shape, shape, strict=True))

    return map_batch(partial(_placed, frame_shape=tuple(frame_shape), inside=inside), objects)


def _placed(objects, frame_shape, inside):
    framed = objects.new_zeros((len(objects), *frame_shape))
    framed[(slice(None), *inside)] = objects
    return framed


def draw_elements(objects, *, max_shift, flip_probability, random_phase, boundary, random_state):
    """Draw one random group element for each object; :func:`skpr.symmetry.act` applies it.

    Shifts are uniform over those admitted: up to `max_shift` either way and, with `boundary="zero"`, only those that
    keep the non-zero content of the object, flipped if it is to be flipped, inside the frame.

    Examples
    --------
    >>> import numpy as np
    >>> element = draw_elements(
    ...     np.array([[0.0, 1.0, 0.0]]),
    ...     max_shift=1,
    ...     flip_probability=0.0,
    ...     random_phase=False,
    ...     boundary="zero",
    ...     random_state=0,
    ... )
    >>> element.shift, element.flip
    (array([[1]]), array([False]))
    """
    rng = check_random_state(random_state)
    n_samples, sizes = len(objects), np.array(objects.shape[1:])
    is_complex = to_tensor(objects[:1]).is_complex()
    flips = rng.random_sample(n_samples) < flip_probability
    reach = sizes if max_shift is None else np.minimum(max_shift, sizes)
    lowest, highest = (
        np.broadcast_to(-reach, (n_samples, len(sizes))),
        np.broadcast_to(reach, (n_samples, len(sizes))),
    )
    if boundary == "zero":
        starts, extents = (np.asarray(to_tensor(part).cpu()) for part in content_box(objects))
        starts = np.where(flips[:, None], sizes - starts - extents, starts)
        lowest, highest = np.maximum(lowest, -starts), np.minimum(highest, sizes - starts - extents)
    elif max_shift is None:
        lowest, highest = np.zeros_like(lowest), np.broadcast_to(sizes - 1, lowest.shape)
    shifts = lowest + np.floor(rng.random_sample(lowest.shape) * (highest - lowest + 1)).astype(np.int64)
    phases = np.ones(n_samples)
    if random_phase:
        turns = rng.random_sample(n_samples)
        phases = np.exp(2j * np.pi * turns) if is_complex else np.where(turns < 0.5, 1.0, -1.0)
    return GroupElement(shifts, flips, phases)


def _resolved_frame(frame_shape, object_shape):
    if frame_shape is None:
        return object_shape
    shape = (frame_shape,) * len(object_shape) if isinstance(frame_shape, Integral) else tuple(frame_shape)
    if len(shape) != len(object_shape) or any(m < n for m, n in zip(shape, object_shape, strict=True)):
        raise ValueError(
            f"frame_shape={frame_shape!r} does not hold objects of shape {object_shape}; give one size per axis, each "
            "at least the object's"
        )
    return tuple(int(m) for m in shape)
