"""Magnitudes of half spectra: means of Friedel pairs, and their noise."""

import torch

from ._transform import mirrored

ROUNDING = 64  # largest difference within an equal pair, in units of the precision


def friedel_mean(magnitudes, assumed=None):
    """Means of Friedel pairs `b(k)`, `b(-k)` on the half spectrum.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (n_samples, *fourier_shape)
        Magnitudes in FFT order.
    assumed : {None, "complete", "incomplete"}, default=None
        Whether all pixels are measured, or some may not be. None looks, and computes the spread.

    Returns
    -------
    means : torch.Tensor
        Root mean square of each pair; the measured value where the other is missing.
    spread : torch.Tensor or None
        Root mean square minus mean of each pair, 0 where one is missing; None if all pairs agree up
        to rounding.
    n_measured : torch.Tensor or None
        Number of measured pixels that each value stands for; None if all are measured.
    """
    last = magnitudes.shape[-1]
    columns = last // 2 + 1
    opposite = mirrored(magnitudes, centered=False)[..., :columns]
    direct = magnitudes[..., :columns]
    both = ((direct.square() + opposite.square()) / 2).sqrt()
    # equal values are kept: squaring would cost a noise-free pattern its last digits
    means = torch.where(direct == opposite, direct, both)
    n_measured = None
    if assumed == "complete":
        return means, None, None
    if assumed or not (~(direct.isnan() | opposite.isnan())).all():
        means = torch.where(direct.isnan(), opposite, torch.where(opposite.isnan(), direct, means))
        n_measured = (~direct.isnan()).to(magnitudes.dtype)
        n_measured[..., 1 : (last + 1) // 2] += (~opposite[..., 1 : (last + 1) // 2].isnan()).to(
            magnitudes.dtype
        )
    # computed magnitudes agree up to rounding, and their errors need no second sum
    difference = direct - opposite
    if assumed or not (difference.abs() > ROUNDING * torch.finfo(both.dtype).eps * both).any():
        return means, None, n_measured
    # rms - mean = (rms^2 - mean^2) / (rms + mean) = (b1 - b2)^2 / 4 / (rms + mean), free of
    # cancellation
    total = both + (direct + opposite) / 2
    return (
        means,
        (difference.square() / 4 / torch.where(total > 0, total, 1.0)).nan_to_num(0.0),
        n_measured,
    )


def counting_variances(magnitudes, kind):
    """Estimate the variance of square roots of Poisson counts.

    The variance `<(sqrt(N) - sqrt(lambda))^2>` is a quarter for many counts; it is set to 0 where
    unmeasured. For few counts, the estimate `min(N, 1/4 + 1/N^2)` has a mean between 0.75 and 1.3
    of the true value where `lambda` is above 0.1; where hardly any pixel has a count, the mean
    falls to half of it, which is a little strict. The counts of a Friedel pair add up if both were
    measured, and the variance of their root mean square is half.
    """
    counts, n_readings = magnitudes.square(), 1
    if kind != "complex":
        opposite = mirrored(counts, centered=False)
        n_readings = 2.0 - (counts.isnan() | opposite.isnan()).to(counts.dtype)
        counts = torch.where(
            counts.isnan(), opposite, torch.where(opposite.isnan(), counts, counts + opposite)
        )
    variances = (
        torch.minimum(counts, 0.25 + counts.clamp_min(1e-3).square().reciprocal()) / n_readings
    )
    columns = magnitudes.shape[-1] if kind == "complex" else magnitudes.shape[-1] // 2 + 1
    return variances[..., :columns].nan_to_num(0.0)
