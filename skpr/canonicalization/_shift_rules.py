"""Rules that decide from the object alone where to put it.

Each rule is one function. Along an axis with boundary "zero" it returns the shift, clipped so that
nothing leaves the frame. Along a circular axis an object may have several equally good places, or
no preferred one. There a rule returns a mask of the best shifts, and :mod:`._ties` breaks the ties.
"""

import math

import torch

from ..symmetry.core import content_boxes
from ._ties import weakest_harmonic

# Pixel fractions are rounded half up, with the threshold moved off the half: centroids of symmetric
# objects lie exactly on halves, where rounding errors would decide.
_OFF_HALF = 1e-4


def admissible_shifts(x):
    """Return the smallest and largest shifts that keep content in the frame.

    Both have one column for each axis.
    """
    starts, sizes = content_boxes(x)
    frame = torch.tensor(x.shape[1:], device=x.device)
    return -starts, torch.where(sizes > 0, frame - sizes - starts, 0)


# --- in a dark frame ------------------------------------------------------------------------------


def box_shift(x):
    """Compute the shifts that centre the bounding box of the content.

    If the margin is odd, the spare pixel lies behind the box.
    """
    starts, sizes = content_boxes(x)
    frame = torch.tensor(x.shape[1:], device=x.device)
    return torch.where(sizes > 0, (frame - sizes).div(2, rounding_mode="floor") - starts, 0)


def centroid_shift(x):
    """Compute the shifts that centre the centroid of the intensity `|x|^2`.

    It is centred as closely as whole pixels and the frame allow.
    """
    intensity = x.abs().square()
    lowest, highest = admissible_shifts(x)
    shifts = []
    for axis in range(1, x.ndim):
        profile = _profile(intensity, axis)
        middle = (x.shape[axis] - 1) / 2
        position = torch.arange(x.shape[axis], dtype=torch.float64, device=x.device) - middle
        mass = profile.sum(dim=1)
        centroid = (profile @ position) / torch.where(mass > 0, mass, 1.0)
        shifts.append(_rounded(-centroid))
    return torch.stack(shifts, dim=1).clamp(lowest, highest)


# --- on a circle ----------------------------------------------------------------------------------


def circular_box_shifts(x, axis):
    """Return a mask of the shifts that centre the content on a circle.

    The shortest arc that holds the content is centred: the complement of the longest dark gap.
    """
    size = x.shape[axis]
    others = [a for a in range(1, x.ndim) if a != axis]
    occupied = (x != 0).amax(dim=others) if others else x != 0
    index = torch.arange(2 * size, device=x.device)
    seen = torch.where(occupied.repeat(1, 2), index, -1).cummax(dim=1).values
    gap = torch.where(occupied, index[size:] - 1 - seen[:, size - 1 : -1], -1)
    longest = gap.amax(dim=1, keepdim=True)
    is_start = (gap == longest) & occupied | ~occupied.any(dim=1, keepdim=True)
    target = (longest.clamp_min(0)).div(2, rounding_mode="floor")
    # shift s brings a start at r to target: s = target - r
    starts = (target - torch.arange(size, device=x.device)).remainder(size)
    return torch.zeros_like(is_start).scatter(1, starts, is_start)


def circular_centroid_shifts(x, axis):
    """Return a mask of the shifts that centre the circular mean.

    The circular mean of the intensity along an axis is the phase of its first harmonic.
    """
    size = x.shape[axis]
    profile = _profile(x.abs().square(), axis)
    angle = (
        2
        * math.pi
        / size
        * (torch.arange(size, dtype=torch.float64, device=x.device) - (size - 1) / 2)
    )
    harmonic = torch.complex(profile @ angle.cos(), profile @ angle.sin())
    shift = _rounded(-harmonic.angle() * size / (2 * math.pi)).remainder(size)
    undefined = harmonic.abs() <= weakest_harmonic(x.dtype) * profile.sum(dim=1)
    choice = torch.nn.functional.one_hot(shift, size).bool()
    return choice | undefined[:, None]


SHIFT_RULES = {"box": box_shift, "centroid": centroid_shift}
CIRCULAR_SHIFT_RULES = {"box": circular_box_shifts, "centroid": circular_centroid_shifts}


def _profile(intensity, axis):
    others = [a for a in range(1, intensity.ndim) if a != axis]
    return (intensity.sum(dim=others) if others else intensity).double()


def _rounded(values):
    return (values + 0.5 - _OFF_HALF).floor().long()
