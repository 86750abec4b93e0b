"""The README's code runs, in order, on less data and fewer epochs."""

import re
from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
SMALLER = [
    ("load_digit_objects().data", "load_digit_objects().data[:60]"),
    ("-300", "-10"),
    ("max_epochs=60", "max_epochs=1"),
    ("cv=3", "cv=2"),
    (
        "IterativePhaseRetrieval(random_state=0)",
        "IterativePhaseRetrieval(n_iter=30, random_state=0)",
    ),
]


@pytest.mark.slow
def test_the_code_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    for written, smaller in SMALLER:
        assert written in code
        code = code.replace(written, smaller)
    namespace = {}
    exec(compile(code, "README.md", "exec"), namespace)
    assert namespace["reconstructions"].shape == (10, 24, 24)
    assert namespace["found"].objects.shape == (1, 32, 32)
    assert len(namespace["search"].cv_results_["mean_test_score"]) == 3
    assert np.isfinite(namespace["search"].best_score_)
    crystals = namespace["X"]
    assert namespace["retriever"].fit(crystals).predict(crystals).shape == (1, 32, 32)
    assert "refiner" in namespace["refined"][-1].get_params()


def test_the_commands_install_from_the_constraints():
    commands = re.findall(r"```bash\n(.*?)\n```", README, flags=re.DOTALL)
    marked = re.findall(r"<!-- (.*?) -->\n```bash\n(.*?)\n```", README, flags=re.DOTALL)
    assert [name for name, _ in marked] == ["main job", "tests"]
    installs = [command for command in commands if "pip install" in command]
    assert len(installs) >= 2
    assert all("pip install -c .ci/constraints.txt" in command for command in installs)


def test_the_pictures_shown_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert all((Path(__file__).parent.parent / picture).is_file() for picture in pictures)


def test_it_is_short_and_begins_with_code():
    assert len(README.encode()) <= 9000
    assert README.index("```python") < 1200
