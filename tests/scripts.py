"""Scripts in separate processes, without the cost of slow imports.

Importing torch, scikit-learn and matplotlib takes seconds, longer than most scripts of the tests
themselves. If the system can fork, one process imports these libraries but nothing of skpr, and
every script starts as a copy of it."""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path

COPIED = (
    sys.platform == "linux"
)  # elsewhere, copies of a process that has imported such libraries may crash
IMPORTED = (
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "scipy.ndimage",
    "sklearn.datasets",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "skorch.helper",
    "torch",
    "torch._dynamo",  # which torch imports with the first optimizer
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def start(script, *arguments, folder, name="script", **environment):
    """Start a script; what it prints goes to files in a folder.

    Parameters
    ----------
    script : Path
    *arguments : object
        Given as text.
    folder : Path
    name : str
        Beginning of the names of the files.
    **environment : str
        Variables of the environment beside those of this process.

    Returns
    -------
    multiprocessing.Process
    """
    context = multiprocessing.get_context("forkserver" if COPIED else "spawn")
    if COPIED:
        context.set_forkserver_preload(list(IMPORTED))
    before = dict(os.environ)
    os.environ.update(ONE_THREAD)  # read while torch is imported
    try:
        process = context.Process(
            target=_run,
            args=(
                str(script),
                list(map(str, arguments)),
                before | ONE_THREAD | environment,
                str(folder / name),
            ),
        )
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return process


def run(script, *arguments, folder, timeout=600, **environment):
    """Run a script to its end, which must be without an error, and return what it printed."""
    process = start(script, *arguments, folder=folder, **environment)
    finish(process, folder, timeout=timeout)
    return printed(folder)


def finish(process, folder, name="script", timeout=600):
    """Wait for a script; an error of it is one of the test."""
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode == 0, Path(f"{folder / name}.err").read_text()


def printed(folder, name="script"):
    """Output of a script so far."""
    path = Path(f"{folder / name}.out")
    return path.read_text() if path.exists() else ""


def _run(script, arguments, environment, output):
    """Run in the new process."""
    for number, ending in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{output}.{ending}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(environment)
    assert "skpr" not in sys.modules
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(script))
    runpy.run_path(script, run_name="__main__")
