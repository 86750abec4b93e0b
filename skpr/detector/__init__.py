"""Detector effects: steps of a pipeline between the forward model and the retriever.

A detector counts photons: every step acts on intensities, squares of magnitudes, and returns
magnitudes again. After
:class:`PhotonNoise` a magnitude is the square root of a number of photons, which is the unit of the steps that follow
it. Physics gives the order: partial coherence; photons; read-out noise, saturation, quantisation;
what is not measured (NaN); then what is done with the frame, binning and cropping. A NaN stays one.

Given to a network as `detector`, steps act on each batch of training and draw anew each time; as
steps of a pipeline before it they act once. Zero frequency is in the middle of a pattern, index `m
// 2`, unless `centered=False` says that it is at index 0."""

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
