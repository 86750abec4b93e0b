"""Sample of training pairs, compared once for all checks."""

import math
from functools import cached_property

import numpy as np
import torch

from .._arrays import as_batch, is_complex
from .._tensors import even_rows, picked, usual_device
from ._counting import counting_units
from ._grid import Grid, fits
from ._transform import to_centred

FEWEST, MOST = 16, 64  # pairs looked at, evenly spaced
VALUES = 1 << 14  # Fourier pixels of all pairs, if these make more than the fewest pairs
LARGEST = 1 << 22  # Fourier pixels that a check may cost, or one pair
LEAST_VALUES = 256  # Fourier pixels of all pairs; fewer prove nothing
# Correlation of magnitudes with |F y|, on top of three standard deviations of chance.
LEAST_CORRELATION = 0.1
PLAIN = 0.9  # correlation in one layout that needs no comparison with the other
CONSTANT = 1e-12  # mean square that rounding leaves in constants, relative to the largest value
SPARSE = 1.0  # photons per pixel; a pattern with fewer may be all noise
LIKENESS = 0.7  # correlation of a batch of magnitudes, even of a hundred photons per pattern


class Pairs:
    """Sample of training pairs, with `|F y|` of the objects.

    `|F y|` is computed in the layout that fits the magnitudes better.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    objects : batch of shape (n_samples, *object_shape)

    Attributes
    ----------
    object_shape, fourier_shape : tuple of int
    fit : bool
        Whether the two batches fit each other.
    measured, computed : ndarray of shape (n_pairs, n_fourier_pixels)
        Magnitudes, 0 where unmeasured, and `|F y|`; each in units of its largest value.
    known : ndarray of bool of shape (n_pairs, n_fourier_pixels), or None
        Measured pixels; None if all are.
    own : ndarray of shape (n_pairs,)
        Correlation of each pattern with `|F y|` of its own object over the measured pixels.
    are_magnitudes : bool
        Whether all values looked at are finite or NaN, and none is negative.

    Examples
    --------
    >>> y = np.random.default_rng(0).random((16, 32))
    >>> Pairs(np.abs(np.fft.fft(y, n=64)), y).own.round(6).min()
    np.float64(1.0)
    """

    def __init__(self, magnitudes, objects):
        self.object_shape, self.fourier_shape = (
            tuple(objects.shape[1:]),
            tuple(magnitudes.shape[1:]),
        )
        self.fit = fits(self.object_shape, self.fourier_shape) and len(objects) == len(magnitudes)
        self._batches = magnitudes, objects

    @classmethod
    def of(cls, magnitudes, objects):
        """Return `objects` if it is a `Pairs`, else pair both."""
        return objects if isinstance(objects, cls) else cls(magnitudes, objects)

    @property
    def n_pixels(self):
        """Number of Fourier pixels."""
        return math.prod(self.fourier_shape)

    def __len__(self):
        return len(self._rows)

    @cached_property
    def _rows(self):
        n_pairs = min(max(FEWEST, VALUES // self.n_pixels), MOST, max(1, LARGEST // self.n_pixels))
        return even_rows(len(self._batches[0]), n_pairs)

    @cached_property
    def values(self):
        """Magnitudes of the pairs as given, ndarray of float64."""
        with usual_device():
            values = picked(self._batches[0], self._rows).cpu().numpy()
        return values.real.astype(np.float64)

    @cached_property
    def objects_are_complex(self):
        """Whether the objects are complex."""
        return is_complex(self._batches[1])

    @cached_property
    def are_magnitudes(self):
        """Whether no value is negative or infinite."""
        return not (np.isinf(self.values).any() or (self.values < 0).any())

    @cached_property
    def are_sparse(self):
        """Whether most patterns hold too few photons to correlate."""
        intensities = np.square(self.values.reshape(len(self), -1))
        units = counting_units(intensities)
        mean = np.nansum(intensities, axis=1) / np.maximum((~np.isnan(intensities)).sum(axis=1), 1)
        return bool((((units > 0) & (mean < SPARSE * units)) | (mean == 0)).mean() > 0.5)

    @cached_property
    def measured(self):
        """Magnitudes at unit peak, 0 where unmeasured."""
        values = self.values.reshape(len(self), -1)
        values = values if self.known is None else np.where(self.known, values, 0.0)
        return values / _peaks(values)

    @cached_property
    def known(self):
        """Measured pixels, or None if all are."""
        missing = np.isnan(self.values).reshape(len(self), -1)
        return ~missing if missing.any() else None

    @cached_property
    def _compared(self):
        """`|F y|`, correlations and centring in the better layout."""
        with usual_device():
            made = picked(self._batches[1], self._rows).cpu()
            made = made.to(torch.complex128 if made.is_complex() else torch.float64)
            made = made / torch.from_numpy(
                _peaks(made.flatten(1).abs().nan_to_num(0.0).numpy())
            ).view([-1] + [1] * (made.ndim - 1))
            corner = Grid(self.object_shape, self.fourier_shape, centered=False).magnitudes(made)
            centred = to_centred(corner).flatten(1).numpy()
        found = centred, self.correlation(centred), True
        if float(found[1].mean()) > PLAIN:
            return found
        corner = corner.flatten(1).numpy()
        return max(
            found,
            (corner, self.correlation(corner), False),
            key=lambda layout: float(layout[1].mean()),
        )

    @property
    def computed(self):
        """`|F y|` of each object, in the layout of the magnitudes."""
        return self._compared[0]

    @property
    def own(self):
        """Correlation of each pattern with `|F y|` of its own object."""
        return self._compared[1]

    @cached_property
    def tell(self):
        """Whether `|F y|` of each pair is not constant.

        Nothing correlates with a constant, so such pairs prove nothing.
        """
        deviations = _deviations(self.computed / _peaks(self.computed), self.known)
        return np.square(deviations).sum(axis=1) > CONSTANT * self.n_pixels

    @property
    def is_centred(self):
        """Whether the patterns have zero frequency in the middle."""
        return self._compared[2]

    def correlation(self, computed, measured=None):
        """Correlation of patterns with others, row by row.

        Parameters
        ----------
        computed : ndarray of shape (n_pairs, n_fourier_pixels)
            Patterns to compare with.
        measured : ndarray of shape (n_pairs, n_fourier_pixels), optional
            Patterns in place of the measured ones.

        Returns
        -------
        ndarray of shape (n_pairs,)
            Correlations over the measured pixels; 0 where either pattern is constant.
        """
        first, second = (
            _deviations(values, self.known)
            for values in (self.measured if measured is None else measured, computed)
        )
        powers = [np.einsum("ij,ij->i", values, values) for values in (first, second)]
        norms = powers[0] * powers[1] * (np.minimum(*powers) > CONSTANT * self.n_pixels)
        products = np.where(norms > 0, np.einsum("ij,ij->i", first, second), 0.0)
        return products / np.sqrt(np.where(norms > 0, norms, 1.0))


def symmetries_of(magnitudes, objects):
    """Symmetries of a measurement, judged from training pairs.

    Every `score` follows this rule. Fourier magnitudes do not change under shift and flip; other
    measurements, such as those of a Gaussian matrix, do. The magnitudes of some pairs are compared
    with `|F y|` in both layouts: those of a detector correlate with it even if they are noisy,
    those of a random matrix do not.

    Parameters
    ----------
    magnitudes : batch of shape (n_samples, *fourier_shape), NaN where unmeasured
    objects : batch of shape (n_samples, *object_shape) or Pairs

    Returns
    -------
    {"fourier", "phase"}
        "phase" if only the global phase is a symmetry. "fourier" also if the pairs prove nothing:
        shapes that do not fit each other, too few values, objects of constant magnitudes, or less
        than one photon per pixel.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> objects = rng.random((8, 16))
    >>> symmetries_of(np.abs(np.fft.fft(objects, n=32)), objects)
    'fourier'
    >>> symmetries_of(np.abs(objects @ rng.standard_normal((16, 32))), objects)
    'phase'
    """
    pairs = Pairs.of(magnitudes, objects)
    if not pairs.fit or len(pairs) * pairs.n_pixels < LEAST_VALUES:
        return "fourier"
    chance = 3 / math.sqrt(pairs.n_pixels)  # a random matrix is one draw, however many the pairs
    own = pairs.own[pairs.tell]
    correlate = not len(own) or float(own.mean()) > min(LEAST_CORRELATION + chance, 0.9)
    return "fourier" if correlate or pairs.are_sparse else "phase"


def are_magnitudes_of(X, y):
    """Whether a batch holds the Fourier magnitudes of another.

    Unit, layout and noise of the magnitudes do not matter.

    Parameters
    ----------
    X : batch of shape (n_samples, *sample_shape)
    y : object
        Candidate for the objects; anything but a batch with as many axes is not.

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(0).random((8, 16))
    >>> are_magnitudes_of(np.abs(np.fft.fft(y, n=32)), y), are_magnitudes_of(y, y)
    (True, False)
    """
    try:
        y = as_batch(y, name="y")
    except (TypeError, ValueError):  # no batch at all
        return False
    if len(y.shape) != len(X.shape) or len(y) != len(X) or is_complex(X):
        return False
    if tuple(y.shape) == tuple(X.shape):
        rows = even_rows(len(X), MOST)
        if torch.equal(picked(X, rows).double(), picked(y, rows).real.double()):
            return False
    pairs = Pairs(X, y)
    return (
        pairs.fit
        and len(pairs) * pairs.n_pixels >= LEAST_VALUES
        and float(pairs.own.mean()) > LIKENESS
    )


def check_not_swapped(magnitudes, objects):
    """Refuse objects in place of magnitudes of the same shape.

    Parameters
    ----------
    magnitudes, objects : batch of shape (n_samples, *sample_shape)

    Raises
    ------
    ValueError
        If both batches are the same, or the second holds the Fourier magnitudes of the first.

    Examples
    --------
    >>> import numpy as np
    >>> objects = np.random.default_rng(0).random((20, 16))
    >>> check_not_swapped(objects, objects)
    Traceback (most recent call last):
    ValueError: X and y are the same objects, but X must hold their magnitudes: give ...
    """
    if (
        tuple(magnitudes.shape) != tuple(objects.shape)
        or is_complex(objects)
        or is_complex(magnitudes)
    ):
        return
    rows = even_rows(len(objects), MOST)
    first, second = picked(magnitudes, rows).double(), picked(objects, rows).double()
    if len(rows) * math.prod(objects.shape[1:]) < LEAST_VALUES or not first.any():
        return
    if torch.equal(first, second):
        raise ValueError(
            "X and y are the same objects, but X must hold their magnitudes: give fit(magnitudes, "
            "objects)"
        )
    swapped, right = Pairs(objects, magnitudes).own, Pairs(magnitudes, objects).own
    if float(swapped.mean()) > 0.99 and float(right.mean()) < 0.5:
        raise ValueError(
            "X and y are swapped: y holds the Fourier magnitudes of X; give fit(magnitudes, "
            "objects)"
        )


def _peaks(rows):
    peaks = np.abs(rows).max(axis=1, keepdims=True)
    return np.where(peaks > 0, peaks, 1.0)


def _deviations(rows, known):
    """Deviations from the mean over the measured pixels.

    They are 0 at missing pixels.
    """
    if known is None:
        return rows - rows.mean(axis=1, keepdims=True)
    means = (rows * known).sum(axis=1, keepdims=True) / np.maximum(
        known.sum(axis=1, keepdims=True), 1
    )
    return (rows - means) * known
