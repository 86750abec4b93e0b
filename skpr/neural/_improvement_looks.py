"""First look at magnitudes, starts and targets, for mistakes."""

import numpy as np
import torch

from .._callers import is_nested
from .._tensors import along_samples, energy, even_rows, inner, picked, unit_scale, usual_device
from .._validation import warn_user
from ..measurement import Grid, boundary_of, check_orientation, check_pairing, look_at
from ..symmetry import register
from ._validation import MANY, kind_of

SOME = 16  # samples that are compared
# Distance of targets from the best starts, 1 - correlation: registered targets are about as near as
# they can be.
FARTHER, FAR = 1.25, 0.05
OTHER_UNIT = 3.0  # ratio of norms; noise and missing pixels change it by less


def look_at_training_parts(net, parts, y):
    """Warn of the likeliest mistake in a training set, if any.

    Parameters
    ----------
    net : EstimateRegressor
        Network whose shapes and kind of objects are known.
    parts : dict of batches
        Checked parts of the input.
    y : ndarray or torch.Tensor of shape (n_samples, *object_shape)
        Checked objects.
    """
    if is_nested(2):
        return
    whom, X = type(net).__name__, parts["magnitudes"]
    if check_pairing(X, y, whom) or check_orientation(X, y, whom):
        return
    if not _look_at_patterns(net, X, objects=y):
        rows = even_rows(len(X), SOME)
        with usual_device(), torch.no_grad():
            _warned_of_unit(net, parts, rows, {"best": parts["best"], "y": y})
            _warned_of_places(net, parts, rows, y)


def look_at_parts(net, parts):
    """Warn of the likeliest mistake in the input of a prediction, if any."""
    if is_nested(2) or _look_at_patterns(net, parts["magnitudes"]):
        return
    with usual_device(), torch.no_grad():
        rows = even_rows(len(parts["best"]), SOME)
        _warned_of_unit(net, parts, rows, {"best": parts["best"]})


def _look_at_patterns(net, X, **known):
    some = picked(X, even_rows(len(X), MANY))
    return look_at(some, net.centered_, type(net).__name__, kind_of(net), **known)


def _warned_of_unit(net, parts, rows, objects):
    """Warn of objects in another unit than the magnitudes."""
    magnitudes = picked(parts["magnitudes"], rows).cpu().double()
    known = ~magnitudes.isnan()
    for name, batch in objects.items():
        values = picked(batch, rows).cpu()
        values = values.to(torch.complex128 if values.is_complex() else torch.float64)
        grid = Grid(values.shape[1:], magnitudes.shape[1:], bool(net.centered_))
        computed, measured = (
            torch.where(known, image, 0.0) for image in (grid.magnitudes(values), magnitudes)
        )
        ratios = (_norms(computed) / _norms(measured)).numpy()
        ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
        ratio = float(np.median(ratios)) if len(ratios) else 1.0
        if not 1 / OTHER_UNIT < ratio < OTHER_UNIT:
            warn_user(
                f"{name} passed to {type(net).__name__} is in another unit than the magnitudes: "
                f"the unnormalised Fourier transform of {name} is {ratio:.3g} times as large as "
                f"they are; divide {name} by this factor"
            )
            return True
    return False


def _norms(values):
    """Return the norms of samples, whose squares may overflow."""
    scales = unit_scale(values)
    return energy(values * scales).sqrt() / scales.flatten()


def _warned_of_places(net, parts, rows, y):
    """Warn of objects that lie elsewhere on their orbit than the starts."""
    best, target = (picked(batch, rows).cpu() for batch in (parts["best"], y))
    best, target = (batch * along_samples(unit_scale(batch), batch) for batch in (best, target))
    boundary = boundary_of(best.shape[1:], parts["magnitudes"].shape[1:])
    moved, _ = register(target, best, phase=True, boundary=boundary)
    given, least = (_distance(one, best) for one in (target, moved))
    if given <= FARTHER * least + FAR:
        return False
    warn_user(
        f"y passed to {type(net).__name__} is not registered to the starts: 1 - correlation with "
        f"best is {given:.2g}, and {least:.2g} after shift, flip and phase. The network would "
        "learn an average over these symmetries: pass skpr.symmetry.register(y, best, "
        "phase=True, boundary=...)[0] as y"
    )
    return True


def _distance(first, second):
    """Return the mean of 1 - correlation, 0 for equal objects."""
    sizes = (energy(first) * energy(second)).sqrt()
    found = inner(first, second).real.double() / torch.where(sizes > 0, sizes, 1.0)
    return float((1 - found)[sizes > 0].mean()) if (sizes > 0).any() else 0.0
