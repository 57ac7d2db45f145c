"""What the processes that tasks are forked from import when they start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_STARTING = """
import sys
from importlib.machinery import SourceFileLoader
from airflow.listeners.listener import get_listener_manager
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

get_listener_manager().hook.on_starting(component={component})
before = set(sys.modules)
SourceFileLoader("dag_file", "dags/historical_load.py").load_module()
import tablero.airflow.tasks, tablero.dashboard.client, tablero.source.parameters
print(*sorted(name for name in set(sys.modules) - before if name.startswith("tablero.")))
"""


def imported_after(component: str, home: Path) -> set[str]:
    """Our modules that a DAG file, its tasks and the client still import after a component of Airflow has started."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT / "plugins"),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-c", _STARTING.format(component=component)]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_forked_task_imports_nothing_of_ours(tmp_path: Path) -> None:
    """Tasks that are forked from the scheduler import nothing of ours: what they need is there."""
    assert imported_after("object()", tmp_path) == set()


def test_a_task_of_another_dag_imports_nothing_of_ours(tmp_path: Path) -> None:
    """The process of a task, which may be of any DAG, imports nothing for its sake."""
    assert "tablero.airflow.tasks" in imported_after("TaskRunnerMarker()", tmp_path)


def test_airflow_starts_without_what_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is missing is an error of the task that needs it, and not of the scheduler."""
    from tablero.package import preload

    monkeypatch.setitem(sys.modules, "tablero.dashboard.client", None)
    preload.on_starting(object())
