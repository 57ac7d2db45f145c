"""The versions pinned in requirements.txt are compatible with what institutions install beside them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.package.environments import UV

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("python", ["3.10", "3.13"])
def test_the_pins_leave_room_for_the_providers_of_institutions(python: str) -> None:
    """FAB, Celery, Kubernetes, MySQL, SQL Server, Oracle and OpenLineage fit together, from the oldest Python to the newest."""
    command = [UV, "pip", "compile", "--quiet", "--python-version", python, "requirements.txt", "--group", "institution"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "apache-airflow-providers-fab==" in done.stdout
