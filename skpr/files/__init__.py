"""Readers of detector files, and reconstructions in CXI and VTK files."""

from .._homes import settle
from ._center import friedel_center
from ._diffraction import read_diffraction
from ._geometry import Geometry, momentum_step, object_pixel_size
from ._hot import hot_pixels
from ._laboratory import laboratory_axes
from ._results import read_reconstruction, write_reconstruction
from ._vti import write_vti

__all__ = [
    "Geometry",
    "friedel_center",
    "hot_pixels",
    "laboratory_axes",
    "momentum_step",
    "object_pixel_size",
    "read_diffraction",
    "read_reconstruction",
    "write_reconstruction",
    "write_vti",
]

settle(__name__)
