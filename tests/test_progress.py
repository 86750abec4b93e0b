from skpr import _progress
from skpr._progress import IterationLine


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
