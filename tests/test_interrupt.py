import signal
import sys
import threading

import pytest

from skpr import _interrupt
from skpr._interrupt import end_at_interrupts, raise_at_interrupts, runs_command


@pytest.fixture
def usual():
    """The usual response to Ctrl-C; a shell lets processes in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("argv", "words", "expected"),
    [
        (["/usr/bin/skpr", "a.h5"], ["python", "/usr/bin/skpr", "a.h5"], True),
        (["-m", "a.h5"], ["python", "-m", "skpr", "a.h5"], True),
        (["-m", "skpr"], ["python", "-m", "pytest", "skpr"], False),
        (["train.py", "skpr"], ["python", "train.py", "skpr"], False),
        (["-c"], ["python", "-c", "import skpr"], False),
        ([""], ["python"], False),
        ([], ["python"], False),
    ],
)
def test_the_command_is_told_from_other_programs(monkeypatch, argv, words, expected):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", words)
    assert runs_command() == expected


def test_the_usual_response_returns_after_the_import(monkeypatch, usual):
    monkeypatch.setattr(sys, "argv", ["skpr"])
    assert end_at_interrupts()
    assert signal.getsignal(signal.SIGINT) is _interrupt._end
    raise_at_interrupts()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_response_of_others_stays(monkeypatch, usual):
    assert not end_at_interrupts()  # pytest is not the command
    monkeypatch.setattr(sys, "argv", ["skpr"])
    found = []
    thread = threading.Thread(target=lambda: found.append(end_at_interrupts()))
    thread.start()
    thread.join()
    assert found == [False]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert not end_at_interrupts()
    raise_at_interrupts()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
