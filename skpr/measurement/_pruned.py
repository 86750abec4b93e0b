"""Transforms between objects in their frame and spectra.

Rows and planes of zeros around the frame are never transformed, and the inverse computes those of
the frame only. In two dimensions at twofold oversampling this is three quarters of the arithmetic
of full transforms, in three dimensions 58 %.

A spectrum lies in memory with its axes in reverse order, the first one contiguous, because each
one-dimensional pass leaves its own axis contiguous. Arrays that are combined with spectra are
brought to that layout by :func:`laid_out`; values do not depend on it, only speed does.
"""

import math
from functools import lru_cache, partial

import torch

from . import _matrix_transform as by_matrices
from ._moduli import has_gradient, moduli
from ._projections import least_of, rescaled
from ._slabs import by_slabs, parts_of, summed
from ._transform import from_spectrum, to_spectrum

MOST = 16  # working arrays to keep; samples that leave a batch change their shapes


class PrunedTransform:
    """Transform pair of an object shape and a Fourier shape.

    Both directions are differentiable. Without gradients, working arrays are reused from call to
    call, and large transforms are computed slab by slab, so that all passes find their input in
    cache. A GPU multiplies by matrices instead.

    Parameters
    ----------
    object_shape, fourier_shape : tuple of int
        Shape of the frame and of the grid, in whose corner the frame lies. Nothing is pruned along
        an axis on which both agree.

    Examples
    --------
    >>> transform = PrunedTransform((2,), (4,))
    >>> transform.spectrum(torch.tensor([[1.0, 1.0]]))
    tensor([[2.+0.j, 1.-1.j, 0.+0.j]])
    >>> transform.objects(torch.tensor([[2.0 + 0j, 1 - 1j, 0]]), real=True)
    tensor([[1., 1.]])
    """

    def __init__(self, object_shape, fourier_shape):
        self.object_shape, self.fourier_shape = tuple(object_shape), tuple(fourier_shape)
        self._arrays = {}

    def spectrum(self, objects, terms=(), out=None):
        """Compute spectra in FFT order, half ones for real objects.

        Parameters
        ----------
        objects : torch.Tensor of shape (n_samples, *object_shape)
        terms : sequence of (float, torch.Tensor)
            Other spectra to add, with their factors.
        out : torch.Tensor of shape (n_samples, *columns), complex, optional
            Tensor that receives the sum; it may be the first of the terms.

        Returns
        -------
        torch.Tensor of shape (n_samples, *columns), complex
        """
        sizes = self.fourier_shape
        if len(terms) <= 2 and self._by_matrices(objects, *(term for _, term in terms)):
            terms = [(factor, _reversed(term).contiguous()) for factor, term in terms]
            out = None if out is None or not _reversed(out).is_contiguous() else _reversed(out)
            return _reversed(by_matrices.spectrum_of(objects, sizes, terms, out))
        parts = parts_of(sizes, objects, *(term for _, term in terms))
        if len(parts) == 1:
            return self._spectrum_of(objects, terms, out)
        if out is None:
            columns = sizes if objects.is_complex() else (*sizes[:-1], sizes[-1] // 2 + 1)
            shape = len(objects), *reversed(columns)
            out = _reversed(objects.new_empty(shape, dtype=objects.dtype.to_complex()))
        for part in parts:
            added = [(factor, term[part]) for factor, term in terms]
            found = self._spectrum_of(objects[part], added, out[part])
            if not terms:
                out[part] = found
        return out

    def _spectrum_of(self, objects, terms, out):
        """Compute the spectra of a slab of objects, and add others."""
        sizes = self.fourier_shape
        rows = torch.fft.fft if objects.is_complex() else torch.fft.rfft
        values = rows(objects, n=sizes[-1])
        if len(sizes) == 1:
            return summed(values, terms, out)
        for axis in range(len(sizes) - 1, 1, -1):
            values = self._pass(torch.fft.fft, values, axis, sizes[axis - 1])
        terms = [(factor, _reversed(term)) for factor, term in terms]
        out = None if out is None else _reversed(out)
        return _reversed(self._pass(torch.fft.fft, values, 1, sizes[0], terms=terms, out=out))

    def objects(self, spectrum, *, real):
        """Compute objects from spectra, cut to their frame.

        Parameters
        ----------
        spectrum : torch.Tensor of shape (n_samples, *columns), complex
            Spectra in FFT order; half spectra if `real`.
        real : bool
            Whether the objects are real.

        Returns
        -------
        torch.Tensor of shape (n_samples, *object_shape)
        """
        if self._by_matrices(spectrum):
            spectrum = _reversed(spectrum).contiguous()
            shapes = self.object_shape, self.fourier_shape
            return by_matrices.objects_of(spectrum, *shapes, real)
        return self._objects_of(_same, [spectrum], real=real)

    def rescaled(
        self, spectrum, magnitudes, unmeasured=None, least_modulus=None, *, real, overwrite=False
    ):
        """Give spectra other magnitudes, and compute their objects.

        No gradient is recorded.

        Parameters
        ----------
        spectrum : torch.Tensor of shape (n_samples, *columns), complex
        magnitudes : torch.Tensor of shape (n_samples, *columns)
        unmeasured : torch.Tensor of bool, shape (n_samples, *columns), optional
            Pixels that stay as they are.
        least_modulus : float, optional
            Modulus to which smaller ones are raised, see :func:`rescaled`.
        real : bool
            Whether the objects are real.
        overwrite : bool, default=False
            Whether the given spectra may be overwritten.

        Returns
        -------
        objects : torch.Tensor of shape (n_samples, *object_shape)
        spectrum : torch.Tensor of shape (n_samples, *columns), complex
        """
        arrays = [v for v in (spectrum, magnitudes, unmeasured) if v is not None]
        if self._by_matrices(spectrum):
            source, wanted, *kept = (_reversed(values).contiguous() for values in arrays)
            made = torch.empty_like(source)
            least = least_of(wanted.dtype) if least_modulus is None else least_modulus
            rescaling = wanted, kept[0] if kept else None, least, made
            shapes = self.object_shape, self.fourier_shape
            return by_matrices.objects_of(source, *shapes, real, rescaling), _reversed(made)
        made = spectrum if overwrite else torch.empty_like(spectrum)

        def function(out, *slabs):
            return rescaled(*slabs, least_modulus=least_modulus, out=out)

        return self._objects_of(function, [made, *arrays], real=real), made

    def relaxed(self, spectrum, magnitudes, unmeasured, kept, added, *, real):
        """Give spectra other magnitudes, and compute objects and a mixture.

        No gradient is recorded.

        Parameters
        ----------
        spectrum : torch.Tensor of shape (n_samples, *columns), complex
            Spectra that may be overwritten.
        magnitudes, unmeasured : see :meth:`rescaled`
        kept, added : float
            Factors of the given and of the rescaled spectra.
        real : bool
            Whether the objects are real.

        Returns
        -------
        objects : torch.Tensor of shape (n_samples, *object_shape)
            Objects of the rescaled spectra.
        terms : list of (float, torch.Tensor of shape (n_samples, *columns))
            Factors and spectra, whose sum is the mixture.
        """
        if self._by_matrices(spectrum):  # the next transform adds both while it writes
            objects, made = self.rescaled(spectrum, magnitudes, unmeasured, real=real)
            return objects, [(kept, spectrum), (added, made)]
        arrays = [v for v in (spectrum, magnitudes, unmeasured) if v is not None]

        def function(given, *slabs):
            made = rescaled(given, *slabs)
            (given if kept == 1 else given.mul_(kept)).add_(made, alpha=added)
            return made

        return self._objects_of(function, arrays, real=real), [(1, spectrum)]

    def _by_matrices(self, *arrays):
        """Return whether a GPU computes the transform by matrices."""
        return by_matrices.is_served(arrays[0], self.fourier_shape) and not any(
            map(has_gradient, arrays)
        )

    def _objects_of(self, function, arrays, *, real):
        """Compute objects from spectra that a function returns.

        Parameters
        ----------
        function : callable
            Function of slabs of the arrays that returns those of the spectra. It must not depend on
            their neighbours, nor on the order of axes.
        arrays : list of torch.Tensor of shape (n_samples, *columns)
        real : bool
            Whether the objects are real.

        Returns
        -------
        torch.Tensor of shape (n_samples, *object_shape)
        """
        parts = parts_of(self.fourier_shape, *arrays)
        if len(parts) == 1:
            return self._objects_of_slab(function, arrays, real)
        dtype = arrays[0].dtype
        made = arrays[0].new_empty(
            (len(arrays[0]), *self.object_shape), dtype=dtype.to_real() if real else dtype
        )
        for part in parts:
            made[part] = self._objects_of_slab(function, [values[part] for values in arrays], real)
        return made

    def _objects_of_slab(self, function, arrays, real):
        """Compute objects from a slab of spectra that a function returns."""
        kept, sizes = self.object_shape, self.fourier_shape
        n_axes, arrays = len(sizes), [_reversed(values) for values in arrays]
        rows = partial(torch.fft.irfft, n=sizes[-1]) if real else torch.fft.ifft
        if n_axes == 1:
            return rows(function(*arrays))[..., : kept[0]]

        def passed(*slabs):
            return torch.fft.ifft(function(*slabs))

        values = by_slabs(passed, arrays, n_axes, kept[0])
        for axis in range(1, n_axes - 1):
            values = self._pass(torch.fft.ifft, values, n_axes - axis, sizes[axis], kept[axis])
        return self._pass(rows, values, 1, values.shape[1], kept[-1])

    def _pass(self, transform, values, axis, size, kept=None, terms=(), out=None):
        """Transform along one axis, padded with zeros, and move it last."""

        def passed(values):
            inner, columns, others = self._array(values, axis, size)
            inner.copy_(values)
            # strided input and contiguous output: the library transposes on the way
            return transform(columns, dim=0).t().reshape(*others, -1)

        return by_slabs(passed, [values], axis, kept, terms, out)

    def _array(self, values, axis, size):
        """Return a working array of columns, with the part that values fill."""
        recorded = has_gradient(values)
        inference = torch.is_inference_mode_enabled()
        key = (axis, size, values.shape, values.dtype, values.device, inference)
        if not recorded and key in self._arrays:
            return self._arrays[key]
        others = [n for number, n in enumerate(values.shape) if number != axis]
        count = math.prod(others)
        # rows of an odd length: columns whose pixels lie a power of two apart share one set of the
        # processor's cache, and take twice the time
        columns = values.new_zeros(size, count | 1)[:, :count]
        inner = columns[: values.shape[axis]].unflatten(1, others).movedim(0, axis)
        if not recorded:
            if len(self._arrays) > MOST:
                self._arrays.clear()
            self._arrays[key] = inner, columns, others
        return inner, columns, others


def _same(values):
    return values


def _reversed(values):
    """Reverse the order of the axes of space (at most three)."""
    return values.transpose(1, -1)


def laid_out(values):
    """Return values with the layout in memory that spectra have.

    Parameters
    ----------
    values : torch.Tensor of shape (n_samples, *columns)

    Returns
    -------
    torch.Tensor of the same shape, with equal values

    Examples
    --------
    >>> laid_out(torch.zeros(2, 3, 4)).stride()
    (12, 1, 3)
    """
    return _reversed(_reversed(values).contiguous())


def selected(values, index):
    """Select samples of spectra, or arrays beside them, and keep the layout."""
    return _reversed(_reversed(values)[index])


@lru_cache(maxsize=64)
def rounds_alone(object_shape, fourier_shape, dtype, real, device, unpruned=False):
    """Whether a single sample is rounded unlike one of a batch.

    FFT libraries take another path for some small grids. Iterations amplify the last digit, so a
    reconstruction would depend on the size of its batch. A caller avoids that by adding a second
    sample.

    Parameters
    ----------
    object_shape, fourier_shape : tuple of int
    dtype : torch.dtype
        Real data type of the magnitudes.
    real : bool
        Whether objects are real.
    device : str
    unpruned : bool, default=False
        Whether the caller takes transforms that are not pruned, too, as coherence does.

    Returns
    -------
    bool
        Result of a trial, because the grids concerned depend on the processor.

    Examples
    --------
    >>> rounds_alone((3,), (6,), torch.float64, True, "cpu") in (True, False)
    True
    """
    # reproducible pseudo-random values, without touching any generator's state
    numbers = torch.arange(2 * math.prod(fourier_shape), dtype=torch.float64, device=device)
    both = (12.9898 * numbers.square()).sin().to(dtype).view(2, *fourier_shape)
    if not real:
        both = torch.complex(both, both.flip(1))
    inside = (slice(None), *(slice(n) for n in object_shape))
    transform = PrunedTransform(object_shape, fourier_shape)
    results = []
    for grids in (both, both[:1]):
        spectrum = transform.spectrum(grids[inside])
        found = [
            PrunedTransform(fourier_shape, fourier_shape).spectrum(grids),
            spectrum,
            transform.objects(spectrum * moduli(spectrum), real=real),
        ]
        if unpruned:
            whole = to_spectrum(grids, fourier_shape)
            found += [whole, from_spectrum(whole, fourier_shape, real=real)]
        results.append([values[0] for values in found])
    return not all(torch.equal(*values) for values in zip(*results, strict=True))
