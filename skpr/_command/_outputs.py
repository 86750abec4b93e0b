"""Files that the command line writes, all of them or none."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

from ._trouble import TroubleError

NEEDED = ("h5py", "io"), ("pyevtk", "io"), ("matplotlib", "plot")  # with the extras that bring them
ENDINGS = ".gz", ".bz2"  # after which another ending comes


class Outputs(NamedTuple):
    """Names of the results.

    Attributes
    ----------
    object, report, volume : Path
        CXI, page and VTI.
    """

    object: Path
    report: Path
    volume: Path


def output_names(options: Any) -> Outputs:
    """Return the names of the results; refuse impossible ones.

    Parameters
    ----------
    options : argparse.Namespace
        `files`, `output`, `report` and `overwrite`.

    Returns
    -------
    Outputs

    Raises
    ------
    TroubleError
        If a result exists and must not be replaced, is one of the files to be read, or has no
        folder to be in.
    """
    folder, stem = _folder_and_stem(options.output, options.files[0])
    endings = "_object.cxi", f"_report.{options.report}", "_object.vti"
    names = Outputs(*(folder / f"{stem}{ending}" for ending in endings))
    for path in names:
        if path.is_dir():
            raise TroubleError(f"{path} is a folder; choose another name by --output")
        if any(
            path.exists() and Path(one).exists() and path.samefile(one) for one in options.files
        ):
            raise TroubleError(f"{path} is one of the input files; choose another name by --output")
        if path.exists() and not options.overwrite:
            raise TroubleError(
                f"{path} exists; --overwrite replaces it, --output NAME chooses another name"
            )
    existing = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not existing.is_dir():
        raise TroubleError(f"results cannot be written: {existing} is not a folder")
    _try_out(folder, names, existing)
    return names


def _try_out(folder, names, existing):
    """Refuse names that cannot be written, before the work, and leave nothing."""
    missing = os.path.relpath(folder, existing)
    try:
        with tempfile.TemporaryDirectory(prefix=".skpr-", dir=existing) as temporary:
            there = Path(os.path.abspath(os.path.join(temporary, missing)))
            there.mkdir(parents=True, exist_ok=True)
            for path in names:
                (there / path.name).touch()
    except OSError as error:
        raise TroubleError(
            f"results cannot be written to {folder}: {(error.strerror or str(error)).lower()}"
        ) from error


def check_libraries() -> None:
    """Refuse to begin if a library that the results need is missing.

    Raises
    ------
    TroubleError
        If a library is not installed, or cannot be imported.
    """
    if "matplotlib" not in sys.modules:
        os.environ["MPLBACKEND"] = "agg"  # no window is opened, whatever the user has set
    for library, extra in NEEDED:
        try:
            importlib.import_module(library)
        except ModuleNotFoundError as error:
            if error.name != library:
                raise TroubleError(f"{library} cannot be imported: {error}") from error
            raise TroubleError(f"results need {library}: pip install 'skpr[{extra}]'") from error
        except Exception as error:  # whatever a damaged installation does
            raise TroubleError(f"{library} cannot be imported: {error}") from error


def _folder_and_stem(output, first):
    """Return the folder of the results and the beginning of their names."""
    name = Path(first).name
    if Path(name).suffix.lower() in ENDINGS:
        name = Path(name).stem
    stem = "".join(c for c in Path(name).stem if c not in "*?[]") or "pattern"
    if not output:
        return Path("."), stem
    if output.endswith(("/", os.sep)) or Path(output).is_dir():
        return Path(output), stem
    beginning = Path(output)
    if beginning.suffix.lower() in (".cxi", ".png", ".pdf", ".svg", ".vti"):
        beginning = beginning.with_suffix("")
    return beginning.parent, beginning.name


@contextlib.contextmanager
def written_together(names):
    """Yield temporary names, which become `names` on success.

    They lie beside `names`. Names that nothing was written to are left out.

    Parameters
    ----------
    names : Outputs
    """
    folder = names[0].parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".skpr-", dir=folder) as temporary:
        there = Outputs(*(Path(temporary) / path.name for path in names))
        yield there
        with _uninterrupted():
            for path, name in zip(there, names, strict=True):
                if path.exists():
                    os.replace(path, name)


@contextlib.contextmanager
def _uninterrupted():
    """Ignore Ctrl-C for a moment: it comes too late."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
