"""Progress of trainings and retrievals."""

import logging
import sys
import time

from tqdm import tqdm

# Logs finished epochs and parts of retrievals at level INFO; silent unless configured.
logger = logging.getLogger("skpr")

QUIET_SECONDS = 0.5  # delay before a bar appears on a terminal; quick work needs none
LINE_SECONDS = 5.0  # interval between lines elsewhere


def shows_progress(verbose):
    """Return whether to show progress.

    "auto" shows it on a terminal outside scikit-learn's searches.
    """
    if verbose != "auto":
        return bool(verbose)
    return sys.stderr.isatty() and not inside_search()


def inside_search():
    """Return whether scikit-learn's model selection is on the call stack."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("sklearn.model_selection"):
            return True
        frame = frame.f_back
    return False


def progress_bar(total, description, shown, **options):
    """Create a progress bar on standard error.

    On a terminal the bar is one line that is rewritten; elsewhere a line is added every few
    seconds.

    Parameters
    ----------
    total : int
        Number of steps.
    description : str
        Text before the bar.
    shown : bool
        Whether to print anything; see :func:`shows_progress`.
    **options
        Further options of :class:`tqdm.tqdm`, such as `unit`.

    Returns
    -------
    tqdm.tqdm
        Progress bar; call `update` after each step and `close` at the end.
    """
    if sys.stderr.isatty():
        return _Bar(
            total=total,
            desc=description,
            disable=not shown,
            delay=QUIET_SECONDS,
            dynamic_ncols=True,
            **options,
        )
    return _Lines(
        total=total,
        desc=description,
        disable=not shown,
        mininterval=LINE_SECONDS,
        miniters=1,
        ascii=True,
        **options,
    )


class _Bar(tqdm):
    """Bar of tqdm without its thread that monitors stalled bars."""

    monitor_interval = 0


class _Lines(_Bar):
    """Progress on separate lines, for files and notebooks."""

    @staticmethod
    def status_printer(file):
        """Return a function that prints a line of progress."""
        lines = []

        def print_line(text):
            file.write(("\n" if lines else "") + text.rstrip())
            file.flush()
            lines[:] = [text]

        return print_line


class IterationLine:
    """Progress of a retrieval that iterates on one chunk after another.

    A retrieval consists of one run or several.
    """

    def __init__(self, verbose):
        self.n_chunks, self.chunk = 0, 0
        self.began = time.monotonic()
        self.verbose, self.bar = verbose, None
        self.done = 0  # iterations of the finished chunks

    def expect(self, n_chunks, n_iter):
        """Prepare for a run of `n_chunks` chunks."""
        self.n_chunks, self.n_iter = self.n_chunks + n_chunks, n_iter
        if self.bar is None:
            self.bar = progress_bar(
                n_chunks * n_iter, "phase retrieval", shows_progress(self.verbose)
            )
        else:
            self.bar.total += n_chunks * n_iter

    def advance(self):
        """Count an iteration."""
        self.bar.update()

    def next_chunk(self):
        """Count a finished chunk, which may have stopped early."""
        self.chunk, self.done = self.chunk + 1, self.done + self.n_iter
        self.bar.update(self.done - self.bar.n)
        if logger.isEnabledFor(logging.INFO):
            left = (time.monotonic() - self.began) * (self.n_chunks - self.chunk) / self.chunk
            logger.info(
                "phase retrieval: %d of %d parts done, %.0f s left", self.chunk, self.n_chunks, left
            )

    def close(self):
        """Close the bar; its line stays on the screen."""
        if self.bar is not None:
            self.bar.close()
