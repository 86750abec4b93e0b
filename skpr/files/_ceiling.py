"""Largest readings of frames that are a limit of the camera or a flag."""

from __future__ import annotations

import math

import numpy as np

SHARED = 4  # minimum number of equal readings; fewer are equal by chance or by Friedel's symmetry
FEWEST_BITS = 8  # smallest resolution of a camera
BEYOND = 2.0**30  # readings; counts of a detector that are larger are flags
EXACT = 2.0**53  # smaller whole numbers are exact in double precision


class Ceiling:
    """Largest reading of all frames so far, and how often it occurs.

    Examples
    --------
    >>> ceiling = Ceiling()
    >>> for frame in ([[4095, 3]], [[4095, 4095]], [[4095, 7]]):
    ...     ceiling.add(np.array(frame), np.ones((1, 2), bool))
    >>> ceiling.value, ceiling.number, ceiling.words()
    (4095.0, 4, 'the largest value of 12 bits')
    """

    def __init__(self):
        self.value, self.number = 0.0, 0

    def add(self, readings, measured):
        """Take account of the measured readings of one more frame."""
        readings = readings[measured]
        if not readings.size:
            return
        highest = readings.max()
        if highest > self.value:
            self.value, self.number = float(highest), 0
        if highest == self.value:
            self.number += int(np.count_nonzero(readings == highest))

    def words(self):
        """Return words for a ceiling that is hardly a count; None for others."""
        if self.number < SHARED:
            return None
        bits = math.log2(self.value + 1)
        if self.value < EXACT and bits == int(bits) and bits >= FEWEST_BITS:
            return f"the largest value of {int(bits)} bits"
        return "more than detectors count" if self.value >= BEYOND else None
