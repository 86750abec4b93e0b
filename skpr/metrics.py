r"""Errors modulo the symmetries of phase retrieval, and errors in Fourier space.

A reconstruction is right if it is right up to shift, flip and global phase, so each prediction is registered to its
truth (:func:`skpr.symmetry.register`) before it is scored, over all shifts at once. Functions take truth first, then
prediction, as scikit-learn's metrics do; `multioutput="raw_values"` returns one value a sample.

Scorers for :class:`~sklearn.model_selection.GridSearchCV` are named as scikit-learn names its own:
`neg_relative_error_scorer`, `neg_orbit_mean_squared_error_scorer`, `orbit_psnr_scorer`, `orbit_ssim_scorer`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.metrics import make_scorer

from ._arrays import check_batch, check_choice
from ._lazy import LazyBatch
from ._tensors import map_chunks, to_tensor
from .coherence import blur, coherence_transfer
from .fourier import FourierMagnitude
from .symmetry import energy, inner, lost_energy, orbit_distance, register

if TYPE_CHECKING:
    from ._typing import Batch

SCORED = 4096  # samples from disk that are predicted and scored at once

__all__ = [
    "fourier_error",
    "fourier_ring_correlation",
    "neg_orbit_mean_squared_error_scorer",
    "neg_relative_error_scorer",
    "orbit_mean_squared_error",
    "orbit_psnr",
    "orbit_psnr_scorer",
    "orbit_ssim",
    "orbit_ssim_scorer",
    "phase_retrieval_transfer_function",
    "r_factor",
    "relative_error",
    "success_rate",
]


def relative_error(
    y_true: Batch,
    y_pred: Batch,
    *,
    shift: bool = True,
    flip: bool = True,
    boundary: str = "zero",
    multioutput: str = "uniform_average",
) -> Any:
    r"""Relative error modulo shift, flip, phase and scale.

    `1 - max_g |<g B, A>|^2 / (|A|^2 |B|^2)` for truth `A` and prediction `B` (Tayal et al., 2020; the invariant
    error of Fienup, 1997): the squared sine of the angle between the two, 0 for a perfect and 1 for a worthless
    prediction. It is evaluated as `min_s |A - s g B|^2 / |A|^2` in float64, exact also where the error is small.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real or complex objects.
    shift, flip : bool
        Symmetries to register over.
    boundary : {"zero", "circular"}
    multioutput : {"uniform_average", "raw_values"}
        Whether to return the mean or one value a sample.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        An all-zero prediction of a non-zero truth, and the reverse, has error 1; of a zero truth, 0.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[0.0, 1.0, 2.0, 0.0]])
    >>> relative_error(truth, np.array([[4.0, 2.0, 0.0, 0.0]]))
    0.0
    """
    truth, prediction = _checked_pair(y_true, y_pred)
    registered, element = register(prediction, truth, shift=shift, flip=flip, phase=True, boundary=boundary)
    cut_off = map_chunks(
        lambda x, shifts, flips: lost_energy(x, shifts, flips, boundary),
        prediction,
        element.shift,
        element.flip,
    )
    return _averaged(map_chunks(_invariant_error, truth, registered, cut_off), multioutput)


def squared_correlation(estimator, X, y, boundary="zero"):
    """`1 - relative_error` of an estimator's predictions, what regressors score; from disk, a few samples at a time."""
    if not isinstance(y, LazyBatch) and not isinstance(X, LazyBatch):
        return 1.0 - relative_error(y, estimator.predict(X), boundary=boundary)
    if len(X) != len(y):
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {[len(X), len(y)]}")
    errors = []
    for start in range(0, len(X), SCORED):
        part = slice(start, start + SCORED)
        found = estimator.predict(X[part])
        errors.append(relative_error(y[part], found, boundary=boundary, multioutput="raw_values"))
    return 1.0 - float(np.concatenate(errors).mean())


def _invariant_error(truth, registered, cut_off):
    truth, registered = truth.to(_wide(truth)), registered.to(_wide(registered))
    norm = energy(registered) + cut_off
    scale = inner(registered, truth) / torch.where(norm > 0, norm, 1.0)
    residual = truth - scale.view([-1] + [1] * (truth.ndim - 1)) * registered
    total = energy(truth)
    error = (energy(residual) + scale.abs().square() * cut_off) / torch.where(total > 0, total, 1.0)
    empty = (total == 0) | (norm == 0)
    return torch.where(empty, ((total > 0) | (norm > 0)).double(), error.clamp(0, 1))


def orbit_mean_squared_error(
    y_true: Batch,
    y_pred: Batch,
    *,
    shift: bool = True,
    flip: bool = True,
    phase: bool | None = None,
    boundary: str = "zero",
    multioutput: str = "uniform_average",
) -> Any:
    r"""Mean squared error per pixel after registration, `min_g |g B - A|^2 / n_pixels`.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
    shift, flip : bool
        Symmetries to register over.
    phase : bool, optional
        Whether to register the phase; by default for complex objects.
    boundary : {"zero", "circular"}
    multioutput : {"uniform_average", "raw_values"}

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> orbit_mean_squared_error(np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[2.0, 2.0, 0.0, 0.0]]))
    0.25
    """
    truth, prediction = _checked_pair(y_true, y_pred)
    squares = orbit_distance(prediction, truth, squared=True, shift=shift, flip=flip, phase=phase, boundary=boundary)
    return _averaged(squares / math.prod(truth.shape[1:]), multioutput)


def orbit_psnr(
    y_true: Batch, y_pred: Batch, *, data_range: float, multioutput: str = "uniform_average", **symmetries: Any
) -> Any:
    r"""Peak signal-to-noise ratio after registration, `10 log10(data_range^2 / MSE)` in dB.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
    data_range : float
        Difference between the largest and smallest possible value; no default, because the figure depends on it.
    multioutput : {"uniform_average", "raw_values"}
        The average is over samples, of the values in dB.
    **symmetries
        `shift`, `flip`, `phase` and `boundary` of :func:`orbit_mean_squared_error`.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        `inf` for a perfect prediction.

    Examples
    --------
    >>> import numpy as np
    >>> orbit_psnr(np.array([[0.0, 1.0, 2.0, 0.0]]), np.array([[2.0, 2.0, 0.0, 0.0]]), data_range=2.0)
    12.04...
    """
    _check_data_range(data_range)
    errors = orbit_mean_squared_error(y_true, y_pred, multioutput="raw_values", **symmetries)
    with np.errstate(divide="ignore"):
        return _averaged(10 * np.log10(data_range**2 / errors), multioutput)


def orbit_ssim(
    y_true: Batch, y_pred: Batch, *, data_range: float, multioutput: str = "uniform_average", **symmetries: Any
) -> Any:
    r"""Structural similarity (Wang et al., 2004; scikit-image's implementation) after registration.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
        Real objects, at least 7 pixels along each axis.
    data_range : float
        Difference between the largest and smallest possible value. Twice the range flatters by .02 to .05.
    multioutput : {"uniform_average", "raw_values"}
    **symmetries
        `shift`, `flip`, `phase` and `boundary` of :func:`skpr.symmetry.register`.

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Raises
    ------
    ImportError
        If scikit-image is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).random((1, 16, 16))
    >>> orbit_ssim(truth, truth[:, ::-1, ::-1], data_range=1.0)
    1.0
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ImportError("orbit_ssim needs scikit-image: pip install 'skpr[metrics]'") from error
    _check_data_range(data_range)
    truth, prediction = _checked_pair(y_true, y_pred)
    if np.iscomplexobj(truth) or np.iscomplexobj(prediction):
        raise ValueError("orbit_ssim compares real objects; score the modulus or the phase of complex ones")
    registered, _ = register(prediction, truth, **symmetries)
    values = [structural_similarity(a, b, data_range=data_range) for a, b in zip(truth, registered, strict=True)]
    return _averaged(np.array(values), multioutput)


def fourier_error(
    magnitudes: Batch,
    objects: Batch,
    *,
    coherence: Any = None,
    centered: bool = True,
    multioutput: str = "uniform_average",
) -> Any:
    r"""Misfit of reconstructions to measured magnitudes, `chi = | |F x| - b | / |b|`, over the measured pixels.

    It needs no truth, so it may choose between reconstructions. NaN in `magnitudes` marks an unmeasured pixel.

    Parameters
    ----------
    magnitudes : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
    coherence : array-like of shape (n_samples, n_axes, n_axes), optional
        Covariance of each pattern's coherence kernel in Fourier pixels squared, as
        :class:`~skpr.iterative.Retrieval` has it; full coherence if not given.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    multioutput : {"uniform_average", "raw_values"}

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> x = np.array([[0.0, 1.0, 2.0, 0.0]])
    >>> fourier_error(FourierMagnitude().fit_transform(x), x[:, ::-1])
    0.0
    """
    magnitudes, computed = _measured_and_computed(magnitudes, objects, centered, coherence)

    def chi(measured, model):
        known = ~measured.isnan()
        measured = torch.where(known, measured, 0).double()
        misfit = torch.where(known, model.double() - measured, 0)
        norm = energy(measured)
        return torch.where(norm > 0, (energy(misfit) / torch.where(norm > 0, norm, 1.0)).sqrt(), energy(misfit).sqrt())

    return _averaged(map_chunks(chi, magnitudes, computed), multioutput)


def r_factor(
    magnitudes: Batch,
    objects: Batch,
    *,
    coherence: Any = None,
    centered: bool = True,
    multioutput: str = "uniform_average",
) -> Any:
    r"""Crystallographic R-factor of reconstructions, `sum | |F x| - b | / sum b`, over the measured pixels.

    Parameters
    ----------
    magnitudes : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
        NaN where unmeasured.
    objects : array-like or torch.Tensor of shape (n_samples, \*object_shape)
    coherence : array-like of shape (n_samples, n_axes, n_axes), optional
        Covariance of each pattern's coherence kernel in Fourier pixels squared, as
        :class:`~skpr.iterative.Retrieval` has it; full coherence if not given.
    centered : bool, default=True
        Whether zero frequency is in the middle of the magnitudes.
    multioutput : {"uniform_average", "raw_values"}

    Returns
    -------
    float or ndarray of shape (n_samples,)

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> x = np.array([[0.0, 1.0, 2.0, 0.0]])
    >>> r_factor(FourierMagnitude().fit_transform(x), 1.1 * x)
    0.1
    """
    measured, computed = _measured_and_computed(magnitudes, objects, centered, coherence)
    axes = tuple(range(1, measured.ndim))
    total = np.nansum(measured, axis=axes, dtype=float)
    misfit = np.nansum(np.abs(computed - measured), axis=axes, dtype=float)
    return _averaged(misfit / np.where(total > 0, total, 1), multioutput)


def success_rate(y_true: Batch, y_pred: Batch, *, tolerance: float = 0.01, **symmetries: Any) -> float:
    r"""Fraction of reconstructions whose relative error modulo symmetries is below a tolerance.

    Over the starts of one pattern, repeat the truth; NumPy's `broadcast_to` does it without memory.

    Parameters
    ----------
    y_true, y_pred : array-like or torch.Tensor of shape (n_samples, \*object_shape)
    tolerance : float, default=0.01
    **symmetries
        `shift`, `flip` and `boundary` of :func:`relative_error`.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> success_rate(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[2.0, 1.0], [1.0, 0.0]]))
    0.5
    """
    if not 0 < tolerance <= 1:
        raise ValueError(f"tolerance={tolerance!r} is not valid; give a relative error above 0, at most 1")
    return float((relative_error(y_true, y_pred, multioutput="raw_values", **symmetries) < tolerance).mean())


def phase_retrieval_transfer_function(magnitudes: Batch, objects: Batch, *, centered: bool = True) -> Any:
    r"""PRTF of several reconstructions of one pattern: how reproducibly each frequency was phased.

    Ring by ring, the sum of `|mean_s F x_s|` over the sum of `b`, on measured pixels (Chapman et al., 2006; shells in
    3-D): 1 where all reconstructions agree, about `1 / sqrt(n_reconstructions)` where the phases are random. They must
    be registered, as :func:`skpr.iterative.combine_reconstructions` does; the usual cut-off of the resolution is 1/e.

    Parameters
    ----------
    magnitudes : array-like of shape fourier_shape
        The pattern; NaN where unmeasured.
    objects : array-like of shape (n_reconstructions, \*object_shape)
        Registered to one another.
    centered : bool, default=True

    Returns
    -------
    frequencies : ndarray of shape (n_rings,)
        Mean frequency of each ring, in cycles per pixel, from 0 to about 0.5.
    values : ndarray of shape (n_rings,)
        NaN for a ring without a measured pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr import FourierMagnitude
    >>> x = np.array([[1.0, 2.0, 0.5]])
    >>> phase_retrieval_transfer_function(FourierMagnitude().fit_transform(x)[0], np.repeat(x, 2, axis=0))[1].round(6)
    array([1., 1., 1., 1.])
    """
    objects = _as_numpy(check_batch(objects, name="objects"))
    magnitudes = _as_numpy(
        check_batch(np.asarray(magnitudes)[None], name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan")
    )
    mean = objects.mean(axis=0, keepdims=True)
    measured, computed = _measured_and_computed(magnitudes, mean, centered)
    measured, computed = measured[0].astype(float), computed[0].astype(float)
    known = ~np.isnan(measured)
    # a ring's ratio of sums: a quotient of single dark pixels would be noise
    return _ring_ratio(np.where(known, computed, 0), np.where(known, measured, 0), centered)


def fourier_ring_correlation(first: Any, second: Any) -> Any:
    r"""Correlation of two reconstructions ring by ring in Fourier space (shells in 3-D), after registration.

    `Re sum F_1 conj(F_2) / sqrt(sum |F_1|^2 sum |F_2|^2)` over each ring (Saxton and Baumeister, 1982), with the
    half-bit threshold of van Heel and Schatz (2005).

    Parameters
    ----------
    first, second : array-like of shape object_shape
        Two independent reconstructions, or one and its truth; `second` is registered to `first` modulo symmetries.

    Returns
    -------
    frequencies : ndarray of shape (n_rings,)
        Mean frequency of each ring in cycles per pixel.
    values : ndarray of shape (n_rings,)
    threshold : ndarray of shape (n_rings,)
        Half-bit threshold: above it a ring holds enough information to interpret.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.5], [0.0, 0.0, 0.0]])
    >>> fourier_ring_correlation(x, x[::-1, ::-1])[1].round(6)
    array([1., 1.])
    """
    first, second = _checked_pair(np.asarray(first)[None], np.asarray(second)[None])
    second, _ = register(second, first, phase=True)
    one, two = (np.fft.fftn(x[0].astype(np.complex128)) for x in (first, second))
    frequencies, cross = _ring_sums((one * two.conj()).real, centered=False)
    powers = [_ring_sums(np.abs(spectrum) ** 2, centered=False)[1] for spectrum in (one, two)]
    counts = _ring_sums(np.ones(one.shape), centered=False)[1]
    norm = np.sqrt(powers[0] * powers[1])
    root = np.sqrt(counts)
    threshold = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    return frequencies, cross / np.where(norm > 0, norm, 1), threshold


def _ring_ratio(numerator, denominator, centered):
    frequencies, above = _ring_sums(numerator, centered)
    _, below = _ring_sums(denominator, centered)
    return frequencies, np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _ring_sums(values, centered):
    """Sums over rings one Fourier pixel of the shortest axis wide, up to the highest frequency of every axis."""
    axes = [np.fft.fftfreq(n) for n in values.shape]
    if centered:
        axes = [np.fft.fftshift(axis) for axis in axes]
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij", sparse=True)))
    shortest = min(values.shape)
    ring = np.rint(radius * shortest).astype(int).ravel()
    n_rings = shortest // 2 + 1
    weights = [np.bincount(ring, w, minlength=n_rings)[:n_rings] for w in (radius.ravel(), np.asarray(values).ravel())]
    counts = np.bincount(ring, minlength=n_rings)[:n_rings]
    return weights[0] / np.maximum(counts, 1), weights[1]


def _measured_and_computed(magnitudes, objects, centered, coherence=None):
    magnitudes = check_batch(magnitudes, name="magnitudes", allow_complex=False, ensure_all_finite="allow-nan")
    objects = check_batch(objects, name="objects")
    if len(magnitudes) != len(objects):
        raise ValueError(f"{len(magnitudes)} magnitudes do not match {len(objects)} objects")
    forward = FourierMagnitude(fourier_shape=tuple(magnitudes.shape[1:]), centered=centered)
    computed = _as_numpy(forward.fit_transform(objects))
    if coherence is not None:
        computed = _blurred(computed, _as_numpy(coherence))
    return _as_numpy(magnitudes), computed


def _blurred(magnitudes, covariances):
    """Magnitudes of intensities blurred by each pattern's kernel."""
    covariances = np.asarray(covariances, dtype=float)
    grid, n_axes = magnitudes.shape[1:], magnitudes.ndim - 1
    if covariances.shape != (len(magnitudes), n_axes, n_axes):
        raise ValueError(
            f"coherence has shape {covariances.shape}; give one covariance a pattern, of shape "
            f"{(len(magnitudes), n_axes, n_axes)}"
        )
    return map_chunks(lambda b, c: blur(b.square(), coherence_transfer(c, grid, b)).sqrt(), magnitudes, covariances)


def _checked_pair(y_true, y_pred):
    truth = _as_numpy(check_batch(y_true, name="y_true"))
    prediction = _as_numpy(check_batch(y_pred, name="y_pred"))
    if truth.shape != prediction.shape:
        raise ValueError(f"y_true has shape {truth.shape} but y_pred has shape {prediction.shape}")
    return truth, prediction


def _as_numpy(batch):
    return batch.detach().cpu().numpy() if isinstance(batch, torch.Tensor) else batch


def _averaged(values, multioutput):
    check_choice("multioutput", multioutput, ("uniform_average", "raw_values"))
    values = _as_numpy(to_tensor(values))
    return values if multioutput == "raw_values" else float(values.mean())


def _check_data_range(data_range):
    if not data_range > 0:
        raise ValueError(f"data_range={data_range!r} is not valid; give the positive range of the values")


def _wide(x):
    return torch.complex128 if x.is_complex() else torch.float64


neg_relative_error_scorer = make_scorer(relative_error, greater_is_better=False)
neg_orbit_mean_squared_error_scorer = make_scorer(orbit_mean_squared_error, greater_is_better=False)
orbit_psnr_scorer = make_scorer(orbit_psnr, data_range=1.0)
orbit_ssim_scorer = make_scorer(orbit_ssim, data_range=1.0)
