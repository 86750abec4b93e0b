"""The object of one pattern, the agreement of its starts, its deviations."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from ..iterative import (
    Combination,
    IterativePhaseRetrieval,
    Retrieval,
    combine_reconstructions,
    uncertainty,
)
from ._trouble import say

LARGE = 1 << 18  # pixels of a pattern, beyond which fewer draws are made
DRAWS, FEW_DRAWS = 16, 4
ITERATIONS = 500  # of each start; a volume of 80^3 takes a minute on two cores


class Reconstruction(NamedTuple):
    """Results for one pattern.

    Attributes
    ----------
    found : Retrieval
    combination : Combination
    deviations : ndarray of shape (1, *object_shape) or None
        None where no two starts agree, or neither these nor counts tell.
    kind : {"non_negative", "real", "complex"}
    """

    found: Retrieval
    combination: Combination
    deviations: np.ndarray | None
    kind: str

    @property
    def support(self) -> np.ndarray | None:
        """Support of the start nearest to the object, or None."""
        if self.found.supports is None:
            return None
        distances = np.abs(self.found.starts[0] - self.found.objects[0])
        nearest = int(distances.reshape(len(distances), -1).max(axis=1).argmin())
        return self.found.supports[:, nearest]


def reconstruct(magnitudes: np.ndarray, options: Any) -> Reconstruction:
    """Reconstruct one pattern.

    Parameters
    ----------
    magnitudes : ndarray of shape (1, *fourier_shape)
        NaN where unmeasured, zero frequency in the middle.
    options : argparse.Namespace
        Options as the parser returns them.

    Returns
    -------
    Reconstruction
    """
    retriever = IterativePhaseRetrieval(
        n_iter=options.iterations or ITERATIONS,
        n_starts=options.starts or "auto",
        constraints=options.constraints,
        coherence=options.coherence,
        random_state=options.seed,
        device=options.device,
        verbose=not options.quiet,
    )
    say("looking for the object ...", options.quiet)
    found = retriever.fit(magnitudes).retrieve(magnitudes)
    say("comparing the starts ...", options.quiet)
    (combination,) = combine_reconstructions(found, magnitudes, subpixel=True)
    say("estimating standard deviations ...", options.quiet)
    n_draws = DRAWS if magnitudes.size <= LARGE else FEW_DRAWS
    with warnings.catch_warnings():  # missing deviations are stated on the page
        warnings.simplefilter("ignore", UserWarning)
        deviations = uncertainty(retriever, magnitudes, found, n_draws=n_draws)
    # counting noise alone says little where every start found another object
    is_known = np.isfinite(deviations).all() and combination.consistent.sum() > 1
    known = deviations if is_known else None
    return Reconstruction(found, combination, known, retriever.constraints_)
