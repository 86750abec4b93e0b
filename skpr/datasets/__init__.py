"""Objects to train and test on: bundled, fetched and simulated."""

from ._digits import load_digit_objects
from ._fashion_mnist import fetch_fashion_mnist
from ._simulated import make_cells, make_crystals

__all__ = ["fetch_fashion_mnist", "load_digit_objects", "make_cells", "make_crystals"]
