"""When to show progress, decided once for trainings and retrievals."""

import sys


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
