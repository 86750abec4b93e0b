"""Collection of errors that a library only logs."""

import contextlib
import logging
import re


@contextlib.contextmanager
def errors_logged(library, warnings=None):
    """Collect the errors that a library logs.

    Parameters
    ----------
    library : str
        Name of the library's logger.
    warnings : str, optional
        Regular expression of warnings that are collected as errors.

    Yields
    ------
    list of str
        Messages of the errors.

    Examples
    --------
    >>> with errors_logged("somebody") as errors:
    ...     logging.getLogger("somebody.reader").error("3 of 5 bytes")
    >>> errors
    ['3 of 5 bytes']
    """
    handler, logger = _Collector(warnings), logging.getLogger(library)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler.errors
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


class _Collector(logging.Handler):
    def __init__(self, warnings):
        super().__init__(logging.WARNING)
        self.warnings, self.errors = warnings, []

    def emit(self, record):
        message = record.getMessage()
        if record.levelno >= logging.ERROR or (self.warnings and re.search(self.warnings, message)):
            self.errors.append(message)
