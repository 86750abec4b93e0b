"""Data augmentation by symmetries and by small deformations."""

from ._deformation import RandomDeformation
from ._frame import frame
from ._members import ShiftFlipAugmenter, draw_elements

__all__ = ["RandomDeformation", "ShiftFlipAugmenter", "draw_elements", "frame"]
