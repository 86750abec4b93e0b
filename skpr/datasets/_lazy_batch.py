"""Simulated training sets of any size, drawn when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils import check_random_state

from .._drawn import DrawnArray
from .._lazy import LazyBatch
from .._validation import check_count, short

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._typing import Seed

_MOST = 1 << 32  # number of blocks with seeds of their own


def make_lazy_batch(
    draw: Callable[..., Any],
    n_samples: int,
    *,
    block_size: int = 1,
    random_state: Seed = None,
    **settings: Any,
) -> LazyBatch:
    r"""Make a batch of random objects that are drawn when they are read.

    The batch takes no memory, whatever its size. Estimators accept it in place of an array:
    `model.fit(batch, batch)` draws each object when the network needs it. An object depends on its
    index and `random_state` alone, not on `n_samples`. It is the same in every epoch, subset, split
    and process, and `numpy.asarray(batch)` is an array of the same objects. For new objects in
    every training batch, make as many as all epochs need and train for one epoch.

    Parameters
    ----------
    draw : callable
        Function that is called as `draw(block_size, random_state=seed, **settings)`, such as
        :func:`make_crystals`, :func:`make_cells`, :func:`make_cutouts` or one of your own. It
        returns an array of shape (block_size, \*sample_shape), or a Bunch with it as `data`. The
        result must depend on its arguments alone. If other processes are to read the batch, the
        function must be one that can be pickled.
    n_samples : int
        Number of objects.
    block_size : int, default=1
        Number of objects that are drawn by one call. Larger blocks pay off only if a call takes
        long whatever the number of objects. Objects are then shuffled within a pool of 256 MiB
        rather than as a whole, and each of several worker processes draws all blocks. The objects
        themselves also depend on the block size.
    random_state : int, RandomState instance or None, default=None
        Seed of the objects. A generator, or NumPy's global one for None, is asked for one seed when
        the batch is made; later no other generator than those of `draw` is used.
    **settings
        Further arguments of `draw`. Data augmentation belongs in `draw`, with a generator seeded
        by its `random_state`.

    Returns
    -------
    LazyBatch
        Batch of shape (n_samples, \*sample_shape).

    Raises
    ------
    TypeError
        If `draw` is not a function, or returns no array.
    ValueError
        If a number is not valid, or `draw` returns an array of the wrong length, other objects for
        the same seed, or the same objects for several seeds. While the batch is
        read: if `draw` returns NaN, infinity, or objects of another shape or type than the first.
        In estimators also if an object has negative values and the first 32 objects have none.

    Notes
    -----
    The first block is drawn three times when the batch is made, to check that it depends on the
    seed. Before the training, estimators learn the template of canonical objects and the statistics
    of pixels from 1,024 of the objects. The latest 256 MiB of objects are kept in memory, so that a
    smaller training set is drawn only once. With `iterator_train__num_workers=4`, four processes
    draw the objects of later batches while the network trains.

    Examples
    --------
    >>> import numpy as np
    >>> from skpr.datasets import make_crystals
    >>> crystals = make_lazy_batch(make_crystals, 1_000_000, shape=(32, 32), random_state=0)
    >>> crystals.shape, crystals[[999_999, 7]].shape
    ((1000000, 32, 32), (2, 32, 32))
    >>> few = make_lazy_batch(make_crystals, 10, shape=(32, 32), random_state=0)
    >>> bool((crystals[7] == few[7]).all())
    True
    """
    if not callable(draw) or isinstance(draw, type):
        raise TypeError(
            f"draw={short(draw)} is not a function; give one that is called as "
            "draw(n_samples, random_state=...), such as make_crystals"
        )
    n_samples = check_count("n_samples", n_samples)
    block_size = check_count("block_size", block_size)
    if n_samples > _MOST * block_size:
        raise ValueError(
            f"n_samples={n_samples} is not valid; give at most 2**32 blocks of objects"
        )
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    array = DrawnArray(draw, n_samples, block_size, seed, settings)
    array.check_seeds()
    return LazyBatch(array)
