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
    terms : sequence of (float, torch.Tensor of shape (n_samples, *columns)), default=()
        Factors and spectra, whose sum is the spectrum of the whole array. It is computed when it is
        first needed. Without terms, the array is 0 outside the frame.
    age : int, default=0
        Number of updates in which spectrum and values were changed side by side.
    """

    def __init__(self, transform, inside, terms=(), age=0):
        self.transform, self.inside, self.age = transform, inside, age
        self._terms = tuple(terms)

    @property
    def spectrum(self):
        """Spectrum of the whole array in FFT order, half of it if real."""
        if not self._terms:
            self._terms = ((1, self.transform.spectrum(self.inside)),)
        elif len(self._terms) > 1 or self._terms[0][0] != 1:
            self._terms = ((1, sum(factor * term for factor, term in self._terms)),)
        return self._terms[0][1]

    def __len__(self):
        return len(self.inside)

    def kept(self, index):
        """Return the samples that an index selects."""
        terms = [(factor, selected(term, index)) for factor, term in self._terms]
        return Iterate(self.transform, self.inside[index], terms, self.age)

    def with_inside(self, inside, overwrite=False):
        """Replace the values inside the frame.

        One pruned transform, of the change, updates the spectrum. Rounding drives the values apart
        from the spectrum, so now and then they are computed from it.

        Parameters
        ----------
        inside : torch.Tensor of shape (n_samples, *object_shape)
            Values of the result inside the frame.
        overwrite : bool, default=False
            Whether this iterate is not needed any more. Its first spectrum is then overwritten,
            which takes less time.

        Returns
        -------
        Iterate
        """
        change, terms = inside - self.inside, self._terms or ((1, self.spectrum),)
        first = terms[0][1]
        out = first if overwrite and not (has_gradient(change) or has_gradient(first)) else None
        spectrum, age = self.transform.spectrum(change, terms, out), self.age + 1
        if age == REFRESH:
            inside, age = self.transform.objects(spectrum, real=not inside.is_complex()), 0
        return Iterate(self.transform, inside, ((1, spectrum),), age)


def mixture(*terms):
    """Add multiples of iterates.

    Parameters
    ----------
    *terms : tuple of (float, Iterate)
        Factors, and iterates that they multiply.

    Returns
    -------
    Iterate
        Sum, which is as old as the first term.
    """
    inside = sum(factor * x.inside for factor, x in terms)
    spectra = [(factor, x.spectrum) for factor, x in terms]
    return Iterate(terms[0][1].transform, inside, spectra, terms[0][1].age)
