"""Search for the group element that canonicalizes each object.

Rules are applied first, then the best match to the template is found. All searches follow one
pattern: candidates are (flip, shift) pairs, and scores are correlations with a template. The result
is invariant because the *set* of candidate images is: it does not depend on where in its orbit the
object was. Scores are computed in the object's precision. Objects whose best candidates have nearly
equal scores are decided again in float64, and candidates that are equal there by the generic
pattern.

The search runs on a copy of the object in exact darkness and near unit scale. For most objects the
copy is the object itself. The group element found is applied to the object.
"""

import math
from dataclasses import dataclass

import torch

from .._arrays import ROUNDING
from .._tensors import along_samples, energy, inner, unit
from ..symmetry import GroupElement, content_of
from ..symmetry.core import correlations, flipped, flipped_where, shifted, turned
from ._flip_rules import FLIP_RULES
from ._shift_rules import CIRCULAR_SHIFT_RULES, SHIFT_RULES, admissible_shifts
from ._ties import as_reference, generic_pattern, tie_tolerance, to_double

# Correlations in float32 have errors of about 1e-6 |x||y|; candidates closer than this are
# compared again.
_CLOSE = 2e-5
# Squares and products of values within this range, and their sums, stay far within the range of
# float32.
_SMALLEST, _LARGEST = 2.0**-40, 2.0**40
_ROOT_OF_PIXELS = 2.0**14  # largest ratio of a norm to the maximum


@dataclass(frozen=True)
class Strategies:
    """Names of the strategies that fix shift, flip and phase, or None.

    `boundary` has one entry for each axis, and `background` is the level for
    :func:`skpr.symmetry.content_of`. `subpixel` tells whether fractions of a pixel follow.
    """

    shift: object
    flip: object
    phase: object
    boundary: tuple
    background: float = 0.0
    subpixel: bool = False

    @property
    def uses_template(self):
        return "template" in (self.shift, self.flip, self.phase)

    @property
    def wraps(self):
        """Whether shifts wrap around along every axis.

        If they do, the place of the content does not restrict them.
        """
        return "zero" not in self.boundary


def canonical_elements(x, strategies, template=None, direction=None):
    """Find the shift and flip that take each object to its representative.

    Parameters
    ----------
    x : torch.Tensor of shape (n_samples, *object_shape)
        Objects as :func:`search_copy` returns them.
    strategies : Strategies
    template : torch.Tensor of shape (1, *object_shape), optional
    direction : torch.Tensor of shape (n_features,), optional
        Principal direction of the odd features.

    Returns
    -------
    shifts : torch.Tensor of shape (n_samples, n_axes)
    flips : torch.Tensor of shape (n_samples,), bool
    """
    boundary = strategies.boundary
    flips = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    if strategies.flip in FLIP_RULES:
        flips = flips_by_rule(x, strategies, direction)
    if strategies.flip != "template":
        upright = flipped_where(x, flips)
        if strategies.shift == "template":
            return search_template(upright, template, strategies, (False,))[0], flips
        return shifts_by_rule(upright, strategies), flips
    if strategies.shift == "template":
        return search_template(x, template, strategies, (False, True))
    other = flipped(x)
    shifts, other_shifts = shifts_by_rule(x, strategies), shifts_by_rule(other, strategies)
    images = shifted(x, shifts, boundary), shifted(other, other_shifts, boundary)
    flips = prefer_second(*images, template, strategies.phase is None)
    return torch.where(flips[:, None], other_shifts, shifts), flips


def canonicalize(x, strategies, template=None, direction=None):
    """Return the representatives and their group elements."""
    seen = search_copy(x, strategies)
    shifts, flips = canonical_elements(seen, strategies, template, direction)
    moved = shifted(flipped_where(x, flips), shifts, strategies.boundary)
    if strategies.phase is None:
        return moved, GroupElement(shifts, flips, moved.real.new_ones(len(x)))
    seen = moved if seen is x else shifted(flipped_where(seen, flips), shifts, strategies.boundary)
    phases = canonical_phases(seen, template if strategies.phase == "template" else None)
    return turned(moved, phases), GroupElement(shifts, flips, phases)


# --- the copy that is searched --------------------------------------------------------------------


def search_copy(x, strategies):
    """Return the content of each object at a safe scale.

    At that scale squares neither overflow nor vanish. Objects in exact darkness that already have a
    safe scale are returned unchanged. If shifts wrap around along every axis, nothing leaves the
    frame, and only the strategy "box" must know where the content is.
    """
    if strategies.background and (strategies.shift == "box" or not strategies.wraps):
        x = content_of(x, strategies.background, strategies.boundary)
    return near_unit_scale(x)


def near_unit_scale(x):
    """Bring objects beyond the safe range near unit scale.

    They are divided by a power of two, which causes no rounding. Other objects are left unchanged.
    """
    norms = torch.linalg.vector_norm(_real_parts(x.detach()), dim=1)
    # norms are faster to compute than maxima, and bound them
    if ((norms > _SMALLEST * _ROOT_OF_PIXELS) & (norms < _LARGEST)).all():
        return x
    peaks = _largest_parts(x.detach())
    beyond = (peaks > 0) & ((peaks < _SMALLEST) | (peaks > _LARGEST))
    if not beyond.any():
        return x
    exponents = torch.where(beyond, torch.frexp(peaks)[1], 0).to(peaks.dtype)
    half = (exponents / 2).floor()  # two steps, as the inverse of the smallest number is infinite
    return x * along_samples(torch.exp2(-half), x) * along_samples(torch.exp2(half - exponents), x)


def _largest_parts(x):
    """Return the largest absolute real or imaginary part of each object."""
    lowest, highest = _extremes(_real_parts(x))
    return torch.maximum(-lowest, highest)


def _real_parts(x):
    """Return the real and imaginary parts of each object as one row."""
    return (torch.view_as_real(x) if x.is_complex() else x).flatten(1)


def _extremes(x):
    """Return the smallest and the largest value of each object."""
    flat = x.flatten(1)  # `aminmax` is 20 times slower along one axis
    return flat.amin(dim=1), flat.amax(dim=1)


# --- shift and flip together ----------------------------------------------------------------------


def search_template(x, template, strategies, flips):
    """Find the admissible shift, and flip, that match the template best."""
    bounds, signed = _bounds(x, strategies.boundary), strategies.phase is None
    if x.dtype in (torch.float32, torch.complex64):
        choice, close = _best_candidate(x, template, bounds, flips)
        rows = close.nonzero()[:, 0]
        if len(rows):
            choice[rows] = _decide_in_double(x[rows], template, _rows(bounds, rows), flips, signed)
    else:
        choice = _decide_in_double(x, template, bounds, flips, signed)
    return _as_shift_and_flip(choice, tuple(x.shape[1:]), bounds, len(flips))


def _best_candidate(x, template, bounds, flips):
    """Return the best candidate of each sample, and a mask of near ties."""
    scores = _candidate_scores(x, as_reference(template, x), bounds, flips)
    best, choice = scores.max(dim=1)
    threshold = best - _CLOSE * _score_scale(x, template)
    return choice, (scores >= threshold[:, None]).sum(dim=1) > 1


def _decide_in_double(x, template, bounds, flips, signed):
    tolerance = tie_tolerance(x.dtype)
    x = to_double(x)
    scores = _candidate_scores(x, as_reference(template, x), bounds, flips)
    best, choice = scores.max(dim=1)
    equal = scores >= (best - tolerance * _score_scale(x, template))[:, None]
    tied = (equal.sum(dim=1) > 1).nonzero()[:, 0]
    if len(tied):
        by_pattern = _pattern_scores(x[tied], _rows(bounds, tied), flips, signed)
        choice[tied] = by_pattern.masked_fill(~equal[tied], -torch.inf).argmax(dim=1)
    return choice


def _candidate_scores(x, template, bounds, flips, signed=False):
    """Compute `|<shift_t flip^f x, template>|` for all flips and shifts.

    With `signed`, the scores are real parts instead, which tell `x` and `-x` apart.

    Scores have shape (n_samples, len(flips) * n_pixels) and are -inf where content would leave the
    frame. The shift of a candidate is its index modulo the frame: admissible shifts never wrap
    around, so transforms of the frame's own size hold them all.
    """
    grid = tuple(x.shape[1:])
    both = correlations(x, template, "circular", flips)
    scores = []
    for is_flipped, correlation in zip((False, True), both, strict=True):
        if correlation is None:
            continue
        correlation = correlation.real if signed else correlation.abs()
        if bounds is not None:
            for mask in _lag_masks(*_oriented(bounds, is_flipped), grid):
                correlation = correlation.masked_fill_(~mask, -torch.inf)
        scores.append(correlation.flatten(1))
    return torch.cat(scores, dim=1) if len(scores) > 1 else scores[0]


def _pattern_scores(x, bounds, flips, signed):
    """Score candidates against the generic pattern, to break ties."""
    return _candidate_scores(x, generic_pattern(x), bounds, flips, signed)


def _bounds(x, boundary):
    """Return the smallest and largest admissible shifts of upright objects.

    Along an axis that wraps around, these are 0 and n - 1. If all axes wrap around, the result is
    None.
    """
    if "zero" not in boundary:
        return None
    lowest, highest = admissible_shifts(x)
    for axis, wraps in enumerate(boundary):
        if wraps == "circular":
            lowest[:, axis], highest[:, axis] = 0, x.shape[1 + axis] - 1
    return lowest, highest


def _oriented(bounds, is_flipped):
    """Return the bounds of admissible shifts, which a flip mirrors."""
    lowest, highest = bounds
    return (-highest, -lowest) if is_flipped else (lowest, highest)


def _rows(bounds, rows):
    return None if bounds is None else tuple(bound[rows] for bound in bounds)


def _lag_masks(lowest, highest, grid):
    """Return broadcastable masks of the FFT-order lags between bounds."""
    masks = []
    for axis, size in enumerate(grid):
        lag = torch.arange(size, device=lowest.device)
        low, high = lowest[:, axis, None], highest[:, axis, None]
        # lag - size is the negative shift at the same index
        valid = (lag <= high) | (lag - size >= low)
        masks.append(
            valid.view([len(valid)] + [size if a == axis else 1 for a in range(len(grid))])
        )
    return masks


def _score_scale(x, template):
    return (energy(x) * energy(template)).sqrt().to(x.real.dtype)


def _as_shift_and_flip(choice, grid, bounds, n_flips):
    n_pixels = math.prod(grid)
    flips = (choice >= n_pixels) & (n_flips > 1)
    shifts = torch.stack(torch.unravel_index(choice.remainder(n_pixels), grid), dim=1)
    if bounds is not None:
        highest = torch.where(flips[:, None], -bounds[0], bounds[1])
        shifts = torch.where(
            shifts > highest, shifts - torch.tensor(grid, device=shifts.device), shifts
        )
    return shifts, flips


# --- rules, with ties -----------------------------------------------------------------------------


def flips_by_rule(x, strategies, direction=None):
    """Return a mask of the objects to flip: those with a negative odd score.

    Scores near zero are decided by the generic pattern. Without a strategy for shifts, an object
    and its flip are compared with the pattern in their places, because these tell them apart.
    """
    score = FLIP_RULES[strategies.flip](to_double(x), strategies.boundary, direction, x.dtype)
    flips = score < 0
    tied = (score.abs() <= tie_tolerance(x.dtype)).nonzero()[:, 0]
    if len(tied):
        rows, signed = to_double(x[tied]), strategies.phase is None
        if strategies.shift is None:
            pattern = generic_pattern(rows)
            upright, other = (_match(one, pattern, signed) for one in (rows, flipped(rows)))
        else:
            bounds = _bounds(rows, strategies.boundary)
            scores = _pattern_scores(rows, bounds, (False, True), signed)
            upright, other = (half.amax(dim=1) for half in scores.chunk(2, dim=1))
        flips[tied] = other > upright
    return flips


def shifts_by_rule(x, strategies):
    """Compute shifts by a rule; they are 0 without one."""
    if strategies.shift is None:
        return torch.zeros(len(x), x.ndim - 1, dtype=torch.int64, device=x.device)
    in_the_dark = None if strategies.wraps else SHIFT_RULES[strategies.shift](x)
    if "circular" not in strategies.boundary:
        return in_the_dark
    allowed = []
    for axis, wraps in enumerate(strategies.boundary):
        if wraps == "circular":
            allowed.append(CIRCULAR_SHIFT_RULES[strategies.shift](x, 1 + axis))
        else:
            size = x.shape[1 + axis]
            allowed.append(
                torch.nn.functional.one_hot(in_the_dark[:, axis].remainder(size), size).bool()
            )
    shifts = _best_allowed(x, allowed, strategies.phase is None)
    for axis, wraps in enumerate(strategies.boundary):
        if wraps == "zero":
            shifts[:, axis] = in_the_dark[:, axis]
    return shifts


def _best_allowed(x, allowed, signed):
    """Choose one allowed shift along each axis, by the generic pattern."""
    shifts = torch.stack([axis.to(torch.uint8).argmax(dim=1) for axis in allowed], dim=1)
    several = torch.stack([axis.sum(dim=1) > 1 for axis in allowed]).any(dim=0)
    tied = several.nonzero()[:, 0]
    if len(tied):
        rows = to_double(x[tied])
        scores = _pattern_scores(rows, None, (False,), signed).view(rows.shape)
        for axis, mask in enumerate(allowed, start=1):
            view = [len(tied)] + [rows.shape[a] if a == axis else 1 for a in range(1, rows.ndim)]
            scores = scores.masked_fill(~mask[tied].view(view), -torch.inf)
        shifts[tied] = torch.stack(
            torch.unravel_index(scores.flatten(1).argmax(dim=1), rows.shape[1:]), dim=1
        )
    return shifts


def prefer_second(first, second, template, signed):
    """Return a mask of samples whose second image matches better.

    Images are compared by their correlation with the template, and ties by the generic pattern.
    """
    tolerance = tie_tolerance(first.dtype)
    first, second = to_double(first), to_double(second)
    difference = _match(second, template) - _match(first, template)
    second_wins = difference > 0
    tied = difference.abs() <= tolerance * _score_scale(first, template)
    if tied.any():
        pattern = generic_pattern(first)
        by_pattern = _match(second, pattern, signed) > _match(first, pattern, signed)
        second_wins = torch.where(tied, by_pattern, second_wins)
    return second_wins


def _match(x, template, signed=False):
    product = inner(x, as_reference(template, x))
    return product.real if signed else product.abs()


# --- phase ----------------------------------------------------------------------------------------


def canonical_phases(x, template=None):
    """Compute the phases that make `<phase x, template>` real and positive.

    Without a template the phases make `sum x` real and positive. Where the product vanishes, the
    generic pattern replaces the template. Real objects that have one sign up to rounding become
    non-negative, whatever the template.
    """
    if x.is_complex():
        return _phases_by_product(x, template)
    lowest, highest = _extremes(x)
    is_positive = lowest >= -ROUNDING * highest
    if is_positive.all():
        return x.new_ones(len(x))
    is_negative = highest <= -ROUNDING * lowest
    by_product = _phases_by_product(x, template)
    return torch.where(is_positive, 1.0, torch.where(is_negative, -1.0, by_product)).to(x.dtype)


def _phases_by_product(x, template):
    tolerance = tie_tolerance(x.dtype)
    reference = x.new_ones((1, *x.shape[1:])) if template is None else as_reference(template, x)
    double = to_double(x)
    product = inner(double, to_double(reference))
    weak = product.abs() <= tolerance * _score_scale(double, reference)
    if weak.any():
        product = torch.where(weak, inner(double, generic_pattern(double)), product)
    return unit(product).to(x.dtype)
