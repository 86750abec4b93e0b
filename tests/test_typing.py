"""Annotations tell a user's type checker which calls are valid."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_users_script_passes_and_its_errors_are_found():
    pytest.importorskip("mypy")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_package_says_that_it_is_annotated():
    assert (ROOT / "skpr" / "py.typed").exists()
