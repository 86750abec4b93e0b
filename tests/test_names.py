"""Tests have the same names in every process, so that they can be selected by name and shared among
workers.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def collected(hash_seed):
    """Names of all tests, as a process of its own collects them now."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.slow
def test_names_depend_on_no_hash_no_time_and_no_place_in_memory(request):
    here = [
        item.nodeid for item in request.session.items if item.nodeid.startswith("tests/")
    ]  # collected seconds ago
    other = 2 if os.environ.get("PYTHONHASHSEED") == "1" else 1
    there = collected(other)
    assert len(there) > 1000
    if len(here) != len(there):  # some tests only were asked for
        here = collected(other + 1)
    assert here == there
    assert not [name for name in there if re.search("0x[0-9a-f]{6,}", name)]
