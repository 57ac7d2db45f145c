"""Memory is constant: a month of two million rows needs no more than one of a few thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

#: MiB above the idle process.
MOST = 150


def run(step: str, folder: Path, rows: int) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    command = [sys.executable, "-m", "tests.integration.memory", step, str(folder), str(rows)]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.mark.system
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc to know the highest resident memory")
def test_a_month_of_two_million_rows(tmp_path: Path) -> None:
    """Staged and sent within 150 MiB above the idle process, every row accounted for."""
    rows = 2_000_000
    run("make", tmp_path, rows)
    found = json.loads(run("load", tmp_path, rows))
    assert found["read"] == found["accounted"] == rows
    assert found["pending"] == 0
    assert found["highest"] - found["idle"] < MOST, found
