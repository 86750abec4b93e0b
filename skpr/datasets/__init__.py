"""Data sets of objects: bundled, downloaded and simulated.

Functions that read measured patterns and read or write reconstructions are exported here, too.
"""

from ..files import read_diffraction, read_reconstruction, write_reconstruction
from ._base import data_folder
from ._cells import load_cells
from ._cutouts import make_cutouts
from ._digits import load_digit_objects
from ._fashion_mnist import fetch_fashion_mnist, read_idx_images
from ._lazy_batch import make_lazy_batch
from ._simulated import make_cells, make_crystals

__all__ = [
    "data_folder",
    "fetch_fashion_mnist",
    "load_cells",
    "load_digit_objects",
    "make_cells",
    "make_crystals",
    "make_cutouts",
    "make_lazy_batch",
    "read_diffraction",
    "read_idx_images",
    "read_reconstruction",
    "write_reconstruction",
]
