"""Training sets made larger: random members of each object's orbit, and random objects like those
there are.
"""

from ._deformation import RandomDeformation
from ._frame import frame
from ._members import ShiftFlipAugmenter, draw_elements

__all__ = ["RandomDeformation", "ShiftFlipAugmenter", "draw_elements", "frame"]
