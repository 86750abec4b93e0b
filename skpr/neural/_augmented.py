"""Transformers inside a training: new objects and detector effects, redrawn for every batch."""

import copy
import math

import numpy as np
import torch
from sklearn.base import clone

from .._tensors import chunks_of, energy, to_tensor
from .._validation import UNDOES_BREAKING
from ..fourier import FourierMagnitude
from ..symmetry import orbit_distance

SAME = 1e-3  # relative difference below which two arrays count as equal
MOVED = 0.3  # how much nearer the orbits of two objects are than the objects themselves, where one was moved


def fitted_detector(detector, generator, magnitudes):
    """Return a fitted clone of the detector that draws from a NumPy generator at every call; None
    for None.

    Raises `ValueError` for one that changes the shape of patterns: what is predicted later would
    not fit."""
    if detector is None:
        return None
    fitted = _drawing_from(generator, detector)
    seen = _fit_transformed(fitted, to_tensor(magnitudes[:1]))
    if seen.shape[1:] != magnitudes.shape[1:]:
        raise ValueError(
            f"detector={_named(detector)} makes patterns of shape {tuple(seen.shape[1:])} of "
            f"{tuple(magnitudes.shape[1:])}; "
            "crop and bin before training, as a step of the pipeline"
        )
    return fitted


def detected(detector, magnitudes):
    """Return the magnitudes as a detector sees them, in their units again, so that brightness still
    means what it did.

    Counting photons changes the units, differently for each exposure: measured pixels get back the
    energy they had.

    Raises `ValueError` for a detector whose values are no magnitudes.
    """
    seen = _transformed(detector, magnitudes).to(magnitudes.device)
    if seen.is_complex() or (seen < 0).any() or seen.isinf().any():
        raise ValueError(
            f"detector={_named(detector)} makes values that are negative, infinite or complex, "
            f"and no magnitudes; set "
            "them to 0, or to NaN where nothing was measured"
        )
    seen = seen.to(magnitudes.dtype)
    known = ~seen.isnan()
    before, after = (energy(torch.where(known, b, 0.0)) for b in (magnitudes, seen))
    scale = torch.where(after > 0, (before / torch.where(after > 0, after, 1.0)).sqrt(), 1.0)
    return seen * _per_sample(scale, seen)


def fitted_augmenter(augmenter, generator, magnitudes, objects, centered):
    """Return a function that makes new objects and their magnitudes out of a batch of them; None
    for None.

    Raises `ValueError` where the magnitudes are not those of the objects, or for an augmenter that
    changes the shape of objects or only moves them within their orbits."""
    if augmenter is None:
        return None
    return Augmentation(
        _drawing_from(generator, augmenter), magnitudes, objects, centered, _named(augmenter)
    )


class Augmentation:
    """New objects made of a batch's, redrawn at every call, and their magnitudes in the batch's
    units.

    Parameters
    ----------
    augmenter : transformer
        Transformer of objects.
    magnitudes : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *fourier_shape)
    objects : ndarray, torch.Tensor or LazyBatch of shape (n_samples, *object_shape)
        The training set.
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
                f"augmenter={name} makes objects of shape {tuple(made.shape[1:])} of "
                f"{tuple(y.shape[1:])}; "
                "frame them before training"
            )
        self.forward_model = FourierMagnitude(
            fourier_shape=tuple(magnitudes.shape[1:]), centered=centered
        ).fit(y)
        for part in chunks_of(len(magnitudes), 4 * math.prod(magnitudes.shape[1:])):
            self._check_simulated(to_tensor(magnitudes[part]), to_tensor(objects[part]), part.start)
        _check_new(name, y, made.to(y))

    def __call__(self, magnitudes, objects):
        """Make a batch of new magnitudes and objects."""
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
                "augmenter needs magnitudes that are those of the objects, to simulate them for "
                "new ones, but X "
                f"differs from |F y| by a relative {misfit:.2g} in sample "
                f"{first + int(others[0])}: "
                "pass noise and missing pixels as detector=..., check "
                f"centered={self.forward_model.centered!r}, or leave augmenter=None"
            )

    @staticmethod
    def _units(magnitudes, objects):
        """Unit of each pattern: 1 for the unnormalised DFT; by Parseval's theorem."""
        power = energy(objects).double() * math.prod(magnitudes.shape[1:])
        return torch.where(
            power > 0, energy(magnitudes).double() / torch.where(power > 0, power, 1.0), 1.0
        ).sqrt()


def _check_new(name, objects, made):
    """Refuse an augmenter that moves objects within their orbits, whatever else it does to them."""
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
    """Relative difference of each sample of two batches; NaN where there is any."""
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
    """Return a transformer's clone that draws from a generator, on and on."""
    if not hasattr(step, "get_params"):  # of no scikit-learn, with no parameters to set
        return copy.deepcopy(step)
    step = clone(step)
    names = [
        name
        for name in step.get_params()
        if name == "random_state" or name.endswith("__random_state")
    ]
    return step.set_params(**dict.fromkeys(names, generator))


def _fit_transformed(step, batch):
    """Fit a transformer on tensors, or on arrays where it knows those only, and transform them."""
    try:
        return _as_tensor(step.fit(batch).transform(batch))
    except (AttributeError, TypeError, ValueError) as error:
        try:
            return _as_tensor(step.fit(_as_array(batch)).transform(_as_array(batch)))
        except Exception:
            raise error from None


def _transformed(step, batch):
    """Transform tensors, or arrays with a transformer that knows those only."""
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
