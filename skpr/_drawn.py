"""Arrays whose samples are drawn when they are read."""

from collections.abc import Mapping

import numpy as np

from ._tensors import to_tensor
from ._validation import short

_ALIKE = 32  # number of blocks that are compared before all are taken for the same
_WORD = 0xFFFFFFFF  # seeds are integers of 32 bits, which every generator takes


class DrawnArray:
    r"""Array of random samples that holds none of them.

    Block number `b` holds the samples from `b * block_size` to `(b + 1) * block_size - 1`. It is
    drawn by `draw(block_size, random_state=seed, **settings)`, with a seed that follows from the
    seed of the array and from `b`. A sample therefore depends on its index alone: it is the same in
    every pass, process and subset, and in arrays of other lengths.

    Parameters
    ----------
    draw : callable
        Function that returns an array of shape (n_samples, \*sample_shape), or a Bunch with such an
        array as `data`.
    n_samples : int
    block_size : int
    seed : int
    settings : dict
        Further keyword arguments of `draw`.

    Attributes
    ----------
    shape, dtype
        Shape and data type, known from the first block.
    chunks : tuple of int
        Shape of a block.
    """

    def __init__(self, draw, n_samples, block_size, seed, settings):
        self.draw, self.seed, self.settings = draw, seed, settings
        self.block_size, self.shape = block_size, (n_samples,)
        first = self._drawn(0)
        self.shape, self.dtype = (n_samples, *first.shape[1:]), first.dtype

    @property
    def chunks(self):
        """Shape of a block."""
        return self.block_size, *self.shape[1:]

    def __repr__(self):
        settings = "".join(f", {name}={short(value)}" for name, value in self.settings.items())
        return f"DrawnArray({name_of(self.draw)}, {self.shape[0]}, seed={self.seed}{settings})"

    def __getitem__(self, rows):
        """Draw the samples of a slice."""
        start, stop, step = rows.indices(self.shape[0])
        numbers = range(start // self.block_size, -(-max(start, stop) // self.block_size))
        blocks = [self._block(number) for number in numbers]
        if not blocks:
            return np.empty((0, *self.shape[1:]), self.dtype)
        first = numbers.start * self.block_size
        return np.concatenate(blocks)[start - first : stop - first : step]

    def check_seeds(self):
        """Refuse functions whose samples do not follow from the seed.

        The first block is drawn again, and then further blocks until one differs from it.

        Raises
        ------
        ValueError
            If the same seed draws other samples, or all of many seeds draw the same ones.
        """
        first = self._block(0)
        if not np.array_equal(first, self._block(0)):
            raise ValueError(
                f"draw={name_of(self.draw)} returned other samples when it was called again with "
                "the same random_state, so that objects would not fit their magnitudes; draw all "
                "random numbers from a generator that random_state seeds"
            )
        n_blocks = min(_ALIKE, -(-self.shape[0] // self.block_size))
        if n_blocks > 1 and all(
            np.array_equal(first, self._block(number)) for number in range(1, n_blocks)
        ):
            raise ValueError(
                f"draw={name_of(self.draw)} returned the same samples for {n_blocks} values of "
                "random_state; draw all random numbers from a generator that random_state seeds"
            )

    def _block(self, number):
        values = self._drawn(number)
        if (values.shape[1:], values.dtype) != (self.shape[1:], self.dtype):
            raise ValueError(
                f"{self._said_of(number)} of shape {values.shape[1:]} and type {values.dtype}, "
                f"but the first of shape {self.shape[1:]} and type {self.dtype}; all samples must "
                "have the same shape and type"
            )
        return values

    def _drawn(self, number):
        seed = seed_of_block(self.seed, number)
        drawn = self.draw(self.block_size, random_state=seed, **self.settings)
        if isinstance(drawn, Mapping):
            if "data" not in drawn:
                raise TypeError(
                    f"{self._said_of(number)} in a {type(drawn).__name__} with the keys "
                    f"{short(sorted(map(str, drawn)))}; give a function that returns an array, or "
                    "a Bunch with `data`"
                )
            drawn = drawn["data"]
        if isinstance(drawn, tuple) or not hasattr(drawn, "shape"):
            raise TypeError(
                f"{self._said_of(number)} in a {type(drawn).__name__}; give a function that "
                "returns an array, or a Bunch with `data`"
            )
        dtype = getattr(drawn, "dtype", None)
        kind = getattr(dtype, "kind", "f")  # types of torch are numbers
        if kind not in "biufc" or not hasattr(drawn, "__array__"):
            raise TypeError(
                f"{self._said_of(number)} in a {type(drawn).__name__} of type {dtype}; give "
                "a function that returns an array of numbers"
            )
        values = np.asarray(to_tensor(drawn).detach().cpu().resolve_conj())
        if values.ndim < 2 or len(values) != self.block_size or 0 in values.shape:
            raise ValueError(
                f"{self._said_of(number)} in an array of shape {values.shape}, which must be "
                f"({self.block_size}, *sample_shape)"
            )
        if not np.isfinite(values).all():
            wrong = values[~np.isfinite(values)][0]
            raise ValueError(
                f"{self._said_of(number)} with the value {wrong}; all values must be finite"
            )
        return values

    def _said_of(self, number):
        start = number * self.block_size
        return (
            f"draw={name_of(self.draw)} returned samples {start} to {start + self.block_size - 1}"
        )


def name_of(draw):
    """Return the name of a function for a message."""
    return getattr(draw, "__qualname__", None) or short(draw)


def seed_of_block(seed, number):
    """Return the seed of a block, different for each block.

    The seeds are a permutation of the integers of 32 bits: the finalizer of MurmurHash3 (Appleby,
    2011), between two additions that depend on `seed`.

    Parameters
    ----------
    seed : int
        Seed of the array.
    number : int
        Number of the block, below 2**32.

    Returns
    -------
    int
        Seed from 0 to 2**32 - 1.

    Examples
    --------
    >>> len({seed_of_block(7, number) for number in range(10_000)})
    10000
    """
    before, after = np.random.SeedSequence(seed).generate_state(2).tolist()
    word = (number + before) & _WORD
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        word = ((word ^ (word >> shift)) * factor) & _WORD
    return ((word ^ (word >> 16)) + after) & _WORD
