import io
import logging
import sys

from sklearn.model_selection import cross_val_score

from skpr import FourierMagnitude, IterativePhaseRetrieval, PhaseRetrievalRegressor, _progress
from skpr._progress import IterationLine
from tests.conftest import random_objects


class Terminal(io.StringIO):
    """Standard error on a screen."""

    def isatty(self):
        return True


def line(verbose, n_chunks, n_iter):
    prepared = IterationLine(verbose)
    prepared.expect(n_chunks, n_iter)
    return prepared


def run(line, n_iter, n_chunks=2):
    """A retrieval in chunks, of which the first ends early."""
    for chunk in range(n_chunks):
        for _ in range(n_iter - 1 if chunk == 0 else n_iter):
            line.advance()
        line.next_chunk()
    line.close()


def test_a_terminal_shows_one_line_that_is_rewritten(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(_progress, "QUIET_SECONDS", 0)
    run(line("auto", 2, 4), 4)
    printed = sys.stderr.getvalue().rstrip()
    assert "\n" not in printed
    assert printed.split("\r")[1].startswith("phase retrieval:   0%")
    assert printed.split("\r")[-1].startswith("phase retrieval: 100%")
    assert "8/8" in printed


def test_quick_work_leaves_no_line(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    run(line("auto", 2, 4), 4)
    assert sys.stderr.getvalue().strip() == ""


def test_a_file_gets_lines_below_one_another_if_asked(capsys, monkeypatch):
    monkeypatch.setattr(_progress, "LINE_SECONDS", 0)
    run(line(True, 2, 4), 4)
    printed = capsys.readouterr().err
    assert "\r" not in printed
    assert printed.endswith("\n")
    done = [line.split("|")[-1].split()[0] for line in printed.splitlines()]
    assert done[0] == "0/8"
    assert done[-1] == "8/8"
    assert [int(part.split("/")[0]) for part in done] == sorted(
        int(part.split("/")[0]) for part in done
    )


def test_a_retrieval_shows_progress_in_a_file_if_asked(capsys):
    magnitudes = FourierMagnitude().fit_transform(random_objects((8, 8), "float32", n_samples=2))
    for verbose in ("auto", False, True):
        IterativePhaseRetrieval(n_iter=3, random_state=0, verbose=verbose).fit(magnitudes).predict(
            magnitudes
        )
        assert ("phase retrieval: 100%" in capsys.readouterr().err) == (verbose is True)


def test_nothing_is_printed_where_no_terminal_watches(capsys):
    run(line("auto", 2, 1), 1)
    assert capsys.readouterr().err == ""


def test_searches_show_no_progress(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(_progress, "QUIET_SECONDS", 0)
    magnitudes = FourierMagnitude().fit_transform(
        objects := random_objects((8, 8), "float32", n_samples=4)
    )
    cross_val_score(IterativePhaseRetrieval(n_iter=3, random_state=0), magnitudes, objects, cv=2)
    assert sys.stderr.getvalue() == ""


def test_trainings_and_retrievals_are_logged(caplog, tmp_path):
    objects = random_objects((8, 8), "float32", n_samples=16)
    magnitudes = FourierMagnitude().fit_transform(objects)
    caplog.set_level(logging.DEBUG, logger="skpr")
    small = {
        "max_epochs": 2,
        "module__hidden_width": 8,
        "device": "cpu",
        "checkpoint": tmp_path / "run.checkpoint",
    }
    PhaseRetrievalRegressor(**small).fit(magnitudes, objects)
    IterativePhaseRetrieval(n_iter=3, random_state=0).fit(magnitudes, objects).predict(magnitudes)
    printed = [record.getMessage() for record in caplog.records if record.name == "skpr"]
    assert sum(line.startswith("epoch ") and line.endswith(" s left") for line in printed) == 2
    assert sum(line.startswith("wrote ") for line in printed) == 1 + 2  # one before the first epoch
    assert printed[-1] == "phase retrieval: 1 of 1 parts done, 0 s left"
