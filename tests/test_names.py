"""Tests have the same names in every process: else none can be run again by name, nor shared among workers."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def collecting(hash_seed):
    """A process of its own that prints the names of all tests."""
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )


@pytest.mark.slow
def test_names_depend_on_no_hash_no_time_and_no_place_in_memory():
    first = collecting(1)
    time.sleep(1.5)  # another second of the clock
    second = collecting(2)
    printed = [process.communicate()[0] for process in (first, second)]
    assert first.returncode == second.returncode == 0, printed[0]
    names = [[line for line in text.splitlines() if "::" in line] for text in printed]
    assert len(names[0]) > 1000
    assert names[0] == names[1]
    assert not [name for name in names[0] if re.search("0x[0-9a-f]{6,}", name)]
