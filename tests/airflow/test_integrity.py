"""The DAG files as the dag-processor sees them: fast to parse, without side effects, and correct."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.airflow.server import ROOT

#: Seconds of processor time beyond those of importing ``airflow.sdk``'s ``dag`` and ``task``.
MOST = 0.5


def run_parsing(home: Path, *arguments: str, **settings: str) -> Any:
    """The output of ``tests.airflow.parsing`` with these settings of section ``[tablero]``."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.airflow.parsing", *arguments],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PYTHONPATH": str(ROOT / "plugins"),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            **{f"AIRFLOW__TABLERO__{key.upper()}": value for key, value in settings.items()},
        },
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return orjson.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAG files of a fresh installation, in which nothing is set."""
    return run_parsing(tmp_path_factory.mktemp("parsing"))


def test_no_import_errors(parsed: dict[str, Any]) -> None:
    """Both DAGs appear as soon as the project is installed, before anything is configured."""
    assert parsed["errors"] == {}
    assert set(parsed["dags"]) == {"historical_load", "daily_send"}


def test_asks_no_one(parsed: dict[str, Any]) -> None:
    """Parsing a DAG file opens no socket, and reads no connection and no Variable."""
    assert parsed["asked"] == []


@pytest.mark.parametrize("file", ["historical_load.py", "daily_send.py"])
def test_costs_little(tmp_path: Path, file: str) -> None:
    """Importing a DAG file costs little more than importing Airflow's own ``dag`` and ``task``."""
    assert run_parsing(tmp_path, str(ROOT / "dags" / file)) < MOST


def test_documented(parsed: dict[str, Any]) -> None:
    """Each DAG is documented in the UI, in both languages: what it does and what to do when it fails."""
    for dag in parsed["dags"].values():
        assert "Qué hace." in dag["doc_md"]
        assert "What it does." in dag["doc_md"]
        assert "Clear" in dag["doc_md"]
        assert "/tablero/" in dag["doc_md"]  # for users who do not see the page in the menu


def test_tasks(parsed: dict[str, Any]) -> None:
    """Tasks have the documented names and order, and each DAG has one run at a time."""
    assert parsed["dags"]["historical_load"]["params"] == ["accept_changes", "dry_run", "end_month", "resend", "start_month"]
    assert parsed["dags"]["daily_send"]["params"] == ["accept_changes", "day", "dry_run", "resend"]
    assert {dag["max_active_runs"] for dag in parsed["dags"].values()} == {1}
    after = {name: {task: facts["downstream"] for task, facts in dag["tasks"].items()} for name, dag in parsed["dags"].items()}
    assert after["historical_load"] == {
        "preflight": ["plan_months"],
        "plan_months": ["load_month", "reconcile"],
        "load_month": ["reconcile"],
        "reconcile": [],
    }
    assert after["daily_send"] == {
        "preflight": ["extract"],
        "extract": ["post", "reconcile"],
        "post": ["reconcile"],
        "reconcile": [],
    }


def test_retries(parsed: dict[str, Any]) -> None:
    """Every task has retries with capped backoff, the retry policy and a time limit."""
    for dag in parsed["dags"].values():
        for task in dag["tasks"].values():
            assert task["retries"] > 0
            assert task["exponential"] == 2
            assert 0 < task["retry_delay"] < task["max_retry_delay"]
            assert task["policy"] == "TableroRetryPolicy"
            assert task["execution_timeout"] > 0


def test_retries_outlast_a_night_of_trouble(parsed: dict[str, Any]) -> None:
    """With the defaults, a task still retries two hours after the dashboard went down."""
    for dag in parsed["dags"].values():
        for task in dag["tasks"].values():
            waits = (min(task["retry_delay"] * 2**n, task["max_retry_delay"]) for n in range(task["retries"]))
            assert sum(waits) > 2 * 3600


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("batch_size", "5000", "must be 1000 or less"),
        ("daily_at", "25:00", "02:00"),
        ("timezone", "America/Nowhere", "America/Santo_Domingo"),
        ("send_hours", "06:00-06:00", "never open"),
        ("batchsize", "500", "batch_size"),
    ],
)
def test_wrong_setting(tmp_path: Path, key: str, value: str, allowed: str) -> None:
    """A wrong setting is an import error of both DAGs that names the key, the value and what is allowed."""
    errors = run_parsing(tmp_path, **{key: value})["errors"]
    assert {Path(path).name for path in errors} == {"historical_load.py", "daily_send.py"}
    for message in errors.values():
        assert f"AIRFLOW__TABLERO__{key.upper()}" in message
        assert allowed in message
        assert value in message or key == "batchsize"
