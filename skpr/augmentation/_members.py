"""Data augmentation by random members of each object's orbit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._base import BatchTransformer
from .._lazy import some_of
from .._tensors import map_chunks, to_tensor
from .._validation import check_count, check_flag, check_number, resolve_boundary, warn_user
from ..measurement import are_plainly_magnitudes
from ..symmetry import LOOKED_AT, ContentMixin, GroupElement, act, boxes_of, level_to_cut
from ._frame import checked_objects, in_frame, resolved_frame

if TYPE_CHECKING:
    from .._typing import Batch, Boundary, Seed, Self

_WAYS = (
    "give boundary='circular' if shifts wrap around, frame_shape= for a larger dark frame, or "
    "max_shift=0 for no shifts"
)


class ShiftFlipAugmenter(ContentMixin, BatchTransformer):
    """Shift, flip and rephase each object at random; magnitudes stay the same.

    Unaligned training data have objects in such random places. The number of objects and their
    Fourier magnitudes do not change; each object is replaced by another that has the same
    magnitude. Content that leaves the frame would change the magnitudes, so along axes with
    boundary "zero" shifts never move content out of it. Part of a background does leave the frame,
    and zeros enter on the other side.

    Parameters
    ----------
    max_shift : int, optional
        Largest displacement along each axis, in pixels in either direction; `None` for all shifts
        that keep the content inside.
    flip_probability : float, default=0.5
        Probability of the conjugate inversion.
    random_phase : bool, default=False
        Whether to multiply complex objects by a uniformly random unit number, and real ones by a
        random sign.
    frame_shape : int or tuple of int, optional
        Shape of a larger dark frame in whose middle the object is placed first; one number for all
        axes.
    boundary : {"auto", "zero", "circular"} or sequence of "zero" and "circular", default="auto"
        Whether shifts keep the content inside the frame ("zero") or wrap around it ("circular"); a
        sequence has one entry for each axis. ``"auto"`` is "zero", unless a
        :class:`skpr.SymmetryBreakingRegressor`, which knows the shape of the magnitudes, sets it.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws. An int gives the same draws at every call of `transform`.
    background : "auto" or float, default="auto"
        Level of the background in the frame, as a fraction of the objects' maximum, below .25.
        ``"auto"`` measures it on the training set (:func:`skpr.symmetry.background_level`): it is
        exactly 0 for objects in exact darkness. With 0, every nonzero pixel is content.

    Attributes
    ----------
    object_shape_ : tuple of int
        Shape of one object at input.
    frame_shape_ : tuple of int
        Shape of one object at output.
    boundary_ : tuple of str
        Boundary along each axis.
    background_ : float
        Level of the background in the frame; 0 in exact darkness. Above .1 the objects fill their
        frame, and none is shifted.

    Examples
    --------
    >>> import numpy as np
    >>> augmenter = ShiftFlipAugmenter(frame_shape=5, random_state=0)
    >>> augmenter.fit_transform(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]))
    array([[0., 0., 1., 2., 0.], [0., 1., 2., 0., 0.], [0., 0., 1., 2., 0.]])
    """

    _fitted_attribute = "frame_shape_"
    _read_by_fit = "frame_shape", "boundary", "background"

    def __init__(
        self,
        max_shift: int | None = None,
        flip_probability: float = 0.5,
        random_phase: bool = False,
        frame_shape: int | tuple[int, ...] | None = None,
        boundary: Boundary = "auto",
        random_state: Seed = None,
        background: str | float = "auto",
    ) -> None:
        self.max_shift = max_shift
        self.flip_probability = flip_probability
        self.random_phase = random_phase
        self.frame_shape = frame_shape
        self.boundary = boundary
        self.random_state = random_state
        self.background = background

    def fit(self, X: Batch, y: Batch | None = None) -> Self:
        """Learn the shapes of objects and frame, and the objects' background.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is not valid.

        Warns
        -----
        UserWarning
            If the objects fill their frame, so that no shift keeps their content inside; if `X`
            looks like magnitudes; and if `y` equals `X`, because only `X` is moved.
        """
        X = self._checked(X, reset=True)
        self._check_parameters()
        if self.max_shift != 0 or self.flip_probability > 0 or self.random_phase:
            self._warn_of_targets(X, y)
        if are_plainly_magnitudes(X):
            warn_user(
                "X looks like magnitudes, not like objects: every sample is exactly symmetric "
                "about its middle and brightest there. Shift and flip objects instead: moved "
                "magnitudes belong to no object"
            )
        frame_shape = resolved_frame(self.frame_shape, tuple(X.shape[1:]))
        self.boundary_ = resolve_boundary(self.boundary, X.ndim - 1)
        framed = in_frame(some_of(X, LOOKED_AT), frame_shape)
        self._level = self._fit_background(
            framed, self.boundary_, _WAYS if self.max_shift != 0 else None
        )
        self._remember_parameters()
        self.frame_shape_ = frame_shape
        return self

    def _check_parameters(self):
        _check_draws(self.max_shift, self.flip_probability, self.random_phase)
        check_random_state(self.random_state)

    def transform(self, X: Batch) -> Any:
        """Pad objects into the frame, then shift and flip each at random.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *frame_shape_)
            Framed and moved objects.
        """
        check_is_fitted(self)
        self._check_unchanged()
        X = self._checked(X, reset=False)
        self._check_parameters()
        framed = in_frame(X, self.frame_shape_)
        if self.max_shift != 0:
            self._check_background(framed, self.boundary_)
        element = _drawn(
            framed,
            self.max_shift,
            self.flip_probability,
            self.random_phase,
            self.boundary_,
            check_random_state(self.random_state),
            self._level,
        )
        return act(framed, element, self.boundary_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True  # a sample's draw depends on its place in the batch
        return tags


def draw_elements(
    objects, *, max_shift, flip_probability, random_phase, boundary, random_state, background="auto"
):
    """Draw a random shift, flip and phase for each object.

    :func:`skpr.symmetry.act` applies the elements. Shifts are uniform over the admissible ones:
    those of at most `max_shift` in either direction that, along axes with boundary "zero", keep the
    content of the object inside the frame after the flip, if there is one.

    Parameters
    ----------
    objects : array-like or torch.Tensor of shape (n_samples, *object_shape)
    max_shift, flip_probability, random_phase, boundary, random_state, background
        Parameters of :class:`skpr.ShiftFlipAugmenter`.

    Returns
    -------
    GroupElement
        One element per object, as ndarrays.

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
    objects = checked_objects(objects)
    _check_draws(max_shift, flip_probability, random_phase)
    boundary = resolve_boundary(boundary, objects.ndim - 1)
    level = level_to_cut(objects, background, boundary)
    rng = check_random_state(random_state)
    return _drawn(objects, max_shift, flip_probability, random_phase, boundary, rng, level)


def _drawn(objects, max_shift, flip_probability, random_phase, boundary, rng, level):
    n_samples, sizes = len(objects), np.array(objects.shape[1:])
    is_complex = to_tensor(objects[:1]).is_complex()
    flips = rng.random_sample(n_samples) < flip_probability
    reach = sizes if max_shift is None else np.minimum(max_shift, sizes)
    lowest, highest = (np.tile(bound, (n_samples, 1)) for bound in (-reach, reach))
    in_the_dark = np.array([wraps == "zero" for wraps in boundary])
    if in_the_dark.any():
        boxes = map_chunks(partial(boxes_of, level=level, boundary=boundary), objects)
        starts, extents = (np.asarray(to_tensor(part).cpu()) for part in boxes)
        starts = np.where(flips[:, None], sizes - starts - extents, starts)
        lowest = np.where(in_the_dark, np.maximum(lowest, -starts), lowest)
        highest = np.where(in_the_dark, np.minimum(highest, sizes - starts - extents), highest)
    if max_shift is None:
        lowest, highest = (
            np.where(in_the_dark, lowest, 0),
            np.where(in_the_dark, highest, sizes - 1),
        )
    shifts = lowest + np.floor(rng.random_sample(lowest.shape) * (highest - lowest + 1)).astype(
        np.int64
    )
    phases = np.ones(n_samples)
    if random_phase:
        turns = rng.random_sample(n_samples)
        phases = np.exp(2j * np.pi * turns) if is_complex else np.where(turns < 0.5, 1.0, -1.0)
    return GroupElement(shifts, flips, phases)


def _check_draws(max_shift, flip_probability, random_phase):
    check_count("max_shift", max_shift, low=0, optional=True)
    check_number("flip_probability", flip_probability, 0, 1)
    check_flag("random_phase", random_phase)
