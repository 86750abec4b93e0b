"""Validation of reconstructions by held-out pixels of the pattern.

An object that fits the pixels it was retrieved from may fit their noise, or fill a support that is
too large. Pixels that the iterations did not use reveal both. Their misfit is the *free* likelihood
(Favre-Nicolin, Leake and Chushkin, 2020), the counterpart of the free R factor of crystallography.
"""

import math
from copy import copy

import torch
from sklearn.utils import check_random_state
from torch.nn import functional

from .._tensors import along_samples
from ..measurement import Measurement, mirrored, to_fft_order
from ._coarse import cut

SHARE = 0.05  # fraction of the pixels that are held out
SIDE = 3  # pixels; wide enough that surroundings do not interpolate the middle of an island
FEWEST = 8  # minimum number of islands; islands are single pixels where 5 % would give fewer
CENTRE = 3.0  # radius in pixels; frequencies this low are irreplaceable and never held out
LEAST_BEYOND = 3.0  # standard deviations of the noise; less structure than this cannot be judged
HOT = 100.0  # ratio to the second largest intensity of its ring that makes a pixel hot
LEAST_PIXELS = 12  # minimum number of measured held-out pixels for a judgement
GROUPS = 64  # maximum number of groups of islands; their scatter is the error of a comparison


class HeldOut:
    """Islands of held-out pixels, in pairs about the centre.

    Both pixels of a Friedel pair are held out, because one determines the other for real objects.

    Parameters
    ----------
    fourier_shape : tuple of int
    centered : bool
        Whether zero frequency is in the middle.

    Attributes
    ----------
    mask : torch.Tensor of bool, shape fourier_shape
        Held-out pixels, in the layout of the patterns.
    groups : torch.Tensor of int64, shape fourier_shape
        Group of each held-out pixel, in FFT order; -1 elsewhere.
    n_groups : int
    """

    def __init__(self, fourier_shape, centered):
        shape, n_axes = tuple(fourier_shape), len(fourier_shape)
        # a fixed seed, so that all starts of all runs are judged by the same pixels
        rng = check_random_state(0)
        n_pixels = SHARE * math.prod(shape) / 2  # a half: every island also has its mirror image
        side = SIDE if n_pixels >= FEWEST * SIDE**n_axes else 1
        n_islands = max(FEWEST // 2, math.ceil(n_pixels / side**n_axes))
        labels = torch.full(shape, -1)
        for number in range(n_islands):
            corner = [int(rng.randint(size)) for size in shape]
            island = tuple(
                slice(at, min(at + side, size)) for at, size in zip(corner, shape, strict=True)
            )
            labels[island] = number % GROUPS
        opposite = mirrored(labels[None], centered=False)[0]
        labels = torch.where(labels >= 0, labels, opposite)
        squares = torch.zeros(shape)
        for axis, size in enumerate(shape):
            steps = torch.fft.fftfreq(size, 1 / size)
            squares += steps.square().view([-1 if other == axis else 1 for other in range(n_axes)])
        labels[squares <= CENTRE**2] = -1
        self.rings = squares.sqrt().round().long()
        self.n_groups, self.centered = min(GROUPS, n_islands), centered
        self._take(labels)

    def _take(self, groups):
        self.groups, mask = groups, groups >= 0
        self.mask = torch.fft.fftshift(mask) if self.centered else mask

    def middle(self, shape):
        """Return the held-out pixels in the middle of the patterns."""
        found = copy(self)
        found.rings = torch.from_numpy(cut(self.rings.numpy()[None], shape, centered=False)[0])
        found._take(torch.from_numpy(cut(self.groups.numpy()[None], shape, centered=False)[0]))
        return found

    def without(self, magnitudes):
        """Return magnitudes with the held-out pixels as missing (NaN)."""
        return torch.where(self.mask.to(magnitudes.device), torch.nan, magnitudes)

    def judge(self, magnitudes, objects, kernels, estimator, likelihood):
        """Return the misfit of each group of pixels, and the share explained.

        Parameters
        ----------
        magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
            All measured magnitudes.
        objects : torch.Tensor of shape (n_samples, *object_shape)
            Objects in the units of the magnitudes.
        kernels : torch.Tensor of shape (n_samples, n_axes, n_axes) or None
            Covariances of the coherence kernels.
        estimator : IterativePhaseRetrieval
        likelihood : Likelihood

        Returns
        -------
        misfits : ndarray of float64, shape (n_samples, n_groups)
            Misfit of each group, scaled so that the sum over groups is the misfit of all held-out
            pixels. For roots of counts this is the mean deviance per pixel, of which noise causes
            at most 1; otherwise it is the squared Fourier error of these pixels.
        explained : ndarray of float64, shape (n_samples,)
            Share of the differences from the ring means that the object explains beyond noise: 1 is
            all of them, 0 is no more than the ring means explain. NaN where there is hardly more
            than noise.
        """
        device = magnitudes.device
        mask = self.mask.to(device)
        seen = Measurement(
            torch.where(mask, magnitudes, torch.nan),
            estimator.object_shape_,
            "complex",  # no averaging of Friedel pairs, so that kinds of objects can be compared
            partially_coherent=kernels is not None,
            centered=estimator.centered,
            likelihood=likelihood,
        )
        if kernels is not None:
            seen.coherence.assume(kernels)
        values = seen.to_normalized(objects).to(seen.dtype)
        misfits = self._grouped(likelihood.losses(seen, values), seen, likelihood, magnitudes)
        return misfits.cpu().numpy(), self._explained(
            misfits.sum(1), seen, values, likelihood, magnitudes
        )

    def _grouped(self, losses, seen, likelihood, magnitudes):
        """Sum the losses over each group, in the unit of :meth:`judge`."""
        groups = self.groups.to(losses.device).flatten()
        losses = losses.double().flatten(1)
        sums = losses.new_zeros(len(losses), self.n_groups)
        # pixels that are not held out add 0 to group 0
        sums.index_add_(1, groups.clamp_min(0), torch.where(groups >= 0, losses, 0.0))
        values = 2 * likelihood.in_photons(sums, seen)  # the deviance is twice the log-likelihood
        if likelihood.noise is None:
            return values
        n_pixels = (self.mask.to(losses.device) & ~magnitudes.isnan()).flatten(1).sum(1)
        return values / n_pixels.clamp_min(1)[:, None]

    def _ring_means(self, intensities, used):
        """Return for each pixel the mean of the pixels used in its ring.

        The largest pixel of a ring is replaced by the second largest if it is hot, because it would
        dominate the mean.
        """
        rings = self.rings.to(intensities.device).flatten()
        sums, counts, first, second = intensities.new_zeros(
            4, len(intensities), int(rings.max()) + 1
        )
        sums.index_add_(1, rings, intensities)
        counts.index_add_(1, rings, used.double())
        places = rings.expand_as(intensities)
        first.scatter_reduce_(1, places, intensities, "amax")
        rest = torch.where(intensities < first.gather(1, places), intensities, 0.0)
        second.scatter_reduce_(1, places, rest, "amax")
        is_hot = (first > HOT * second) & (second > 0)
        sums = torch.where(is_hot, sums - first + second, sums)
        # a ring that is held out completely, as in one dimension, takes the mean of its neighbours
        window = sums.new_ones(1, 1, 2 * SIDE + 1)
        near = [
            functional.conv1d(values[:, None], window, padding=SIDE)[:, 0]
            for values in (sums, counts)
        ]
        known = counts > 0
        sums, counts = (
            torch.where(known, *both) for both in zip((sums, counts), near, strict=True)
        )
        return (sums / counts.clamp_min(1))[:, rings]

    def _explained(self, misfits, seen, objects, likelihood, magnitudes):
        """Return the share explained, as described in :meth:`judge`."""
        order = to_fft_order(magnitudes) if self.centered else magnitudes
        used = ~(order.isnan() | (self.groups >= 0).to(order.device))
        intensities = (
            torch.where(used, order / along_samples(seen.scale, order), 0.0)
            .double()
            .square()
            .flatten(1)
        )
        means = (
            self._ring_means(intensities, used.flatten(1))
            .view(order.shape)
            .to(seen.magnitudes.dtype)
        )
        unexplained = self._grouped(
            seen.weights * likelihood.pixel_losses(seen, means), seen, likelihood, magnitudes
        )
        noise = torch.zeros_like(unexplained)
        if likelihood.noise is not None:
            # even the true object leaves the misfit of noise; counts drawn from the object found
            # estimate it
            drawn = likelihood.drawn(seen, seen.intensities(objects))
            noise = self._grouped(seen.weights * drawn, seen, likelihood, magnitudes)
        beyond = unexplained - noise
        # the total is a sum of independent groups: its deviation is sqrt(n) times their scatter
        deviation, beyond = noise.std(1) * math.sqrt(self.n_groups), beyond.sum(1)
        share = (unexplained.sum(1) - misfits) / torch.where(beyond > 0, beyond, 1.0)
        n_pixels = (self.mask.to(order.device) & ~magnitudes.isnan()).flatten(1).sum(1)
        tells = (beyond > LEAST_BEYOND * deviation) & (n_pixels >= LEAST_PIXELS)
        return torch.where(tells, share, torch.nan).cpu().numpy()
