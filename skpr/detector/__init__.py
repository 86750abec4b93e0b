"""Detector effects as pipeline steps.

The steps stand between the forward model and the retriever. A detector counts photons, so every
step acts on intensities, the squares of magnitudes, and returns magnitudes. After
:class:`PhotonNoise` a magnitude is the square root of a number of photons, which is the unit of all
later steps. Physics determines the order: partial coherence; photon noise; read-out noise,
saturation and quantisation; missing pixels (NaN); and finally binning and cropping of the frame.
NaN remains NaN.

Given to a network as `detector`, steps act on every training batch, and their noise is redrawn for
every batch. As steps of a pipeline before the network they act once. Zero frequency is in the
middle of a pattern, at index `m // 2`, unless `centered=False` places it at index 0.
"""

from ._counting import PartialCoherence, PhotonNoise, Quantization, ReadoutNoise, Saturation
from ._missing import BeamStop, MissingPixels
from ._window import Binning, Cropping

__all__ = [
    "BeamStop",
    "Binning",
    "Cropping",
    "MissingPixels",
    "PartialCoherence",
    "PhotonNoise",
    "Quantization",
    "ReadoutNoise",
    "Saturation",
]
