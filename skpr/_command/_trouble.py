"""Errors, warnings and progress of the command line, one sentence each."""

from __future__ import annotations

import contextlib
import re
import sys
import warnings

ERRORS = ValueError, TypeError, OSError, ImportError, MemoryError
# parameters of functions that the command line has as options, for messages that name them
OPTIONS = (
    *("frames", "select", "dataset", "format", "content", "centered", "center", "crop", "binning"),
    "resample",
    *("dark", "flat", "mask", "mask_marks", "roi", "detector", "saturation", "threshold"),
    *("negative", "hot_pixels", "monitor", "constraints", "coherence", "n_starts", "device"),
)
RENAMED = {"n_starts": "starts"}
VALUES = {"False": "none", "None": "none", "True": "yes"}
PARAMETER = re.compile(rf"\b({'|'.join(OPTIONS)})=('[^']*'|\([\d., -]+\)|slice\(\d+\)|[\w.]+|)")
LOST = "interrupted: "  # beginning of the warning of a retrieval that Ctrl-C ended


class TroubleError(Exception):
    """A reason to stop, in one sentence."""


def spoken(message):
    r"""Return a message on one line, with options for parameters.

    Examples
    --------
    >>> spoken("masks hide 60%; give it as mask= with mask_marks='measured'")
    'masks hide 60%; give it as --mask with --mask-marks measured'
    >>> spoken("center=(3, 99) is not valid;\n roi= says where they begin")
    '--center 3,99 is not valid; --roi says where they begin'
    """
    return PARAMETER.sub(_option, " ".join(str(message).split()))


def _option(found):
    name, value = RENAMED.get(found[1], found[1]), found[2]
    if value.startswith("slice("):
        value = f":{value[6:-1]}"
    value = VALUES.get(value, value).strip("'").strip("()").replace(", ", ",")
    return f"--{name.replace('_', '-')} {value}".rstrip()


def say(text, is_quiet=False):
    """Print a line of progress."""
    if not is_quiet:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def sentences():
    """Print warnings that concern the user once, as sentences.

    A retrieval that was interrupted is interrupted for the command line, too.
    """
    told = set()

    def show(message, category, *_, **__):
        text = spoken(message)
        if issubclass(category, RuntimeWarning) and text.startswith(LOST):
            raise KeyboardInterrupt
        if issubclass(category, UserWarning) and text not in told:
            told.add(text)
            say(f"skpr: warning: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
