"""Data augmentation by small random deformations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as nn_functional
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._base import BatchTransformer
from .._lazy import map_batch
from .._validation import check_number, warn_user
from ..measurement import are_plainly_magnitudes

if TYPE_CHECKING:
    from .._typing import Batch, Seed, Self


class RandomDeformation(BatchTransformer):
    """Rotate, stretch, shear and bend each object a little.

    A network trained on spectra overfits long before it has learned all it can. Unlike new members
    of the same orbit, deformed objects have new magnitudes. As the parameter `augmenter` of
    :class:`skpr.PhaseRetrievalRegressor` this step provides new objects at every epoch.

    Each object is deformed about the middle of its frame, and the number of objects stays the same.
    Content that a deformation moves out of the frame is lost. Values between pixels are
    interpolated linearly.

    Parameters
    ----------
    rotation : float, default=4.0
        Largest rotation in each plane, in degrees in either direction; objects with one axis are
        not rotated.
    scale : float, default=0.04
        Largest stretch or squeeze along each axis, as a natural logarithm.
    shear : float, default=0.04
        Largest shear of each pair of axes, as a tangent.
    bend : float, default=0.015
        Standard deviation of a smooth displacement, as a fraction of half the frame. It is drawn at
        four points along each axis and interpolated between them.
    probability : float, default=0.6
        Probability that an object is deformed. Interpolation blurs, and a network should see sharp
        objects, too.
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

    _way_of_targets = (
        ", and X and y no longer belong together. Give it to "
        "PhaseRetrievalRegressor(augmenter=RandomDeformation()), "
        "which simulates the magnitudes of what it deforms"
    )

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
        """Check the parameters and store the shape of the arrays.

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
            If a parameter is not valid.

        Warns
        -----
        UserWarning
            If `X` looks like magnitudes, and if `y` equals `X`, because only `X` is deformed.
        """
        X = self._checked(X, reset=True)
        self._check_parameters()
        self._warn_of_targets(X, y)
        if are_plainly_magnitudes(X):
            warn_user(
                "X looks like magnitudes, not like objects: every sample is exactly symmetric "
                "about its middle and brightest there. Deform objects instead: deformed magnitudes "
                "belong to no object"
            )
        return self

    def _check_parameters(self):
        for name in ("rotation", "scale", "shear", "bend"):
            check_number(name, getattr(self, name), 0)
        check_number("probability", self.probability, 0, 1)
        check_random_state(self.random_state)

    def transform(self, X: Batch) -> Any:
        """Return randomly deformed objects, of the same shape.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, *object_shape)

        Returns
        -------
        ndarray or torch.Tensor of shape (n_samples, *object_shape)
            Objects in the precision of `X`.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        self._check_parameters()
        rng = check_random_state(self.random_state)
        n_samples, n_axes = len(X), len(self.object_shape_)
        matrices = self._drawn_matrices(rng, n_samples, n_axes)
        bends = self.bend * rng.standard_normal((n_samples, n_axes, *[4] * n_axes))
        chosen = rng.random_sample(n_samples) < self.probability
        return map_batch(_deformed, X, matrices, bends, chosen)

    def _drawn_matrices(self, rng, n_samples, n_axes):
        """Draw the matrices of rotation, stretch and shear, in pixels."""

        def drawn(*shape):
            return rng.uniform(-1, 1, (n_samples, *shape))

        upper = np.triu(np.ones((n_axes, n_axes)), 1)
        turns = np.deg2rad(self.rotation) * drawn(n_axes, n_axes) * upper
        rotations = torch.linalg.matrix_exp(torch.from_numpy(turns - turns.swapaxes(1, 2))).numpy()
        stretches = np.exp(self.scale * drawn(1, n_axes))
        return rotations * stretches + self.shear * drawn(n_axes, n_axes) * upper

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True  # a sample's draw depends on its place in the batch
        return tags


def _deformed(objects, matrices, bends, chosen):
    """Deform the chosen objects.

    Each is sampled at `matrix @ r + bend(r)`, where `r` is measured from the middle of the frame.
    """
    if not chosen.any():
        return objects
    values = (
        torch.view_as_real(objects).movedim(-1, 1) if objects.is_complex() else objects[:, None]
    )
    real = values.dtype
    matrices, bends = matrices.to(values.device, real), bends.to(values.device, real)
    sizes = torch.tensor(objects.shape[1:], dtype=real, device=values.device)
    if (
        objects.ndim == 2
    ):  # PyTorch samples in 2-D and 3-D only, so a signal becomes a one-row image
        values, bends = values[:, :, None], bends[:, :, None].expand(-1, -1, 4, -1)
    grids = torch.meshgrid(
        *[
            (2 * torch.arange(n, dtype=real, device=values.device) + 1) / n - 1
            for n in values.shape[2:]
        ],
        indexing="ij",
    )
    points = torch.stack(grids[-len(sizes) :])  # in units of half the frame
    mode = "trilinear" if len(sizes) == 3 else "bicubic"
    smooth = nn_functional.interpolate(bends, size=points.shape[1:], mode=mode, align_corners=True)
    matrices = matrices * sizes / sizes[:, None]
    sampled = torch.einsum("nab,b...->na...", matrices, points) + smooth
    if objects.ndim == 2:
        sampled = torch.cat([grids[0].expand(len(objects), 1, *grids[0].shape), sampled], dim=1)
    sampled = sampled.flip(1).movedim(1, -1)  # PyTorch expects the last axis first
    moved = nn_functional.grid_sample(
        values, sampled, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    if objects.ndim == 2:
        moved = moved[:, :, 0]
    moved = torch.complex(moved[:, 0], moved[:, 1]) if objects.is_complex() else moved[:, 0]
    return torch.where(chosen.view([-1] + [1] * (objects.ndim - 1)), moved, objects)
