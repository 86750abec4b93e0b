"""Errors, warnings and progress of the command line, one sentence each."""

from __future__ import annotations

import contextlib
import os
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
VALUES_OF = {
    "centered": {"False": "no"},
    "resample": {"False": "no", "None": "no"},
    "center": {"None": "middle"},
    "crop": {"None": "whole"},
}
VALUE = r"'[^']*'|[(\[][\d., -]+[)\]]|slice\([^)]*\)|-?[\d.]+e[-+]?\d+|-?\w+(?:\.\w+)*|"
PARAMETER = re.compile(rf"\b({'|'.join(OPTIONS)})=({VALUE})")
LOST = "interrupted: "  # beginning of the warning of a retrieval that Ctrl-C ended


class TroubleError(Exception):
    """Error that stops the command, with a message of one sentence."""


def spoken(message):
    r"""Return a message on one line, with options for parameters.

    Examples
    --------
    >>> spoken("masks hide 60%; give it as mask= with mask_marks='measured'")
    'masks hide 60%; give it as --mask with --mask-marks measured'
    >>> spoken("center=(3, 99) is not valid;\n roi= says where they begin")
    '--center 3,99 is not valid; --roi says where they begin'
    >>> spoken("select=slice(3, 1, None), crop=-5, select=[5] or centered=False")
    '--select 3:1, --crop -5, --select 5 or --centered no'
    """
    return PARAMETER.sub(_option, " ".join(str(message).split()))


def _option(found):
    name, value = RENAMED.get(found[1], found[1]), found[2]
    if value.startswith("slice("):
        parts = value[6:-1].replace("None", "").split(", ")
        value = ":".join(parts if len(parts) > 1 else ["", *parts])
        value = value.removesuffix(":") if value.count(":") == 2 else value
    value = (VALUES | VALUES_OF.get(name, {})).get(value, value)
    value = value.strip("'").strip("()[]").replace(", ", ",")
    return f"--{name.replace('_', '-')} {value}".rstrip()


def say(text, is_quiet=False):
    """Print a line of progress."""
    if not is_quiet:
        _print(text, sys.stderr)


def tell(text):
    """Print a result."""
    _print(text, sys.stdout)


def _print(text, stream):
    """Print a text, also to a reader who has gone, such as `head`."""
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def prepare_streams():
    """Make standard output and error able to take any text.

    Output to a closed stream is discarded. Characters outside its encoding are escaped.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # the number that was closed is taken again, before a file of results gets it
            number = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


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
