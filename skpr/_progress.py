"""When to show progress, decided once for trainings and retrievals."""

import logging
import sys
import time

logger = logging.getLogger("skpr")  # INFO: epochs and parts of retrievals as they are done; quiet unless configured


def shows_progress(verbose):
    """Whether to show progress: as told, or with "auto" on a terminal outside scikit-learn's searches."""
    if verbose != "auto":
        return bool(verbose)
    return sys.stderr.isatty() and not _inside_search()


def _inside_search():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("sklearn.model_selection"):
            return True
        frame = frame.f_back
    return False


class IterationLine:
    """One line on the terminal: iterations done and time left; nothing where no terminal watches."""

    def __init__(self, verbose, n_chunks, n_iter):
        self.shown = shows_progress(verbose)
        self.n_chunks, self.n_iter = n_chunks, n_iter
        self.chunk = self.iteration = 0
        self.began = self.printed = time.monotonic()

    def advance(self):
        """Count an iteration, and rewrite the line now and then."""
        self.iteration += 1
        now = time.monotonic()
        if self.shown and now - self.printed > 0.5:
            self.printed = now
            done = (self.chunk + self.iteration / self.n_iter) / self.n_chunks
            left = (now - self.began) * (1 - done) / done
            line = f"phase retrieval {100 * done:.0f} %  {left:.0f} s left"
            print(f"\r{line:<60}", end="", file=sys.stderr, flush=True)

    def next_chunk(self):
        """A chunk is done, perhaps early."""
        self.chunk, self.iteration = self.chunk + 1, 0
        if logger.isEnabledFor(logging.INFO):
            left = (time.monotonic() - self.began) * (self.n_chunks - self.chunk) / self.chunk
            logger.info("phase retrieval: %d of %d parts done, %.0f s left", self.chunk, self.n_chunks, left)

    def close(self):
        """Leave the line behind."""
        if self.shown and self.printed > self.began:
            print(file=sys.stderr, flush=True)
