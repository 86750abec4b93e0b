"""Ctrl-C while the command imports the package.

That takes a second or two. An import that is interrupted ends in a traceback through the
libraries. The command has not begun by then, so its process ends at once instead, with one line. In
any other program, Ctrl-C is left alone.
"""

import os
import signal
import sys
import threading

LINE = "skpr: interrupted; nothing was written"
STATUS = 130  # of a process that Ctrl-C ended, by convention: 128 and the number of the signal
SCRIPTS = "skpr", "skpr.exe", "skpr-script.py"


def runs_command():
    """Return whether this process runs the command `skpr`."""
    if not sys.argv or not sys.argv[0]:
        return False
    words = sys.orig_argv
    as_module = sys.argv[0] == "-m" and "skpr" in words[words.index("-m") + 1 :][:1]
    return as_module or os.path.basename(sys.argv[0]) in SCRIPTS


def end_at_interrupts():
    """Let Ctrl-C end the process of the command at once, with one line.

    Returns
    -------
    bool
        Whether it does. It does not in other programs, in a thread, or where the program ignores
        the signal or handles it.
    """
    in_charge = threading.current_thread() is threading.main_thread()
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not (in_charge and is_usual and runs_command()):
        return False
    signal.signal(signal.SIGINT, _end)
    return True


def raise_at_interrupts():
    """Let Ctrl-C raise KeyboardInterrupt again, if it ended the process."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_):
    os.write(2, f"{LINE}\n".encode())
    os._exit(STATUS)


end_at_interrupts()  # here, because the package imports this module before any library
