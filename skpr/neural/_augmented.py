"""Data augmentation and detector model, redrawn for every batch."""

import copy
import math

import numpy as np
import torch
from sklearn.base import clone

from .._tensors import chunks_of, energy, to_tensor
from .._validation import UNDOES_BREAKING, warn_user
from ..fourier import FourierMagnitude
from ..symmetry import orbit_distance

SAME = 1e-3  # relative difference below which two arrays count as equal
# ratio of orbit distance to plain distance below which an object counts as moved within its orbit
MOVED = 0.3


def fitted_detector(detector, generator, magnitudes):
    """Return a fitted clone of the detector, with fresh noise.

    Each call redraws the noise from the NumPy `generator`. Without a detector, return None. Raises
    `ValueError` for a detector that changes the shape of the patterns: the patterns given to
    `predict` would no longer fit the network.
    """
    if detector is None:
        return None
    fitted = _drawing_from(generator, detector)
    _check_order(detector)
    seen = _fit_transformed(fitted, to_tensor(magnitudes[:1]))
    if seen.shape[1:] != magnitudes.shape[1:]:
        raise ValueError(
            f"detector={_named(detector)} turns patterns of shape {tuple(magnitudes.shape[1:])} "
            f"into {tuple(seen.shape[1:])}; crop and bin before training, as a step of the "
            "pipeline"
        )
    return fitted


def _check_order(detector):
    """Warn of steps behind the counting of photons that must precede it."""
    steps = [step for _, step in getattr(detector, "steps", ())]
    counting = next((i for i, step in enumerate(steps) if getattr(step, "_exposes", False)), None)
    late = [] if counting is None else steps[counting + 1 :]
    wrong = next((step for step in late if getattr(step, "_precedes_counting", False)), None)
    if wrong is not None:
        warn_user(
            f"detector={_named(detector)} counts photons before {_named(wrong)}, which must act on "
            "expected magnitudes: give one PhotonNoise, after any PartialCoherence"
        )


def detected(detector, magnitudes):
    """Apply a detector to magnitudes, and restore their units.

    Counting photons changes the units, differently for each exposure. The measured pixels of each
    pattern are therefore rescaled to the energy they had before, so that brightness keeps its
    meaning. Raises `ValueError` for a detector whose values are not magnitudes.
    """
    seen = _transformed(detector, magnitudes).to(magnitudes.device)
    if seen.is_complex() or (seen < 0).any() or seen.isinf().any():
        raise ValueError(
            f"detector={_named(detector)} returns negative, infinite or complex values, which are "
            "not magnitudes; set them to 0, or to NaN where nothing was measured"
        )
    seen = seen.to(magnitudes.dtype)
    known = ~seen.isnan()
    before, after = (energy(torch.where(known, b, 0.0)) for b in (magnitudes, seen))
    scale = torch.where(after > 0, (before / torch.where(after > 0, after, 1.0)).sqrt(), 1.0)
    return seen * _per_sample(scale, seen)


def fitted_augmenter(augmenter, generator, magnitudes, objects, centered):
    """Return the :class:`Augmentation` of an augmenter, or None without one.

    Raises `ValueError` where the magnitudes are not those of the objects, or for an augmenter that
    changes the shape of objects or only moves them within their orbits.
    """
    if augmenter is None:
        return None
    return Augmentation(
        _drawing_from(generator, augmenter), magnitudes, objects, centered, _named(augmenter)
    )


class Augmentation:
    """Random new objects and magnitudes from those of a batch.

    New objects are drawn at every call. Their magnitudes are simulated, in the units of the
    batch's own magnitudes.

    Parameters
    ----------
    augmenter : transformer
        Transformer of objects.
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
        Magnitudes of the training set.
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
        Objects of the training set.
    centered : bool
        Whether zero frequency is in the middle of the magnitudes.
    name : str
        Name of the augmenter in error messages.
    """

    def __init__(self, augmenter, magnitudes, objects, centered, name):
        y = to_tensor(objects[:8])
        self.augmenter = augmenter
        made = _fit_transformed(augmenter, y)
        if made.shape != y.shape:
            raise ValueError(
                f"augmenter={name} turns objects of shape {tuple(y.shape[1:])} into "
                f"{tuple(made.shape[1:])}; crop or pad them before training"
            )
        self.forward_model = FourierMagnitude(
            fourier_shape=tuple(magnitudes.shape[1:]), centered=centered
        ).fit(y)
        for part in chunks_of(len(magnitudes), 4 * math.prod(magnitudes.shape[1:])):
            self._check_simulated(to_tensor(magnitudes[part]), to_tensor(objects[part]), part.start)
        _check_new(name, y, made.to(y))

    def __call__(self, magnitudes, objects):
        """Return a batch of new magnitudes and objects."""
        objects = objects.to(magnitudes.device)
        made = _transformed(self.augmenter, objects).to(objects)
        simulated = self.forward_model.transform(made)
        return simulated * _per_sample(self._units(magnitudes, objects), simulated), made

    def _check_simulated(self, magnitudes, objects, first):
        """Refuse magnitudes that are not those of their objects."""
        objects = objects.to(magnitudes.device)
        expected = self.forward_model.transform(objects)
        expected = expected * _per_sample(self._units(magnitudes, objects), expected)
        others = (~(_difference(magnitudes, expected) < SAME)).nonzero()[:, 0]
        if len(others):
            misfit = float(_difference(magnitudes, expected)[others[0]])
            raise ValueError(
                "augmenter simulates the magnitudes of new objects, so X must hold those of y, "
                f"but X differs from |F y| by a relative {misfit:.2g} in sample "
                f"{first + int(others[0])}: pass noise and missing pixels as detector=..., check "
                f"centered={self.forward_model.centered!r}, or leave augmenter=None"
            )

    @staticmethod
    def _units(magnitudes, objects):
        """Return the unit of each pattern, by Parseval's theorem.

        It is 1 for magnitudes of the unnormalised DFT.
        """
        power = energy(objects).double() * math.prod(magnitudes.shape[1:])
        return torch.where(
            power > 0, energy(magnitudes).double() / torch.where(power > 0, power, 1.0), 1.0
        ).sqrt()


def _check_new(name, objects, made):
    """Refuse an augmenter that moves objects within their orbits."""
    apart = _difference(made, objects)
    distances = [
        orbit_distance(made, objects, phase=True, boundary=boundary)
        for boundary in ("zero", "circular")
    ]
    of_orbits = torch.minimum(*distances).double() / objects.flatten(1).norm(
        dim=1
    ).double().clamp_min(1e-300)
    if ((apart > 10 * SAME) & (of_orbits < MOVED * apart)).any():
        raise ValueError(f"augmenter={name} {UNDOES_BREAKING}")


def _difference(batch, expected):
    """Return the relative difference per sample; NaN with any NaN."""
    batch, expected = (
        part.to(torch.complex128 if part.is_complex() else torch.float64)
        for part in (batch, expected)
    )
    return (batch - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1).clamp_min(
        1e-300
    )


def _named(step):
    return " ".join(repr(step).split())


def _per_sample(values, batch):
    return values.to(batch.dtype).view([-1] + [1] * (batch.ndim - 1))


def _drawing_from(generator, step):
    """Return a clone of a transformer that draws from a generator."""
    if not hasattr(step, "get_params"):  # not scikit-learn's kind: it has no parameters to set
        return copy.deepcopy(step)
    step = clone(step)
    names = [
        name
        for name in step.get_params()
        if name == "random_state" or name.endswith("__random_state")
    ]
    return step.set_params(**dict.fromkeys(names, generator))


def _fit_transformed(step, batch):
    """Fit a transformer on tensors or arrays, and transform them."""
    try:
        return _as_tensor(step.fit(batch).transform(batch))
    except (AttributeError, TypeError, ValueError) as error:
        try:
            return _as_tensor(step.fit(_as_array(batch)).transform(_as_array(batch)))
        except Exception:
            raise error from None


def _transformed(step, batch):
    """Transform tensors, or arrays if only those are accepted."""
    try:
        return _as_tensor(step.transform(batch))
    except (AttributeError, TypeError, ValueError) as error:
        try:
            return _as_tensor(step.transform(_as_array(batch)))
        except Exception:
            raise error from None


def _as_array(batch):
    return batch.detach().cpu().numpy()


def _as_tensor(made):
    return made if isinstance(made, torch.Tensor) else to_tensor(np.asarray(made))
