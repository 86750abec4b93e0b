"""Agreement between the reconstructions of one pattern.

It is compared with the agreement that chance alone produces, and the resolution follows from both.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state

from .._counts import counts_of
from .._rings import ring_numbers, ring_radii, ring_sums
from .._tensors import to_tensor, unit
from ..measurement import Grid, Measurement, to_spectrum
from ..metrics import fourier_error, half_period_resolution, phase_retrieval_transfer_function
from ..symmetry import register

UNRELATED = 60  # minimum number of unrelated objects from which the floor is computed
FEWEST, MOST = 3, 30  # bounds on the number of sets of unrelated objects
VALUES = 2**23  # total number of registration lags; the number of sets is reduced to stay below it
NEIGHBOURS = 2  # rings on each side over which curves are smoothed before they are compared
SIGNIFICANCE = 4.0  # standard deviations between the mean of unrelated objects and the floor
UNDECIDED = 0.9  # floor above which a ring cannot distinguish agreement from chance
UNEXPLAINED = 0.3  # Fourier error beyond counting noise; runs above it do not explain the pattern
ALIKE = 0.75  # ring correlation of agreeing runs, relative to that of a run and its nearest one


class Agreement(NamedTuple):
    """Transfer function of all runs, its floor and the resolution."""

    frequencies: Any
    transfer_function: Any
    floor: Any
    resolution: float
    reason: str


def agreement(magnitudes, registered, reference, boundary, centered):
    """Judge registered reconstructions of one pattern.

    Parameters
    ----------
    magnitudes : ndarray of shape fourier_shape
    registered : ndarray of shape (n_runs, *object_shape)
        Runs that finished, registered to the reference.
    reference : int
        Index of the reference.
    boundary : tuple of str
    centered : bool

    Returns
    -------
    Agreement
    """
    n_given = len(registered)
    frequencies, values = phase_retrieval_transfer_function(
        magnitudes, registered, centered=centered
    )
    registered, reference = _distinct(registered, reference)
    if len(registered) < 2:
        many = (
            "one reconstruction was"
            if n_given == 1
            else f"{n_given} identical reconstructions were"
        )
        reason = (
            f"{many} given, but agreement can only be judged between independent runs from "
            f"different starts (8 or more are best)"
        )
        return Agreement(frequencies, values, np.ones(len(values)), math.nan, reason)
    threshold = threshold_for(len(registered))
    floor = floor_of(magnitudes, registered, reference, boundary, centered)
    clear = np.where(
        (floor < UNDECIDED) & _before_darkness(magnitudes, values, centered), values, np.nan
    )
    passed = np.where(
        (values >= threshold) & (_smoothed(values) > floor),
        clear,
        np.where(np.isnan(clear), np.nan, 0),
    )
    resolution = half_period_resolution(frequencies, passed, np.finfo(float).tiny)
    reason = _objection(magnitudes, registered, values, clear, resolution, centered)
    return Agreement(
        frequencies, values, np.fmax(floor, threshold), math.nan if reason else resolution, reason
    )


def _distinct(registered, reference):
    """Return the distinct runs, and the index of the reference among them.

    Copies of a run agree with it perfectly, which is no evidence.
    """
    first = {run.tobytes(): number for number, run in reversed(list(enumerate(registered)))}
    kept = sorted(first.values())
    return registered[kept], kept.index(first[registered[reference].tobytes()])


def _before_darkness(magnitudes, values, centered):
    """Mark the rings inside the first one with too few counts.

    Only measured rings can end the range. A ring with enough counts outside it is stray light.
    """
    measured = ring_sums(~np.isnan(magnitudes), centered)[1] > 0
    dark = np.isnan(values) & measured
    dark[0] = False
    return np.cumsum(dark) == 0


def threshold_for(n_runs):
    """Return the cut-off of the transfer function for `n_runs`.

    The usual cut-off of 1/e applies to infinitely many runs. Where a share `g` of the phasors is
    common and the rest is random, the mean of `n` unit phasors has mean square `g^2 + (1 - g^2) /
    n`.
    """
    return math.sqrt(math.exp(-2) + (1 - math.exp(-2)) / n_runs)


def floor_of(magnitudes, registered, reference, boundary, centered):
    """Return the transfer function that unrelated objects reach by chance.

    Registration alone makes unrelated objects agree to some extent, and so do properties that all
    of them share. Two kinds of objects represent runs that found nothing: the Fourier magnitudes of
    the runs with random phases, cut to the frame; and the values of the runs at random pixels. The
    second kind agrees as well as the runs do where these are hardly more than a point, or hardly
    more than positive. The floor of each kind is its smoothed mean plus four standard deviations,
    and the larger of the two is returned.
    """
    grid = Grid(registered.shape[1:], magnitudes.shape, centered)
    unmeasured = np.isnan(magnitudes)
    rng = check_random_state(0)
    floors = []
    for draw in (_random_phases, _random_places):
        curves = []
        for _ in range(_n_sets(registered, boundary)):
            objects = draw(registered, grid, rng)
            objects, _ = register(objects, objects[reference][None], phase=True, boundary=boundary)
            moduli = np.where(
                unmeasured, np.nan, grid.magnitudes(to_tensor(objects)).numpy().mean(axis=0)
            )
            curves.append(
                phase_retrieval_transfer_function(moduli, objects, centered=centered, min_count=0)[
                    1
                ]
            )
        # values bounded by 1 are not normally distributed, but Fisher's transform of them nearly is
        curves = np.arctanh(np.minimum([_smoothed(curve) for curve in curves], 1 - 1e-9))
        floors.append(np.tanh(curves.mean(axis=0) + SIGNIFICANCE * curves.std(axis=0, ddof=1)))
    return np.fmax(*floors)


def _n_sets(registered, boundary):
    """Return the number of sets of unrelated objects.

    There are enough sets to estimate the spread of their agreement, and fewer for large objects.
    """
    axes = zip(registered.shape[1:], boundary, strict=True)
    lags = len(registered) * math.prod(n if wraps == "circular" else 2 * n for n, wraps in axes)
    wanted = min(-(-UNRELATED // len(registered)), VALUES // lags)
    return min(max(wanted, FEWEST), MOST)


def _random_phases(objects, grid, rng):
    return np.concatenate(
        [_random_phase(to_tensor(objects[i : i + 1]), grid, rng) for i in range(len(objects))]
    )


def _random_phase(x, grid, rng):
    noise = to_tensor(rng.normal(size=(1 + x.is_complex(), 1, *grid.fourier_shape))).to(
        x.real.dtype
    )
    phases = unit(
        to_spectrum(torch.complex(*noise) if x.is_complex() else noise[0], grid.fourier_shape)
    )
    return grid.objects(grid.spectrum(x).abs() * phases, real=not x.is_complex()).numpy()


def _random_places(objects, grid, rng):
    return np.stack([rng.permutation(one.ravel()).reshape(one.shape) for one in objects])


def _smoothed(values):
    """Return the mean over neighbouring rings that have a value.

    Zero frequency is left out, because all objects agree on it.
    """
    weights = (~np.isnan(values)).astype(float)
    weights[0] = 0.0
    window = np.ones(2 * NEIGHBOURS + 1)
    counts = np.convolve(weights, window)[NEIGHBOURS:-NEIGHBOURS]
    sums = np.convolve(np.nan_to_num(values) * weights, window)[NEIGHBOURS:-NEIGHBOURS]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _objection(magnitudes, registered, values, clear, resolution, centered):
    """Return why no resolution can be given, or an empty string."""
    if not np.isfinite(values[1:][_before_darkness(magnitudes, values, centered)[1:]]).any():
        return "no ring beyond zero frequency has enough counts and a measured pixel"
    error, noise = _misfit(magnitudes, registered, centered)
    if error**2 - noise**2 > UNEXPLAINED**2:
        return (
            "the reconstructions do not explain the pattern: their median Fourier error is "
            f"{error:.2f}, of which counting noise accounts for {noise:.2f}; is "
            f"centered={centered} right, and is it their pattern?"
        )
    if np.isnan(clear[1:]).all():
        return (
            f"{len(registered)} unrelated objects with the same magnitudes or values would agree "
            "equally well; run more starts, which helps unless the object is hardly more than a "
            "point"
        )
    if math.isnan(resolution):
        return (
            "the reconstructions agree no better than unrelated objects with the same magnitudes "
            "or values would"
        )
    agreeing = _n_alike(registered, 0.5 / resolution if resolution > 1 else math.inf)
    if agreeing <= len(registered) / 2:
        return (
            f"the reconstructions disagree: no more than {agreeing} of {len(registered)} are alike"
        )
    return ""


def _misfit(magnitudes, registered, centered):
    """Return the median Fourier error, and that of counting noise."""
    error = float(np.median(misfits(magnitudes, registered, centered)))
    counts = counts_of(magnitudes)
    if counts is None:
        return error, 0.0
    roots = to_tensor(np.sqrt(counts))[None]
    return error, float(Measurement(roots, registered.shape[1:], "complex").counting_noise(roots))


def misfits(magnitudes, objects, centered):
    """Return Fourier errors of objects scaled to the pattern."""
    pattern = at_unit_peak(magnitudes)
    grid = Grid(objects.shape[1:], pattern.shape, centered)
    fitted = []
    for one in objects:
        one = at_unit_peak(one)[None]
        model = np.where(np.isnan(pattern), 0.0, grid.magnitudes(to_tensor(one))[0].numpy())
        unit = np.nansum(pattern * model) / max((model**2).sum(), np.finfo(float).tiny)
        fitted.append(unit * one[0])
    patterns = np.broadcast_to(pattern, (len(fitted), *pattern.shape))
    return fourier_error(patterns, np.stack(fitted), centered=centered, multioutput="raw_values")


def at_unit_peak(values):
    """Divide values by the largest modulus, in double precision."""
    values = values.astype(np.result_type(values.dtype, np.float64))
    return values / (np.nanmax(np.abs(values)) or 1.0)


def _n_alike(registered, highest):
    """Return the size of the largest group of agreeing runs.

    Runs agree if their correlation over the resolved rings is nearly that of a run and its nearest
    one.
    """
    shape = registered.shape[1:]
    rings, n_rings = ring_numbers(shape, centered=False)
    radii = ring_radii(shape, centered=False)
    spectra = np.stack([np.fft.fftn(at_unit_peak(one)) for one in registered])
    correlations = []
    for number in range(1, n_rings):
        ring = rings == number
        if number > 1 and radii[ring].mean() >= highest:
            break
        values = spectra[:, ring]
        values = values / np.maximum(
            np.linalg.norm(values, axis=1, keepdims=True), np.finfo(float).tiny
        )
        correlations.append((values.conj() @ values.T).real)
    pairs = np.mean(correlations, axis=0)
    # subtracting 2 from the diagonal excludes each run's correlation with itself
    usual = np.median((pairs - 2 * np.eye(len(pairs))).max(axis=1))
    return int((pairs >= ALIKE * usual).sum(axis=1).max())
