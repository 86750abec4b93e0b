"""Command line: from one pattern to its object, a report and a verdict."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ._interrupt import LINE, STATUS


def main(arguments: Sequence[str] | None = None) -> int:
    """Reconstruct the object of one pattern, as ``skpr --help`` says.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words of the command line without the name of the program; those of the process if not
        given.

    Returns
    -------
    int
        Status of the process: 0, 2 after an error, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["--frames", "all", "scan.h5"])
    2
    """
    try:
        from ._command import (
            ERRORS,
            TroubleError,
            parser,
            prepare_streams,
            say,
            sentences,
            spoken,
        )

        prepare_streams()
        options = parser().parse_intermixed_args(arguments)  # files may follow options
        with sentences():
            run(options)
    except KeyboardInterrupt:
        print(LINE, file=sys.stderr, flush=True)
        return STATUS
    except (TroubleError, *ERRORS) as error:
        say(f"skpr: error: {spoken(error) or type(error).__name__}")
        return 2
    return 0


def run(options) -> None:
    """Read a pattern, reconstruct its object and write the results."""
    import torch

    from ._command import (
        check_libraries,
        in_a_verdict,
        in_sentences,
        output_names,
        read_pattern,
        reconstruct,
        say,
        spoken,
        tell,
        write_results,
        written_together,
    )

    began = time.monotonic()
    check_libraries()
    names = output_names(options)
    if options.threads is not None:
        # far more threads than cores would crash the process
        torch.set_num_threads(min(options.threads, os.cpu_count() or 1))
    say(f"reading {Path(options.files[0]).name} ...", options.quiet)
    pattern = read_pattern(options)
    for note in pattern.notes:
        say(f"  {note}", options.quiet)
    made = reconstruct(pattern.magnitudes, options)
    lines = in_sentences(pattern, made)
    with written_together(names) as there:
        write_results(there, pattern, made, Path(options.files[0]).name, lines)
        written = [str(name) for name, path in zip(names, there, strict=True) if path.exists()]
    for name in names:
        if name.exists() and str(name) not in written:
            say(f"skpr: warning: {name} is of an earlier run, and does not show this object")
    tell("\n".join([*lines, *map(spoken, in_a_verdict(made))]))
    tell(f"wrote {', '.join(written)}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
