"""Iterates of phase retrieval, kept in Fourier space.

All algorithms are linear outside the object's frame. An iterate is therefore kept as its spectrum
on the whole grid and its values inside the frame: its values outside are never computed.
"""

from ._moduli import has_gradient
from ._pruned import selected

REFRESH = 20  # updates between fresh values; rounding adds about one unit of precision in each


class Iterate:
    """Array on the whole grid: its spectrum, and its values in the frame.

    Parameters
    ----------
    transform : PrunedTransform
    inside : torch.Tensor of shape (n_samples, *object_shape)
        Values inside the frame.
    spectrum : torch.Tensor of shape (n_samples, *columns), optional
        Spectrum of the whole array. If it is not given, the array is 0 outside the frame, and its
        spectrum is computed when it is first needed.
    age : int, default=0
        Number of updates in which spectrum and values were changed side by side.
    """

    def __init__(self, transform, inside, spectrum=None, age=0):
        self.transform, self.inside, self.age = transform, inside, age
        self._spectrum = spectrum

    @property
    def spectrum(self):
        """Spectrum of the whole array in FFT order, half of it if real."""
        if self._spectrum is None:
            self._spectrum = self.transform.spectrum(self.inside)
        return self._spectrum

    def __len__(self):
        return len(self.inside)

    def kept(self, index):
        """Return the samples that an index selects."""
        spectrum = None if self._spectrum is None else selected(self._spectrum, index)
        return Iterate(self.transform, self.inside[index], spectrum, self.age)


def combined(*terms, inside, overwrite=False):
    """Add multiples of iterates outside the frame, and replace the inside.

    One pruned transform, of the change inside the frame, updates the spectrum. Rounding drives the
    values apart from the spectrum, so now and then they are computed from it.

    Parameters
    ----------
    *terms : tuple of (float, Iterate)
        Factors, and iterates that they multiply.
    inside : torch.Tensor of shape (n_samples, *object_shape)
        Values of the result inside the frame.
    overwrite : bool, default=False
        Whether the first iterate is not needed any more. Its spectrum is then overwritten, which
        takes less time.

    Returns
    -------
    Iterate
    """
    change, transform = inside, terms[0][1].transform
    for factor, term in terms:
        change = change.sub(term.inside, alpha=factor)
    spectra = [(factor, term.spectrum) for factor, term in terms]
    first = spectra[0][1]
    out = first if overwrite and not (has_gradient(change) or has_gradient(first)) else None
    spectrum, age = transform.spectrum(change, spectra, out), terms[0][1].age + 1
    if age == REFRESH:
        inside, age = transform.objects(spectrum, real=not inside.is_complex()), 0
    return Iterate(transform, inside, spectrum, age)
