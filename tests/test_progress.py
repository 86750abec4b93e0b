import logging

from skpr import FourierMagnitude, IterativePhaseRetrieval, PhaseRetrievalRegressor, _progress
from skpr._progress import IterationLine
from tests.conftest import random_objects


def test_the_line_counts_chunks_and_iterations(capsys, monkeypatch):
    monkeypatch.setattr(_progress.time, "monotonic", iter(range(1000)).__next__)
    line = IterationLine(True, n_chunks=2, n_iter=4)
    for _ in range(4):
        line.advance()
    line.next_chunk()
    line.advance()
    line.close()
    printed = capsys.readouterr().err.split("\r")[1:]
    assert [text.split("%")[0].split()[-1] for text in printed] == ["12", "25", "38", "50", "62"]
    assert printed[1].strip().endswith("6 s left")


def test_nothing_is_printed_where_no_terminal_watches(capsys):
    line = IterationLine("auto", 1, 1)
    line.advance()
    line.close()
    assert capsys.readouterr().err == ""


def test_trainings_and_retrievals_are_logged(caplog, tmp_path):
    objects = random_objects((8, 8), "float32", n_samples=16)
    magnitudes = FourierMagnitude().fit_transform(objects)
    caplog.set_level(logging.DEBUG, logger="skpr")
    small = {"max_epochs": 2, "module__hidden_width": 8, "device": "cpu", "checkpoint": tmp_path / "run.checkpoint"}
    PhaseRetrievalRegressor(**small).fit(magnitudes, objects)
    IterativePhaseRetrieval(n_iter=3, random_state=0).fit(magnitudes).predict(magnitudes)
    printed = [record.getMessage() for record in caplog.records if record.name == "skpr"]
    assert sum(line.startswith("epoch ") and line.endswith(" s left") for line in printed) == 2
    assert sum(line.startswith("wrote ") for line in printed) == 2
    assert printed[-1] == "phase retrieval: 1 of 1 parts done, 0 s left"
