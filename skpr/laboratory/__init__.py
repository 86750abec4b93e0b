r"""Bragg rocking curves in the axes of the laboratory.

The frames of a rocking curve are planes of a pattern whose three axes are oblique, and so are those
of the object that is retrieved from it. Three steps lead to the axes of the laboratory:

- :func:`reciprocal_steps` from the diffractometer to the steps of the momentum transfer, and
  :func:`voxel_axes` from these to the axes of the voxels;
- :func:`to_laboratory` from oblique voxels to an orthogonal grid;
- :func:`displacement` and :func:`strain` from the phase to the lattice, along the momentum transfer
  :func:`momentum_transfer` of the Bragg peak.

Lengths are in metres, angles in radians, and the components of vectors are along the axes of a
laboratory that the caller chooses; :func:`two_circle_detector` has one for a common detector arm.
"""

from .._homes import settle
from ._axes import voxel_axes
from ._detector import DetectorDirections, two_circle_detector
from ._steps import momentum_transfer, reciprocal_steps
from ._strain import displacement, strain
from ._transform import LaboratoryObjects, to_laboratory

__all__ = [
    "DetectorDirections",
    "LaboratoryObjects",
    "displacement",
    "momentum_transfer",
    "reciprocal_steps",
    "strain",
    "to_laboratory",
    "two_circle_detector",
    "voxel_axes",
]

settle(__name__)
