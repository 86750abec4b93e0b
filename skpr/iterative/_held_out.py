"""Pixels of a pattern that are held out of the iterations, and judge what these found.

What fits the pixels that it was made from may fit their noise, or be an object in too large a
support. Pixels that were not used tell: the *free* likelihood (Favre-Nicolin, Leake and Chushkin,
2020), as the free R factor of crystallography."""

import math
from copy import copy

import torch
from sklearn.utils import check_random_state
from torch.nn import functional

from .._tensors import along_samples
from ..measurement import Measurement, mirrored, to_fft_order
from ._coarse import cut

SHARE = 0.05  # of the pixels
SIDE = 3  # pixels of an island, so that its middle is no interpolation between the pixels around it
FEWEST = 8  # islands; where 5 % are fewer, islands are single pixels
CENTRE = 3.0  # pixels around zero frequency, which nothing replaces
LEAST_BEYOND = 3.0  # standard deviations of the noise, by which the mean of each ring leaves more
HOT = 100.0  # times the intensity of every other pixel of a ring
LEAST_PIXELS = 12  # that were held out, of which fewer tell nothing
GROUPS = 64  # of islands, whose scatter is the error of a comparison


class HeldOut:
    """Islands of pixels, in pairs about the centre, because those of a Friedel pair know of each
    other.

    Parameters
    ----------
    fourier_shape : tuple of int
    centered : bool
        Whether zero frequency is in the middle.

    Attributes
    ----------
    mask : torch.Tensor of bool, shape fourier_shape
        In the layout of the patterns.
    groups : torch.Tensor of int64, shape fourier_shape
        Group of each pixel that is held out, in FFT order; -1 elsewhere.
    n_groups : int
    """

    def __init__(self, fourier_shape, centered):
        shape, n_axes = tuple(fourier_shape), len(fourier_shape)
        rng = check_random_state(0)  # which pixels judge is no property of the starts
        n_pixels = SHARE * math.prod(shape) / 2
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
        """The same pixels of the middle of patterns."""
        found = copy(self)
        found.rings = torch.from_numpy(cut(self.rings.numpy()[None], shape, centered=False)[0])
        found._take(torch.from_numpy(cut(self.groups.numpy()[None], shape, centered=False)[0]))
        return found

    def without(self, magnitudes):
        """Magnitudes with the pixels that are held out as unmeasured."""
        return torch.where(self.mask.to(magnitudes.device), torch.nan, magnitudes)

    def judge(self, magnitudes, objects, kernels, estimator, likelihood):
        """Misfit of each group of pixels.

        Parameters
        ----------
        magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
            All that was measured.
        objects : torch.Tensor of shape (n_samples, *object_shape)
            In the units of the magnitudes.
        kernels : torch.Tensor of shape (n_samples, n_axes, n_axes) or None
            Covariances of coherence kernels.
        estimator : IterativePhaseRetrieval
        likelihood : Likelihood

        Returns
        -------
        misfits : ndarray of float64, shape (n_samples, n_groups)
            Sums over the pixels of each group, divided by the number of pixels of all groups:
            together they are the mean deviance a pixel where magnitudes are roots of counts, of
            which noise makes one at most, else the squared Fourier error of these pixels.
        explained : ndarray of float64, shape (n_samples,)
            Share of the misfit of the mean of each ring that the object explains, less what noise
            makes of either: 1 is all, 0 is no more than the mean. NaN where there is hardly more
            than noise.
        """
        device = magnitudes.device
        mask = self.mask.to(device)
        seen = Measurement(
            torch.where(mask, magnitudes, torch.nan),
            estimator.object_shape_,
            "complex",  # every pixel for itself, so that kinds of objects can be compared
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
        """Sums of losses over the pixels of each group, in the unit of :meth:`judge`."""
        groups = self.groups.to(losses.device).flatten()
        losses = losses.double().flatten(1)
        sums = losses.new_zeros(len(losses), self.n_groups)
        sums.index_add_(1, groups.clamp_min(0), torch.where(groups >= 0, losses, 0.0))
        values = 2 * likelihood.in_photons(sums, seen)
        if likelihood.noise is None:
            return values
        n_pixels = (self.mask.to(losses.device) & ~magnitudes.isnan()).flatten(1).sum(1)
        return values / n_pixels.clamp_min(1)[:, None]

    def _ring_means(self, intensities, used):
        """Mean of the pixels used of the ring of each pixel, less a hot pixel of it."""
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
        # of a ring that is held out as a whole, as all are that are held out in one dimension:
        # those beside it
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
        """Share explained of what the mean of each ring leaves, less the noise; NaN where that is
        hardly more.
        """
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
            drawn = likelihood.drawn(seen, seen.intensities(objects))
            noise = self._grouped(seen.weights * drawn, seen, likelihood, magnitudes)
        beyond = unexplained - noise
        deviation, beyond = noise.std(1) * math.sqrt(self.n_groups), beyond.sum(1)
        share = (unexplained.sum(1) - misfits) / torch.where(beyond > 0, beyond, 1.0)
        n_pixels = (self.mask.to(order.device) & ~magnitudes.isnan()).flatten(1).sum(1)
        tells = (beyond > LEAST_BEYOND * deviation) & (n_pixels >= LEAST_PIXELS)
        return torch.where(tells, share, torch.nan).cpu().numpy()
