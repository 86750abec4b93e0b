"""Thresholds and widths of shrinkwrap that a search for supports tries."""

import numpy as np

THRESHOLDS = 0.03, 0.35  # range of the first round
WIDTHS = 0.5, 1.5  # pixels; range of the first round
LARGEST_THRESHOLD = 0.9
LEAST_WIDTH = 0.3  # pixels
FACTORS = np.array([1.8, 1.5])  # ranges of later rounds: threshold and width times or by these
# the fractional parts of the multiples of these numbers fill a square evenly (Roberts, 2018)
EVENLY = 0.7548776662466927, 0.5698402909980532


class Trials:
    """Thresholds and widths tried for each sample, round by round.

    The first round draws from wide ranges, later ones around the best trial so far.

    Parameters
    ----------
    n_starts, n_samples : int
        Number of trials per round and sample, and number of samples.

    Attributes
    ----------
    done : ndarray of bool of shape (n_samples,)
        Samples whose best threshold lies inside the range tried, after two rounds or more.
    """

    def __init__(self, n_starts, n_samples):
        self.n_starts = n_starts
        self.done = np.zeros(n_samples, dtype=bool)
        self._drawn, self._misfits = [], []
        self._low, self._high = (
            np.tile(values, (n_samples, 1)) for values in zip(THRESHOLDS, WIDTHS, strict=True)
        )

    def draw(self):
        """Draw the threshold and the width of every start of the next round.

        Returns
        -------
        thresholds, widths : ndarray of shape (n_starts, n_samples)
        """
        number = len(self._drawn)
        places = np.arange(number * self.n_starts, (number + 1) * self.n_starts)[:, None]
        # an even sequence, uniform in the logarithm, covers a range with fewer draws than random
        # numbers do; each round continues it, so that no trial repeats an earlier one
        fractions = ((places * np.array(EVENLY) + 0.5) % 1.0)[:, None]
        values = self._low * (self._high / self._low) ** fractions  # (n_starts, n_samples, 2)
        self._drawn.append(np.clip(values, (0, LEAST_WIDTH), (LARGEST_THRESHOLD, np.inf)))
        return np.moveaxis(self._drawn[-1], -1, 0)

    def record(self, misfits):
        """Record the misfits of the last round, and set new ranges.

        Parameters
        ----------
        misfits : ndarray of shape (n_starts, n_samples)
        """
        # a sample that is done ignores further rounds, which only others of its batch need
        self._misfits.append(np.where(self.done, np.inf, misfits))
        tried, misfits = np.concatenate(self._drawn), np.concatenate(self._misfits)
        middle = np.take_along_axis(tried, misfits.argmin(axis=0)[None, :, None], 0)[0]
        self._low, self._high = middle / FACTORS, middle * FACTORS
        known = np.where(np.isinf(misfits), np.nan, tried[..., 0])
        # if the best threshold is the largest or smallest one tried, a better one may lie outside
        on_edge = (middle[:, 0] >= np.nanmax(known, axis=0)) | (
            middle[:, 0] <= np.nanmin(known, axis=0)
        )
        self.done |= ~on_edge & (len(self._drawn) > 1)

    def best(self):
        """Return the best `n_starts` trials of each sample.

        Returns
        -------
        ranks : ndarray of integers, shape (n_starts, n_samples)
            Index of each trial among all trials of its sample.
        thresholds, widths : ndarray of shape (n_starts, n_samples)
        """
        ranks = np.concatenate(self._misfits).argsort(axis=0, kind="stable")[: self.n_starts]
        tried = np.take_along_axis(np.concatenate(self._drawn), ranks[..., None], 0)
        return ranks, *np.moveaxis(tried, -1, 0)
